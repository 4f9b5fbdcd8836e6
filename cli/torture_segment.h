/* SPDX-License-Identifier: MIT */
/* torture_segment.h - the parts of `ferry torture segment`. */
#ifndef FERRY_CLI_TORTURE_SEGMENT_H
#define FERRY_CLI_TORTURE_SEGMENT_H

#include <ferry/ferry.h>

#include "hand.h"
#include "torture_workers.h"

#define GROUND_ROOT     "ground"
#define GROUND_STALLS   16
#define GROUND_BYTES    (UINT64_C(2) << 20)
#define GROUND_MOST     (UINT64_C(16) << 20)
#define GROUND_BLOCK    65536 /* bytes of a block at most */
#define GROUND_SIDES    4     /* segments that come and go beside it */
#define GROUND_PATIENCE 2000  /* ms until what the dead had must be there for others */

/* A place that holds a published block, or none; changed under its lock. */
struct stall {
	ferry_lock lock;
	ferry_reference block;
	volatile uint64_t id;   /* of what is in the block; 0 = none */
	volatile uint64_t next; /* what it is going to be, while it changes */
	volatile uint64_t changing;
};

/* What the processes share: a block of the arena, found by its root's name. */
struct ground {
	ferry_lock lock;
	struct vault vault;
	ferry_rwlock list_lock; /* who pushes reads, who takes off writes */
	ferry_reference list;
	struct stall stalls[GROUND_STALLS];
};

/* A block on the list. */
struct link {
	ferry_reference next;
	uint64_t reserved;
	char content[]; /* torture_write() */
};

/* What one may have, for the account. */
enum ground_thing { GROUND_LOCK, GROUND_WRITE, GROUND_READ, GROUND_STALL };

_Static_assert(GROUND_STALL + GROUND_STALLS <= ROLL_THINGS, "too many stalls");

/* What is counted. */
enum ground_tally {
	GROUND_TURNS, /* at the vault */
	GROUND_ALLOCATED,
	GROUND_FREED,
	GROUND_PUBLISHED,
	GROUND_TAKEN,
	GROUND_PUSHED,
	GROUND_DRAINED,
	GROUND_GROWN,
	GROUND_SIDE,
	GROUND_TOLD, /* were told of a dead owner */
	GROUND_TALLIES
};

_Static_assert(GROUND_TALLIES <= ROLL_TALLIES, "too much to count");

/* Where a process is. */
enum ground_call {
	GROUND_AT_OPEN = CREW_OWN,
	GROUND_AT_CLOSE,
	GROUND_AT_ALLOCATE,
	GROUND_AT_FREE,
	GROUND_AT_PUBLISH,
	GROUND_AT_TAKE,
	GROUND_AT_ROOT,
	GROUND_AT_GROW,
	GROUND_AT_LOOK,
	GROUND_AT_LOCK,
	GROUND_AT_SECTION, /* outside, with a lock */
	GROUND_AT_SIDE,    /* making, opening, removing another segment */
	GROUND_CALLS
};

_Static_assert(GROUND_CALLS <= CREW_CALLS, "too many calls to tell apart");

/* What is asked, and what comes out; context of the crew. */
struct segment_torture {
	struct workers_torture all;
	uint64_t blocks;                /* in use when nothing has been published */
	struct ferry_segment_stat stat; /* at the end */
};

/* The name of a segment that comes and goes. False if the location is no bare name. */
bool torture_side_name(const struct segment_torture *t, uint32_t i, char name[static 128]);

/* What one comes to at a stall: after a death whole again, else it must be. */
void torture_stall_settle(struct hand *hand, ferry_segment *segment, struct stall *stall,
			  bool told);

/* Are these bytes in the block what somebody wrote there? Gives its id, or 0 after a fault. */
uint64_t torture_block_id(struct hand *hand, ferry_segment *segment, ferry_reference block,
			  size_t before);

/* Take the first one off the list, with list_lock in hand, and free it. 1, or 0 if there is none;
 * a negative error. */
int torture_list_shift(struct hand *hand, ferry_segment *segment, struct ground *ground);

/* The work of one seat, for the crew. */
void torture_segment_work(struct crew *crew, uint32_t seat, void *inherited);

/* When everybody has gone: nothing is lost, nothing leaked, all can be had. */
void torture_segment_inspect(struct torture *base);

#endif
