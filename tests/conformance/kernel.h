/* SPDX-License-Identifier: MIT */
/* What the two back ends of the kernel's own calls have in common. */
#ifndef FERRY_TEST_KERNEL_H
#define FERRY_TEST_KERNEL_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "check.h"

/** What a call returned, errors negative. */
static inline ssize_t kernel_result(ssize_t r)
{
	return r < 0 ? -errno : r;
}

static inline void kernel_make_nonblocking(int fd, bool nonblocking)
{
	const int flags = fcntl(fd, F_GETFL);

	check_eq(fcntl(fd, F_SETFL, nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
}

static inline int64_t kernel_unread_bytes(int fd)
{
	int n;

	check_eq(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

#endif
