/* SPDX-License-Identifier: MIT */
/*
 * memory.c - see memory.h.
 *
 * Freed last, used first: what was just read by a receiver is still in a cache. Each tier remembers
 * where units were freed last (shared, a hint), and each handle where it found some (its cursor).
 */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#include "ring.h"

#define LOCKED_IN (UINT64_C(1) << 63) /* in the word of a loan's first unit: being sent */

static uint64_t our_tag(const struct ferry_mailbox *box)
{
	return fy_tag(box->object.incarnation, fy_me(box) - 1);
}

static uint64_t unit_owner(const struct fy_tier *tier, uint32_t unit)
{
	/* SYNC(unit.word) acquire: pairs with the release of whoever freed or tagged it. */
	return atomic_load_explicit(&tier->words[unit], memory_order_acquire);
}

/* Free: no slot is named. What else the word then says is for those who read along. */
static int is_free(uint64_t owner)
{
	return (owner & 0xfff) == 0;
}

static int unit_move(const struct fy_tier *tier, uint32_t unit, uint64_t from, uint64_t to)
{
	/* SYNC(unit.word) acq_rel: pairs with unit_owner() and itself. */
	return atomic_compare_exchange_strong_explicit(&tier->words[unit], &from, to,
						       memory_order_acq_rel, memory_order_acquire);
}

static void unit_set(const struct fy_tier *tier, uint32_t unit, uint64_t tag)
{
	/* SYNC(unit.word) release: pairs with unit_owner() and unit_move(); our reads and writes of
	 * the unit's bytes are over. */
	atomic_store_explicit(&tier->words[unit], tag, memory_order_release);
}

uint32_t fy_memory_units(const struct fy_tier *tier, uint64_t size)
{
	return (uint32_t)((size + tier->unit_bytes - 1) / tier->unit_bytes);
}

/* After freeing, look for those who wait (bell.h). */
static void tell(struct ferry_mailbox *box)
{
	/* SYNC(bell.word) acq_rel: the stores that freed units come before the look at the bell. */
	atomic_thread_fence(memory_order_seq_cst);
	fy_bell_ring(box->memory_freed, FY_BELL_ALL, box->object.fd);
}

/* Own units [first, first + n), all or none. 1 or 0. */
static int seize(struct ferry_mailbox *box, const struct fy_tier *tier, uint32_t first, uint32_t n)
{
	uint64_t tag = our_tag(box);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t owner = unit_owner(tier, first + i);
		if (is_free(owner) && unit_move(tier, first + i, owner, tag))
			continue;
		for (uint32_t k = 0; k < i; k++)
			unit_set(tier, first + k, 0);
		/* Somebody may have looked while we had them, and gone to sleep. */
		if (i > 0)
			tell(box);
		return 0;
	}
	return 1;
}

/* Find n free units in a row in [from, to) and own them. */
static int search(struct ferry_mailbox *box, struct fy_tier *tier, uint32_t from, uint32_t to,
		  uint32_t n, uint32_t *ret_first)
{
	uint32_t run = 0;

	for (uint32_t i = from; i < to; i++) {
		run = is_free(unit_owner(tier, i)) ? run + 1 : 0;
		if (run < n)
			continue;
		if (seize(box, tier, i + 1 - n, n)) {
			*ret_first = i + 1 - n;
			return 1;
		}
		run = 0;
	}
	return 0;
}

static int allocate_in(struct ferry_mailbox *box, struct fy_tier *tier, uint32_t n,
		       uint32_t *ret_first)
{
	/* RELAXED(a hint) */
	uint32_t recent = atomic_load_explicit(&tier->shm->recent, memory_order_relaxed);
	/* RELAXED(a hint) */
	uint32_t cursor = atomic_load_explicit(&tier->cursor, memory_order_relaxed);

	if (n > tier->n)
		return 0;
	if (recent <= tier->n - n && search(box, tier, recent, recent + n, n, ret_first))
		return 1;
	if (cursor > tier->n)
		cursor = 0;
	if (!search(box, tier, cursor, tier->n, n, ret_first) &&
	    !search(box, tier, 0, cursor + n - 1 < tier->n ? cursor + n - 1 : tier->n, n,
		    ret_first))
		return 0;
	/* RELAXED(a hint) */
	atomic_store_explicit(&tier->cursor, *ret_first + n, memory_order_relaxed);
	return 1;
}

