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

#define ACCOUNT_STREAMS_MAX 128
#define ACCOUNT_SEATS_MAX   256
#define ACCOUNT_UNITS_MAX   65535u /* of a record */
#define ACCOUNT_ATOMIC      256u   /* units: records of no more must come out in one piece */

struct account_unit {
	uint64_t id; /* stream << 48 | number */
	uint16_t index, last;
	uint32_t check;
};

struct account_plan {
	struct faults *faults;
	uint32_t streams; /* writers; up to ACCOUNT_STREAMS_MAX */
	uint32_t seats;   /* up to ACCOUNT_SEATS_MAX */
	uint32_t window;  /* unsettled records of a stream at once; a power of two */
};

struct account;

/* Empty; NULL without memory for it. */
struct account *account_make(const struct account_plan *plan);
void account_unmake(struct account *a);

/* ---- writers: one process at a time in each stream ---- */

/* A record of so many units is about to be written. Its number, or -EAGAIN while too many are not
 * settled. */
int64_t account_begin(struct account *a, uint32_t stream, uint32_t units);

/* Its units, as bytes. */
void account_compose(void *to, uint32_t stream, uint64_t number, uint32_t units);

/* The call is over; so many units of it are in. */
void account_wrote(struct account *a, uint32_t stream, uint64_t number, uint32_t units);

/* The call is over and does not tell how many. */
void account_doubt(struct account *a, uint32_t stream, uint64_t number);

/* The stream's writer is dead. */
void account_bury_writer(struct account *a, uint32_t stream);

/* ---- readers ---- */

/* What had come out when a reading call began. Private to a process. */
struct account_view {
	uint64_t begun; /* latest begin of a record among those that have come out */
	uint64_t newest[ACCOUNT_STREAMS_MAX]; /* number << 16 | index of the last unit, + 1 */
};

void account_look(const struct account *a, struct account_view *view);

/* These bytes came out, in one piece of the stream. */
void account_read(struct account *a, struct account_view *view, const void *bytes, size_t size);

/* These bytes were seen by one who only looks, after those that view knows of. */
void account_saw(struct account *a, struct account_view *view, const void *bytes, size_t size);

/* A dead reader had this in its buffer: it may have been the last to see it. */
void account_found(struct account *a, const void *bytes, size_t size);

/* ---- who has an end open ---- */

/* A new process has the seat; it has the end open from now on; not any more from now on; it is
 * going to be killed. */
void account_seat(struct account *a, uint32_t seat);
void account_opened(struct account *a, uint32_t seat);
void account_closing(struct account *a, uint32_t seat);
void account_condemn(struct account *a, uint32_t seat);

/* Who had it open at a moment. */
struct account_doors {
	uint64_t word[ACCOUNT_SEATS_MAX];
};

void account_look_at_doors(const struct account *a, struct account_doors *doors);

/* A seat that has had it open all the time since then, among those for which wanted() is true; -1:
 * none. */
int64_t account_open_since(const struct account *a, const struct account_doors *doors,
			   bool (*wanted)(const void *context, uint32_t seat), const void *context);

/* ---- the reckoning ---- */

struct account_sum {
	uint64_t records;  /* begun, and of which something was, or may have been, written */
	uint64_t units;    /* that came out */
	uint64_t doubtful; /* records whose writer died, and of which something came out */
	uint64_t absent;   /* ... and of which nothing did */
	uint64_t taken;    /* units that readers took with them when they died */
};

/* Everything has come to its end: judge what is open, and add up. */
void account_close(struct account *a, struct account_sum *ret_sum);

#endif
