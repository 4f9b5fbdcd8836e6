/* SPDX-License-Identifier: MIT */
/*
 * ring.c - the cold path of a ring: full, crowded, passed over, returned.
 *
 * Whatever stands in the mapping was written by peers: what the protocol rules out is refused as
 * -FERRY_ECORRUPT, and every walk is bounded by the number of cells.
 */
#include "ring.h"

#include "../os/pause.h"

#define PATIENCE    40u /* looks at an unfinished claim before it is revoked */
#define COUNT_EVERY 16u /* times that a full ring is asked before it is counted again */

void fy_ring_burn(struct fy_ring *ring)
{
	/* RELAXED(a counter to look at) */
	(void)atomic_fetch_add_explicit(&ring->shm->burned, 1, memory_order_relaxed);
}

/* Raise origin[cell] to lap, never lower it. */
static void keep_origin(struct fy_ring *ring, const struct fy_cell_shm *cell, uint64_t lap)
{
	_Atomic uint64_t *origin = &ring->origin[cell - ring->cells];
	uint64_t seen = fy_hint(origin);

	/* SYNC(cell.word) release: origin is read only after the word that says LATE. */
	while (((int64_t)((lap - seen) << 24) >> 24) > 0 &&
	       !atomic_compare_exchange_weak_explicit(origin, &seen, lap, memory_order_release,
						      memory_order_relaxed))
		;
}

/* Use up our lap of a cell that is still held from the lap before. An unfinished claim is revoked
 * in the same step: its send has no place in the order yet. */
static void pass(struct fy_ring *ring, struct fy_cell_shm *cell, uint64_t word)
{
	uint32_t state = fy_word_state(word);
	uint32_t mark = fy_word_late(word);

	if (state == FY_CLAIMED)
		state = FY_REVOKED;
	if (state != FY_REVOKED && !mark) {
		keep_origin(ring, cell, fy_word_lap(word));
		mark = FY_LATE;
	}
	if (fy_word_cas(cell, word,
			fy_word(fy_word_lap(word) + 1, fy_word_attempt(word), fy_word_owner(word),
				state | mark)))
		fy_ring_burn(ring);
}

/* Has position p of a cell with that word been consumed, or passed over? */
static int is_consumed(uint64_t word, uint64_t lap)
{
	int64_t ahead = fy_word_ahead(word, lap);
	uint32_t state = fy_word_state(word);

	return ahead > 0 ||
	       (ahead == 0 && state != FY_EMPTY && state != FY_CLAIMED && state != FY_FULL);
}

/* Help the head hint forward, at most to limit. A receiver that died may have left it behind. */
static uint64_t help_head(struct ferry_mailbox *box, struct fy_ring *ring, uint64_t limit)
{
	uint64_t h = fy_hint(&ring->shm->head);
	uint64_t before = h;

	while (h < limit && h - before < fy_cells(box) &&
	       is_consumed(fy_word_load(fy_ring_cell(box, ring, h)), h >> box->cells_log2))
		h++;
	/* One to one only the receiver may move it. */
	if (h != before && !box->one_to_one)
		fy_hint_raise(&ring->shm->head, h);
	return h;
}

/* Messages and unfinished sends, counted cell by cell. Not what was returned: it had its room. */
static uint64_t count_used(struct ferry_mailbox *box, struct fy_ring *ring)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < fy_cells(box); i++) {
		uint64_t word = fy_word_load(&ring->cells[i]);
		uint32_t state = fy_word_state(word);
		used += state == FY_CLAIMED ||
			(state == FY_FULL && fy_ring_is_message(box, ring, &ring->cells[i], word));
	}
	return used;
}

/* Is the cell free for position p? One to one, head may have moved past it because it was taken in
 * place after we read the word: so look at the word again. */
