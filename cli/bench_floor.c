/* SPDX-License-Identifier: MIT */
/*
 * bench_floor.c - what nothing can be faster than: a bare cache line passed back and forth, a bare
 * futex hand-off, and a copy through two fixed shared buffers. They keep no promise of any kind.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_time.h"
#include "bench_transports.h"

#define LINE 64

/*
 * The cache line: one word that both sides write in turn, the message's number and in the lowest
 * bit which way it goes. It begins as number 0 on its way back.
 */
static int line_create(struct bench_channel *c, const struct bench_channel *there)
{
	int e;

	if (there) {
		c->shared = there->shared;
		return 0;
	}
	e = bench_share(c, LINE);
	if (e == 0)
		atomic_store((_Atomic uint64_t *)c->shared, 1);
	return e;
}

static void line_remove(struct bench_channel *c)
{
	if (c->direction == 0)
		bench_unshare(c);
}

static int line_send(struct bench_channel *c, const void *data)
{
	uint64_t number = *(const uint64_t *)data;

	/* SYNC(line) release: pairs with the acquire in line_look(). The number is all there is. */
	atomic_store_explicit((_Atomic uint64_t *)c->shared, number << 1 | c->direction,
			      memory_order_release);
	return 0;
}

/* Whether the line has come this way. */
static inline int line_look(struct bench_channel *c)
{
	/* SYNC(line) acquire: pairs with the release in line_send(). */
	c->position = atomic_load_explicit((_Atomic uint64_t *)c->shared, memory_order_acquire);
	return (c->position & 1) == c->direction;
}

static int line_receive(struct bench_channel *c, void **ret_data)
{
	while (!line_look(c))
		;
	c->position >>= 1;
	*ret_data = &c->position;
	return 0;
}

static int line_receive_pause(struct bench_channel *c, void **ret_data)
{
	while (!line_look(c))
		bench_pause();
	c->position >>= 1;
	*ret_data = &c->position;
	return 0;
}

const struct bench_peer bench_line = {
	.name = "cache line",
	.waits = "spins",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS | BENCH_FLOOR,
	.most = 1023,
	.create = line_create,
	.remove = line_remove,
	.send = line_send,
	.receive = line_receive,
};

const struct bench_peer bench_line_pause = {
	.name = "cache line pause",
	.waits = "spins, pausing",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS | BENCH_FLOOR,
	.most = 1023,
	.create = line_create,
	.remove = line_remove,
	.send = line_send,
	.receive = line_receive_pause,
};

/* The futex: one word each way, 0 while empty, else the message's number, cut to 31 bits. */
static int futex_create(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	return bench_share(c, LINE);
}

static int futex_send(struct bench_channel *c, const void *data)
{
	_Atomic uint32_t *word = c->shared;

	/* SYNC(futex) release: pairs with the acquire in futex_receive(). */
	atomic_store_explicit(word, *(const uint64_t *)data & INT32_MAX, memory_order_release);
	return syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int futex_receive(struct bench_channel *c, void **ret_data)
{
	_Atomic uint32_t *word = c->shared;
	uint32_t number;

	/* SYNC(futex) acquire: pairs with the release in futex_send(). */
	while ((number = atomic_load_explicit(word, memory_order_acquire)) == 0)
		if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EINTR)
			return -errno;
	/* RELAXED(only the sender's next store, after its answer came, writes here again) */
	atomic_store_explicit(word, 0, memory_order_relaxed);
	c->position = number == INT32_MAX ? BENCH_END : number;
	*ret_data = &c->position;
	return 0;
}

const struct bench_peer bench_futex = {
	.name = "futex",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP | BENCH_FLOOR,
	.create = futex_create,
	.remove = bench_unshare,
	.send = futex_send,
	.receive = futex_receive,
};

/* The two buffers, used in turn: each has a line that says whether it is full, then the bytes. */
static size_t buffer_stride(const struct bench_channel *c)
{
	return (LINE + c->bytes + 4095) & ~(size_t)4095;
}

static void *buffer_at(const struct bench_channel *c)
{
	return (char *)c->shared + (c->position & 1) * buffer_stride(c);
}

static int buffers_create(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	return bench_share(c, 2 * buffer_stride(c));
}

static int buffers_send(struct bench_channel *c, const void *data)
{
	_Atomic uint32_t *full = buffer_at(c);

	/* SYNC(buffer) acquire: pairs with the release in buffers_done(). The bytes were read. */
	while (atomic_load_explicit(full, memory_order_acquire))
		bench_pause();
	memcpy((char *)buffer_at(c) + LINE, data, c->bytes);
	/* SYNC(buffer) release: pairs with the acquire in buffers_receive(). Hands over the bytes.
	 */
	atomic_store_explicit(full, 1, memory_order_release);
	c->position++;
	return 0;
}

static int buffers_receive(struct bench_channel *c, void **ret_data)
{
	_Atomic uint32_t *full = buffer_at(c);

	/* SYNC(buffer) acquire: pairs with the release in buffers_send(). */
	while (!atomic_load_explicit(full, memory_order_acquire))
		bench_pause();
	*ret_data = (char *)buffer_at(c) + LINE;
	return 0;
}

static int buffers_done(struct bench_channel *c)
{
	/* SYNC(buffer) release: pairs with the acquire in buffers_send(). */
	atomic_store_explicit((_Atomic uint32_t *)buffer_at(c), 0, memory_order_release);
	c->position++;
	return 0;
}

const struct bench_peer bench_buffers = {
	.name = "two buffers",
	.waits = "spins, pausing",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM | BENCH_SPINS | BENCH_FLOOR,
	.create = buffers_create,
	.remove = bench_unshare,
	.send = buffers_send,
	.receive = buffers_receive,
	.done = buffers_done,
};
