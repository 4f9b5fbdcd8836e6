/* SPDX-License-Identifier: MIT */
/*
 * sync.h - what one handle knows of the locks and the like in its segment: the tables, and whether
 * an owner lives.
 */
#ifndef FY_SYNC_H
#define FY_SYNC_H

#include "../object/member.h"
#include "../object/object.h"
#include "../wait/nap.h"
#include "sync_format.h"

#define FY_STALE      (20 * FY_MS) /* who was called, granted or signalled and has not come: pass by */
#define FY_LOOK_EVERY (10 * FY_MS) /* how often calls that do not wait ask for the dead */

/* So many ns since then, by the same clock as now? (A time far ahead is from before a reboot, or
 * from a process with a clock of its own.) */
static inline int fy_has_passed(int64_t ns, int64_t since, int64_t now)
{
	return now - since >= ns || since - now >= ns;
}

/* since: when it was called, granted or signalled. */
static inline int fy_is_stale(int64_t since, int64_t now)
{
	return fy_has_passed(FY_STALE, since, now);
}

struct fy_sync {
	struct fy_object *object;
	struct fy_sync_shm *shm; /* NULL: none of it can be used */
	uint64_t
	    serial; /* of the handle: no other of this process has it, not after its end either */
	int interruptible;
	uint64_t (*end)(struct fy_object *object); /* offset behind the memory as it is now */
	struct fy_spin spin;
	_Atomic int64_t look_due; /* coarse time before which a fruitless call need not ask again */
	_Atomic uint32_t seat_hint;
};

/* A serial number for a new handle. */
uint64_t fy_sync_serial(void);

static inline uint64_t fy_sync_offset(const struct fy_sync *sync, const void *pointer)
{
	return (uint64_t)((const uint8_t *)pointer - sync->object->base);
}

/* Is that thread gone, or its member? Asks the kernel, but not about the calling thread. A member
 * that is dead is marked so for everybody. */
int fy_who_is_dead(struct fy_sync *sync, uint64_t who);

/* As fy_who_is_dead(), without marking anything: for those who only look. */
int fy_who_looks_dead(struct fy_sync *sync, uint64_t who);

/* May this be somebody? If not, somebody broke the word. */
static inline int fy_who_makes_sense(const struct fy_sync *sync, uint64_t who)
{
	return fy_who_owner(who) <= sync->object->member_slots && fy_who_thread(who) != 0;
}

/* May a call that does not wait ask for the dead now? At most every FY_LOOK_EVERY. */
int fy_sync_may_look(struct fy_sync *sync);

/* Remember that a primitive is there, for those who look; forgets what has been overwritten. */
void fy_sync_know(struct fy_sync *sync, uint64_t offset);

/* The magic number of what lies at an offset that was read from shared memory; 0 if it is none of
 * ours. */
uint32_t fy_sync_kind_at(const struct fy_sync *sync, uint64_t offset);

#endif
