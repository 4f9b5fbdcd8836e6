/* SPDX-License-Identifier: MIT */
/* condition.h - who waits for a signal sits in a seat and sleeps on the seat's bell; a signal goes
 * to the one who waits longest. Protocol: docs/formats/lock.md; model: models/condition.pml. */
#ifndef FY_CONDITION_H
#define FY_CONDITION_H

#include <ferry/base.h>

#include "core.h"
#include "seat.h"

/* Give up the lock, wait, and take it again. 0: a signal, or nothing; 1: and an owner of the lock
 * died; -ETIMEDOUT, -EINTR: the lock is ours as well; -EPERM, and after a wait: others: it is not.
 */
int fy_condition_wait(struct fy_sync *sync, struct fy_condition_shm *condition,
		      struct fy_lock_shm *lock, uint64_t who, ferry_deadline deadline);

/* Wake one, or all; and all who watch. How many of those who wait. */
int fy_condition_signal(struct fy_sync *sync, struct fy_condition_shm *condition, int all);

/* What the next signal or broadcast changes, and until then the bell stays prepared. */
uint32_t fy_condition_watch(struct fy_condition_shm *condition);

/* Was there one since fy_condition_watch() gave seen, or did it never? */
int fy_condition_has_news(const struct fy_condition_shm *condition, uint32_t seen);

/* The signal that a dead waiter had, or that a stopped one does not take, goes to another. */
void fy_condition_pass_on(struct fy_sync *sync, const struct fy_seat *seat);

#endif
