/* SPDX-License-Identifier: MIT */
/* The barrier and the once: nobody waits for the dead. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "own.h"

static void begin_for(uint32_t parties)
{
	begin_with(0, 0, parties);
}

static int wait_for(ferry_deadline deadline)
{
	return ferry_barrier_wait(segment, &s->barrier, deadline);
}

static int waiting(void)
{
	return section_count(segment, &s->barrier, FERRY_SYNC_WAITS);
}

/* Join and reach 1; wait argument times, when allowed: value[0] the last result, value[1] how often
 * it was the last; reach 2. */
static void participant(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	int r = ferry_barrier_join(own, &there->barrier);

	check_eq(r, 0);
	stage_meet(stage, 1);
	for (int i = 0; i < *(const int *)argument && r >= 0; i++) {
		r = ferry_barrier_wait(own, &there->barrier, FERRY_FOREVER);
		if (r == FERRY_BARRIER_LAST)
			atomic_fetch_add(&stage->value[1], 1);
		if (r >= 0)
			atomic_fetch_add(&there->data[i % 64], 1);
	}
	atomic_store(&stage->value[0], r);
	stage_meet(stage, 2);
	ferry_segment_close(own);
}

static void start(struct peer *peer, const int *rounds)
{
	peer_start(peer, participant, rounds);
	peer_await(peer, 1);
}

static void finish(struct peer *peer)
{
	peer_allow(peer, 2);
	peer_join(peer);
}

static void nobody_passes_before_all_have_arrived(void)
{
	static const int rounds = 64;
	struct peer peers[3];
	int last = 0;

	begin_for(4);
	for (int i = 0; i < 3; i++) {
		start(&peers[i], &rounds);
		peer_allow(&peers[i], 1);
	}
	for (int i = 0; i < rounds; i++) {
		check_eq(atomic_load(&s->data[i]), 0);
		const int r = wait_for(box_patience());
		check(r == 0 || r == FERRY_BARRIER_LAST);
		last += r == FERRY_BARRIER_LAST;
	}
	for (int i = 0; i < 3; i++) {
		peer_await(&peers[i], 2);
		last += (int)atomic_load(&peers[i].stage->value[1]);
	}
	/* One was the last, each time. */
	check_eq(last, rounds);
	for (int i = 0; i < rounds; i++)
		check_eq(atomic_load(&s->data[i]), 3);
	for (int i = 0; i < 3; i++)
		finish(&peers[i]);
	end();
}

static void one_alone_passes(void)
{
	begin_for(1);
	check_eq(wait_for(FERRY_NOW), FERRY_BARRIER_LAST);
	check_eq(wait_for(FERRY_NOW), FERRY_BARRIER_LAST);
	check_eq(ferry_barrier_leave(segment, &s->barrier), 0);
	check_eq(ferry_barrier_leave(segment, &s->barrier), -EPERM);
	end();
}

static void who_gives_up_has_not_arrived(void)
{
	static const int one = 1;
	struct peer peer;

	begin_for(2);
	check_eq(wait_for(FERRY_NOW), -EAGAIN);
	check_eq(wait_for(ferry_in_ms(20)), -ETIMEDOUT);
	start(&peer, &one);
	peer_allow(&peer, 1);
	await(waiting() == 1);
	check_eq(atomic_load(&peer.stage->reached), 1);
	check(wait_for(box_patience()) >= 0);
	peer_await(&peer, 2);
	finish(&peer);
	end();
}

static void death_of_one_who_waits_breaks_it(void)
{
	static const int one = 1;
	struct peer peers[2];

	begin_for(3);
	for (int i = 0; i < 2; i++) {
		start(&peers[i], &one);
		peer_allow(&peers[i], 1);
	}
	await(waiting() == 2);
	peer_kill(&peers[0]);
	peer_await(&peers[1], 2);
	check_eq(atomic_load(&peers[1].stage->value[0]), -EOWNERDEAD);
	check_eq(wait_for(FERRY_FOREVER), -EOWNERDEAD);
	finish(&peers[1]);
	end();
}

static void death_of_one_who_has_joined_breaks_it(void)
{
	static const int one = 1;
	struct peer doomed;
	struct peer other;

	begin_for(2);
	start(&doomed, &one);
	start(&other, &one);
	peer_allow(&other, 1);
	await(waiting() == 1);
	peer_kill(&doomed);
	peer_await(&other, 2);
	check_eq(atomic_load(&other.stage->value[0]), -EOWNERDEAD);
	finish(&other);
	end();
}

