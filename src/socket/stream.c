/* SPDX-License-Identifier: MIT */
/* stream.c - reading and writing bytes, until a deadline. */
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <time.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/clock.h"
#include "../os/poll.h"
#include "../os/socket.h"
#include "socket.h"

#define WINDOW 16 /* buffers of one try in the full-length calls */

ssize_t fy_buffers_size(const struct iovec *buffers, int n)
{
	size_t sum = 0;

	if (n < 0 || n > IOV_MAX || (n > 0 && !buffers))
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (!buffers[i].iov_base && buffers[i].iov_len > 0)
			return -EINVAL;
		if (buffers[i].iov_len > (size_t)SSIZE_MAX - sum)
			return -EINVAL;
		sum += buffers[i].iov_len;
	}
	return (ssize_t)sum;
}

int fy_mutex_take(pthread_mutex_t *mutex, ferry_deadline deadline)
{
	struct timespec until = { deadline / FY_S, deadline % FY_S };
	int r = pthread_mutex_trylock(mutex);

	if (r == 0 || deadline == FERRY_NOW)
		return -r == -EBUSY ? -EAGAIN : -r;
	return deadline == FERRY_FOREVER ? -pthread_mutex_lock(mutex)
					 : -pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}

/* ---- trying ---- */

/* The kernel itself waits, if that is for ever and nobody wants to hear of signals. */
static int flags_for(const ferry_socket *socket, ferry_deadline deadline)
{
	return deadline == FERRY_FOREVER && !socket->interruptible ? 0 : MSG_DONTWAIT;
}

/* After a try: 0: again; or what the call returns. */
static ssize_t after(const ferry_socket *socket, ssize_t r, short events, ferry_deadline deadline)
{
	struct pollfd ready = { .fd = socket->fd, .events = events };

	if (r == -EINTR && !socket->interruptible)
		return 0;
	if (r != -EAGAIN || deadline == FERRY_NOW)
		return r;
	r = fy_poll(&ready, 1, deadline, socket->interruptible);
	return r > 0 ? 0 : r;
}

ssize_t fy_socket_message_in(ferry_socket *socket, struct msghdr *message, int flags,
			     ferry_deadline deadline)
{
	const struct msghdr asked = *message;
	const int how = flags | flags_for(socket, deadline);

	if (socket->moved)
		return fy_moved_in(socket->moved, message, deadline);
	for (;;) {
		*message = asked; /* a try writes into it */
		ssize_t r = fy_socket_receive_message(socket->fd, message, how);
		if (r >= 0)
			return r;
		r = after(socket, r, POLLIN, deadline);
		if (r < 0)
			return r;
	}
}

ssize_t fy_socket_message_out(ferry_socket *socket, const struct msghdr *message, int all,
			      ferry_deadline deadline)
{
	/* Waiting in the kernel lasts until all of a stream's bytes are written. */
	const int how = all ? flags_for(socket, deadline) : MSG_DONTWAIT;

	if (socket->moved)
		return fy_moved_out(socket->moved, message, deadline);
	for (;;) {
		ssize_t r = fy_socket_send_message(socket->fd, message, how);
		if (r >= 0)
			return r;
		r = after(socket, r, POLLOUT, deadline);
		if (r < 0)
			return r;
	}
}

/* ---- TLS ---- */

/* As after(). A peer may send without end what has no bytes for us: the socket is ready each time,
 * which is not to outlast the deadline. late: 0 at first. */
static ssize_t after_tls(const ferry_socket *socket, ssize_t r, short events,
			 ferry_deadline deadline, int *late)
{
	if (r == -EAGAIN && *late)
		return -ETIMEDOUT;
	r = after(socket, r, events, deadline);
	*late = r == 0 && fy_now() >= deadline;
	return r;
}

/* The first buffer with room; TLS moves one at a time. */
static const struct iovec *first_of(const struct iovec *buffers, int n)
{
	for (int i = 0; i < n; i++)
		if (buffers[i].iov_len > 0)
			return &buffers[i];
	return NULL;
}

/* The first of the buffers has been filled. What is left of the same record goes into the others.
 * How many bytes that was. */
