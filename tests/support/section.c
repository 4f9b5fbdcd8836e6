/* SPDX-License-Identifier: MIT */
/* See section.h. */
#include "section.h"

#include "check.h"

ferry_segment *section_open(void)
{
	ferry_segment *segment;

	check_eq(ferry_segment_open(&segment, "section", NULL), 0);
	return segment;
}

struct section *section_of(ferry_segment *segment)
{
	return ferry_segment_address(segment);
}

ferry_segment *section_make(uint32_t value, int give_back, uint32_t parties)
{
	ferry_segment *segment;

	check_eq(ferry_segment_open(&segment, "section",
				    FERRY_SEGMENT_OPTIONS(.bytes = sizeof(struct section))),
		 0);
	struct section *s = section_of(segment);
	check_eq(ferry_lock_init(segment, &s->lock), 0);
	check_eq(ferry_lock_init(segment, &s->other), 0);
	check_eq(ferry_rwlock_init(segment, &s->rwlock), 0);
	check_eq(
	    ferry_semaphore_init(segment, &s->semaphore, value, give_back ? FERRY_GIVE_BACK : 0),
	    0);
	check_eq(ferry_condition_init(segment, &s->condition), 0);
	check_eq(ferry_barrier_init(segment, &s->barrier, parties), 0);
	check_eq(ferry_once_init(segment, &s->once), 0);
	return segment;
}

void section_end(ferry_segment *segment)
{
	ferry_segment_close(segment);
	check_eq(ferry_remove("section", NULL), 0);
}

static int look(ferry_segment *segment, const void *place, enum ferry_sync_role role,
		struct ferry_sync_entry *ret_entry)
{
	struct ferry_sync_entry entries[256];
	const int n = ferry_sync_list(segment, entries, 256);
	ferry_reference reference;
	int found = 0;

	check(n >= 0 && n <= 256);
	check_eq(ferry_segment_reference(segment, place, 64, &reference), 0);
	for (int i = 0; i < n; i++) {
		if (entries[i].place != reference || entries[i].role != role)
			continue;
		*ret_entry = entries[i];
		found++;
	}
	return found;
}

int section_count(ferry_segment *segment, const void *place, enum ferry_sync_role role)
{
	struct ferry_sync_entry entry;

	return look(segment, place, role, &entry);
}

struct ferry_sync_entry section_entry(ferry_segment *segment, const void *place,
				      enum ferry_sync_role role)
{
	struct ferry_sync_entry entry = { 0 };

	check_eq(look(segment, place, role, &entry), 1);
	return entry;
}
