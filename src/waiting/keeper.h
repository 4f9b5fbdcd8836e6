/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - a thread that looks after those who sleep in somebody else's loop.
 *
 * Whoever sleeps in ferry looks about at every nap, since a ringer may have been killed or stopped
 * before it rang. In a foreign loop nobody does; so this thread does it for them, and sleeps
 * soundly itself while all of them may. It exists only while something is kept.
 * Model: models/keeper.pml.
 */
#ifndef FY_KEEPER_H
#define FY_KEEPER_H

#include <stdint.h>

struct fy_kept {
	/* A nap is over. Called in the thread, with the lock below, which is over the list. Returns
	 * when it wants to be called again; more often does no harm. */
	int64_t (*sweep)(struct fy_kept *kept, int64_t now);
	struct fy_kept *next;
	struct fy_kept *previous;
};

/* Right across fork(). */
void fy_keeper_lock(void);
void fy_keeper_unlock(void);

/* Something that is kept wants a sweep earlier than it said: after a nap, as at first. */
void fy_keeper_hurry(void);

/* 0, or -errno: no thread can be made. */
int fy_keeper_add(struct fy_kept *kept);

/* Its sweep is not running any more afterwards. */
void fy_keeper_remove(struct fy_kept *kept);

#endif
