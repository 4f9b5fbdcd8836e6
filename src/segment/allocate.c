/* SPDX-License-Identifier: MIT */
/* allocate.c - allocating and freeing: a block of a slab, or a run of pages for itself. */
#include "../os/cancel.h"
#include "arena.h"

static int allocate_run(struct ferry_segment *segment, uint64_t size, uint64_t *ret_offset)
{
	uint32_t page_log2 = segment->layout.page_log2;
	/* Without overflow, whatever the size is. */
	uint64_t n = ((size - 1) >> page_log2) + 1;
	struct fy_owner me = fy_arena_me(segment);
	uint32_t head;
	uint32_t generation;

	if (n > segment->layout.n_pages ||
	    fy_run_gather(segment, (uint32_t)n, &head, &generation) < 0)
		return -ENOSPC;
	(void)fy_page_move(segment, head, fy_word_owned(FY_PAGE_GATHERING, me),
			   fy_word_owned(FY_BLOCK_OWNED, me));
	*ret_offset = segment->memory + ((uint64_t)head << page_log2);
	return 0;
}

static int allocate_once(struct ferry_segment *segment, uint64_t size, uint64_t *ret_offset)
{
	uint32_t class = fy_class_of(size);

	if (class != FY_CLASS_RUN && fy_slab_allocate(segment, class, ret_offset) == 0)
		return 0;
	return allocate_run(segment, size, ret_offset);
}

/* What is there is too small, or in the wrong pieces, or a dead member's. */
static FY_COLD int allocate_slow(struct ferry_segment *segment, uint64_t size, uint64_t *ret_offset)
{
	int cancel = fy_cancel_off();
	int r = -ENOSPC;

	if (fy_slab_reclaim(segment) > 0)
		r = allocate_once(segment, size, ret_offset);
	if (r < 0 && fy_arena_care(segment) > 0) {
		(void)fy_slab_reclaim(segment);
		r = allocate_once(segment, size, ret_offset);
	}
	for (uint32_t class = fy_class_of(size); r < 0 && class < FY_CLASSES; class ++)
		r = fy_slab_allocate_anywhere(segment, class, ret_offset);
	fy_cancel_restore(cancel);
	return r;
}

int fy_arena_allocate(struct ferry_segment *segment, uint64_t size, uint64_t *ret_offset)
{
	int r = allocate_once(segment, size, ret_offset);

	return FY_LIKELY(r == 0) ? 0 : allocate_slow(segment, size, ret_offset);
}

/* The door of the arena's calls. */
static int enter(struct ferry_segment *segment, uint32_t forbidden)
{
	if (!segment)
		return -EINVAL;
	int r = fy_segment_enter(segment, forbidden);
	return r == 0 && !segment->layout.arena ? -EOPNOTSUPP : r;
}

int ferry_segment_allocate(ferry_segment *segment, size_t size, ferry_reference *ret_reference)
{
	int r = enter(segment, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r < 0))
		return r;
	if (size == 0 || !ret_reference)
		return -EINVAL;
	uint64_t offset;
	r = fy_arena_allocate(segment, size, &offset);
	if (FY_UNLIKELY(fy_object_is_broken(&segment->object)))
		return -FERRY_ECORRUPT;
	if (r == 0)
		*ret_reference = offset;
	return r;
}

/* May we free a block that has this word? 0; 1: it has just been settled, look again. */
static int may_free(struct ferry_segment *segment, const struct fy_block *block, uint64_t word)
{
	switch (fy_word_kind(word)) {
	case FY_BLOCK_PUBLISHED:
		return fy_word_generation(word) == block->generation ? 0 : -FERRY_EBLOCK;
	case FY_BLOCK_OWNED:
		return fy_word_is_of(word, fy_arena_me(segment)) ? 0 : -EPERM;
	case FY_BLOCK_PUBLISHING:
		return fy_block_settle(segment, block, word) ? 1 : -EPERM;
	case FY_BLOCK_TAKING:
		return -EPERM;
	case FY_PAGE_FREE:
	case FY_PAGE_GATHERING:
	case FY_PAGE_RELEASING:
	case FY_PAGE_BODY:
	case FY_PAGE_SLAB:
	case FY_BLOCK_SEALED:
	case FY_BLOCK_VACANT:
	default:
		return -FERRY_EBLOCK;
	}
}

/* 0, -EAGAIN: the word has changed. */
static int let_go(struct ferry_segment *segment, const struct fy_block *block, uint64_t word)
{
	if (block->class != FY_CLASS_RUN) {
		if (!fy_block_move(block, word,
				   fy_word_settled(FY_BLOCK_VACANT, block->generation)))
			return -EAGAIN;
		fy_slab_note_free(segment, block);
		return 0;
	}
	uint64_t releasing = fy_word_owned(FY_PAGE_RELEASING, fy_arena_me(segment));
	if (!fy_block_move(block, word, releasing))
		return -EAGAIN;
	fy_run_release(segment, block->head, releasing);
	return 0;
}

int fy_arena_free(struct ferry_segment *segment, uint64_t reference)
{
	struct fy_block block;

	/* Each round is lost only to somebody who changed the word of this very block. */
	for (int i = 0; i < 16; i++) {
		int r = fy_block_find(segment, reference, &block);
		if (r < 0)
			return r;
		uint64_t word = fy_block_load(&block);
		r = may_free(segment, &block, word);
		if (r == 0)
			r = let_go(segment, &block, word);
		if (r <= 0 && r != -EAGAIN)
			return r;
	}
	return -FERRY_EBLOCK;
}

int ferry_segment_free(ferry_segment *segment, ferry_reference reference)
{
	int r = enter(segment, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r < 0))
		return r;
	return reference ? fy_arena_free(segment, reference) : 0;
}

int ferry_segment_block_size(ferry_segment *segment, ferry_reference reference, size_t *ret_size)
{
	struct fy_block block;
	int r = enter(segment, 0);

	if (r < 0)
		return r;
	if (!ret_size)
		return -EINVAL;
	r = fy_block_find(segment, reference, &block);
	if (r < 0)
		return r;
	enum fy_segment_state state = fy_word_kind(fy_block_load(&block));
	if (state < FY_BLOCK_OWNED || state > FY_BLOCK_TAKING)
		return -FERRY_EBLOCK;
	*ret_size = block.bytes;
	return 0;
}
