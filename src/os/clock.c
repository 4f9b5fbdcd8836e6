/* SPDX-License-Identifier: MIT */
/* clock.c - deadlines. */
#include "clock.h"

#include <ferry/base.h>

ferry_deadline ferry_in_ns(int64_t ns)
{
	int64_t sum;

	if (__builtin_add_overflow(fy_now(), ns, &sum) || sum == FERRY_FOREVER)
		return ns < 0 ? 1 : FERRY_FOREVER - 1;
	/* 0 would mean FERRY_NOW; any other time that has passed is as good. */
	return sum > 0 ? sum : 1;
}

ferry_deadline ferry_in_ms(int64_t ms)
{
	int64_t ns;

	if (__builtin_mul_overflow(ms, FY_MS, &ns))
		ns = ms < 0 ? INT64_MIN : INT64_MAX;
	return ferry_in_ns(ns);
}
