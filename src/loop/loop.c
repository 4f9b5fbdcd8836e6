/* SPDX-License-Identifier: MIT */
/*
 * loop.c - the loop: waits for what its waiter has, for the time of its first timer and for other
 * threads, and calls.
 *
 * A function that is called may change everything, so nothing is kept over a call: what is ready is
 * known by its id and looked up again, timers are taken one by one, and of the deferred calls each
 * is out of the list before it runs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <ferry/loop.h>

#include "../base/why.h"
#include "../os/clock.h"
#include "deferred.h"
#include "entry.h"
#include "timers.h"

#define AT_ONCE 64 /* of what is ready, in a round */

struct ferry_loop {
	ferry_waiter *waiter;
	struct fy_loop_table table;
	struct fy_loop_timers timers;
	struct fy_loop_queue queue;
	uint64_t round;
	int64_t calling;          /* timers that are due by then are being called; 0: none are */
	_Atomic uint64_t stop;    /* 0, or the result to return plus one */
	_Atomic pthread_t runner; /* 0: none */
};

int ferry_loop_open(ferry_loop **ret_loop, struct ferry_why *why)
{
	ferry_loop *loop = ret_loop ? calloc(1, sizeof(*loop)) : NULL;
	int e;

	if (!loop)
		return fy_why(why, ret_loop ? -ENOMEM : -EINVAL, "cannot make a loop");
	e = ferry_waiter_open(&loop->waiter, why);
	if (e < 0) {
		free(loop);
		return e;
	}
	fy_loop_table_init(&loop->table);
	fy_loop_queue_init(&loop->queue);
	*ret_loop = loop;
	return 0;
}

void ferry_loop_close(ferry_loop *loop)
{
	if (!loop)
		return;
	ferry_waiter_close(loop->waiter);
	fy_loop_queue_end(&loop->queue);
	fy_loop_timers_end(&loop->timers);
	fy_loop_table_end(&loop->table);
	free(loop);
}

ferry_loop_id ferry_loop_watch(ferry_loop *loop, struct ferry_item item, ferry_loop_handler handler,
			       void *arg)
{
	ferry_loop_id id;
	int e;

	if (!loop)
		return -EINVAL;
	id = fy_loop_entry_new(&loop->table, FY_LOOP_WATCH);
	if (id < 0)
		return id;
	struct fy_loop_entry *entry = fy_loop_entry_find(&loop->table, id);
	entry->handler = handler;
	entry->arg = arg;
	entry->events = item.events;
	entry->since = loop->round;
	entry->key = ferry_waiter_add(loop->waiter, &item, fy_loop_entry_mark(id));
	if (entry->key >= 0)
		return id;
	e = entry->key;
	fy_loop_entry_free(&loop->table, id);
	return e;
}

int ferry_loop_change(ferry_loop *loop, ferry_loop_id id, uint32_t events)
{
	struct fy_loop_entry *entry = loop ? fy_loop_entry_find(&loop->table, id) : NULL;
	int e;

	if (!entry || entry->kind != FY_LOOP_WATCH)
		return loop ? -ENOENT : -EINVAL;
	e = ferry_waiter_change(loop->waiter, entry->key, events);
	if (e == 0)
		entry->events = events;
	return e;
}

ferry_loop_id ferry_loop_timer(ferry_loop *loop, ferry_deadline first, int64_t every,
			       ferry_loop_call call, void *arg)
{
	ferry_loop_id id;
	int e;

	if (!loop || !call || every < 0 || first < 0 || first == FERRY_FOREVER)
		return -EINVAL;
	id = fy_loop_entry_new(&loop->table, FY_LOOP_TIMER);
	if (id < 0)
		return id;
	struct fy_loop_entry *entry = fy_loop_entry_find(&loop->table, id);
	entry->call = call;
	entry->arg = arg;
	entry->first = first;
	/* Made by a timer for a time that has passed, it comes after all that are due already. */
	entry->due = first > loop->calling ? first : loop->calling;
	entry->every = every;
	e = fy_loop_timers_add(&loop->timers, &loop->table, id);
	if (e < 0)
		fy_loop_entry_free(&loop->table, id);
	return e < 0 ? e : id;
}

int ferry_loop_forget(ferry_loop *loop, ferry_loop_id id)
{
	const struct fy_loop_entry *entry = loop ? fy_loop_entry_find(&loop->table, id) : NULL;

	if (!entry)
		return loop ? -ENOENT : -EINVAL;
	if (entry->kind == FY_LOOP_TIMER)
		fy_loop_timers_remove(&loop->timers, &loop->table, id);
	else
		(void)ferry_waiter_remove(loop->waiter, entry->key);
	fy_loop_entry_free(&loop->table, id);
	return 0;
}

static bool is_ours(const ferry_loop *loop)
{
	/* RELAXED(only equal to this thread if this thread stored it) */
	return atomic_load_explicit(&loop->runner, memory_order_relaxed) == pthread_self();
}

/* The loop's own thread looks before it waits again. */
static void wake(ferry_loop *loop)
{
	if (!is_ours(loop))
		(void)ferry_wake(loop->waiter);
}

int ferry_loop_defer(ferry_loop *loop, ferry_loop_call call, void *arg)
{
	int e = loop && call ? fy_loop_queue_add(&loop->queue, call, arg) : -EINVAL;

	if (e == 0)
		wake(loop);
	return e;
}

int ferry_loop_stop(ferry_loop *loop, int result)
{
	if (!loop || result < 0)
		return -EINVAL;
	/* SYNC(loop.stop) release: pairs with the acquire in stopped(). What the one who stops has
	 * done is seen by who ran the loop. */
	atomic_store_explicit(&loop->stop, (uint64_t)result + 1, memory_order_release);
	wake(loop);
	return 0;
}

