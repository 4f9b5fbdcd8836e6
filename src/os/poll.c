/* SPDX-License-Identifier: MIT */
/* poll.c - see poll.h. */
#include "poll.h"

#include <errno.h>
#include <ferry/base.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

/* The raw call: libc's is a cancellation point. The kernel writes to limit what is left. */
static int poll_once(struct pollfd *fds, unsigned n, struct timespec *limit)
{
	int saved = errno;
	long r = syscall(SYS_ppoll, fds, n, limit, NULL, (size_t)8);
	int result = r < 0 ? -errno : (int)r;

	errno = saved;
	return result;
}

int fy_poll(struct pollfd *fds, unsigned n, int64_t deadline, int interruptible)
{
	for (;;) {
		struct timespec limit = { 0 };
		int64_t left =
		    deadline == FERRY_NOW || deadline == FERRY_FOREVER ? 0 : deadline - fy_now();
		if (left > 0)
			limit = (struct timespec){ left / FY_S, left % FY_S };
		int r = poll_once(fds, n, deadline == FERRY_FOREVER ? NULL : &limit);
		if (r > 0)
			return r;
		if (r == 0 && left <= 0 && deadline != FERRY_FOREVER)
			return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
		if (r < 0 && (r != -EINTR || interruptible))
			return r;
	}
}

int fy_epoll_wait(int epoll, struct epoll_event *ret_events, int room, int64_t deadline)
{
	struct timespec limit = { 0 };
	int64_t left = deadline == FERRY_NOW || deadline == FERRY_FOREVER ? 0 : deadline - fy_now();
	int saved = errno;

	if (left > 0)
		limit = (struct timespec){ left / FY_S, left % FY_S };
	long r = syscall(SYS_epoll_pwait2, epoll, ret_events, room,
			 deadline == FERRY_FOREVER ? NULL : &limit, NULL, (size_t)8);
	/* Forbidden: in whole milliseconds, rather late than early. */
	if (r < 0 && (errno == ENOSYS || errno == EPERM))
		r = syscall(SYS_epoll_pwait, epoll, ret_events, room,
			    deadline == FERRY_FOREVER ? -1 : (int)((left + FY_MS - 1) / FY_MS),
			    NULL, (size_t)8);
	int result = r < 0 ? -errno : (int)r;
	errno = saved;
	return result;
}
