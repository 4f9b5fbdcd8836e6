/* SPDX-License-Identifier: MIT */
/* write.c - write and writev. */
#include "write.h"

#include <limits.h>
#include <signal.h>

#include "../os/prefetch.h"
#include "presence.h"
#include "wait.h"

#define AHEAD 512u /* bytes behind a small write that are fetched for the next ones */

/* ---- waiting for room ---- */

void fy_pipe_wait_for_room(struct ferry_pipe *pipe, struct fy_waiter *waiter,
			   ferry_deadline deadline)
{
	fy_pipe_wait_begin(pipe, waiter, FY_BELL_SPACE, &pipe->shm->reader_cpu,
			   &pipe->object.members[pipe->object.slot].waiting_senders, deadline);
}

/* After the bell was prepared: readers ring only when there is as much room as somebody needs. */
void fy_pipe_say_what_we_need(struct ferry_pipe *pipe, uint64_t least)
{
	_Atomic uint64_t *wanted = &pipe->shm->room_wanted;
	/* RELAXED(ordered by the bell, which was prepared before) */
	uint64_t seen = atomic_load_explicit(wanted, memory_order_relaxed);

	/* SYNC(pipe.room_wanted) seq_cst: before the look for room that follows. */
	while (least < seen &&
	       !atomic_compare_exchange_weak_explicit(wanted, &seen, least, memory_order_seq_cst,
						      memory_order_relaxed))
		;
}

int fy_pipe_wait_for_room_again(struct ferry_pipe *pipe, struct fy_waiter *waiter, uint64_t least)
{
	if (fy_waiter_is_about_to_sleep(waiter)) {
		fy_presence_watch(pipe);
		if (!fy_presence_ask(pipe))
			return -EPIPE;
	}
	int r = fy_waiter_again(waiter);
	if (r == 0 && waiter->phase == FY_WAITER_PREPARED)
		fy_pipe_say_what_we_need(pipe, least);
	return r;
}

ssize_t fy_pipe_broken(struct ferry_pipe *pipe, ssize_t r)
{
	if (r == -EPIPE && (pipe->flags & FERRY_SIGPIPE))
		(void)raise(SIGPIPE);
	return r;
}

/* ---- writing ---- */

void fy_pipe_lay_down(struct ferry_pipe *pipe, struct fy_cursor *cursor,
		      const struct fy_claim *claim)
{
	uint64_t at = claim->from;
	uint64_t left = claim->size;

	for (uint32_t i = 0; i < claim->n_skips; i++) {
		fy_cursor_get(cursor, fy_pipe_at(pipe, at), claim->skips[i].from - at);
		left -= claim->skips[i].from - at;
		at = claim->skips[i].to;
	}
	fy_cursor_get(cursor, fy_pipe_at(pipe, at), left);
}

/* The lines that the next small writes will need: readers have them now. */
static inline void fetch_ahead(struct ferry_pipe *pipe, const struct fy_claim *claim)
{
	uint8_t *line = fy_pipe_at(pipe, claim->end) + AHEAD;

	fy_prefetch_write(line);
	if (claim->size > FY_LINE)
		fy_prefetch_write(line + FY_LINE);
}

/* Own the turn, copy, publish. So many bytes, or -EAGAIN, -EBUSY, -FERRY_ECORRUPT. */
static inline ssize_t put(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
			  uint64_t least)
{
	struct fy_claim claim;
	struct fy_cursor before = *cursor;
	int r = fy_turn_take(pipe, size, least, &claim);

	if (FY_UNLIKELY(r < 0))
		return r;
	if (FY_LIKELY(claim.n_skips == 0))
		fy_cursor_get(cursor, fy_pipe_at(pipe, claim.from), claim.size);
	else
		fy_pipe_lay_down(pipe, cursor, &claim);
	if (claim.size <= 4 * FY_LINE)
		fetch_ahead(pipe, &claim);
	/* Was the file cut short just now? Then the bytes went nowhere. */
	if (FY_UNLIKELY(fy_object_is_broken(&pipe->object))) {
		fy_turn_yield(pipe, &claim);
		*cursor = before;
		return -FERRY_ECORRUPT;
	}
	if (FY_UNLIKELY(!fy_turn_publish(pipe, &claim, claim.end))) {
		fy_turn_let_go(pipe);
		*cursor = before;
		return -EBUSY;
	}
	if (FY_UNLIKELY(claim.n_skips > 0))
		/* RELAXED(a counter to look at) */
		(void)atomic_fetch_add_explicit(
		    &pipe->shm->burned, claim.end - claim.from - claim.size, memory_order_relaxed);
	fy_pipe_ring_readers(pipe);
	return (ssize_t)claim.size;
}

