/* SPDX-License-Identifier: MIT */
/*
 * timers.h - the timers of a loop in the order in which they are due: a binary heap of the places
 * of their entries. Each entry knows its place in the heap, so any can be taken out.
 */
#ifndef FY_LOOP_TIMERS_H
#define FY_LOOP_TIMERS_H

#include "entry.h"

struct fy_loop_timers {
	uint32_t *place; /* of entries, the earliest first */
	uint32_t n, room;
	uint64_t made;
};

void fy_loop_timers_end(struct fy_loop_timers *timers);

/* Put a timer in whose due time is set. 0 or -ENOMEM. */
int fy_loop_timers_add(struct fy_loop_timers *timers, struct fy_loop_table *table,
		       ferry_loop_id id);

void fy_loop_timers_remove(struct fy_loop_timers *timers, struct fy_loop_table *table,
			   ferry_loop_id id);

/* The time of one that is in the heap has been changed to a later one. */
void fy_loop_timers_moved(struct fy_loop_timers *timers, struct fy_loop_table *table,
			  ferry_loop_id id);

/* When the first one is due; FERRY_FOREVER if there is none. */
int64_t fy_loop_timers_due(const struct fy_loop_timers *timers, const struct fy_loop_table *table);

/* The first one; 0 if there is none. */
ferry_loop_id fy_loop_timers_first(const struct fy_loop_timers *timers,
				   const struct fy_loop_table *table);

#endif
