/* SPDX-License-Identifier: MIT */
/* ferry_wait: several waiters on one object, many kinds at once, what ends a wait and what does
 * not. Each kind by itself: matrix_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "peer.h"
#include "stream.h"

/* ---- several waiters on one mailbox ---- */

enum { CREW = 4, MESSAGES = 400, PASSES = 2000, NAP_NS = 30000000 };

/* What the peers of a claim have received together. */
static struct stage *shared;

static void open_stage(void)
{
	limits_apply();
	shared = stage_new();
}

/* Receive in the way that is tested, until a 0 comes. */
static void receive_by_wait(ferry_mailbox *box)
{
	struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);
	uint64_t number;

	for (;;) {
		ssize_t n = ferry_mailbox_receive(box, &number, sizeof number, FERRY_NOW);

		if (n == -EAGAIN) {
			check_eq(ferry_wait(&item, 1, box_patience()), 1);
			check_eq(item.happened, FERRY_CAN_READ);
			continue;
		}
		check_eq(n, sizeof number);
		if (number == 0)
			return;
		atomic_fetch_add(&shared->value[0], (int64_t)number);
		atomic_fetch_add(&shared->value[1], 1);
	}
}

static void receive_by_itself(ferry_mailbox *box)
{
	for (uint64_t number; (number = box_receive(box)) != 0;) {
		atomic_fetch_add(&shared->value[0], (int64_t)number);
		atomic_fetch_add(&shared->value[1], 1);
	}
}

static void receiver(struct stage *stage, const void *by_wait)
{
	ferry_mailbox *box = box_open("orders", FERRY_MAILBOX_OPTIONS(.spin = -1));

	(void)stage;
	(by_wait ? receive_by_wait : receive_by_itself)(box);
	ferry_mailbox_close(box);
}

/* One message at a time to so many receivers, the first waiters of which wait by ferry_wait(): each
 * comes once, and by a wake-up, not by a nap. */
static void one_by_one(int waiters)
{
	static int64_t took[MESSAGES];
	struct peer peer[CREW];
	ferry_mailbox *box;

	open_stage();
	box = box_open("orders", NULL);
	for (int i = 0; i < CREW; i++)
		peer_start(&peer[i], receiver, i < waiters ? "" : NULL);
	for (int64_t i = 0; i < MESSAGES; i++) {
		int64_t start = clock_ns();

		box_send(box, (uint64_t)i + 1);
		await(atomic_load(&shared->value[1]) == i + 1);
		took[i] = clock_ns() - start;
	}
	check_eq(atomic_load(&shared->value[0]), (int64_t)MESSAGES * (MESSAGES + 1) / 2);
	box_expect_empty(box);
	for (int i = 0; i < CREW; i++)
		box_send(box, 0);
	for (int i = 0; i < CREW; i++)
		peer_join(&peer[i]);
	box_end(box, "orders");
	stage_free(shared);
	check_median(took, MESSAGES, NAP_NS / 2);
}

static void c6_one_message_wakes_one_who_waits_for_everything(void)
{
	one_by_one(CREW);
}

static void c6_one_message_wakes_somebody_among_waiters_and_receivers(void)
{
	one_by_one(CREW / 2);
}

/* The same of room: senders that wait for it, in a mailbox of one message. */
static void send_by_wait(ferry_mailbox *box, uint64_t number)
{
	struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_WRITE);
	int e;

	while ((e = ferry_mailbox_send(box, &number, sizeof number, FERRY_NOW)) == -EAGAIN) {
		check_eq(ferry_wait(&item, 1, box_patience()), 1);
		check_eq(item.happened, FERRY_CAN_WRITE);
	}
	check_eq(e, 0);
}

static void sender(struct stage *stage, const void *by_wait)
{
	ferry_mailbox *box = box_open("orders", FERRY_MAILBOX_OPTIONS(.spin = -1));

	(void)stage;
	for (uint64_t i = 1; i <= PASSES; i++)
		if (by_wait)
			send_by_wait(box, i);
		else
			check_eq(ferry_mailbox_send(box, &i, sizeof i, box_patience()), 0);
	ferry_mailbox_close(box);
}

