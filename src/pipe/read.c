/* SPDX-License-Identifier: MIT */
/* read.c - read and readv. */
#include "read.h"

#include <limits.h>

#include "../base/cursor.h"
#include "../os/pause.h"
#include "presence.h"
#include "wait.h"

#define FRESH_LOOKS 1000u
#define SOON        16u   /* looks in vain; a dialogue needs more before the answer comes */
#define FEW         1024u /* bytes */
#define CHASES      8u
#define HEAD_START  30           /* pauses */
#define LOST_MAX    65536u       /* races with other readers in one attempt */
#define BITE        (64u * 1024) /* a long read gives room back after so many bytes */

/* ---- where we are ---- */

/* Among holes: from the first byte to the next hole. 0, or -EAGAIN: head moved, or nothing there.
 */
static int look_among_holes(struct ferry_pipe *pipe, struct fy_stretch *stretch)
{
	struct fy_skip skip;

	for (uint32_t i = 0; i <= FY_HOLES; i++) {
		if (stretch->from == stretch->to ||
		    !fy_hole_between(pipe, stretch->from, stretch->to, &skip))
			return 0;
		if ((int64_t)(skip.from - stretch->from) > 0) {
			stretch->to = skip.from;
			return 0;
		}
		uint64_t to = (int64_t)(skip.to - stretch->to) > 0 ? stretch->to : skip.to;
		if (!fy_read_take(pipe, stretch->from, to))
			return -EAGAIN;
		stretch->from = to;
	}
	return -EAGAIN;
}

/*
 * Each look at turn takes its line away from the writer, who then waits for it. A reader that is as
 * fast as a stream of small writes would make both go at the pace of that line. So when look after
 * look finds a little, and soon, give the writer some time first. In a dialogue the answer takes
 * longer than that, and is looked for eagerly.
 */
static int is_chasing(struct ferry_pipe *pipe, uint64_t found)
{
	/* RELAXED(a guess) */
	uint32_t empties = atomic_load_explicit(&pipe->empties, memory_order_relaxed);
	/* RELAXED(a guess) */
	uint32_t chases = atomic_load_explicit(&pipe->chases, memory_order_relaxed);

	if (found == 0) {
		/* RELAXED(a guess) */
		atomic_store_explicit(&pipe->empties, empties + 1, memory_order_relaxed);
		return 0;
	}
	chases = empties > SOON ? 0 : chases + 1;
	/* RELAXED(a guess) */
	atomic_store_explicit(&pipe->empties, 0, memory_order_relaxed);
	/* RELAXED(a guess) */
	atomic_store_explicit(&pipe->chases, chases, memory_order_relaxed);
	return found < FEW && chases > CHASES;
}

static void give_writers_time(void)
{
	for (int i = 0; i < HEAD_START; i++)
		fy_pause();
}

int fy_read_look_slow(struct ferry_pipe *pipe, struct fy_stretch *ret_stretch)
{
	int waited = 0;

	for (uint32_t i = 0; i < FRESH_LOOKS; i++) {
		uint64_t head = fy_head_load(pipe);
		uint64_t word = fy_turn_load(pipe);
		struct fy_stretch stretch = {
			.from = head,
			.to = fy_position_after(head, fy_turn_position(word)),
		};
		/* Head was old: others have read a whole lap since. */
		if (stretch.to - stretch.from > pipe->ring_bytes)
			continue;
		if (is_chasing(pipe, stretch.to - stretch.from) && !waited++) {
			give_writers_time();
			continue;
		}
		if (FY_UNLIKELY(fy_holes_exist(pipe))) {
			if (look_among_holes(pipe, &stretch) < 0)
				continue;
			fy_hole_tidy(pipe, stretch.from);
		} else {
			/* SYNC(pipe.seen_tail) release: pairs with fy_read_look(). */
			atomic_store_explicit(&pipe->seen_tail, stretch.to, memory_order_release);
		}
		*ret_stretch = stretch;
		return stretch.from == stretch.to ? -EAGAIN : 0;
	}
	return -FERRY_ECORRUPT;
}

