/* SPDX-License-Identifier: MIT */
/*
 * turn.c - the cold path of writers: other writers, holes, the dead.
 *
 * Whatever stands in the mapping was written by peers: what the protocol rules out is refused as
 * -FERRY_ECORRUPT, and every loop is bounded.
 */
#include "turn.h"

#include <sched.h>

#include "../os/cancel.h"
#include "../os/pause.h"

#define FRESH_LOOKS 1000u        /* at head and turn, until they fit together */
#define ASK_AFTER   (1 * FY_MS)  /* a turn that stands so long: is its owner dead? */
#define PATIENCE    (10 * FY_MS) /* one that stands so long is taken away */
#define PAUSES      100u         /* looks at another's turn before giving up the processor ... */
#define YIELDS      8u           /* ... and before sleeping ... */
#define DOZE        (2 * FY_MS)  /* ... so long at most */

#define ASK_LOOKS      (PAUSES + YIELDS - 1)
#define HEAD_START     30 /* pauses */
#define FY_ATTEMPT_MAX (FY_HOLES - 1)

/* We may have lost the turn, and know it now. */
static void drop_hole(struct ferry_pipe *pipe)
{
	uint64_t word = fy_turn_load(pipe);

	if (fy_turn_owner(word) == fy_pipe_me(pipe) && (word & FY_PASSED_OVER))
		(void)fy_hole_help(pipe, word);
	(void)fy_hole_let_go(pipe, pipe->object.slot, 0);
	pipe->writing.word = UINT64_MAX;
}

static void give_back(struct ferry_pipe *pipe, const struct fy_claim *claim)
{
	uint64_t seen = claim->word;

	/* SYNC(pipe.turn) acq_rel: nothing was written. */
	if (!atomic_compare_exchange_strong_explicit(&pipe->shm->turn, &seen,
						     claim->word & ~UINT64_C(0xfff),
						     memory_order_seq_cst, memory_order_relaxed))
		drop_hole(pipe);
}

void fy_turn_yield(struct ferry_pipe *pipe, const struct fy_claim *claim)
{
	give_back(pipe, claim);
	fy_busy_end(pipe);
}

void fy_turn_let_go(struct ferry_pipe *pipe)
{
	drop_hole(pipe);
	fy_busy_end(pipe);
}

/* ---- the turn of another ---- */

/* Give back the turn of the dead member in slot. The word counts its attempts at one position, so
 * that it never has the same value twice. 1: it is not its turn any more. */
static int take_from_the_dead(struct ferry_pipe *pipe, uint32_t slot, uint64_t dead)
{
	for (uint32_t i = 0; i < FRESH_LOOKS; i++) {
		uint64_t word = fy_turn_load(pipe);
		if (fy_turn_owner(word) != slot + 1)
			return 1;
		/* The word first, then whether its owner is that dead one: object.md says why. */
		if (fy_member_load(&pipe->object, slot) != dead)
			return 1;
		if (word & FY_PASSED_OVER) {
			(void)fy_hole_help(pipe, word);
			continue;
		}
		if (fy_turn_hole(word) == FY_ATTEMPT_MAX) {
			if (!fy_hole_pass_over(pipe, word))
				return 0;
			continue;
		}
		uint64_t next = (word & ~UINT64_C(0xfff)) + (UINT64_C(1) << 13);
		/* SYNC(pipe.turn) acq_rel: pairs with fy_turn_own(). */
		(void)atomic_compare_exchange_strong_explicit(
		    &pipe->shm->turn, &word, next, memory_order_seq_cst, memory_order_relaxed);
	}
	return 0;
}

int fy_pipe_recover(struct fy_object *object, uint32_t slot, uint64_t dead)
{
	struct ferry_pipe *pipe = (void *)object;

	if (!take_from_the_dead(pipe, slot, dead))
		return -EAGAIN;
	(void)fy_hole_let_go(pipe, slot, dead);
	fy_hole_tidy(pipe, fy_head_load(pipe));
	fy_object_ring_all(object);
	return 0;
}

