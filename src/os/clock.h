/* SPDX-License-Identifier: MIT */
/* clock.h - the two clocks: exact, and coarse (a few ns to read, some ms of resolution). */
#ifndef FY_CLOCK_H
#define FY_CLOCK_H

#include <stdint.h>
#include <time.h>

#define FY_MS INT64_C(1000000)
#define FY_S  INT64_C(1000000000)

static inline int64_t fy_clock(clockid_t which)
{
	struct timespec t;

	(void)clock_gettime(which, &t);
	return t.tv_sec * FY_S + t.tv_nsec;
}

static inline int64_t fy_now(void)
{
	return fy_clock(CLOCK_MONOTONIC);
}

static inline int64_t fy_now_coarse(void)
{
	return fy_clock(CLOCK_MONOTONIC_COARSE);
}

#endif
