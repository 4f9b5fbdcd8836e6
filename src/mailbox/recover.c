/* SPDX-License-Identifier: MIT */
/*
 * recover.c - see recover.h, and docs/formats/mailbox.md, "returned", "Memory", "Death".
 *
 * Everything here may be done by several processes at once, and each may be killed or stopped
 * anywhere: all steps are compare-and-swaps from a state that only the dead member could have left.
 */
#include "recover.h"

#include "../os/cancel.h"
#include "memory.h"
#include "ring.h"
#include "role.h"

#define NEAR  4096u /* cells looked at behind head in one go ... */
#define APART 4096u /* ... and further on in a large ring, in turn */

void fy_returned_set(struct ferry_mailbox *box)
{
	/* RELAXED(the compare-and-swap checks it) */
	uint64_t seen = atomic_load_explicit(&box->shm->returned, memory_order_relaxed);

	/* SYNC(mailbox.returned) release: pairs with fy_returned_active() and try_clear().
	 * Sequentially consistent: set before a cell becomes RETURNED, cleared only by who saw
	 * none. */
	while (!atomic_compare_exchange_weak_explicit(&box->shm->returned, &seen, (seen | 1) + 2,
						      memory_order_seq_cst, memory_order_seq_cst))
		;
}

/* Finish what others may have begun. 0, or -FERRY_ECORRUPT. */
static int help_the_dead(struct ferry_mailbox *box)
{
	for (uint32_t slot = 0; slot < box->object.member_slots; slot++) {
		if (!fy_member_is_marked_dead(&box->object, slot))
			continue;
		int r = fy_member_recover(&box->object, slot);
		/* For want of memory the rest waits; the cells have been returned already. */
		if (r == -FERRY_ECORRUPT)
			return r;
	}
	return 0;
}

static int somebody_is_returning(const struct ferry_mailbox *box)
{
	for (uint32_t slot = 0; slot < box->object.member_slots; slot++) {
		/* SYNC(member.returning) acquire: pairs with the release when a return is over:
		 * seeing 0 then, the cell's being RETURNED is seen too. */
		if (fy_member_status(fy_member_load(&box->object, slot)) == FY_MEMBER_ALIVE &&
		    atomic_load_explicit(&box->object.members[slot].returning,
					 memory_order_seq_cst) != 0)
			return 1;
	}
	return 0;
}

int fy_returned_find(struct ferry_mailbox *box, uint32_t *ret_level, struct fy_spot *ret_spot)
{
	/* SYNC(mailbox.returned) acquire: before everything that is looked at below. */
	uint64_t seen = atomic_load_explicit(&box->shm->returned, memory_order_seq_cst);
	int r = help_the_dead(box);

	if (r < 0)
		return r;
	int returning = somebody_is_returning(box);
	for (uint32_t level = box->levels; level-- > 0;) {
		if (fy_ring_oldest_returned(box, &box->rings[level], ret_spot)) {
			*ret_level = level;
			return 1;
		}
	}
	/* SYNC(mailbox.returned) acq_rel: fails if anybody set it since we read it. */
	if (!returning)
		(void)atomic_compare_exchange_strong_explicit(
		    &box->shm->returned, &seen, seen & ~UINT64_C(1), memory_order_seq_cst,
		    memory_order_seq_cst);
	return 0;
}

/* Take from the dead member in slot what it has in one cell. */
static void recover_cell(struct ferry_mailbox *box, struct fy_ring *ring, struct fy_cell_shm *cell,
			 uint32_t slot, uint64_t dead)
{
	for (;;) {
		uint64_t word = fy_word_load(cell);
		uint32_t state = fy_word_state(word);
		if (fy_word_owner(word) != slot + 1)
			return;
		/* The word first, then whether its owner is that dead one: object.md says why. */
		if (fy_member_load(&box->object, slot) != dead)
			return;
		if (state == FY_TAKEN) {
			if (fy_ring_return(ring, cell, word))
				return;
		} else if (state == FY_CLAIMED || state == FY_REVOKED) {
			fy_ring_void(cell, word);
			if (fy_word_cas(cell, word,
					fy_word(fy_word_lap(word) + 1, 0, 0, FY_EMPTY))) {
				fy_ring_burn(ring);
				return;
			}
		} else {
			return;
		}
	}
}

