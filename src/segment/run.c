/* SPDX-License-Identifier: MIT */
/*
 * run.c - runs of neighbouring pages. Model: models/runs.pml.
 *
 * A run's first page is its head. The head is claimed first and freed last; in between each of the
 * other pages names the head and the run's generation, so that whatever is left half-way can be
 * taken apart by anybody who finds the head.
 */
#include "arena.h"

static uint64_t run_record(uint32_t generation, uint32_t n)
{
	return (uint64_t)generation << 32 | n;
}

int fy_run_read(const struct ferry_segment *segment, uint32_t page, uint64_t word, uint32_t *ret_n,
		uint32_t *ret_generation)
{
	/* SYNC(arena.run) acquire: pairs with the release in claim(). It is read before the head's
	 * word is read again, which tells whose it was. */
	uint64_t run = atomic_load_explicit(&segment->runs[page], memory_order_seq_cst);
	uint32_t n = (uint32_t)run;

	if (fy_page_load(segment, page) != word)
		return -EAGAIN;
	/* A length that cannot be is some peer's nonsense: then the head stands alone. */
	*ret_n = n == 0 || n > segment->layout.n_pages - page ? 1 : n;
	*ret_generation = (uint32_t)(run >> 32);
	return 0;
}

void fy_run_release(struct ferry_segment *segment, uint32_t head, uint64_t word)
{
	uint32_t n;
	uint32_t generation;

	if (fy_run_read(segment, head, word, &n, &generation) < 0)
		return;
	for (uint32_t i = 1; i < n; i++)
		(void)fy_page_move(segment, head + i, fy_word_body(head, generation), FY_PAGE_FREE);
	(void)fy_page_move(segment, head, word, FY_PAGE_FREE);
	/* RELAXED(a hint) */
	atomic_store_explicit(&segment->page_hint, head, memory_order_relaxed);
}

/* Make [head, head + n) ours, or none of it. */
static int claim(struct ferry_segment *segment, uint32_t head, uint32_t n, uint32_t *ret_generation)
{
	uint64_t gathering = fy_word_owned(FY_PAGE_GATHERING, fy_arena_me(segment));

	if (!fy_page_move(segment, head, FY_PAGE_FREE, gathering))
		return 0;
	/* RELAXED(only who has the head writes it) */
	uint64_t last = atomic_load_explicit(&segment->runs[head], memory_order_relaxed);
	uint32_t generation = (uint32_t)(last >> 32) + 1;
	/* SYNC(arena.run) release: pairs with the acquire in fy_run_read(). */
	atomic_store_explicit(&segment->runs[head], run_record(generation, n),
			      memory_order_seq_cst);
	for (uint32_t i = 1; i < n; i++) {
		if (fy_page_move(segment, head + i, FY_PAGE_FREE, fy_word_body(head, generation)))
			continue;
		fy_run_release(segment, head, gathering);
		return 0;
	}
	*ret_generation = generation;
	return 1;
}

static int search(struct ferry_segment *segment, uint32_t from, uint32_t to, uint32_t n,
		  uint32_t *ret_head, uint32_t *ret_generation)
{
	uint32_t free = 0;

	for (uint32_t page = from; page < to;) {
		uint64_t word = fy_page_load(segment, page);
		free = word == FY_PAGE_FREE ? free + 1 : 0;
		page += fy_run_stride(segment, page, word);
		if (free < n)
			continue;
		if (claim(segment, page - n, n, ret_generation)) {
			*ret_head = page - n;
			return 0;
		}
		free = 0;
	}
	return -ENOSPC;
}

int fy_run_gather(struct ferry_segment *segment, uint32_t n, uint32_t *ret_head,
		  uint32_t *ret_generation)
{
	uint32_t pages = fy_arena_pages(segment);
	/* RELAXED(a hint) */
	uint32_t hint = atomic_load_explicit(&segment->page_hint, memory_order_relaxed);

	if (n > pages)
		return -ENOSPC;
	if (hint > pages)
		hint = 0;
	int r = search(segment, hint, pages, n, ret_head, ret_generation);
	/* From the beginning to where a run that reaches past the hint would end. */
	if (r < 0 && hint > 0)
		r = search(segment, 0, hint < pages - n ? hint + n - 1 : pages, n, ret_head,
			   ret_generation);
	if (r == 0)
		/* RELAXED(a hint) */
		atomic_store_explicit(&segment->page_hint, *ret_head + n, memory_order_relaxed);
	return r;
}