int fy_memory_allocate(struct ferry_mailbox *box, uint64_t size, struct fy_extent *ret_extent)
{
	/* The lowest tier whose 16 units hold it; a higher one when that is full. */
	for (uint32_t t = 0; t < box->n_tiers; t++) {
		struct fy_tier *tier = &box->tiers[t];
		uint32_t first;
		if (size > 16 * tier->unit_bytes)
			continue;
		uint32_t n = fy_memory_units(tier, size);
		if (allocate_in(box, tier, n, &first)) {
			*ret_extent = (struct fy_extent){ tier, first, n };
			return 0;
		}
	}
	return -EAGAIN;
}

void fy_memory_adopt(struct ferry_mailbox *box, const struct fy_extent *extent)
{
	uint64_t tag = our_tag(box);

	for (uint32_t i = 0; i < extent->n; i++)
		unit_set(extent->tier, extent->first + i, tag);
}

int fy_memory_lock_in(struct ferry_mailbox *box, const struct fy_extent *extent)
{
	return unit_move(extent->tier, extent->first, our_tag(box), our_tag(box) | LOCKED_IN);
}

void fy_memory_free(struct ferry_mailbox *box, const struct fy_extent *extent)
{
	fy_memory_free_after(box, extent, 0);
}

void fy_memory_free_after(struct ferry_mailbox *box, const struct fy_extent *extent, uint64_t stamp)
{
	if (extent->n == 0)
		return;
	for (uint32_t i = 0; i < extent->n; i++)
		unit_set(extent->tier, extent->first + i, stamp);
	/* RELAXED(a hint) */
	atomic_store_explicit(&extent->tier->shm->recent, extent->first, memory_order_relaxed);
	tell(box);
}

int fy_memory_is_after(const struct fy_extent *extent, uint64_t stamp)
{
	for (uint32_t i = 0; i < extent->n; i++)
		if (unit_owner(extent->tier, extent->first + i) != stamp)
			return 0;
	return 1;
}

int fy_memory_find(struct ferry_mailbox *box, uint64_t offset, uint64_t size,
		   struct fy_extent *ret_extent)
{
	for (uint32_t t = 0; t < box->n_tiers; t++) {
		struct fy_tier *tier = &box->tiers[t];
		uint64_t bytes = tier->n * tier->unit_bytes;
		if (offset < tier->units || offset - tier->units >= bytes)
			continue;
		uint64_t within = offset - tier->units;
		if (within % tier->unit_bytes != 0 || size == 0 || size > bytes - within ||
		    size > box->max_size)
			return -FERRY_ECORRUPT;
		*ret_extent = (struct fy_extent){ tier, (uint32_t)(within / tier->unit_bytes),
						  fy_memory_units(tier, size) };
		return 0;
	}
	return -FERRY_ECORRUPT;
}

uint64_t fy_memory_held_bytes(const struct ferry_mailbox *box, uint64_t tag)
{
	uint64_t bytes = 0;

	for (uint32_t t = 0; t < box->n_tiers; t++)
		for (uint32_t i = 0; i < box->tiers[t].n; i++)
			if ((unit_owner(&box->tiers[t], i) & ~LOCKED_IN) == tag)
				bytes += box->tiers[t].unit_bytes;
	return bytes;
}

uint64_t fy_memory_free_bytes(const struct ferry_mailbox *box)
{
	uint64_t bytes = 0;

	for (uint32_t t = 0; t < box->n_tiers; t++)
		for (uint32_t i = 0; i < box->tiers[t].n; i++)
			if (is_free(unit_owner(&box->tiers[t], i)))
				bytes += box->tiers[t].unit_bytes;
	return bytes;
}

