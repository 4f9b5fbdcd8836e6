/* SPDX-License-Identifier: MIT */
/* The lock: exclusion, misuse, the owner's death, distrust (C5, C9, C11). See lock_wait_test.c. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "holder.h"
#include "own.h"
#include "scratch.h"

/* ---- exclusion and misuse ---- */

static void one_at_a_time_has_it(void)
{
	struct peer peer;

	begin();
	holder_start(&peer);
	check_eq(acquire(FERRY_NOW), -EAGAIN);
	check_eq(acquire(ferry_in_ms(20)), -ETIMEDOUT);
	holder_finish(&peer);
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(release(), 0);
	end();
}

static void add_up(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	const int n = *(const int *)argument;

	(void)stage;
	for (int i = 0; i < n; i++) {
		check_eq(ferry_lock_acquire(own, &there->lock, FERRY_FOREVER), 0);
		/* Several words that only the lock keeps in step. */
		for (int w = 0; w < 8; w++)
			atomic_store_explicit(
			    &there->data[w],
			    atomic_load_explicit(&there->data[w], memory_order_relaxed) + 1,
			    memory_order_relaxed);
		check_eq(ferry_lock_release(own, &there->lock), 0);
	}
	ferry_segment_close(own);
}

static void nothing_is_lost_between_many(void)
{
	const int n = check_repeat(20000, 1000000);
	struct peer peers[4];

	begin();
	for (int i = 0; i < 4; i++)
		peer_start(&peers[i], add_up, &n);
	for (int i = 0; i < 4; i++)
		peer_join(&peers[i]);
	for (int w = 0; w < 8; w++)
		check_eq(s->data[w], 4 * n);
	check_eq(section_count(segment, &s->lock, FERRY_SYNC_WAITS), 0);
	end();
}

static void taking_it_twice_is_edeadlk(void)
{
	begin();
	check_eq(acquire(FERRY_FOREVER), 0);
	check_eq(acquire(FERRY_FOREVER), -EDEADLK);
	check_eq(acquire(FERRY_NOW), -EDEADLK);
	check_eq(release(), 0);
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(release(), 0);
	end();
}

static void releasing_what_one_has_not_is_eperm(void)
{
	struct peer peer;

	begin();
	check_eq(release(), -EPERM);
	holder_start(&peer);
	check_eq(release(), -EPERM);
	check_eq(ferry_lock_repaired(segment, &s->lock), -EPERM);
	holder_finish(&peer);
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(ferry_lock_repaired(segment, &s->lock), -EINVAL);
	check_eq(release(), 0);
	end();
}

static void *try_both(void *argument)
{
	(void)argument;
	check_eq(release(), -EPERM);
	check_eq(acquire(FERRY_NOW), -EAGAIN);
	return NULL;
}

static void another_thread_does_not_have_it(void)
{
	pthread_t thread;

	begin();
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(pthread_create(&thread, NULL, try_both, NULL), 0);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(release(), 0);
	end();
}

static void many_locks_are_released_in_any_order(void)
{
	enum { LOCKS = 50 };
	ferry_segment *large;
	ferry_lock *locks;

	check_eq(ferry_segment_open(&large, "large",
				    FERRY_SEGMENT_OPTIONS(.bytes = LOCKS * sizeof *locks)),
		 0);
	locks = ferry_segment_address(large);
	for (int i = 0; i < LOCKS; i++) {
		check_eq(ferry_lock_init(large, &locks[i]), 0);
		check_eq(ferry_lock_acquire(large, &locks[i], FERRY_NOW), 0);
	}
	for (int i = 0; i < LOCKS; i++) {
		const int which = i * 7 % LOCKS;
		check_eq(ferry_lock_acquire(large, &locks[which], FERRY_NOW), -EDEADLK);
		check_eq(ferry_lock_release(large, &locks[which]), 0);
		check_eq(ferry_lock_release(large, &locks[which]), -EPERM);
	}
	ferry_segment_close(large);
	check_eq(ferry_remove("large", NULL), 0);
}

static ferry_lock *no_lock(void)
{
	return (ferry_lock *)(void *)((char *)s + offsetof(struct section, data) + 64);
}

