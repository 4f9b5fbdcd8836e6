/* SPDX-License-Identifier: MIT */
/*
 * entry.h - what a loop was told: one entry for each thing watched and each timer, found by its id.
 *
 * An id has the entry's place in the table and a count of those who had that place before. Entries
 * move when the table
 * grows: nobody keeps a pointer over a call of a user's function.
 */
#ifndef FY_LOOP_ENTRY_H
#define FY_LOOP_ENTRY_H

#include <ferry/loop.h>

enum fy_loop_kind { FY_LOOP_FREE, FY_LOOP_WATCH, FY_LOOP_TIMER };

#define FY_LOOP_NO_PLACE UINT32_MAX

struct fy_loop_entry {
	enum fy_loop_kind kind;
	uint32_t generation; /* 1 to INT32_MAX */
	uint32_t next_free;  /* FREE: the next one, or FY_LOOP_NO_PLACE */
	uint32_t heap_place; /* TIMER: where in the heap it is */
	void *arg;

	/* WATCH */
	ferry_loop_handler handler;
	uint32_t events;
	int key;        /* of the waiter */
	uint64_t since; /* the round in which it was made: news of that one are not for it */

	/* TIMER */
	ferry_loop_call call;
	int64_t first, due, every; /* due: stays in step with first */
	uint64_t made;             /* counts the timers: equal times keep this order */
};

struct fy_loop_table {
	struct fy_loop_entry *entry;
	uint32_t n, free; /* free: the first one, or FY_LOOP_NO_PLACE */
};

void fy_loop_table_init(struct fy_loop_table *table);
void fy_loop_table_end(struct fy_loop_table *table);

/* A new entry, zero but for its kind: its id, or -ENOMEM. */
ferry_loop_id fy_loop_entry_new(struct fy_loop_table *table, enum fy_loop_kind kind);

/* Of the entry at a place. */
ferry_loop_id fy_loop_entry_id(const struct fy_loop_table *table, uint32_t place);

/* What a waiter may keep instead of an id: it fits into a pointer everywhere. Of the entry that has
 * the place now: its id, or 0. */
void *fy_loop_entry_mark(ferry_loop_id id);
ferry_loop_id fy_loop_entry_marked(const struct fy_loop_table *table, void *mark);

/* NULL: there is no such one, or no more. Good until the table changes. */
struct fy_loop_entry *fy_loop_entry_find(const struct fy_loop_table *table, ferry_loop_id id);

void fy_loop_entry_free(struct fy_loop_table *table, ferry_loop_id id);

#endif