/* From the first byte to where the news are; nothing, if those are old. */
static void look_at_news(const struct ferry_pipe *pipe, struct fy_stretch *ret_stretch)
{
	uint64_t head = fy_head_load(pipe);
	uint64_t news = fy_news_position(pipe);

	ret_stretch->from = head;
	ret_stretch->to = news - head > pipe->ring_bytes ? head : news;
}

int fy_read_news(struct ferry_pipe *pipe, struct fy_stretch *ret_stretch)
{
	struct fy_stretch *s = ret_stretch;

	look_at_news(pipe, s);
	if (is_chasing(pipe, s->to - s->from)) {
		give_writers_time();
		look_at_news(pipe, s);
	}
	if (s->from == s->to)
		return -EAGAIN;
	if (FY_UNLIKELY(fy_holes_exist(pipe)))
		return fy_read_look_slow(pipe, s);
	s->brief = fy_news_brief(pipe, s->to, s->to - s->from, s->words);
	/* SYNC(pipe.seen_tail) release: pairs with fy_read_look(). */
	atomic_store_explicit(&pipe->seen_tail, s->to, memory_order_release);
	return 0;
}

void fy_read_ring_slow(struct ferry_pipe *pipe)
{
	uint64_t head = fy_head_load(pipe);
	uint64_t fill = fy_position_after(head, fy_turn_position(fy_turn_load(pipe))) - head;
	uint64_t room = fill < pipe->capacity ? pipe->capacity - fill : 0;
	/* SYNC(pipe.room_wanted) acquire: pairs with say_what_we_need(). */
	uint64_t wanted = atomic_load_explicit(&pipe->shm->room_wanted, memory_order_acquire);

	if (room < wanted && wanted != UINT64_MAX && !fy_holes_exist(pipe))
		return;
	/* First this, then the ring: who prepares after the ring writes it anew. */
	/* RELAXED(ordered by the bell) */
	atomic_store_explicit(&pipe->shm->room_wanted, UINT64_MAX, memory_order_relaxed);
	fy_bell_ring(fy_pipe_bell(pipe, FY_BELL_SPACE), FY_BELL_ALL, pipe->object.fd);
}

/* ---- waiting for bytes ---- */

void fy_pipe_wait_for_bytes(struct ferry_pipe *pipe, struct fy_waiter *waiter,
			    ferry_deadline deadline)
{
	fy_pipe_wait_begin(pipe, waiter, FY_BELL_BYTES, &pipe->shm->writer_cpu,
			   &pipe->object.members[pipe->object.slot].waiting_receivers, deadline);
}

int fy_pipe_wait_for_bytes_again(struct ferry_pipe *pipe, struct fy_waiter *waiter)
{
	if (fy_waiter_is_about_to_sleep(waiter)) {
		fy_presence_watch(pipe);
		if (!fy_presence_ask(pipe))
			return FY_NO_WRITERS;
	}
	return fy_waiter_again(waiter);
}

/* ---- reading ---- */

/* Copy out, then take: whoever was faster has them, and our copy counts for nothing. So many
 * bytes, -EAGAIN or -FERRY_ECORRUPT. */
static inline ssize_t bite(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
			   const struct fy_stretch *stretch)
{
	struct fy_cursor before = *cursor;
	uint64_t n = stretch->to - stretch->from;

	if (n > size)
		n = size;
	if (n > BITE)
		n = BITE;
	fy_cursor_put(
	    cursor,
	    stretch->brief ? (const uint8_t *)stretch->words : fy_pipe_at(pipe, stretch->from), n);
	/* Was the file cut short just now? Then what we copied is nothing. */
	if (FY_UNLIKELY(fy_object_is_broken(&pipe->object)))
		return -FERRY_ECORRUPT;
	if (FY_LIKELY(fy_read_take(pipe, stretch->from, stretch->from + n))) {
		fy_read_ring_writers(pipe);
		return (ssize_t)n;
	}
	*cursor = before;
	return -EAGAIN;
}

