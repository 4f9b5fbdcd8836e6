/* SPDX-License-Identifier: MIT */
/* The arena of a segment: blocks, publishing, roots, and what death leaves of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_SEGMENT_OPTIONS
#define MIB     (1u << 20)

static ferry_segment *open_arena(uint64_t bytes)
{
	ferry_segment *segment = NULL;

	check_eq(ferry_segment_open(&segment, "s", OPTIONS(.bytes = bytes, .arena = bytes != 0)),
		 0);
	return segment;
}

static void end_arena(ferry_segment *segment)
{
	ferry_segment_close(segment);
	box_remove("s");
}

static ferry_reference allocate(ferry_segment *segment, size_t size)
{
	ferry_reference reference = 0;

	check_eq(ferry_segment_allocate(segment, size, &reference), 0);
	check(reference != 0);
	return reference;
}

static void *at(ferry_segment *segment, ferry_reference reference, size_t size)
{
	void *address = ferry_segment_pointer(segment, reference, size, 1);

	check(address);
	return address;
}

static struct ferry_segment_stat stat_of(ferry_segment *segment)
{
	struct ferry_segment_stat stat;

	check_eq(ferry_segment_stat(segment, &stat), 0);
	return stat;
}

static ferry_reference *root(ferry_segment *segment, const char *name)
{
	ferry_reference *place = NULL;

	check_eq(ferry_segment_root(segment, name, &place), 0);
	return place;
}

/* A generator per process, so that a seed gives the same run again. */
static uint64_t state = 1;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* ---- blocks ---- */

static void every_size_is_aligned_and_large_enough(void)
{
	ferry_segment *segment = open_arena(4 * MIB);

	for (size_t size = 1; size < 20000; size += size < 5000 ? 1 : 501) {
		ferry_reference reference = allocate(segment, size);
		size_t has = 0;
		check_eq(ferry_segment_block_size(segment, reference, &has), 0);
		check(has >= size);
		check(size > 48 || has < size + 16);
		check_eq(reference % (size < 64 ? 16 : 64), 0);
		check(size <= 4096 || reference % 4096 == 0);
		memset(at(segment, reference, has), 1, has);
		check_eq(ferry_segment_free(segment, reference), 0);
	}
	check_eq(stat_of(segment).blocks, 0);
	end_arena(segment);
}

enum { LIVE = 600 };

struct piece {
	ferry_reference reference;
	size_t size;
	unsigned char mark;
};

static void fill_piece(ferry_segment *segment, struct piece *piece)
{
	memset(at(segment, piece->reference, piece->size), piece->mark, piece->size);
}

static void check_piece(ferry_segment *segment, const struct piece *piece)
{
	const unsigned char *bytes = at(segment, piece->reference, piece->size);

	for (size_t i = 0; i < piece->size; i++)
		check(bytes[i] == piece->mark);
}

/* Allocate and free at random; what lies in a block is nobody else's. */
static void churn(ferry_segment *segment, struct piece *pieces, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		struct piece *piece = &pieces[any() % LIVE];
		if (piece->reference) {
			check_piece(segment, piece);
			check_eq(ferry_segment_free(segment, piece->reference), 0);
			piece->reference = 0;
			continue;
		}
		piece->size = 1 + any() % (any() % 50 ? 300 : 30000);
		piece->mark = (unsigned char)any();
		if (ferry_segment_allocate(segment, piece->size, &piece->reference) == 0)
			fill_piece(segment, piece);
		else
			piece->reference = 0;
	}
}

static void free_pieces(ferry_segment *segment, struct piece *pieces)
{
	for (int i = 0; i < LIVE; i++)
		if (pieces[i].reference) {
			check_piece(segment, &pieces[i]);
			check_eq(ferry_segment_free(segment, pieces[i].reference), 0);
		}
}

static void no_block_overlaps_another(void)
{
	static struct piece pieces[LIVE];
	ferry_segment *segment = open_arena(MIB);

	churn(segment, pieces, 100000);
	free_pieces(segment, pieces);
	check_eq(stat_of(segment).blocks, 0);
	end_arena(segment);
}

static void churn_in_peer(struct stage *stage, const void *argument)
{
	static struct piece pieces[LIVE];
	ferry_segment *segment = open_arena(0);

	state = 99 + *(const unsigned *)argument;
	stage_meet(stage, 1);
	churn(segment, pieces, 50000);
	free_pieces(segment, pieces);
	ferry_segment_close(segment);
}

