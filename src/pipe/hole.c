/* SPDX-License-Identifier: MIT */
/*
 * hole.c - see hole.h. Every step here may be done by several at once, each stopped anywhere: a
 * hole's word never has the same value twice, so a late compare-and-swap does nothing.
 */
#include "hole.h"

#include "turn.h"

/* Say that there are holes. Before the turn moves past one. */
static void raise_quarantine(struct ferry_pipe *pipe)
{
	/* RELAXED(the compare-and-swap checks it) */
	uint64_t seen = atomic_load_explicit(&pipe->shm->quarantine, memory_order_relaxed);

	/* SYNC(pipe.quarantine) release: pairs with fy_holes_exist() and try_clear(). */
	while (!atomic_compare_exchange_weak_explicit(&pipe->shm->quarantine, &seen, (seen | 1) + 2,
						      memory_order_seq_cst, memory_order_relaxed))
		;
}

/* The size word for at least so many bytes. */
static uint32_t size_for(uint64_t bytes)
{
	uint32_t size = 0;

	while (size < 15 && UINT64_C(64) << size < bytes)
		size++;
	return size;
}

static int ends_behind(uint64_t hole, uint64_t position)
{
	uint64_t end = fy_hole_position(hole, position) + fy_hole_bytes(hole);

	return (int64_t)(end - position) > 0;
}

/* Enter the hole that the passed-over word stands for. Its word then, or 0 if the turn has moved.
 */
static uint64_t record(struct ferry_pipe *pipe, uint64_t word)
{
	uint32_t i = fy_turn_hole(word);
	uint32_t owner = fy_turn_owner(word);
	uint64_t seen = fy_hole_load(pipe, i);
	/* SYNC(pipe.want) acquire: pairs with fy_turn_own(); its owner does not change it before
	 * the turn has moved. */
	uint64_t want =
	    atomic_load_explicit(&pipe->shm->members[owner - 1].want, memory_order_acquire);

	/* Only now is it certain that seen is the word from before, or the hole itself. */
	if (fy_turn_load(pipe) != word)
		return 0;
	if (fy_hole_state(seen) == FY_HOLE_FREE) {
		uint64_t hole =
		    fy_hole(fy_turn_position(word), size_for(want), FY_HOLE_ACTIVE, owner);
		(void)fy_hole_cas(pipe, i, seen, hole);
		seen = fy_hole_load(pipe, i);
	}
	return seen;
}

int fy_hole_help(struct ferry_pipe *pipe, uint64_t word)
{
	uint32_t owner = fy_turn_owner(word);

	if (owner == 0 || owner > pipe->object.member_slots)
		return -FERRY_ECORRUPT;
	uint64_t hole = record(pipe, word);
	if (hole == 0)
		return 0;
	if (hole >> 18 != fy_turn_position(word) || fy_hole_state(hole) == FY_HOLE_FREE)
		return fy_turn_load(pipe) == word ? -FERRY_ECORRUPT : 0;
	raise_quarantine(pipe);
	uint64_t next = fy_turn(fy_turn_position(word) + fy_hole_bytes(hole), 0);
	/* SYNC(pipe.turn) acq_rel: pairs with fy_turn_load(): the hole is recorded. */
	if (atomic_compare_exchange_strong_explicit(&pipe->shm->turn, &word, next,
						    memory_order_seq_cst, memory_order_relaxed)) {
		/* RELAXED(a counter to look at) */
		(void)atomic_fetch_add_explicit(&pipe->shm->burned, fy_hole_bytes(hole),
						memory_order_relaxed);
		/* RELAXED(a counter to look at) */
		(void)atomic_fetch_add_explicit(&pipe->shm->passed_over, 1, memory_order_relaxed);
	}
	fy_bell_ring(fy_pipe_bell(pipe, FY_BELL_TURN), FY_BELL_ALL, FY_BELL_UNWATCHED);
	return 0;
}

/* Does the ring have room for the hole at the position of the turn? */
static int fits(struct ferry_pipe *pipe, uint64_t word)
{
	uint64_t head = fy_head_load(pipe);
	uint64_t tail = fy_position_after(head, fy_turn_position(word));
	uint32_t owner = fy_turn_owner(word);
	/* SYNC(pipe.want) acquire: pairs with fy_turn_own(). */
	uint64_t want =
	    atomic_load_explicit(&pipe->shm->members[owner - 1].want, memory_order_acquire);

	return tail + (UINT64_C(64) << size_for(want)) - head <= pipe->ring_bytes;
}

