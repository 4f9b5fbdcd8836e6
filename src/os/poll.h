/* SPDX-License-Identifier: MIT */
/* poll.h - waiting for descriptors until an absolute time. Not a cancellation point, and errno
 * stays as it was. */
#ifndef FY_POLL_H
#define FY_POLL_H

#include <poll.h>
#include <stdint.h>

/* Wait until one of them is ready, or until the deadline: FERRY_NOW, FERRY_FOREVER as ever. > 0:
 * so many are; -EAGAIN (NOW), -ETIMEDOUT; -EINTR only if interruptible; another -errno. */
int fy_poll(struct pollfd *fds, unsigned n, int64_t deadline, int interruptible);

/* epoll_wait(2) until the deadline: as many events as are there, 0: none by then; -EINTR. */
struct epoll_event;
int fy_epoll_wait(int epoll, struct epoll_event *ret_events, int room, int64_t deadline);

#endif
