/* SPDX-License-Identifier: MIT */
/* repair.c - cleaning up after the dead in a segment that nobody uses just now. */
#include <ferry/object.h>

#include "arena.h"

struct held {
	uint64_t blocks;
	uint64_t bytes;
};

static void add_held(struct held *held, uint64_t word, uint64_t bytes, struct fy_owner owner)
{
	if (!fy_word_is_of(word, owner))
		return;
	held->blocks++;
	held->bytes += bytes;
}

/* What a member holds alone. */
static void add_held_by(struct ferry_segment *segment, struct fy_owner owner, struct held *held)
{
	uint32_t pages = fy_arena_pages(segment);
	struct fy_block block;

	for (uint32_t page = 0; page < pages; page++) {
		uint64_t word = fy_page_load(segment, page);
		if (!fy_slab_is_sound(segment, page, word)) {
			uint32_t n = fy_run_stride(segment, page, word);
			add_held(held, word, (uint64_t)n << segment->layout.page_log2, owner);
			continue;
		}
		for (uint32_t i = 0; i < segment->classes[fy_word_class(word)].blocks; i++) {
			fy_block_at(segment, page, word, i, &block);
			add_held(held, fy_block_load(&block), block.bytes, owner);
		}
	}
}

/* What dead members hold; all of it is what their recovery frees, but for a block that one of them
 * was just publishing. */
static void preview(struct ferry_segment *segment, struct ferry_repair *repair)
{
	struct fy_object *object = &segment->object;
	struct held held = { 0 };

	for (uint32_t slot = 0; slot < object->member_slots; slot++) {
		if (!fy_member_looks_dead(object, slot))
			continue;
		struct fy_owner owner = { slot + 1,
					  fy_member_incarnation(fy_member_load(object, slot)) };
		repair->members++;
		if (segment->layout.arena)
			add_held_by(segment, owner, &held);
	}
	repair->blocks = (uint32_t)held.blocks;
	repair->bytes = held.bytes;
}

int fy_segment_repair(const char *location, int dry_run, struct ferry_repair *result,
		      struct ferry_why *why)
{
	struct ferry_segment *segment;
	int r = fy_segment_open_unjoined(&segment, location, dry_run, why);

	if (r < 0)
		return r;
	preview(segment, result);
	if (!dry_run) {
		r = fy_member_recover_all(&segment->object);
		result->members = r > 0 ? (uint32_t)r : 0;
	}
	ferry_segment_close(segment);
	return r < 0 ? r : 0;
}