/* With busy: word is another's turn, and in our way. 0: try again now; -EBUSY: wait a little. */
static int look_at_owner(struct ferry_pipe *pipe, uint64_t word)
{
	struct fy_writing *w = &pipe->writing;
	uint32_t owner = fy_turn_owner(word);
	int64_t now = fy_now();

	if (owner > pipe->object.member_slots || owner == fy_pipe_me(pipe))
		return -FERRY_ECORRUPT;
	if (word & FY_PASSED_OVER)
		return fy_hole_help(pipe, word);
	if (word != w->stuck) {
		w->stuck = word;
		w->stuck_at = now;
		w->stuck_looks = 0;
		return -EBUSY;
	}
	/* Before the first sleep, and from then on. */
	if (++w->stuck_looks != ASK_LOOKS && now - w->stuck_at < ASK_AFTER)
		return -EBUSY;
	if (fy_member_dead(&pipe->object, owner - 1)) {
		int r = fy_member_recover(&pipe->object, owner - 1);
		return r < 0 ? (r == -EAGAIN ? -EBUSY : r) : 0;
	}
	if (now - w->stuck_at < PATIENCE)
		return -EBUSY;
	return fy_hole_pass_over(pipe, word) ? 0 : -EBUSY;
}

/* ---- taking the turn ---- */

struct fy_sight {
	uint64_t word;
	uint64_t head;
	uint64_t tail;
};

/* Where the writers and readers are. */
static int look(const struct ferry_pipe *pipe, struct fy_sight *ret_sight)
{
	for (uint32_t i = 0; i < FRESH_LOOKS; i++) {
		uint64_t word = fy_turn_load(pipe);
		uint64_t head = fy_head_load(pipe);
		uint64_t tail = fy_position_after(head, fy_turn_position(word));
		if (tail - head <= pipe->ring_bytes) {
			*ret_sight = (struct fy_sight){ word, head, tail };
			return 0;
		}
	}
	return -FERRY_ECORRUPT;
}

/* Lay size bytes around the holes, from the claim's position on; if whole, all of them, else as
 * far as the first hole. 0 or -EAGAIN. */
static int lay_out(struct ferry_pipe *pipe, struct fy_claim *claim, uint64_t size, int whole,
		   uint64_t head)
{
	uint64_t at = claim->from;
	uint64_t left = size;
	struct fy_skip skip;

	claim->n_skips = 0;
	while (left > 0) {
		uint64_t room = head + pipe->ring_bytes - at;
		if (room < left && whole)
			return -EAGAIN;
		uint64_t stretch = room < left ? room : left;
		int r = fy_hole_meet(pipe, at, at + stretch, head, &skip);
		int ahead = r != 0 && (int64_t)(skip.from - at) > 0;
		if (r != 0)
			stretch = ahead ? skip.from - at : 0;
		at += stretch;
		left -= stretch;
		if (r == 0 || (!whole && stretch > 0))
			break;
		if (r < 0 || claim->n_skips == FY_HOLES)
			return -EAGAIN;
		claim->skips[claim->n_skips++] = (struct fy_skip){ at, skip.to };
		at = skip.to;
	}
	claim->size = size - left;
	claim->end = at;
	return claim->size > 0 ? 0 : -EAGAIN;
}

/* Own the turn where there are holes: what may be written is not contiguous. */
static int take_among_holes(struct ferry_pipe *pipe, const struct fy_sight *sight, uint64_t size,
			    uint64_t least, struct fy_claim *claim)
{
	/* Whoever takes the turn away shall keep clear of all that we might write. */
	uint64_t want = size + fy_hole_bytes_all(pipe);

	if (want > FY_HOLE_BYTES_MAX || !fy_turn_own(pipe, sight->word, want))
		return -EBUSY;
	claim->word = sight->word | fy_pipe_me(pipe);
	claim->clean = 0;
	claim->from = sight->tail;
	int r = lay_out(pipe, claim, size, size == least, sight->head);
	if (r == 0 && (claim->end - claim->from > want || claim->size < least))
		r = -EAGAIN;
	if (r == 0)
		return 0;
	give_back(pipe, claim);
	return r;
}

/* Holes are in the way as long as their owners live. Now and then, see whether they do. */
static void look_after_owners(struct ferry_pipe *pipe)
{
	struct fy_writing *w = &pipe->writing;
	int64_t now = fy_now();

	if (now - w->cared_at < PATIENCE)
		return;
	w->cared_at = now;
	for (uint32_t i = 0; i < FY_HOLES; i++) {
		uint64_t hole = fy_hole_load(pipe, i);
		uint32_t owner = fy_hole_owner(hole);
		if (fy_hole_state(hole) == FY_HOLE_ACTIVE && owner != 0 &&
		    owner <= pipe->object.member_slots && fy_member_dead(&pipe->object, owner - 1))
			(void)fy_member_recover(&pipe->object, owner - 1);
	}
}

/* Bytes that wait to be read. */
static uint64_t fill_at(const struct ferry_pipe *pipe, const struct fy_sight *sight)
{
	uint64_t fill = sight->tail - sight->head;

	if (fy_holes_exist(pipe))
		fill -= fy_hole_bytes_between(pipe, sight->head, sight->tail);
	return fill;
}

