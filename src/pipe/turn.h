/* SPDX-License-Identifier: MIT */
/*
 * turn.h - whose turn it is to write, and where. The hot path of writers.
 *
 * Protocol: docs/formats/pipe.md, "turn"; model: models/pipe.pml. Whoever owns the word `turn` may
 * write from its position on; publishing moves the position and gives the turn back in one
 * compare-and-swap, which fails if the turn was taken away meanwhile (hole.h).
 */
#ifndef FY_TURN_H
#define FY_TURN_H

#include <sys/single_threaded.h>

#include "hole.h"
#include "news.h"
#include "pipe.h"

/* A turn that we own. */
struct fy_claim {
	uint64_t word; /* turn, while we own it */
	int clean;     /* there were no holes */
	uint64_t from;
	uint64_t size; /* bytes that may be written */
	uint64_t end;  /* position behind them and behind what is skipped among them */
	uint32_t n_skips;
	struct fy_skip skips[FY_HOLES]; /* n_skips of them */
};

static inline uint64_t fy_turn_load(const struct ferry_pipe *pipe)
{
	/* SYNC(pipe.turn) acquire: pairs with the release in fy_turn_publish(): the bytes before
	 * its position are there, and so are the holes and the mark that there are holes. */
	return atomic_load_explicit(&pipe->shm->turn, memory_order_acquire);
}

static inline uint64_t fy_head_load(const struct ferry_pipe *pipe)
{
	/* SYNC(pipe.head) acquire: pairs with the release of readers that moved it: they have done
	 * with the bytes before it. */
	return atomic_load_explicit(&pipe->shm->head, memory_order_acquire);
}

/* ---- one thread of a process at a time ---- */

static inline int fy_busy_begin(struct ferry_pipe *pipe)
{
	if (__libc_single_threaded) {
		/* RELAXED(there is no other thread) */
		if (atomic_load_explicit(&pipe->busy, memory_order_relaxed))
			return 0;
		/* RELAXED(there is no other thread) */
		atomic_store_explicit(&pipe->busy, 1, memory_order_relaxed);
		return 1;
	}
	/* SYNC(pipe.busy) acquire: pairs with the release in fy_busy_end(): `writing` is ours. */
	return atomic_exchange_explicit(&pipe->busy, 1, memory_order_acquire) == 0;
}

static inline void fy_busy_end(struct ferry_pipe *pipe)
{
	/* SYNC(pipe.busy) release: pairs with the acquire in fy_busy_begin(). */
	atomic_store_explicit(&pipe->busy, 0, memory_order_release);
	/* The threads of other handles wait there for the turn, ours for busy. */
	fy_bell_ring(fy_pipe_bell(pipe, FY_BELL_TURN), FY_BELL_ONE, FY_BELL_UNWATCHED);
}

/* ---- the turn ---- */

/* With busy, and holes, or too little room at first sight, or a turn that is another's. As
 * fy_turn_take(). */
FY_COLD int fy_turn_take_slow(struct ferry_pipe *pipe, uint64_t size, uint64_t least,
			      struct fy_claim *ret_claim);

/* With busy: own the turn at word, if it still is nobody's. */
static inline int fy_turn_own(struct ferry_pipe *pipe, uint64_t word, uint64_t want)
{
	uint64_t seen = word;

	/* SYNC(pipe.want) release: read by who takes the turn away, after the turn. */
	atomic_store_explicit(&pipe->shm->members[pipe->object.slot].want, want,
			      memory_order_release);
	/* SYNC(pipe.turn) acq_rel: pairs with fy_turn_publish() of who had it before; want is
	 * visible with the word. */
	return atomic_compare_exchange_strong_explicit(&pipe->shm->turn, &seen,
						       word | fy_pipe_me(pipe),
						       memory_order_acq_rel, memory_order_relaxed);
}

/* With busy: the usual case, that nobody has the turn, there are no holes, and there is room. 1 or
 * 0. */
