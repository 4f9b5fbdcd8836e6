/* SPDX-License-Identifier: MIT */
/*
 * tap.c - reading along: the bytes that pass through a pipe, seen by somebody who changes nothing.
 *
 * What was read stays in the ring until writers have come round. docs/formats/pipe.md, "Tapping",
 * says which bytes can be vouched for, and what holes do to that.
 */
#include <limits.h>
#include <stdlib.h>

#include "../base/copy.h"
#include "../wait/pace.h"
#include "hole.h"
#include "turn.h"

#define TRIES_MAX 64 /* copies that were overtaken, then we sleep a little */

struct ferry_pipe_tap {
	struct ferry_pipe *pipe;
	struct fy_pace pace;
	uint64_t at;         /* the next position to look at */
	uint64_t quarantine; /* as it was when there were no holes from `at` on */
	uint64_t gone;       /* positions that we came too late for ... */
	uint64_t voids;      /* ... and that we saw to be holes */
	uint64_t burned;     /* what the pipe had counted as holes before we began */
	uint64_t told;       /* bytes missed, as far as the caller knows */
};

/* Where everybody is, at one moment or nearly. */
struct sight {
	uint64_t quarantine;
	uint64_t head;
	uint64_t tail;
};

static uint64_t quarantine(const struct ferry_pipe *pipe)
{
	/* SYNC(pipe.quarantine) acquire: pairs with the release in raise_quarantine(): raised
	 * before the turn moves past a hole. */
	return atomic_load_explicit(&pipe->shm->quarantine, memory_order_acquire);
}

static uint64_t burned(const struct ferry_pipe *pipe)
{
	/* RELAXED(a counter to look at) */
	return atomic_load_explicit(&pipe->shm->burned, memory_order_relaxed);
}

static int look(const struct ferry_pipe *pipe, struct sight *ret_sight)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t before = quarantine(pipe);
		uint64_t head = fy_head_load(pipe);
		uint64_t tail = fy_position_after(head, fy_turn_position(fy_turn_load(pipe)));

		if (tail - head > pipe->ring_bytes || quarantine(pipe) != before)
			continue;
		*ret_sight = (struct sight){ before, head, tail };
		return 0;
	}
	return -FERRY_ECORRUPT;
}

/* Leave out what lies before that position: it is lost to us. */
static void give_up_to(struct ferry_pipe_tap *tap, uint64_t position)
{
	if ((int64_t)(position - tap->at) <= 0)
		return;
	tap->gone += position - tap->at;
	tap->at = position;
}

static void copy(const struct ferry_pipe_tap *tap, void *buffer, size_t n)
{
	fy_copy_racy(buffer, fy_pipe_at(tap->pipe, tap->at), n);
	/* SYNC(pipe.turn) acquire: the bytes were read before the words are read again. */
	atomic_thread_fence(memory_order_acquire);
}

