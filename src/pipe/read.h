/* SPDX-License-Identifier: MIT */
/* read.h - where readers are, for the calls that read by other means too. */
#ifndef FY_READ_H
#define FY_READ_H

#include "turn.h"

/* Bytes that lie together, from the first that is to be read. */
struct fy_stretch {
	uint64_t from;
	uint64_t to;
	int brief; /* 1: words has them too */
	uint64_t words[FY_BRIEF / 8];
};

/* Look again at the writers' position. 0, -EAGAIN: nothing there; -FERRY_ECORRUPT. */
FY_COLD int fy_read_look_slow(struct ferry_pipe *pipe, struct fy_stretch *ret_stretch);

/*
 * Where a reader looks. The turn is the truth, but each look takes its line away from the writers,
 * who need it twice for each write. The news are what they tell besides, and may be late.
 */
enum fy_look { FY_LOOK_AT_TURN, FY_LOOK_AT_NEWS };

/* Look at the news. As fy_read_look_slow(). */
FY_COLD int fy_read_news(struct ferry_pipe *pipe, struct fy_stretch *ret_stretch);

/* What there is to read; if we know of less than wanted, what there is now. As
 * fy_read_look_slow(). */
static inline int fy_read_look(struct ferry_pipe *pipe, uint64_t wanted, enum fy_look where,
			       struct fy_stretch *ret_stretch)
{
	uint64_t head = fy_head_load(pipe);
	/* SYNC(pipe.seen_tail) acquire: pairs with the release in fy_read_look_slow(): the bytes
	 * are there for every thread of this process. */
	uint64_t tail = atomic_load_explicit(&pipe->seen_tail, memory_order_acquire);

	if (FY_UNLIKELY(tail - head > pipe->ring_bytes || tail - head < wanted))
		return where == FY_LOOK_AT_NEWS ? fy_read_news(pipe, ret_stretch)
						: fy_read_look_slow(pipe, ret_stretch);
	ret_stretch->from = head;
	ret_stretch->to = tail;
	ret_stretch->brief = 0;
	return 0;
}

/* Take the bytes from..to out of the pipe. 0: another reader was faster. */
static inline int fy_read_take(struct ferry_pipe *pipe, uint64_t from, uint64_t to)
{
	/* SYNC(pipe.head) release: pairs with fy_head_load(): we have done with those bytes.
	 * Sequentially consistent, since sleepers are looked for afterwards (wait/bell.h). */
	return atomic_compare_exchange_strong_explicit(&pipe->shm->head, &from, to,
						       memory_order_seq_cst, memory_order_relaxed);
}

/* Ring the writers that sleep, if there is room enough for one of them. */
FY_COLD void fy_read_ring_slow(struct ferry_pipe *pipe);

static inline void fy_read_ring_writers(struct ferry_pipe *pipe)
{
	/* SYNC(bell.word) acquire: pairs with fy_bell_prepare(): as fy_bell_ring(). */
	if (FY_UNLIKELY(atomic_load_explicit(&fy_pipe_bell(pipe, FY_BELL_SPACE)->word,
					     memory_order_seq_cst) &
			1))
		fy_read_ring_slow(pipe);
}

void fy_pipe_wait_for_bytes(struct ferry_pipe *pipe, struct fy_waiter *waiter,
			    ferry_deadline deadline);

#define FY_NO_WRITERS 1

#define FY_TRUST 1024u /* looks at the news, then one at the turn */

/* Who waits awake looks at the news; before it sleeps or gives up, at the turn. */
static inline enum fy_look fy_read_where(const struct fy_waiter *waiter)
{
	return waiter->phase == FY_WAITER_PREPARED || waiter->deadline == FERRY_NOW ||
		       waiter->spins % FY_TRUST == FY_TRUST - 1
		   ? FY_LOOK_AT_TURN
		   : FY_LOOK_AT_NEWS;
}

/* There was nothing. 0: try again; FY_NO_WRITERS: and nobody can write, so what a last try does not
 * find will not come; or whatever ends waiting. */
int fy_pipe_wait_for_bytes_again(struct ferry_pipe *pipe, struct fy_waiter *waiter);

/* Waiting has ended so, but what a last look at the turn finds counts. */
static inline int fy_read_is_worth_a_last_look(int end)
{
	return end == FY_NO_WRITERS || end == -ETIMEDOUT;
}

#endif
