/* SPDX-License-Identifier: MIT */
/*
 * torture_pipe_account.h - what went into a pipe and what came out, kept while processes are
 * killed.
 *
 * What is written are records, made of units of 16 bytes. A unit says which record it is of and
 * which of its units, so whatever comes out can be judged by itself, wherever a read ends. Each
 * writer (and those who replace it) numbers its records; a record has a slot, used again for a
 * later one when it is settled. Lies in shared memory; children made by fork() use their parent's
 * pointer. What is demanded, and why, is written above the functions that judge, in
 * torture_pipe_account.c.
 */
#ifndef FERRY_CLI_TORTURE_PIPE_ACCOUNT_H
#define FERRY_CLI_TORTURE_PIPE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"

#define PIPE_ACCOUNT_STREAMS_MAX 128
#define PIPE_ACCOUNT_SEATS_MAX   256
#define PIPE_ACCOUNT_UNITS_MAX   65535u /* of a record */
#define PIPE_ACCOUNT_ATOMIC      256u   /* units: records of no more must come out in one piece */

struct pipe_account_unit {
	uint64_t id; /* stream << 48 | number */
	uint16_t index, last;
	uint32_t check;
};

struct pipe_account_plan {
	struct faults *faults;
	uint32_t streams; /* writers; up to PIPE_ACCOUNT_STREAMS_MAX */
	uint32_t seats;   /* up to PIPE_ACCOUNT_SEATS_MAX */
	uint32_t window;  /* unsettled records of a stream at once; a power of two */
};

struct pipe_account;

/* Empty; NULL without memory for it. */
struct pipe_account *pipe_account_make(const struct pipe_account_plan *plan);
void pipe_account_unmake(struct pipe_account *a);

/* ---- writers: one process at a time in each stream ---- */

/* A record of so many units is about to be written. Its number, or -EAGAIN while too many are not
 * settled. */
int64_t pipe_account_begin(struct pipe_account *a, uint32_t stream, uint32_t units);

/* Its units, as bytes. */
void pipe_account_compose(void *to, uint32_t stream, uint64_t number, uint32_t units);

/* The call is over; so many units of it are in. */
void pipe_account_wrote(struct pipe_account *a, uint32_t stream, uint64_t number, uint32_t units);

/* The call is over and does not tell how many. */
void pipe_account_doubt(struct pipe_account *a, uint32_t stream, uint64_t number);

/* The stream's writer is dead. */
void pipe_account_bury_writer(struct pipe_account *a, uint32_t stream);

/* ---- readers ---- */

/* What had come out when a reading call began. Private to a process. */
struct pipe_account_view {
	uint64_t begun; /* latest begin of a record among those that have come out */
	uint64_t newest[PIPE_ACCOUNT_STREAMS_MAX]; /* number << 16 | index of the last unit, + 1 */
};

void pipe_account_look(const struct pipe_account *a, struct pipe_account_view *view);

/* These bytes came out, in one piece of the stream. */
void pipe_account_read(struct pipe_account *a, struct pipe_account_view *view, const void *bytes,
		       size_t size);

/* These bytes were seen by one who only looks, after those that view knows of. */
void pipe_account_saw(struct pipe_account *a, struct pipe_account_view *view, const void *bytes,
		      size_t size);

/* A dead reader had this in its buffer: it may have been the last to see it. */
void pipe_account_found(struct pipe_account *a, const void *bytes, size_t size);

/* ---- who has an end open ---- */

/* A new process has the seat; it has the end open from now on; not any more from now on; it is
 * going to be killed. */
void pipe_account_seat(struct pipe_account *a, uint32_t seat);
void pipe_account_opened(struct pipe_account *a, uint32_t seat);
void pipe_account_closing(struct pipe_account *a, uint32_t seat);
void pipe_account_condemn(struct pipe_account *a, uint32_t seat);

/* Who had it open at a moment. */
struct pipe_account_doors {
	uint64_t word[PIPE_ACCOUNT_SEATS_MAX];
};

void pipe_account_look_at_doors(const struct pipe_account *a, struct pipe_account_doors *doors);

/* A seat that has had it open all the time since then, among those for which wanted() is true; -1:
 * none. */
int64_t pipe_account_open_since(const struct pipe_account *a,
				const struct pipe_account_doors *doors,
				bool (*wanted)(const void *context, uint32_t seat),
				const void *context);

/* ---- the reckoning ---- */

struct pipe_account_sum {
	uint64_t records;  /* begun, and of which something was, or may have been, written */
	uint64_t units;    /* that came out */
	uint64_t doubtful; /* records whose writer died, and of which something came out */
	uint64_t absent;   /* ... and of which nothing did */
	uint64_t taken;    /* units that readers took with them when they died */
};

/* Everything has come to its end: judge what is open, and add up. */
void pipe_account_close(struct pipe_account *a, struct pipe_account_sum *ret_sum);

#endif
