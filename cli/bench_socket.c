/* SPDX-License-Identifier: MIT */
/*
 * bench_socket.c - ferry bench socket: its rows, ferry's connections and the kernel's as the
 * benchmark drives them, and what is promised.
 *
 * A round trip goes there and back over one connection, as it does in programs. The process that
 * begins, or sends, is the one that connected.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_cut.h"
#include "bench_transports.h"

/* ---- ferry ---- */

/* How a contestant differs. */
struct way {
	bool unix_socket;
	bool plain; /* does not move into shared memory */
};

/* A process's end of the connection, for both directions. */
struct link {
	ferry_socket *socket;
	struct bench_cut cut;
	void *message;
};

static const struct way *way_of(const struct bench_channel *c)
{
	return c->peer->mechanism;
}

/* The listener is made before fork(), so that connecting cannot come too early. */
static int create_ferry(struct bench_channel *c, const struct bench_channel *there)
{
	static unsigned made;
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = NULL;
	int e = 0;

	if (there)
		return 0;
	if (way_of(c)->unix_socket)
		snprintf(address, sizeof(address), "unix:%s/socket-%u", bench_directory(), made++);
	else
		snprintf(address, sizeof(address), "tcp://127.0.0.1:0");
	e = ferry_listen(&listener, address, NULL, FERRY_NOW);
	if (e == 0)
		e = ferry_listener_address(listener, c->name, sizeof(c->name));
	c->handle = listener;
	return e < 0 ? e : 0;
}

static void remove_ferry(struct bench_channel *c)
{
	if (c->direction == 0)
		ferry_listener_close(c->handle);
}

static int meet(struct bench_channel *c, struct link *link)
{
	if (c->process > 0)
		return ferry_accept(&link->socket, c->handle, FERRY_FOREVER);
	return ferry_connect(
	    &link->socket, c->name,
	    FERRY_SOCKET_OPTIONS(.flags = way_of(c)->plain ? FERRY_SOCKET_PLAIN : 0),
	    FERRY_FOREVER);
}

static int attach_ferry(struct bench_channel *c)
{
	static struct link mine; /* of this process; the way back finds it */
	int e = 0;

	if (!mine.socket) {
		e = meet(c, &mine);
		mine.message = malloc(c->bytes);
		if (e == 0)
			e = mine.message ? bench_cut_init(&mine.cut, c) : -ENOMEM;
	}
	c->handle = &mine;
	return e;
}

static int write_ferry(struct bench_channel *c, const void *data)
{
	const struct link *link = c->handle;
	ssize_t n = ferry_socket_write_all(link->socket, data, c->bytes, FERRY_FOREVER);

	return n < 0 ? (int)n : (size_t)n == c->bytes ? 0 : -EPIPE;
}

static ssize_t read_some_ferry(struct bench_channel *c, void *buffer, size_t room)
{
	const struct link *link = c->handle;

	return ferry_socket_read(link->socket, buffer, room, FERRY_FOREVER);
}

static int read_ferry(struct bench_channel *c, void **ret_data)
{
	struct link *link = c->handle;

	return bench_cut_next(c, &link->cut, read_some_ferry, ret_data);
}

static int send_ferry(struct bench_channel *c, const void *data)
{
	const struct link *link = c->handle;

	return ferry_socket_send(link->socket, data, c->bytes, FERRY_FOREVER);
}

static int receive_ferry(struct bench_channel *c, void **ret_data)
{
	struct link *link = c->handle;
	ssize_t n = ferry_socket_receive(link->socket, link->message, c->bytes, FERRY_FOREVER);

	*ret_data = link->message;
	return n < 0 ? (int)n : (size_t)n == c->bytes ? 0 : -EPIPE;
}

static const struct way plain_unix = { .unix_socket = true, .plain = true },
			plain_tcp = { .plain = true }, moved_unix = { .unix_socket = true },
			moved_tcp = { 0 };

#define BOTH  BENCH_ROUNDTRIP | BENCH_STREAM
#define FERRY .create = create_ferry, .remove = remove_ferry, .attach = attach_ferry
#define BYTES .send = write_ferry, .receive = read_ferry

#define MOVED .waits = "spins, then sleeps", .abilities = BOTH | BENCH_SPINS_FIRST

static const struct bench_peer ferry_unix = {
	.name = "ferry unix", MOVED, .mechanism = &moved_unix, FERRY, BYTES
};
static const struct bench_peer ferry_tcp = {
	.name = "ferry tcp", MOVED, .mechanism = &moved_tcp, FERRY, BYTES
};
static const struct bench_peer ferry_messages = {
	.name = "ferry messages",
	MOVED,
	.mechanism = &moved_unix,
	FERRY,
	.send = send_ferry,
	.receive = receive_ferry,
};

static const struct bench_peer ferry_plain_unix = {
	.name = "ferry unix plain",
	.waits = "sleeps",
	.abilities = BOTH,
	.mechanism = &plain_unix,
	FERRY,
	BYTES,
};

static const struct bench_peer ferry_plain_tcp = {
	.name = "ferry tcp plain",
	.waits = "sleeps",
	.abilities = BOTH,
	.mechanism = &plain_tcp,
	FERRY,
	BYTES,
};

static const struct bench_peer ferry_plain_messages = {
	.name = "ferry messages plain",
	.waits = "sleeps",
	.abilities = BOTH,
	.mechanism = &plain_unix,
	FERRY,
	.send = send_ferry,
	.receive = receive_ferry,
};

