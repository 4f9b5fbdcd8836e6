/* SPDX-License-Identifier: MIT */
/* layout.h - where everything lies in a pipe, computed from its capacity. */
#ifndef FY_PIPE_LAYOUT_H
#define FY_PIPE_LAYOUT_H

#include <stdint.h>

struct fy_pipe_layout {
	uint64_t capacity; /* in whole pages */
	uint64_t reserve_max;
	uint64_t ring_bytes;
	uint64_t ring;  /* offset in the file */
	uint64_t bytes; /* of the body */
};

/* What a pipe is like that is made with that capacity, 1 to FY_PIPE_CAPACITY_MAX. */
void fy_pipe_layout(struct fy_pipe_layout *ret_layout, uint64_t capacity, uint32_t member_slots);

/* The least that a file must have before its ring. */
uint64_t fy_pipe_control_end(uint32_t member_slots);

uint64_t fy_page_bytes(void);

#endif
