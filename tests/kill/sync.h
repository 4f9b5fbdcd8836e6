/* SPDX-License-Identifier: MIT */
/*
 * Locks and the like as a family of the harness: a segment with one of each, and data of two words
 * that whoever has the lock changes together.
 */
#ifndef KILL_SYNC_H
#define KILL_SYNC_H

#include <stdatomic.h>

#include "await.h"
#include "scene.h"

#define PIT_NAME "pit"

enum { PIT_UNITS = 2, PIT_PARTIES = 2, PIT_MEMBERS = 8 };

/* What lies in the segment. */
struct pit {
	ferry_lock lock;
	ferry_rwlock rwlock;
	ferry_semaphore units;
	ferry_condition condition;
	ferry_barrier barrier;
	ferry_once once;
	ferry_lock spare;
	ferry_semaphore plain;       /* gives nothing back */
	_Atomic uint64_t x, y;       /* behind the lock */
	_Atomic uint64_t a, b;       /* behind the rwlock */
	_Atomic uint64_t said;       /* what the condition is about */
	_Atomic uint64_t half, full; /* what the once does */
};

/* What its processes tell each other; the scene's record. */
struct tale {
	struct faults *faults;
	_Atomic uint32_t inside;  /* the lock's critical section */
	_Atomic uint32_t writing; /* the rwlock's */
	_Atomic uint32_t reading;
	_Atomic uint32_t doomed; /* bits of actors: dead, or about to be */
	_Atomic bool may_reset;
	_Atomic pid_t victim;
	_Atomic uint32_t mended; /* the spare lock: somebody repaired what it guards */
	_Atomic uint32_t posts_begun, posts_done, waits_begun, waits_done; /* plain */
	_Atomic uint32_t missed; /* sleepers that were told of a broken barrier */
};

struct digger {
	struct tale *tale;
	ferry_segment *segment;
	struct pit *pit;
	uint32_t index;
	enum await way;
	bool has_lock, has_read, has_write;
	uint32_t units;
};

/* What an operation is about: operation->with. */
struct pit_setup {
	void (*survivor)(struct digger *survivor); /* has done this before anybody sleeps */
	void (*sleep[2])(struct digger *sleeper, ferry_deadline deadline); /* by kind */
	bool unseated[2]; /* those of this kind wait by await_item(), so in no seat */
	enum await way;   /* and so */
	bool resets;      /* the barrier */
	bool loses;       /* the spare lock may be released with nothing repaired */
};

static inline const struct pit_setup *pit_setup(const struct operation *operation)
{
	static const struct pit_setup none;

	return operation->with ? operation->with : &none;
}

extern const struct operation sync_operations[];

/* Calls of ferry, under attack where the caller is the victim. 0 or a positive result: done. */
int dig_lock(struct digger *d, ferry_deadline deadline);
int dig_unlock(struct digger *d);
int dig_read(struct digger *d, ferry_deadline deadline);
int dig_write(struct digger *d, ferry_deadline deadline);
int dig_leave(struct digger *d); /* the rwlock */
int dig_take(struct digger *d, ferry_deadline deadline);
int dig_post(struct digger *d);
int dig_wait(struct digger *d, ferry_deadline deadline); /* until something was said */
int dig_say(struct digger *d, bool all);
int dig_meet(struct digger *d, ferry_deadline deadline); /* the barrier */
int dig_once(struct digger *d, ferry_deadline deadline);

/* Take the spare lock, repair if an owner died, release; it may be lost. */
int dig_spare(struct digger *d, ferry_deadline deadline);

/* The same, but waiting by await_item(), and trying when it says that it may go. */
int dig_await_turn(struct digger *d, ferry_deadline deadline);
int dig_await_unit(struct digger *d, ferry_deadline deadline); /* and give it back */
int dig_await_said(struct digger *d, ferry_deadline deadline); /* the condition */

/* The semaphore that gives nothing back. */
int dig_plain_wait(struct digger *d, ferry_deadline deadline);
int dig_plain_post(struct digger *d);

/* Acquire, change the data, release. */
int dig_turn(struct digger *d, ferry_deadline deadline);
int dig_read_turn(struct digger *d, ferry_deadline deadline);
int dig_write_turn(struct digger *d, ferry_deadline deadline);

void sync_survive(struct scene *scene);
void sync_end(struct scene *scene);

#endif
