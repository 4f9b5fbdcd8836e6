/* SPDX-License-Identifier: MIT */
/* memory.h - the pages behind a segment's memory: how many, what size, present or locked. */
#ifndef FY_SEGMENT_MEMORY_H
#define FY_SEGMENT_MEMORY_H

#include "segment.h"

/* What the handle's flags ask for (huge pages, prefault, lock), for the memory from byte from on.
 * 0, or an error with a sentence. */
int fy_memory_as_wished(struct ferry_segment *segment, uint64_t from, struct ferry_why *why);

#endif
