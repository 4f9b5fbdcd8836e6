/* SPDX-License-Identifier: MIT */
/*
 * word.h - the 64-bit words of the arena: one for each page, and one for each block of a slab.
 * States and who may change them: docs/formats/segment.md, "Words".
 */
#ifndef FY_SEGMENT_WORD_H
#define FY_SEGMENT_WORD_H

#include <stdatomic.h>
#include <stdint.h>

enum fy_segment_state {
	FY_PAGE_FREE = 0, /* only as a whole word: 0 */
	FY_PAGE_GATHERING = 1,
	FY_PAGE_RELEASING = 2,
	FY_PAGE_BODY = 3,
	FY_PAGE_SLAB = 4,
	FY_BLOCK_SEALED = 5,
	FY_BLOCK_OWNED = 6,
	FY_BLOCK_PUBLISHING = 7,
	FY_BLOCK_PUBLISHED = 8,
	FY_BLOCK_TAKING = 9,
	FY_BLOCK_VACANT = 10,
};

/* Whose: a slot + 1, and which incarnation of it. */
struct fy_owner {
	uint32_t slot_plus_1;
	uint64_t incarnation;
};

static inline enum fy_segment_state fy_word_kind(uint64_t word)
{
	return (enum fy_segment_state)(word & 15);
}

/* GATHERING, RELEASING, SEALED, OWNED. */
static inline uint64_t fy_word_owned(enum fy_segment_state state, struct fy_owner owner)
{
	return (uint64_t)state | (uint64_t)owner.slot_plus_1 << 4 | owner.incarnation << 16;
}

/* PUBLISHING, TAKING: with the place, and what is left of the incarnation. */
static inline uint64_t fy_word_placed(enum fy_segment_state state, struct fy_owner owner,
				      uint64_t place)
{
	return (uint64_t)state | (uint64_t)owner.slot_plus_1 << 4 | place >> 3 << 16 |
	       owner.incarnation << 57;
}

/* PUBLISHED, VACANT: with the generation of the run that the block is in. */
static inline uint64_t fy_word_settled(enum fy_segment_state state, uint32_t generation)
{
	return (uint64_t)state | (uint64_t)generation << 32;
}

static inline uint64_t fy_word_slab(uint32_t class, uint32_t generation)
{
	return (uint64_t)FY_PAGE_SLAB | (uint64_t) class << 4 | (uint64_t)generation << 32;
}

static inline uint64_t fy_word_body(uint32_t head, uint32_t generation)
{
	return (uint64_t)FY_PAGE_BODY | (uint64_t)head << 4 | (uint64_t)generation << 32;
}

static inline uint32_t fy_word_generation(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

static inline uint32_t fy_word_class(uint64_t word)
{
	return (uint32_t)(word >> 4) & 0xff;
}

static inline uint32_t fy_word_head(uint64_t word)
{
	return (uint32_t)(word >> 4) & 0xfffffff;
}

static inline uint64_t fy_word_place(uint64_t word)
{
	return (word >> 16 & ((UINT64_C(1) << 41) - 1)) << 3;
}

/* The slot + 1 of the member whose word it is; 0: nobody's. */
static inline uint32_t fy_word_holder(uint64_t word)
{
	switch (fy_word_kind(word)) {
	case FY_PAGE_GATHERING:
	case FY_PAGE_RELEASING:
	case FY_BLOCK_SEALED:
	case FY_BLOCK_OWNED:
	case FY_BLOCK_PUBLISHING:
	case FY_BLOCK_TAKING:
		return (uint32_t)(word >> 4) & 0xfff;
	case FY_PAGE_FREE:
	case FY_PAGE_BODY:
	case FY_PAGE_SLAB:
	case FY_BLOCK_PUBLISHED:
	case FY_BLOCK_VACANT:
	default:
		return 0;
	}
}

static inline int fy_word_has_place(uint64_t word)
{
	return fy_word_kind(word) == FY_BLOCK_PUBLISHING || fy_word_kind(word) == FY_BLOCK_TAKING;
}

/* Is it this incarnation's? Where the word has room for a part of it only, that part decides. */
static inline int fy_word_is_of(uint64_t word, struct fy_owner owner)
{
	uint64_t whole = (UINT64_C(1) << 48) - 1;

	if (fy_word_holder(word) != owner.slot_plus_1)
		return 0;
	return fy_word_has_place(word) ? word >> 57 == (owner.incarnation & 0x7f)
				       : word >> 16 == (owner.incarnation & whole);
}

#endif