int fy_hole_pass_over(struct ferry_pipe *pipe, uint64_t word)
{
	uint64_t base = word & ~((uint64_t)(FY_HOLES - 1) << 13);

	fy_hole_tidy(pipe, fy_head_load(pipe));
	if (!fits(pipe, word))
		return 0;
	for (uint32_t i = 0; i < FY_HOLES; i++) {
		if (fy_hole_state(fy_hole_load(pipe, i)) != FY_HOLE_FREE)
			continue;
		uint64_t next = base | FY_PASSED_OVER | (uint64_t)i << 13;
		/* SYNC(pipe.turn) acq_rel: from here on its owner's publish fails. */
		if (atomic_compare_exchange_strong_explicit(
			&pipe->shm->turn, &word, next, memory_order_seq_cst, memory_order_relaxed))
			(void)fy_hole_help(pipe, next);
		return 1;
	}
	return 0;
}

int fy_hole_let_go(struct ferry_pipe *pipe, uint32_t slot, uint64_t dead)
{
	int found = 0;

	for (uint32_t i = 0; i < FY_HOLES; i++) {
		uint64_t hole = fy_hole_load(pipe, i);
		/* Others may move it on a lap meanwhile, once or twice at most. */
		while (fy_hole_owner(hole) == slot + 1 && fy_hole_state(hole) == FY_HOLE_ACTIVE) {
			if (dead != 0 && fy_member_load(&pipe->object, slot) != dead)
				return found;
			uint64_t freed = hole ^ ((uint64_t)(FY_HOLE_ACTIVE ^ FY_HOLE_LET_GO) << 12);
			if (fy_hole_cas(pipe, i, hole, freed)) {
				found = 1;
				break;
			}
			hole = fy_hole_load(pipe, i);
		}
	}
	return found;
}

void fy_hole_tidy(struct ferry_pipe *pipe, uint64_t head)
{
	int left = 0;
	/* SYNC(pipe.quarantine) acquire: before the holes; if one is entered since, the
	 * compare-and-swap fails. */
	uint64_t seen = atomic_load_explicit(&pipe->shm->quarantine, memory_order_seq_cst);

	if (!(seen & 1))
		return;
	for (uint32_t i = 0; i < FY_HOLES; i++) {
		uint64_t hole = fy_hole_load(pipe, i);
		if (fy_hole_state(hole) == FY_HOLE_LET_GO && !ends_behind(hole, head))
			left += !fy_hole_cas(pipe, i, hole,
					     hole & ~((uint64_t)3 << 12 | UINT64_C(0xfff)));
		else
			left += fy_hole_state(hole) != FY_HOLE_FREE;
	}
	if (left == 0)
		/* SYNC(pipe.quarantine) acq_rel: pairs with raise_quarantine(). */
		(void)atomic_compare_exchange_strong_explicit(
		    &pipe->shm->quarantine, &seen, seen & ~UINT64_C(1), memory_order_seq_cst,
		    memory_order_relaxed);
}

int fy_hole_between(const struct ferry_pipe *pipe, uint64_t from, uint64_t to,
		    struct fy_skip *ret_skip)
{
	int found = 0;

	for (uint32_t i = 0; i < FY_HOLES; i++) {
		uint64_t hole = fy_hole_load(pipe, i);
		if (fy_hole_state(hole) == FY_HOLE_FREE || !ends_behind(hole, from))
			continue;
		uint64_t begin = fy_hole_position(hole, from);
		if ((int64_t)(to - begin) <= 0)
			continue;
		if (!found || (int64_t)(ret_skip->from - begin) > 0)
			*ret_skip = (struct fy_skip){ begin, begin + fy_hole_bytes(hole) };
		found = 1;
	}
	return found;
}

