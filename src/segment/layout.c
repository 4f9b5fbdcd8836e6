/* SPDX-License-Identifier: MIT */
/* layout.c - see layout.h; docs/formats/segment.md. */
#include "layout.h"

#include <errno.h>
#include <string.h>

#include "../base/why.h"
#include "../sync/sync_format.h"
#include "segment_format.h"

#define PAGE_LOG2  12u
#define PAGES_LOG2 18u /* an arena has no more pages than that, so that all can be looked at */

static uint64_t align(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

uint64_t fy_segment_whole_pages(const struct fy_segment_layout *layout, uint64_t bytes)
{
	return align(bytes, UINT64_C(1) << layout->page_log2);
}

int fy_segment_layout_compute(struct fy_segment_layout *ret_layout, uint64_t max_bytes, int arena,
			      struct ferry_why *why)
{
	struct fy_segment_layout *l = ret_layout;

	memset(l, 0, sizeof(*l));
	if (max_bytes == 0 || max_bytes > FY_SEGMENT_LIMIT)
		return fy_why(why, -EINVAL, "a segment has from 1 to 2^43 bytes, not %llu",
			      (unsigned long long)max_bytes);
	l->arena = arena != 0;
	l->page_log2 = PAGE_LOG2;
	while (arena && max_bytes >> l->page_log2 > UINT64_C(1) << PAGES_LOG2)
		l->page_log2++;
	l->max_bytes = fy_segment_whole_pages(l, max_bytes);
	l->sync = align(sizeof(struct fy_segment_shm), FY_LINE);
	l->n_pages = arena ? (uint32_t)(l->max_bytes >> l->page_log2) : 0;
	l->pages = align(l->sync + sizeof(struct fy_sync_shm), FY_LINE);
	l->runs = l->pages + align(l->n_pages * sizeof(uint64_t), FY_LINE);
	l->rooms = l->runs + align(l->n_pages * sizeof(uint64_t), FY_LINE);
	l->memory = align(l->rooms + l->n_pages, UINT64_C(1) << PAGE_LOG2);
	return 0;
}
