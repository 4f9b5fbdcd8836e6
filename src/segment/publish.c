/* SPDX-License-Identifier: MIT */
/*
 * publish.c - from one member's block to everybody's, and back. Model: models/arena.pml.
 *
 * Two things change, the place and the block's word, and whoever dies between them must leave no
 * doubt. So the word first says which place is meant; the place is then changed by one
 * compare-and-swap, which is the moment at which it happens; then the word is settled. Whoever
 * finds a dead member's word looks at the place: if it holds the block, the block is published,
 * otherwise it is nobody's. That answer must not change under his eyes: whoever replaces a block
 * that is still being published settles it first.
 */
#include "../os/cancel.h"
#include "arena.h"

static _Atomic uint64_t *place_at(const struct ferry_segment *segment, uint64_t offset)
{
	return (_Atomic uint64_t *)(void *)(segment->object.base + offset);
}

static int place_move(const struct ferry_segment *segment, uint64_t offset, uint64_t from,
		      uint64_t to)
{
	/* SYNC(arena.place) acq_rel: pairs with fy_place_load(), and with the program's own acquire
	 * loads: the block's bytes are there. Sequentially consistent: the word says what is meant
	 * before the place changes, and whoever judges reads the word before the place. */
	return atomic_compare_exchange_strong_explicit(place_at(segment, offset), &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

int fy_block_settle(struct ferry_segment *segment, const struct fy_block *block, uint64_t word)
{
	uint64_t place = fy_word_place(word);

	return fy_word_kind(word) == FY_BLOCK_PUBLISHING && fy_place_is_valid(segment, place) &&
	       fy_place_load(segment, place) == block->offset &&
	       fy_block_move(block, word, fy_word_settled(FY_BLOCK_PUBLISHED, block->generation));
}

/* What is about to be replaced must not hang on its publisher's life any more. */
static void settle_expected(struct ferry_segment *segment, uint64_t expected)
{
	struct fy_block block;

	if (expected != 0 && fy_block_find(segment, expected, &block) == 0)
		(void)fy_block_settle(segment, &block, fy_block_load(&block));
}

int fy_block_publish(struct ferry_segment *segment, const struct fy_block *block, uint64_t place,
		     uint64_t expected)
{
	struct fy_owner me = fy_arena_me(segment);
	uint64_t owned = fy_word_owned(FY_BLOCK_OWNED, me);
	uint64_t publishing = fy_word_placed(FY_BLOCK_PUBLISHING, me, place);

	if (fy_place_load(segment, place) != expected)
		return -EAGAIN;
	settle_expected(segment, expected);
	if (!fy_block_move(block, owned, publishing))
		return fy_word_kind(fy_block_load(block)) == FY_BLOCK_OWNED ? -EPERM
									    : -FERRY_EBLOCK;
	if (!place_move(segment, place, expected, block->offset)) {
		(void)fy_block_move(block, publishing, owned);
		return -EAGAIN;
	}
	/* Somebody may have settled it for us. */
	(void)fy_block_move(block, publishing,
			    fy_word_settled(FY_BLOCK_PUBLISHED, block->generation));
	return 0;
}

/* The offset of a place that the caller points at. 0, -EFAULT. */
static int place_of(struct ferry_segment *segment, const ferry_reference *place,
		    uint64_t *ret_offset)
{
	uint64_t offset = (uint64_t)((uintptr_t)place - (uintptr_t)segment->object.base);

	if (offset % sizeof(*place) != 0 || !fy_segment_holds(segment, offset, sizeof(*place)))
		return -EFAULT;
	*ret_offset = offset;
	return 0;
}

/* The door: a block and a place, both as the caller named them. */
static int enter(struct ferry_segment *segment, ferry_reference reference,
		 const ferry_reference *place, struct fy_block *ret_block, uint64_t *ret_place)
{
	if (!segment)
		return -EINVAL;
	int r = fy_segment_enter(segment, FERRY_READ_ONLY);
	if (r < 0)
		return r;
	if (!segment->layout.arena)
		return -EOPNOTSUPP;
	r = place_of(segment, place, ret_place);
	return r < 0 ? r : fy_block_find(segment, reference, ret_block);
}

int ferry_segment_publish(ferry_segment *segment, ferry_reference reference, ferry_reference *place,
			  ferry_reference expected)
{
	struct fy_block block;
	uint64_t at;
	int r = enter(segment, reference, place, &block, &at);

	return r < 0 ? r : fy_block_publish(segment, &block, at, expected);
}

static int take(struct ferry_segment *segment, const struct fy_block *block, uint64_t place,
		uint64_t replacement)
{
	struct fy_owner me = fy_arena_me(segment);
	uint64_t published = fy_word_settled(FY_BLOCK_PUBLISHED, block->generation);
	uint64_t taking = fy_word_placed(FY_BLOCK_TAKING, me, place);

	if (fy_place_load(segment, place) != block->offset)
		return -EAGAIN;
	(void)fy_block_settle(segment, block, fy_block_load(block));
	if (!fy_block_move(block, published, taking)) {
		enum fy_segment_state state = fy_word_kind(fy_block_load(block));
		return state == FY_BLOCK_TAKING ? -EAGAIN : -FERRY_EBLOCK;
	}
	if (!place_move(segment, place, block->offset, replacement)) {
		(void)fy_block_move(block, taking, published);
		return -EAGAIN;
	}
	(void)fy_block_move(block, taking, fy_word_owned(FY_BLOCK_OWNED, me));
	return 0;
}

int ferry_segment_take(ferry_segment *segment, ferry_reference *place, ferry_reference expected,
		       ferry_reference replacement)
{
	struct fy_block block;
	uint64_t at;
	int r = enter(segment, expected, place, &block, &at);

	if (r < 0)
		return r;
	return replacement == expected ? -EINVAL : take(segment, &block, at, replacement);
}