/* ---- recovery: which units does some message refer to? ---- */

/* One bit a unit, tier after tier. */
struct marks {
	uint64_t *bits;
	size_t start[FY_TIERS_MAX];
};

static int marks_init(const struct ferry_mailbox *box, struct marks *marks)
{
	size_t n = 0;

	for (uint32_t t = 0; t < box->n_tiers; t++) {
		marks->start[t] = n;
		n += box->tiers[t].n;
	}
	marks->bits = calloc(n / 64 + 1, sizeof(uint64_t));
	return marks->bits ? 0 : -ENOMEM;
}

static void mark(const struct ferry_mailbox *box, struct marks *marks,
		 const struct fy_extent *extent)
{
	size_t bit = marks->start[extent->tier - box->tiers] + extent->first;

	for (uint32_t i = 0; i < extent->n; i++, bit++)
		marks->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static int is_marked(const struct marks *marks, uint32_t tier, uint32_t unit)
{
	size_t bit = marks->start[tier] + unit;

	return (int)(marks->bits[bit / 64] >> (bit % 64)) & 1;
}

static int holds_message(const struct ferry_mailbox *box, const struct fy_ring *ring,
			 const struct fy_cell_shm *cell, uint64_t word)
{
	uint32_t state = fy_word_state(word);

	return (state == FY_FULL && fy_ring_is_message(box, ring, cell, word)) ||
	       state == FY_TAKEN || state == FY_RETURNED;
}

/* Mark what one cell refers to. A cell that changes under our eyes is read again. */
static int mark_cell(struct ferry_mailbox *box, struct marks *marks, const struct fy_ring *ring,
		     struct fy_cell_shm *cell)
{
	struct fy_extent extent;

	for (int i = 0; i < 1000; i++) {
		uint64_t word = fy_word_load(cell);
		if (!holds_message(box, ring, cell, word) ||
		    !(fy_meta_flags(fy_meta_load(cell)) & FY_META_REFERENCE)) {
			if (fy_word_load(cell) == word)
				return 0;
			continue;
		}
		/* RELAXED(checked by reading the word again) */
		uint64_t offset =
		    atomic_load_explicit(&cell->reference.offset, memory_order_relaxed);
		/* RELAXED(checked by reading the word again) */
		uint64_t size = atomic_load_explicit(&cell->reference.size, memory_order_relaxed);
		/* SYNC(cell.word) acquire: the fields were read before the word is read again. */
		atomic_thread_fence(memory_order_acquire);
		if (fy_word_load(cell) != word)
			continue;
		/* A peer that wrote nonsense loses its message's memory, nobody else's. */
		if (fy_memory_find(box, offset, size, &extent) == 0)
			mark(box, marks, &extent);
		return 0;
	}
	return -EAGAIN;
}

static int mark_all(struct ferry_mailbox *box, struct marks *marks)
{
	for (uint32_t level = 0; level < box->levels; level++)
		for (uint64_t i = 0; i < fy_cells(box); i++) {
			int r =
			    mark_cell(box, marks, &box->rings[level], &box->rings[level].cells[i]);
			if (r < 0)
				return r;
		}
	return 0;
}

int fy_memory_recover(struct ferry_mailbox *box, uint32_t slot, uint64_t dead)
{
	struct marks marks;
	uint64_t tag = fy_tag(fy_member_incarnation(dead), slot);

	if (fy_memory_held_bytes(box, tag) == 0)
		return 0;
	int r = marks_init(box, &marks);
	if (r < 0)
		return r;
	r = mark_all(box, &marks);
	for (uint32_t t = 0; r == 0 && t < box->n_tiers; t++)
		for (uint32_t i = 0; i < box->tiers[t].n; i++) {
			uint64_t owner = unit_owner(&box->tiers[t], i);
			if ((owner & ~LOCKED_IN) == tag && !is_marked(&marks, t, i))
				(void)unit_move(&box->tiers[t], i, owner, 0);
		}
	free(marks.bits);
	if (r == 0)
		tell(box);
	return r;
}
