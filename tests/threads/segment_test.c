/* SPDX-License-Identifier: MIT */
/* Threads of one handle in an arena. What they write into blocks is plain memory, so that the
 * thread sanitizer says what publishing, taking, freeing and allocating do not order. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "claim.h"
#include "crew.h"

enum { THREADS = 4, BLOCKS = 3000, IN_HAND = 8, PHASES = 6, PAGE = 4096 };

static ferry_segment *segment;

static void begin(uint64_t bytes, uint64_t max_bytes)
{
	check_eq(ferry_segment_open(
		     &segment, "arena",
		     FERRY_SEGMENT_OPTIONS(.bytes = bytes, .max_bytes = max_bytes, .arena = 1)),
		 0);
}

static void end(void)
{
	ferry_segment_close(segment);
	check_eq(ferry_remove("arena", NULL), 0);
}

static unsigned char *bytes_of(ferry_reference block, size_t size)
{
	unsigned char *bytes = ferry_segment_pointer(segment, block, size, 1);

	check(bytes);
	return bytes;
}

static ferry_reference make(size_t size, unsigned char with)
{
	ferry_reference block = 0;

	check_eq(ferry_segment_allocate(segment, size, &block), 0);
	memset(bytes_of(block, size), with, size);
	return block;
}

static void check_filled(ferry_reference block, size_t size, unsigned char with)
{
	const unsigned char *bytes = bytes_of(block, size);

	for (size_t i = 0; i < size; i++)
		check_eq(bytes[i], with);
}

/* ---- what is freed by one is allocated by another ---- */

/* In each phase another size, so that slabs come and go. */
static size_t size_in(int phase, int i)
{
	static const size_t sizes[PHASES] = { 32, 200, 1000, 3000, 24, 9000 };

	return sizes[phase] + (size_t)(i % 8);
}

static void come_and_go(const struct crew_member *member)
{
	ferry_reference hand[IN_HAND] = { 0 };
	size_t size[IN_HAND] = { 0 };
	unsigned char mark = (unsigned char)(member->number + 1);

	for (int i = 0; i < BLOCKS; i++) {
		int slot = i % IN_HAND;

		if (hand[slot]) {
			check_filled(hand[slot], size[slot], mark);
			check_eq(ferry_segment_free(segment, hand[slot]), 0);
		}
		size[slot] = size_in(i * PHASES / BLOCKS, i);
		hand[slot] = make(size[slot], mark);
	}
	for (int slot = 0; slot < IN_HAND; slot++)
		check_eq(ferry_segment_free(segment, hand[slot]), 0);
}

static void freed_memory_is_handed_on_in_order(void)
{
	struct ferry_segment_stat stat;

	begin(1 << 20, 0);
	crew_run(THREADS, come_and_go, NULL);
	check_eq(ferry_segment_stat(segment, &stat), 0);
	check_eq(stat.blocks, 0);
	end();
}

/* ---- what is published by one is read by another ---- */

static ferry_reference *place_of(int number)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	ferry_reference *place;

	check_eq(ferry_segment_root(segment, names[number], &place), 0);
	return place;
}

static void publish_on(const struct crew_member *member)
{
	ferry_reference *place = place_of(member->number);

	for (int i = 0; i < BLOCKS; i++) {
		ferry_reference block = make(size_in(i % PHASES, i), (unsigned char)i);

		while (ferry_reference_load(place) != 0)
			sched_yield();
		check_eq(ferry_segment_publish(segment, block, place, 0), 0);
	}
}

static void take_on(const struct crew_member *member)
{
	ferry_reference *place = place_of(member->number);

	for (int i = 0; i < BLOCKS; i++) {
		ferry_reference block;

		while ((block = ferry_reference_load(place)) == 0)
			sched_yield();
		check_filled(block, size_in(i % PHASES, i), (unsigned char)i);
		/* The publisher may not have come to say that it is published: then it is settled.
		 */
		check_eq(ferry_segment_take(segment, place, block, 0), 0);
		memset(bytes_of(block, 8), 0, 8);
		check_eq(ferry_segment_free(segment, block), 0);
	}
}

static void published_memory_is_seen_whole(void)
{
	begin(1 << 20, 0);
	crew_run_two(THREADS / 2, publish_on, THREADS / 2, take_on, NULL);
	end();
}

/* ---- a list, names, growth, and one who looks ---- */

struct link {
	ferry_reference next;
	uint64_t number;
};

static void push_on(const struct crew_member *member)
{
	ferry_reference *head = place_of(0);

	for (int i = 0; i < BLOCKS / 4; i++) {
		ferry_reference block = make(sizeof(struct link), 0);
		struct link *link = ferry_segment_pointer(segment, block, sizeof *link, 8);
		int r;

		link->number = (uint64_t)member->number;
		do {
			link->next = ferry_reference_load(head);
			r = ferry_segment_publish(segment, block, head, link->next);
		} while (r == -EAGAIN);
		check_eq(r, 0);
	}
}

static void walk(const struct crew_member *member)
{
	const ferry_reference *head = place_of(0);

	(void)member;
	for (int i = 0; i < BLOCKS / 100; i++) {
		const struct link *link;

		for (ferry_reference r = ferry_reference_load(head); r; r = link->next) {
			link = ferry_segment_pointer(segment, r, sizeof *link, 8);
			check(link && link->number < THREADS);
		}
	}
}

static void a_list_is_whole_while_others_push(void)
{
	struct ferry_segment_stat stat;

	begin(1 << 20, 0);
	crew_run_two(THREADS - 1, push_on, 1, walk, NULL);
	check_eq(ferry_segment_stat(segment, &stat), 0);
	check_eq(stat.blocks, (THREADS - 1) * (BLOCKS / 4) + 1); /* and the root */
	end();
}

static void grow_on(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < 40; i++) {
		size_t size = ferry_segment_size(segment);
		int r = ferry_segment_grow(segment, size + PAGE);

		check(r == 0 || r == -ERANGE);
		check(r < 0 || ferry_segment_size(segment) >= size + PAGE);
	}
}

static void look_on(const struct crew_member *member)
{
	struct ferry_segment_stat stat;

	(void)member;
	for (int i = 0; i < BLOCKS / 30; i++)
		check_eq(ferry_segment_stat(segment, &stat), 0);
}

static void name_all(const struct crew_member *member)
{
	for (int i = 0; i < 40; i++)
		check(place_of((member->number + i) % 4) == place_of((member->number + i) % 4));
	grow_on(member);
	come_and_go(member);
}

static void growing_and_looking_disturb_nobody(void)
{
	struct ferry_segment_stat stat;

	begin(1 << 20, 2 << 20);
	crew_run_two(THREADS - 1, name_all, 1, look_on, NULL);
	check_eq(ferry_segment_stat(segment, &stat), 0);
	check_eq(stat.blocks, 4); /* the roots */
	end();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(freed_memory_is_handed_on_in_order),
		claim(published_memory_is_seen_whole),
		claim(a_list_is_whole_while_others_push),
		claim(growing_and_looking_disturb_nobody),
	};

	return claim_run_all(claims);
}
