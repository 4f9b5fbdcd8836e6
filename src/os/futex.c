/* SPDX-License-Identifier: MIT */
/* futex.c - see futex.h. */
#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

int fy_futex_wait_bits(_Atomic uint32_t *word, uint32_t value, int64_t until, uint32_t bits)
{
	struct timespec limit = { .tv_sec = until / FY_S, .tv_nsec = until % FY_S };
	int saved = errno;

	/* The bitset form is the one whose time-out is absolute. */
	long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, &limit, NULL, bits);
	int result = r < 0 ? -errno : 0;
	errno = saved;
	return result;
}

int fy_futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t until)
{
	return fy_futex_wait_bits(word, value, until, FY_FUTEX_ANY);
}

int fy_futex_wait_many(_Atomic uint32_t *const *words, const uint32_t *values, unsigned n,
		       int64_t until)
{
	struct timespec limit = { .tv_sec = until / FY_S, .tv_nsec = until % FY_S };
	struct futex_waitv all[FY_FUTEX_MANY];
	int saved = errno;

	for (unsigned i = 0; i < n; i++)
		all[i] = (struct futex_waitv){ .uaddr = (uintptr_t)words[i],
					       .val = values[i],
					       .flags = FUTEX_32 };
	long r = syscall(SYS_futex_waitv, all, n, 0, &limit, CLOCK_MONOTONIC);
	int result = r < 0 ? -errno : 0;
	errno = saved;
	return result;
}

int fy_futex_wake_bits(_Atomic uint32_t *word, int n, uint32_t bits)
{
	int saved = errno;
	long r = syscall(SYS_futex, word, FUTEX_WAKE_BITSET, n, NULL, NULL, bits);

	errno = saved;
	return r < 0 ? 0 : (int)r;
}

int fy_futex_wake(_Atomic uint32_t *word, int n)
{
	int saved = errno;
	long r = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

	errno = saved;
	return r < 0 ? 0 : (int)r;
}
