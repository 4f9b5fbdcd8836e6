/* SPDX-License-Identifier: MIT */
/*
 * message.c - whole messages. On a byte stream each goes behind its length (docs/formats/frame.md);
 * a packet or datagram is one by itself.
 *
 * What a call could not finish stays in the handle: bytes of the message that is coming in, or the
 * rest of the one that is going out. Memory is taken for bytes that are there, never for a number
 * that a peer sent.
 *
 * One thread at a time is inside, for each direction. Another may fork() meanwhile; the child then
 * has the handle as it was between two of the thread's steps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../os/cancel.h"
#include "../os/poll.h"
#include "../os/socket.h"
#include "socket.h"

static void put_size(unsigned char *header, uint32_t size)
{
	for (int i = 0; i < FY_MESSAGE_HEADER; i++)
		header[i] = (unsigned char)(size >> (24 - 8 * i));
}

static uint32_t get_size(const unsigned char *header)
{
	uint32_t size = 0;

	for (int i = 0; i < FY_MESSAGE_HEADER; i++)
		size = size << 8 | header[i];
	return size;
}

/* Does the next call have a chance? */
static int passes(ssize_t r)
{
	return r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR;
}

/* ---- fork ---- */

/* Was a thread of the parent inside? It is not here, and never lets go. */
static int was_inside(pthread_mutex_t *mutex)
{
	if (pthread_mutex_trylock(mutex) == 0) {
		(void)pthread_mutex_unlock(mutex);
		return 0;
	}
	(void)pthread_mutex_init(mutex, NULL);
	return 1;
}

/* How far into a message such a thread was, nobody can tell: the kernel may just have moved bytes
 * for it. So that direction of a stream is over here. What the handle had kept may be half
 * replaced, and is left alone. Packets are whole. */
void fy_messages_in_child(void *handle)
{
	struct ferry_socket *socket = handle;
	struct fy_incoming *in = &socket->in;
	struct fy_outgoing *out = &socket->out;
	const int stream = fy_transport_is_stream(socket->transport);

	if (was_inside(&in->mutex) && stream) {
		in->broken = -EBADF;
		in->kept = NULL;
	}
	if (was_inside(&out->mutex) && stream) {
		out->broken = -EBADF;
		out->rest = NULL;
		out->at = out->size = 0;
	}
}

/* ---- sending ---- */

/* Write the rest of an earlier message. 0, or a result of writing. */
static int flush(ferry_socket *socket, ferry_deadline deadline)
{
	struct fy_outgoing *out = &socket->out;

	while (out->at < out->size) {
		struct iovec one = { out->rest + out->at, out->size - out->at };
		ssize_t r = fy_socket_move_out(socket, &one, 1, 1, deadline);
		if (r < 0) {
			if (!passes(r))
				out->broken = (int)r;
			return (int)r;
		}
		out->at += (size_t)r;
	}
	free(out->rest);
	out->rest = NULL;
	out->at = out->size = 0;
	return 0;
}