static void several_processes_share_it(void)
{
	static const unsigned number[] = { 0, 1, 2, 3 };
	ferry_segment *segment = open_arena(MIB);
	struct peer peers[4];

	for (int i = 0; i < 4; i++)
		peer_start(&peers[i], churn_in_peer, &number[i]);
	for (int i = 0; i < 4; i++) {
		peer_await(&peers[i], 1);
		peer_allow(&peers[i], 1);
	}
	for (int i = 0; i < 4; i++)
		peer_join(&peers[i]);
	check_eq(stat_of(segment).blocks, 0);
	(void)allocate(segment, MIB - 16 * 4096);
	end_arena(segment);
}

static void one_block_may_be_nearly_all_of_it(void)
{
	ferry_segment *segment = open_arena(MIB);
	ferry_reference reference = allocate(segment, MIB);

	memset(at(segment, reference, MIB), 7, MIB);
	check_eq(ferry_segment_allocate(segment, 1, &reference), -ENOSPC);
	check_eq(ferry_segment_free(segment, reference), 0);
	check_eq(ferry_segment_allocate(segment, MIB + 1, &reference), -ENOSPC);
	check_eq(ferry_segment_allocate(segment, SIZE_MAX, &reference), -ENOSPC);
	(void)allocate(segment, MIB);
	end_arena(segment);
}

static void pages_of_empty_slabs_go_back(void)
{
	static const size_t sizes[] = { 16, 48, 200, 1000, 3000 };
	static ferry_reference blocks[70000];
	ferry_segment *segment = open_arena(MIB);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t n = 0;
		while (ferry_segment_allocate(segment, sizes[i], &blocks[n]) == 0)
			n++;
		check(n * sizes[i] > MIB / 2);
		check_eq(stat_of(segment).blocks, n);
		for (size_t k = 0; k < n; k++)
			check_eq(ferry_segment_free(segment, blocks[k]), 0);
		const ferry_reference all = allocate(segment, MIB);
		check_eq(ferry_segment_free(segment, all), 0);
	}
	end_arena(segment);
}

static void mistakes_in_freeing_are_errors_and_change_nothing(void)
{
	ferry_segment *segment = open_arena(MIB);
	const ferry_reference small = allocate(segment, 100);
	const ferry_reference large = allocate(segment, 10000);
	const ferry_reference neighbour = allocate(segment, 100);
	const struct ferry_segment_stat before = stat_of(segment);
	struct ferry_segment_stat after;
	ferry_reference first;

	check_eq(ferry_segment_free(segment, 0), 0);
	for (int k = 1; k < 128; k++)
		check_eq(ferry_segment_free(segment, small + (unsigned)k), -FERRY_EBLOCK);
	for (ferry_reference k = 1; k < 12288; k += 59)
		check_eq(ferry_segment_free(segment, large + k), -FERRY_EBLOCK);
	check_eq(ferry_segment_reference(segment, ferry_segment_address(segment), 1, &first), 0);
	check_eq(ferry_segment_free(segment, first - 64), -FERRY_EBLOCK);
	check_eq(ferry_segment_free(segment, first + MIB), -FERRY_EBLOCK);
	check_eq(ferry_segment_free(segment, 1), -FERRY_EBLOCK);
	for (int bit = 0; bit < 64; bit++)
		if ((small ^ UINT64_C(1) << bit) != neighbour)
			check_eq(ferry_segment_free(segment, small ^ UINT64_C(1) << bit),
				 -FERRY_EBLOCK);
	after = stat_of(segment);
	check(memcmp(&before, &after, sizeof before) == 0);
	check_eq(ferry_segment_free(segment, small), 0);
	check_eq(ferry_segment_free(segment, small), -FERRY_EBLOCK);
	check_eq(ferry_segment_free(segment, large), 0);
	check_eq(ferry_segment_free(segment, large), -FERRY_EBLOCK);
	size_t has;
	check_eq(ferry_segment_block_size(segment, large, &has), -FERRY_EBLOCK);
	check_eq(ferry_segment_free(segment, neighbour), 0);
	end_arena(segment);
}

