/* SPDX-License-Identifier: MIT */
/* layout.h - where the parts of a segment lie. */
#ifndef FY_SEGMENT_LAYOUT_H
#define FY_SEGMENT_LAYOUT_H

#include <ferry/base.h>
#include <stdint.h>

#define FY_SEGMENT_LIMIT (UINT64_C(1) << 44) /* bytes of memory */

/* Offsets are from the beginning of the body. */
struct fy_segment_layout {
	uint64_t max_bytes;
	uint32_t arena;
	uint32_t page_log2; /* of the unit in which the memory is counted */
	uint64_t memory;    /* behind everything else */
};

/* From what a creator chose. 0, or -EINVAL with a sentence. */
int fy_segment_layout_compute(struct fy_segment_layout *ret_layout, uint64_t max_bytes, int arena,
			      struct ferry_why *why);

/* bytes, rounded up to whole pages of this layout. */
uint64_t fy_segment_whole_pages(const struct fy_segment_layout *layout, uint64_t bytes);

#endif