int fy_mailbox_recover(struct fy_object *object, uint32_t slot, uint64_t dead)
{
	struct ferry_mailbox *box = (struct ferry_mailbox *)object;

	fy_returned_set(box);
	for (uint32_t level = 0; level < box->levels; level++)
		for (uint64_t i = 0; i < fy_cells(box); i++)
			recover_cell(box, &box->rings[level], &box->rings[level].cells[i], slot,
				     dead);
	int r = fy_memory_recover(box, slot, dead);
	/* Last: whoever takes the role finds everything as if it had been given up. */
	if (r == 0 && box->one_to_one)
		fy_role_recover(box, slot, dead);
	/* Messages came back and cells became free; whoever sleeps shall look. */
	fy_object_ring_all(object);
	return r;
}

/* ---- care ---- */

/* Whom we have asked about in this round: one bit a slot. */
struct asked {
	uint64_t bits[(FY_MEMBERS_MAX + 2 + 63) / 64];
};

/* Is the owner dead? If so recover it. 1, 0, or an error. Asks the kernel once a round and owner.
 */
static int care_for(struct ferry_mailbox *box, struct asked *asked, uint32_t owner)
{
	uint32_t slot = owner - 1;

	if (owner == 0 || slot >= box->object.member_slots || owner == fy_me(box))
		return 0;
	if (asked->bits[slot / 64] >> (slot % 64) & 1)
		return 0;
	asked->bits[slot / 64] |= UINT64_C(1) << (slot % 64);
	if (!fy_member_dead(&box->object, slot))
		return 0;
	int r = fy_member_recover(&box->object, slot);
	return r < 0 ? r : 1;
}

struct care {
	struct ferry_mailbox *box;
	struct asked asked;
	int held;
	int found;
};

static int care_for_cell(struct care *care, const struct fy_cell_shm *cell)
{
	uint64_t word = fy_word_load(cell);
	uint32_t owner = fy_word_owner(word);

	care->held |= fy_word_state(word) == FY_RETURNED;
	if (owner == 0 || owner == fy_me(care->box))
		return 0;
	care->held = 1;
	int r = care_for(care->box, &care->asked, owner);
	care->found |= r > 0;
	return r < 0 ? r : 0;
}

static int care_for_cells(struct care *care, struct fy_ring *ring, uint64_t from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int r = care_for_cell(care, fy_ring_cell(care->box, ring, from + i));
		if (r < 0)
			return r;
	}
	return 0;
}

static int is_owned(struct ferry_mailbox *box, struct fy_ring *ring, uint64_t position)
{
	return fy_word_owner(fy_word_load(fy_ring_cell(box, ring, position))) != 0;
}

/* Nothing new can be held while head and tail stand still and nothing was held (or lay there to be
 * taken again) before. Who died before it moved them is seen by looking at the cells they name. */
static int is_quiet(struct ferry_mailbox *box, struct fy_ring *ring, uint64_t head, uint64_t tail)
{
	/* RELAXED(private) */
	uint32_t held = atomic_load_explicit(&ring->cared_held, memory_order_relaxed);

	return !held && fy_hint(&ring->cared_head) == head && fy_hint(&ring->cared_tail) == tail &&
	       !is_owned(box, ring, head) && !is_owned(box, ring, tail);
}

static int care_for_ring(struct care *care, struct fy_ring *ring)
{
	struct ferry_mailbox *box = care->box;
	uint64_t head = fy_hint(&ring->shm->head);
	uint64_t tail = fy_hint(&ring->shm->tail);
	uint64_t cells = fy_cells(box);
	int r;

	if (is_quiet(box, ring, head, tail))
		return 0;
	care->held = 0;
	if (cells <= NEAR + APART) {
		r = care_for_cells(care, ring, 0, cells);
	} else {
		/* What is held is mostly near head; what is held longer comes in its turn. */
		uint64_t turn = (uint64_t)(fy_now_coarse() / FY_CARE_EVERY) * APART;
		r = care_for_cells(care, ring, head - NEAR / 2, NEAR);
		if (r == 0)
			r = care_for_cells(care, ring, turn, APART);
		care->held = 1;
	}
	/* RELAXED(private) */
	atomic_store_explicit(&ring->cared_head, head, memory_order_relaxed);
	/* RELAXED(private) */
	atomic_store_explicit(&ring->cared_tail, tail, memory_order_relaxed);
	/* RELAXED(private) */
	atomic_store_explicit(&ring->cared_held, (uint32_t)care->held, memory_order_relaxed);
	return r;
}