static void calls_that_make_no_sense_are_refused(void)
{
	ferry_segment *segment = NULL;
	ferry_reference reference;
	ferry_reference *place;

	check_eq(ferry_segment_open(&segment, "plain", OPTIONS(.bytes = 4096)), 0);
	check_eq(ferry_segment_allocate(segment, 1, &reference), -EOPNOTSUPP);
	check_eq(ferry_segment_free(segment, 4096), -EOPNOTSUPP);
	check_eq(ferry_segment_root(segment, "x", &place), -EOPNOTSUPP);
	ferry_segment_close(segment);
	box_remove("plain");

	segment = open_arena(MIB);
	check_eq(ferry_segment_allocate(segment, 0, &reference), -EINVAL);
	check_eq(ferry_segment_allocate(segment, 1, NULL), -EINVAL);
	check_eq(ferry_segment_allocate(NULL, 1, &reference), -EINVAL);
	check_eq(ferry_segment_root(segment, "", &place), -EINVAL);
	check_eq(ferry_segment_root(segment, NULL, &place), -EINVAL);
	check_eq(
	    ferry_segment_root(segment, "0123456789012345678901234567890123456789abcdefgh", &place),
	    -EINVAL);
	check_eq(
	    ferry_segment_root(segment, "0123456789012345678901234567890123456789abcdefg", &place),
	    0);
	reference = allocate(segment, 16);
	check_eq(ferry_segment_publish(segment, reference, &reference, 0), -EFAULT);
	check_eq(ferry_segment_publish(segment, reference, NULL, 0), -EFAULT);
	check_eq(ferry_segment_publish(segment, reference,
				       (ferry_reference *)(void *)((char *)place + 1), 0),
		 -EFAULT);
	check_eq(ferry_segment_take(segment, place, reference, reference), -EINVAL);

	ferry_segment *look = NULL;
	check_eq(ferry_segment_open(&look, "s", OPTIONS(.flags = FERRY_READ_ONLY)), 0);
	check_eq(ferry_segment_allocate(look, 1, &reference), -EBADF);
	check_eq(ferry_segment_free(look, reference), -EBADF);
	check_eq(ferry_segment_root(look, "unknown", &place), -ENOENT);
	check_eq(
	    ferry_segment_root(look, "0123456789012345678901234567890123456789abcdefg", &place), 0);
	ferry_segment_close(look);
	end_arena(segment);
}

static void growing_makes_room(void)
{
	ferry_segment *segment = NULL;
	ferry_reference reference;

	check_eq(ferry_segment_open(&segment, "s",
				    OPTIONS(.bytes = 65536, .max_bytes = MIB, .arena = 1)),
		 0);
	const ferry_reference first = allocate(segment, 60000);
	memset(at(segment, first, 60000), 3, 60000);
	check_eq(ferry_segment_allocate(segment, 100000, &reference), -ENOSPC);
	check_eq(ferry_segment_grow(segment, MIB), 0);
	reference = allocate(segment, 900000);
	memset(at(segment, reference, 900000), 4, 900000);
	check(*(char *)at(segment, first, 1) == 3);
	end_arena(segment);
}

static void an_arena_of_gigabytes_has_larger_pages(void)
{
	ferry_segment *segment = NULL;

	check_eq(
	    ferry_segment_open(&segment, "s",
			       OPTIONS(.bytes = MIB, .max_bytes = UINT64_C(1) << 36, .arena = 1)),
	    0);
	check(box_look("s").file_bytes < 16 * MIB);
	for (size_t size = 1; size < 100000; size = size * 3 / 2 + 1)
		check_eq(ferry_segment_free(segment, allocate(segment, size)), 0);
	check_eq(stat_of(segment).blocks, 0);
	end_arena(segment);
}

/* ---- publishing ---- */

static void a_published_block_is_everybodys(void)
{
	ferry_segment *a = open_arena(MIB);
	ferry_segment *b = open_arena(0);
	ferry_reference *in_a = root(a, "data");
	ferry_reference *in_b = root(b, "data");
	const ferry_reference block = allocate(a, 100);

	strcpy(at(a, block, 100), "hello");
	check_eq(ferry_segment_free(b, block), -EPERM);
	check_eq(ferry_segment_publish(b, block, in_b, 0), -EPERM);
	check_eq(stat_of(a).unpublished, 1);
	check_eq(ferry_segment_publish(a, block, in_a, 12345), -EAGAIN);
	check_eq(ferry_reference_load(in_b), 0);
	check_eq(ferry_segment_publish(a, block, in_a, 0), 0);
	check_eq(stat_of(a).unpublished, 0);
	check_eq(ferry_reference_load(in_b), block);
	check(!strcmp(at(b, ferry_reference_load(in_b), 100), "hello"));
	check_eq(ferry_segment_publish(a, block, in_a, block), -FERRY_EBLOCK);
	ferry_segment_close(a);
	check_eq(stat_of(b).blocks, 2);
	check_eq(ferry_segment_take(b, in_b, block + 16, 0), -FERRY_EBLOCK);
	check_eq(ferry_segment_take(b, in_b, block, 0), 0);
	check_eq(ferry_reference_load(in_b), 0);
	check_eq(stat_of(b).unpublished, 1);
	check_eq(ferry_segment_take(b, in_b, block, 0), -EAGAIN);
	check_eq(ferry_segment_free(b, block), 0);
	check_eq(stat_of(b).blocks, 1);
	end_arena(b);
}