static void a_stopped_participant_is_waited_for(void)
{
	static const int one = 1;
	struct peer peer;

	begin_for(2);
	start(&peer, &one);
	peer_stop(&peer);
	check_eq(wait_for(ferry_in_ms(150)), -ETIMEDOUT);
	peer_resume(&peer);
	peer_allow(&peer, 1);
	check(wait_for(box_patience()) >= 0);
	peer_await(&peer, 2);
	finish(&peer);
	end();
}

static void *take_part(void *argument)
{
	(void)argument;
	check_eq(ferry_barrier_join(segment, &s->barrier), 0);
	return NULL;
}

static void a_thread_that_ends_as_a_participant_breaks_it(void)
{
	pthread_t thread;

	begin_for(2);
	check_eq(ferry_barrier_join(segment, &s->barrier), 0);
	check_eq(pthread_create(&thread, NULL, take_part, NULL), 0);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(wait_for(box_patience()), -EOWNERDEAD);
	end();
}

static void reset_makes_it_whole(void)
{
	static const int one = 1;
	struct peer peer;
	struct peer other;

	begin_for(2);
	start(&peer, &one);
	start(&other, &one);
	peer_kill(&peer);
	check_eq(wait_for(box_patience()), -EOWNERDEAD);
	check_eq(ferry_barrier_reset(segment, &s->barrier), 0);
	peer_allow(&other, 1);
	check(wait_for(box_patience()) >= 0);
	peer_await(&other, 2);
	check(atomic_load(&other.stage->value[0]) >= 0);
	finish(&other);
	end();
}

static void reset_sends_away_who_waits(void)
{
	static const int one = 1;
	struct peer peer;

	begin_for(2);
	start(&peer, &one);
	peer_allow(&peer, 1);
	await(waiting() == 1 && process_asleep(peer.pid));
	check_eq(ferry_barrier_reset(segment, &s->barrier), 0);
	peer_await(&peer, 2);
	check_eq(atomic_load(&peer.stage->value[0]), -EOWNERDEAD);
	finish(&peer);
	end();
}

static void a_new_company_finds_a_fresh_barrier(void)
{
	static const int one = 1;

	begin_for(2);
	for (int i = 0; i < 5; i++) {
		struct peer peers[2];
		for (int p = 0; p < 2; p++)
			start(&peers[p], &one);
		for (int p = 0; p < 2; p++)
			peer_allow(&peers[p], 1);
		for (int p = 0; p < 2; p++) {
			peer_await(&peers[p], 2);
			check(atomic_load(&peers[p].stage->value[0]) >= 0);
		}
		for (int p = 0; p < 2; p++)
			peer_kill(&peers[p]);
	}
	end();
}

static void closing_leaves_it(void)
{
	begin_for(1);
	for (int i = 0; i < 4; i++) {
		check_eq(ferry_barrier_join(segment, &s->barrier), 0);
		/* The next handle may be mapped where this one was. */
		ferry_segment_close(segment);
		segment = section_open();
		s = section_of(segment);
		check_eq(ferry_barrier_leave(segment, &s->barrier), -EPERM);
		check_eq(section_count(segment, &s->barrier, FERRY_SYNC_TAKES_PART), 0);
	}
	check(ferry_barrier_reset(segment, &s->barrier) >= 0);
	check_eq(ferry_barrier_wait(segment, &s->barrier, FERRY_NOW), FERRY_BARRIER_LAST);
	end();
}

static void limits_are_checked(void)
{
	begin_for(2);
	check_eq(ferry_barrier_init(segment, &s->barrier, 0), -EINVAL);
	check_eq(ferry_barrier_init(segment, &s->barrier, FERRY_BARRIER_PARTIES_MAX + 1), -EINVAL);
	check_eq(ferry_barrier_wait(segment, (void *)&s->lock, FERRY_NOW), -EINVAL);
	check_eq(ferry_barrier_wait(NULL, &s->barrier, FERRY_NOW), -EINVAL);
	end();
}

/* ---- once ---- */

static int begin_once(ferry_deadline deadline)
{
	return ferry_once_begin(segment, &s->once, deadline);
}

/* value[0] is what the begin said; reach 1; done when allowed. */
static void initializer(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	const int r = ferry_once_begin(own, &there->once, FERRY_FOREVER);

	(void)argument;
	atomic_store(&stage->value[0], r);
	if (r > 0)
		atomic_fetch_add(&there->data[0], 1);
	stage_meet(stage, 1);
	if (r > 0)
		check_eq(ferry_once_done(own, &there->once), 0);
	ferry_segment_close(own);
}

