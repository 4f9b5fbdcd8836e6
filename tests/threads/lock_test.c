/* SPDX-License-Identifier: MIT */
/* Threads of one handle behind locks and the like. The data are plain memory, so that the thread
 * sanitizer says what the memory orders do not give. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "claim.h"
#include "crew.h"
#include "section.h"

enum { THREADS = 6, TURNS = 2000 };

struct plain {
	uint64_t words[4];
};

static ferry_segment *segment;
static struct section *s;
static struct plain plain; /* behind whatever the claim is about */
static _Atomic uint32_t inside;

static ferry_deadline patience(void)
{
	return ferry_in_ms(60000);
}

static void begin(uint32_t units, uint32_t parties)
{
	memset(&plain, 0, sizeof plain);
	segment = section_make(units, 1, parties);
	s = section_of(segment);
}

static void change(void)
{
	for (int w = 0; w < 4; w++)
		plain.words[w]++;
}

static void check_whole(uint64_t sum)
{
	for (int w = 0; w < 4; w++)
		check_eq(plain.words[w], sum);
}

static void take_turns(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < TURNS; i++) {
		const ferry_deadline deadline = i % 5 == 0 ? ferry_in_ns(20000) : patience();
		const int r = ferry_lock_acquire(segment, &s->lock, deadline);
		if (r == -ETIMEDOUT) {
			i--;
			continue;
		}
		check_eq(r, 0);
		change();
		check_eq(ferry_lock_release(segment, &s->lock), 0);
	}
}

static void lock_orders_memory(void)
{
	begin(0, 1);
	crew_run(THREADS, take_turns, NULL);
	check_whole(THREADS * TURNS);
	section_end(segment);
}

static void read_and_write(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < TURNS; i++) {
		if (i % 4 == 0) {
			check_eq(ferry_rwlock_write(segment, &s->rwlock, patience()), 0);
			change();
		} else {
			check_eq(ferry_rwlock_read(segment, &s->rwlock, patience()), 0);
			check_whole(plain.words[0]);
		}
		check_eq(ferry_rwlock_release(segment, &s->rwlock), 0);
	}
}

static void rwlock_orders_memory(void)
{
	begin(0, 1);
	crew_run(THREADS, read_and_write, NULL);
	check_whole(THREADS * TURNS / 4);
	section_end(segment);
}

static void take_units(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < TURNS; i++) {
		check_eq(ferry_semaphore_wait(segment, &s->semaphore, patience()), 0);
		change();
		check_eq(ferry_semaphore_post(segment, &s->semaphore, 1), 0);
	}
}

static void semaphore_of_one_orders_memory(void)
{
	begin(1, 1);
	crew_run(THREADS, take_units, NULL);
	check_whole(THREADS * TURNS);
	check_eq(ferry_semaphore_value(segment, &s->semaphore), 1);
	section_end(segment);
}

static void take_some(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < TURNS; i++) {
		check_eq(ferry_semaphore_wait(segment, &s->semaphore, patience()), 0);
		check(atomic_fetch_add(&inside, 1) < 3);
		atomic_fetch_sub(&inside, 1);
		check_eq(ferry_semaphore_post(segment, &s->semaphore, 1), 0);
	}
}

static void semaphore_lets_in_so_many(void)
{
	begin(3, 1);
	crew_run(THREADS, take_some, NULL);
	check_eq(ferry_semaphore_value(segment, &s->semaphore), 3);
	section_end(segment);
}

/* words[0]: pieces that lie there; words[1]: that were taken. */
static void produce(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < TURNS; i++) {
		check_eq(ferry_lock_acquire(segment, &s->lock, patience()), 0);
		plain.words[0]++;
		check_eq(ferry_lock_release(segment, &s->lock), 0);
		check(ferry_condition_signal(segment, &s->condition) >= 0);
	}
}

static void consume(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < TURNS; i++) {
		check_eq(ferry_lock_acquire(segment, &s->lock, patience()), 0);
		while (plain.words[0] == 0)
			check_eq(ferry_condition_wait(segment, &s->condition, &s->lock, patience()),
				 0);
		plain.words[0]--;
		plain.words[1]++;
		check_eq(ferry_lock_release(segment, &s->lock), 0);
	}
}

static void condition_misses_nothing(void)
{
	begin(0, 1);
	crew_run_two(THREADS / 2, produce, THREADS / 2, consume, NULL);
	check_eq(plain.words[0], 0);
	check_eq(plain.words[1], THREADS / 2 * TURNS);
	section_end(segment);
}

static void meet(const struct crew_member *member)
{
	for (int i = 0; i < TURNS / 10; i++) {
		/* One of them writes, then all read. */
		if (member->number == i % THREADS)
			change();
		check(ferry_barrier_wait(segment, &s->barrier, patience()) >= 0);
		check_whole((uint64_t)i + 1);
		check(ferry_barrier_wait(segment, &s->barrier, patience()) >= 0);
	}
	check_eq(ferry_barrier_leave(segment, &s->barrier), 0);
}

static void barrier_orders_memory(void)
{
	begin(0, THREADS);
	crew_run(THREADS, meet, NULL);
	section_end(segment);
}

static void do_once(const struct crew_member *member)
{
	(void)member;
	const int r = ferry_once_begin(segment, &s->once, patience());
	check(r >= 0);
	if (r > 0) {
		change();
		check_eq(ferry_once_done(segment, &s->once), 0);
	}
	check_whole(1);
}

static void once_orders_memory(void)
{
	for (int i = 0; i < 50; i++) {
		begin(0, 1);
		crew_run(THREADS, do_once, NULL);
		section_end(segment);
	}
}

static void look(const struct crew_member *member)
{
	struct ferry_sync_entry entries[64];

	(void)member;
	for (int i = 0; i < TURNS / 4; i++)
		check(ferry_sync_list(segment, entries, 64) >= 0);
}

static void looking_disturbs_nobody(void)
{
	begin(0, 1);
	crew_run_two(THREADS - 2, take_turns, 2, look, NULL);
	check_whole((THREADS - 2) * TURNS);
	section_end(segment);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(lock_orders_memory),
		claim(rwlock_orders_memory),
		claim(semaphore_of_one_orders_memory),
		claim(semaphore_lets_in_so_many),
		claim(condition_misses_nothing),
		claim(barrier_orders_memory),
		claim(once_orders_memory),
		claim(looking_disturbs_nobody),
	};

	return claim_run_all(claims);
}
