/* SPDX-License-Identifier: MIT */
/* rwlock.c - ferry_rwlock. The work is done in sync/rwlock.c. */
#include "../sync/rwlock.h"

#include <ferry/rwlock.h>

#include "door.h"

static_assert(sizeof(ferry_rwlock) == sizeof(struct fy_rwlock_shm), "one line");

int ferry_rwlock_init(ferry_segment *segment, ferry_rwlock *lock)
{
	return fy_door_init(segment, lock, FY_PRIMITIVE_RWLOCK);
}

typedef int taking(struct fy_sync *, struct fy_thread *, struct fy_rwlock_shm *, ferry_deadline);

static int take(ferry_segment *segment, ferry_rwlock *lock, ferry_deadline deadline, taking *how)
{
	int r = fy_door(segment, lock, FY_PRIMITIVE_RWLOCK, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r < 0))
		return r;
	struct fy_thread *thread = fy_thread_self();
	if (FY_UNLIKELY(!thread))
		return -ENOMEM;
	return fy_segment_judge(segment, how(&segment->sync, thread, (void *)lock, deadline));
}

int ferry_rwlock_read(ferry_segment *segment, ferry_rwlock *lock, ferry_deadline deadline)
{
	return take(segment, lock, deadline, fy_rwlock_read);
}

int ferry_rwlock_write(ferry_segment *segment, ferry_rwlock *lock, ferry_deadline deadline)
{
	return take(segment, lock, deadline, fy_rwlock_write);
}

int ferry_rwlock_release(ferry_segment *segment, ferry_rwlock *lock)
{
	int r = fy_door_back(segment, lock, FY_PRIMITIVE_RWLOCK);

	if (FY_UNLIKELY(r < 0))
		return r;
	struct fy_thread *thread = fy_thread_self();
	struct fy_hold *found = thread ? fy_thread_find(thread, &segment->sync, lock) : NULL;
	if (!found)
		return thread ? -EPERM : -ENOMEM;
	struct fy_hold hold = *found;
	fy_thread_drop(thread, found);
	if (hold.seat == FY_NO_SEAT)
		return fy_rwlock_leave_writing(&segment->sync, (void *)lock,
					       fy_thread_who(thread, &segment->object), 0);
	fy_rwlock_leave_reading(&segment->sync, (void *)lock, hold.seat);
	return 0;
}

int ferry_rwlock_repaired(ferry_segment *segment, ferry_rwlock *lock)
{
	return fy_door_repaired(segment, lock, FY_PRIMITIVE_RWLOCK);
}

int ferry_rwlock_open(ferry_segment **ret_segment, ferry_rwlock **ret_lock, const char *location,
		      const struct ferry_segment_options *options)
{
	const struct fy_lock_shm image = { .magic = FY_PRIMITIVE_RWLOCK };

	return fy_door_open(ret_segment, (void **)ret_lock, location, options, &image);
}