/* One more member each time, whatever it holds: so that in the end no dead one is left in a list.
 */
static int care_for_next_member(struct care *care)
{
	struct ferry_mailbox *box = care->box;

	for (uint32_t i = 0; i < box->object.member_slots; i++) {
		/* RELAXED(any order will do) */
		uint32_t slot =
		    atomic_fetch_add_explicit(&box->care_turn, 1, memory_order_relaxed) %
		    box->object.member_slots;
		if (fy_member_status(fy_member_load(&box->object, slot)) == FY_MEMBER_FREE)
			continue;
		int r = care_for(box, &care->asked, slot + 1);
		care->found |= r > 0;
		return r < 0 ? r : 0;
	}
	return 0;
}

/* One to one no word says who has begun to send; but the role does. */
static int care_for_sender(struct care *care)
{
	/* SYNC(mailbox.roles) acquire: pairs with role_move() of role.c. */
	uint64_t tag =
	    atomic_load_explicit(&care->box->shm->roles[FY_SENDER], memory_order_acquire);
	int r = care_for(care->box, &care->asked, (uint32_t)tag & 0xfff);

	care->found |= r > 0;
	return r < 0 ? r : 0;
}

static int care_for_all(struct ferry_mailbox *box, int members)
{
	struct care care = { .box = box };
	int cancel = fy_cancel_off();
	int r = 0;

	for (uint32_t level = 0; r == 0 && level < box->levels; level++)
		r = care_for_ring(&care, &box->rings[level]);
	if (r == 0 && members)
		r = care_for_next_member(&care);
	else if (r == 0 && box->one_to_one)
		r = care_for_sender(&care);
	fy_cancel_restore(cancel);
	return r == -FERRY_ECORRUPT ? r : care.found;
}

int fy_care(struct ferry_mailbox *box)
{
	return care_for_all(box, 1);
}

int fy_care_for_cells(struct ferry_mailbox *box)
{
	return care_for_all(box, 0);
}

static int care_for_tier(struct ferry_mailbox *box, struct asked *asked, const struct fy_tier *tier)
{
	int found = 0;

	for (uint32_t i = 0; i < tier->n; i++) {
		/* SYNC(unit.word) acquire: pairs with unit_move() of memory.c. */
		uint64_t tag = atomic_load_explicit(&tier->words[i], memory_order_acquire);
		int r = care_for(box, asked, (uint32_t)tag & 0xfff);
		if (r == -FERRY_ECORRUPT)
			return r;
		found |= r > 0;
	}
	return found;
}

int fy_care_memory(struct ferry_mailbox *box)
{
	struct asked asked = { { 0 } };
	int cancel = fy_cancel_off();
	int found = 0;

	for (uint32_t t = 0; found >= 0 && t < box->n_tiers; t++) {
		int r = care_for_tier(box, &asked, &box->tiers[t]);
		found = r < 0 ? r : found | r;
	}
	fy_cancel_restore(cancel);
	return found;
}

void fy_care_due(struct ferry_mailbox *box, int64_t now)
{
	_Atomic uint64_t *cared_at = &box->object.header->cared_at;
	/* RELAXED(a time; at worst two of us look) */
	int64_t last = (int64_t)atomic_load_explicit(cared_at, memory_order_relaxed);

	/* A time ahead of ours was written before a reboot. */
	int done = last <= now && now - last < FY_CARE_EVERY / 2;

	/* RELAXED(a private timer) */
	atomic_store_explicit(&box->care_due, (done ? last : now) + FY_CARE_EVERY,
			      memory_order_relaxed);
	if (done)
		return;
	/* RELAXED(a time; at worst two of us look) */
	atomic_store_explicit(cared_at, (uint64_t)now, memory_order_relaxed);
	(void)fy_care(box);
}
