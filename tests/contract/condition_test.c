/* SPDX-License-Identifier: MIT */
/* The condition: waiting without missing a signal, and signals of the dead and the stopped. */
#include <errno.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "own.h"

static void lock(void)
{
	check_eq(ferry_lock_acquire(segment, &s->lock, box_patience()), 0);
}

static void unlock(void)
{
	check_eq(ferry_lock_release(segment, &s->lock), 0);
}

static int wait_for(ferry_deadline deadline)
{
	return ferry_condition_wait(segment, &s->condition, &s->lock, deadline);
}

static int waiting(void)
{
	return section_count(segment, &s->condition, FERRY_SYNC_WAITS);
}

/* Wait until there is something in data[0], take one, reach 1. */
static void consumer(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	int r = ferry_lock_acquire(own, &there->lock, FERRY_FOREVER);

	(void)argument;
	while (r == 0 && atomic_load(&there->data[0]) == 0) {
		atomic_fetch_add(&stage->value[1], 1);
		r = ferry_condition_wait(own, &there->condition, &there->lock, FERRY_FOREVER);
	}
	atomic_store(&stage->value[0], r);
	if (r == 0)
		atomic_fetch_sub(&there->data[0], 1);
	if (r >= 0)
		check_eq(ferry_lock_release(own, &there->lock), 0);
	stage_meet(stage, 1);
	ferry_segment_close(own);
}

/* Put n there. */
static void supply(uint64_t n)
{
	lock();
	atomic_fetch_add(&s->data[0], n);
	unlock();
}

static void start_consumer(struct peer *peer, int waiters)
{
	peer_start(peer, consumer, NULL);
	await(waiting() == waiters && process_asleep(peer->pid));
}

static void finish(struct peer *peer)
{
	peer_await(peer, 1);
	check_eq(atomic_load(&peer->stage->value[0]), 0);
	peer_allow(peer, 1);
	peer_join(peer);
}

/* The first of three peers, in their order, that has come to point 1 and was not seen there before;
 * -1: none yet. */
static int next_come(const struct peer *peers, const int *seen)
{
	for (int i = 0; i < 3; i++)
		if (!seen[i] && atomic_load(&peers[i].stage->reached) >= 1)
			return i;
	return -1;
}

/* Whoever is woken and does not come for 20 ms may be stopped: then one more is woken. So on
 * a busy machine another one may be first, and nothing is said about the order. */
static void a_signal_wakes_the_one_who_waits_longest(void)
{
	const int64_t soon = 15000000;
	struct peer peers[3];
	int seen[3] = { 0 };
	int slow = 0;

	begin();
	check_eq(ferry_condition_signal(segment, &s->condition), 0);
	for (int i = 0; i < 3; i++)
		start_consumer(&peers[i], i + 1);
	for (int n = 0; n < 3; n++) {
		const int64_t start = clock_ns();
		int come;

		supply(1);
		const int woken = ferry_condition_signal(segment, &s->condition);
		await((come = next_come(peers, seen)) >= 0);
		slow |= clock_ns() - start >= soon;
		if (!slow) {
			check_eq(woken, 1);
			check_eq(come, n);
		}
		seen[come] = 1;
		finish(&peers[come]);
	}
	check_eq(ferry_condition_signal(segment, &s->condition), 0);
	end();
}

static void a_broadcast_wakes_all(void)
{
	struct peer peers[5];

	begin();
	for (int i = 0; i < 5; i++)
		start_consumer(&peers[i], i + 1);
	supply(5);
	check_eq(ferry_condition_broadcast(segment, &s->condition), 5);
	for (int i = 0; i < 5; i++)
		finish(&peers[i]);
	check_eq(ferry_condition_broadcast(segment, &s->condition), 0);
	end();
}

