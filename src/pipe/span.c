/* SPDX-License-Identifier: MIT */
/* span.c - reading and writing in place. */
#include <stdlib.h>

#include "presence.h"
#include "read.h"
#include "write.h"

/* ---- peek and consume: held[0] is the position of data ---- */

static int look(struct ferry_pipe *pipe, struct ferry_span *span, enum fy_look where)
{
	struct fy_stretch stretch;
	int r = fy_read_look(pipe, UINT64_MAX, where, &stretch);

	if (r < 0)
		return r;
	span->data = fy_pipe_at(pipe, stretch.from);
	span->size = stretch.to - stretch.from;
	span->held[0] = stretch.from;
	span->held[1] = 0;
	return 1;
}

FY_COLD static int look_waiting(struct ferry_pipe *pipe, struct ferry_span *span,
				ferry_deadline deadline)
{
	struct fy_waiter waiter;
	int r;

	fy_pipe_wait_for_bytes(pipe, &waiter, deadline);
	while ((r = look(pipe, span, fy_read_where(&waiter))) == -EAGAIN) {
		int end = fy_pipe_wait_for_bytes_again(pipe, &waiter);
		if (end == 0)
			continue;
		if (fy_read_is_worth_a_last_look(end))
			r = look(pipe, span, FY_LOOK_AT_TURN);
		if (r == -EAGAIN)
			r = end == FY_NO_WRITERS ? 0 : end;
		break;
	}
	/* The bytes stay: if a ring woke us, it was for somebody who takes them. */
	fy_waiter_over(&waiter, r > 0, r > 0);
	return r;
}

int ferry_pipe_peek(ferry_pipe *pipe, struct ferry_span *ret_span, ferry_deadline deadline)
{
	struct ferry_span span = { 0 };

	if (!pipe || !ret_span)
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_READ);
	if (r < 0)
		return r;
	r = look(pipe, &span, deadline == FERRY_NOW ? FY_LOOK_AT_TURN : FY_LOOK_AT_NEWS);
	if (r == -EAGAIN)
		r = look_waiting(pipe, &span, deadline);
	if (r < 0)
		return fy_pipe_judge(pipe, r);
	*ret_span = span;
	return r;
}

int ferry_pipe_consume(ferry_pipe *pipe, struct ferry_span *span, size_t n)
{
	if (!pipe || !span)
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_READ);
	if (r < 0)
		return r;
	if (n > span->size)
		return -EINVAL;
	if (n == 0)
		return 0;
	if (!fy_read_take(pipe, span->held[0], span->held[0] + n))
		return -FERRY_ESTALE;
	fy_read_ring_writers(pipe);
	span->data = (uint8_t *)span->data + n;
	span->size -= n;
	span->held[0] += n;
	return 0;
}

/* ---- reserve and commit: held[0] is the reservation's number, held[1] whose it is ---- */

static uint64_t owner_tag(const struct ferry_pipe *pipe)
{
	return pipe->object.incarnation << 12 | fy_pipe_me(pipe);
}

static enum fy_reserved reserved(const struct ferry_pipe *pipe)
{
	/* SYNC(pipe.reserved) acquire: pairs with set_reserved(): the bounce is no more in use. */
	return (enum fy_reserved)atomic_load_explicit(&pipe->writing.reserved,
						      memory_order_acquire);
}

static void set_reserved(struct ferry_pipe *pipe, enum fy_reserved state)
{
	/* SYNC(pipe.reserved) release: pairs with reserved(). */
	atomic_store_explicit(&pipe->writing.reserved, state, memory_order_release);
}

static int is_held(const struct ferry_pipe *pipe, const struct ferry_span *span)
{
	const struct fy_writing *w = &pipe->writing;

	return reserved(pipe) != FY_NOT_RESERVED && span->held[0] == w->serial &&
	       span->held[1] == owner_tag(pipe);
}

static int need_bounce(struct ferry_pipe *pipe)
{
	if (!pipe->writing.bounce)
		pipe->writing.bounce = malloc(pipe->reserve_max);
	return pipe->writing.bounce ? 0 : -ENOMEM;
}

/* Memory that the reservation needs beside the ring. */
static int prepare(struct ferry_pipe *pipe, const struct fy_claim *claim)
{
	struct fy_writing *w = &pipe->writing;

	if (!w->claim)
		w->claim = malloc(sizeof(*w->claim));
	if (!w->claim)
		return -ENOMEM;
	/* With a hole in its midst the region is not contiguous. */
	return claim->n_skips > 0 ? need_bounce(pipe) : 0;
}

/* Own the turn for longer. As fy_turn_take(). */
static int reserve(struct ferry_pipe *pipe, uint64_t size, struct ferry_span *span)
{
	struct fy_claim claim;
	struct fy_writing *w = &pipe->writing;
	int r = fy_turn_take(pipe, size, size, &claim);

	if (r < 0)
		return r;
	if (reserved(pipe) != FY_NOT_RESERVED)
		r = -EBUSY; /* another thread commits one that was passed over */
	else
		r = prepare(pipe, &claim);
	if (r < 0) {
		fy_turn_yield(pipe, &claim);
		return r;
	}
	*w->claim = claim;
	w->serial++;
	set_reserved(pipe, FY_RESERVED);
	span->data = claim.n_skips > 0 ? w->bounce : fy_pipe_at(pipe, claim.from);
	span->size = size;
	span->held[0] = w->serial;
	span->held[1] = owner_tag(pipe);
	return 0;
}