static void what_is_no_lock_is_einval(void)
{
	ferry_lock elsewhere = { { 0 } };
	ferry_segment *reader;

	begin();
	check_eq(ferry_lock_acquire(NULL, &s->lock, FERRY_NOW), -EINVAL);
	check_eq(ferry_lock_acquire(segment, NULL, FERRY_NOW), -EINVAL);
	check_eq(ferry_lock_release(NULL, &s->lock), -EINVAL);
	check_eq(ferry_lock_release(segment, NULL), -EINVAL);
	check_eq(ferry_lock_init(segment, &elsewhere), -EINVAL);
	check_eq(ferry_lock_acquire(segment, &elsewhere, FERRY_NOW), -EINVAL);
	check_eq(ferry_lock_acquire(segment, (void *)&s->rwlock, FERRY_NOW), -EINVAL);
	check_eq(ferry_lock_acquire(segment, no_lock(), FERRY_NOW), -EINVAL);
	check_eq(ferry_lock_acquire(segment, (void *)((char *)&s->lock + 8), FERRY_NOW), -EINVAL);
	check_eq(ferry_lock_release(segment, no_lock()), -EINVAL);
	check_eq(
	    ferry_segment_open(&reader, "section", FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY)),
	    0);
	ferry_lock *theirs = &section_of(reader)->lock;
	check_eq(ferry_lock_acquire(reader, theirs, FERRY_NOW), -EBADF);
	check_eq(ferry_lock_init(reader, theirs), -EBADF);
	ferry_segment_close(reader);
	end();
}

/* ---- death ---- */

static void next_owner_is_told_of_a_death(void)
{
	struct peer peer;

	begin();
	for (int i = 0; i < 5; i++) {
		holder_start(&peer);
		check_eq(atomic_load(&peer.stage->value[0]), 0);
		peer_kill(&peer);
		const int64_t start = clock_ns();
		check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
		check(clock_ns() - start < CHECK_SOON_NS);
		check_eq(ferry_lock_repaired(segment, &s->lock), 0);
		check_eq(release(), 0);
		check_eq(acquire(FERRY_NOW), 0);
		check_eq(release(), 0);
	}
	end();
}

static void now_finds_the_lock_of_the_dead(void)
{
	begin();
	for (int i = 0; i < 20; i++) {
		struct peer peer;
		holder_start(&peer);
		check_eq(acquire(FERRY_NOW), -EAGAIN);
		peer_kill(&peer);
		int r = -EAGAIN;
		await((r = acquire(FERRY_NOW)) != -EAGAIN);
		check_eq(r, FERRY_OWNER_DIED);
		check_eq(ferry_lock_repaired(segment, &s->lock), 0);
		check_eq(release(), 0);
	}
	end();
}

static void death_wakes_who_waits(void)
{
	struct peer doomed;
	struct peer waiter;

	begin();
	holder_start(&doomed);
	holder_start_waiting(&waiter, HOLDER_PLAIN, segment, 1);
	peer_kill(&doomed);
	peer_await(&waiter, 1);
	check_eq(atomic_load(&waiter.stage->value[0]), FERRY_OWNER_DIED);
	peer_allow(&waiter, 1);
	peer_join(&waiter);
	/* It released without repairing. */
	check_eq(acquire(FERRY_NOW), -ENOTRECOVERABLE);
	end();
}

static void unrepaired_is_lost_for_all_until_initialized(void)
{
	struct peer peer;
	struct peer waiter;

	begin();
	holder_start(&peer);
	peer_kill(&peer);
	check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
	holder_start_waiting(&waiter, HOLDER_PLAIN, segment, 1);
	check_eq(release(), 0);
	peer_await(&waiter, 1);
	check_eq(atomic_load(&waiter.stage->value[0]), -ENOTRECOVERABLE);
	peer_kill(&waiter);
	for (int i = 0; i < 3; i++)
		check_eq(acquire(FERRY_FOREVER), -ENOTRECOVERABLE);
	check_eq(release(), -EPERM);
	section_entry(segment, &s->lock, FERRY_SYNC_LOST);
	check_eq(ferry_lock_init(segment, &s->lock), 0);
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(release(), 0);
	end();
}

static void repairer_that_dies_leaves_it_unrepaired(void)
{
	struct peer peer;
	struct peer repairer;

	begin();
	holder_start(&peer);
	peer_kill(&peer);
	holder_start(&repairer);
	check_eq(atomic_load(&repairer.stage->value[0]), FERRY_OWNER_DIED);
	peer_kill(&repairer);
	check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
	check_eq(ferry_lock_repaired(segment, &s->lock), 0);
	check_eq(release(), 0);
	end();
}

