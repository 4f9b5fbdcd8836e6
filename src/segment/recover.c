/* SPDX-License-Identifier: MIT */
/*
 * recover.c - giving back what a dead member held in a segment: models/arena.pml, models/runs.pml.
 *
 * May be run by several at once, killed and stopped anywhere: each step is a compare-and-swap from
 * a word that only the dead member could have left, made after seeing that it is still the dead
 * one's turn (docs/formats/object.md).
 */
#include "../sync/recover.h"
#include "../os/clock.h"
#include "arena.h"

#define CARE_EVERY (10 * FY_MS)

struct burial {
	struct ferry_segment *segment;
	struct fy_owner owner;
	uint32_t slot;
	uint64_t dead; /* the member's state word */
};

static int is_theirs(const struct burial *b, uint64_t word)
{
	/* The word first, then whether its owner is that dead one: object.md says why. */
	return fy_word_is_of(word, b->owner) &&
	       fy_member_load(&b->segment->object, b->slot) == b->dead;
}

/* Was it published, or not taken out: does the place hold it? */
static int is_in_place(const struct burial *b, const struct fy_block *block, uint64_t word)
{
	uint64_t place = fy_word_place(word);

	return fy_word_has_place(word) && fy_place_is_valid(b->segment, place) &&
	       fy_place_load(b->segment, place) == block->offset;
}

static void recover_block(const struct burial *b, const struct fy_block *block)
{
	uint64_t word = fy_block_load(block);

	if (!is_theirs(b, word))
		return;
	enum fy_segment_state state =
	    is_in_place(b, block, word) ? FY_BLOCK_PUBLISHED : FY_BLOCK_VACANT;
	/* Only while the slab is still the one that the word was found in. */
	if (fy_page_load(b->segment, block->head) != fy_word_slab(block->class, block->generation))
		return;
	if (fy_block_move(block, word, fy_word_settled(state, block->generation)) &&
	    state == FY_BLOCK_VACANT)
		fy_slab_note_free(b->segment, block);
}

static void recover_slab(const struct burial *b, uint32_t head, uint64_t slab)
{
	uint32_t blocks = b->segment->classes[fy_word_class(slab)].blocks;
	struct fy_block block;

	for (uint32_t i = 0; i < blocks; i++) {
		fy_block_at(b->segment, head, slab, i, &block);
		recover_block(b, &block);
	}
}

/* A run that is one block, or on its way to be something or nothing. */
static void recover_run(const struct burial *b, uint32_t page, uint64_t word)
{
	struct ferry_segment *segment = b->segment;
	uint64_t releasing = fy_word_owned(FY_PAGE_RELEASING, b->owner);
	uint32_t n;
	uint32_t generation;

	if (fy_run_read(segment, page, word, &n, &generation) < 0 || !is_theirs(b, word))
		return;
	struct fy_block block = {
		.word = &segment->pages[page],
		.offset = segment->memory + ((uint64_t)page << segment->layout.page_log2),
		.generation = generation,
	};
	if (is_in_place(b, &block, word)) {
		(void)fy_block_move(&block, word, fy_word_settled(FY_BLOCK_PUBLISHED, generation));
		return;
	}
	if (fy_word_kind(word) == FY_PAGE_GATHERING || fy_word_kind(word) == FY_PAGE_RELEASING)
		releasing = word;
	/* From here on it is as if its owner had begun to give it back. */
	else if (!fy_block_move(&block, word, releasing))
		return;
	fy_run_release(segment, page, releasing);
}

static void recover_arena(const struct burial *b)
{
	struct ferry_segment *segment = b->segment;
	uint32_t pages = fy_arena_pages(segment);

	/* Every page: a length may change while we look at it, and nothing may be passed over. */
	for (uint32_t page = 0; page < pages; page++) {
		uint64_t word = fy_page_load(segment, page);
		if (fy_slab_is_sound(segment, page, word))
			recover_slab(b, page, word);
		else if (fy_word_is_of(word, b->owner))
			recover_run(b, page, word);
	}
}

int fy_segment_recover(struct fy_object *object, uint32_t slot, uint64_t dead)
{
	struct ferry_segment *segment = (struct ferry_segment *)object;
	struct burial burial = {
		.segment = segment,
		.owner = { slot + 1, fy_member_incarnation(dead) },
		.slot = slot,
		.dead = dead,
	};

	if (segment->layout.arena)
		recover_arena(&burial);
	return fy_sync_recover(&segment->sync, slot, dead);
}

int fy_arena_care(struct ferry_segment *segment)
{
	_Atomic uint64_t *cared_at = &segment->object.header->cared_at;
	int64_t now = fy_now_coarse();
	/* RELAXED(a time; at worst two of us look) */
	int64_t last = (int64_t)atomic_load_explicit(cared_at, memory_order_relaxed);

	/* A time ahead of ours was written before a reboot. */
	if (last <= now && now - last < CARE_EVERY)
		return 0;
	/* RELAXED(a time; at worst two of us look) */
	atomic_store_explicit(cared_at, (uint64_t)now, memory_order_relaxed);
	return fy_member_recover_all(&segment->object);
}