static void c6_nobody_sleeps_on_a_full_or_an_empty_mailbox(void)
{
	struct peer peer[CREW];
	ferry_mailbox *box;

	open_stage();
	box = box_open("orders", FERRY_MAILBOX_OPTIONS(.messages = 1));
	for (int i = 0; i < CREW; i++)
		peer_start(&peer[i], i % 2 ? receiver : sender, i < CREW / 2 ? "" : NULL);
	for (int i = 0; i < CREW; i += 2)
		peer_join(&peer[i]);
	for (int i = 1; i < CREW; i += 2) {
		uint64_t over = 0;

		check_eq(ferry_mailbox_send(box, &over, sizeof over, box_patience()), 0);
	}
	for (int i = 1; i < CREW; i += 2)
		peer_join(&peer[i]);
	check_eq(atomic_load(&shared->value[1]), 2 * PASSES);
	check_eq(atomic_load(&shared->value[0]), (int64_t)PASSES * (PASSES + 1));
	box_end(box, "orders");
	stage_free(shared);
}

/* Woken, and then never heard of again: it does not receive what it was told of. */
static void wait_and_dally(struct stage *stage, const void *unused)
{
	ferry_mailbox *box = box_open("orders", FERRY_MAILBOX_OPTIONS(.spin = -1));
	struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);

	(void)unused;
	stage_reach(stage, 1);
	check_eq(ferry_wait(&item, 1, box_patience()), 1);
	stage_meet(stage, 2);
	ferry_mailbox_close(box);
}

static void c6_who_is_woken_and_does_nothing_keeps_nobody_asleep(void)
{
	struct peer idler, worker;
	ferry_mailbox *box;

	for (int killed = 0; killed < 2; killed++) {
		open_stage();
		box = box_open("orders", NULL);
		peer_start(&idler, wait_and_dally, NULL);
		peer_await(&idler, 1);
		await(process_asleep(idler.pid));
		peer_start(&worker, receiver, "");
		await(process_asleep(worker.pid));
		if (killed)
			peer_stop(&idler); /* asleep in the queue, and killed there when woken */
		box_send(box, 7);
		await(atomic_load(&shared->value[0]) == 7);
		box_send(box, 0);
		peer_join(&worker);
		peer_kill(&idler);
		box_end(box, "orders");
		stage_free(shared);
	}
}

/* ---- many things at once ---- */

enum { FIRST_BOX, SECOND_BOX, PIPE, FD, SIGNAL, PROCESS, KINDS };

static void live(struct stage *stage, const void *unused)
{
	(void)unused;
	stage_wait(stage, 1);
}

static void expect_only(struct ferry_item *items, int which)
{
	check_about("item %d", which);
	check_eq(ferry_wait(items, KINDS, box_patience()), 1);
	for (int i = 0; i < KINDS; i++)
		check_eq(items[i].happened, i == which ? FERRY_CAN_READ : 0);
	check_about("%s", "");
}

static void each_of_many_kinds_is_told_apart(void)
{
	ferry_mailbox *first, *second;
	struct stream stream;
	struct peer peer;
	ferry_process *process;
	struct ferry_item items[KINDS];
	char byte;
	int fd[2];

	limits_apply();
	peer_start(&peer, live, NULL);
	first = box_open("first", NULL);
	second = box_open("second", NULL);
	stream = stream_pair(NULL);
	check_eq(pipe2(fd, O_CLOEXEC), 0);
	check_eq(ferry_process_open(&process, peer.pid, 0, NULL), 0);
	check_eq(ferry_signal_catch(SIGUSR1, NULL, NULL, NULL), 0);
	items[FIRST_BOX] = ferry_on_mailbox(first, FERRY_CAN_READ);
	items[SECOND_BOX] = ferry_on_mailbox(second, FERRY_CAN_READ);
	items[PIPE] = ferry_on_pipe(stream.reader, FERRY_CAN_READ);
	items[FD] = ferry_on_fd(fd[0], FERRY_CAN_READ);
	items[SIGNAL] = ferry_on_signals(FERRY_SIGNAL(SIGUSR1));
	items[PROCESS] = ferry_on_process(process);
	check_eq(ferry_wait(items, KINDS, FERRY_NOW), -EAGAIN);
	box_send(second, 1);
	expect_only(items, SECOND_BOX);
	box_expect(second, 1);
	stream_write(stream.writer, "x");
	expect_only(items, PIPE);
	stream_expect(stream.reader, "x");
	check_eq(raise(SIGUSR1), 0);
	expect_only(items, SIGNAL);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), SIGUSR1);
	check_eq(write(fd[1], "x", 1), 1);
	expect_only(items, FD);
	check_eq(read(fd[0], &byte, 1), 1);
	box_send(first, 2);
	expect_only(items, FIRST_BOX);
	box_expect(first, 2);
	peer_allow(&peer, 1);
	expect_only(items, PROCESS);
	peer_join(&peer);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	ferry_process_close(process);
	close(fd[0]);
	close(fd[1]);
	stream_close(&stream);
	box_end(first, "first");
	box_end(second, "second");
}

