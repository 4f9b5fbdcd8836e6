/* SPDX-License-Identifier: MIT */
/* bench_segment_ferry.c - ferry's segments and their arena. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <ferry/ferry.h>

#include "bench_segments.h"
#include "bench_time.h"
#include "bench_transports.h"

#define ARENA_BYTES (UINT64_C(64) << 20)

static const char *location(char name[64], const char *what)
{
	snprintf(name, 64, "%s/%s", bench_directory(), what);
	return name;
}

static int life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved)
{
	char name[64];
	struct ferry_object_stat stat = { 0 };
	ferry_segment *made, *opened;
	uint64_t t = bench_ticks();
	int e = ferry_segment_open(
	    &made, location(name, "opening"),
	    FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXCLUSIVE, .bytes = BENCH_SEGMENT_BYTES));

	if (e < 0)
		return e;
	ticks[BENCH_CREATING] = bench_ticks() - t;
	t = bench_ticks();
	e = ferry_segment_open(&opened, name, FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING));
	ticks[BENCH_OPENING_IT] = bench_ticks() - t;
	if (e == 0) {
		t = bench_ticks();
		ferry_segment_close(opened);
		ticks[BENCH_CLOSING] = bench_ticks() - t;
		e = ferry_object_stat(name, &stat, NULL);
		*ret_reserved = stat.file_bytes;
	}
	ferry_segment_close(made);
	ferry_remove(name, NULL);
	return e;
}

/* The segment stays for the next round; bench_end() takes it away. */
static int use(uint32_t flags, uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_bytes)
{
	char name[64];
	ferry_segment *segment;
	int e =
	    ferry_segment_open(&segment, location(name, "memory"),
			       FERRY_SEGMENT_OPTIONS(.flags = flags, .bytes = BENCH_TOUCH_BYTES));

	if (e < 0)
		return e;
	*ret_bytes = ferry_segment_size(segment);
	bench_use_memory(ferry_segment_address(segment), BENCH_TOUCH_BYTES, ticks);
	ferry_segment_close(segment);
	return 0;
}

static int use_memory(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_bytes)
{
	return use(0, ticks, ret_bytes);
}

static int use_prefaulted(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_bytes)
{
	return use(FERRY_PREFAULT, ticks, ret_bytes);
}

/* ---- the arena ---- */

struct arena_hand {
	struct bench_hand hand; /* first */
	ferry_segment *segment;
};

static int create(struct bench_channel *c, const struct bench_channel *there)
{
	ferry_segment *segment;
	int e;

	(void)there;
	e = ferry_segment_open(
	    &segment, location(c->name, "a"),
	    FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXCLUSIVE, .bytes = ARENA_BYTES, .arena = 1));
	if (e == 0)
		ferry_segment_close(segment);
	return e;
}

static void remove_arena(struct bench_channel *c)
{
	ferry_remove(c->name, NULL);
}

static int attach(struct bench_channel *c)
{
	struct arena_hand *hand;

	if (c->direction != 0)
		return 0;
	hand = calloc(1, sizeof(*hand));
	if (!hand)
		return -ENOMEM;
	c->handle = hand;
	hand->hand.dice = c->process;
	return ferry_segment_open(&hand->segment, c->name,
				  FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING));
}

static int allocate(struct bench_channel *c, void **ret_data)
{
	struct arena_hand *hand = c->handle;
	size_t bytes;
	uint64_t *slot = bench_hand_next(c, &bytes), *first;
	int e = ferry_segment_allocate(hand->segment, bytes, slot);

	(void)ret_data;
	if (e < 0)
		return e;
	first = ferry_segment_pointer(hand->segment, *slot, bytes, 8);
	*first = bytes;
	return 0;
}

static int release(struct bench_channel *c, const void *data)
{
	struct arena_hand *hand = c->handle;

	(void)data;
	return ferry_segment_free(hand->segment, bench_hand_oldest(c));
}

const struct bench_peer bench_segment_ferry = { .name = "ferry", .life = life };
const struct bench_peer bench_touch_ferry = { .name = "ferry", .life = use_memory };
const struct bench_peer bench_touch_prefault = { .name = "ferry prefault", .life = use_prefaulted };
const struct bench_peer bench_churn_ferry = {
	.name = "ferry",
	.waits = "never",
	.abilities = BENCH_CHURN,
	.create = create,
	.remove = remove_arena,
	.attach = attach,
	.receive = allocate,
	.send = release,
};