/* ---- the kernel's ---- */

/* fd[0] is who connected, and process 0's. */
static int fd_of(const struct bench_channel *c)
{
	return c->fd[c->process > 0];
}

static int create_unix(struct bench_channel *c, const struct bench_channel *there)
{
	if (there) {
		c->fd[0] = there->fd[0];
		c->fd[1] = there->fd[1];
		return 0;
	}
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->fd) < 0 ? -errno : 0;
}

static int connect_tcp(int fd[2], int listener)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(here);
	const int on = 1;

	if (bind(listener, (struct sockaddr *)&here, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&here, &size) < 0 ||
	    connect(fd[0], (struct sockaddr *)&here, size) < 0)
		return -errno;
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	for (int i = 0; i < 2; i++)
		if (setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
			return -errno;
	return 0;
}

static int create_tcp(struct bench_channel *c, const struct bench_channel *there)
{
	if (there)
		return create_unix(c, there);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int e = listener < 0 || c->fd[0] < 0 ? -errno : connect_tcp(c->fd, listener);
	(void)close(listener);
	return e;
}

static void close_ends(struct bench_channel *c)
{
	if (c->direction == 0)
		bench_close_both(c);
}

static int write_kernel(struct bench_channel *c, const void *data)
{
	return bench_write_all(fd_of(c), data, c->bytes);
}

static ssize_t read_some_kernel(struct bench_channel *c, void *buffer, size_t room)
{
	return bench_read_some(fd_of(c), buffer, room);
}

static int read_kernel(struct bench_channel *c, void **ret_data)
{
	return bench_cut_next(c, c->handle, read_some_kernel, ret_data);
}

#define KERNEL                                                                                     \
	.waits = "sleeps", .abilities = BOTH, .remove = close_ends, .attach = bench_cut_attach,    \
	.send = write_kernel, .receive = read_kernel

static const struct bench_peer kernel_unix = { .name = "kernel unix",
					       .create = create_unix,
					       KERNEL };
static const struct bench_peer kernel_tcp = { .name = "kernel tcp", .create = create_tcp, KERNEL };

/* ---- what is measured ---- */

static const struct bench_row rows[] = {
	{ "roundtrip-64", "Round trip of 64 B", BENCH_ROUNDTRIPS, 64, 1, 1 },
	{ "stream-64", "Writes of 64 B, every byte read", BENCH_STREAMS, 64, 1, 1 },
	{ "stream-64K", "Writes of 64 KiB, every byte read", BENCH_STREAMS, 65536, 1, 1 },
	{ "stream-1M", "Writes of 1 MiB, every byte read", BENCH_STREAMS, 1 << 20, 1, 1 },
	{ 0 },
};

static const struct bench_peer *const peers[] = {
	&bench_line,      &bench_line_pause,     &bench_buffers, &ferry_unix,       &ferry_tcp,
	&ferry_messages,  &bench_futex,          &kernel_unix,   &ferry_plain_unix, &kernel_tcp,
	&ferry_plain_tcp, &ferry_plain_messages, NULL,
};

/* A plain connection of ferry's is to be no slower than the kernel's, by more than one twentieth:
 * in time, and in rate. */
static const struct bench_target targets[] = {
	{ "round trip of 64 B in shared memory, p50: to the cache line", "roundtrip-64",
	  "ferry unix", "cache line", "cache line pause", BENCH_P50, true, 1.6, 0 },
	{ "the same to the kernel's unix socket", "roundtrip-64", "ferry unix", "kernel unix", NULL,
	  BENCH_P50, true, 0.1, 0 },
	{ "writes of 64 KiB in shared memory, to the kernel's unix socket", "stream-64K",
	  "ferry unix", "kernel unix", NULL, BENCH_RATE, false, 2, 3 },
	{ "round trip of 64 B, plain, to the kernel's unix socket, p50", "roundtrip-64",
	  "ferry unix plain", "kernel unix", NULL, BENCH_P50, true, 1.0 / 0.95, 0 },
	{ "the same over tcp", "roundtrip-64", "ferry tcp plain", "kernel tcp", NULL, BENCH_P50,
	  true, 1.0 / 0.95, 0 },
	{ "writes of 64 B, plain, to the kernel's unix socket", "stream-64", "ferry unix plain",
	  "kernel unix", NULL, BENCH_RATE, false, 0.95, 0 },
	{ "the same over tcp", "stream-64", "ferry tcp plain", "kernel tcp", NULL, BENCH_RATE,
	  false, 0.95, 0 },
	{ "writes of 64 KiB, plain, to the kernel's unix socket", "stream-64K", "ferry unix plain",
	  "kernel unix", NULL, BENCH_RATE, false, 0.95, 0 },
	{ "the same over tcp", "stream-64K", "ferry tcp plain", "kernel tcp", NULL, BENCH_RATE,
	  false, 0.95, 0 },
	{ "writes of 1 MiB, plain, to the kernel's unix socket", "stream-1M", "ferry unix plain",
	  "kernel unix", NULL, BENCH_RATE, false, 0.95, 0 },
	{ "the same over tcp", "stream-1M", "ferry tcp plain", "kernel tcp", NULL, BENCH_RATE,
	  false, 0.95, 0 },
	{ 0 },
};

const struct bench_family bench_sockets = {
	.name = "socket",
	.what = "over unix and tcp, beside the kernel's sockets",
	.rows = rows,
	.peers = peers,
	.targets = targets,
	.baseline = "kernel unix",
};
