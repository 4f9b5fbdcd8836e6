/* SPDX-License-Identifier: MIT */
/* timers.c - a binary heap of timers. */
#include "timers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define FIRST 16

void fy_loop_timers_end(struct fy_loop_timers *timers)
{
	free(timers->place);
}

static struct fy_loop_entry *entry_at(const struct fy_loop_timers *timers,
				      const struct fy_loop_table *table, uint32_t at)
{
	return &table->entry[timers->place[at]];
}

static bool earlier(const struct fy_loop_timers *timers, const struct fy_loop_table *table,
		    uint32_t a, uint32_t b)
{
	const struct fy_loop_entry *x = entry_at(timers, table, a), *y = entry_at(timers, table, b);

	return x->due != y->due ? x->due < y->due : x->made < y->made;
}

static void swap(struct fy_loop_timers *timers, struct fy_loop_table *table, uint32_t a, uint32_t b)
{
	uint32_t place = timers->place[a];

	timers->place[a] = timers->place[b];
	timers->place[b] = place;
	entry_at(timers, table, a)->heap_place = a;
	entry_at(timers, table, b)->heap_place = b;
}

static void rise(struct fy_loop_timers *timers, struct fy_loop_table *table, uint32_t at)
{
	while (at > 0 && earlier(timers, table, at, (at - 1) / 2)) {
		swap(timers, table, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void sink(struct fy_loop_timers *timers, struct fy_loop_table *table, uint32_t at)
{
	for (;;) {
		uint32_t first = at;

		for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < timers->n; child++)
			if (earlier(timers, table, child, first))
				first = child;
		if (first == at)
			return;
		swap(timers, table, at, first);
		at = first;
	}
}

static int make_room(struct fy_loop_timers *timers)
{
	uint32_t room = timers->room ? timers->room * 2 : FIRST;
	uint32_t *place;

	if (timers->n < timers->room)
		return 0;
	place = reallocarray(timers->place, room, sizeof(*place));
	if (!place)
		return -ENOMEM;
	timers->place = place;
	timers->room = room;
	return 0;
}

int fy_loop_timers_add(struct fy_loop_timers *timers, struct fy_loop_table *table, ferry_loop_id id)
{
	struct fy_loop_entry *entry = fy_loop_entry_find(table, id);
	int e = make_room(timers);

	if (e < 0)
		return e;
	entry->made = timers->made++;
	entry->heap_place = timers->n;
	timers->place[timers->n++] = (uint32_t)id;
	rise(timers, table, timers->n - 1);
	return 0;
}

void fy_loop_timers_remove(struct fy_loop_timers *timers, struct fy_loop_table *table,
			   ferry_loop_id id)
{
	uint32_t at = fy_loop_entry_find(table, id)->heap_place, last = --timers->n;

	if (at == last)
		return;
	swap(timers, table, at, last);
	rise(timers, table, at);
	sink(timers, table, at);
}

void fy_loop_timers_moved(struct fy_loop_timers *timers, struct fy_loop_table *table,
			  ferry_loop_id id)
{
	sink(timers, table, fy_loop_entry_find(table, id)->heap_place);
}

int64_t fy_loop_timers_due(const struct fy_loop_timers *timers, const struct fy_loop_table *table)
{
	return timers->n ? entry_at(timers, table, 0)->due : FERRY_FOREVER;
}

ferry_loop_id fy_loop_timers_first(const struct fy_loop_timers *timers,
				   const struct fy_loop_table *table)
{
	return timers->n ? fy_loop_entry_id(table, timers->place[0]) : 0;
}