static bool stopped(const ferry_loop *loop)
{
	/* SYNC(loop.stop) acquire: pairs with the release in ferry_loop_stop(). */
	return atomic_load_explicit(&loop->stop, memory_order_acquire) != 0;
}

/* The loop was stopped before it was called: what is told once is to be told again. */
static void put_off(ferry_loop *loop, const struct fy_loop_entry *entry)
{
	if (entry->events & FERRY_ONE_SHOT)
		(void)ferry_waiter_change(loop->waiter, entry->key, entry->events);
}

static void call_ready(ferry_loop *loop, const struct ferry_report *report, int n)
{
	for (int i = 0; i < n; i++) {
		ferry_loop_id id = fy_loop_entry_marked(&loop->table, report[i].user);
		const struct fy_loop_entry *entry = fy_loop_entry_find(&loop->table, id);
		const struct ferry_loop_event event = { .id = id,
							.happened = report[i].happened,
							.error = report[i].error,
							.signo = report[i].signo };

		/* Or it was forgotten in this round, and its place perhaps given to another. */
		if (!entry || entry->since >= loop->round)
			continue;
		if (stopped(loop))
			put_off(loop, entry);
		else if (entry->handler)
			entry->handler(loop, &event, entry->arg);
	}
}

/* The next time in step with the first, later than now. */
static int64_t next_due(const struct fy_loop_entry *entry, int64_t now)
{
	int64_t missed = (now - entry->first) / entry->every;
	int64_t due;

	if (__builtin_mul_overflow(missed + 1, entry->every, &due) ||
	    __builtin_add_overflow(entry->first, due, &due))
		return FERRY_FOREVER;
	return due;
}

static void call_timer(ferry_loop *loop, ferry_loop_id id, int64_t now)
{
	struct fy_loop_entry *entry = fy_loop_entry_find(&loop->table, id);
	ferry_loop_call call = entry->call;
	void *arg = entry->arg;

	if (entry->every > 0) {
		entry->due = next_due(entry, now);
		fy_loop_timers_moved(&loop->timers, &loop->table, id);
	} else {
		(void)ferry_loop_forget(loop, id);
	}
	call(loop, arg);
}

/* Those that were made before this round; so a timer that makes the next one, due at once, keeps
 * nobody waiting. */
static void call_due(ferry_loop *loop)
{
	const uint64_t made = loop->timers.made;
	const int64_t now = loop->timers.n ? fy_now() : 0;

	loop->calling = now;
	while (!stopped(loop) && fy_loop_timers_due(&loop->timers, &loop->table) <= now) {
		ferry_loop_id id = fy_loop_timers_first(&loop->timers, &loop->table);

		if (fy_loop_entry_find(&loop->table, id)->made >= made)
			break;
		call_timer(loop, id, now);
	}
	loop->calling = 0;
}

static void call_deferred(ferry_loop *loop)
{
	struct fy_loop_deferred *first = fy_loop_queue_take(&loop->queue);

	while (first && !stopped(loop)) {
		struct fy_loop_deferred deferred = *first;

		free(first);
		first = deferred.next;
		deferred.call(loop, deferred.arg);
	}
	fy_loop_queue_return(&loop->queue, first);
}

/* When the wait of this round has to end. */
static ferry_deadline round_end(ferry_loop *loop, ferry_deadline deadline)
{
	int64_t due = fy_loop_timers_due(&loop->timers, &loop->table);

	if (deadline == FERRY_NOW || !fy_loop_queue_is_empty(&loop->queue))
		return FERRY_NOW;
	return due < deadline ? (due > 0 ? due : 1) : deadline;
}

/* 0, or why no further round is made. */
static int make_round(ferry_loop *loop, ferry_deadline deadline)
{
	struct ferry_report ready[AT_ONCE];
	int n;

	loop->round++;
	n = ferry_waiter_wait(loop->waiter, ready, AT_ONCE, round_end(loop, deadline));
	if (n < 0 && n != -EAGAIN && n != -ETIMEDOUT)
		return n;
	call_ready(loop, ready, n);
	call_due(loop);
	call_deferred(loop);
	if (deadline == FERRY_NOW)
		return -EAGAIN;
	return deadline < FERRY_FOREVER && fy_now() >= deadline ? -ETIMEDOUT : 0;
}

/* What was asked for by ferry_loop_stop(), which is done by this. */
static int take_stop(ferry_loop *loop, int result)
{
	/* SYNC(loop.stop) acquire: pairs with the release in ferry_loop_stop(). */
	uint64_t stop = atomic_exchange_explicit(&loop->stop, 0, memory_order_acquire);

	return stop ? (int)(stop - 1) : result;
}

int ferry_loop_run(ferry_loop *loop, ferry_deadline deadline)
{
	pthread_t nobody = 0;
	int e = 0;

	if (!loop || deadline < 0)
		return -EINVAL;
	/* SYNC(loop.runner) acquire: pairs with the release below: what another thread did while it
	 * ran the loop is seen. */
	if (!atomic_compare_exchange_strong_explicit(&loop->runner, &nobody, pthread_self(),
						     memory_order_acquire, memory_order_relaxed))
		return -EDEADLK;
	while (e == 0 && !stopped(loop))
		e = make_round(loop, deadline);
	e = take_stop(loop, e);
	/* SYNC(loop.runner) release: pairs with the acquire above. */
	atomic_store_explicit(&loop->runner, 0, memory_order_release);
	return e;
}