enum { CROWD = 300 };

static const char *crowd_name(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "box-%d", i);
	return name;
}

/* While the main thread sleeps. */
struct errand {
	ferry_mailbox *box;
};

static void *send_to_sleeper(void *errand)
{
	await(process_asleep(getpid()));
	box_send(((struct errand *)errand)->box, 1);
	return NULL;
}

static void any_one_of_hundreds_wakes(void)
{
	static ferry_mailbox *box[CROWD];
	static struct ferry_item items[CROWD];

	limits_apply();
	for (int i = 0; i < CROWD; i++) {
		box[i] = box_open(crowd_name(i),
				  FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8, .spin = -1));
		items[i] = ferry_on_mailbox(box[i], FERRY_CAN_READ);
	}
	check_eq(ferry_wait(items, CROWD, FERRY_NOW), -EAGAIN);
	for (int i = 0; i < CROWD; i += 13) {
		struct errand errand = { box[i] };
		pthread_t thread;

		check_eq(pthread_create(&thread, NULL, send_to_sleeper, &errand), 0);
		check_eq(ferry_wait(items, CROWD, box_patience()), 1);
		check_eq(pthread_join(thread, NULL), 0);
		check_eq(items[i].happened, FERRY_CAN_READ);
		box_expect(box[i], 1);
	}
	for (int i = 0; i < CROWD; i++)
		box_end(box[i], crowd_name(i));
}

static void one_handle_may_be_asked_for_twice(void)
{
	ferry_mailbox *box;
	struct ferry_item items[3];

	limits_apply();
	box = box_open("orders", FERRY_MAILBOX_OPTIONS(.messages = 1));
	items[0] = ferry_on_mailbox(box, FERRY_CAN_READ);
	items[1] = ferry_on_mailbox(box, FERRY_CAN_WRITE);
	items[2] = ferry_on_mailbox(box, FERRY_CAN_READ | FERRY_CAN_WRITE);
	check_eq(ferry_wait(items, 3, FERRY_NOW), 2);
	check_eq(items[0].happened, 0);
	check_eq(items[1].happened, FERRY_CAN_WRITE);
	check_eq(items[2].happened, FERRY_CAN_WRITE);
	box_send(box, 1);
	check_eq(ferry_wait(items, 3, FERRY_NOW), 2);
	check_eq(items[0].happened, FERRY_CAN_READ);
	check_eq(items[1].happened, 0);
	check_eq(items[2].happened, FERRY_CAN_READ);
	box_end(box, "orders");
}

/* ---- what ends a wait, and what does not ---- */

static void nothing_to_wait_for_is_a_sleep(void)
{
	ferry_deadline deadline = ferry_in_ms(40);

	limits_apply();
	check_eq(ferry_wait(NULL, 0, FERRY_NOW), -EAGAIN);
	check_eq(ferry_wait(NULL, 0, deadline), -ETIMEDOUT);
	check(ferry_in_ns(0) >= deadline);
}

static void an_end_is_told_though_nobody_asked(void)
{
	struct stream stream;
	struct ferry_item item;

	limits_apply();
	stream = stream_pair(NULL);
	item = ferry_on_pipe(stream.reader, 0);
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EAGAIN);
	stream_write(stream.writer, "x");
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EAGAIN);
	stream_expect(stream.reader, "x");
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	check_eq(ferry_wait(&item, 1, box_patience()), 1);
	check_eq(item.happened, FERRY_AT_END);
	stream_close(&stream);
}

static _Atomic int strange;

static void count_strange(int signo)
{
	(void)signo;
	atomic_fetch_add(&strange, 1);
}

struct disturbance {
	pthread_t sleeper;
	ferry_mailbox *box;
};

/* Handlers of others run in the thread that waits, without SA_RESTART; then the message comes. */
static void *disturb(void *argument)
{
	const struct disturbance *disturbance = argument;

	for (int i = 1; i <= 20; i++) {
		await(process_asleep(getpid()));
		check_eq(pthread_kill(disturbance->sleeper, SIGUSR2), 0);
		await(atomic_load(&strange) == i);
	}
	box_send(disturbance->box, 1);
	return NULL;
}

