/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the hot path of a ring of cells: claim, publish, find, take, finish.
 *
 * Nothing here makes a system call, allocates or scans; what may is declared FY_COLD and lives in
 * ring.c. The protocol, and why each step is safe: docs/formats/mailbox.md.
 */
#ifndef FY_RING_H
#define FY_RING_H

#include "../os/prefetch.h"
#include "mailbox.h"

/* A cell at a position, with the word that we saw or wrote there. */
struct fy_spot {
	struct fy_cell_shm *cell;
	uint64_t position;
	uint64_t word;
};

static inline uint64_t fy_word_load(const struct fy_cell_shm *cell)
{
	/* SYNC(cell.word) acquire: pairs with fy_word_cas(): what the cell's last owner wrote into
	 * it before handing it on is visible. */
	return atomic_load_explicit(&cell->word, memory_order_acquire);
}

/* Hand the cell on, if its word is still from. */
static inline int fy_word_cas(struct fy_cell_shm *cell, uint64_t from, uint64_t to)
{
	/* SYNC(cell.word) acq_rel: pairs with fy_word_load() and with itself. Sequentially
	 * consistent, because a bell is looked at next (bell.h). */
	return atomic_compare_exchange_strong_explicit(&cell->word, &from, to, memory_order_seq_cst,
						       memory_order_acquire);
}

/* One to one: hand the cell on; nobody else may change it as it is. */
static inline void fy_word_store(struct fy_cell_shm *cell, uint64_t to)
{
	/* SYNC(cell.word) release: pairs with fy_word_load(). Whoever looks at a bell next does so
	 * by fy_bell_ring_after_store(). */
	atomic_store_explicit(&cell->word, to, memory_order_release);
}

static inline uint64_t fy_meta_load(const struct fy_cell_shm *cell)
{
	/* RELAXED(ordered by the word; a value that goes with another word is thrown away) */
	return atomic_load_explicit(&cell->meta, memory_order_relaxed);
}

static inline void fy_meta_store(struct fy_cell_shm *cell, uint64_t meta)
{
	/* RELAXED(published with the word) */
	atomic_store_explicit(&cell->meta, meta, memory_order_relaxed);
}

static inline uint64_t fy_hint(const _Atomic uint64_t *hint)
{
	/* SYNC(ring.hint) acquire: pairs with fy_hint_raise(): a cell looked at through a hint is
	 * at least as far on as the hint says. */
	return atomic_load_explicit(hint, memory_order_acquire);
}

static inline void fy_hint_raise(_Atomic uint64_t *hint, uint64_t to)
{
	/* Not one step: two at once may leave the lower value, which is still a valid hint.
	 * SYNC(ring.hint) release: pairs with fy_hint(). */
	if (fy_hint(hint) < to)
		atomic_store_explicit(hint, to, memory_order_release);
}

static inline struct fy_cell_shm *fy_ring_cell(const struct ferry_mailbox *box,
					       const struct fy_ring *ring, uint64_t position)
{
	return &ring->cells[position & (fy_cells(box) - 1)];
}

/* How far ahead of its last message a sender asks for cells, and which messages need the second
 * line of a cell. docs/performance.md says what each prefetch is worth. */
#define FY_PREFETCH_AHEAD 2
#define FY_FIRST_LINE     (FY_LINE - offsetof(struct fy_cell_shm, bytes))

static inline const void *fy_second_line(const struct fy_cell_shm *cell)
{
	return cell->bytes + FY_LINE - offsetof(struct fy_cell_shm, bytes);
}

/* A message of that size was sent at position: ask for the cell of one that will be soon. */
static inline void fy_ring_prefetch(const struct ferry_mailbox *box, const struct fy_ring *ring,
				    uint64_t position, uint64_t size)
{
	const struct fy_cell_shm *cell = fy_ring_cell(box, ring, position + FY_PREFETCH_AHEAD);

	fy_prefetch_write(cell);
	if (size > FY_FIRST_LINE)
		fy_prefetch_write(fy_second_line(cell));
}

/* ---- sending ---- */

FY_COLD int fy_ring_claim_slow(struct ferry_mailbox *box, struct fy_ring *ring,
			       struct fy_spot *ret_spot);

static inline void fy_ring_claimed(struct ferry_mailbox *box, struct fy_ring *ring,
				   struct fy_spot *ret_spot, uint64_t position)
{
	ret_spot->cell = fy_ring_cell(box, ring, position);
	ret_spot->position = position;
	ret_spot->word = fy_word(position >> box->cells_log2, 0, fy_me(box), FY_CLAIMED);
	fy_hint_raise(&ring->tail, position + 1);
	fy_hint_raise(&ring->shm->tail, position + 1);
}

