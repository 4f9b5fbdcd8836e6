/* SPDX-License-Identifier: MIT */
/* once.c - ferry_once: a lock that nobody needs any more once the work is done. */
#include <ferry/once.h>

#include "door.h"

static_assert(sizeof(ferry_once) == sizeof(struct fy_once_shm), "one line");

int ferry_once_init(ferry_segment *segment, ferry_once *once)
{
	return fy_door_init(segment, once, FY_PRIMITIVE_ONCE);
}

/* The turn is ours. */
static int begin(ferry_segment *segment, struct fy_thread *thread, struct fy_once_shm *once,
		 int died)
{
	uint64_t who = fy_thread_who(thread, &segment->object);

	/* Whoever died has told all that there is to tell. */
	if (died)
		(void)fy_core_repaired(&once->core, who);
	if (fy_once_is_done(once))
		return fy_core_release(&segment->sync, &once->core, who);
	fy_thread_hold(thread, &segment->sync, once, who, FY_PRIMITIVE_ONCE, FY_NO_SEAT);
	return died ? FERRY_ONCE_AGAIN : FERRY_ONCE_YOURS;
}

int ferry_once_begin(ferry_segment *segment, ferry_once *once, ferry_deadline deadline)
{
	struct fy_once_shm *shm = (void *)once;
	int r = fy_door(segment, once, FY_PRIMITIVE_ONCE, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r < 0))
		return r;
	if (FY_LIKELY(fy_once_is_done(shm)))
		return 0;
	struct fy_thread *thread = fy_thread_self();
	if (!thread)
		return -ENOMEM;
	r = fy_core_acquire(&segment->sync, &shm->core, fy_thread_who(thread, &segment->object),
			    fy_sync_offset(&segment->sync, once), deadline);
	return r < 0 ? fy_segment_judge(segment, r) : begin(segment, thread, shm, r > 0);
}

static int end(ferry_segment *segment, ferry_once *once, uint32_t done)
{
	struct fy_once_shm *shm = (void *)once;
	int r = fy_door_back(segment, once, FY_PRIMITIVE_ONCE);

	if (r < 0)
		return r;
	struct fy_thread *thread = fy_thread_self();
	struct fy_hold *hold = thread ? fy_thread_find(thread, &segment->sync, once) : NULL;
	if (!hold)
		return thread ? -EPERM : -ENOMEM;
	fy_thread_drop(thread, hold);
	/* SYNC(once.done) release: pairs with the acquire in fy_once_is_done(). */
	atomic_store_explicit(&shm->done, done, memory_order_release);
	return fy_core_release(&segment->sync, &shm->core, fy_thread_who(thread, &segment->object));
}

int ferry_once_done(ferry_segment *segment, ferry_once *once)
{
	return end(segment, once, 1);
}

int ferry_once_cancel(ferry_segment *segment, ferry_once *once)
{
	return end(segment, once, 0);
}

int ferry_once_open(ferry_segment **ret_segment, ferry_once **ret_once, const char *location,
		    const struct ferry_segment_options *options)
{
	const struct fy_lock_shm image = { .magic = FY_PRIMITIVE_ONCE };

	return fy_door_open(ret_segment, (void **)ret_once, location, options, &image);
}
