/* SPDX-License-Identifier: MIT */
/* The semaphore: counting, waiting, units of the dead. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "own.h"

static void begin_at(uint32_t value, int give_back)
{
	begin_with(value, give_back, 1);
}

static int wait_for(ferry_deadline deadline)
{
	return ferry_semaphore_wait(segment, &s->semaphore, deadline);
}

static int post(uint32_t n)
{
	return ferry_semaphore_post(segment, &s->semaphore, n);
}

static int64_t value(void)
{
	return ferry_semaphore_value(segment, &s->semaphore);
}

/* Take argument units (value[0] is how many), reach 1, post value[1] when allowed 2. */
static void taker(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	ferry_semaphore *there = &section_of(own)->semaphore;

	for (int i = 0; i < *(const int *)argument; i++) {
		check_eq(ferry_semaphore_wait(own, there, FERRY_FOREVER), 0);
		atomic_fetch_add(&stage->value[0], 1);
	}
	stage_meet(stage, 1);
	ferry_segment_close(own);
}

static void it_counts(void)
{
	begin_at(2, 0);
	check_eq(value(), 2);
	check_eq(wait_for(FERRY_NOW), 0);
	check_eq(wait_for(FERRY_NOW), 0);
	check_eq(wait_for(FERRY_NOW), -EAGAIN);
	check_eq(wait_for(ferry_in_ms(20)), -ETIMEDOUT);
	check_eq(post(3), 0);
	check_eq(value(), 3);
	end();
}

static void limits_are_checked(void)
{
	begin_at(0, 0);
	check_eq(post(0), -EINVAL);
	check_eq(post(FERRY_SEMAPHORE_MAX), 0);
	check_eq(post(1), -EOVERFLOW);
	check_eq(value(), FERRY_SEMAPHORE_MAX);
	check_eq(ferry_semaphore_init(segment, &s->semaphore, FERRY_SEMAPHORE_MAX + 1u, 0),
		 -EINVAL);
	check_eq(ferry_semaphore_init(segment, &s->semaphore, 0, 2), -EINVAL);
	check_eq(ferry_semaphore_wait(segment, (void *)&section_of(segment)->lock, FERRY_NOW),
		 -EINVAL);
	check_eq(ferry_semaphore_wait(NULL, &s->semaphore, FERRY_NOW), -EINVAL);
	end();
}

static void a_post_wakes_one_who_waits(void)
{
	static const int one = 1;
	struct peer peers[3];

	begin_at(0, 0);
	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], taker, &one);
	await(section_count(segment, &s->semaphore, FERRY_SYNC_WAITS) == 3);
	for (int n = 1; n <= 3; n++) {
		check_eq(post(1), 0);
		int through = 0;
		await((through = (int)(atomic_load(&peers[0].stage->value[0]) +
				       atomic_load(&peers[1].stage->value[0]) +
				       atomic_load(&peers[2].stage->value[0]))) == n);
	}
	for (int i = 0; i < 3; i++) {
		peer_allow(&peers[i], 1);
		peer_join(&peers[i]);
	}
	check_eq(value(), 0);
	end();
}

static void a_post_of_many_wakes_many(void)
{
	static const int one = 1;
	struct peer peers[4];

	begin_at(0, 0);
	for (int i = 0; i < 4; i++)
		peer_start(&peers[i], taker, &one);
	await(section_count(segment, &s->semaphore, FERRY_SYNC_WAITS) == 4);
	check_eq(post(4), 0);
	for (int i = 0; i < 4; i++) {
		peer_await(&peers[i], 1);
		peer_allow(&peers[i], 1);
		peer_join(&peers[i]);
	}
	end();
}

static void killed_waiter_swallows_no_unit(void)
{
	static const int one = 1;

	begin_at(0, 0);
	for (int i = 0; i < check_repeat(40, 2000); i++) {
		struct peer doomed;
		struct peer other;
		peer_start(&doomed, taker, &one);
		await(section_count(segment, &s->semaphore, FERRY_SYNC_WAITS) == 1);
		peer_start(&other, taker, &one);
		await(section_count(segment, &s->semaphore, FERRY_SYNC_WAITS) == 2);
		if (i % 2)
			peer_kill(&doomed);
		check_eq(post(1), 0);
		if (i % 2 == 0) {
			/* It may have had the unit when it died: that one is gone. */
			const int64_t had = atomic_load(&doomed.stage->value[0]);
			peer_kill(&doomed);
			await(atomic_load(&other.stage->value[0]) == 1 || value() == 0);
			if (had || atomic_load(&other.stage->value[0]) == 0)
				check_eq(post(1), 0);
		}
		peer_await(&other, 1);
		peer_allow(&other, 1);
		peer_join(&other);
		while (wait_for(FERRY_NOW) == 0)
			;
	}
	end();
}

static void units_of_the_dead_come_back(void)
{
	static const int three = 3;

	begin_at(5, 1);
	for (int i = 0; i < 20; i++) {
		struct peer peer;
		peer_start(&peer, taker, &three);
		peer_await(&peer, 1);
		check_eq(value(), 2);
		peer_kill(&peer);
		for (int n = 0; n < 5; n++)
			check_eq(wait_for(box_patience()), 0);
		check_eq(wait_for(ferry_in_ms(60)), -ETIMEDOUT);
		check_eq(post(5), 0);
		check_eq(value(), 5);
	}
	end();
}

static void without_the_flag_they_do_not(void)
{
	static const int three = 3;
	struct peer peer;

	begin_at(5, 0);
	peer_start(&peer, taker, &three);
	peer_await(&peer, 1);
	peer_kill(&peer);
	check_eq(wait_for(FERRY_NOW), 0);
	check_eq(wait_for(FERRY_NOW), 0);
	check_eq(wait_for(ferry_in_ms(100)), -ETIMEDOUT);
	end();
}