/* After the first bytes: what follows them at once, unless another reader comes between. */
static uint64_t bite_on(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
			uint64_t from)
{
	uint64_t done = 0;
	struct fy_stretch stretch;

	while (done < size && fy_read_look(pipe, size - done, FY_LOOK_AT_NEWS, &stretch) == 0 &&
	       stretch.from == from + done) {
		ssize_t n = bite(pipe, cursor, size - done, &stretch);
		if (n < 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

/* So many bytes, -EAGAIN or -FERRY_ECORRUPT. */
static inline ssize_t get(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
			  enum fy_look where)
{
	struct fy_stretch stretch;

	for (uint32_t i = 0; i < LOST_MAX; i++) {
		int r = fy_read_look(pipe, size, where, &stretch);
		if (FY_UNLIKELY(r < 0))
			return r;
		ssize_t n = bite(pipe, cursor, size, &stretch);
		if (FY_UNLIKELY(n == -EAGAIN))
			continue;
		if (FY_UNLIKELY(n < 0))
			return n;
		if (FY_UNLIKELY(n == BITE))
			n += (ssize_t)bite_on(pipe, cursor, size - BITE, stretch.from + BITE);
		return n;
	}
	return -EAGAIN;
}

static int something_is_left(struct ferry_pipe *pipe)
{
	struct fy_stretch stretch;

	return fy_read_look(pipe, 1, FY_LOOK_AT_TURN, &stretch) == 0;
}

FY_COLD static ssize_t read_waiting(struct ferry_pipe *pipe, struct fy_cursor *cursor,
				    uint64_t size, ferry_deadline deadline)
{
	struct fy_waiter waiter;
	ssize_t r;

	fy_pipe_wait_for_bytes(pipe, &waiter, deadline);
	while ((r = get(pipe, cursor, size, fy_read_where(&waiter))) == -EAGAIN) {
		int end = fy_pipe_wait_for_bytes_again(pipe, &waiter);
		if (end == 0)
			continue;
		if (fy_read_is_worth_a_last_look(end))
			r = get(pipe, cursor, size, FY_LOOK_AT_TURN);
		if (r == -EAGAIN)
			r = end == FY_NO_WRITERS ? 0 : end;
		break;
	}
	fy_waiter_over(&waiter, r > 0, r > 0 && waiter.slept && something_is_left(pipe));
	return r;
}

static inline ssize_t read_cursor(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
				  ferry_deadline deadline)
{
	if (FY_UNLIKELY(size == 0))
		return 0;
	ssize_t r =
	    get(pipe, cursor, size, deadline == FERRY_NOW ? FY_LOOK_AT_TURN : FY_LOOK_AT_NEWS);
	if (FY_LIKELY(r > 0))
		return r;
	if (r == -EAGAIN)
		r = read_waiting(pipe, cursor, size, deadline);
	return r < 0 ? fy_pipe_judge(pipe, (int)r) : r;
}

ssize_t ferry_pipe_read(ferry_pipe *pipe, void *buffer, size_t size, ferry_deadline deadline)
{
	struct fy_cursor cursor = { .at = buffer, .here = size };

	if (FY_UNLIKELY(!pipe || (!buffer && size > 0) || size > SSIZE_MAX))
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_READ);
	if (FY_UNLIKELY(r < 0))
		return r;
	return read_cursor(pipe, &cursor, size, deadline);
}

ssize_t ferry_pipe_readv(ferry_pipe *pipe, const struct iovec *buffers, int n,
			 ferry_deadline deadline)
{
	struct fy_cursor cursor;
	ssize_t size = fy_cursor_over(&cursor, buffers, n);

	if (!pipe || size < 0)
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_READ);
	return r < 0 ? r : read_cursor(pipe, &cursor, (uint64_t)size, deadline);
}
