/* SPDX-License-Identifier: MIT */
/* torture_lock.h - the parts of `ferry torture lock`. */
#ifndef FERRY_CLI_TORTURE_LOCK_H
#define FERRY_CLI_TORTURE_LOCK_H

#include <ferry/ferry.h>

#include "hand.h"
#include "torture_workers.h"

#define PIT_UNITS    2    /* of the semaphore that gives back */
#define PIT_ROOM     8    /* pieces in the store */
#define PIT_PARTIES  2    /* of the barrier */
#define PIT_PATIENCE 2000 /* ms until what the dead had must be there for others */
#define PIT_MOVES    128  /* of which the time is remembered, in and out; a power of two */

/* What the processes fight for: in a segment. */
struct pit {
	ferry_lock lock;
	ferry_rwlock rwlock;
	ferry_semaphore units;  /* gives back */
	ferry_semaphore tokens; /* does not: posted before they are taken */
	ferry_lock store;       /* a lock with two conditions */
	ferry_condition filled, drained;
	ferry_barrier barrier;
	ferry_once once; /* made anew by writers */
	struct vault behind_lock, behind_rwlock;
	volatile uint64_t put, taken;                             /* pieces, behind store */
	volatile uint64_t put_at[PIT_MOVES], taken_at[PIT_MOVES]; /* ns */
	_Atomic uint32_t once_half, once_full;
};

/* What one may have, for the account. */
enum pit_thing { PIT_LOCK, PIT_WRITE, PIT_READ, PIT_UNIT, PIT_STORE, PIT_ONCE };

/* What is counted. */
enum pit_tally {
	PIT_LOCK_TURNS,
	PIT_WRITES,
	PIT_READS,
	PIT_UNIT_TURNS,
	PIT_POSTS,
	PIT_WAITS,
	PIT_PUTS,
	PIT_TAKES,
	PIT_LASTS,  /* came last to the barrier */
	PIT_OTHERS, /* passed it otherwise */
	PIT_RESETS, /* of the barrier */
	PIT_ONCES,  /* did it */
	PIT_TOLD,   /* were told of a dead owner */
	PIT_LEFT,   /* closed the handle with something in hand */
	PIT_TALLIES
};

/* Where a process is. */
enum pit_call {
	PIT_AT_OPEN = CREW_OWN,
	PIT_AT_CLOSE,
	PIT_AT_ACQUIRE,
	PIT_AT_SECTION, /* outside, with the lock */
	PIT_AT_REPAIRED,
	PIT_AT_RELEASE,
	PIT_AT_READ,
	PIT_AT_WRITE,
	PIT_AT_READING, /* outside, with the rwlock */
	PIT_AT_WRITING,
	PIT_AT_LEAVE,
	PIT_AT_UNITS,
	PIT_AT_UNIT, /* outside, with a unit */
	PIT_AT_POST,
	PIT_AT_STORE, /* outside, with the store's lock */
	PIT_AT_CONDITION,
	PIT_AT_SIGNAL,
	PIT_AT_BARRIER,
	PIT_AT_ONCE,
	PIT_AT_LOOK,
	PIT_CALLS
};

_Static_assert(PIT_CALLS <= CREW_CALLS, "too many calls to tell apart");

/* The work of one seat, for the crew. */
void torture_lock_work(struct crew *crew, uint32_t seat, void *inherited);

/* When everybody has gone: everything can be had, and nothing was done twice or not at all. */
void torture_lock_inspect(struct torture *base);

#endif
