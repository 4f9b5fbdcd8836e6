/* SPDX-License-Identifier: MIT */
/* layout.c - see layout.h. */
#include "layout.h"

#include <unistd.h>

#include "pipe.h"

#define RESERVE_MAX (UINT64_C(1) << 20)

uint64_t fy_page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t round_up(uint64_t bytes, uint64_t to)
{
	return (bytes + to - 1) / to * to;
}

/* A quarter of the capacity, as a power of two. */
static uint64_t reserve_max_for(uint64_t capacity)
{
	uint64_t max = FERRY_PIPE_BUF;

	while (2 * max <= capacity / 4 && max < RESERVE_MAX)
		max *= 2;
	return max;
}

uint64_t fy_pipe_control_end(uint32_t member_slots)
{
	return fy_object_body(member_slots, FY_PIPE_BELLS) + sizeof(struct fy_pipe_shm) +
	       member_slots * sizeof(struct fy_pipe_member_shm);
}

void fy_pipe_layout(struct fy_pipe_layout *ret_layout, uint64_t capacity, uint32_t member_slots)
{
	struct fy_pipe_layout l;
	uint64_t page = fy_page_bytes();

	l.capacity = round_up(capacity, page);
	l.reserve_max = reserve_max_for(l.capacity);
	/* Spare room for the holes of four stopped writers that hold the largest reservation, and
	 * of sixteen in atomic writes: they take nothing from the capacity. */
	l.ring_bytes =
	    round_up(l.capacity + 4 * l.reserve_max + UINT64_C(16) * FERRY_PIPE_BUF, page);
	l.ring = round_up(fy_pipe_control_end(member_slots), page);
	l.bytes = l.ring + l.ring_bytes - fy_object_body(member_slots, FY_PIPE_BELLS);
	*ret_layout = l;
}
