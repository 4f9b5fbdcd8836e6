/* SPDX-License-Identifier: MIT */
/* Signals from several processes at several threads that dispatch, wait, and use a mailbox, a pipe
 * and locks. */
#include <errno.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/base/sanitizer.h"
#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "section.h"

#define RT      (SIGRTMIN + 2)
#define SENDERS 4
#define LAST    INT64_C(-1) /* the payload that ends a storm, once for each receiver */

static _Atomic int64_t sum;
static _Atomic int64_t received;
static _Atomic int ended;

static int add(const struct ferry_signal_info *info, void *arg)
{
	(void)arg;
	free(malloc(64)); /* legal here, and a deadlock in a true handler */
	atomic_fetch_add(&sum, info->payload);
	atomic_fetch_add(&received, 1);
	return 0;
}

static void send_patiently(ferry_process *process, int64_t payload)
{
	int r;

	/* -EAGAIN: as much is pending as the user may have. */
	while ((r = ferry_signal_send(process, RT, payload)) == -EAGAIN)
		clock_pause();
	check_eq(r, 0);
}

struct storm {
	pid_t target;
	int each;
};

static void storm_on(struct stage *stage, const void *argument)
{
	const struct storm *storm = argument;
	ferry_process *process;

	(void)stage;
	check_eq(ferry_process_open(&process, storm->target, 0, NULL), 0);
	for (int i = 0; i < storm->each; i++) {
		send_patiently(process, i);
		if (i % 16 == 0)
			check_eq(ferry_signal_send(process, SIGUSR1, 0), 0);
	}
	ferry_process_close(process);
}

/* The thread sanitizer puts off handlers and keeps one signal of a number: real-time ones get lost
 * in it. There the signals are blocked in all threads, and dispatchers fetch them from the kernel;
 * what handlers share with them is tested without signals (queue_test.c). */
static void block_under_thread_sanitizer(void)
{
#ifdef FY_THREAD_SANITIZER
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, RT);
	sigaddset(&set, SIGUSR1);
	check_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
#endif
}

static void *dispatch(void *unused)
{
	while (!atomic_load(&ended)) {
		const int r = ferry_signal_dispatch(ferry_in_ms(100));
		check(r == RT || r == SIGUSR1 || r == -ETIMEDOUT);
	}
	return unused;
}

/* Sends to itself and receives, and is interrupted as often as it likes. */
static void *use_mailbox(void *box)
{
	for (uint64_t i = 0; !atomic_load(&ended); i++) {
		box_send(box, i);
		check_eq(box_receive(box), i);
	}
	return NULL;
}

/* A reader and a writer, which wait for each other. */
static void *fill_pipe(void *writer)
{
	uint64_t i = 0;

	for (int last = 0; !last; i++) {
		last = atomic_load(&ended);
		const uint64_t number = last ? UINT64_MAX : i;
		check_eq(ferry_pipe_write(writer, &number, sizeof number, box_patience()),
			 sizeof number);
	}
	return NULL;
}

static void *drain_pipe(void *reader)
{
	uint64_t number;

	for (uint64_t i = 0;; i++) {
		check_eq(ferry_pipe_read(reader, &number, sizeof number, box_patience()),
			 sizeof number);
		if (number == UINT64_MAX)
			return NULL;
		check_eq(number, i);
	}
}

/* Two who take turns by a condition, inside a lock; and use the others on the way. */
enum { TURN, STOPPED, TURNS_TAKEN };

static void take_turn(ferry_segment *segment, struct section *s, uint64_t me)
{
	check_eq(ferry_lock_acquire(segment, &s->lock, box_patience()), 0);
	while (s->data[TURN] % 2 != me && !s->data[STOPPED])
		check_eq(ferry_condition_wait(segment, &s->condition, &s->lock, box_patience()), 0);
	if (atomic_load(&ended))
		s->data[STOPPED] = 1;
	s->data[TURN]++;
	check(ferry_condition_broadcast(segment, &s->condition) >= 0);
	check_eq(ferry_lock_release(segment, &s->lock), 0);
}

static void count_turn(ferry_segment *segment, struct section *s)
{
	check_eq(ferry_semaphore_wait(segment, &s->semaphore, box_patience()), 0);
	check_eq(ferry_rwlock_write(segment, &s->rwlock, box_patience()), 0);
	s->data[TURNS_TAKEN]++;
	check_eq(ferry_rwlock_release(segment, &s->rwlock), 0);
	check_eq(ferry_semaphore_post(segment, &s->semaphore, 1), 0);
	check_eq(ferry_rwlock_read(segment, &s->rwlock, box_patience()), 0);
	check(s->data[TURNS_TAKEN] > 0);
	check_eq(ferry_rwlock_release(segment, &s->rwlock), 0);
}

static _Atomic uint64_t lockers;
static _Atomic uint64_t turns;