/* done bytes of header and message are out: keep the others. 0 or -ENOMEM. */
static int keep_rest(struct fy_outgoing *out, const struct iovec parts[2], size_t done)
{
	size_t size = parts[0].iov_len + parts[1].iov_len;
	unsigned char *whole = malloc(size);

	if (!whole)
		return -ENOMEM;
	memcpy(whole, parts[0].iov_base, parts[0].iov_len);
	if (parts[1].iov_len > 0)
		memcpy(whole + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
	out->rest = whole;
	out->at = done;
	out->size = size;
	return 0;
}

static int send_framed(ferry_socket *socket, const void *data, size_t size, ferry_deadline deadline)
{
	unsigned char header[FY_MESSAGE_HEADER];
	const struct iovec parts[2] = { { header, sizeof(header) },
					{ (void *)(uintptr_t)data, size } };
	const size_t all = sizeof(header) + size;
	size_t done = 0;

	put_size(header, (uint32_t)size);
	while (done < all) {
		const int second = done >= sizeof(header);
		const size_t skip = second ? done - sizeof(header) : done;
		struct iovec left[2] = { parts[second], parts[1] };
		left[0].iov_base = (char *)left[0].iov_base + skip;
		left[0].iov_len -= skip;
		ssize_t r =
		    fy_socket_move_out(socket, left, second || size == 0 ? 1 : 2, 1, deadline);
		if (r < 0 && done == 0)
			return (int)r;
		if (passes(r) && keep_rest(&socket->out, parts, done) == 0)
			return -EINPROGRESS;
		if (r < 0)
			/* A part is out and the rest will never be. */
			return socket->out.broken = passes(r) ? -ENOMEM : (int)r;
		done += (size_t)r;
	}
	return 0;
}

static int send_packet(ferry_socket *socket, const void *data, size_t size, ferry_deadline deadline)
{
	struct iovec one = { (void *)(uintptr_t)data, size };
	ssize_t r = fy_socket_move_out(socket, &one, 1, 1, deadline);

	return r < 0 ? (int)r : 0;
}

static int send_next(ferry_socket *socket, const void *data, size_t size, ferry_deadline deadline)
{
	if (socket->out.broken)
		return socket->out.broken;
	int r = flush(socket, deadline);
	return r < 0 ? r : send_framed(socket, data, size, deadline);
}

int ferry_socket_send(ferry_socket *socket, const void *data, size_t size, ferry_deadline deadline)
{
	if (!socket || (!data && size > 0) ||
	    (size == 0 && socket->transport == FERRY_UNIX_SEQPACKET))
		return -EINVAL;
	if (size > socket->message_max)
		return -EMSGSIZE;
	if (!fy_transport_is_stream(socket->transport))
		return send_packet(socket, data, size, deadline);
	int r = fy_mutex_take(&socket->out.mutex, deadline);
	if (r < 0)
		return r;
	r = send_next(socket, data, size, deadline);
	(void)pthread_mutex_unlock(&socket->out.mutex);
	return r;
}

int ferry_socket_flush(ferry_socket *socket, ferry_deadline deadline)
{
	if (!socket)
		return -EINVAL;
	int r = fy_mutex_take(&socket->out.mutex, deadline);
	if (r < 0)
		return r;
	r = socket->out.broken ? socket->out.broken : flush(socket, deadline);
	(void)pthread_mutex_unlock(&socket->out.mutex);
	return r;
}

/* ---- receiving ---- */

/* Every later call returns this. */
static int breaks(struct fy_incoming *in, int error)
{
	in->broken = error;
	return error;
}

/* What reading returned, inside a message or before one. 0: n bytes came. */
static int judge(struct fy_incoming *in, ssize_t r, int inside)
{
	if (r > 0)
		return 0;
	if (r == 0)
		return breaks(in, inside ? -ECONNRESET : -ENODATA);
	return passes(r) ? (int)r : breaks(in, (int)r);
}

/* Read the header, as far as it is missing. 0: in->size is known. */
static int receive_header(ferry_socket *socket, ferry_deadline deadline)
{
	struct fy_incoming *in = &socket->in;

	while (in->n_header < FY_MESSAGE_HEADER) {
		struct iovec one = { in->header + in->n_header, FY_MESSAGE_HEADER - in->n_header };
		ssize_t n = fy_socket_move_in(socket, &one, 1, deadline);
		int r = judge(in, n, in->n_header > 0);
		if (r < 0)
			return r;
		in->n_header += (uint32_t)n;
	}
	in->size = get_size(in->header);
	return in->size > socket->message_max ? breaks(in, -EBADMSG) : 0;
}

/* The deadline came: keep the have bytes at buffer for the next call. */
static int keep(struct fy_incoming *in, const unsigned char *buffer, uint32_t have, int error)
{
	if (have == in->n_kept)
		return error;
	unsigned char *kept = realloc(in->kept, have);
	if (!kept)
		return breaks(in, -ENOMEM);
	memcpy(kept + in->n_kept, buffer + in->n_kept, have - in->n_kept);
	in->kept = kept;
	in->n_kept = have;
	return error;
}

static void next_message(struct fy_incoming *in)
{
	free(in->kept);
	in->kept = NULL;
	in->n_kept = 0;
	in->n_header = 0;
}

static ssize_t receive_body(ferry_socket *socket, unsigned char *buffer, ferry_deadline deadline)
{
	struct fy_incoming *in = &socket->in;
	uint32_t have = in->n_kept;

	if (have > 0)
		memcpy(buffer, in->kept, have);
	while (have < in->size) {
		struct iovec one = { buffer + have, in->size - have };
		ssize_t n = fy_socket_move_in(socket, &one, 1, deadline);
		int r = judge(in, n, 1);
		if (r < 0)
			return passes(r) ? keep(in, buffer, have, r) : r;
		have += (uint32_t)n;
	}
	next_message(in);
	return have;
}

/* With the mutex. buffer NULL: only look. */
static ssize_t receive_framed(ferry_socket *socket, void *buffer, size_t size, int look,
			      ferry_deadline deadline)
{
	if (socket->in.broken)
		return socket->in.broken;
	int r = receive_header(socket, deadline);
	if (r < 0)
		return r;
	if (look)
		return socket->in.size;
	if (socket->in.size > size)
		return -EMSGSIZE;
	return receive_body(socket, buffer, deadline);
}

/* Nothing came, or a packet of 0 bytes from a program that sends such. */
static int has_ended(const ferry_socket *socket)
{
	struct pollfd end = { .fd = socket->fd, .events = POLLRDHUP };

	return socket->transport == FERRY_UNIX_SEQPACKET && fy_poll(&end, 1, FERRY_NOW, 0) > 0 &&
	       fy_socket_readable(socket->fd) == 0;
}

/* One packet, taken or only looked at. */
static ssize_t receive_one(ferry_socket *socket, const struct iovec *room, int flags,
			   ferry_deadline deadline)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)room, .msg_iovlen = 1 };
	ssize_t r = fy_socket_message_in(socket, &message, flags | MSG_TRUNC, deadline);

	return r == 0 && has_ended(socket) ? -ENODATA : r;
}