static void closing_the_handle_gives_back_too(void)
{
	ferry_segment *own;

	begin_at(2, 1);
	own = section_open();
	check_eq(ferry_semaphore_wait(own, &section_of(own)->semaphore, FERRY_NOW), 0);
	check_eq(value(), 1);
	ferry_segment_close(own);
	check_eq(value(), 2);
	end();
}

static void a_post_of_who_took_none_is_new(void)
{
	ferry_segment *own;

	begin_at(2, 1);
	own = section_open();
	ferry_semaphore *there = &section_of(own)->semaphore;
	check_eq(ferry_semaphore_wait(own, there, FERRY_NOW), 0);
	check_eq(post(1), 0);
	check_eq(value(), 2);
	check_eq(ferry_semaphore_post(own, there, 2), 0);
	check_eq(value(), 4);
	/* It has given back what it took. */
	ferry_segment_close(own);
	check_eq(value(), 4);
	end();
}

static void who_holds_units_is_listed(void)
{
	static const int three = 3;
	struct peer peer;

	begin_at(5, 1);
	peer_start(&peer, taker, &three);
	peer_await(&peer, 1);
	struct ferry_sync_entry entry = section_entry(segment, &s->semaphore, FERRY_SYNC_SHARES);
	check_eq(entry.pid, peer.pid);
	check_eq(entry.units, 3);
	check_eq(entry.thread, 0);
	check_eq(section_entry(segment, &s->semaphore, FERRY_SYNC_IDLE).units, 2);
	peer_kill(&peer);
	end();
}

static void death_of_a_holder_wakes_who_waits(void)
{
	static const int two = 2;
	struct peer holder;
	struct peer waiter;

	begin_at(2, 1);
	peer_start(&holder, taker, &two);
	peer_await(&holder, 1);
	peer_start(&waiter, taker, &two);
	await(section_count(segment, &s->semaphore, FERRY_SYNC_WAITS) == 1);
	peer_kill(&holder);
	peer_await(&waiter, 1);
	peer_allow(&waiter, 1);
	peer_join(&waiter);
	check_eq(value(), 2);
	end();
}

/* Take and give as fast as it can, until killed. */
static void churn(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	ferry_semaphore *there = &section_of(own)->semaphore;

	(void)argument;
	stage_reach(stage, 1);
	for (;;) {
		check_eq(ferry_semaphore_wait(own, there, FERRY_FOREVER), 0);
		check_eq(ferry_semaphore_post(own, there, 1), 0);
	}
}

static void the_count_is_exact_whenever_they_die(void)
{
	begin_at(2, 1);
	for (int i = 0; i < check_repeat(150, 10000); i++) {
		struct peer peers[2];
		for (int p = 0; p < 2; p++)
			peer_start(&peers[p], churn, NULL);
		for (int p = 0; p < 2; p++)
			peer_await(&peers[p], 1);
		for (int spin = 0; spin < i % 7 * 5000; spin++)
			__asm__ volatile("");
		peer_kill(&peers[0]);
		peer_kill(&peers[1]);
		check_eq(wait_for(box_patience()), 0);
		check_eq(wait_for(box_patience()), 0);
		check_eq(value(), 0);
		check_eq(post(2), 0);
	}
	check_eq(value(), 2);
	end();
}

static void removal_wakes_who_waits(void)
{
	struct peer peer;

	begin_at(0, 0);
	peer_start(&peer, taker, &(const int){ 1 });
	await(section_count(segment, &s->semaphore, FERRY_SYNC_WAITS) == 1);
	check_eq(ferry_remove("section", NULL), 0);
	/* It fails its check and says so. */
	check(peer_join_status(&peer) != 0);
	check_eq(wait_for(FERRY_NOW), -EIDRM);
	ferry_segment_close(segment);
}

static void nonsense_in_the_word_is_an_error(void)
{
	static const uint64_t words[] = { UINT64_C(1) << 43, UINT64_C(2047) << 31 };

	for (size_t i = 0; i < 2; i++) {
		begin_at(1, 1);
		memcpy((char *)&s->semaphore + 8, &words[i], 8);
		check_eq(wait_for(box_patience()), -FERRY_ECORRUPT);
		end();
	}
}

static void alone_at_a_location(void)
{
	ferry_segment *one;
	ferry_segment *two;
	ferry_semaphore *a;
	ferry_semaphore *b;

	check_eq(ferry_semaphore_open(&one, &a, "gate", 3, FERRY_GIVE_BACK, NULL), 0);
	check_eq(ferry_semaphore_open(&two, &b, "gate", 9, 0, NULL), 0);
	check_eq(ferry_semaphore_value(two, b), 3);
	check_eq(ferry_semaphore_wait(one, a, FERRY_NOW), 0);
	ferry_segment_close(one);
	check_eq(ferry_semaphore_value(two, b), 3);
	ferry_segment_close(two);
	check_eq(ferry_remove("gate", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(it_counts),
		claim(limits_are_checked),
		claim(a_post_wakes_one_who_waits),
		claim(a_post_of_many_wakes_many),
		claim(killed_waiter_swallows_no_unit),
		claim(units_of_the_dead_come_back),
		claim(without_the_flag_they_do_not),
		claim(closing_the_handle_gives_back_too),
		claim(a_post_of_who_took_none_is_new),
		claim(who_holds_units_is_listed),
		claim(death_of_a_holder_wakes_who_waits),
		claim(the_count_is_exact_whenever_they_die),
		claim(removal_wakes_who_waits),
		claim(nonsense_in_the_word_is_an_error),
		claim(alone_at_a_location),
	};

	return claim_run_all(claims);
}