static void *use_locks(void *segment)
{
	const uint64_t me = atomic_fetch_add(&lockers, 1);
	struct section *s = section_of(segment);

	while (!s->data[STOPPED]) {
		take_turn(segment, s, me);
		count_turn(segment, s);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

/* Whatever sleeps and is interrupted: -EINTR must not come out of it, and no wake be lost. */
struct bystanders {
	pthread_t threads[4];
	ferry_pipe *reader, *writer;
	ferry_segment *segment;
};

static void bystanders_start(struct bystanders *b)
{
	b->segment = section_make(1, 1, 2);
	check_eq(ferry_pipe_pair(&b->reader, &b->writer, NULL), 0);
	check_eq(pthread_create(&b->threads[0], NULL, fill_pipe, b->writer), 0);
	check_eq(pthread_create(&b->threads[1], NULL, drain_pipe, b->reader), 0);
	check_eq(pthread_create(&b->threads[2], NULL, use_locks, b->segment), 0);
	check_eq(pthread_create(&b->threads[3], NULL, use_locks, b->segment), 0);
}

static void bystanders_end(struct bystanders *b)
{
	for (int i = 0; i < 4; i++)
		check_eq(pthread_join(b->threads[i], NULL), 0);
	check_eq(section_of(b->segment)->data[TURNS_TAKEN], atomic_load(&turns));
	ferry_pipe_close(b->reader);
	ferry_pipe_close(b->writer);
	section_end(b->segment);
}

static int nothing(const struct ferry_signal_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 0;
}

/* dispatchers: threads that handle; the others use the mailbox. */
static void weather_a_storm(int dispatchers, int each)
{
	const struct storm storm = { getpid(), each };
	ferry_mailbox *box = box_open("orders", NULL);
	pthread_t threads[4];
	struct peer senders[SENDERS];
	struct bystanders bystanders;

	block_under_thread_sanitizer();
	check_eq(ferry_signal_catch(RT, add, NULL, NULL), 0);
	check_eq(ferry_signal_catch(SIGUSR1, nothing, NULL, NULL), 0);
	/* One user of the mailbox only: it receives what it has sent. */
	check_eq(pthread_create(&threads[0], NULL, use_mailbox, box), 0);
	bystanders_start(&bystanders);
	for (int i = 1; i <= dispatchers; i++)
		check_eq(pthread_create(&threads[i], NULL, dispatch, NULL), 0);
	for (int i = 0; i < SENDERS; i++)
		peer_start(&senders[i], storm_on, &storm);
	for (int i = 0; i < SENDERS; i++) {
		/* The main thread takes part, too. */
		while (process_state(senders[i].pid) != 'Z')
			for (int n = 0; n < 1000 && ferry_signal_dispatch(ferry_in_ms(1)) > 0; n++)
				;
		peer_join(&senders[i]);
	}
	while (atomic_load(&received) < (int64_t)SENDERS * each &&
	       ferry_signal_dispatch(ferry_in_ms(1000)) > 0)
		;
	atomic_store(&ended, 1);
	for (int i = 0; i <= dispatchers; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	bystanders_end(&bystanders);
	while (ferry_signal_dispatch(FERRY_NOW) > 0)
		;
	check_eq(atomic_load(&received), (int64_t)SENDERS * each);
	check_eq(atomic_load(&sum), (int64_t)SENDERS * each * (each - 1) / 2);
	box_end(box, "orders");
}

static void every_real_time_signal_of_a_storm_is_counted(void)
{
	weather_a_storm(0, check_repeat(10000, 250000));
}

static void so_it_is_with_three_dispatchers(void)
{
	weather_a_storm(3, check_repeat(5000, 250000));
}

static void *wait_in_turn(void *unused)
{
	struct ferry_signal_info info;

	for (;;) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), box_patience()), RT);
		if (info.payload == LAST)
			return unused;
		atomic_fetch_add(&received, 1);
	}
}

/* Each signal ends one sleep: a wake-up that goes astray is a hang. */
static void no_wake_up_goes_astray(void)
{
	const int rounds = check_repeat(2000, 100000);
	pthread_t threads[3];
	ferry_process *self;

	block_under_thread_sanitizer();
	check_eq(ferry_signal_catch(RT, NULL, NULL, NULL), 0);
	check_eq(ferry_process_open(&self, getpid(), 0, NULL), 0);
	for (int i = 0; i < 3; i++)
		check_eq(pthread_create(&threads[i], NULL, wait_in_turn, NULL), 0);
	for (int i = 0; i < rounds; i++) {
		send_patiently(self, i);
		if (i % 4 == 3)
			await(atomic_load(&received) == i + 1);
	}
	for (int i = 0; i < 3; i++)
		send_patiently(self, LAST);
	for (int i = 0; i < 3; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	check_eq(atomic_load(&received), rounds);
	ferry_process_close(self);
}

/* Each takes one signal and does not look again before all have: a wake-up that goes to one who
 * does not need it, or to one who is about to leave, is a hang. */
static pthread_barrier_t everyone;

static void *wait_once_a_round(void *rounds)
{
	struct ferry_signal_info info;

	for (intptr_t i = 0; i < (intptr_t)rounds; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), box_patience()), RT);
		atomic_fetch_add(&sum, info.payload);
		(void)pthread_barrier_wait(&everyone);
	}
	return NULL;
}