/*
 * One to one: nobody else sends, so a free cell is ours without a claim. It may still have the
 * message of the lap before, for those who read along: say before a byte changes that it is gone.
 */
static inline void fy_ring_begin(struct ferry_mailbox *box, struct fy_ring *ring,
				 struct fy_spot *ret_spot, uint64_t position, uint64_t word)
{
	uint64_t lap = position >> box->cells_log2;
	uint64_t empty = fy_word(lap, 0, 0, FY_EMPTY);

	*ret_spot = (struct fy_spot){ fy_ring_cell(box, ring, position), position, empty };
	fy_meta_store(ret_spot->cell, fy_meta_of_lap((uint64_t)FY_META_VOID << 8, lap));
	if (word != empty)
		fy_word_store(ret_spot->cell, empty);
	/* SYNC(cell.word) release: a reader that sees what we write next sees that the word, or
	 * the meta, has changed, when it looks again. */
	atomic_thread_fence(memory_order_release);
}

/* One to one: what a cell that is free for its position may say. */
static inline int fy_word_is_free(uint64_t word, uint64_t lap)
{
	return word == fy_word(lap, 0, 0, FY_EMPTY) || word == fy_word(lap - 1, 0, 0, FY_FULL);
}

/* Claim the next cell. 0, -EAGAIN (full) or -FERRY_ECORRUPT. */
static inline int fy_ring_claim(struct ferry_mailbox *box, struct fy_ring *ring,
				struct fy_spot *ret_spot)
{
	uint64_t p = fy_hint(&ring->tail);
	uint64_t lap = p >> box->cells_log2;

	if (box->one_to_one) {
		uint64_t word = fy_word_load(fy_ring_cell(box, ring, p));
		/* Less than the capacity ahead of head, so what is FULL a lap behind was received.
		 */
		if (FY_UNLIKELY(p - fy_hint(&ring->seen_head) >= box->capacity ||
				!fy_word_is_free(word, lap)))
			return fy_ring_claim_slow(box, ring, ret_spot);
		fy_ring_begin(box, ring, ret_spot, p, word);
		return 0;
	}
	if (FY_LIKELY(p - fy_hint(&ring->seen_head) < box->capacity) &&
	    FY_LIKELY(fy_word_cas(fy_ring_cell(box, ring, p), fy_word(lap, 0, 0, FY_EMPTY),
				  fy_word(lap, 0, fy_me(box), FY_CLAIMED)))) {
		fy_ring_claimed(box, ring, ret_spot, p);
		return 0;
	}
	return fy_ring_claim_slow(box, ring, ret_spot);
}

/* Free a cell that we claimed but cannot or will not publish; it may have been revoked. */
FY_COLD void fy_ring_abandon(struct ferry_mailbox *box, struct fy_ring *ring,
			     const struct fy_spot *spot);

/* Make a filled cell a message. 0: the claim was revoked, the cell is given back, send again. */
static inline int fy_ring_publish(struct ferry_mailbox *box, struct fy_ring *ring,
				  const struct fy_spot *spot)
{
	uint64_t full = fy_word(spot->position >> box->cells_log2, 0, 0, FY_FULL);

	if (box->one_to_one) {
		fy_word_store(spot->cell, full);
		fy_hint_raise(&ring->tail, spot->position + 1);
		fy_hint_raise(&ring->shm->tail, spot->position + 1);
		return 1;
	}
	if (FY_LIKELY(fy_word_cas(spot->cell, spot->word, full)))
		return 1;
	fy_ring_abandon(box, ring, spot);
	return 0;
}

/* ---- receiving ---- */

enum fy_front {
	FY_FRONT_NONE = 0, /* nothing, and nobody is sending */
	FY_FRONT_FOUND = 1,
	FY_FRONT_CLAIMED = 2, /* nothing yet, but a send has begun */
};

/* As fy_ring_front(), for all that is not simple. only_look: change nothing (revoke no claim). */
FY_COLD int fy_ring_front_slow(struct ferry_mailbox *box, struct fy_ring *ring, int only_look,
			       struct fy_spot *ret_spot);

/* The first message of the ring. enum fy_front, or -FERRY_ECORRUPT. */
static inline int fy_ring_front(struct ferry_mailbox *box, struct fy_ring *ring,
				struct fy_spot *ret_spot)
{
	/* One to one, the shared head is the truth, and its line is ours. */
	uint64_t h = fy_hint(box->one_to_one ? &ring->shm->head : &ring->head);
	uint64_t lap = h >> box->cells_log2;
	struct fy_cell_shm *cell = fy_ring_cell(box, ring, h);
	uint64_t word = fy_word_load(cell);