static void deadline_leaves_the_lock_with_the_caller(void)
{
	begin();
	lock();
	check_eq(wait_for(FERRY_NOW), -EAGAIN);
	check_eq(wait_for(ferry_in_ms(20)), -ETIMEDOUT);
	check_eq(ferry_lock_acquire(segment, &s->lock, FERRY_NOW), -EDEADLK);
	unlock();
	check_eq(waiting(), 0);
	end();
}

static void without_the_lock_is_eperm(void)
{
	begin();
	check_eq(wait_for(FERRY_FOREVER), -EPERM);
	check_eq(ferry_condition_wait(segment, (void *)&s->lock, &s->lock, FERRY_NOW), -EINVAL);
	check_eq(ferry_condition_wait(segment, &s->condition, NULL, FERRY_NOW), -EINVAL);
	check_eq(ferry_condition_signal(NULL, &s->condition), -EINVAL);
	end();
}

static void the_lock_is_free_while_one_waits(void)
{
	struct peer peer;

	begin();
	start_consumer(&peer, 1);
	check_eq(ferry_lock_acquire(segment, &s->lock, FERRY_NOW), 0);
	unlock();
	supply(1);
	check_eq(ferry_condition_signal(segment, &s->condition), 1);
	finish(&peer);
	end();
}

/* Ping and pong through two words, each waiting for the other's. */
static void pong(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	const uint64_t n = *(const uint64_t *)argument;

	(void)stage;
	check_eq(ferry_lock_acquire(own, &there->lock, FERRY_FOREVER), 0);
	for (uint64_t i = 1; i <= n; i++) {
		while (atomic_load(&there->data[1]) < i)
			check_eq(ferry_condition_wait(own, &there->condition, &there->lock,
						      box_patience()),
				 0);
		atomic_store(&there->data[2], i);
		check(ferry_condition_broadcast(own, &there->condition) >= 0);
	}
	check_eq(ferry_lock_release(own, &there->lock), 0);
	ferry_segment_close(own);
}

static void no_wake_is_lost(void)
{
	const uint64_t n = (uint64_t)check_repeat(5000, 200000);
	struct peer peer;

	begin();
	peer_start(&peer, pong, &n);
	lock();
	for (uint64_t i = 1; i <= n; i++) {
		atomic_store(&s->data[1], i);
		check(ferry_condition_broadcast(segment, &s->condition) >= 0);
		while (atomic_load(&s->data[2]) < i)
			check_eq(wait_for(box_patience()), 0);
	}
	unlock();
	peer_join(&peer);
	end();
}

static void signal_of_one_killed_goes_to_another(void)
{
	begin();
	for (int i = 0; i < check_repeat(30, 1000); i++) {
		struct peer doomed;
		struct peer other;
		start_consumer(&doomed, 1);
		start_consumer(&other, 2);
		/* It gets the signal, and cannot act on it: we have the lock. */
		lock();
		atomic_store(&s->data[0], 1);
		check_eq(ferry_condition_signal(segment, &s->condition), 1);
		peer_kill(&doomed);
		unlock();
		finish(&other);
		check_eq(atomic_load(&s->data[0]), 0);
	}
	end();
}

static void signal_of_one_stopped_goes_to_another(void)
{
	struct peer stopped;
	struct peer other;

	begin();
	start_consumer(&stopped, 1);
	start_consumer(&other, 2);
	peer_stop(&stopped);
	supply(1);
	check_eq(ferry_condition_signal(segment, &s->condition), 1);
	finish(&other);
	peer_resume(&stopped);
	supply(1);
	check(ferry_condition_broadcast(segment, &s->condition) >= 0);
	finish(&stopped);
	end();
}

/* Signal once, and be killed at any time about that. */
static void signaller(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);

	(void)argument;
	stage_meet(stage, 1);
	check(ferry_condition_broadcast(own, &there->condition) >= 0);
	stage_reach(stage, 2);
	for (;;)
		pause();
}