static inline int fy_turn_take_fast(struct ferry_pipe *pipe, uint64_t size, struct fy_claim *claim)
{
	struct fy_writing *w = &pipe->writing;
	uint64_t word = fy_turn_load(pipe);

	/* SYNC(pipe.quarantine) acquire: pairs with the release in raise_quarantine(). */
	uint64_t holes = atomic_load_explicit(&pipe->shm->quarantine, memory_order_acquire) & 1;
	if (FY_UNLIKELY(word != w->word || holes || w->tail + size - w->head > pipe->capacity))
		return 0;
	if (FY_UNLIKELY(!fy_turn_own(pipe, word, size)))
		return 0;
	claim->word = word | fy_pipe_me(pipe);
	claim->clean = 1;
	claim->from = w->tail;
	claim->size = size;
	claim->end = w->tail + size;
	claim->n_skips = 0;
	return 1;
}

/*
 * Own the turn, with room for size bytes, or for at least `least` of them. 0; -EAGAIN: no room;
 * -EBUSY: it is another's; -FERRY_ECORRUPT. What was taken is published or yielded soon.
 */
static inline int fy_turn_take(struct ferry_pipe *pipe, uint64_t size, uint64_t least,
			       struct fy_claim *ret_claim)
{
	if (FY_UNLIKELY(!fy_busy_begin(pipe)))
		return -EBUSY;
	if (FY_LIKELY(fy_turn_take_fast(pipe, size, ret_claim)))
		return 0;
	int r = fy_turn_take_slow(pipe, size, least, ret_claim);
	if (r < 0)
		fy_busy_end(pipe);
	return r;
}

/* Would a write of `least` bytes find room, as far as can be seen without the turn? 1, 0, or
 * -FERRY_ECORRUPT. */
int fy_turn_has_room(struct ferry_pipe *pipe, uint64_t least);

/* Give the turn back, with everything before position end written. 0: it had been taken away, and
 * nothing was published; busy is still ours, and fy_turn_let_go() is due. */
static inline int fy_turn_publish(struct ferry_pipe *pipe, const struct fy_claim *claim,
				  uint64_t end)
{
	uint64_t seen = claim->word;
	uint64_t n = claim->clean ? end - claim->from : 0;

	fy_news_prepare(pipe, fy_pipe_at(pipe, claim->from), n <= FY_BRIEF ? n : 0, end);

	/* SYNC(pipe.turn) release: pairs with fy_turn_load(): the bytes are there. Sequentially
	 * consistent, since sleepers are looked for afterwards (wait/bell.h). */
	if (FY_UNLIKELY(!atomic_compare_exchange_strong_explicit(
		&pipe->shm->turn, &seen, fy_turn(end, 0), memory_order_seq_cst,
		memory_order_relaxed)))
		return 0;
	fy_news_tell(pipe, end);
	pipe->writing.word = fy_turn(end, 0);
	pipe->writing.tail = end;
	fy_busy_end(pipe);
	return 1;
}

/* Give the turn back without having written. */
void fy_turn_yield(struct ferry_pipe *pipe, const struct fy_claim *claim);

/* The turn was taken away: say that we write there no more. Ends busy. */
FY_COLD void fy_turn_let_go(struct ferry_pipe *pipe);

/* The kind's recover function (object.h). */
int fy_pipe_recover(struct fy_object *object, uint32_t slot, uint64_t dead);

/* Whoever waits for its turn. */
struct fy_turn_wait {
	uint32_t looks;
	uint32_t seen;
	int prepared;
};

/* After -EBUSY: 0 = try again; -EAGAIN, -ETIMEDOUT, -EINTR, -EIDRM, -FERRY_ECORRUPT. */
FY_COLD int fy_turn_wait(struct ferry_pipe *pipe, struct fy_turn_wait *wait,
			 ferry_deadline deadline);

/* Whatever happened, waiting is over. */
void fy_turn_wait_over(struct ferry_pipe *pipe, struct fy_turn_wait *wait);

#endif
