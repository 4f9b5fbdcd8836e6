/* SPDX-License-Identifier: MIT */
/*
 * A pipe under attack. What is written are records of units; a unit says which record it is of, and
 * which of its units, so that whatever comes out can be judged by itself. The ledger, in memory
 * that outlives everybody, notes each record that was begun and each unit that came out.
 */
#ifndef KILL_PIPE_H
#define KILL_PIPE_H

#include "await.h"
#include "harness.h"
#include "scene.h"

enum {
	PIPE_CAPACITY = 8192,
	PIPE_MEMBERS = 24,
	PIPE_RECORDS = 600,
	PIPE_UNITS = 1280, /* in the largest record */
	SMALL = 64,
	ATOMIC = 4096,
	LONG = 20000, /* more than the pipe holds */
};

#define PIPE_NAME "pipe"

struct unit {
	uint32_t record, index, of, check;
};

struct pipe_record {
	uint32_t units;
	uint32_t returned;     /* units that the writer was told are in */
	uint32_t got;          /* units that came out */
	uint32_t aside;        /* units that a killed drain left in its file */
	uint32_t began, ended; /* times of the ledger's clock; 0 = not */
	uint32_t first_out;
	bool over; /* returned, with whatever */
};

struct pipe_ledger {
	struct faults *faults;
	uint32_t n;
	uint32_t clock;
	uint32_t reading[ACTORS]; /* units that whoever dies now may take along */
	bool draining;            /* what its file holds has not been looked at */
	struct pipe_record records[PIPE_RECORDS];
};

/* What an operation is about: operation->with. */
struct pipe_setup {
	uint32_t size;    /* of what the victim writes or reads */
	uint32_t prefill; /* bytes in the pipe before, in records of 64 */
	uint32_t end;     /* of the victim */
	bool lonely;      /* nobody else has the victim's end open */
	bool absent;      /* there is no pipe before */
	bool removes;
	bool deserted;  /* the reader leaves while the victim stands still */
	bool drains;    /* into a file that outlives the victim */
	enum await way; /* of those who wait among other things */
};

/* The kinds of sleepers: in the call, and the same among other things. */
enum { PIPE_READERS, PIPE_WRITERS, PIPE_READ_AWAITERS, PIPE_WRITE_AWAITERS };

struct pipe_actor {
	struct pipe_ledger *ledger;
	const struct pipe_setup *setup;
	uint32_t index;
	ferry_pipe *reader, *writer;
	struct ferry_span span;
	uint32_t record; /* that the span is reserved for, or that lies in file */
	ferry_pipe *observer;
	ferry_pipe_tap *tap;
	int file; /* that bytes are moved to or from; -1: none */
	char text[FERRY_PIPE_EXPORT_BYTES];
};

static inline const struct pipe_setup *pipe_setup(const struct operation *operation)
{
	return operation->with;
}

int pipe_actor_open(struct pipe_actor *actor, uint32_t end, uint32_t flags);
ssize_t pipe_actor_write(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
ssize_t pipe_actor_read(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
/* The same, but waiting by await_item(), and trying when it says that it may go. */
ssize_t pipe_actor_await_write(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
ssize_t pipe_actor_await_read(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
int pipe_actor_peek(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
int pipe_actor_reserve(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
int pipe_actor_commit(struct pipe_actor *actor, ferry_deadline deadline);

/* For calls that are in other files. */
uint32_t pipe_compose(struct pipe_ledger *ledger, struct unit *to, uint32_t size);
ssize_t pipe_checked(struct pipe_actor *actor, const char *call, ssize_t result);
void pipe_wrote(struct pipe_actor *actor, uint32_t id, ssize_t result);
bool pipe_unit_is_sound(const struct pipe_ledger *ledger, const struct unit *unit);
void pipe_all_came_out(struct pipe_actor *actor, const struct unit *units, ssize_t bytes);

/* pipe_move.c: drain and fill, taps, passing an end on. */
int pipe_new_file(void);
void pipe_actor_drain(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
void pipe_actor_prepare_fill(struct pipe_actor *actor, uint32_t size);
void pipe_actor_fill(struct pipe_actor *actor, ferry_deadline deadline);
void pipe_actor_prepare_tap(struct pipe_actor *actor);
void pipe_actor_tap_open(struct pipe_actor *actor);
void pipe_actor_tap_read(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline);
void pipe_actor_export(struct pipe_actor *actor);
void pipe_actor_import(struct pipe_actor *actor);
void pipe_actor_pair(struct pipe_actor *actor);

/* What a killed drain has written to its file, and perhaps not taken. */
void pipe_ledger_look_aside(struct pipe_ledger *ledger, int file);

/* All is read that can be: judge. */
void pipe_ledger_judge(struct pipe_ledger *ledger, bool victim_is_over);

extern const struct operation pipe_operations[];

#endif