static void a_signaller_that_dies_harms_nobody(void)
{
	begin();
	for (int i = 0; i < check_repeat(30, 1000); i++) {
		struct peer peer;
		struct peer waiter;
		peer_start(&peer, signaller, NULL);
		peer_await(&peer, 1);
		start_consumer(&waiter, 1);
		peer_allow(&peer, 1);
		for (int spin = 0; spin < i * 300; spin++)
			__asm__ volatile("");
		peer_kill(&peer);
		supply(1);
		check(ferry_condition_broadcast(segment, &s->condition) >= 0);
		finish(&waiter);
	}
	end();
}

static void lock_owner(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();

	(void)argument;
	check_eq(ferry_lock_acquire(own, &section_of(own)->lock, FERRY_FOREVER), 0);
	stage_meet(stage, 1);
}

static void a_waiter_is_told_that_the_locks_owner_died(void)
{
	struct peer waiter;
	struct peer owner;

	begin();
	start_consumer(&waiter, 1);
	peer_start(&owner, lock_owner, NULL);
	peer_await(&owner, 1);
	check_eq(ferry_condition_signal(segment, &s->condition), 1);
	peer_kill(&owner);
	peer_await(&waiter, 1);
	check_eq(atomic_load(&waiter.stage->value[0]), FERRY_OWNER_DIED);
	peer_kill(&waiter);
	end();
}

static void removal_wakes_who_waits(void)
{
	struct peer waiter;

	begin();
	start_consumer(&waiter, 1);
	check_eq(ferry_remove("section", NULL), 0);
	peer_await(&waiter, 1);
	check_eq(atomic_load(&waiter.stage->value[0]), -EIDRM);
	peer_kill(&waiter);
	ferry_segment_close(segment);
}

/* ---- those who watch ---- */

static uint32_t seen;

static struct ferry_item watched(void)
{
	return ferry_on_condition(segment, &s->condition, &seen);
}

static void watch(void)
{
	lock();
	check_eq(ferry_condition_watch(segment, &s->condition, &seen), 0);
	unlock();
}

static void expect_news(void)
{
	struct ferry_item item = watched();

	check_eq(ferry_wait(&item, 1, FERRY_NOW), 1);
	check_eq(item.happened, FERRY_CAN_READ);
}

static void expect_no_news(void)
{
	struct ferry_item item = watched();

	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EAGAIN);
}

static void what_was_signalled_before_is_no_news(void)
{
	begin();
	seen = 0;
	expect_news(); /* nobody has watched: look at the data */
	check_eq(ferry_condition_signal(segment, &s->condition), 0);
	watch();
	expect_no_news();
	watch();
	expect_no_news();
	check_eq(ferry_condition_signal(segment, &s->condition), 0);
	expect_news();
	check_eq(ferry_condition_broadcast(segment, &s->condition), 0);
	expect_news();
	watch();
	expect_no_news();
	end();
}

static void c6_who_watches_takes_no_signal_from_who_waits(void)
{
	struct peer peer;

	begin();
	for (int i = 0; i < check_repeat(30, 1000); i++) {
		start_consumer(&peer, 1);
		watch();
		supply(1);
		check_eq(ferry_condition_signal(segment, &s->condition), 1);
		expect_news();
		finish(&peer);
		check_eq(atomic_load(&s->data[0]), 0);
	}
	end();
}

/* Watch, and count how often (1) and what is heard (0), until there is data. */
static void watcher(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	uint32_t mine = 0;
	struct ferry_item item = ferry_on_condition(own, &there->condition, &mine);
	int over = 0;

	(void)argument;
	while (!over) {
		check(ferry_lock_acquire(own, &there->lock, FERRY_FOREVER) >= 0);
		check_eq(ferry_condition_watch(own, &there->condition, &mine), 0);
		over = atomic_load(&there->data[0]) != 0;
		check_eq(ferry_lock_release(own, &there->lock), 0);
		atomic_fetch_add(&stage->value[1], 1);
		stage_reach(stage, 1);
		if (!over)
			check_eq(ferry_wait(&item, 1, box_patience()), 1);
		atomic_fetch_add(&stage->value[0], !over);
	}
	ferry_segment_close(own);
}