static ssize_t receive_packet(ferry_socket *socket, void *buffer, size_t size, int look,
			      ferry_deadline deadline)
{
	const struct iovec room = { buffer, size };
	const int stays = look || socket->transport == FERRY_UNIX_SEQPACKET;
	ssize_t r;

	/* A packet that does not fit stays: so it is looked at first. Then it may be somebody
	 * else's, and the next one is another. */
	do {
		r = receive_one(socket, &room, stays ? MSG_PEEK : 0, deadline);
		if (r >= 0 && !look && stays && (size_t)r <= size)
			r = receive_one(socket, &room, 0, FERRY_NOW);
	} while (r == -EAGAIN && deadline != FERRY_NOW);
	return r >= 0 && !look && (size_t)r > size ? -EMSGSIZE : r;
}

static ssize_t receive(ferry_socket *socket, void *buffer, size_t size, int look,
		       ferry_deadline deadline)
{
	const struct iovec one = { buffer, size };

	if (!socket || (!look && fy_buffers_size(&one, 1) < 0))
		return -EINVAL;
	int r = fy_mutex_take(&socket->in.mutex, deadline);
	if (r < 0)
		return r;
	ssize_t n = fy_transport_is_stream(socket->transport)
			? receive_framed(socket, buffer, size, look, deadline)
			: receive_packet(socket, buffer, size, look, deadline);
	(void)pthread_mutex_unlock(&socket->in.mutex);
	return n;
}

ssize_t ferry_socket_receive(ferry_socket *socket, void *buffer, size_t size,
			     ferry_deadline deadline)
{
	return receive(socket, buffer, size, 0, deadline);
}

ssize_t ferry_socket_next(ferry_socket *socket, ferry_deadline deadline)
{
	return receive(socket, NULL, 0, 1, deadline);
}