int fy_turn_has_room(struct ferry_pipe *pipe, uint64_t least)
{
	struct fy_sight sight;
	int r = look(pipe, &sight);

	if (r < 0)
		return r;
	/* What holes take of the ring is in nobody's way as long as the rest is larger. */
	uint64_t taken = fill_at(pipe, &sight);
	return taken < pipe->capacity && pipe->capacity - taken >= least;
}

/* Where a write could begin now: nobody's turn. */
static int look_for_turn(struct ferry_pipe *pipe, struct fy_sight *ret_sight)
{
	int r = look(pipe, ret_sight);

	if (r < 0 || fy_turn_owner(ret_sight->word) == 0)
		return r;
	r = look_at_owner(pipe, ret_sight->word);
	if (r == 0)
		r = look(pipe, ret_sight);
	return r == 0 && fy_turn_owner(ret_sight->word) != 0 ? -EBUSY : r;
}

int fy_turn_take_slow(struct ferry_pipe *pipe, uint64_t size, uint64_t least,
		      struct fy_claim *ret_claim)
{
	struct fy_sight sight;
	int r = look_for_turn(pipe, &sight);

	if (r < 0)
		return r;
	if (fy_holes_exist(pipe)) {
		look_after_owners(pipe);
		fy_hole_tidy(pipe, sight.head);
	}
	/* Nearly full: let readers get ahead, or every write would take the line of head from them.
	 */
	if (fill_at(pipe, &sight) > pipe->capacity / 4 * 3) {
		for (int i = 0; i < HEAD_START; i++)
			fy_pause();
		sight.head = fy_head_load(pipe);
		if (sight.tail - sight.head > pipe->ring_bytes)
			return -EBUSY; /* another writes, and readers are beyond it */
	}
	uint64_t fill = fill_at(pipe, &sight);
	uint64_t room = fill < pipe->capacity ? pipe->capacity - fill : 0;
	if (room < least)
		return -EAGAIN;
	if (size > room)
		size = room;
	if (fy_holes_exist(pipe))
		return take_among_holes(pipe, &sight, size, least, ret_claim);
	if (!fy_turn_own(pipe, sight.word, size))
		return -EBUSY;
	pipe->writing.word = sight.word;
	pipe->writing.tail = sight.tail;
	pipe->writing.head = sight.head;
	ret_claim->word = sight.word | fy_pipe_me(pipe);
	ret_claim->clean = 1;
	ret_claim->from = sight.tail;
	ret_claim->size = size;
	ret_claim->end = sight.tail + size;
	ret_claim->n_skips = 0;
	return 0;
}

/* ---- waiting for it ---- */

/* Somebody has the turn for longer than a copy takes. */
static int doze(struct ferry_pipe *pipe, struct fy_turn_wait *wait, int64_t until)
{
	struct fy_bell_shm *bell = fy_pipe_bell(pipe, FY_BELL_TURN);
	int r = 0;

	/* The bell first, then one more attempt, then sleep: no ring is missed. */
	if (wait->prepared)
		r = fy_bell_sleep(bell, wait->seen, until);
	wait->seen = fy_bell_prepare(bell);
	wait->prepared = 1;
	if (r == -EINTR && (pipe->flags & FERRY_INTERRUPTIBLE))
		return -EINTR;
	return r == 0 || r == -EINTR || r == -ETIMEDOUT ? 0 : -FERRY_ECORRUPT;
}

int fy_turn_wait(struct ferry_pipe *pipe, struct fy_turn_wait *wait, ferry_deadline deadline)
{
	if (++wait->looks <= PAUSES) {
		fy_pause();
		return 0;
	}
	int r = fy_pipe_state(pipe);
	if (r < 0)
		return r;
	if (wait->looks <= PAUSES + YIELDS) {
		(void)sched_yield();
		return 0;
	}
	if (deadline == FERRY_NOW)
		return -EAGAIN;
	int64_t now = fy_now();
	if (now >= deadline)
		return -ETIMEDOUT;
	return doze(pipe, wait, now + DOZE < deadline ? now + DOZE : deadline);
}

void fy_turn_wait_over(struct ferry_pipe *pipe, struct fy_turn_wait *wait)
{
	/* A ring that woke us may have been meant for several. */
	if (wait->prepared)
		fy_bell_ring(fy_pipe_bell(pipe, FY_BELL_TURN), FY_BELL_ONE, FY_BELL_UNWATCHED);
}