enum { WATCHERS = 3, SIGNALS = 50 };

/* And nobody wakes another by hearing of it. */
static void c6_a_signal_is_heard_once_by_each_who_watches(void)
{
	struct peer peer[WATCHERS];

	begin();
	for (int i = 0; i < WATCHERS; i++) {
		peer_start(&peer[i], watcher, NULL);
		peer_await(&peer[i], 1);
	}
	for (int n = 1; n <= SIGNALS; n++) {
		for (int i = 0; i < WATCHERS; i++)
			await(atomic_load(&peer[i].stage->value[1]) == n &&
			      process_asleep(peer[i].pid));
		check_eq(ferry_condition_signal(segment, &s->condition), 0);
		for (int i = 0; i < WATCHERS; i++)
			await(atomic_load(&peer[i].stage->value[0]) == n);
	}
	supply(1);
	check_eq(ferry_condition_broadcast(segment, &s->condition), 0);
	for (int i = 0; i < WATCHERS; i++)
		peer_join(&peer[i]);
	end();
}

/* Whoever is killed in its wait leaves only a signal that costs more, once. */
static void a_watcher_that_dies_harms_nobody(void)
{
	begin();
	for (int i = 0; i < check_repeat(30, 1000); i++) {
		struct peer doomed, waiter, other;
		peer_start(&doomed, watcher, NULL);
		start_consumer(&waiter, 1);
		peer_start(&other, watcher, NULL);
		peer_await(&doomed, 1);
		peer_await(&other, 1);
		peer_kill(&doomed);
		lock();
		atomic_store(&s->data[0], 2); /* one for the consumer, one for the other to see */
		unlock();
		check_eq(ferry_condition_signal(segment, &s->condition), 1);
		finish(&waiter);
		peer_join(&other);
		atomic_store(&s->data[0], 0);
	}
	end();
}

static void watching_nonsense_is_refused(void)
{
	struct ferry_item item;
	ferry_segment *reader;

	begin();
	check_eq(ferry_condition_watch(NULL, &s->condition, &seen), -EINVAL);
	check_eq(ferry_condition_watch(segment, NULL, &seen), -EINVAL);
	check_eq(ferry_condition_watch(segment, &s->condition, NULL), -EINVAL);
	check_eq(ferry_condition_watch(segment, (void *)&s->lock, &seen), -EINVAL);
	item = ferry_on_condition(segment, &s->condition, NULL);
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	item = ferry_on_condition(segment, (void *)&s->lock, &seen);
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	item = watched();
	item.events = FERRY_CAN_WRITE;
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	check_eq(
	    ferry_segment_open(&reader, "section", FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY)),
	    0);
	check_eq(ferry_condition_watch(reader, &section_of(reader)->condition, &seen), -EBADF);
	ferry_segment_close(reader);
	end();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(a_signal_wakes_the_one_who_waits_longest),
		claim(a_broadcast_wakes_all),
		claim(deadline_leaves_the_lock_with_the_caller),
		claim(without_the_lock_is_eperm),
		claim(the_lock_is_free_while_one_waits),
		claim(no_wake_is_lost),
		claim(signal_of_one_killed_goes_to_another),
		claim(signal_of_one_stopped_goes_to_another),
		claim(a_signaller_that_dies_harms_nobody),
		claim(a_waiter_is_told_that_the_locks_owner_died),
		claim(removal_wakes_who_waits),
		claim(what_was_signalled_before_is_no_news),
		claim(c6_who_watches_takes_no_signal_from_who_waits),
		claim(c6_a_signal_is_heard_once_by_each_who_watches),
		claim(a_watcher_that_dies_harms_nobody),
		claim(watching_nonsense_is_refused),
	};

	return claim_run_all(claims);
}