static int is_free(const struct ferry_mailbox *box, const struct fy_ring *ring, uint64_t p,
		   uint64_t word)
{
	uint64_t lap = p >> box->cells_log2;

	return word == fy_word(lap, 0, 0, FY_EMPTY) ||
	       (box->one_to_one && fy_word_is_free(word, lap) &&
		!fy_ring_is_message(box, ring, fy_ring_cell(box, ring, p), word) &&
		fy_word_load(fy_ring_cell(box, ring, p)) == word);
}

/* The first position after p, within a lap, whose cell is free for it; 0 if there is none, or if a
 * message of the lap before stands in the way. */
static uint64_t free_ahead(struct ferry_mailbox *box, struct fy_ring *ring, uint64_t p)
{
	for (uint64_t q = p + 1; q < p + fy_cells(box); q++) {
		uint64_t lap = q >> box->cells_log2;
		uint64_t word = fy_word_load(fy_ring_cell(box, ring, q));
		if (is_free(box, ring, q, word))
			return q;
		if (fy_word_ahead(word, lap) < 0 && fy_word_state(word) == FY_FULL)
			return 0;
	}
	return 0;
}

/* Has a count found no room since head and tail last moved? Not believed for long: a claim that was
 * given up makes room without moving either. */
static int known_full(struct fy_ring *ring, uint64_t p, uint64_t head)
{
	/* RELAXED(a private guess) */
	uint32_t asked = atomic_fetch_add_explicit(&ring->full_asked, 1, memory_order_relaxed);

	return asked % COUNT_EVERY != 0 && fy_hint(&ring->full_at) == p &&
	       fy_hint(&ring->full_head) == head;
}

/* May a message be put at position p? Positions between head and p that were passed over hold
 * nothing, so when the distance says full, count. */
static int has_room(struct ferry_mailbox *box, struct fy_ring *ring, uint64_t p)
{
	uint64_t head = help_head(box, ring, p);

	/* RELAXED(a private guess) */
	atomic_store_explicit(&ring->seen_head, head, memory_order_relaxed);
	if (p - head < box->capacity)
		return 1;
	if (known_full(ring, p, head))
		return 0;
	if (count_used(box, ring) < box->capacity)
		return 1;
	/* RELAXED(a private guess) */
	atomic_store_explicit(&ring->full_at, p, memory_order_relaxed);
	/* RELAXED(a private guess) */
	atomic_store_explicit(&ring->full_head, head, memory_order_relaxed);
	return 0;
}

int fy_ring_has_room(struct ferry_mailbox *box, struct fy_ring *ring)
{
	return has_room(box, ring, fy_hint(&ring->shm->tail));
}

/* The next position worth looking at after p, whose cell is `ahead` laps further. */
static uint64_t skip(const struct ferry_mailbox *box, uint64_t p, int64_t ahead,
		     const _Atomic uint64_t *hint)
{
	uint64_t next = p + 1;
	uint64_t shared = fy_hint(hint);

	/* Cells run ahead of each other by less than a lap and what was passed over; two laps less
	 * is safe. */
	if (ahead > 2)
		next = p + ((uint64_t)ahead - 2) * fy_cells(box);
	return shared > next && shared - p <= ((uint64_t)ahead + 2) * fy_cells(box) ? shared : next;
}

