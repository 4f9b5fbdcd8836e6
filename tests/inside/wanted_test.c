/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a lock among other things (src/waiting/) is told when it is left, whatever the lock
 * was when he said that he wants it. The steps of both sides are made here one by one, in the order
 * that only a rare accident gives.
 */
#include <stdatomic.h>

#include <ferry/ferry.h>

#include "../../src/segment/segment.h"
#include "../../src/sync/core.h"
#include "../../src/wait/bell.h"
#include "check.h"
#include "claim.h"

struct scene {
	ferry_segment *segment;
	ferry_lock *lock;
	struct fy_lock_shm *shm;
};

static struct scene open_scene(void)
{
	struct scene s = { 0 };

	check_eq(ferry_lock_open(&s.segment, &s.lock, "wanted", NULL), 0);
	s.shm = (void *)s.lock;
	return s;
}

static void close_scene(const struct scene *s)
{
	ferry_segment_close(s->segment);
	check_eq(ferry_remove("wanted", NULL), 0);
}

static int somebody_may_sleep(const struct scene *s)
{
	return (int)atomic_load(&s->shm->left) & 1;
}

static void take(const struct scene *s)
{
	check_eq(ferry_lock_acquire(s->segment, s->lock, FERRY_NOW), 0);
}

static void leave(const struct scene *s)
{
	check_eq(ferry_lock_release(s->segment, s->lock), 0);
}

/* What a wait does before it looks. */
static void prepare(const struct scene *s)
{
	(void)fy_bell_word_prepare(&s->shm->left);
	fy_core_want(&s->shm->core);
}

static int is_ready(const struct scene *s)
{
	return fy_core_ready(&s->segment->sync, &s->shm->core, 0);
}

static void c6_a_lock_that_is_held_when_it_is_wanted_rings(void)
{
	const struct scene s = open_scene();

	take(&s);
	prepare(&s);
	check_eq(is_ready(&s), 0);
	leave(&s);
	check(!somebody_may_sleep(&s));
	check_eq(is_ready(&s), 1);
	close_scene(&s);
}

/* Between saying so and looking another came, who found nothing unusual. */
static void c6_a_lock_that_was_free_when_it_was_wanted_rings(void)
{
	const struct scene s = open_scene();

	prepare(&s);
	take(&s);
	check_eq(is_ready(&s), 0);
	leave(&s);
	check(!somebody_may_sleep(&s));
	check_eq(is_ready(&s), 1);
	close_scene(&s);
}

static void c7_a_lock_that_nobody_wants_any_more_is_left_the_short_way_again(void)
{
	const struct scene s = open_scene();

	prepare(&s);
	for (int i = 0; i < 3; i++) {
		take(&s);
		leave(&s);
	}
	check_eq(atomic_load(&s.shm->core.word), 0);
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c6_a_lock_that_is_held_when_it_is_wanted_rings),
		claim(c6_a_lock_that_was_free_when_it_was_wanted_rings),
		claim(c7_a_lock_that_nobody_wants_any_more_is_left_the_short_way_again),
	};

	return claim_run_all(claims);
}