static void closing_frees_what_was_not_published(void)
{
	ferry_segment *a = open_arena(MIB);
	ferry_segment *b = open_arena(0);

	for (size_t size = 1; size < 50000; size = size * 2 + 1)
		(void)allocate(b, size);
	const ferry_reference kept = allocate(b, 5000);
	check_eq(ferry_segment_publish(b, kept, root(b, "kept"), 0), 0);
	ferry_segment_close(b);
	check_eq(stat_of(a).unpublished, 0);
	check_eq(stat_of(a).blocks, 2);
	check_eq(ferry_segment_free(a, kept), 0);
	end_arena(a);
}

static void names_lead_to_the_same_place(void)
{
	ferry_segment *a = open_arena(MIB);
	ferry_segment *b = open_arena(0);
	char name[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		ferry_reference *place = root(i % 2 ? a : b, name);
		check_eq(*place, 0);
		*place = (unsigned)i + 1000;
	}
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		check_eq(*root(i % 2 ? b : a, name), i + 1000);
	}
	check_eq(stat_of(a).blocks, 200);
	ferry_segment_close(b);
	end_arena(a);
}

enum { NAMES = 20 };

static void name_in_peer(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_arena(0);
	char name[32];

	(void)argument;
	stage_meet(stage, 1);
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		__atomic_fetch_add(root(segment, name), 1, __ATOMIC_SEQ_CST);
	}
	ferry_segment_close(segment);
}

static void a_name_is_never_there_twice(void)
{
	ferry_segment *segment = open_arena(MIB);
	char name[32];

	for (int round = 0; round < check_repeat(5, 50); round++) {
		struct peer peers[4];
		for (int i = 0; i < 4; i++)
			peer_start(&peers[i], name_in_peer, NULL);
		for (int i = 0; i < 4; i++)
			peer_await(&peers[i], 1);
		for (int i = 0; i < 4; i++)
			peer_allow(&peers[i], 1);
		for (int i = 0; i < 4; i++)
			peer_join(&peers[i]);
		for (int i = 0; i < NAMES; i++) {
			snprintf(name, sizeof name, "name-%d", i);
			check_eq(*root(segment, name), 4 * (round + 1));
		}
		check_eq(stat_of(segment).blocks, NAMES);
	}
	end_arena(segment);
}

/* ---- death ---- */

static void hold_and_wait(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_arena(0);

	for (size_t size = 1; size < 60000; size = size * 2 + 1)
		(void)allocate(segment, size);
	const ferry_reference shown = allocate(segment, 64);
	check_eq(ferry_segment_publish(segment, shown, root(segment, "shown"), 0), 0);
	(void)argument;
	stage_meet(stage, 1);
	stage_meet(stage, 2);
}

static void c5_a_dead_members_blocks_are_reclaimed(void)
{
	ferry_segment *segment = open_arena(MIB);
	struct ferry_repair repair;
	struct peer peer;

	peer_start(&peer, hold_and_wait, NULL);
	peer_await(&peer, 1);
	const struct ferry_segment_stat held = stat_of(segment);
	check(held.unpublished > 10);
	peer_kill(&peer);
	check_eq(ferry_object_repair("s", 1, &repair, NULL), 0);
	check_eq(repair.blocks, held.unpublished);
	check_eq(repair.bytes, held.unpublished_bytes);
	check_eq(stat_of(segment).unpublished, held.unpublished);
	repair = box_repair("s");
	check_eq(repair.members, 1);
	check_eq(repair.blocks, held.unpublished);
	check_eq(stat_of(segment).unpublished, 0);
	check_eq(stat_of(segment).blocks, 2);
	check_eq(stat_of(segment).recovered, 1);
	end_arena(segment);
}