uint64_t fy_hole_bytes_between(const struct ferry_pipe *pipe, uint64_t from, uint64_t to)
{
	uint64_t bytes = 0;
	uint64_t at = from;
	struct fy_skip skip;

	for (uint32_t i = 0; i <= FY_HOLES && fy_hole_between(pipe, at, to, &skip); i++) {
		uint64_t begin = (int64_t)(skip.from - at) > 0 ? skip.from : at;
		uint64_t end = (int64_t)(skip.to - to) > 0 ? to : skip.to;
		bytes += end - begin;
		at = skip.to;
	}
	return bytes;
}

uint64_t fy_hole_bytes_all(const struct ferry_pipe *pipe)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < FY_HOLES; i++) {
		uint64_t hole = fy_hole_load(pipe, i);
		if (fy_hole_state(hole) != FY_HOLE_FREE)
			bytes += fy_hole_bytes(hole);
	}
	return bytes;
}

/* Where the hole comes next at or after from, in this lap or, if its owner may still write there,
 * in the next. That may be more than one lap on: a turn that was taken away takes the stream past
 * all that its hole covers, other holes too. 0: nowhere. */
static int comes_next(const struct ferry_pipe *pipe, uint64_t hole, uint64_t from,
		      struct fy_skip *ret_skip)
{
	uint64_t begin = fy_hole_position(hole, from);

	if (fy_hole_state(hole) == FY_HOLE_FREE)
		return 0;
	if (!ends_behind(hole, from)) {
		if (fy_hole_state(hole) != FY_HOLE_ACTIVE)
			return 0;
		uint64_t behind = from - (begin + fy_hole_bytes(hole));
		begin += (behind / pipe->ring_bytes + 1) * pipe->ring_bytes;
	}
	*ret_skip = (struct fy_skip){ begin, begin + fy_hole_bytes(hole) };
	return 1;
}

static uint64_t moved_to(uint64_t hole, uint64_t position)
{
	return fy_hole(position, fy_hole_size(hole), fy_hole_state(hole), fy_hole_owner(hole));
}

/* As fy_hole_meet(), but only looking. *ret_i and *ret_word: which it is. */
static int look_ahead(const struct ferry_pipe *pipe, uint64_t from, uint64_t to,
		      struct fy_skip *ret_skip, uint32_t *ret_i, uint64_t *ret_word)
{
	int found = 0;

	for (uint32_t i = 0; i < FY_HOLES; i++) {
		struct fy_skip skip;
		uint64_t hole = fy_hole_load(pipe, i);
		if (!comes_next(pipe, hole, from, &skip) || (int64_t)(to - skip.from) <= 0)
			continue;
		if (found && (int64_t)(ret_skip->from - skip.from) <= 0)
			continue;
		*ret_skip = skip;
		*ret_i = i;
		*ret_word = hole;
		found = 1;
	}
	return found;
}

/* What lies within a hole that is skipped is skipped with it. It is moved on all the same, or one
 * that always lies in others would stay behind by more laps than a position can tell. */
static void carry_along(struct ferry_pipe *pipe, uint64_t from, uint64_t to)
{
	struct fy_skip skip;

	for (uint32_t i = 0; i < FY_HOLES; i++) {
		uint64_t hole = fy_hole_load(pipe, i);
		if (!comes_next(pipe, hole, from, &skip) || (int64_t)(skip.to - to) > 0 ||
		    fy_hole_position(hole, from) == skip.from)
			continue;
		(void)fy_hole_cas(pipe, i, hole, moved_to(hole, skip.from));
	}
}

int fy_hole_meet(struct ferry_pipe *pipe, uint64_t from, uint64_t to, uint64_t head,
		 struct fy_skip *ret_skip)
{
	uint32_t i = 0;
	uint64_t word = 0;

	for (uint32_t attempt = 0; attempt < 2 * FY_HOLES; attempt++) {
		if (!look_ahead(pipe, from, to, ret_skip, &i, &word))
			return 0;
		if (ret_skip->to - head > pipe->ring_bytes)
			return -EAGAIN;
		/* It is behind: skip it once more. If this fails, its owner has let go of it, or
		 * somebody who had the turn here did this already. */
		if (fy_hole_position(word, from) != ret_skip->from &&
		    !fy_hole_cas(pipe, i, word, moved_to(word, ret_skip->from)))
			continue;
		carry_along(pipe, from, ret_skip->to);
		return 1;
	}
	return -EAGAIN;
}
