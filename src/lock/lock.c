/* SPDX-License-Identifier: MIT */
/* lock.c - ferry_lock. The work is done in sync/core.c. */
#include <ferry/lock.h>

#include "door.h"

static_assert(sizeof(ferry_lock) == sizeof(struct fy_lock_shm), "one line");

int ferry_lock_init(ferry_segment *segment, ferry_lock *lock)
{
	return fy_door_init(segment, lock, FY_PRIMITIVE_LOCK);
}

static FY_COLD int acquire_slow(ferry_segment *segment, ferry_lock *lock, ferry_deadline deadline)
{
	struct fy_lock_shm *shm = (void *)lock;
	int r = fy_door(segment, lock, FY_PRIMITIVE_LOCK, FERRY_READ_ONLY);

	if (r < 0)
		return r;
	struct fy_thread *thread = fy_thread_self();
	if (!thread)
		return -ENOMEM;
	uint64_t who = fy_thread_who(thread, &segment->object);
	r = fy_core_acquire_slow(&segment->sync, &shm->core, who,
				 fy_sync_offset(&segment->sync, lock), deadline);
	if (r < 0)
		return fy_segment_judge(segment, r);
	fy_thread_hold(thread, &segment->sync, lock, who, FY_PRIMITIVE_LOCK, FY_NO_SEAT);
	return r;
}

int ferry_lock_acquire(ferry_segment *segment, ferry_lock *lock, ferry_deadline deadline)
{
	struct fy_thread *thread = &fy_thread;
	struct fy_lock_shm *shm = (void *)lock;

	if (FY_UNLIKELY(!fy_door_is_open(segment, lock, FY_PRIMITIVE_LOCK, FERRY_READ_ONLY) ||
			!fy_thread_is_ready(thread)))
		return acquire_slow(segment, lock, deadline);
	uint64_t who = fy_thread_who(thread, &segment->object);
	if (FY_UNLIKELY(!fy_core_take(&shm->core, who)))
		return acquire_slow(segment, lock, deadline);
	fy_thread_hold(thread, &segment->sync, lock, who, FY_PRIMITIVE_LOCK, FY_NO_SEAT);
	return 0;
}

static FY_COLD int release_slow(ferry_segment *segment, ferry_lock *lock)
{
	struct fy_lock_shm *shm = (void *)lock;
	int r = fy_door_back(segment, lock, FY_PRIMITIVE_LOCK);

	if (r < 0)
		return r;
	struct fy_thread *thread = fy_thread_self();
	if (!thread)
		return -ENOMEM;
	struct fy_hold *hold = fy_thread_find(thread, &segment->sync, lock);
	if (hold)
		fy_thread_drop(thread, hold);
	return fy_core_release(&segment->sync, &shm->core, fy_thread_who(thread, &segment->object));
}

int ferry_lock_release(ferry_segment *segment, ferry_lock *lock)
{
	struct fy_thread *thread = &fy_thread;

	if (FY_UNLIKELY(!segment || !lock))
		return -EINVAL;
	const struct fy_hold *hold =
	    fy_thread_last(thread, &segment->sync, lock, FY_PRIMITIVE_LOCK);
	if (FY_UNLIKELY(!hold))
		return release_slow(segment, lock);
	thread->n--;
	struct fy_lock_shm *shm = (void *)lock;
	return fy_core_release(&segment->sync, &shm->core, hold->who);
}

int ferry_lock_repaired(ferry_segment *segment, ferry_lock *lock)
{
	return fy_door_repaired(segment, lock, FY_PRIMITIVE_LOCK);
}

int ferry_lock_open(ferry_segment **ret_segment, ferry_lock **ret_lock, const char *location,
		    const struct ferry_segment_options *options)
{
	const struct fy_lock_shm image = { .magic = FY_PRIMITIVE_LOCK };

	return fy_door_open(ret_segment, (void **)ret_lock, location, options, &image);
}
