/* SPDX-License-Identifier: MIT */
/* relay.c - see relay.h. */
#include "relay.h"

#include <poll.h>
#include <unistd.h>

#include "../os/clock.h"
#include "../wait/nap.h"

int fy_relay_check(struct ferry_pipe *pipe)
{
	return pipe->end == FERRY_OBSERVE ? -EBADF : fy_pipe_enter(pipe, pipe->end);
}

void fy_relay_forsake(const struct ferry_pipe *pipe)
{
	if (pipe->presence.fd >= 0)
		(void)close(pipe->presence.fd);
}

/* ---- from the pipe ---- */

/* Has whoever reads from fd gone? */
static int is_abandoned(int fd)
{
	struct pollfd end = { .fd = fd };

	return poll(&end, 1, 0) > 0;
}

/* Nothing in the kernel wakes one who sleeps for bytes of the pipe when fd hangs up; so we look
 * with each nap, as all who sleep here do. */
static int relay_out(struct ferry_pipe *pipe, int fd)
{
	for (;;) {
		int r = ferry_pipe_drain(pipe, fd, UINT64_MAX, NULL, fy_now() + FY_NAP);
		if (r != -ETIMEDOUT && r != -EINTR)
			return r;
		if (is_abandoned(fd))
			return -EPIPE;
	}
}

/* ---- to the pipe ---- */

/* Until fd has something, or is at its end. -EPIPE: the readers of an anonymous pipe have gone, and
 * none can come; of a named one others may, so that only a write finds out. */
static int wait_for_bytes(const struct ferry_pipe *pipe, int fd)
{
	struct pollfd ends[2] = { { .fd = fd, .events = POLLIN },
				  { .fd = pipe->anonymous ? pipe->presence.fd : -1 } };

	if (poll(ends, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	return ends[1].revents != 0 ? -EPIPE : 0;
}

static int wait_for_room(struct ferry_pipe *pipe)
{
	struct ferry_span span;
	int r = ferry_pipe_reserve(pipe, 1, &span, FERRY_FOREVER);

	return r < 0 ? r : ferry_pipe_commit(pipe, &span, 0, FERRY_NOW);
}

static int relay_in(struct ferry_pipe *pipe, int fd)
{
	for (;;) {
		uint64_t moved;
		int r = wait_for_bytes(pipe, fd);
		if (r < 0)
			return r;
		r = ferry_pipe_fill(pipe, fd, UINT64_MAX, &moved, FERRY_NOW);
		/* Nothing was moved although something is there: there is no room. */
		if (r == -EAGAIN && moved == 0)
			r = wait_for_room(pipe);
		else if (r == 0)
			return 0;
		if (r < 0 && r != -EAGAIN && r != -EINTR)
			return r;
	}
}

int fy_relay(struct ferry_pipe *pipe, int fd)
{
	return pipe->end == FERRY_READ ? relay_out(pipe, fd) : relay_in(pipe, fd);
}