static void fill_it(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_arena(0);
	ferry_reference reference;

	(void)argument;
	while (ferry_segment_allocate(segment, 5000, &reference) == 0)
		;
	stage_meet(stage, 1);
	stage_meet(stage, 2);
}

static void c5_who_runs_short_finds_what_the_dead_had(void)
{
	ferry_segment *segment = open_arena(MIB);
	ferry_reference reference;
	struct peer peer;

	peer_start(&peer, fill_it, NULL);
	peer_await(&peer, 1);
	check_eq(ferry_segment_allocate(segment, MIB / 2, &reference), -ENOSPC);
	peer_stop(&peer);
	/* A stopped process is not dead. */
	check_eq(ferry_segment_allocate(segment, MIB / 2, &reference), -ENOSPC);
	peer_kill(&peer);
	const int64_t until = clock_ns() + CHECK_AWAIT_NS;
	while (ferry_segment_allocate(segment, MIB / 2, &reference) != 0)
		check(clock_ns() < until);
	end_arena(segment);
}

struct link {
	ferry_reference next;
	uint64_t number;
	uint64_t again;
};

/* Push on a list, until the end of time. */
static void push(ferry_segment *segment, ferry_reference *head, uint64_t number)
{
	const ferry_reference block = allocate(segment, sizeof(struct link));
	struct link *link = at(segment, block, sizeof *link);
	int r;

	link->number = link->again = number;
	do {
		link->next = ferry_reference_load(head);
		r = ferry_segment_publish(segment, block, head, link->next);
		check(r == 0 || r == -EAGAIN);
	} while (r != 0);
}

static void push_in_peer(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_arena(0);
	ferry_reference *head = root(segment, "list");

	(void)argument;
	stage_reach(stage, 1);
	for (uint64_t i = 1; i <= 2000; i++) {
		push(segment, head, i);
		atomic_store(&stage->value[0], (int64_t)i);
	}
	stage_meet(stage, 2);
}

static uint64_t length(ferry_segment *segment, const ferry_reference *head)
{
	uint64_t n = 0;

	for (ferry_reference r = ferry_reference_load(head); r != 0; n++) {
		const struct link *link = at(segment, r, sizeof *link);
		check_eq(link->number, link->again);
		r = link->next;
	}
	return n;
}

static void c5_publishing_is_all_or_nothing(void)
{
	for (int round = 0; round < check_repeat(30, 1000); round++) {
		ferry_segment *segment = open_arena(MIB);
		ferry_reference *head = root(segment, "list");
		struct peer peers[3];
		uint64_t pushed = 0;

		for (int i = 0; i < 3; i++)
			peer_start(&peers[i], push_in_peer, NULL);
		for (int i = 0; i < 3; i++)
			peer_await(&peers[i], 1);
		for (int i = 0; i < 200; i++)
			push(segment, head, 77);
		for (int i = 0; i < 3; i++) {
			const struct stage *stage = peers[i].stage;
			kill(peers[i].pid, SIGKILL);
			await(process_state(peers[i].pid) == 'Z');
			pushed += (uint64_t)atomic_load(&stage->value[0]);
			peer_kill(&peers[i]);
		}
		box_repair("s");
		const struct ferry_segment_stat stat = stat_of(segment);
		const uint64_t n = length(segment, head);
		check(n >= pushed + 200 && n <= pushed + 203);
		check_eq(stat.unpublished, 0);
		check_eq(stat.blocks, n + 1);
		end_arena(segment);
	}
}

/* Move a block to and fro between two places, and count. */
static void move_in_peer(struct stage *stage, const void *argument)
{
	ferry_segment *segment = open_arena(0);
	ferry_reference *places[2] = { root(segment, "one"), root(segment, "two") };

	(void)argument;
	stage_reach(stage, 1);
	for (uint64_t i = 0;; i++) {
		ferry_reference *from = places[i % 2];
		const ferry_reference block = ferry_reference_load(from);
		if (block == 0)
			continue;
		check_eq(ferry_segment_take(segment, from, block, 0), 0);
		check_eq(ferry_segment_publish(segment, block, places[(i + 1) % 2], 0), 0);
	}
}

