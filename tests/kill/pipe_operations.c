/* SPDX-License-Identifier: MIT */
/* The table of a pipe's operations; see docs/testing-kill.md. */
#include <stddef.h>

#include "pipe.h"

typedef const struct operation op;

#define UNUSED __attribute__((unused))
#define FULL   PIPE_CAPACITY
#define HALF   (PIPE_CAPACITY / 2)

static ferry_deadline patience(op *o)
{
	return o->wait_ms ? ferry_in_ms(o->wait_ms) : FERRY_NOW;
}

static void do_write(void *a, op *o)
{
	pipe_actor_write(a, pipe_setup(o)->size, patience(o));
}

static void do_read(void *a, op *o)
{
	pipe_actor_read(a, pipe_setup(o)->size, patience(o));
}

static void do_await_write(void *a, op *o)
{
	pipe_actor_await_write(a, pipe_setup(o)->size, patience(o));
}

static void do_await_read(void *a, op *o)
{
	pipe_actor_await_read(a, pipe_setup(o)->size, patience(o));
}

static void do_peek(void *a, op *o)
{
	pipe_actor_peek(a, pipe_setup(o)->size, patience(o));
}

static void do_reserve_commit(void *a, op *o)
{
	if (pipe_actor_reserve(a, pipe_setup(o)->size, patience(o)) == 0)
		pipe_actor_commit(a, ferry_in_ms(SCENE_PATIENCE));
}

static void do_reserve(void *a, op *o)
{
	pipe_actor_reserve(a, pipe_setup(o)->size, patience(o));
}

static void do_commit(void *a, op *o UNUSED)
{
	pipe_actor_commit(a, ferry_in_ms(SCENE_PATIENCE));
}

static void do_open(void *a, op *o)
{
	pipe_actor_open(a, pipe_setup(o)->end, 0);
}

static void do_close(void *a, op *o)
{
	struct pipe_actor *actor = a;

	if (pipe_setup(o)->end == FERRY_READ) {
		ATTACKED(ferry_pipe_close(actor->reader));
		actor->reader = NULL;
	} else {
		ATTACKED(ferry_pipe_close(actor->writer));
		actor->writer = NULL;
	}
}

static void do_drain(void *a, op *o)
{
	pipe_actor_drain(a, pipe_setup(o)->size, patience(o));
}

static void prepare_fill(void *a, op *o)
{
	pipe_actor_prepare_fill(a, pipe_setup(o)->size);
}

static void do_fill(void *a, op *o)
{
	pipe_actor_fill(a, patience(o));
}

static void prepare_tap(void *a, op *o UNUSED)
{
	pipe_actor_prepare_tap(a);
}

static void do_tap_open(void *a, op *o UNUSED)
{
	pipe_actor_tap_open(a);
}

static void do_tap_read(void *a, op *o)
{
	pipe_actor_tap_read(a, pipe_setup(o)->size, patience(o));
}

static void do_export(void *a, op *o UNUSED)
{
	pipe_actor_export(a);
}

static void do_import(void *a, op *o UNUSED)
{
	pipe_actor_import(a);
}

static void do_pair(void *a, op *o UNUSED)
{
	pipe_actor_pair(a);
}

static void do_remove(void *a UNUSED, op *o UNUSED)
{
	ATTACKED(ferry_remove(PIPE_NAME, NULL));
}

/* As long as it is not read, one is enough. */
static void rouse_with_write(void *survivor, op *o UNUSED)
{
	struct pipe_actor *actor = survivor;
	struct ferry_pipe_stat stat;

	if (ferry_pipe_stat(actor->writer, &stat) == 0 && stat.bytes == 0)
		pipe_actor_write(survivor, SMALL, FERRY_NOW);
}

static void rouse_with_read(void *survivor, op *o UNUSED)
{
	pipe_actor_read(survivor, ATOMIC, FERRY_NOW);
}

#define WITH(...) (&(const struct pipe_setup){ __VA_ARGS__ })
#define W         .end = FERRY_WRITE
#define R         .end = FERRY_READ