	if (word == fy_word(lap, 0, 0, FY_FULL)) {
		*ret_spot = (struct fy_spot){ cell, h, word };
		return FY_FRONT_FOUND;
	}
	if (word == fy_word(lap, 0, 0, FY_EMPTY) ||
	    (box->one_to_one && fy_word_is_free(word, lap))) {
		/* Whoever polls wants both lines of the cell to come when the message does. */
		fy_prefetch(fy_second_line(cell));
		return FY_FRONT_NONE;
	}
	return fy_ring_front_slow(box, ring, 0, ret_spot);
}

/* The message at spot has been taken, or is gone: move the hints past it. */
static inline void fy_ring_consumed(const struct ferry_mailbox *box, struct fy_ring *ring,
				    const struct fy_spot *spot)
{
	if (box->one_to_one) {
		if (FY_LIKELY(fy_word_state(spot->word) == FY_FULL))
			/* SYNC(ring.hint) release: pairs with fy_hint(): our reads of the cell are
			 * over. Only the receiver writes it. */
			atomic_store_explicit(&ring->shm->head, spot->position + 1,
					      memory_order_release);
		return;
	}
	if (FY_LIKELY(fy_word_state(spot->word) == FY_FULL)) {
		fy_hint_raise(&ring->head, spot->position + 1);
		fy_hint_raise(&ring->shm->head, spot->position + 1);
	}
}

/* Take the message at spot, whose word is then ours. 0: somebody else was faster. */
static inline int fy_ring_take(struct ferry_mailbox *box, struct fy_ring *ring,
			       struct fy_spot *spot)
{
	uint64_t taken = (spot->word & ~UINT64_C(0xfff7)) | (uint64_t)fy_me(box) << 4 | FY_TAKEN;

	if (FY_UNLIKELY(!fy_word_cas(spot->cell, spot->word, taken)))
		return 0;
	fy_ring_consumed(box, ring, spot);
	spot->word = taken;
	return 1;
}

/* Before a cell becomes EMPTY whose bytes are not of the message of the lap before: say so, for
 * those who read along (mailbox.md, "Tapping"). Nothing happens if its word is no longer that. */
FY_COLD void fy_ring_void(struct fy_cell_shm *cell, uint64_t word);

FY_COLD int fy_ring_finish_slow(struct ferry_mailbox *box, struct fy_spot *spot);

/* Empty a cell that we took. 1, or 0 if it is not ours (a broken peer). */
static inline int fy_ring_finish(struct ferry_mailbox *box, struct fy_spot *spot)
{
	uint64_t empty = fy_word(fy_word_lap(spot->word) + 1, 0, 0, FY_EMPTY);

	if (FY_UNLIKELY(fy_word_late(spot->word)))
		fy_ring_void(spot->cell, spot->word);
	if (FY_LIKELY(fy_word_cas(spot->cell, spot->word, empty)))
		return 1;
	return fy_ring_finish_slow(box, spot);
}

/* ---- cold, for both ---- */

/* Does a FULL cell hold a message? One to one, what lies behind head has been received. */
static inline int fy_ring_is_message(const struct ferry_mailbox *box, const struct fy_ring *ring,
				     const struct fy_cell_shm *cell, uint64_t word)
{
	if (!box->one_to_one)
		return 1;
	uint64_t head = fy_hint(&ring->shm->head);
	uint64_t index = (uint64_t)(cell - ring->cells);
	int64_t laps = fy_word_ahead(word, head >> box->cells_log2);

	return laps > 0 || (laps == 0 && index >= (head & (fy_cells(box) - 1)));
}

/* Forget that the ring was full. */
static inline void fy_ring_count_anew(struct fy_ring *ring)
{
	/* RELAXED(a private guess) */
	atomic_store_explicit(&ring->full_at, UINT64_MAX, memory_order_relaxed);
}

/* Would a send find room now? */
int fy_ring_has_room(struct ferry_mailbox *box, struct fy_ring *ring);

/* The true lap of a message: where it stands in the order. */
uint64_t fy_ring_true_lap(const struct ferry_mailbox *box, const struct fy_ring *ring,
			  const struct fy_cell_shm *cell, uint64_t word);

/* What units say that were freed after the message at spot: which one that was (memory.h). */
uint64_t fy_ring_stamp(const struct ferry_mailbox *box, const struct fy_ring *ring,
		       const struct fy_spot *spot);

/* Turn a TAKEN cell, whose word was seen, into RETURNED. 1, or 0 if the word has changed. */
int fy_ring_return(struct fy_ring *ring, struct fy_cell_shm *cell, uint64_t word);

/* Find the oldest RETURNED cell. 1 or 0. */
int fy_ring_oldest_returned(struct ferry_mailbox *box, struct fy_ring *ring,
			    struct fy_spot *ret_spot);

/* Count a position that no message will ever have. */
void fy_ring_burn(struct fy_ring *ring);

#endif
