/* SPDX-License-Identifier: MIT */
/*
 * move.c - between a pipe and a descriptor.
 *
 * To the descriptor: look, write(2), then consume what it took. From it: see that there is
 * something, reserve room, read(2) into it, commit. So no byte is ever out of both.
 */
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../os/cancel.h"
#include "../os/clock.h"
#include "write.h"

#define AT_ONCE (64u * 1024) /* bytes in one system call */

/* ---- the descriptor ---- */

/* Wait until poll(2) says that fd is ready, or that there is no point in waiting. */
static int wait_ready(const struct ferry_pipe *pipe, int fd, short events, ferry_deadline deadline)
{
	struct pollfd wanted = { .fd = fd, .events = events };

	for (;;) {
		struct timespec left = { 0 };
		int64_t ns = 0;
		if (deadline != FERRY_NOW && deadline != FERRY_FOREVER) {
			ns = deadline - fy_now();
			ns = ns > 0 ? ns : 0;
			left = (struct timespec){ .tv_sec = ns / FY_S, .tv_nsec = ns % FY_S };
		}
		int r = ppoll(&wanted, 1, deadline == FERRY_FOREVER ? NULL : &left, NULL);
		if (r > 0)
			return wanted.revents & POLLNVAL ? -EBADF : 0;
		if (r == 0)
			return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
		if (errno != EINTR || (pipe->flags & FERRY_INTERRUPTIBLE))
			return -errno;
	}
}

/* A signal that write(2) raised because nobody reads is ours to swallow. */
static ssize_t write_quietly(int fd, const void *data, size_t n)
{
	const struct timespec now = { 0 };
	sigset_t broken;
	sigset_t before;
	sigset_t pending;

	(void)sigemptyset(&broken);
	(void)sigaddset(&broken, SIGPIPE);
	(void)sigpending(&pending);
	(void)pthread_sigmask(SIG_BLOCK, &broken, &before);
	ssize_t r = write(fd, data, n);
	int error = errno;
	if (r < 0 && error == EPIPE && !sigismember(&pending, SIGPIPE))
		(void)sigtimedwait(&broken, NULL, &now);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? -error : r;
}

/* What a descriptor in blocking mode takes without blocking, once it is ready: PIPE_BUF. */
static ssize_t give(int fd, const void *data, size_t n, ferry_deadline deadline)
{
	ssize_t r = send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (r >= 0 || errno != ENOTSOCK)
		return r < 0 ? -errno : r;
	if (deadline != FERRY_FOREVER && n > PIPE_BUF)
		n = PIPE_BUF;
	return write_quietly(fd, data, n);
}

static ssize_t get(int fd, void *data, size_t n)
{
	ssize_t r = read(fd, data, n);

	return r < 0 ? -errno : r;
}

static int is_worth_another_try(const struct ferry_pipe *pipe, ssize_t r, ferry_deadline deadline)
{
	return (r == -EINTR && !(pipe->flags & FERRY_INTERRUPTIBLE)) ||
	       (r == -EAGAIN && deadline != FERRY_NOW);
}

/* ---- from the pipe ---- */

/* Move what there is, once. > 0: so many bytes; 0: end of file. */
static ssize_t drain_some(struct ferry_pipe *pipe, int fd, uint64_t limit, ferry_deadline deadline)
{
	struct ferry_span span;
	int r = ferry_pipe_peek(pipe, &span, deadline);

	if (r <= 0)
		return r;
	r = wait_ready(pipe, fd, POLLOUT, deadline);
	if (r < 0)
		return r;
	size_t n = span.size < limit ? span.size : (size_t)limit;
	ssize_t given = give(fd, span.data, n < AT_ONCE ? n : AT_ONCE, deadline);
	if (given <= 0)
		return given == 0 ? -EIO : given;
	r = ferry_pipe_consume(pipe, &span, (size_t)given);
	return r < 0 ? r : given;
}

