/* SPDX-License-Identifier: MIT */
/* The queue of caught signals, filled and emptied by threads: what handlers do to it, in a form
 * that the thread sanitizer understands. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "claim.h"
#include "signal/queue.h"

#define RT 40

static _Atomic int64_t put_sum, taken_sum;
static _Atomic int producing;
static int each;

/* A real-time signal in its order, and now and then a standard one that may merge. */
static void *produce(void *number)
{
	for (int64_t i = 0; i < each; i++) {
		struct fy_signal_record record = {
			.signo = RT,
			.pid = (int32_t)(intptr_t)number,
			.payload = i,
			.address = (uint64_t)~i,
		};
		while (fy_queue_put(&record) == -EAGAIN)
			clock_pause();
		atomic_fetch_add(&put_sum, i);
		if (i % 8 == 0) {
			record.signo = SIGUSR1;
			record.payload = (int64_t)~record.address;
			check_eq(fy_queue_put(&record), 0);
		}
	}
	atomic_fetch_sub(&producing, 1);
	return NULL;
}

static void *consume(void *unused)
{
	int64_t last[4] = { -1, -1, -1, -1 };
	struct fy_signal_record record;

	for (;;) {
		const int over = atomic_load(&producing) == 0;
		if (!fy_queue_take(UINT64_MAX, &record)) {
			if (over)
				return unused;
			continue;
		}
		check_eq((uint64_t)record.payload, ~record.address); /* whole */
		if (record.signo != RT)
			continue;
		/* Of one producer, one consumer sees rising numbers. */
		check(record.payload > last[record.pid]);
		last[record.pid] = record.payload;
		atomic_fetch_add(&taken_sum, record.payload);
	}
}

static void run(int producers, int consumers)
{
	pthread_t threads[8];

	each = check_repeat(20000, 2000000);
	check_eq(fy_queue_init(), 0);
	atomic_store(&producing, producers);
	for (int i = 0; i < producers; i++)
		check_eq(pthread_create(&threads[i], NULL, produce, (void *)(intptr_t)i), 0);
	for (int i = 0; i < consumers; i++)
		check_eq(pthread_create(&threads[producers + i], NULL, consume, NULL), 0);
	for (int i = 0; i < producers + consumers; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	check_eq(atomic_load(&taken_sum), atomic_load(&put_sum));
	check_eq(fy_queue_waiting(), 0);
}

static void one_to_one_nothing_is_lost(void)
{
	run(1, 1);
}

static void four_to_two_nothing_is_lost(void)
{
	run(4, 2);
}

static void a_full_ring_refuses_and_says_when_it_has_enough(void)
{
	struct fy_signal_record record = { .signo = RT };

	check_eq(fy_queue_init(), 0);
	for (int lap = 0; lap < 3; lap++) {
		for (int i = 0; i < FY_QUEUE_RING; i++) {
			record.payload = i;
			check_eq(fy_queue_put(&record), i >= FY_QUEUE_ROOM);
		}
		check_eq(fy_queue_put(&record), -EAGAIN);
		check_eq(fy_queue_count(RT), FY_QUEUE_RING);
		for (int i = 0; i < FY_QUEUE_RING; i++) {
			check_eq(fy_queue_take(fy_signal_bit(RT), &record), 1);
			check_eq(record.payload, i);
		}
		check_eq(fy_queue_take(fy_signal_bit(RT), &record), 0);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(one_to_one_nothing_is_lost),
		claim(four_to_two_nothing_is_lost),
		claim(a_full_ring_refuses_and_says_when_it_has_enough),
	};

	return claim_run_all(claims);
}
