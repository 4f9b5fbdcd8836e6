/* SPDX-License-Identifier: MIT */
/*
 * bench_pipe.c - ferry bench pipe: its rows, ferry's pipe and the kernel's streams as the benchmark
 * drives them, and what is promised.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_cut.h"
#include "bench_time.h"
#include "bench_transports.h"

#define BUFFER   65536
#define LARGE    (1 << 20)  /* capacity of those that say "1 MiB" */
#define SPIN_ON  1000000000 /* ns: longer than any wait here */
#define IN_PLACE 262144     /* capacity where messages of 64 KiB are written in place */

/* ---- ferry ---- */

/* A process's part of a channel. It opens the end that it first uses. */
struct end {
	ferry_pipe *pipe;
	struct bench_cut cut;
	struct ferry_span span; /* in place: what is reserved, or what was looked at */
	size_t seen;            /* of the span: given out already */
};

/* Made before fork(): both ends, of which a process keeps the one that it uses. */
struct pair {
	struct end end; /* first: the same functions serve both */
	ferry_pipe *reader, *writer;
};

static uint64_t capacity_of(const struct bench_channel *c)
{
	return c->peer->capacity;
}

static int name_pipe(struct bench_channel *c, const struct bench_channel *there)
{
	static unsigned made;

	(void)there;
	snprintf(c->name, sizeof(c->name), "%s/pipe-%u", bench_directory(), made++);
	return 0;
}

static void remove_pipe(struct bench_channel *c)
{
	(void)ferry_remove(c->name, NULL);
}

static int attach_named(struct bench_channel *c)
{
	struct end *end = calloc(1, sizeof(*end));

	c->handle = end;
	return end ? bench_cut_init(&end->cut, c) : -ENOMEM;
}

static int create_pair(struct bench_channel *c, const struct bench_channel *there)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	(void)there;
	c->handle = pair;
	return pair ? ferry_pipe_pair(
			  &pair->reader, &pair->writer,
			  FERRY_PIPE_OPTIONS(.capacity = capacity_of(c), .spin = c->peer->spin))
		    : -ENOMEM;
}

static void remove_pair(struct bench_channel *c)
{
	struct pair *pair = c->handle;

	ferry_pipe_close(pair->reader);
	ferry_pipe_close(pair->writer);
	free(pair);
}

static int attach_pair(struct bench_channel *c)
{
	struct pair *pair = c->handle;

	return bench_cut_init(&pair->end.cut, c);
}

static int open_named(struct bench_channel *c, uint32_t direction)
{
	struct end *end = c->handle;

	return ferry_pipe_open(
	    &end->pipe, c->name, direction,
	    FERRY_PIPE_OPTIONS(.capacity = capacity_of(c), .spin = c->peer->spin), FERRY_FOREVER);
}

static int keep_one(struct bench_channel *c, uint32_t direction)
{
	struct pair *pair = c->handle;
	bool writes = direction == FERRY_WRITE;

	ferry_pipe_close(writes ? pair->reader : pair->writer);
	pair->end.pipe = writes ? pair->writer : pair->reader;
	return 0;
}

static inline int use(struct bench_channel *c, uint32_t direction)
{
	struct end *end = c->handle;

	if (__builtin_expect(end->pipe != NULL, 1))
		return 0;
	return c->peer->create == create_pair ? keep_one(c, direction) : open_named(c, direction);
}

static int write_pipe(struct bench_channel *c, const void *data)
{
	struct end *end = c->handle;
	int e = use(c, FERRY_WRITE);

	if (e < 0)
		return e;
	ssize_t n = ferry_pipe_write(end->pipe, data, c->bytes, FERRY_FOREVER);
	return n < 0 ? (int)n : (size_t)n == c->bytes ? 0 : -EPIPE;
}

static ssize_t read_some(struct bench_channel *c, void *buffer, size_t room)
{
	struct end *end = c->handle;

	return ferry_pipe_read(end->pipe, buffer, room, FERRY_FOREVER);
}

static int read_pipe(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;
	int e = use(c, FERRY_READ);

	return e < 0 ? e : bench_cut_next(c, &end->cut, read_some, ret_data);
}

/* In place: as bench_ferry.c has it, the bytes are there already unless the memory is new. */
static int reserve(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;
	int e = use(c, FERRY_WRITE);

	if (e == 0)
		e = ferry_pipe_reserve(end->pipe, c->bytes, &end->span, FERRY_FOREVER);
	if (e < 0)
		return e;
	const uint64_t *word = end->span.data;
	size_t last = c->bytes / sizeof(*word) - 1;
	if (word[1] != 1 || word[last] != last)
		bench_fill(end->span.data, c->bytes, 0);
	*ret_data = end->span.data;
	return 0;
}

static int commit(struct bench_channel *c, const void *data)
{
	struct end *end = c->handle;

	(void)data;
	return ferry_pipe_commit(end->pipe, &end->span, c->bytes, FERRY_FOREVER);
}

