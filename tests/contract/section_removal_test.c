/* SPDX-License-Identifier: MIT */
/* Removing a segment wakes at once who waits for a lock or the like in it (C6). */
#include <errno.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "scratch.h"
#include "section.h"

#define NAP    30000000 /* ns: when a sleeper looks by itself, counted from the clock's zero */
#define ROUNDS 50       /* attempts, on a machine that has other things to do */
#define MANY   1024     /* more than the segment's table holds, with those of the section */
#define FIRST  16       /* of them, in locks from the beginning of the segment */

/* A call that waits, and what keeps it waiting. */
struct wait {
	int (*keep)(ferry_segment *segment, struct section *s);
	int (*call)(ferry_segment *segment, struct section *s);
};

static int nothing(ferry_segment *segment, struct section *s)
{
	(void)segment;
	(void)s;
	return 0;
}

static int lock(ferry_segment *segment, struct section *s)
{
	return ferry_lock_acquire(segment, &s->lock, FERRY_FOREVER);
}

static int read_it(ferry_segment *segment, struct section *s)
{
	return ferry_rwlock_read(segment, &s->rwlock, FERRY_FOREVER);
}

static int write_it(ferry_segment *segment, struct section *s)
{
	return ferry_rwlock_write(segment, &s->rwlock, FERRY_FOREVER);
}

static int unit(ferry_segment *segment, struct section *s)
{
	return ferry_semaphore_wait(segment, &s->semaphore, FERRY_FOREVER);
}

static int signal_of(ferry_segment *segment, struct section *s)
{
	check_eq(lock(segment, s), 0);
	return ferry_condition_wait(segment, &s->condition, &s->lock, FERRY_FOREVER);
}

static int meet(ferry_segment *segment, struct section *s)
{
	return ferry_barrier_wait(segment, &s->barrier, FERRY_FOREVER);
}

static int turn(ferry_segment *segment, struct section *s)
{
	return ferry_once_begin(segment, &s->once, FERRY_FOREVER) < 0 ? -EIDRM : 0;
}

/* value[0] is what the call said, value[1] when; reach 1. */
static void wait_in(struct stage *stage, const void *argument)
{
	const struct wait *wait = argument;
	ferry_segment *own = section_open();
	const int r = wait->call(own, section_of(own));

	atomic_store(&stage->value[1], clock_ns());
	atomic_store(&stage->value[0], r);
	stage_reach(stage, 1);
	ferry_segment_close(own);
}

static int all_wait(ferry_segment *segment)
{
	struct ferry_segment_stat stat = { 0 };

	check_eq(ferry_segment_stat(segment, &stat), 0);
	return stat.lock_waiters == 1;
}

/* Some ms after a moment at which sleepers look by themselves. */
static int between_naps(void)
{
	const int64_t since = clock_ns() % NAP;

	return since > NAP / 6 && since < NAP / 3;
}

/* Was the sleeper awake before it would have looked by itself? */
static int wakes_at_once(const struct wait *wait)
{
	ferry_segment *roomy;
	struct peer peer;

	check_eq(
	    ferry_segment_open(&roomy, "section",
			       FERRY_SEGMENT_OPTIONS(.bytes = (FIRST + MANY) * sizeof(ferry_lock))),
	    0);
	ferry_segment *segment = section_make(0, 0, 2);
	ferry_segment_close(roomy);
	check(wait->keep(segment, section_of(segment)) >= 0);
	peer_start(&peer, wait_in, wait);
	await(all_wait(segment) && process_asleep(peer.pid));
	/* Not one whose nap is over already, and who waits for a processor. */
	await(between_naps() && process_asleep(peer.pid));
	const int64_t next_nap = (clock_ns() / NAP + 1) * NAP;
	check_eq(ferry_remove("section", NULL), 0);
	peer_await(&peer, 1);
	check_eq(atomic_load(&peer.stage->value[0]), -EIDRM);
	const int64_t woken = atomic_load(&peer.stage->value[1]);
	peer_join(&peer);
	ferry_segment_close(segment);
	return woken < next_nap;
}

static void removal_wakes(const struct wait *wait)
{
	int woken = 0;

	for (int i = 0; i < ROUNDS && !woken; i++)
		woken = wakes_at_once(wait);
	check(woken);
}

static void c6_removal_wakes_who_waits_for_a_lock(void)
{
	removal_wakes(&(const struct wait){ lock, lock });
}

static void c6_removal_wakes_readers_and_writers(void)
{
	removal_wakes(&(const struct wait){ write_it, read_it });
	removal_wakes(&(const struct wait){ write_it, write_it });
	/* The writer has the lock among writers, and waits for us to leave. */
	removal_wakes(&(const struct wait){ read_it, write_it });
}

static void c6_removal_wakes_who_waits_for_a_unit(void)
{
	removal_wakes(&(const struct wait){ nothing, unit });
}

static void c6_removal_wakes_who_waits_for_a_signal(void)
{
	removal_wakes(&(const struct wait){ nothing, signal_of });
}

static void c6_removal_wakes_who_waits_at_a_barrier(void)
{
	removal_wakes(&(const struct wait){ nothing, meet });
}

static void c6_removal_wakes_who_waits_for_a_once(void)
{
	removal_wakes(&(const struct wait){ turn, turn });
}

static int the_last_of_many(ferry_segment *segment, struct section *s)
{
	return ferry_lock_acquire(segment, (ferry_lock *)s + FIRST + MANY - 1, FERRY_FOREVER);
}

/* What the table has no room for is found through the seats of those who wait for it. */
static int more_than_the_table_holds(ferry_segment *segment, struct section *s)
{
	for (int i = 0; i < MANY; i++)
		check_eq(ferry_lock_init(segment, (ferry_lock *)s + FIRST + i), 0);
	return the_last_of_many(segment, s);
}

static void c6_removal_wakes_at_what_no_table_holds(void)
{
	removal_wakes(&(const struct wait){ more_than_the_table_holds, the_last_of_many });
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c6_removal_wakes_who_waits_for_a_lock),
		claim(c6_removal_wakes_readers_and_writers),
		claim(c6_removal_wakes_who_waits_for_a_unit),
		claim(c6_removal_wakes_who_waits_for_a_signal),
		claim(c6_removal_wakes_who_waits_at_a_barrier),
		claim(c6_removal_wakes_who_waits_for_a_once),
		claim(c6_removal_wakes_at_what_no_table_holds),
	};

	return claim_run_all(claims);
}