const struct operation pipe_operations[] = {
	{ .name = "pipe-write-small-empty",
	  .what = "64 bytes into an empty pipe",
	  .with = WITH(W, .size = SMALL),
	  .act = do_write },
	{ .name = "pipe-write-small-half",
	  .what = "64 bytes into a half-full pipe",
	  .with = WITH(W, .size = SMALL, .prefill = HALF),
	  .act = do_write },
	{ .name = "pipe-write-small-full",
	  .what = "64 bytes into a full pipe, without waiting",
	  .with = WITH(W, .size = SMALL, .prefill = FULL),
	  .act = do_write },
	{ .name = "pipe-write-wakes",
	  .what = "64 bytes, while a reader sleeps",
	  .with = WITH(W, .size = SMALL),
	  .act = do_write,
	  .sleepers = { 1, 0 } },
	{ .name = "pipe-write-sleeps",
	  .what = "64 bytes into a full pipe, until there is room",
	  .with = WITH(W, .size = SMALL, .prefill = FULL),
	  .act = do_write,
	  .wait_ms = 2000,
	  .rouse = rouse_with_read },
	{ .name = "pipe-write-tells",
	  .what = "64 bytes, while one reader sleeps in the call and one in ferry_wait",
	  .with = WITH(W, .size = SMALL, .way = AWAIT_WAIT),
	  .act = do_write,
	  .sleepers = { [PIPE_READERS] = 1, [PIPE_READ_AWAITERS] = 1 } },
	{ .name = "pipe-write-shows",
	  .what = "the same with ferry_fd",
	  .with = WITH(W, .size = SMALL, .way = AWAIT_FD),
	  .act = do_write,
	  .sleepers = { [PIPE_READERS] = 1, [PIPE_READ_AWAITERS] = 1 } },
	{ .name = "pipe-write-awaited",
	  .what = "64 bytes into a full pipe, in ferry_wait until there is room, beside a writer",
	  .with = WITH(W, .size = SMALL, .prefill = FULL, .way = AWAIT_WAIT),
	  .act = do_await_write,
	  .wait_ms = 2000,
	  .sleepers = { [PIPE_WRITERS] = 1 },
	  .rouse = rouse_with_read },
	{ .name = "pipe-write-awaited-kept",
	  .what = "the same by a waiter",
	  .with = WITH(W, .size = SMALL, .prefill = FULL, .way = AWAIT_WAITER),
	  .act = do_await_write,
	  .wait_ms = 2000,
	  .sleepers = { [PIPE_WRITERS] = 1 },
	  .rouse = rouse_with_read,
	  .rarely = 4 },
	{ .name = "pipe-write-atomic",
	  .what = "4096 bytes",
	  .with = WITH(W, .size = ATOMIC, .prefill = 640),
	  .act = do_write },
	{ .name = "pipe-write-long",
	  .what = "20000 bytes, of which a part fits",
	  .with = WITH(W, .size = LONG),
	  .act = do_write },
	{ .name = "pipe-write-long-wakes",
	  .what = "20000 bytes, while two readers sleep",
	  .with = WITH(W, .size = LONG),
	  .act = do_write,
	  .sleepers = { 2, 0 } },
	{ .name = "pipe-write-again",
	  .what = "64 bytes, after a writer was killed in its turn",
	  .with = WITH(W, .size = SMALL, .prefill = 640),
	  .first_act = do_write,
	  .act = do_write,
	  .wait_ms = 200 },
	{ .name = "pipe-write-forked",
	  .what = "64 bytes, first call of a forked child",
	  .with = WITH(W, .size = SMALL, .prefill = 640),
	  .act = do_write,
	  .forks = true },
	{ .name = "pipe-reserve-commit",
	  .what = "64 bytes in place",
	  .with = WITH(W, .size = SMALL, .prefill = 640),
	  .act = do_reserve_commit },
	{ .name = "pipe-commit",
	  .what = "commit of 4096 bytes reserved before",
	  .with = WITH(W, .size = ATOMIC, .prefill = 640),
	  .prepare = do_reserve,
	  .act = do_commit },
	{ .name = "pipe-read-small",
	  .what = "64 bytes of a half-full pipe",
	  .with = WITH(R, .size = SMALL, .prefill = HALF),
	  .act = do_read },
	{ .name = "pipe-read-all",
	  .what = "all of a full pipe",
	  .with = WITH(R, .size = FULL, .prefill = FULL),
	  .act = do_read },
	{ .name = "pipe-read-empty",
	  .what = "an empty pipe, without waiting",
	  .with = WITH(R, .size = SMALL),
	  .act = do_read },
	{ .name = "pipe-read-wakes",
	  .what = "4096 bytes, while a writer sleeps",
	  .with = WITH(R, .size = ATOMIC, .prefill = FULL),
	  .act = do_read,
	  .sleepers = { 0, 1 } },
	{ .name = "pipe-read-sleeps",
	  .what = "an empty pipe, until there are bytes",
	  .with = WITH(R, .size = SMALL),
	  .act = do_read,
	  .wait_ms = 2000,
	  .rouse = rouse_with_write },
	{ .name = "pipe-read-tells",
	  .what = "4096 bytes, while one writer sleeps in the call and one in ferry_wait",
	  .with = WITH(R, .size = ATOMIC, .prefill = FULL, .way = AWAIT_WAIT),
	  .act = do_read,
	  .sleepers = { [PIPE_WRITERS] = 1, [PIPE_WRITE_AWAITERS] = 1 } },
	{ .name = "pipe-read-awaited",
	  .what = "an empty pipe, in ferry_wait until there are bytes, beside a reader",
	  .with = WITH(R, .size = SMALL, .way = AWAIT_WAIT),
	  .act = do_await_read,
	  .wait_ms = 2000,
	  .sleepers = { [PIPE_READERS] = 1 },
	  .rouse = rouse_with_write },
	{ .name = "pipe-read-awaited-kept",
	  .what = "the same by a waiter",
	  .with = WITH(R, .size = SMALL, .way = AWAIT_WAITER),
	  .act = do_await_read,
	  .wait_ms = 2000,
	  .sleepers = { [PIPE_READERS] = 1 },
	  .rouse = rouse_with_write,
	  .rarely = 4 },
	{ .name = "pipe-read-awaited-shown",
	  .what = "the same by ferry_fd",
	  .with = WITH(R, .size = SMALL, .way = AWAIT_FD),
	  .act = do_await_read,
	  .wait_ms = 2000,
	  .sleepers = { [PIPE_READERS] = 1 },
	  .rouse = rouse_with_write,
	  .rarely = 4 },
	{ .name = "pipe-read-forked",
	  .what = "64 bytes, first call of a forked child",
	  .with = WITH(R, .size = SMALL, .prefill = HALF),
	  .act = do_read,
	  .forks = true },
	{ .name = "pipe-peek-consume",
	  .what = "64 bytes in place",
	  .with = WITH(R, .size = SMALL, .prefill = HALF),
	  .act = do_peek },
	{ .name = "pipe-peek-wakes",
	  .what = "4096 bytes in place, while a writer sleeps",
	  .with = WITH(R, .size = ATOMIC, .prefill = FULL),
	  .act = do_peek,
	  .sleepers = { 0, 1 } },
	{ .name = "pipe-reserve-sleeps",
	  .what = "64 bytes in place in a full pipe, until there is room",
	  .with = WITH(W, .size = SMALL, .prefill = FULL),
	  .act = do_reserve_commit,
	  .wait_ms = 2000,
	  .rouse = rouse_with_read },
	{ .name = "pipe-drain",
	  .what = "what there is, to a file",
	  .with = WITH(R, .size = HALF, .prefill = HALF, .drains = true),
	  .act = do_drain },
	{ .name = "pipe-drain-wakes",
	  .what = "all of a full pipe to a file, while a writer sleeps",
	  .with = WITH(R, .size = FULL, .prefill = FULL, .drains = true),
	  .act = do_drain,
	  .sleepers = { 0, 1 } },
	{ .name = "pipe-fill",
	  .what = "20000 bytes of a file, of which a part fits",
	  .with = WITH(W, .size = LONG),
	  .prepare = prepare_fill,
	  .act = do_fill,
	  .rouse = rouse_with_read },
	{ .name = "pipe-fill-wakes",
	  .what = "256 bytes of a file, while a reader sleeps",
	  .with = WITH(W, .size = 4 * SMALL),
	  .prepare = prepare_fill,
	  .act = do_fill,
	  .sleepers = { 1, 0 } },
	{ .name = "pipe-fill-deserted",
	  .what = "256 bytes of a file, while the last reader leaves",
	  .with = WITH(W, .size = 4 * SMALL, .deserted = true),
	  .prepare = prepare_fill,
	  .act = do_fill },
	{ .name = "pipe-tap-open",
	  .what = "begin to read along",
	  .with = WITH(W, .prefill = 640),
	  .act = do_tap_open },
	{ .name = "pipe-tap-read",
	  .what = "256 bytes that pass",
	  .with = WITH(W, .size = 4 * SMALL, .prefill = 640),
	  .prepare = prepare_tap,
	  .act = do_tap_read },
	{ .name = "pipe-export",
	  .what = "describe the writing end for another program",
	  .with = WITH(W, .prefill = 640),
	  .act = do_export },
	{ .name = "pipe-import",
	  .what = "open an end that was described, and write, in a forked child",
	  .with = WITH(W, .prefill = 640),
	  .prepare = do_export,
	  .act = do_import,
	  .forks = true,
	  .rarely = 4 },
	{ .name = "pipe-pair",
	  .what = "make an anonymous pipe, use it, close both ends",
	  .with = WITH(W, .prefill = 640),
	  .act = do_pair,
	  .rarely = 8 },
	{ .name = "pipe-open-read",
	  .what = "open to read",
	  .with = WITH(R, .prefill = 640),
	  .act = do_open,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "pipe-open-write",
	  .what = "open to write",
	  .with = WITH(W, .prefill = 640),
	  .act = do_open,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "pipe-create",
	  .what = "open to read, where nothing is",
	  .with = WITH(R, .absent = true),
	  .act = do_open,
	  .unopened = true,
	  .rarely = 4 },
	{ .name = "pipe-close-read",
	  .what = "close the reading end",
	  .with = WITH(R, .prefill = 640),
	  .act = do_close,
	  .rarely = 2 },
	{ .name = "pipe-close-write",
	  .what = "close the writing end",
	  .with = WITH(W, .prefill = 640),
	  .act = do_close,
	  .rarely = 2 },
	{ .name = "pipe-close-last-write",
	  .what = "close the last writing end, while a reader sleeps",
	  .with = WITH(W, .lonely = true),
	  .act = do_close,
	  .sleepers = { 1, 0 },
	  .rarely = 4 },
	{ .name = "pipe-close-last-write-tells",
	  .what = "the same, while a reader sleeps in ferry_wait",
	  .with = WITH(W, .lonely = true, .way = AWAIT_WAIT),
	  .act = do_close,
	  .sleepers = { [PIPE_READ_AWAITERS] = 1 },
	  .rarely = 4 },
	{ .name = "pipe-close-last-read",
	  .what = "close the last reading end, while a writer sleeps",
	  .with = WITH(R, .lonely = true, .prefill = FULL),
	  .act = do_close,
	  .sleepers = { 0, 1 },
	  .rarely = 4 },
	{ .name = "pipe-remove",
	  .what = "remove it, while a reader sleeps",
	  .with = WITH(R, .removes = true),
	  .act = do_remove,
	  .sleepers = { 1, 0 } },
	{ .name = NULL },
};