static ssize_t tls_read_on(ferry_socket *socket, const struct iovec *buffers,
			   const struct iovec *end)
{
	const struct fy_tls_provider *tls = fy_tls_use();
	ssize_t moved = 0, r = 0;
	short events = 0;

	for (const struct iovec *next = buffers + 1; next < end; next++) {
		if (next->iov_len == 0)
			continue;
		if (tls->pending(socket->tls) == 0)
			break;
		r = tls->read(socket->tls, next->iov_base, next->iov_len, &events);
		moved += r > 0 ? r : 0;
		if (r < (ssize_t)next->iov_len)
			break; /* an error comes again with the next call */
	}
	return moved;
}

/* A record is taken whole. If the kernel had no room for all of it, against expectation (session.c
 * of src/tls), that is waited for here; at the deadline the rest stays in the handle and goes out
 * with the next call. */
static void tls_flush(ferry_socket *socket, ferry_deadline deadline)
{
	short events = 0;

	while (fy_tls_use()->flush(socket->tls, &events) == -EAGAIN)
		if (after(socket, -EAGAIN, events, deadline) < 0)
			return;
}

/* Try until something has moved. */
static ssize_t tls_move(ferry_socket *socket, const struct iovec *one, int out,
			ferry_deadline deadline)
{
	const struct fy_tls_provider *tls = fy_tls_use();
	int late = 0;

	for (;;) {
		short events = 0;
		ssize_t r = out ? tls->write(socket->tls, one->iov_base, one->iov_len, &events)
				: tls->read(socket->tls, one->iov_base, one->iov_len, &events);
		if (r >= 0)
			return r;
		r = after_tls(socket, r, events, deadline, &late);
		if (r < 0)
			return r;
	}
}

static ssize_t tls_in(ferry_socket *socket, const struct iovec *buffers, int n,
		      ferry_deadline deadline)
{
	const struct iovec *one = first_of(buffers, n);
	ssize_t r = one ? tls_move(socket, one, 0, deadline) : 0;

	if (r > 0 && (size_t)r == one->iov_len)
		r += tls_read_on(socket, one, buffers + n);
	if (r > 0)
		fy_decoded_tell(&socket->decoded, socket->tls);
	return r;
}

static ssize_t tls_out(ferry_socket *socket, const struct iovec *buffers, int n,
		       ferry_deadline deadline)
{
	const struct iovec *one = first_of(buffers, n);
	ssize_t r = one ? tls_move(socket, one, 1, deadline) : 0;

	if (r > 0)
		tls_flush(socket, deadline);
	return r;
}

int ferry_socket_handshake(ferry_socket *socket, ferry_deadline deadline, struct ferry_why *why)
{
	if (!socket)
		return -EINVAL;
	int cancel = fy_cancel_off();
	ssize_t r = 0;
	int late = 0;
	while (socket->tls) {
		short events = 0;
		r = fy_tls_use()->handshake(socket->tls, &events, why);
		if (r == 0)
			break;
		r = after_tls(socket, r, events, deadline, &late);
		if (r == -ETIMEDOUT || r == -EAGAIN)
			(void)fy_why(why, (int)r,
				     "the peer did not finish the TLS handshake in time");
		if (r < 0)
			break;
	}
	fy_cancel_restore(cancel);
	return (int)r;
}

/* ---- one call ---- */

ssize_t fy_socket_move_in(ferry_socket *socket, const struct iovec *buffers, int n,
			  ferry_deadline deadline)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)buffers,
				  .msg_iovlen = (size_t)n };

	if (socket->tls)
		return tls_in(socket, buffers, n, deadline);
	return fy_socket_message_in(socket, &message, 0, deadline);
}

ssize_t fy_socket_move_out(ferry_socket *socket, const struct iovec *buffers, int n, int all,
			   ferry_deadline deadline)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)buffers,
				  .msg_iovlen = (size_t)n };

	if (socket->tls)
		return tls_out(socket, buffers, n, deadline);
	return fy_socket_message_out(socket, &message, all, deadline);
}

ssize_t ferry_socket_readv(ferry_socket *socket, const struct iovec *buffers, int n,
			   ferry_deadline deadline)
{
	ssize_t size = fy_buffers_size(buffers, n);

	if (!socket || size <= 0)
		return socket ? size : -EINVAL;
	return fy_socket_move_in(socket, buffers, n, deadline);
}