static void *send_once_a_round(void *rounds)
{
	ferry_process *self;

	check_eq(ferry_process_open(&self, getpid(), 0, NULL), 0);
	for (intptr_t i = 0; i < (intptr_t)rounds; i++) {
		send_patiently(self, i);
		(void)pthread_barrier_wait(&everyone);
	}
	ferry_process_close(self);
	return NULL;
}

static void a_signal_for_each_sleeper_wakes_all_of_them(void)
{
	const intptr_t rounds = check_repeat(2000, 200000);
	pthread_t threads[6];

	block_under_thread_sanitizer();
	check_eq(ferry_signal_catch(RT, NULL, NULL, NULL), 0);
	check_eq(pthread_barrier_init(&everyone, NULL, 6), 0);
	for (int i = 0; i < 6; i++)
		check_eq(pthread_create(&threads[i], NULL,
					i < 3 ? wait_once_a_round : send_once_a_round,
					(void *)rounds),
			 0);
	for (int i = 0; i < 6; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	check_eq(atomic_load(&sum), 3 * rounds * (rounds - 1) / 2);
	pthread_barrier_destroy(&everyone);
}

static void *catch_and_restore(void *signo)
{
	const int which = (int)(intptr_t)signo;

	for (int i = 0; i < check_repeat(500, 20000); i++) {
		check_eq(ferry_signal_catch(which, add, NULL, NULL), 0);
		check_eq(pthread_kill(pthread_self(), which), 0);
		(void)ferry_signal_dispatch(FERRY_NOW);
		check_eq(ferry_signal_uncatch(which, add, NULL, NULL), 0);
	}
	return NULL;
}

static void actions_change_while_others_dispatch(void)
{
	pthread_t threads[4];

	check_eq(ferry_signal_thread_start(), 0);
	/* Below the catches: what is on its way when one is taken back must not kill. */
	check_eq(ferry_signal_ignore(SIGUSR1, NULL), 0);
	check_eq(ferry_signal_ignore(SIGUSR2, NULL), 0);
	for (int i = 0; i < 4; i++)
		check_eq(pthread_create(&threads[i], NULL, catch_and_restore,
					(void *)(intptr_t)(i % 2 ? SIGUSR1 : SIGUSR2)),
			 0);
	for (int i = 0; i < 4; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
	check_eq(ferry_signal_thread_stop(), 0);
}

/* Sleepers are woken while SIGTERM goes back to its default: a wake-up that became a SIGTERM would
 * end the test. */
static void an_action_given_back_under_sleepers_harms_nobody(void)
{
	pthread_t threads[3];

	check_eq(ferry_signal_catch(SIGUSR1, nothing, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		check_eq(pthread_create(&threads[i], NULL, dispatch, NULL), 0);
	for (int i = 0; i < check_repeat(2000, 50000); i++) {
		check_eq(ferry_signal_catch(SIGTERM, nothing, NULL, NULL), 0);
		if (i % 100 == 0)
			clock_pause(); /* so that they sleep */
		check_eq(ferry_signal_restore(SIGTERM, NULL), 0);
	}
	atomic_store(&ended, 1);
	for (int i = 0; i < 3; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
}

static void *spawn_many(void *unused)
{
	for (int i = 0; i < check_repeat(10, 200); i++) {
		struct ferry_process_end end;
		ferry_process *process;
		check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "/bin/false")), 0);
		check_eq(ferry_process_wait(process, &end, box_patience()), 0);
		check_eq(end.known, 1);
		check_eq(end.code, 1);
		ferry_process_close(process);
	}
	atomic_fetch_add(&ended, 1);
	return unused;
}

static void threads_spawn_while_another_reaps(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		check_eq(pthread_create(&threads[i], NULL, spawn_many, NULL), 0);
	while (atomic_load(&ended) < 3) {
		check_eq(ferry_reap_orphans(NULL, NULL), 0);
		clock_pause();
	}
	for (int i = 0; i < 3; i++)
		check_eq(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(every_real_time_signal_of_a_storm_is_counted),
		claim(so_it_is_with_three_dispatchers),
		claim(no_wake_up_goes_astray),
		claim(a_signal_for_each_sleeper_wakes_all_of_them),
		claim(actions_change_while_others_dispatch),
		claim(an_action_given_back_under_sleepers_harms_nobody),
		claim(threads_spawn_while_another_reaps),
	};

	return claim_run_all(claims);
}
