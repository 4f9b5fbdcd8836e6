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

/* In a slab's room byte: nobody need look there, anybody may, or else the number of one member. */
enum { ROOM_NONE = 0, ROOM_ANYBODY = 255 };

static uint8_t room_mine(const struct ferry_segment *segment)
{
	return (uint8_t)(1 + segment->object.slot % (ROOM_ANYBODY - 1));
}

static uint8_t room_load(const struct ferry_segment *segment, uint32_t head)
{
	/* RELAXED(a hint) */
	return atomic_load_explicit(&segment->rooms[head], memory_order_relaxed);
}

static void room_store(struct ferry_segment *segment, uint32_t head, uint8_t room)
{
	/* RELAXED(a hint) */
	atomic_store_explicit(&segment->rooms[head], room, memory_order_relaxed);
}

static int room_for_us(const struct ferry_segment *segment, uint32_t head)
{
	uint8_t room = room_load(segment, head);

	return room == room_mine(segment) || room == ROOM_ANYBODY;
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

/* Is it still a slab of that class? */
static int is_slab_of(struct ferry_segment *segment, uint32_t head, uint64_t word, uint32_t class)
{
	return fy_word_class(word) == class && fy_slab_is_sound(segment, head, word);
}

/* A block that we freed ourselves not long ago: its memory is in our cache. */
static int occupy_freed(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset)
{
	/* RELAXED(a hint) */
	uint32_t top = atomic_load_explicit(&segment->freed_top[class], memory_order_relaxed) - 1;
	_Atomic uint64_t *freed = &segment->freed[class][top % FY_FREED];
	uint64_t hint = hint_load(freed);

	if (!hint)
		return 0;
	hint_store(freed, 0);
	/* RELAXED(a hint) */
	atomic_store_explicit(&segment->freed_top[class], top, memory_order_relaxed);
	uint32_t head = (uint32_t)(hint >> 32) - 1;
	uint64_t slab = fy_page_load(segment, head);
	return is_slab_of(segment, head, slab, class) &&
	       occupy(segment, head, slab, (uint32_t)hint, ret_offset);
}

/* The first word in [from, to) that looks vacant, or to. */
static uint32_t next_vacant(const _Atomic uint64_t *words, uint64_t vacant, uint32_t from,
			    uint32_t to)
{
	/* RELAXED(occupy() looks again) */
	while (from < to && atomic_load_explicit(&words[from], memory_order_relaxed) != vacant)
		from++;
	return from;
}

static int occupy_between(struct ferry_segment *segment, uint32_t head, uint64_t slab,
			  uint32_t from, uint32_t to, uint64_t *ret_offset)
{
	uint32_t class = fy_word_class(slab);
	struct fy_block first;

	fy_block_at(segment, head, slab, 0, &first);
	uint64_t vacant = fy_word_settled(FY_BLOCK_VACANT, first.generation) ^ first.key;
	while ((from = next_vacant(first.word, vacant, from, to)) < to) {
		if (occupy(segment, head, slab, from, ret_offset)) {
			hint_store(&segment->current[class], hint_to(head, from + 1));
			return 1;
		}
		from++;
	}
	return 0;
}

/* Own any block of a slab, beginning the search at index from. */
static int occupy_any(struct ferry_segment *segment, uint32_t head, uint64_t slab, uint32_t from,
		      uint64_t *ret_offset)
{
	uint32_t blocks = segment->classes[fy_word_class(slab)].blocks;

	if (occupy_between(segment, head, slab, from, blocks, ret_offset) ||
	    occupy_between(segment, head, slab, 0, from < blocks ? from : blocks, ret_offset))
		return 1;
	if (room_for_us(segment, head))
		room_store(segment, head, ROOM_NONE);
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
		if ((all || room_for_us(segment, page)) && is_slab_of(segment, page, word, class) &&
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
	room_store(segment, head, room_mine(segment));
	(void)fy_page_move(segment, head, fy_word_owned(FY_PAGE_GATHERING, fy_arena_me(segment)),
			   slab);
	return occupy_any(segment, head, slab, 0, ret_offset);
}

int fy_slab_allocate(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset)
{
	if (occupy_freed(segment, class, ret_offset))
		return 0;
	uint64_t current = hint_load(&segment->current[class]);
	uint32_t head = current ? (uint32_t)(current >> 32) - 1 : 0;
	if (current) {
		uint64_t slab = fy_page_load(segment, head);
		if (room_for_us(segment, head) && is_slab_of(segment, head, slab, class) &&
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
	if (room_load(segment, block->head) == ROOM_NONE)
		room_store(segment, block->head, ROOM_ANYBODY);
	/* RELAXED(a hint) */
	uint32_t top =
	    atomic_load_explicit(&segment->freed_top[block->class], memory_order_relaxed);
	hint_store(&segment->freed[block->class][top % FY_FREED],
		   hint_to(block->head, block->index));
	/* RELAXED(a hint) */
	atomic_store_explicit(&segment->freed_top[block->class], top + 1, memory_order_relaxed);
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
