/* SPDX-License-Identifier: MIT */
/* A clock that stands still; see clock.h. The library finds this clock_gettime() before libc's. */
#include "clock.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define AHEAD_S 2

static int (*real_gettime)(clockid_t clock, struct timespec *ret_now);
static _Thread_local bool held; /* other threads of the victim's nap in real time */
static struct timespec fine, coarse;

__attribute__((constructor)) static void find_real(void)
{
	void *found = dlsym(RTLD_NEXT, "clock_gettime");

	memcpy(&real_gettime, &found, sizeof(found));
}

/* Read by the library under attack, in the harness's own code: no point lies here. */
int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	if (!held || (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE))
		return real_gettime(clock, ret_now);
	*ret_now = clock == CLOCK_MONOTONIC ? fine : coarse;
	return 0;
}

void clock_hold(void)
{
	real_gettime(CLOCK_MONOTONIC, &fine);
	coarse = fine;
	fine.tv_sec += AHEAD_S;
	held = true;
}

void clock_advance(int64_t ns)
{
	ns += coarse.tv_nsec;
	coarse.tv_sec += ns / 1000000000;
	coarse.tv_nsec = ns % 1000000000;
}

void clock_release(void)
{
	held = false;
}
