/* SPDX-License-Identifier: MIT */
/*
 * slab.c - runs that hold blocks of equal size, with a word for each block in front.
 *
 * Where to look is a matter of hints: each handle remembers, for each class, the block it freed
 * last and the slab it works on; and each run has a byte that says that there may be room. Only the
 * words decide.
 */
#include "arena.h"

#define LOOK 256u /* runs to look at before a new slab is made */

/* A hint: head + 1 and index; 0 is none. */
static uint64_t hint_to(uint32_t head, uint32_t index)
{
	return (uint64_t)(head + 1) << 32 | index;
}

static uint64_t hint_load(const _Atomic uint64_t *hint)
{
	/* RELAXED(a hint) */
	return atomic_load_explicit(hint, memory_order_relaxed);
}

static void hint_store(_Atomic uint64_t *hint, uint64_t to)
{
	/* RELAXED(a hint) */
	atomic_store_explicit(hint, to, memory_order_relaxed);
}

static void room_set(struct ferry_segment *segment, uint32_t head, uint8_t room)
{
	_Atomic uint8_t *there = &segment->rooms[head];

	/* RELAXED(a hint; written only if it changes, so that its line can be shared) */
	if (atomic_load_explicit(there, memory_order_relaxed) != room)
		/* RELAXED(a hint) */
		atomic_store_explicit(there, room, memory_order_relaxed);
}

/* Own the block if it is vacant. */
static int occupy(struct ferry_segment *segment, uint32_t head, uint64_t slab, uint32_t index,
		  uint64_t *ret_offset)
{
	struct fy_block block;

	fy_block_at(segment, head, slab, index, &block);
	uint64_t vacant = fy_word_settled(FY_BLOCK_VACANT, block.generation);
	if (fy_block_load(&block) != vacant ||
	    !fy_block_move(&block, vacant, fy_word_owned(FY_BLOCK_OWNED, fy_arena_me(segment))))
		return 0;
	*ret_offset = block.offset;
	return 1;
}

/* The same for a slab that may be none any more. */
static int occupy_hinted(struct ferry_segment *segment, uint32_t class, uint64_t hint,
			 uint64_t *ret_offset)
{
	uint32_t head = (uint32_t)(hint >> 32) - 1;
	uint64_t slab = fy_page_load(segment, head);

	return fy_slab_is_sound(segment, head, slab) && fy_word_class(slab) == class &&
	       occupy(segment, head, slab, (uint32_t)hint, ret_offset);
}

/* Own any block of a slab, from index on. */
static int occupy_any(struct ferry_segment *segment, uint32_t head, uint64_t slab, uint32_t from,
		      uint64_t *ret_offset)
{
	uint32_t class = fy_word_class(slab);
	uint32_t blocks = segment->classes[class].blocks;

	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t index = from + i < blocks ? from + i : from + i - blocks;
		if (!occupy(segment, head, slab, index, ret_offset))
			continue;
		hint_store(&segment->current[class],
			   hint_to(head, index + 1 < blocks ? index + 1 : 0));
		return 1;
	}
	room_set(segment, head, 0);
	return 0;
}

/* Look at up to `look` runs for a slab of the class with room, from page on and round. */
static int occupy_elsewhere(struct ferry_segment *segment, uint32_t class, uint32_t from,
			    uint32_t look, int all, uint64_t *ret_offset)
{
	uint32_t pages = fy_arena_pages(segment);
	uint32_t page = from < pages ? from : 0;
	uint32_t passed = 0;

	while (look-- > 0 && passed < pages) {
		uint64_t word = fy_page_load(segment, page);
		/* RELAXED(a hint) */
		int room = all || atomic_load_explicit(&segment->rooms[page], memory_order_relaxed);
		if (room && fy_word_class(word) == class && fy_slab_is_sound(segment, page, word) &&
		    occupy_any(segment, page, word, 0, ret_offset))
			return 1;
		uint32_t stride = fy_run_stride(segment, page, word);
		passed += stride;
		page = stride < pages - page ? page + stride : 0;
	}
	return 0;
}

/* ---- making ---- */