static int peek(struct bench_channel *c, void **ret_data)
{
	struct end *end = c->handle;
	int e = use(c, FERRY_READ);

	while (e == 0 && end->span.size - end->seen < c->bytes) {
		end->seen = 0;
		e = ferry_pipe_peek(end->pipe, &end->span, FERRY_FOREVER);
		if (e == 0)
			return -EPIPE;
		e = e < 0 ? e : 0;
	}
	*ret_data = (char *)end->span.data + end->seen;
	return e;
}

/* What was seen is given back when all of it was, or every 16 KiB: the writer needs the room. */
static int consume(struct bench_channel *c)
{
	struct end *end = c->handle;

	end->seen += c->bytes;
	if (end->span.size - end->seen >= c->bytes && end->seen < BUFFER / 4)
		return 0;
	int e = ferry_pipe_consume(end->pipe, &end->span, end->seen);
	end->seen = 0;
	return e;
}

/* A default pipe at a location. */
static int pipe_life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	char name[96];
	struct ferry_object_stat stat;
	ferry_pipe *reader, *writer;
	uint64_t t = bench_ticks();
	int e;

	snprintf(name, sizeof(name), "%s/opening", bench_directory());
	e = ferry_pipe_open(&reader, name, FERRY_READ, NULL, FERRY_NOW);
	if (e < 0)
		return e;
	ticks[BENCH_CREATING] = bench_ticks() - t;
	t = bench_ticks();
	e = ferry_pipe_open(&writer, name, FERRY_WRITE, NULL, FERRY_NOW);
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	if (e == 0) {
		t = bench_ticks();
		ferry_pipe_close(writer);
		ticks[BENCH_CLOSING] = bench_ticks() - t;
		e = ferry_object_stat(name, &stat, NULL);
		*ret_reserved = stat.file_bytes;
	}
	ferry_pipe_close(reader);
	(void)ferry_remove(name, NULL);
	return e;
}

#define NAMED  .create = name_pipe, .remove = remove_pipe, .attach = attach_named
#define PAIR   .create = create_pair, .remove = remove_pair, .attach = attach_pair
#define COPIES .send = write_pipe, .receive = read_pipe
#define BOTH   BENCH_ROUNDTRIP | BENCH_STREAM

static const struct bench_peer ferry_named = {
	.name = "ferry",
	.waits = "spins, then sleeps",
	.abilities = BOTH | BENCH_SPINS_FIRST,
	.life = pipe_life,
	NAMED,
	COPIES,
};

static const struct bench_peer ferry_pair = {
	.name = "ferry pair",
	.waits = "spins, then sleeps",
	.abilities = BOTH | BENCH_SPINS_FIRST,
	PAIR,
	COPIES,
};

static const struct bench_peer ferry_large = {
	.name = "ferry 1 MiB",
	.waits = "spins, then sleeps",
	.abilities = BENCH_STREAM | BENCH_SPINS_FIRST,
	.capacity = LARGE,
	NAMED,
	COPIES,
};

static const struct bench_peer ferry_in_place = {
	.name = "ferry in place",
	.waits = "spins, then sleeps",
	.abilities = BENCH_STREAM | BENCH_SPINS_FIRST,
	.most = BUFFER,
	.capacity = IN_PLACE,
	NAMED,
	.place = reserve,
	.send = commit,
	.receive = peek,
	.done = consume,
};

static const struct bench_peer ferry_spin = {
	.name = "ferry spin",
	.waits = "spins",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS,
	.spin = SPIN_ON,
	NAMED,
	COPIES,
};

static const struct bench_peer ferry_sleep = {
	.name = "ferry sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	NAMED,
	COPIES,
};

static const struct bench_peer ferry_pair_sleep = {
	.name = "ferry pair sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	PAIR,
	COPIES,
};

/* ---- the kernel's ---- */

static int write_kernel(struct bench_channel *c, const void *data)
{
	return bench_write_all(c->fd[1], data, c->bytes);
}

static ssize_t read_some_kernel(struct bench_channel *c, void *buffer, size_t room)
{
	return bench_read_some(c->fd[0], buffer, room);
}

static int read_kernel(struct bench_channel *c, void **ret_data)
{
	return bench_cut_next(c, c->handle, read_some_kernel, ret_data);
}

static int create_pipe(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	if (pipe2(c->fd, O_CLOEXEC | (c->peer->spin ? O_NONBLOCK : 0)) < 0)
		return -errno;
	if (c->peer->capacity && fcntl(c->fd[1], F_SETPIPE_SZ, (int)c->peer->capacity) < 0) {
		int e = errno == EPERM ? -ENOTSUP : -errno; /* more than this user may have */
		bench_close_both(c);
		return e;
	}
	return 0;
}

/* Opened for both, so that neither end waits for the other. It loses its name at once. */
static int create_fifo(struct bench_channel *c, const struct bench_channel *there)
{
	char name[96];

	(void)there;
	snprintf(name, sizeof(name), "%s/fifo", bench_directory());
	if (mkfifo(name, 0600) < 0)
		return -errno;
	c->fd[0] = open(name, O_RDWR | O_CLOEXEC);
	c->fd[1] = open(name, O_WRONLY | O_CLOEXEC);
	int e = c->fd[0] < 0 || c->fd[1] < 0 ? -errno : 0;
	(void)unlink(name);
	return e;
}

