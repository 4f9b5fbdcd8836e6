/* SPDX-License-Identifier: MIT */
/* stat.c - looking at a segment. */
#include "segment.h"

static void add_members(struct fy_object *object, struct ferry_segment_stat *stat)
{
	for (uint32_t slot = 0; slot < object->member_slots; slot++) {
		if (fy_member_status(fy_member_load(object, slot)) == FY_MEMBER_FREE)
			continue;
		if (fy_member_looks_dead(object, slot))
			stat->members_dead++;
		else
			stat->members_alive++;
	}
}

int ferry_segment_stat(ferry_segment *segment, struct ferry_segment_stat *ret_stat)
{
	if (!segment || !ret_stat)
		return -EINVAL;
	int r = fy_segment_enter(segment, 0);
	if (r < 0)
		return r;
	struct ferry_segment_stat stat = {
		.bytes = fy_segment_bytes(segment),
		.max_bytes = segment->layout.max_bytes,
		.arena = (int)segment->layout.arena,
		/* RELAXED(a counter to look at) */
		.recovered =
		    atomic_load_explicit(&segment->object.header->recovered, memory_order_relaxed),
	};
	add_members(&segment->object, &stat);
	if (fy_object_is_broken(&segment->object))
		return -FERRY_ECORRUPT;
	*ret_stat = stat;
	return 0;
}
