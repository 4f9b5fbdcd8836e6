/* SPDX-License-Identifier: MIT */
/* semaphore.c - ferry_semaphore. The work is done in sync/units.c. */
#include <ferry/semaphore.h>
#include <string.h>

#include "../sync/units.h"
#include "door.h"

static_assert(sizeof(ferry_semaphore) == sizeof(struct fy_semaphore_shm), "one line");
static_assert(FERRY_SEMAPHORE_MAX == FY_UNITS_MAX, "the same");

static int check(uint32_t value, uint32_t flags)
{
	return value > FERRY_SEMAPHORE_MAX || (flags & ~(uint32_t)FERRY_GIVE_BACK) ? -EINVAL : 0;
}

int ferry_semaphore_init(ferry_segment *segment, ferry_semaphore *semaphore, uint32_t value,
			 uint32_t flags)
{
	struct fy_semaphore_shm *shm = (void *)semaphore;
	int r = check(value, flags);

	if (r == 0)
		r = fy_door_place(segment, semaphore, FERRY_READ_ONLY);
	if (r < 0)
		return r;
	memset(semaphore, 0, sizeof(*semaphore));
	shm->give_back = (flags & FERRY_GIVE_BACK) != 0;
	/* RELAXED(published with the magic number) */
	atomic_store_explicit(&shm->word, value, memory_order_relaxed);
	fy_door_made(segment, semaphore, FY_PRIMITIVE_SEMAPHORE);
	return 0;
}

int ferry_semaphore_wait(ferry_segment *segment, ferry_semaphore *semaphore,
			 ferry_deadline deadline)
{
	int r = fy_door(segment, semaphore, FY_PRIMITIVE_SEMAPHORE, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r < 0))
		return r;
	const struct fy_thread *thread = fy_thread_self();
	if (FY_UNLIKELY(!thread))
		return -ENOMEM;
	return fy_segment_judge(segment,
				fy_units_take(&segment->sync, (void *)semaphore,
					      fy_thread_who(thread, &segment->object), deadline));
}

int ferry_semaphore_post(ferry_segment *segment, ferry_semaphore *semaphore, uint32_t n)
{
	int r = fy_door(segment, semaphore, FY_PRIMITIVE_SEMAPHORE, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r < 0))
		return r;
	if (n == 0)
		return -EINVAL;
	return fy_segment_judge(segment, fy_units_post(&segment->sync, (void *)semaphore, n));
}

int64_t ferry_semaphore_value(ferry_segment *segment, ferry_semaphore *semaphore)
{
	int r = fy_door(segment, semaphore, FY_PRIMITIVE_SEMAPHORE, 0);

	return r < 0 ? r : (int64_t)fy_units_value((void *)semaphore);
}

int ferry_semaphore_open(ferry_segment **ret_segment, ferry_semaphore **ret_semaphore,
			 const char *location, uint32_t value, uint32_t flags,
			 const struct ferry_segment_options *options)
{
	int r = check(value, flags);

	if (r < 0)
		return r;
	const struct fy_semaphore_shm image = {
		.magic = FY_PRIMITIVE_SEMAPHORE,
		.give_back = (flags & FERRY_GIVE_BACK) != 0,
		.word = value,
	};
	return fy_door_open(ret_segment, (void **)ret_semaphore, location, options,
			    (const void *)&image);
}