ssize_t ferry_socket_read(ferry_socket *socket, void *buffer, size_t size, ferry_deadline deadline)
{
	const struct iovec one = { buffer, size };

	return ferry_socket_readv(socket, &one, 1, deadline);
}

ssize_t ferry_socket_writev(ferry_socket *socket, const struct iovec *buffers, int n,
			    ferry_deadline deadline)
{
	ssize_t size = fy_buffers_size(buffers, n);

	if (!socket || size < 0)
		return socket ? size : -EINVAL;
	if (size == 0 && fy_transport_is_stream(socket->transport))
		return 0;
	return fy_socket_move_out(socket, buffers, n, 0, deadline);
}

ssize_t ferry_socket_write(ferry_socket *socket, const void *data, size_t size,
			   ferry_deadline deadline)
{
	const struct iovec one = { (void *)(uintptr_t)data, size };

	return ferry_socket_writev(socket, &one, 1, deadline);
}

/* ---- all of it ---- */

/* Buffers, of which the first bytes are done. */
struct rest {
	const struct iovec *buffers;
	int n;
	size_t at; /* within the first */
};

/* The next buffers of the rest; how many. */
static int window_of(const struct rest *rest, struct iovec *window)
{
	int n = rest->n < WINDOW ? rest->n : WINDOW;

	for (int i = 0; i < n; i++)
		window[i] = rest->buffers[i];
	if (n > 0) {
		window[0].iov_base = (char *)window[0].iov_base + rest->at;
		window[0].iov_len -= rest->at;
	}
	return n;
}

static void advance(struct rest *rest, size_t done)
{
	rest->at += done;
	while (rest->n > 0 && rest->at >= rest->buffers->iov_len) {
		rest->at -= rest->buffers->iov_len;
		rest->buffers++;
		rest->n--;
	}
}

static ssize_t move_some(ferry_socket *socket, const struct iovec *buffers, int n, int out,
			 ferry_deadline deadline)
{
	return out ? fy_socket_move_out(socket, buffers, n, 1, deadline)
		   : fy_socket_move_in(socket, buffers, n, deadline);
}

/* All but the first bytes, which are done. How many are done then. */
FY_COLD static ssize_t move_rest(ferry_socket *socket, struct rest *rest, size_t moved, size_t size,
				 int out, ferry_deadline deadline)
{
	struct iovec window[WINDOW];
	size_t some = moved;

	while (moved < size) {
		advance(rest, some); /* and past empty buffers */
		ssize_t r = move_some(socket, window, window_of(rest, window), out, deadline);
		if (r <= 0)
			break;
		some = (size_t)r;
		moved += some;
	}
	return (ssize_t)moved;
}

static ssize_t move_all(ferry_socket *socket, const struct iovec *buffers, int n, int out,
			ferry_deadline deadline)
{
	struct rest rest = { buffers, n, 0 };
	ssize_t size = fy_buffers_size(buffers, n);

	if (!socket || size < 0)
		return socket ? size : -EINVAL;
	if (!fy_transport_is_stream(socket->transport))
		return -EOPNOTSUPP;
	if (size == 0)
		return 0;
	ssize_t r = move_some(socket, buffers, n, out, deadline);
	return r <= 0 || r == size
		   ? r
		   : move_rest(socket, &rest, (size_t)r, (size_t)size, out, deadline);
}

ssize_t ferry_socket_readv_all(ferry_socket *socket, const struct iovec *buffers, int n,
			       ferry_deadline deadline)
{
	return move_all(socket, buffers, n, 0, deadline);
}

ssize_t ferry_socket_read_all(ferry_socket *socket, void *buffer, size_t size,
			      ferry_deadline deadline)
{
	const struct iovec one = { buffer, size };

	return move_all(socket, &one, 1, 0, deadline);
}

ssize_t ferry_socket_writev_all(ferry_socket *socket, const struct iovec *buffers, int n,
				ferry_deadline deadline)
{
	return move_all(socket, buffers, n, 1, deadline);
}

ssize_t ferry_socket_write_all(ferry_socket *socket, const void *data, size_t size,
			       ferry_deadline deadline)
{
	const struct iovec one = { (void *)(uintptr_t)data, size };

	return move_all(socket, &one, 1, 1, deadline);
}