static void zombie_owner_is_dead(void)
{
	struct peer peer;

	begin();
	holder_start(&peer);
	peer_kill_to_zombie(&peer);
	check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
	peer_kill(&peer);
	end();
}

static void stopped_owner_holds_on(void)
{
	struct peer peer;

	begin();
	holder_start(&peer);
	peer_stop(&peer);
	check_eq(acquire(ferry_in_ms(200)), -ETIMEDOUT);
	struct ferry_sync_entry entry = section_entry(segment, &s->lock, FERRY_SYNC_HOLDS);
	check_eq(entry.pid, peer.pid);
	check_eq(entry.thread, peer.pid);
	check_eq(entry.alive, 1);
	/* Since when is known once somebody has waited. */
	check(entry.since > 0 && entry.since <= clock_ns());
	peer_resume(&peer);
	holder_finish(&peer);
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(release(), 0);
	end();
}

static void closing_the_handle_is_the_end_of_the_owner(void)
{
	ferry_segment *own;

	begin();
	own = section_open();
	check_eq(ferry_lock_acquire(own, &section_of(own)->lock, FERRY_NOW), 0);
	ferry_segment_close(own);
	check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
	check_eq(ferry_lock_repaired(segment, &s->lock), 0);
	check_eq(release(), 0);
	end();
}

static void *take_and_end(void *argument)
{
	check_eq(acquire(FERRY_NOW), 0);
	if (argument)
		pthread_exit(NULL);
	return NULL;
}

static void thread_that_ends_with_it_counts_as_dead(void)
{
	begin();
	for (uintptr_t i = 0; i < 2; i++) {
		pthread_t thread;
		check_eq(pthread_create(&thread, NULL, take_and_end, (void *)i), 0);
		check_eq(pthread_join(thread, NULL), 0);
		section_entry(segment, &s->lock, FERRY_SYNC_DIED);
		check_eq(acquire(FERRY_NOW), FERRY_OWNER_DIED);
		check_eq(ferry_lock_repaired(segment, &s->lock), 0);
		check_eq(release(), 0);
	}
	end();
}

static void *take_and_exit_raw(void *argument)
{
	_Atomic int *taken = argument;

	check_eq(acquire(FERRY_NOW), 0);
	atomic_store(taken, 1);
	/* The last thing that this thread does: nobody runs its destructors. */
	syscall(SYS_exit, 0);
	return NULL;
}

static void thread_that_vanishes_is_noticed_in_the_same_namespace(void)
{
	_Atomic int taken = 0;
	pthread_t thread;

	begin();
	check_eq(pthread_create(&thread, NULL, take_and_exit_raw, &taken), 0);
	await(taken);
	check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
	check_eq(pthread_join(thread, NULL), 0);
	end();
}

static pthread_key_t late_key;

static void take_late(void *argument)
{
	(void)argument;
	check_eq(acquire(FERRY_NOW), 0);
}

static void *use_late(void *argument)
{
	(void)argument;
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(release(), 0);
	check_eq(pthread_setspecific(late_key, segment), 0);
	return NULL;
}

static void lock_taken_by_a_late_destructor_is_given_up_too(void)
{
	pthread_t thread;

	begin();
	check_eq(acquire(FERRY_NOW), 0);
	check_eq(release(), 0);
	check_eq(pthread_key_create(&late_key, take_late), 0);
	check_eq(pthread_create(&thread, NULL, use_late, NULL), 0);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(acquire(box_patience()), FERRY_OWNER_DIED);
	check_eq(pthread_key_delete(late_key), 0);
	end();
}

/* ---- fork ---- */

static void child_of_holder(struct stage *stage, const void *argument)
{
	(void)argument;
	check_eq(release(), -EPERM);
	check_eq(acquire(FERRY_NOW), -EAGAIN);
	stage_meet(stage, 1);
	check_eq(acquire(box_patience()), 0);
	check_eq(release(), 0);
	ferry_segment_close(segment);
}

static void child_does_not_hold_what_its_parent_does(void)
{
	struct peer peer;

	begin();
	check_eq(acquire(FERRY_NOW), 0);
	peer_start(&peer, child_of_holder, NULL);
	peer_await(&peer, 1);
	check_eq(release(), 0);
	peer_allow(&peer, 1);
	peer_join(&peer);
	check_eq(acquire(box_patience()), 0);
	check_eq(release(), 0);
	end();
}