static int create_socket(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, c->fd) < 0 ? -errno : 0;
}

static int fifo_life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	char name[96];
	uint64_t t = bench_ticks();
	int reader, writer, e;

	snprintf(name, sizeof(name), "%s/fifo", bench_directory());
	if (mkfifo(name, 0600) < 0)
		return -errno;
	reader = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ticks[BENCH_CREATING] = bench_ticks() - t;
	t = bench_ticks();
	writer = open(name, O_WRONLY | O_CLOEXEC);
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	e = reader < 0 || writer < 0 ? -errno : 0;
	t = bench_ticks();
	close(writer);
	ticks[BENCH_CLOSING] = bench_ticks() - t;
	close(reader);
	(void)unlink(name);
	*ret_reserved = 0; /* the kernel allocates as bytes come */
	return e;
}

#define KERNEL                                                                                     \
	.remove = bench_close_both, .attach = bench_cut_attach, .send = write_kernel,              \
	.receive = read_kernel

static const struct bench_peer kernel_pipe = {
	.name = "pipe",
	.waits = "sleeps",
	.abilities = BOTH,
	.create = create_pipe,
	KERNEL,
};

static const struct bench_peer kernel_pipe_large = {
	.name = "pipe 1 MiB",
	.waits = "sleeps",
	.abilities = BENCH_STREAM,
	.capacity = LARGE,
	.create = create_pipe,
	KERNEL,
};

static const struct bench_peer kernel_pipe_poll = {
	.name = "pipe poll",
	.waits = "asks again and again",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS,
	.spin = 1,
	.create = create_pipe,
	KERNEL,
};

static const struct bench_peer kernel_fifo = {
	.name = "FIFO",
	.waits = "sleeps",
	.abilities = BOTH,
	.life = fifo_life,
	.create = create_fifo,
	KERNEL,
};

static const struct bench_peer kernel_socket = {
	.name = "Unix socket",
	.waits = "sleeps",
	.abilities = BOTH,
	.create = create_socket,
	KERNEL,
};

/* ---- what is measured ---- */

static const struct bench_row rows[] = {
	{ "roundtrip-8", "Round trip of 8 B", BENCH_ROUNDTRIPS, 8, 1, 1 },
	{ "roundtrip-64", "Round trip of 64 B", BENCH_ROUNDTRIPS, 64, 1, 1 },
	{ "roundtrip-4K", "Round trip of 4 KiB", BENCH_ROUNDTRIPS, 4096, 1, 1 },
	{ "stream-64", "Writes of 64 B, every byte read", BENCH_STREAMS, 64, 1, 1 },
	{ "stream-4K", "Writes of 4 KiB, every byte read", BENCH_STREAMS, 4096, 1, 1 },
	{ "stream-64K", "Writes of 64 KiB, every byte read", BENCH_STREAMS, 65536, 1, 1 },
	{ "stream-1M", "Writes of 1 MiB, every byte read", BENCH_STREAMS, 1 << 20, 1, 1 },
	{ "open", "Making, opening and closing", BENCH_OPENING, 0, 0, 0 },
	{ 0 },
};

static const struct bench_peer *const peers[] = {
	&bench_line,
	&bench_line_pause,
	&bench_buffers,
	&ferry_spin,
	&ferry_named,
	&ferry_pair,
	&ferry_large,
	&ferry_in_place,
	&bench_futex,
	&ferry_sleep,
	&ferry_pair_sleep,
	&kernel_pipe,
	&kernel_pipe_large,
	&kernel_fifo,
	&kernel_socket,
	&kernel_pipe_poll,
	NULL,
};

static const struct bench_target targets[] = {
	{ "round trip of 8 B, both spin, p50: to the cache line", "roundtrip-8", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.5, 0 },
	{ "round trip of 8 B, both sleep at once, p50: to the futex", "roundtrip-8", "ferry sleep",
	  "futex", NULL, BENCH_P50, true, 1.15, 0 },
	{ "the same, a pair", "roundtrip-8", "ferry pair sleep", "futex", NULL, BENCH_P50, true,
	  1.15, 0 },
	{ "writes of 64 B: to the kernel's pipe", "stream-64", "ferry", "pipe", NULL, BENCH_RATE,
	  false, 12, 30 },
	{ "writes of 64 KiB: to the kernel's pipe", "stream-64K", "ferry", "pipe", NULL, BENCH_RATE,
	  false, 2.5, 4 },
	{ "writes of 64 KiB: to two buffers", "stream-64K", "ferry", "two buffers", NULL,
	  BENCH_RATE, false, 0, 0.9 },
	{ "writes of 1 MiB: to two buffers", "stream-1M", "ferry", "two buffers", NULL, BENCH_RATE,
	  false, 0, 0.9 },
	{ 0 },
};

const struct bench_family bench_pipes = {
	.name = "pipe",
	.what = "beside the kernel's pipe, a FIFO and a Unix socket",
	.rows = rows,
	.peers = peers,
	.targets = targets,
	.baseline = "pipe",
};