static int drain(struct ferry_pipe *pipe, int fd, uint64_t limit, uint64_t *moved,
		 ferry_deadline deadline)
{
	while (*moved < limit) {
		ssize_t r = drain_some(pipe, fd, limit - *moved, deadline);
		if (r > 0)
			*moved += (uint64_t)r;
		else if (!is_worth_another_try(pipe, r, deadline))
			return (int)r;
	}
	return 0;
}

/* ---- to the pipe ---- */

/* Room for up to n bytes, if there is any. */
static int reserve_now(struct ferry_pipe *pipe, size_t n, struct ferry_span *span)
{
	int r;

	while ((r = ferry_pipe_reserve(pipe, n, span, FERRY_NOW)) == -EAGAIN && n > 1)
		n /= 2;
	return r;
}

/* The same, waiting until there is. When the first byte has room, more has had time to. */
static int reserve_some(struct ferry_pipe *pipe, size_t n, struct ferry_span *span,
			ferry_deadline deadline)
{
	int r = reserve_now(pipe, n, span);

	while (r == -EAGAIN && deadline != FERRY_NOW) {
		r = ferry_pipe_reserve(pipe, 1, span, deadline);
		if (r < 0 || n == 1)
			return r;
		r = ferry_pipe_commit(pipe, span, 0, FERRY_NOW);
		if (r == 0)
			r = reserve_now(pipe, n, span);
	}
	return r;
}

static ssize_t fill_some(struct ferry_pipe *pipe, int fd, uint64_t limit, ferry_deadline deadline)
{
	struct ferry_span span = { 0 };
	size_t n = limit < pipe->chunk ? (size_t)limit : (size_t)pipe->chunk;
	int r = wait_ready(pipe, fd, POLLIN, deadline);

	if (r == 0)
		r = reserve_some(pipe, n, &span, deadline);
	if (r < 0)
		return r;
	ssize_t got = get(fd, span.data, span.size);
	/* What was read must not be lost for want of time, or of readers. */
	r = fy_pipe_commit(pipe, &span, got > 0 ? (size_t)got : 0, FERRY_FOREVER,
			   FY_READERS_OR_NOT);
	return got > 0 && r < 0 ? r : got;
}

static int fill(struct ferry_pipe *pipe, int fd, uint64_t limit, uint64_t *moved,
		ferry_deadline deadline)
{
	while (*moved < limit) {
		ssize_t r = fill_some(pipe, fd, limit - *moved, deadline);
		if (r > 0)
			*moved += (uint64_t)r;
		else if (!is_worth_another_try(pipe, r, deadline))
			return (int)r;
	}
	return 0;
}

/* ---- both ---- */

static int no_descriptor(uint64_t *ret_moved)
{
	if (ret_moved)
		*ret_moved = 0;
	return -EBADF;
}

static int move(struct ferry_pipe *pipe, uint32_t end, int fd, uint64_t limit, uint64_t *ret_moved,
		ferry_deadline deadline)
{
	uint64_t moved = 0;

	if (!pipe)
		return -EINVAL;
	if (fd < 0) /* poll(2) would wait for ever: it passes over such */
		return no_descriptor(ret_moved);
	int cancel = fy_cancel_off();
	int r = fy_pipe_enter(pipe, end);
	if (r == 0)
		r = end == FERRY_READ ? drain(pipe, fd, limit, &moved, deadline)
				      : fill(pipe, fd, limit, &moved, deadline);
	fy_cancel_restore(cancel);
	if (ret_moved)
		*ret_moved = moved;
	return r;
}

int ferry_pipe_drain(ferry_pipe *pipe, int fd, uint64_t limit, uint64_t *ret_moved,
		     ferry_deadline deadline)
{
	return move(pipe, FERRY_READ, fd, limit, ret_moved, deadline);
}

int ferry_pipe_fill(ferry_pipe *pipe, int fd, uint64_t limit, uint64_t *ret_moved,
		    ferry_deadline deadline)
{
	return move(pipe, FERRY_WRITE, fd, limit, ret_moved, deadline);
}
