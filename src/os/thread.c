/* SPDX-License-Identifier: MIT */
/* thread.c - see thread.h. */
#include "thread.h"

#include <errno.h>
#include <signal.h>

#define STACK_BYTES (64u * 1024)

int fy_thread_start(pthread_t *ret_thread, void *(*run)(void *argument), void *argument)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t old;

	(void)sigfillset(&all);
	/* Blocked, it could not be caught (os/sigbus.h): a file that is cut short would kill us. */
	(void)sigdelset(&all, SIGBUS);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int r = pthread_create(ret_thread, &attributes, run, argument);
	/* The stack has the thread-local variables of every library in it, which may be larger. */
	if (r == EINVAL)
		r = pthread_create(ret_thread, NULL, run, argument);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attributes);
	return -r;
}