int fy_ring_claim_slow(struct ferry_mailbox *box, struct fy_ring *ring, struct fy_spot *ret_spot)
{
	uint64_t p = fy_hint(&ring->tail);
	uint64_t goal = 0;

	for (uint64_t step = 0; step < 8 * fy_cells(box); step++) {
		struct fy_cell_shm *cell = fy_ring_cell(box, ring, p);
		uint64_t lap = p >> box->cells_log2;
		uint64_t word = fy_word_load(cell);
		int64_t ahead = fy_word_ahead(word, lap);
		uint32_t state = fy_word_state(word);

		if (ahead > 0 || (ahead == 0 && state != FY_EMPTY)) {
			p = skip(box, p, ahead, &ring->shm->tail);
		} else if (is_free(box, ring, p, word)) {
			if (p - fy_hint(&ring->seen_head) >= box->capacity &&
			    !has_room(box, ring, p))
				return -EAGAIN;
			if (box->one_to_one) {
				fy_ring_begin(box, ring, ret_spot, p, word);
				return 0;
			}
			if (fy_word_cas(cell, word, fy_word(lap, 0, fy_me(box), FY_CLAIMED))) {
				fy_ring_claimed(box, ring, ret_spot, p);
				return 0;
			}
		} else if (ahead == -1 && state == FY_FULL) {
			return -EAGAIN;
		} else if (ahead == -1 && state != FY_EMPTY) {
			/* Pass only on the way to a cell that is free, or senders that pass each
			 * other's claims could go round for ever. */
			if (p >= goal) {
				goal = free_ahead(box, ring, p);
				if (goal == 0)
					return -EAGAIN;
			}
			pass(ring, cell, word);
		} else {
			return -FERRY_ECORRUPT;
		}
	}
	/* Only others' success can keep us walking this long. */
	return -EAGAIN;
}

void fy_ring_abandon(struct ferry_mailbox *box, struct fy_ring *ring, const struct fy_spot *spot)
{
	uint64_t word = fy_word_load(spot->cell);

	while (fy_word_owner(word) == fy_me(box) &&
	       (fy_word_state(word) == FY_REVOKED || word == spot->word)) {
		if (fy_word_cas(spot->cell, word, fy_word(fy_word_lap(word) + 1, 0, 0, FY_EMPTY))) {
			fy_ring_burn(ring);
			return;
		}
		word = fy_word_load(spot->cell);
	}
}

/* Give the sender of an unfinished claim a moment, then revoke it. */
static void revoke(struct fy_cell_shm *cell, uint64_t word)
{
	for (uint32_t i = 0; i < PATIENCE; i++) {
		if (fy_word_load(cell) != word)
			return;
		fy_pause();
	}
	(void)fy_word_cas(cell, word,
			  fy_word(fy_word_lap(word), 0, fy_word_owner(word), FY_REVOKED));
}

/* One look along the ring from h. FY_FRONT_*, or -FERRY_ECORRUPT; *ret_claimed is the first
 * unfinished claim on the way, if any. */
static int look_along(struct ferry_mailbox *box, struct fy_ring *ring, uint64_t h,
		      struct fy_spot *ret_spot, struct fy_spot *ret_claimed)
{
	int claimed = 0;

	for (uint64_t step = 0; step < 8 * fy_cells(box); step++) {
		struct fy_cell_shm *cell = fy_ring_cell(box, ring, h);
		uint64_t word = fy_word_load(cell);
		int64_t ahead = fy_word_ahead(word, h >> box->cells_log2);
		uint32_t state = fy_word_state(word);

		/* Once round from an unfinished claim: nothing is behind it. */
		if (claimed && h - ret_claimed->position >= fy_cells(box))
			break;
		if (ahead == 0 && state == FY_FULL) {
			*ret_spot = (struct fy_spot){ cell, h, word };
			return claimed ? FY_FRONT_CLAIMED : FY_FRONT_FOUND;
		}
		if (ahead == 0 && state == FY_CLAIMED) {
			if (!claimed++)
				*ret_claimed = (struct fy_spot){ cell, h, word };
			h++;
		} else if (is_consumed(word, h >> box->cells_log2)) {
			h = ahead > 2 ? skip(box, h, ahead, &ring->shm->head) : h + 1;
			if (!claimed)
				fy_hint_raise(&ring->head, h);
		} else if (ahead == 0 ||
			   (box->one_to_one && fy_word_is_free(word, h >> box->cells_log2)) ||
			   (ahead == -1 && state != FY_EMPTY && state != FY_FULL &&
			    state != FY_CLAIMED)) {
			ret_spot->cell = NULL;
			return claimed ? FY_FRONT_CLAIMED : FY_FRONT_NONE;
		} else {
			return -FERRY_ECORRUPT;
		}
	}
	ret_spot->cell = NULL;
	return claimed ? FY_FRONT_CLAIMED : FY_FRONT_NONE;
}