static void c5_taking_is_all_or_nothing(void)
{
	static const size_t sizes[] = { 64, 20000 };

	for (int round = 0; round < check_repeat(60, 2000); round++) {
		ferry_segment *segment = open_arena(MIB);
		ferry_reference *one = root(segment, "one");
		ferry_reference *two = root(segment, "two");
		struct peer peer;

		const ferry_reference block = allocate(segment, sizes[round % 2]);
		check_eq(ferry_segment_publish(segment, block, one, 0), 0);
		peer_start(&peer, move_in_peer, NULL);
		peer_await(&peer, 1);
		for (int i = 0; i < round % 7 * 100; i++)
			clock_ns();
		peer_kill(&peer);
		box_repair("s");
		const struct ferry_segment_stat stat = stat_of(segment);
		const int there = (*one != 0) + (*two != 0);
		check(there <= 1);
		check_eq(stat.blocks, 2 + there);
		check_eq(stat.unpublished, 0);
		check((*one | *two) == (there ? block : 0));
		(void)allocate(segment, MIB - 20000 - 2 * 65536);
		end_arena(segment);
	}
}

static void churn_until_killed(struct stage *stage, const void *argument)
{
	static struct piece pieces[LIVE];
	ferry_segment *segment = open_arena(0);

	state = (uint64_t)getpid();
	(void)argument;
	stage_reach(stage, 1);
	for (;;)
		churn(segment, pieces, 1000);
}

static void c5_nothing_leaks_whoever_dies_where(void)
{
	ferry_segment *segment = open_arena(MIB);

	for (int round = 0; round < check_repeat(40, 1000); round++) {
		struct peer peers[3];
		for (int i = 0; i < 3; i++)
			peer_start(&peers[i], churn_until_killed, NULL);
		for (int i = 0; i < 3; i++)
			peer_await(&peers[i], 1);
		for (int i = 0; i < 3; i++) {
			for (int k = 0; k < round % 10 * 1000; k++)
				clock_ns();
			peer_kill(&peers[i]);
		}
		box_repair("s");
		check_eq(stat_of(segment).blocks, 0);
		check_eq(ferry_segment_free(segment, allocate(segment, MIB)), 0);
	}
	end_arena(segment);
}

static void c5_a_stopped_member_delays_nobody(void)
{
	ferry_segment *segment = open_arena(MIB);
	static struct piece pieces[LIVE];
	struct peer peer;

	peer_start(&peer, churn_until_killed, NULL);
	peer_await(&peer, 1);
	for (int i = 0; i < check_repeat(50, 500); i++) {
		peer_stop(&peer);
		churn(segment, pieces, 2000);
		peer_resume(&peer);
	}
	peer_kill(&peer);
	box_repair("s");
	free_pieces(segment, pieces);
	check_eq(stat_of(segment).blocks, 0);
	end_arena(segment);
}

struct inherited {
	ferry_segment *segment;
	ferry_reference block;
};

static void in_child(struct stage *stage, const void *argument)
{
	const struct inherited *inherited = argument;

	(void)stage;
	check_eq(ferry_segment_free(inherited->segment, inherited->block), -EPERM);
	(void)allocate(inherited->segment, 100);
	check_eq(stat_of(inherited->segment).unpublished, 2);
}

static void c11_a_childs_blocks_are_its_own(void)
{
	struct inherited inherited = { .segment = open_arena(MIB) };
	struct peer peer;

	inherited.block = allocate(inherited.segment, 100);
	peer_start(&peer, in_child, &inherited);
	peer_join(&peer);
	box_repair("s");
	check_eq(stat_of(inherited.segment).blocks, 1);
	check_eq(ferry_segment_free(inherited.segment, inherited.block), 0);
	end_arena(inherited.segment);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(every_size_is_aligned_and_large_enough),
		claim(no_block_overlaps_another),
		claim(several_processes_share_it),
		claim(one_block_may_be_nearly_all_of_it),
		claim(pages_of_empty_slabs_go_back),
		claim(mistakes_in_freeing_are_errors_and_change_nothing),
		claim(calls_that_make_no_sense_are_refused),
		claim(growing_makes_room),
		claim(an_arena_of_gigabytes_has_larger_pages),
		claim(a_published_block_is_everybodys),
		claim(closing_frees_what_was_not_published),
		claim(names_lead_to_the_same_place),
		claim(a_name_is_never_there_twice),
		claim(c5_a_dead_members_blocks_are_reclaimed),
		claim(c5_who_runs_short_finds_what_the_dead_had),
		claim(c5_publishing_is_all_or_nothing),
		claim(c5_taking_is_all_or_nothing),
		claim(c5_nothing_leaks_whoever_dies_where),
		claim(c5_a_stopped_member_delays_nobody),
		claim(c11_a_childs_blocks_are_its_own),
	};

	return claim_run_all(claims);
}
