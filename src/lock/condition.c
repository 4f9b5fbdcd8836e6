/* SPDX-License-Identifier: MIT */
/* condition.c - ferry_condition. The work is done in sync/condition.c. */
#include "../sync/condition.h"

#include <ferry/condition.h>

#include "door.h"

static_assert(sizeof(ferry_condition) == sizeof(struct fy_condition_shm), "one line");

int ferry_condition_init(ferry_segment *segment, ferry_condition *condition)
{
	return fy_door_init(segment, condition, FY_PRIMITIVE_CONDITION);
}

/* Without the lock, it is not in the list of what the thread holds either. */
static int has_lock(int r)
{
	return r >= 0 || r == -ETIMEDOUT || r == -EAGAIN || r == -EINTR || r == -EPERM;
}

int ferry_condition_wait(ferry_segment *segment, ferry_condition *condition, ferry_lock *lock,
			 ferry_deadline deadline)
{
	int r = fy_door(segment, condition, FY_PRIMITIVE_CONDITION, FERRY_READ_ONLY);

	if (r == 0)
		r = fy_door(segment, lock, FY_PRIMITIVE_LOCK, FERRY_READ_ONLY);
	if (r < 0)
		return r;
	struct fy_thread *thread = fy_thread_self();
	if (!thread)
		return -ENOMEM;
	r = fy_condition_wait(&segment->sync, (void *)condition, (void *)lock,
			      fy_thread_who(thread, &segment->object), deadline);
	struct fy_hold *hold = fy_thread_find(thread, &segment->sync, lock);
	if (!has_lock(r) && hold)
		fy_thread_drop(thread, hold);
	return fy_segment_judge(segment, r);
}

static int wake(ferry_segment *segment, ferry_condition *condition, int all)
{
	int r = fy_door(segment, condition, FY_PRIMITIVE_CONDITION, FERRY_READ_ONLY);

	return r < 0 ? r : fy_condition_signal(&segment->sync, (void *)condition, all);
}

int ferry_condition_signal(ferry_segment *segment, ferry_condition *condition)
{
	return wake(segment, condition, 0);
}

int ferry_condition_broadcast(ferry_segment *segment, ferry_condition *condition)
{
	return wake(segment, condition, 1);
}

int ferry_condition_watch(ferry_segment *segment, ferry_condition *condition, uint32_t *ret_seen)
{
	int r = ret_seen ? fy_door(segment, condition, FY_PRIMITIVE_CONDITION, FERRY_READ_ONLY)
			 : -EINVAL;

	if (r < 0)
		return r;
	/* RELAXED(a set that has an item with it may look at it meanwhile, and looks again) */
	atomic_store_explicit((_Atomic uint32_t *)ret_seen, fy_condition_watch((void *)condition),
			      memory_order_relaxed);
	return 0;
}