/* ---- distrust ---- */

static void nonsense_in_the_word_is_an_error(void)
{
	static const uint64_t words[] = {
		UINT64_C(0xffe) << 4 | 1 << 16, /* no such member */
		UINT64_C(1) << 4,               /* no thread */
		UINT64_C(0x123456789abc0000),   /* nobody */
	};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		begin();
		memcpy((char *)&s->lock + 8, &words[i], sizeof *words);
		check_eq(acquire(box_patience()), -FERRY_ECORRUPT);
		/* The handle has had enough. */
		check_eq(acquire(FERRY_NOW), -FERRY_ECORRUPT);
		end();
	}
}

static void any_bytes_there_do_no_harm(void)
{
	uint64_t random = 88172645463325252u;

	begin();
	for (int i = 0; i < check_repeat(3000, 100000); i++) {
		uint64_t words[7];
		for (int w = 0; w < 7; w++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			words[w] = random >> random % 64;
		}
		memcpy((char *)&s->lock + 8, words, sizeof words);
		(void)ferry_lock_acquire(segment, &s->lock, FERRY_NOW);
		(void)ferry_lock_release(segment, &s->lock);
		(void)ferry_lock_repaired(segment, &s->lock);
		if (i % 16 == 0) {
			open_again();
		}
	}
	end();
}

/* ---- alone at a location ---- */

static void alone_at_a_location_it_is_the_same_for_all(void)
{
	ferry_segment *one;
	ferry_segment *two;
	ferry_lock *lock;
	ferry_lock *same;

	check_eq(ferry_lock_open(&one, &lock, "door", NULL), 0);
	check_eq(ferry_lock_open(&two, &same, "door", NULL), 0);
	check_eq(ferry_lock_acquire(one, lock, FERRY_NOW), 0);
	check_eq(ferry_lock_acquire(two, same, FERRY_NOW), -EAGAIN);
	check_eq(ferry_lock_release(one, lock), 0);
	check_eq(ferry_lock_acquire(two, same, FERRY_NOW), 0);
	check_eq(section_count(one, lock, FERRY_SYNC_HOLDS), 1);
	ferry_segment_close(one);
	ferry_segment_close(two);
	check_eq(ferry_remove("door", NULL), 0);
}

static void what_is_alone_there_has_its_kind(void)
{
	struct ferry_why why;
	ferry_segment *one;
	ferry_rwlock *rwlock;
	ferry_lock *lock;

	check_eq(ferry_rwlock_open(&one, &rwlock, "door", NULL), 0);
	ferry_segment_close(one);
	check_eq(ferry_lock_open(&one, &lock, "door", FERRY_SEGMENT_OPTIONS(.why = &why)),
		 -FERRY_EKIND);
	check(strstr(why.text, "door") && strstr(why.text, "lock"));
	check_eq(ferry_lock_open(NULL, &lock, "door", NULL), -EINVAL);
	check_eq(
	    ferry_lock_open(&one, &lock, "nowhere", FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING)),
	    -ENOENT);
	check_eq(ferry_remove("door", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(one_at_a_time_has_it),
		claim(nothing_is_lost_between_many),
		claim(taking_it_twice_is_edeadlk),
		claim(releasing_what_one_has_not_is_eperm),
		claim(another_thread_does_not_have_it),
		claim(many_locks_are_released_in_any_order),
		claim(what_is_no_lock_is_einval),
		claim(next_owner_is_told_of_a_death),
		claim(now_finds_the_lock_of_the_dead),
		claim(death_wakes_who_waits),
		claim(unrepaired_is_lost_for_all_until_initialized),
		claim(repairer_that_dies_leaves_it_unrepaired),
		claim(zombie_owner_is_dead),
		claim(stopped_owner_holds_on),
		claim(closing_the_handle_is_the_end_of_the_owner),
		claim(thread_that_ends_with_it_counts_as_dead),
		claim(thread_that_vanishes_is_noticed_in_the_same_namespace),
		claim(lock_taken_by_a_late_destructor_is_given_up_too),
		claim(child_does_not_hold_what_its_parent_does),
		claim(nonsense_in_the_word_is_an_error),
		claim(any_bytes_there_do_no_harm),
		claim(alone_at_a_location_it_is_the_same_for_all),
		claim(what_is_alone_there_has_its_kind),
	};

	return claim_run_all(claims);
}
