/* SPDX-License-Identifier: MIT */
/* layout.h - where the parts of a segment lie. */
#ifndef FY_SEGMENT_LAYOUT_H
#define FY_SEGMENT_LAYOUT_H

#include <ferry/base.h>
#include <stdint.h>

#define FY_SEGMENT_LIMIT (UINT64_C(1) << 43) /* bytes of memory; a word has 41 bits for a place */

/* Offsets are from the beginning of the body. */
struct fy_segment_layout {
	uint64_t max_bytes;
	uint32_t arena;
	uint32_t page_log2; /* of the unit in which the memory is counted */
	uint64_t sync;      /* tables of locks and the like */
	uint32_t n_pages;   /* of an arena, when it is as large as it can be; otherwise 0 */
	uint64_t pages;     /* a word for each */
	uint64_t runs;      /* length and generation of the run that begins there */
	uint64_t rooms;     /* a byte: may the slab that begins there have room? */
	uint64_t memory;    /* behind everything else */
};

/* From what a creator chose. 0, or -EINVAL with a sentence. */
int fy_segment_layout_compute(struct fy_segment_layout *ret_layout, uint64_t max_bytes, int arena,
			      struct ferry_why *why);

/* bytes, rounded up to whole pages of this layout. */
uint64_t fy_segment_whole_pages(const struct fy_segment_layout *layout, uint64_t bytes);

#endif