/* The least that is worth a turn. A small write goes in whole; of a long one, what fits where it
 * may not wait, and not in crumbs where it may. */
static uint64_t least_of(const struct ferry_pipe *pipe, uint64_t size, uint64_t left,
			 ferry_deadline deadline)
{
	uint64_t some = pipe->chunk / 2;

	if (size <= FERRY_PIPE_BUF)
		return size;
	if (deadline == FERRY_NOW)
		return 1;
	return left < some ? left : some;
}

/* Waiting for room has come to an end with r: what fits now is written all the same. */
static ssize_t put_the_rest(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
			    uint64_t left, ssize_t r)
{
	if (r != -ETIMEDOUT || size <= FERRY_PIPE_BUF)
		return r;
	ssize_t n = put(pipe, cursor, left < pipe->chunk ? left : pipe->chunk, 1);
	return n > 0 ? n : r;
}

FY_COLD static ssize_t write_waiting(struct ferry_pipe *pipe, struct fy_cursor *cursor,
				     uint64_t size, ferry_deadline deadline)
{
	struct fy_waiter room;
	struct fy_turn_wait turn = { 0 };
	uint64_t done = 0;
	ssize_t r = 0;

	fy_pipe_wait_for_room(pipe, &room, deadline);
	while (done < size) {
		uint64_t left = size - done;
		uint64_t least = least_of(pipe, size, left, deadline);
		r = put(pipe, cursor, left < pipe->chunk ? left : pipe->chunk, least);
		if (r > 0) {
			done += (uint64_t)r;
			turn.looks = 0;
			if (room.phase != FY_WAITER_NEW) {
				fy_waiter_over(&room, 1, 0);
				fy_pipe_wait_for_room(pipe, &room, deadline);
			}
			continue;
		}
		if (r == -EBUSY)
			r = fy_turn_wait(pipe, &turn, deadline);
		else if (r == -EAGAIN)
			r = fy_pipe_wait_for_room_again(pipe, &room, least);
		if (r < 0) {
			r = put_the_rest(pipe, cursor, size, left, r);
			done += r > 0 ? (uint64_t)r : 0;
			break;
		}
	}
	fy_waiter_over(&room, r >= 0, 0);
	fy_turn_wait_over(pipe, &turn);
	r = fy_pipe_broken(pipe, r);
	return done > 0 ? (ssize_t)done : r;
}

ssize_t fy_pipe_write(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
		      ferry_deadline deadline, enum fy_readers readers)
{
	if (FY_UNLIKELY(size == 0))
		return 0;
	if (FY_UNLIKELY(readers == FY_NEED_READERS && !fy_presence_readers(pipe, fy_now_coarse())))
		return fy_pipe_broken(pipe, -EPIPE);
	if (size <= FERRY_PIPE_BUF) {
		ssize_t r = put(pipe, cursor, size, size);
		if (FY_LIKELY(r > 0))
			return r;
		if (r == -FERRY_ECORRUPT)
			return fy_pipe_judge(pipe, (int)r);
	}
	ssize_t r = write_waiting(pipe, cursor, size, deadline);
	return r < 0 ? fy_pipe_judge(pipe, (int)r) : r;
}

ssize_t ferry_pipe_write(ferry_pipe *pipe, const void *data, size_t size, ferry_deadline deadline)
{
	union {
		const void *read_only;
		uint8_t *bytes;
	} from = { .read_only = data };
	struct fy_cursor cursor = { .at = from.bytes, .here = size };

	if (FY_UNLIKELY(!pipe || (!data && size > 0) || size > SSIZE_MAX))
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_WRITE);
	if (FY_UNLIKELY(r < 0))
		return r;
	return fy_pipe_write(pipe, &cursor, size, deadline, FY_NEED_READERS);
}

ssize_t ferry_pipe_writev(ferry_pipe *pipe, const struct iovec *buffers, int n,
			  ferry_deadline deadline)
{
	struct fy_cursor cursor;
	ssize_t size = fy_cursor_over(&cursor, buffers, n);

	if (!pipe || size < 0)
		return -EINVAL;
	int r = fy_pipe_enter(pipe, FERRY_WRITE);
	return r < 0 ? r : fy_pipe_write(pipe, &cursor, (uint64_t)size, deadline, FY_NEED_READERS);
}
