/* SPDX-License-Identifier: MIT */
/* held.h - what a loan or a taken message remembers in ferry_message.held, and whether it still is
 * this handle's to finish. */
#ifndef FY_HELD_H
#define FY_HELD_H

#include "message.h"

enum { FY_HELD_LOAN = 1, FY_HELD_TAKEN = 2 };

/* held[0]: kind; [1]: whose (our tag); [2], [3]: where. */

static inline uint64_t fy_held_owner(const struct ferry_mailbox *box)
{
	return fy_tag(box->object.incarnation, fy_me(box) - 1);
}

static inline void fy_held_clear(struct ferry_message *message)
{
	memset(message->held, 0, sizeof(message->held));
	message->data = NULL;
	message->size = 0;
}

static inline void fy_held_loan(const struct ferry_mailbox *box, struct ferry_message *loan,
				const struct fy_extent *extent, uint64_t size)
{
	loan->held[0] = FY_HELD_LOAN;
	loan->held[1] = fy_held_owner(box);
	loan->held[2] = size << 8 | (uint64_t)(extent->tier - box->tiers);
	loan->held[3] = (uint64_t)extent->first << 32 | extent->n;
}

/* The bytes that were asked for. */
static inline uint64_t fy_held_loan_size(const struct ferry_message *loan)
{
	return loan->held[2] >> 8;
}

/* 0 and the units, or -FERRY_ESTALE. */
static inline int fy_held_check_loan(struct ferry_mailbox *box, const struct ferry_message *loan,
				     struct fy_extent *ret_extent)
{
	uint32_t first = (uint32_t)(loan->held[3] >> 32);
	uint32_t n = (uint32_t)loan->held[3];

	if (loan->held[0] != FY_HELD_LOAN || loan->held[1] != fy_held_owner(box) ||
	    (loan->held[2] & 0xff) >= box->n_tiers)
		return -FERRY_ESTALE;
	struct fy_tier *tier = &box->tiers[loan->held[2] & 0xff];
	if (n == 0 || n > tier->n || first > tier->n - n)
		return -FERRY_ESTALE;
	*ret_extent = (struct fy_extent){ tier, first, n };
	return 0;
}

static inline void fy_held_taken(const struct ferry_mailbox *box, struct ferry_message *message,
				 const struct fy_got *got)
{
	uint64_t level = (uint64_t)(got->ring - box->rings);
	uint64_t cell = (uint64_t)(got->spot.cell - got->ring->cells);

	message->held[0] = FY_HELD_TAKEN;
	message->held[1] = fy_held_owner(box);
	message->held[2] = level << 32 | cell;
	message->held[3] = fy_word(fy_ring_true_lap(box, got->ring, got->spot.cell, got->spot.word),
				   fy_word_attempt(got->spot.word), 0, 0);
}

/* 0 and the message, its word as it is now; or -FERRY_ESTALE. */
static inline int fy_held_check_taken(struct ferry_mailbox *box,
				      const struct ferry_message *message, struct fy_got *ret_got)
{
	uint64_t level = message->held[2] >> 32;
	uint64_t cell = message->held[2] & UINT32_MAX;

	if (message->held[0] != FY_HELD_TAKEN || message->held[1] != fy_held_owner(box) ||
	    level >= box->levels || cell >= fy_cells(box))
		return -FERRY_ESTALE;
	struct fy_ring *ring = &box->rings[level];
	struct fy_spot spot = { .cell = &ring->cells[cell] };
	spot.word = fy_word_load(spot.cell);
	if (fy_word_state(spot.word) != FY_TAKEN || fy_word_owner(spot.word) != fy_me(box) ||
	    fy_word(fy_ring_true_lap(box, ring, spot.cell, spot.word), fy_word_attempt(spot.word),
		    0, 0) != message->held[3])
		return -FERRY_ESTALE;
	*ret_got = (struct fy_got){ .ring = ring, .spot = spot };
	return 0;
}

#endif
