/* SPDX-License-Identifier: MIT */
/* barrier.c - ferry_barrier. The work is done in sync/barrier.c. */
#include "../sync/barrier.h"

#include <ferry/barrier.h>
#include <string.h>

#include "door.h"

static_assert(sizeof(ferry_barrier) == sizeof(struct fy_barrier_shm), "one line");

static int check(uint32_t parties)
{
	return parties == 0 || parties > FERRY_BARRIER_PARTIES_MAX ? -EINVAL : 0;
}

int ferry_barrier_init(ferry_segment *segment, ferry_barrier *barrier, uint32_t parties)
{
	struct fy_barrier_shm *shm = (void *)barrier;
	int r = check(parties);

	if (r == 0)
		r = fy_door_place(segment, barrier, FERRY_READ_ONLY);
	if (r < 0)
		return r;
	memset(barrier, 0, sizeof(*barrier));
	shm->parties = parties;
	fy_door_made(segment, barrier, FY_PRIMITIVE_BARRIER);
	return 0;
}

/* The door, and the calling thread. */
static int enter(ferry_segment *segment, ferry_barrier *barrier, struct fy_thread **ret_thread)
{
	int r = fy_door(segment, barrier, FY_PRIMITIVE_BARRIER, FERRY_READ_ONLY);

	if (r < 0)
		return r;
	*ret_thread = fy_thread_self();
	return *ret_thread ? 0 : -ENOMEM;
}

int ferry_barrier_wait(ferry_segment *segment, ferry_barrier *barrier, ferry_deadline deadline)
{
	struct fy_thread *thread;
	int r = enter(segment, barrier, &thread);

	if (r < 0)
		return r;
	return fy_segment_judge(segment,
				fy_barrier_wait(&segment->sync, thread, (void *)barrier, deadline));
}

int ferry_barrier_join(ferry_segment *segment, ferry_barrier *barrier)
{
	struct fy_thread *thread;
	int r = enter(segment, barrier, &thread);

	return r < 0 ? r : fy_barrier_join(&segment->sync, thread, (void *)barrier);
}

int ferry_barrier_leave(ferry_segment *segment, ferry_barrier *barrier)
{
	struct fy_thread *thread;
	int r = enter(segment, barrier, &thread);

	return r < 0 ? r : fy_barrier_leave(&segment->sync, thread, (void *)barrier);
}

int ferry_barrier_reset(ferry_segment *segment, ferry_barrier *barrier)
{
	struct fy_thread *thread;
	int r = enter(segment, barrier, &thread);

	return r < 0 ? r : fy_barrier_reset(&segment->sync, (void *)barrier);
}

int ferry_barrier_open(ferry_segment **ret_segment, ferry_barrier **ret_barrier,
		       const char *location, uint32_t parties,
		       const struct ferry_segment_options *options)
{
	const struct fy_barrier_shm image = { .magic = FY_PRIMITIVE_BARRIER, .parties = parties };
	int r = check(parties);

	if (r < 0)
		return r;
	return fy_door_open(ret_segment, (void **)ret_barrier, location, options,
			    (const void *)&image);
}
