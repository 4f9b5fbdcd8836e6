/* SPDX-License-Identifier: MIT */
/* reserve.c - see reserve.h. */
#include "reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/base.h>
#include <pthread.h>
#include <signal.h>

#include "signal.h"

/* A process may have a limit to the size of files (RLIMIT_FSIZE). Then there is an error, and a
 * signal that would end it: that is swallowed, unless it waited already. */
static void swallow_too_large(int waited)
{
	siginfo_t info;

	if (!waited)
		(void)fy_signal_take(fy_signal_bit(SIGXFSZ), &info, FERRY_NOW);
}

/* tmpfs gives up a reservation when a signal is pending, and would start anew for ever under a
 * timer; so let none be pending meanwhile. */
int fy_reserve(int fd, uint64_t from, uint64_t bytes)
{
	sigset_t all;
	sigset_t old;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int waited = (fy_signal_pending() & fy_signal_bit(SIGXFSZ)) != 0;
	int r = posix_fallocate(fd, (off_t)from, (off_t)bytes);
	if (r == EFBIG)
		swallow_too_large(waited);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}