static void others_handlers_end_no_wait(void)
{
	const struct sigaction action = { .sa_handler = count_strange };
	struct disturbance disturbance = { .sleeper = pthread_self() };
	struct ferry_item items[2];
	pthread_t thread;
	int fd[2];

	limits_apply();
	check_eq(sigaction(SIGUSR2, &action, NULL), 0);
	check_eq(pipe2(fd, O_CLOEXEC), 0);
	disturbance.box = box_open("orders", NULL);
	items[0] = ferry_on_mailbox(disturbance.box, FERRY_CAN_READ);
	items[1] = ferry_on_fd(fd[0], FERRY_CAN_READ);
	for (int n = 1; n <= 2; n++) { /* a mailbox alone, and with a descriptor */
		atomic_store(&strange, 0);
		check_eq(pthread_create(&thread, NULL, disturb, &disturbance), 0);
		check_eq(ferry_wait(items, n, box_patience()), 1);
		check_eq(items[0].happened, FERRY_CAN_READ);
		check_eq(pthread_join(thread, NULL), 0);
		check_eq(atomic_load(&strange), 20);
		box_expect(disturbance.box, 1);
	}
	close(fd[0]);
	close(fd[1]);
	box_end(disturbance.box, "orders");
}

static pthread_t handled_in;

static int note_thread(const struct ferry_signal_info *info, void *count)
{
	handled_in = pthread_self();
	*(int *)count += info->signo == SIGUSR1;
	return 0;
}

static void *raise_for_sleeper(void *unused)
{
	(void)unused;
	await(process_asleep(getpid()));
	check_eq(kill(getpid(), SIGUSR1), 0);
	return NULL;
}

static void handlers_of_ferry_run_inside_the_wait(void)
{
	struct ferry_item items[2];
	ferry_mailbox *box;
	pthread_t thread;
	int count = 0;

	limits_apply();
	check_eq(ferry_signal_catch(SIGUSR1, note_thread, &count, NULL), 0);
	box = box_open("orders", NULL);
	items[0] = ferry_on_mailbox(box, FERRY_CAN_READ);
	items[1] = ferry_on_handlers();
	check_eq(pthread_create(&thread, NULL, raise_for_sleeper, NULL), 0);
	check_eq(ferry_wait(items, 2, box_patience()), 1);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(count, 1);
	check(pthread_equal(handled_in, pthread_self()));
	check_eq(items[1].happened, FERRY_CAN_READ);
	check_eq(items[1].signo, SIGUSR1);
	check_eq(items[0].happened, 0);
	check_eq(ferry_wait(items, 2, FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	box_end(box, "orders");
}

static void nonsense_is_refused(void)
{
	struct ferry_item item = ferry_on_mailbox(NULL, FERRY_CAN_READ);
	struct stream stream;

	limits_apply();
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_wait(NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_wait(&item, -1, FERRY_NOW), -EINVAL);
	check_eq(ferry_wait(&item, FERRY_ITEMS_MAX + 1, FERRY_NOW), -EINVAL);
	item = ferry_on_fd(-1, FERRY_CAN_READ);
	check(ferry_wait(&item, 1, FERRY_NOW) < 0 || item.happened & FERRY_FAILED);
	item = ferry_on_handlers();
	item.kind = (enum ferry_item_kind)99;
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	stream = stream_pair(NULL);
	item = ferry_on_pipe(stream.reader, FERRY_CAN_WRITE);
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	item = ferry_on_pipe(stream.reader, 1u << 30);
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EINVAL);
	item.kind = FERRY_ITEM_NONE;
	item.events = 0;
	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EAGAIN);
	stream_close(&stream);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c6_one_message_wakes_one_who_waits_for_everything),
		claim(c6_one_message_wakes_somebody_among_waiters_and_receivers),
		claim(c6_nobody_sleeps_on_a_full_or_an_empty_mailbox),
		claim(c6_who_is_woken_and_does_nothing_keeps_nobody_asleep),
		claim(each_of_many_kinds_is_told_apart),
		claim(any_one_of_hundreds_wakes),
		claim(one_handle_may_be_asked_for_twice),
		claim(nothing_to_wait_for_is_a_sleep),
		claim(an_end_is_told_though_nobody_asked),
		claim(others_handlers_end_no_wait),
		claim(handlers_of_ferry_run_inside_the_wait),
		claim(nonsense_is_refused),
	};

	return claim_run_all(claims);
}
