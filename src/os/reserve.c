/* SPDX-License-Identifier: MIT */
/* reserve.c - see reserve.h. */
#include "reserve.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

/* tmpfs gives up a reservation when a signal is pending, and would start anew for ever under a
 * timer; so let none be pending meanwhile. */
int fy_reserve(int fd, uint64_t from, uint64_t bytes)
{
	sigset_t all;
	sigset_t old;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = posix_fallocate(fd, (off_t)from, (off_t)bytes);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}
