/* SPDX-License-Identifier: MIT */
/*
 * arena.h - allocating inside a segment: pages, runs of pages, slabs of equal blocks.
 *
 * Protocol: docs/formats/segment.md; models: models/arena.pml, models/runs.pml. No step takes a
 * lock: each is a compare-and-swap of one word, which says whose the page or block is.
 */
#ifndef FY_ARENA_H
#define FY_ARENA_H

#include "segment.h"
#include "word.h"

#define FY_ROOT_NODE_BYTES 64u

/* A block, as a reference leads to it. */
struct fy_block {
	_Atomic uint64_t *word;
	uint64_t key; /* what the word is combined with */
	uint64_t offset;
	uint64_t bytes;
	uint32_t head; /* first page of its run */
	uint32_t generation;
	uint32_t class; /* FY_CLASS_RUN: the run is the block */
	uint32_t index;
};

#define FY_CLASS_RUN FY_CLASSES

static inline struct fy_owner fy_arena_me(const struct ferry_segment *segment)
{
	return (struct fy_owner){ segment->object.slot + 1, segment->object.incarnation };
}

static inline uint32_t fy_arena_pages(struct ferry_segment *segment)
{
	return (uint32_t)(fy_segment_bytes(segment) >> segment->layout.page_log2);
}

static inline uint64_t fy_page_load(const struct ferry_segment *segment, uint32_t page)
{
	/* SYNC(arena.page) acquire: pairs with fy_page_move(): a slab's words are initialised, a
	 * run's length is written. Sequentially consistent with the places, see publish.c. */
	return atomic_load_explicit(&segment->pages[page], memory_order_seq_cst);
}

static inline int fy_page_move(struct ferry_segment *segment, uint32_t page, uint64_t from,
			       uint64_t to)
{
	/* SYNC(arena.page) acq_rel: pairs with fy_page_load() and itself. What its owner did with
	 * the page's bytes is over, or done. */
	return atomic_compare_exchange_strong_explicit(&segment->pages[page], &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

static inline uint64_t fy_block_load(const struct fy_block *block)
{
	/* SYNC(arena.block) acquire: pairs with fy_block_move(). */
	return atomic_load_explicit(block->word, memory_order_seq_cst) ^ block->key;
}

static inline int fy_block_move(const struct fy_block *block, uint64_t from, uint64_t to)
{
	from ^= block->key;
	/* SYNC(arena.block) acq_rel: pairs with fy_block_load() and itself: what its owner did with
	 * the block's bytes is over. Sequentially consistent, see publish.c. */
	return atomic_compare_exchange_strong_explicit(block->word, &from, to ^ block->key,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* ---- arena.c ---- */

/* Set up the handle's part. */
void fy_arena_attach(struct ferry_segment *segment);

/* The block that begins at a reference. 0; -FERRY_EBLOCK: none does. */
int fy_block_find(struct ferry_segment *segment, uint64_t reference, struct fy_block *ret_block);

/* The index-th block of a slab, whose page word says class and generation. */
void fy_block_at(const struct ferry_segment *segment, uint32_t head, uint64_t slab, uint32_t index,
		 struct fy_block *ret_block);

/* Does the run that begins at head and is said to be a slab by word lie within the memory? */
int fy_slab_is_sound(struct ferry_segment *segment, uint32_t head, uint64_t word);

/* What a place in the segment holds. offset must be a valid place. */
uint64_t fy_place_load(const struct ferry_segment *segment, uint64_t offset);
int fy_place_is_valid(struct ferry_segment *segment, uint64_t offset);

/* The smallest class for size bytes; FY_CLASS_RUN: none. */
uint32_t fy_class_of(uint64_t size);

/* How far to the next page that can begin something, when page has this word. */
uint32_t fy_run_stride(const struct ferry_segment *segment, uint32_t page, uint64_t word);

/* ---- run.c ---- */

/* Find n free pages in a row and gather them: the head is GATHERING for us. 0 or -ENOSPC. */
int fy_run_gather(struct ferry_segment *segment, uint32_t n, uint32_t *ret_head,
		  uint32_t *ret_generation);

/* Free a run whose head has this word, GATHERING or RELEASING; any number may do it at once. */
void fy_run_release(struct ferry_segment *segment, uint32_t head, uint64_t word);

/* Length and generation of the run that begins at page while its word is still word. 0, or -EAGAIN
 * if the word has changed. */
int fy_run_read(const struct ferry_segment *segment, uint32_t page, uint64_t word, uint32_t *ret_n,
		uint32_t *ret_generation);

/* ---- slab.c ---- */

/* Own a block of the class. 0 or -ENOSPC. */
int fy_slab_allocate(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset);

/* The same among the slabs that exist, however long the search. */
int fy_slab_allocate_anywhere(struct ferry_segment *segment, uint32_t class, uint64_t *ret_offset);

/* A block has just become vacant. */
void fy_slab_note_free(struct ferry_segment *segment, const struct fy_block *block);

/* Give the pages of empty slabs back. Returns how many slabs there were. */
uint32_t fy_slab_reclaim(struct ferry_segment *segment);

/* ---- publish.c ---- */

/* If the block is being published into a place that holds it, it is published. 1 if something
 * changed. */
int fy_block_settle(struct ferry_segment *segment, const struct fy_block *block, uint64_t word);

int fy_block_publish(struct ferry_segment *segment, const struct fy_block *block, uint64_t place,
		     uint64_t expected);

/* ---- allocate.c ---- */

int fy_arena_allocate(struct ferry_segment *segment, uint64_t size, uint64_t *ret_offset);
int fy_arena_free(struct ferry_segment *segment, uint64_t reference);

/* ---- recover.c ---- */

/* Clean up after members that died, if nobody has looked in the last few ms. Returns how many. */
int fy_arena_care(struct ferry_segment *segment);

#endif
