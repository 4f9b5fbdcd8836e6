/* SPDX-License-Identifier: MIT */
/* Waiting for the lock: hand-over, order, fairness, the dead and the stopped among those who wait
 * (C5, C6, C7). */
#include <errno.h>
#include <time.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "holder.h"
#include "own.h"

#define GREEDY_MOST 100000000LL /* ns of processor time */

static void killed_waiter_swallows_no_hand_over(void)
{
	begin();
	for (int i = 0; i < check_repeat(40, 2000); i++) {
		struct peer waiters[3];
		check_eq(acquire(FERRY_NOW), 0);
		for (int w = 0; w < 3; w++)
			holder_start_waiting(&waiters[w], HOLDER_REPAIRS, segment, w + 1);
		/* The one whose turn it is dies at about the time of the release. */
		if (i % 2)
			peer_kill(&waiters[0]);
		check_eq(release(), 0);
		if (i % 2 == 0)
			peer_kill(&waiters[0]);
		peer_allow(&waiters[1], 1);
		peer_allow(&waiters[2], 1);
		peer_join(&waiters[1]);
		peer_join(&waiters[2]);
		check_eq(section_count(segment, &s->lock, FERRY_SYNC_LOST), 0);
		int r = acquire(box_patience());
		check(r == 0 || r == FERRY_OWNER_DIED);
		if (r == FERRY_OWNER_DIED)
			check_eq(ferry_lock_repaired(segment, &s->lock), 0);
		check_eq(release(), 0);
	}
	end();
}

static void stopped_waiter_keeps_nobody_else_waiting(void)
{
	struct peer stopped;
	struct peer other;

	begin();
	check_eq(acquire(FERRY_NOW), 0);
	holder_start_waiting(&stopped, HOLDER_PLAIN, segment, 1);
	holder_start_waiting(&other, HOLDER_PLAIN, segment, 2);
	peer_stop(&stopped);
	const int64_t start = clock_ns();
	check_eq(release(), 0);
	peer_await(&other, 1);
	check(clock_ns() - start < CHECK_SOON_NS);
	holder_finish(&other);
	for (int i = 0; i < 3000; i++) {
		check_eq(acquire(box_patience()), 0);
		check_eq(release(), 0);
	}
	check(clock_ns() - start < CHECK_SOON_NS);
	peer_resume(&stopped);
	holder_finish(&stopped);
	end();
}

/* Let so many wait, and see whether each has its turn when it came. */
static int served_in_order(int n)
{
	struct peer waiters[8];
	int in_order = 1;

	atomic_store(&s->data[63], 0);
	check_eq(acquire(FERRY_NOW), 0);
	for (int w = 0; w < n; w++)
		holder_start_waiting(&waiters[w], HOLDER_PLAIN, segment, w + 1);
	for (int w = 0; w < n; w++)
		peer_allow(&waiters[w], 1);
	check_eq(release(), 0);
	for (int w = 0; w < n; w++) {
		peer_await(&waiters[w], 1);
		/* One that looks about itself just when it would be called changes places. */
		const int64_t off = atomic_load(&waiters[w].stage->value[1]) - w;
		in_order &= off >= -2 && off <= 2;
		peer_join(&waiters[w]);
	}
	return in_order;
}

static void waiters_are_served_in_the_order_of_coming(void)
{
	begin();
	/* One that gets no processor for 20 ms loses its turn: then it does not count. */
	for (int i = 0; i < 20; i++) {
		const int64_t start = clock_ns();
		if (served_in_order(8))
			break;
		check(clock_ns() - start >= 20000000);
		check(i < 19);
	}
	end();
}

static int64_t processor_time(void)
{
	struct timespec t;

	check_eq(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Take it and release it, again and again, until it is kept for another. */
static void take_turns(void)
{
	int64_t began = processor_time();
	int r;

	while ((r = acquire(FERRY_NOW)) == 0) {
		check_eq(release(), 0);
		check(processor_time() - began < GREEDY_MOST);
	}
	check_eq(r, -EAGAIN);
}

/* One who always comes back at once, against one who is called and does not get to run: the man
 * page promises 2 ms and 64 turns. */
static void newcomers_go_first_only_so_long(void)
{
	begin();
	for (int i = 0; i < check_repeat(10, 100); i++) {
		struct peer waiter;
		check_eq(acquire(FERRY_NOW), 0);
		holder_start_waiting(&waiter, HOLDER_PLAIN, segment, 1);
		peer_stop(&waiter);
		check_eq(release(), 0);
		take_turns();
		peer_resume(&waiter);
		holder_finish(&waiter);
	}
	end();
}

static void stat_counts_holders_and_waiters(void)
{
	struct ferry_segment_stat stat;
	struct peer waiter;

	begin();
	check_eq(ferry_segment_stat(segment, &stat), 0);
	check_eq(stat.locks, 7);
	check_eq(stat.lock_holders, 0);
	check_eq(acquire(FERRY_NOW), 0);
	holder_start_waiting(&waiter, HOLDER_PLAIN, segment, 1);
	check_eq(ferry_segment_stat(segment, &stat), 0);
	check_eq(stat.lock_holders, 1);
	check_eq(stat.lock_waiters, 1);
	check_eq(release(), 0);
	holder_finish(&waiter);
	end();
}

static void timeouts_leave_nothing_behind(void)
{
	struct peer peer;

	begin();
	holder_start(&peer);
	for (int i = 0; i < 50; i++)
		check_eq(acquire(ferry_in_ns(200000)), -ETIMEDOUT);
	check_eq(acquire(1), -ETIMEDOUT);
	check_eq(section_count(segment, &s->lock, FERRY_SYNC_WAITS), 0);
	holder_finish(&peer);
	check_eq(acquire(1), 0);
	check_eq(release(), 0);
	end();
}

static void a_blocked_caller_uses_no_cpu(void)
{
	struct peer peer;

	begin();
	holder_start(&peer);
	const struct usage before = usage_now();
	check_eq(acquire(ferry_in_ms(1000)), -ETIMEDOUT);
	usage_check_blocked(&before);
	holder_finish(&peer);
	end();
}

static void removal_wakes_who_waits(void)
{
	struct peer waiter;

	begin();
	check_eq(acquire(FERRY_NOW), 0);
	holder_start_waiting(&waiter, HOLDER_PLAIN, segment, 1);
	check_eq(ferry_remove("section", NULL), 0);
	peer_await(&waiter, 1);
	check_eq(atomic_load(&waiter.stage->value[0]), -EIDRM);
	peer_kill(&waiter);
	check_eq(ferry_lock_acquire(segment, &s->other, FERRY_NOW), -EIDRM);
	/* What one has can still be given back. */
	check_eq(release(), 0);
	check_eq(release(), -EPERM);
	ferry_segment_close(segment);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(killed_waiter_swallows_no_hand_over),
		claim(stopped_waiter_keeps_nobody_else_waiting),
		claim(waiters_are_served_in_the_order_of_coming),
		claim(newcomers_go_first_only_so_long),
		claim(stat_counts_holders_and_waiters),
		claim(timeouts_leave_nothing_behind),
		claim(a_blocked_caller_uses_no_cpu),
		claim(removal_wakes_who_waits),
	};

	return claim_run_all(claims);
}