static size_t least(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

/* There may be holes: only what readers still have before them is sure, and where the holes in it
 * are. So many bytes; 0: come again. */
static size_t copy_unread(struct ferry_pipe_tap *tap, const struct sight *sight, void *buffer,
			  size_t size)
{
	struct fy_skip skip = { 0, 0 };

	give_up_to(tap, sight->head);
	int hole = fy_hole_between(tap->pipe, tap->at, sight->tail, &skip);
	int inside = hole && (int64_t)(skip.from - tap->at) <= 0;
	uint64_t end = hole ? skip.from : sight->tail;
	size_t n = inside ? 0 : least(size, end - tap->at);
	copy(tap, buffer, n);
	if ((int64_t)(fy_head_load(tap->pipe) - tap->at) > 0)
		return 0;
	if (inside) {
		tap->voids += skip.to - tap->at;
		tap->at = skip.to;
	}
	return n;
}

/* No holes: everything is there that writers have not come round to. They write less than
 * reserve_max bytes beyond their position, now or before. */
static size_t copy_past(struct ferry_pipe_tap *tap, const struct sight *sight, uint8_t *buffer,
			size_t size)
{
	const struct ferry_pipe *pipe = tap->pipe;
	uint64_t kept = pipe->ring_bytes - pipe->reserve_max;
	struct sight after;

	/* Late: begin where we are not overtaken at once. */
	if (sight->tail - tap->at > kept)
		give_up_to(tap, sight->tail - kept / 2);
	size_t n = least(least(size, sight->tail - tap->at), pipe->ring_bytes / 4);
	copy(tap, buffer, n);
	/* Whoever began to write under us had moved the turn, or raised quarantine, before. */
	if (look(pipe, &after) < 0 || after.quarantine != tap->quarantine ||
	    after.tail - tap->at > kept)
		return 0;
	return n;
}

/* Read what is there. > 0, -EAGAIN or -FERRY_ECORRUPT. */
static ssize_t read_on(struct ferry_pipe_tap *tap, void *buffer, size_t size)
{
	struct sight sight;

	for (int i = 0; i < TRIES_MAX; i++) {
		int r = look(tap->pipe, &sight);
		if (r < 0)
			return r;
		if (sight.tail == tap->at)
			return -EAGAIN;
		/* The position went back, or is not of this pipe's time. */
		if ((int64_t)(sight.tail - tap->at) < 0)
			return -FERRY_ECORRUPT;
		if (!(sight.quarantine & 1) && sight.quarantine != tap->quarantine) {
			give_up_to(tap, sight.head);
			tap->quarantine = sight.quarantine;
		}
		size_t n = sight.quarantine != tap->quarantine
			       ? copy_unread(tap, &sight, buffer, size)
			       : copy_past(tap, &sight, buffer, size);
		tap->at += n;
		if (n > 0)
			return (ssize_t)n;
	}
	return -EAGAIN;
}

/* How many bytes were missed that the caller has not been told of. Of the positions that are gone,
 * some were holes: those that were burned and that we have not seen ourselves. */
static uint64_t missed(struct ferry_pipe_tap *tap)
{
	int64_t unseen = (int64_t)(burned(tap->pipe) - tap->burned - tap->voids);
	uint64_t none = unseen > 0 ? (uint64_t)unseen : 0;
	uint64_t all = tap->gone > none ? tap->gone - none : 0;
	uint64_t news = all > tap->told ? all - tap->told : 0;

	tap->told += news;
	return news;
}

static int enter(struct ferry_pipe *pipe)
{
	if (pipe->end != FERRY_OBSERVE && !fy_object_is_ours(&pipe->object)) {
		int r = fy_pipe_rejoin(pipe);
		if (r < 0)
			return r;
	}
	return fy_pipe_state(pipe);
}

static ssize_t wait_for_bytes(struct ferry_pipe_tap *tap, void *buffer, size_t size,
			      ferry_deadline deadline)
{
	struct ferry_pipe *pipe = tap->pipe;

	for (;;) {
		int r = enter(pipe);
		if (r < 0)
			return r;
		ssize_t n = read_on(tap, buffer, size);
		/* Pages that vanished under us read as zeros: not what was written. */
		if (fy_object_is_broken(&pipe->object))
			return -FERRY_ECORRUPT;
		if (n != -EAGAIN) {
			fy_pace_found(&tap->pace);
			return n;
		}
		r = fy_pace_wait(&tap->pace, deadline);
		if (r < 0 && (r != -EINTR || (pipe->flags & FERRY_INTERRUPTIBLE)))
			return r;
	}
}

ssize_t ferry_pipe_tap_read(ferry_pipe_tap *tap, void *buffer, size_t size, uint64_t *ret_missed,
			    ferry_deadline deadline)
{
	if (!tap || !buffer || size == 0 || size > SSIZE_MAX)
		return -EINVAL;
	ssize_t n = wait_for_bytes(tap, buffer, size, deadline);
	if (ret_missed)
		*ret_missed += missed(tap);
	return n;
}

int ferry_pipe_tap_open(ferry_pipe_tap **ret_tap, ferry_pipe *pipe)
{
	struct sight sight;

	if (!ret_tap || !pipe)
		return -EINVAL;
	int r = enter(pipe);
	if (r == 0)
		r = look(pipe, &sight);
	if (r < 0)
		return r;
	struct ferry_pipe_tap *tap = calloc(1, sizeof(*tap));
	if (!tap)
		return -ENOMEM;
	tap->pipe = pipe;
	tap->at = sight.tail;
	/* With the bit set no word of a pipe without holes is the same. */
	tap->quarantine = sight.quarantine & 1 ? UINT64_MAX : sight.quarantine;
	tap->burned = burned(pipe);
	*ret_tap = tap;
	return 0;
}

void ferry_pipe_tap_close(ferry_pipe_tap *tap)
{
	free(tap);
}
