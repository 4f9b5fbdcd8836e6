/* SPDX-License-Identifier: MIT */
/* bench_lock_ferry.c - ferry's locks, semaphores and conditions as contestants. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <ferry/ferry.h>

#include "bench_locks.h"
#include "bench_transports.h"

/* What lies in the segment. Not all of it is used by each contestant. */
struct place {
	ferry_lock lock[BENCH_LOCKS];
	ferry_semaphore semaphore[2];
	ferry_condition condition[2];
	uint64_t number[2][8]; /* what went each way; behind its lock, 0 is nothing */
};

/* A process's end. */
struct end {
	ferry_segment *segment;
	struct place *place;
};

static int init(ferry_segment *segment)
{
	struct place *place = ferry_segment_address(segment);
	int e = 0;

	for (int i = 0; i < BENCH_LOCKS && e == 0; i++)
		e = ferry_lock_init(segment, &place->lock[i]);
	for (int i = 0; i < 2 && e == 0; i++) {
		e = ferry_semaphore_init(segment, &place->semaphore[i], 0, 0);
		if (e == 0)
			e = ferry_condition_init(segment, &place->condition[i]);
	}
	return e;
}

static int make(struct bench_channel *c)
{
	static unsigned made;
	ferry_segment *segment;
	int e;

	snprintf(c->name, sizeof c->name, "%s/lock-%u", bench_directory(), made++);
	e = ferry_segment_open(
	    &segment, c->name,
	    FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXCLUSIVE, .bytes = sizeof(struct place)));
	if (e < 0)
		return e;
	e = init(segment);
	ferry_segment_close(segment);
	return e;
}

static void remove_segment(struct bench_channel *c)
{
	ferry_remove(c->name, NULL);
}

static int open_end(struct bench_channel *c)
{
	struct end *end = calloc(1, sizeof *end);
	int e;

	if (!end)
		return -ENOMEM;
	if (c->peer->spin < 0)
		setenv("FERRY_SPIN_NS", "0", 1); /* of this process, which measures this only */
	e = ferry_segment_open(&end->segment, c->name,
			       FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING));
	if (e == 0)
		end->place = ferry_segment_address(end->segment);
	c->handle = end;
	return e;
}

static int acquire(struct bench_channel *c, unsigned i)
{
	const struct end *end = c->handle;

	return ferry_lock_acquire(end->segment, &end->place->lock[i], FERRY_FOREVER);
}

static int release(struct bench_channel *c, unsigned i)
{
	const struct end *end = c->handle;

	return ferry_lock_release(end->segment, &end->place->lock[i]);
}

static const struct bench_lock lock = {
	.make = make,
	.remove = remove_segment,
	.open = open_end,
	.acquire = acquire,
	.release = release,
};

const struct bench_peer bench_section_ferry = {
	.name = "ferry",
	.waits = "spins, then sleeps",
	BENCH_SECTION_PEER(lock),
};

const struct bench_peer bench_baton_ferry = {
	.name = "ferry",
	.waits = "spins, then sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS_FIRST,
	BENCH_BATON_PEER(lock),
};

const struct bench_peer bench_baton_ferry_sleep = {
	.name = "ferry sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	BENCH_BATON_PEER(lock),
};

/* What goes there and back over something else than a lock. */
#define MESSENGER_PEER(send_it, receive_it)                                                        \
	.mechanism = &lock, .create = bench_lock_create, .remove = bench_lock_remove,              \
	.attach = bench_lock_attach, .send = (send_it), .receive = (receive_it)

/* ---- semaphores ---- */

static int post(struct bench_channel *c, const void *data)
{
	const struct end *end = c->handle;

	end->place->number[c->direction][0] = *(const uint64_t *)data;
	return ferry_semaphore_post(end->segment, &end->place->semaphore[c->direction], 1);
}

static int wait_for_post(struct bench_channel *c, void **ret_data)
{
	const struct end *end = c->handle;
	int e =
	    ferry_semaphore_wait(end->segment, &end->place->semaphore[c->direction], FERRY_FOREVER);

	*(uint64_t *)c->room = end->place->number[c->direction][0];
	*ret_data = c->room;
	return e;
}

const struct bench_peer bench_post_ferry = {
	.name = "ferry",
	.waits = "spins, then sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS_FIRST,
	MESSENGER_PEER(post, wait_for_post),
};

const struct bench_peer bench_post_ferry_sleep = {
	.name = "ferry sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	MESSENGER_PEER(post, wait_for_post),
};

/* ---- conditions ---- */

static int signal_number(struct bench_channel *c, const void *data)
{
	const struct end *end = c->handle;
	struct place *p = end->place;
	unsigned d = c->direction;
	int e = ferry_lock_acquire(end->segment, &p->lock[d], FERRY_FOREVER);

	if (e < 0)
		return e;
	p->number[d][0] = *(const uint64_t *)data;
	e = ferry_condition_signal(end->segment, &p->condition[d]);
	return e < 0 ? e : ferry_lock_release(end->segment, &p->lock[d]);
}

static int wait_for_number(struct bench_channel *c, void **ret_data)
{
	const struct end *end = c->handle;
	struct place *p = end->place;
	unsigned d = c->direction;
	int e = ferry_lock_acquire(end->segment, &p->lock[d], FERRY_FOREVER);

	while (e >= 0 && p->number[d][0] == 0)
		e = ferry_condition_wait(end->segment, &p->condition[d], &p->lock[d],
					 FERRY_FOREVER);
	if (e < 0)
		return e;
	*(uint64_t *)c->room = p->number[d][0];
	*ret_data = c->room;
	p->number[d][0] = 0;
	return ferry_lock_release(end->segment, &p->lock[d]);
}

const struct bench_peer bench_signal_ferry = {
	.name = "ferry",
	.waits = "spins, then sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_SPINS_FIRST,
	MESSENGER_PEER(signal_number, wait_for_number),
};

const struct bench_peer bench_signal_ferry_sleep = {
	.name = "ferry sleep",
	.waits = "sleeps at once",
	.abilities = BENCH_ROUNDTRIP,
	.spin = -1,
	MESSENGER_PEER(signal_number, wait_for_number),
};
