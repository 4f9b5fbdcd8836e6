/* SPDX-License-Identifier: MIT */
/* The rwlock: sharing, exclusion, neither side starves, dead readers and writers. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "own.h"

/* A reader that was let in and has not come after this is passed by. */
#define STALE_NS 20000000LL

static int read_it(ferry_deadline deadline)
{
	return ferry_rwlock_read(segment, &s->rwlock, deadline);
}

static int write_it(ferry_deadline deadline)
{
	return ferry_rwlock_write(segment, &s->rwlock, deadline);
}

static int release_it(void)
{
	return ferry_rwlock_release(segment, &s->rwlock);
}

/* Take it (value[0] is what it said, value[1] the order, value[2] the time), reach 1, release when
 * allowed. */
static void hold(struct stage *stage, int (*take)(ferry_segment *, ferry_rwlock *, ferry_deadline))
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);

	atomic_store(&stage->value[0], take(own, &there->rwlock, FERRY_FOREVER));
	atomic_store(&stage->value[1], (int64_t)atomic_fetch_add(&there->data[0], 1));
	atomic_store(&stage->value[2], clock_ns());
	stage_meet(stage, 1);
	check_eq(ferry_rwlock_release(own, &there->rwlock), 0);
	ferry_segment_close(own);
}

static void reader(struct stage *stage, const void *argument)
{
	(void)argument;
	hold(stage, ferry_rwlock_read);
}

static void writer(struct stage *stage, const void *argument)
{
	(void)argument;
	hold(stage, ferry_rwlock_write);
}

static void start(struct peer *peer, void (*body)(struct stage *, const void *))
{
	peer_start(peer, body, NULL);
	peer_await(peer, 1);
}

static void finish(struct peer *peer)
{
	peer_await(peer, 1);
	peer_allow(peer, 1);
	peer_join(peer);
}

static int64_t order(const struct peer *peer)
{
	return atomic_load(&peer->stage->value[1]);
}

static int waiting(void)
{
	return section_count(segment, &s->rwlock, FERRY_SYNC_WAITS);
}