static void once_is_once(void)
{
	struct peer peers[6];
	int first = 0;

	begin_for(1);
	for (int i = 0; i < 6; i++)
		peer_start(&peers[i], initializer, NULL);
	for (int i = 0; i < 6; i++)
		peer_allow(&peers[i], 1);
	for (int i = 0; i < 6; i++) {
		struct stage *stage = peers[i].stage;
		peer_await(&peers[i], 1);
		first += atomic_load(&stage->value[0]) == FERRY_ONCE_YOURS;
		peer_join(&peers[i]);
	}
	check_eq(first, 1);
	check_eq(atomic_load(&s->data[0]), 1);
	check_eq(begin_once(FERRY_NOW), 0);
	check_eq(ferry_once_done(segment, &s->once), -EPERM);
	end();
}

static void turn_of_a_dead_initializer_passes_on(void)
{
	struct peer doomed;
	struct peer waiter;

	begin_for(1);
	peer_start(&doomed, initializer, NULL);
	peer_await(&doomed, 1);
	check_eq(begin_once(FERRY_NOW), -EAGAIN);
	check_eq(begin_once(ferry_in_ms(20)), -ETIMEDOUT);
	peer_start(&waiter, initializer, NULL);
	await(section_count(segment, &s->once, FERRY_SYNC_WAITS) == 1);
	peer_kill(&doomed);
	peer_await(&waiter, 1);
	check_eq(atomic_load(&waiter.stage->value[0]), FERRY_ONCE_AGAIN);
	peer_allow(&waiter, 1);
	peer_join(&waiter);
	check_eq(begin_once(FERRY_NOW), 0);
	end();
}

static void a_cancelled_turn_passes_on(void)
{
	begin_for(1);
	check_eq(begin_once(FERRY_NOW), FERRY_ONCE_YOURS);
	check_eq(begin_once(FERRY_FOREVER), -EDEADLK);
	check_eq(ferry_once_cancel(segment, &s->once), 0);
	check_eq(ferry_once_cancel(segment, &s->once), -EPERM);
	check_eq(begin_once(FERRY_NOW), FERRY_ONCE_YOURS);
	check_eq(ferry_once_done(segment, &s->once), 0);
	check_eq(begin_once(FERRY_NOW), 0);
	end();
}

static void both_alone_at_a_location(void)
{
	ferry_segment *one;
	ferry_once *once;
	ferry_barrier *barrier;

	check_eq(ferry_once_open(&one, &once, "first", NULL), 0);
	check_eq(ferry_once_begin(one, once, FERRY_NOW), FERRY_ONCE_YOURS);
	check_eq(ferry_once_done(one, once), 0);
	ferry_segment_close(one);
	check_eq(ferry_remove("first", NULL), 0);
	check_eq(ferry_barrier_open(&one, &barrier, "start", 1, NULL), 0);
	check_eq(ferry_barrier_wait(one, barrier, FERRY_NOW), FERRY_BARRIER_LAST);
	ferry_segment_close(one);
	check_eq(ferry_remove("start", NULL), 0);
}

static void what_is_in_a_segment_has_names(void)
{
	static const char *const names[] = { "lock",      "lock",    "rwlock", "semaphore",
					     "condition", "barrier", "once" };
	struct ferry_sync_entry entries[16];

	begin_for(1);
	check_eq(ferry_sync_list(segment, entries, 16), 7);
	for (int i = 0; i < 7; i++)
		check(!strcmp(ferry_sync_kind_name(entries[i].kind), names[i]));
	check(!strcmp(ferry_sync_kind_name((enum ferry_sync_kind)99), "unknown"));
	end();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(nobody_passes_before_all_have_arrived),
		claim(one_alone_passes),
		claim(who_gives_up_has_not_arrived),
		claim(death_of_one_who_waits_breaks_it),
		claim(death_of_one_who_has_joined_breaks_it),
		claim(a_stopped_participant_is_waited_for),
		claim(a_thread_that_ends_as_a_participant_breaks_it),
		claim(reset_makes_it_whole),
		claim(reset_sends_away_who_waits),
		claim(a_new_company_finds_a_fresh_barrier),
		claim(closing_leaves_it),
		claim(limits_are_checked),
		claim(once_is_once),
		claim(turn_of_a_dead_initializer_passes_on),
		claim(a_cancelled_turn_passes_on),
		claim(both_alone_at_a_location),
		claim(what_is_in_a_segment_has_names),
	};

	return claim_run_all(claims);
}
