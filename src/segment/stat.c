/* SPDX-License-Identifier: MIT */
/* stat.c - looking at a segment. */
#include "../sync/count.h"
#include "arena.h"

static void add_members(struct fy_object *object, struct ferry_segment_stat *stat)
{
	for (uint32_t slot = 0; slot < object->member_slots; slot++) {
		if (fy_member_status(fy_member_load(object, slot)) == FY_MEMBER_FREE)
			continue;
		if (fy_member_looks_dead(object, slot))
			stat->members_dead++;
		else
			stat->members_alive++;
	}
}

static void add_block(struct ferry_segment_stat *stat, uint64_t word, uint64_t bytes)
{
	if (fy_word_kind(word) == FY_BLOCK_VACANT) {
		stat->free_bytes += bytes;
		if (bytes > stat->largest_free)
			stat->largest_free = bytes;
		return;
	}
	stat->blocks++;
	stat->block_bytes += bytes;
	if (fy_word_kind(word) != FY_BLOCK_PUBLISHED && fy_word_kind(word) != FY_BLOCK_TAKING) {
		stat->unpublished++;
		stat->unpublished_bytes += bytes;
	}
}

static void add_slab(struct ferry_segment *segment, uint32_t head, uint64_t slab,
		     struct ferry_segment_stat *stat)
{
	struct fy_block block;

	for (uint32_t i = 0; i < segment->classes[fy_word_class(slab)].blocks; i++) {
		fy_block_at(segment, head, slab, i, &block);
		add_block(stat, fy_block_load(&block), block.bytes);
	}
}

static void add_pages(struct ferry_segment *segment, struct ferry_segment_stat *stat)
{
	uint32_t pages = fy_arena_pages(segment);
	uint32_t page_log2 = segment->layout.page_log2;
	uint64_t free = 0;

	for (uint32_t page = 0; page < pages;) {
		uint64_t word = fy_page_load(segment, page);
		uint32_t stride = fy_run_stride(segment, page, word);
		free = word == FY_PAGE_FREE ? free + (UINT64_C(1) << page_log2) : 0;
		if (word == FY_PAGE_FREE)
			stat->free_pages_bytes += UINT64_C(1) << page_log2;
		if (free > stat->largest_free)
			stat->largest_free = free;
		if (fy_slab_is_sound(segment, page, word))
			add_slab(segment, page, word, stat);
		else if (fy_word_kind(word) >= FY_BLOCK_OWNED)
			add_block(stat, word, (uint64_t)stride << page_log2);
		page += stride;
	}
	stat->free_bytes += stat->free_pages_bytes;
}

int ferry_segment_stat(ferry_segment *segment, struct ferry_segment_stat *ret_stat)
{
	if (!segment || !ret_stat)
		return -EINVAL;
	int r = fy_segment_enter(segment, 0);
	if (r < 0)
		return r;
	struct ferry_segment_stat stat = {
		.bytes = fy_segment_bytes(segment),
		.max_bytes = segment->layout.max_bytes,
		.arena = (int)segment->layout.arena,
		/* RELAXED(a counter to look at) */
		.recovered =
		    atomic_load_explicit(&segment->object.header->recovered, memory_order_relaxed),
	};
	add_members(&segment->object, &stat);
	if (segment->layout.arena)
		add_pages(segment, &stat);
	struct fy_sync_count count;
	fy_sync_count(&segment->sync, &count);
	stat.locks = count.primitives;
	stat.lock_holders = count.holders;
	stat.lock_waiters = count.waiters;
	if (fy_object_is_broken(&segment->object))
		return -FERRY_ECORRUPT;
	*ret_stat = stat;
	return 0;
}
