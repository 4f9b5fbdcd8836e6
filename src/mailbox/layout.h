/* SPDX-License-Identifier: MIT */
/* layout.h - where everything lies in a mailbox, computed from the four numbers that decide it. */
#ifndef FY_LAYOUT_H
#define FY_LAYOUT_H

#include <ferry/base.h>

#include "mailbox_format.h"

#define FY_MAX_SIZE_LIMIT (UINT64_C(1) << 40)
#define FY_CAPACITY_LIMIT (1u << 20)

struct fy_layout_tier {
	uint64_t words;
	uint64_t units;
	uint64_t unit_bytes;
	uint32_t n;
};

/* Offsets count from the beginning of the body. */
struct fy_layout {
	uint64_t max_size;
	uint64_t memory;
	uint32_t capacity;
	uint32_t levels;
	uint32_t cells_log2;
	uint32_t n_tiers;
	uint64_t origin;
	uint64_t cells;
	uint64_t bytes;
	struct fy_layout_tier tiers[FY_TIERS_MAX]; /* smallest units first */
};

/* 0, or -EINVAL and a sentence: a number is out of range. */
int fy_layout_compute(struct fy_layout *ret_layout, uint64_t max_size, uint64_t memory,
		      uint32_t capacity, uint32_t levels, struct ferry_why *why);

#endif
