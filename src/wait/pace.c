/* SPDX-License-Identifier: MIT */
/* pace.c - see pace.h. */
#include "pace.h"

#include <errno.h>
#include <stdatomic.h>

#include "../os/futex.h"

/* Sleep until then. A futex that nobody wakes, since nanosleep(2) is a cancellation point. */
static int sleep_until(int64_t until)
{
	_Atomic uint32_t nobody;

	/* RELAXED(nobody else has it) */
	atomic_init(&nobody, 0);
	int r = fy_futex_wait(&nobody, 0, until);
	return r == -EINTR ? r : 0;
}

int fy_pace_wait(struct fy_pace *pace, ferry_deadline deadline)
{
	if (deadline == FERRY_NOW)
		return -EAGAIN;
	int64_t now = fy_now();
	if (now >= deadline)
		return -ETIMEDOUT;
	pace->pause = pace->pause ? 2 * pace->pause : FY_PACE_FIRST;
	if (pace->pause > FY_PACE_MOST)
		pace->pause = FY_PACE_MOST;
	return sleep_until(pace->pause < deadline - now ? now + pace->pause : deadline);
}
