/* SPDX-License-Identifier: MIT */
/* entry.c - the table of what a loop was told. */
#include "entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 16

void fy_loop_table_init(struct fy_loop_table *table)
{
	*table = (struct fy_loop_table){ .free = FY_LOOP_NO_PLACE };
}

void fy_loop_table_end(struct fy_loop_table *table)
{
	free(table->entry);
}

/* Twice as many, the new ones free. */
static int grow(struct fy_loop_table *table)
{
	uint32_t n = table->n ? table->n * 2 : FIRST;
	struct fy_loop_entry *entry;

	if (n >= FY_LOOP_NO_PLACE / 2)
		return -ENOMEM;
	entry = reallocarray(table->entry, n, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	memset(entry + table->n, 0, (n - table->n) * sizeof(*entry));
	for (uint32_t i = n; i-- > table->n;) {
		entry[i].next_free = table->free;
		table->free = i;
	}
	table->entry = entry;
	table->n = n;
	return 0;
}

ferry_loop_id fy_loop_entry_id(const struct fy_loop_table *table, uint32_t place)
{
	return (int64_t)table->entry[place].generation << 32 | place;
}

ferry_loop_id fy_loop_entry_new(struct fy_loop_table *table, enum fy_loop_kind kind)
{
	int e = table->free == FY_LOOP_NO_PLACE ? grow(table) : 0;
	struct fy_loop_entry *entry;
	uint32_t place, generation;

	if (e < 0)
		return e;
	place = table->free;
	entry = &table->entry[place];
	table->free = entry->next_free;
	generation = entry->generation < INT32_MAX ? entry->generation + 1 : 1;
	*entry = (struct fy_loop_entry){ .kind = kind, .generation = generation };
	return fy_loop_entry_id(table, place);
}

void *fy_loop_entry_mark(ferry_loop_id id)
{
	return (void *)(uintptr_t)(uint32_t)id;
}

ferry_loop_id fy_loop_entry_marked(const struct fy_loop_table *table, void *mark)
{
	uint32_t place = (uint32_t)(uintptr_t)mark;

	return table->entry[place].kind == FY_LOOP_WATCH ? fy_loop_entry_id(table, place) : 0;
}

struct fy_loop_entry *fy_loop_entry_find(const struct fy_loop_table *table, ferry_loop_id id)
{
	uint32_t place = (uint32_t)id;

	if (id <= 0 || place >= table->n)
		return NULL;
	struct fy_loop_entry *entry = &table->entry[place];
	return entry->kind != FY_LOOP_FREE && fy_loop_entry_id(table, place) == id ? entry : NULL;
}

void fy_loop_entry_free(struct fy_loop_table *table, ferry_loop_id id)
{
	struct fy_loop_entry *entry = fy_loop_entry_find(table, id);

	if (!entry)
		return;
	entry->kind = FY_LOOP_FREE;
	entry->next_free = table->free;
	table->free = (uint32_t)id;
}