static int make(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset)
{
	const struct fy_class *shape = &segment->classes[class];
	struct fy_block block;
	uint32_t head;
	uint32_t generation;

	if (fy_run_gather(segment, shape->pages, &head, &generation) < 0)
		return 0;
	uint64_t slab = fy_word_slab(class, generation);
	fy_block_at(segment, head, slab, 0, &block);
	uint64_t vacant = fy_word_settled(FY_BLOCK_VACANT, generation);
	for (uint32_t i = 0; i < shape->blocks; i++)
		/* RELAXED(published with the page's word) */
		atomic_store_explicit(&block.word[i], vacant ^ block.key, memory_order_relaxed);
	room_set(segment, head, 1);
	(void)fy_page_move(segment, head, fy_word_owned(FY_PAGE_GATHERING, fy_arena_me(segment)),
			   slab);
	return occupy_any(segment, head, slab, 0, ret_offset);
}

int fy_slab_allocate(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset)
{
	uint64_t freed = hint_load(&segment->freed[class]);
	uint64_t current = hint_load(&segment->current[class]);
	uint32_t head = current ? (uint32_t)(current >> 32) - 1 : 0;

	if (freed) {
		hint_store(&segment->freed[class], 0);
		if (occupy_hinted(segment, class, freed, ret_offset))
			return 0;
	}
	if (current) {
		uint64_t slab = fy_page_load(segment, head);
		if (fy_slab_is_sound(segment, head, slab) && fy_word_class(slab) == class &&
		    occupy_any(segment, head, slab, (uint32_t)current, ret_offset))
			return 0;
	}
	if (occupy_elsewhere(segment, class, head, LOOK, 0, ret_offset) ||
	    make(segment, class, ret_offset) ||
	    occupy_elsewhere(segment, class, head, UINT32_MAX, 1, ret_offset))
		return 0;
	return -ENOSPC;
}

int fy_slab_allocate_anywhere(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset)
{
	return occupy_elsewhere(segment, class, 0, UINT32_MAX, 1, ret_offset) ? 0 : -ENOSPC;
}

void fy_slab_note_free(struct ferry_segment *segment, const struct fy_block *block)
{
	room_set(segment, block->head, 1);
	hint_store(&segment->freed[block->class], hint_to(block->head, block->index));
}

/* ---- giving back ---- */

static int is_empty(const struct ferry_segment *segment, uint32_t head, uint64_t slab)
{
	uint32_t blocks = segment->classes[fy_word_class(slab)].blocks;
	uint64_t vacant = fy_word_settled(FY_BLOCK_VACANT, fy_word_generation(slab));
	struct fy_block block;

	for (uint32_t i = 0; i < blocks; i++) {
		fy_block_at(segment, head, slab, i, &block);
		if (fy_block_load(&block) != vacant)
			return 0;
	}
	return 1;
}

/* Seal every block of a slab, so that nobody can allocate there any more; or none. */
static int seal(struct ferry_segment *segment, uint32_t head, uint64_t slab)
{
	uint32_t blocks = segment->classes[fy_word_class(slab)].blocks;
	uint64_t vacant = fy_word_settled(FY_BLOCK_VACANT, fy_word_generation(slab));
	uint64_t sealed = fy_word_owned(FY_BLOCK_SEALED, fy_arena_me(segment));
	struct fy_block block;
	uint32_t n;

	for (n = 0; n < blocks; n++) {
		fy_block_at(segment, head, slab, n, &block);
		if (!fy_block_move(&block, vacant, sealed))
			break;
	}
	if (n == blocks)
		return 1;
	while (n-- > 0) {
		fy_block_at(segment, head, slab, n, &block);
		(void)fy_block_move(&block, sealed, vacant);
	}
	return 0;
}

uint32_t fy_slab_reclaim(struct ferry_segment *segment)
{
	uint64_t releasing = fy_word_owned(FY_PAGE_RELEASING, fy_arena_me(segment));
	uint32_t pages = fy_arena_pages(segment);
	uint32_t n = 0;

	for (uint32_t page = 0; page < pages;) {
		uint64_t word = fy_page_load(segment, page);
		uint32_t stride = fy_run_stride(segment, page, word);
		if (fy_slab_is_sound(segment, page, word) && is_empty(segment, page, word) &&
		    seal(segment, page, word) && fy_page_move(segment, page, word, releasing)) {
			fy_run_release(segment, page, releasing);
			n++;
		}
		page += stride;
	}
	return n;
}
