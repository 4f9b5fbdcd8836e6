/* SPDX-License-Identifier: MIT */
/* Threads that start together, and the journal of their messages. */
#include "crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"

/* One thread to be. */
struct start {
	struct crew_member member;
	void (*body)(const struct crew_member *member);
	pthread_barrier_t *gun;
};

static void *thread_main(void *argument)
{
	const struct start *start = argument;

	pthread_barrier_wait(start->gun);
	start->body(&start->member);
	return NULL;
}

void crew_run_two(int n_first, void (*first)(const struct crew_member *member), int n_second,
		  void (*second)(const struct crew_member *member), void *shared)
{
	const int n = n_first + n_second;
	struct start starts[CREW_MOST];
	pthread_t threads[CREW_MOST];
	pthread_barrier_t gun;

	check(n <= CREW_MOST);
	check_eq(pthread_barrier_init(&gun, NULL, (unsigned)n), 0);
	for (int i = 0; i < n; i++) {
		const int is_first = i < n_first;

		starts[i] = (struct start){ { is_first ? i : i - n_first, shared },
					    is_first ? first : second,
					    &gun };
		check_eq(pthread_create(&threads[i], NULL, thread_main, &starts[i]), 0);
	}
	for (int i = 0; i < n; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&gun);
}

void crew_run(int n, void (*body)(const struct crew_member *member), void *shared)
{
	crew_run_two(n, body, 0, body, shared);
}

static struct journal_entry *entries;
static uint64_t n_entries;
static _Atomic uint64_t ticks;

void journal_begin(uint64_t n_messages)
{
	entries = calloc(n_messages, sizeof *entries);
	check(entries);
	n_entries = n_messages;
	atomic_store(&ticks, 0);
}

void journal_free(void)
{
	free(entries);
	entries = NULL;
}

struct journal_entry *journal_entry(uint64_t number)
{
	check(number < n_entries);
	return &entries[number];
}

uint64_t journal_tick(void)
{
	return atomic_fetch_add(&ticks, 1) + 1;
}

void journal_received(uint64_t number, uint64_t receive_begin)
{
	struct journal_entry *entry = journal_entry(number);

	check(atomic_load(&entry->send_begin));
	atomic_store(&entry->receive_end, journal_tick());
	atomic_store(&entry->receive_begin, receive_begin);
	atomic_fetch_add(&entry->received, 1);
}

void journal_check_all_came_once(void)
{
	for (uint64_t i = 0; i < n_entries; i++)
		if (entries[i].received != (entries[i].send_end != 0))
			check_failed(__FILE__, __LINE__, "message %ju came %u times", (uintmax_t)i,
				     entries[i].received);
}

/* An entry as it stands when all threads have ended: plain, and quick to compare. */
struct life {
	uint64_t send_begin;
	uint64_t send_end;
	uint64_t receive_begin;
	uint64_t receive_end;
	uint32_t priority;
};

/* The messages that were received; how many. */
static uint64_t lives(struct life *life)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < n_entries; i++) {
		const struct journal_entry *e = &entries[i];

		if (e->received && e->send_end)
			life[n++] = (struct life){ e->send_begin, e->send_end, e->receive_begin,
						   e->receive_end, e->priority };
	}
	return n;
}

__attribute__((no_sanitize("thread"))) static int overtaken(const struct life *x,
							    const struct life *y)
{
	return x->send_end < y->send_begin && y->receive_end < x->receive_begin &&
	       x->priority == y->priority;
}

__attribute__((no_sanitize("thread"))) void journal_check_order(void)
{
	struct life *life = calloc(n_entries, sizeof *life);
	const uint64_t n = lives(life);

	for (uint64_t i = 0; i < n; i++)
		for (uint64_t j = 0; j < n; j++)
			if (overtaken(&life[i], &life[j]))
				check_failed(__FILE__, __LINE__,
					     "a message sent at %ju was overtaken by one of %ju",
					     (uintmax_t)life[i].send_begin,
					     (uintmax_t)life[j].send_begin);
	free(life);
}