static void readers_share_and_writers_do_not(void)
{
	struct peer readers[3];
	struct peer one;

	begin();
	for (int i = 0; i < 3; i++)
		start(&readers[i], reader);
	check_eq(read_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	check_eq(write_it(FERRY_NOW), -EAGAIN);
	check_eq(write_it(ferry_in_ms(20)), -ETIMEDOUT);
	check_eq(read_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	for (int i = 0; i < 3; i++)
		finish(&readers[i]);
	start(&one, writer);
	check_eq(read_it(FERRY_NOW), -EAGAIN);
	check_eq(read_it(ferry_in_ms(20)), -ETIMEDOUT);
	check_eq(write_it(FERRY_NOW), -EAGAIN);
	finish(&one);
	check_eq(write_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	end();
}

static void misuse_is_refused(void)
{
	begin();
	check_eq(release_it(), -EPERM);
	check_eq(read_it(FERRY_NOW), 0);
	check_eq(read_it(FERRY_FOREVER), -EDEADLK);
	check_eq(write_it(FERRY_FOREVER), -EDEADLK);
	check_eq(ferry_rwlock_repaired(segment, &s->rwlock), -EPERM);
	check_eq(release_it(), 0);
	check_eq(release_it(), -EPERM);
	check_eq(write_it(FERRY_NOW), 0);
	check_eq(read_it(FERRY_FOREVER), -EDEADLK);
	check_eq(write_it(FERRY_FOREVER), -EDEADLK);
	check_eq(ferry_rwlock_repaired(segment, &s->rwlock), -EINVAL);
	check_eq(release_it(), 0);
	check_eq(ferry_rwlock_read(segment, (void *)&s->lock, FERRY_NOW), -EINVAL);
	check_eq(ferry_rwlock_read(NULL, &s->rwlock, FERRY_NOW), -EINVAL);
	end();
}

static void a_dead_reader_keeps_no_writer_out(void)
{
	begin();
	for (int i = 0; i < 10; i++) {
		struct peer readers[2];
		start(&readers[0], reader);
		start(&readers[1], reader);
		peer_kill(&readers[0]);
		peer_kill(&readers[1]);
		const int64_t begun = clock_ns();
		check_eq(write_it(box_patience()), 0);
		check(clock_ns() - begun < CHECK_SOON_NS);
		check_eq(release_it(), 0);
	}
	end();
}

static void death_of_the_last_reader_wakes_the_writer(void)
{
	struct peer one;
	struct peer other;

	begin();
	start(&one, reader);
	peer_start(&other, writer, NULL);
	await(waiting() == 1);
	peer_kill(&one);
	finish(&other);
	end();
}

static void a_stopped_reader_holds_on(void)
{
	struct peer one;

	begin();
	start(&one, reader);
	peer_stop(&one);
	check_eq(write_it(ferry_in_ms(150)), -ETIMEDOUT);
	check_eq(section_entry(segment, &s->rwlock, FERRY_SYNC_SHARES).pid, one.pid);
	peer_resume(&one);
	finish(&one);
	check_eq(write_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	end();
}

static void next_writer_is_told_of_a_dead_writer(void)
{
	struct peer one;

	begin();
	start(&one, writer);
	peer_kill(&one);
	check_eq(write_it(box_patience()), FERRY_OWNER_DIED);
	check_eq(ferry_rwlock_repaired(segment, &s->rwlock), 0);
	check_eq(release_it(), 0);
	check_eq(read_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	end();
}

static void a_reader_after_a_dead_writer_has_it_alone(void)
{
	struct peer dead;
	struct peer other;

	begin();
	start(&dead, writer);
	peer_kill(&dead);
	check_eq(read_it(box_patience()), FERRY_OWNER_DIED);
	section_entry(segment, &s->rwlock, FERRY_SYNC_HOLDS);
	peer_start(&other, reader, NULL);
	await(waiting() == 1);
	check_eq(ferry_rwlock_repaired(segment, &s->rwlock), 0);
	check_eq(release_it(), 0);
	peer_await(&other, 1);
	check_eq(atomic_load(&other.stage->value[0]), 0);
	check_eq(read_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	finish(&other);
	end();
}

static void unrepaired_is_lost_for_readers_and_writers(void)
{
	struct peer dead;

	begin();
	start(&dead, writer);
	peer_kill(&dead);
	check_eq(write_it(box_patience()), FERRY_OWNER_DIED);
	check_eq(release_it(), 0);
	check_eq(read_it(FERRY_FOREVER), -ENOTRECOVERABLE);
	check_eq(write_it(FERRY_FOREVER), -ENOTRECOVERABLE);
	check_eq(ferry_rwlock_init(segment, &s->rwlock), 0);
	check_eq(read_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	end();
}

static void *read_and_end(void *argument)
{
	(void)argument;
	check_eq(read_it(FERRY_NOW), 0);
	return NULL;
}

static void *write_and_end(void *argument)
{
	(void)argument;
	check_eq(write_it(FERRY_NOW), 0);
	return NULL;
}

static void threads_that_end_count_as_dead(void)
{
	pthread_t thread;

	begin();
	check_eq(pthread_create(&thread, NULL, read_and_end, NULL), 0);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(write_it(FERRY_NOW), 0);
	check_eq(release_it(), 0);
	check_eq(pthread_create(&thread, NULL, write_and_end, NULL), 0);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(read_it(FERRY_NOW), FERRY_OWNER_DIED);
	check_eq(ferry_rwlock_repaired(segment, &s->rwlock), 0);
	check_eq(release_it(), 0);
	end();
}

/* Readers who come after a waiting writer wait for it: it has its turn, however many they are. */
static void a_writer_goes_before_later_readers(void)
{
	struct peer first;
	struct peer one;
	struct peer later;

	begin();
	start(&first, reader);
	peer_start(&one, writer, NULL);
	await(waiting() == 1);
	peer_start(&later, reader, NULL);
	await(waiting() == 2);
	check_eq(read_it(FERRY_NOW), -EAGAIN);
	finish(&first);
	peer_await(&one, 1);
	check_eq(atomic_load(&later.stage->reached), 0);
	finish(&one);
	finish(&later);
	end();
}

/* Two readers and a writer wait, and the writer before them leaves. 0: a reader did not come for so
 * long that it was taken for a stopped one, and the writer went first. */
static int readers_go_first(void)
{
	struct peer one;
	struct peer all[3];

	start(&one, writer);
	peer_start(&all[0], writer, NULL);
	await(waiting() == 1);
	peer_start(&all[1], reader, NULL);
	peer_start(&all[2], reader, NULL);
	await(waiting() == 3);
	for (int i = 0; i < 3; i++)
		peer_allow(&all[i], 1);
	const int64_t begun = clock_ns();
	peer_allow(&one, 1);
	peer_join(&one);
	for (int i = 0; i < 3; i++)
		peer_await(&all[i], 1);
	const int first = order(&all[0]) > order(&all[1]) && order(&all[0]) > order(&all[2]);
	check(first || atomic_load(&all[0].stage->value[2]) - begun >= STALE_NS);
	for (int i = 0; i < 3; i++)
		peer_join(&all[i]);
	return first;
}

/* Readers who wait when a writer leaves come in before the next writer. */
static void waiting_readers_go_before_the_next_writer(void)
{
	int first = 0;

	begin();
	for (int i = 0; i < check_repeat(10, 200); i++)
		first += readers_go_first();
	/* On a machine so busy that no reader came in time: until they do. */
	if (first == 0)
		await(readers_go_first());
	end();
}

static void a_stopped_waiting_reader_keeps_no_writer_out(void)
{
	struct peer one;
	struct peer stopped;

	begin();
	start(&one, writer);
	peer_start(&stopped, reader, NULL);
	await(waiting() == 1 && process_asleep(stopped.pid));
	peer_stop(&stopped);
	peer_allow(&one, 1);
	peer_join(&one);
	const int64_t begun = clock_ns();
	for (int i = 0; i < 20; i++) {
		check_eq(write_it(box_patience()), 0);
		check_eq(release_it(), 0);
	}
	check(clock_ns() - begun < CHECK_SOON_NS);
	peer_resume(&stopped);
	finish(&stopped);
	end();
}

/* Readers see the words equal, writers keep them so. */
static void change(struct stage *stage, const void *argument)
{
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	const int n = *(const int *)argument;

	(void)stage;
	for (int i = 0; i < n; i++) {
		const int writes = i % 4 == 0;
		check_eq((writes ? ferry_rwlock_write : ferry_rwlock_read)(own, &there->rwlock,
									   FERRY_FOREVER),
			 0);
		for (int w = 1; w < 8; w++) {
			const uint64_t first =
			    atomic_load_explicit(&there->data[w - 1], memory_order_relaxed);
			if (writes && w == 1)
				atomic_store_explicit(&there->data[0], first + 1,
						      memory_order_relaxed);
			if (writes)
				atomic_store_explicit(
				    &there->data[w],
				    atomic_load_explicit(&there->data[0], memory_order_relaxed),
				    memory_order_relaxed);
			else
				check_eq(
				    atomic_load_explicit(&there->data[w], memory_order_relaxed),
				    first);
		}
		check_eq(ferry_rwlock_release(own, &there->rwlock), 0);
	}
	ferry_segment_close(own);
}

static void readers_never_see_half_a_change(void)
{
	const int n = check_repeat(8000, 400000);
	struct peer peers[4];

	begin();
	for (int i = 0; i < 4; i++)
		peer_start(&peers[i], change, &n);
	for (int i = 0; i < 4; i++)
		peer_join(&peers[i]);
	for (int w = 0; w < 8; w++)
		check_eq(s->data[w], 4 * ((n + 3) / 4));
	end();
}

static void closing_leaves_what_was_held(void)
{
	begin();
	for (int i = 0; i < 4; i++) {
		check_eq(read_it(FERRY_NOW), 0);
		open_again();
	}
	check_eq(write_it(FERRY_NOW), 0);
	open_again();
	check_eq(ferry_rwlock_release(segment, &s->rwlock), -EPERM);
	check_eq(write_it(FERRY_NOW), FERRY_OWNER_DIED);
	check_eq(ferry_rwlock_repaired(segment, &s->rwlock), 0);
	check_eq(ferry_rwlock_release(segment, &s->rwlock), 0);
	end();
	/* Nor does the same thread hold what is new at the same place. */
	for (int i = 0; i < 4; i++) {
		begin();
		check_eq(read_it(FERRY_NOW), 0);
		end();
	}
}

static void removal_wakes_readers_and_writers(void)
{
	struct peer r;
	struct peer w;

	begin();
	check_eq(write_it(FERRY_NOW), 0);
	peer_start(&r, reader, NULL);
	peer_start(&w, writer, NULL);
	await(waiting() == 2);
	check_eq(ferry_remove("section", NULL), 0);
	peer_await(&r, 1);
	peer_await(&w, 1);
	check_eq(atomic_load(&r.stage->value[0]), -EIDRM);
	check_eq(atomic_load(&w.stage->value[0]), -EIDRM);
	peer_kill(&r);
	peer_kill(&w);
	check_eq(release_it(), 0);
	ferry_segment_close(segment);
}

static void alone_at_a_location(void)
{
	ferry_segment *one;
	ferry_rwlock *lock;

	check_eq(ferry_rwlock_open(&one, &lock, "book", NULL), 0);
	check_eq(ferry_rwlock_read(one, lock, FERRY_NOW), 0);
	check_eq(ferry_rwlock_release(one, lock), 0);
	ferry_segment_close(one);
	check_eq(ferry_remove("book", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(readers_share_and_writers_do_not),
		claim(misuse_is_refused),
		claim(a_dead_reader_keeps_no_writer_out),
		claim(death_of_the_last_reader_wakes_the_writer),
		claim(a_stopped_reader_holds_on),
		claim(next_writer_is_told_of_a_dead_writer),
		claim(a_reader_after_a_dead_writer_has_it_alone),
		claim(unrepaired_is_lost_for_readers_and_writers),
		claim(threads_that_end_count_as_dead),
		claim(a_writer_goes_before_later_readers),
		claim(waiting_readers_go_before_the_next_writer),
		claim(a_stopped_waiting_reader_keeps_no_writer_out),
		claim(readers_never_see_half_a_change),
		claim(closing_leaves_what_was_held),
		claim(removal_wakes_readers_and_writers),
		claim(alone_at_a_location),
	};

	return claim_run_all(claims);
}