int fy_ring_front_slow(struct ferry_mailbox *box, struct fy_ring *ring, int only_look,
		       struct fy_spot *ret_spot)
{
	struct fy_spot claimed = { 0 };

	/* One to one, an old hint of ours would find what was received once more. */
	if (box->one_to_one)
		/* RELAXED(a hint of our own) */
		atomic_store_explicit(&ring->head, fy_hint(&ring->shm->head), memory_order_relaxed);
	else
		fy_hint_raise(&ring->head, fy_hint(&ring->shm->head));
	for (uint64_t i = 0; i <= fy_cells(box); i++) {
		int front = look_along(box, ring, fy_hint(&ring->head), ret_spot, &claimed);
		if (front != FY_FRONT_CLAIMED || !ret_spot->cell)
			return front;
		/* A message behind an unfinished send: that send has no place in the order yet. */
		if (only_look)
			return FY_FRONT_FOUND;
		revoke(claimed.cell, claimed.word);
	}
	return FY_FRONT_CLAIMED;
}

int fy_ring_finish_slow(struct ferry_mailbox *box, struct fy_spot *spot)
{
	uint64_t word = fy_word_load(spot->cell);

	/* Senders may have passed the cell meanwhile, each time raising its lap. */
	while (fy_word_state(word) == FY_TAKEN && fy_word_owner(word) == fy_me(box) &&
	       fy_word_attempt(word) == fy_word_attempt(spot->word)) {
		if (fy_word_cas(spot->cell, word, fy_word(fy_word_lap(word) + 1, 0, 0, FY_EMPTY)))
			return 1;
		word = fy_word_load(spot->cell);
	}
	return 0;
}

uint64_t fy_ring_true_lap(const struct ferry_mailbox *box, const struct fy_ring *ring,
			  const struct fy_cell_shm *cell, uint64_t word)
{
	(void)box;
	if (!fy_word_late(word))
		return fy_word_lap(word);
	/* SYNC(cell.word) acquire: keep_origin() wrote it before the word became LATE. */
	return atomic_load_explicit(&ring->origin[cell - ring->cells], memory_order_acquire);
}

int fy_ring_return(struct fy_ring *ring, struct fy_cell_shm *cell, uint64_t word)
{
	uint64_t returned = fy_word(fy_word_lap(word), fy_next_attempt(fy_word_attempt(word)), 0,
				    FY_RETURNED | fy_word_late(word));

	if (!fy_word_cas(cell, word, returned))
		return 0;
	/* RELAXED(a counter to look at) */
	(void)atomic_fetch_add_explicit(&ring->shm->redelivered, 1, memory_order_relaxed);
	return 1;
}

int fy_ring_oldest_returned(struct ferry_mailbox *box, struct fy_ring *ring,
			    struct fy_spot *ret_spot)
{
	uint64_t now = fy_hint(&ring->shm->head) >> box->cells_log2;
	int64_t oldest = INT64_MAX;

	for (uint64_t i = 0; i < fy_cells(box); i++) {
		struct fy_cell_shm *cell = &ring->cells[i];
		uint64_t word = fy_word_load(cell);
		if (fy_word_state(word) != FY_RETURNED)
			continue;
		/* Its place in the order, counted from the lap that head is in. */
		uint64_t lap = fy_ring_true_lap(box, ring, cell, word) - now;
		int64_t place = ((int64_t)(lap << 24) >> 24) * (int64_t)fy_cells(box) + (int64_t)i;
		if (place < oldest) {
			oldest = place;
			*ret_spot = (struct fy_spot){ cell, 0, word };
		}
	}
	return oldest != INT64_MAX;
}