FY_COLD static int reserve_waiting(struct ferry_pipe *pipe, uint64_t size, struct ferry_span *span,
				   ferry_deadline deadline)
{
	struct fy_waiter room;
	struct fy_turn_wait turn = { 0 };
	int r;

	fy_pipe_wait_for_room(pipe, &room, deadline);
	while ((r = reserve(pipe, size, span)) == -EAGAIN || r == -EBUSY) {
		if (r == -EBUSY)
			r = fy_turn_wait(pipe, &turn, deadline);
		else
			r = fy_pipe_wait_for_room_again(pipe, &room, size);
		if (r < 0)
			break;
	}
	fy_waiter_over(&room, r == 0, 0);
	fy_turn_wait_over(pipe, &turn);
	return r;
}

int ferry_pipe_reserve(ferry_pipe *pipe, size_t size, struct ferry_span *ret_span,
		       ferry_deadline deadline)
{
	struct ferry_span span;

	if (!pipe || !ret_span || size == 0)
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_WRITE);
	if (r < 0)
		return r;
	if (size > pipe->reserve_max)
		return -EMSGSIZE;
	if (!fy_presence_readers(pipe, fy_now_coarse()))
		return (int)fy_pipe_broken(pipe, -EPIPE);
	r = reserve(pipe, size, &span);
	if (r == -EAGAIN || r == -EBUSY)
		r = reserve_waiting(pipe, size, &span, deadline);
	if (r < 0)
		return (int)fy_pipe_broken(pipe, fy_pipe_judge(pipe, r));
	*ret_span = span;
	return 0;
}

/* The turn was taken away: save the bytes from the hole, and let go of it. */
static int move_out(struct ferry_pipe *pipe, struct ferry_span *span, size_t n)
{
	struct fy_writing *w = &pipe->writing;

	if (need_bounce(pipe) < 0)
		return -ENOMEM;
	if (span->data != w->bounce)
		memcpy(w->bounce, span->data, n);
	span->data = w->bounce;
	span->size = n;
	set_reserved(pipe, FY_RESERVED_OUTSIDE);
	fy_turn_let_go(pipe);
	return 0;
}

/* Write what was moved out as any other bytes. */
static int commit_outside(struct ferry_pipe *pipe, struct ferry_span *span, size_t n,
			  ferry_deadline deadline, enum fy_readers readers)
{
	struct fy_cursor cursor = { .at = span->data, .here = n };
	ssize_t done = n > 0 ? fy_pipe_write(pipe, &cursor, n, deadline, readers) : 0;

	if (done == -EAGAIN || done == -ETIMEDOUT || done == -EINTR)
		return (int)done;
	if (done >= 0 && (size_t)done < n) {
		span->data = (uint8_t *)span->data + done;
		span->size = n - (size_t)done;
		return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
	}
	set_reserved(pipe, FY_NOT_RESERVED);
	return done < 0 ? (int)done : 0;
}

/* The claim's end when only n bytes of it are published. */
static uint64_t end_after(const struct fy_claim *claim, uint64_t n)
{
	uint64_t at = claim->from;

	for (uint32_t i = 0; i < claim->n_skips && n > claim->skips[i].from - at; i++) {
		n -= claim->skips[i].from - at;
		at = claim->skips[i].to;
	}
	return at + n;
}

static int commit_claim(struct ferry_pipe *pipe, struct ferry_span *span, size_t n)
{
	struct fy_writing *w = &pipe->writing;
	struct fy_claim claim = *w->claim;

	if (claim.n_skips > 0) {
		struct fy_cursor cursor = { .at = w->bounce, .here = claim.size };
		fy_pipe_lay_down(pipe, &cursor, &claim);
	}
	uint64_t end = end_after(&claim, n);
	/* Before the turn is given back: another thread may reserve at once. */
	set_reserved(pipe, FY_NOT_RESERVED);
	if (!fy_turn_publish(pipe, &claim, end)) {
		set_reserved(pipe, FY_RESERVED);
		return -EBUSY;
	}
	if (end - claim.from != n)
		/* RELAXED(a counter to look at) */
		(void)atomic_fetch_add_explicit(&pipe->shm->burned, end - claim.from - n,
						memory_order_relaxed);
	fy_pipe_ring_readers(pipe);
	*span = (struct ferry_span){ 0 };
	return 0;
}

/* A reservation that still has its turn, for all we know. -EBUSY: it has not. */
static int commit_inside(struct ferry_pipe *pipe, struct ferry_span *span, size_t n,
			 enum fy_readers readers)
{
	int broken =
	    n > 0 && readers == FY_NEED_READERS && !fy_presence_readers(pipe, fy_now_coarse());

	if (n > 0 && !broken)
		return commit_claim(pipe, span, n);
	set_reserved(pipe, FY_NOT_RESERVED);
	fy_turn_yield(pipe, pipe->writing.claim);
	*span = (struct ferry_span){ 0 };
	return broken ? (int)fy_pipe_broken(pipe, -EPIPE) : 0;
}

int fy_pipe_commit(struct ferry_pipe *pipe, struct ferry_span *span, size_t n,
		   ferry_deadline deadline, enum fy_readers readers)
{
	if (!pipe || !span)
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_WRITE);
	if (r < 0)
		return r;
	if (!is_held(pipe, span))
		return -FERRY_ESTALE;
	if (n > span->size)
		return -EINVAL;
	if (reserved(pipe) == FY_RESERVED) {
		r = commit_inside(pipe, span, n, readers);
		if (r == -EBUSY)
			r = move_out(pipe, span, n);
		else
			return r;
	}
	return r < 0 ? r : commit_outside(pipe, span, n, deadline, readers);
}

int ferry_pipe_commit(ferry_pipe *pipe, struct ferry_span *span, size_t n, ferry_deadline deadline)
{
	return fy_pipe_commit(pipe, span, n, deadline, FY_NEED_READERS);
}
