/* SPDX-License-Identifier: MIT */
/* ferry_waiter: a set that changes while others wait; waking and cancelling; and descriptors of
 * ferry_fd(). Each kind by itself: matrix_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "peer.h"
#include "scratch.h"
#include "stream.h"

enum { ROOM = 8 };

static ferry_waiter *waiter;

static void make_waiter(void)
{
	limits_apply();
	check_eq(ferry_waiter_open(&waiter, NULL), 0);
}

static int add(struct ferry_item item, void *user)
{
	int key = ferry_waiter_add(waiter, &item, user);

	check(key >= 0);
	return key;
}

static int add_box(ferry_mailbox *box, uint32_t events)
{
	return add(ferry_on_mailbox(box, events), box);
}

static void expect(int key, uint32_t happened)
{
	struct ferry_report report[ROOM];

	check_eq(ferry_waiter_wait(waiter, report, ROOM, box_patience()), 1);
	check_eq(report[0].key, key);
	check_eq(report[0].happened, happened);
}

static void expect_nothing(void)
{
	struct ferry_report report[ROOM];

	check_eq(ferry_waiter_wait(waiter, report, ROOM, FERRY_NOW), -EAGAIN);
}

/* What a second thread does while the main one sleeps. */
static void *while_asleep(void *body)
{
	await(process_asleep(getpid()));
	(*(void (**)(void))body)();
	return NULL;
}

static int wait_while(void (*body)(void), struct ferry_report *ret_report)
{
	pthread_t thread;
	int n;

	check_eq(pthread_create(&thread, NULL, while_asleep, &body), 0);
	n = ferry_waiter_wait(waiter, ret_report, 1, box_patience());
	check_eq(pthread_join(thread, NULL), 0);
	return n;
}

/* ---- the set ---- */

static void a_set_may_change_between_waits(void)
{
	ferry_mailbox *one, *other;
	int key[2];

	make_waiter();
	one = box_open("one", FERRY_MAILBOX_OPTIONS(.messages = 1));
	other = box_open("other", NULL);
	expect_nothing();
	key[0] = add_box(one, FERRY_CAN_READ);
	key[1] = add_box(other, FERRY_CAN_READ);
	check(key[0] != key[1]);
	expect_nothing();
	box_send(other, 1);
	expect(key[1], FERRY_CAN_READ);
	expect(key[1], FERRY_CAN_READ);
	check_eq(ferry_waiter_remove(waiter, key[1]), 0);
	expect_nothing();
	check_eq(ferry_waiter_remove(waiter, key[1]), -ENOENT);
	check_eq(ferry_waiter_change(waiter, key[1], FERRY_CAN_READ), -ENOENT);
	check_eq(ferry_waiter_change(waiter, key[0], FERRY_CAN_WRITE), 0);
	expect(key[0], FERRY_CAN_WRITE);
	box_send(one, 1);
	expect_nothing();
	check_eq(ferry_waiter_change(waiter, key[0], FERRY_CAN_READ | FERRY_CAN_WRITE), 0);
	expect(key[0], FERRY_CAN_READ);
	check_eq(ferry_waiter_change(waiter, key[0], 0), 0);
	expect_nothing();
	ferry_waiter_close(waiter); /* with one still in it */
	box_end(one, "one");
	box_end(other, "other");
}

static ferry_mailbox *late;
static int late_key;

static void add_ready(void)
{
	late_key = add_box(late, FERRY_CAN_READ);
}

static void change_to_ready(void)
{
	check_eq(ferry_waiter_change(waiter, late_key, FERRY_CAN_READ), 0);
}

static void what_is_added_or_changed_ends_a_wait_that_is_under_way(void)
{
	struct ferry_report report;

	make_waiter();
	late = box_open("late", NULL);
	box_send(late, 1);
	check_eq(wait_while(add_ready, &report), 1);
	check_eq(report.key, late_key);
	check(report.user == late);
	check_eq(ferry_waiter_change(waiter, late_key, 0), 0);
	check_eq(wait_while(change_to_ready, &report), 1);
	check_eq(report.key, late_key);
	ferry_waiter_close(waiter);
	box_end(late, "late");
}

static void remove_then_send(void)
{
	check_eq(ferry_waiter_remove(waiter, late_key), 0);
	box_send(late, 1);
	check_eq(ferry_wake(waiter), 0);
}

static void what_is_removed_under_a_wait_does_not_end_it(void)
{
	struct ferry_report report;

	make_waiter();
	late = box_open("late", NULL);
	late_key = add_box(late, FERRY_CAN_READ);
	check_eq(wait_while(remove_then_send, &report), 0);
	expect_nothing();
	ferry_waiter_close(waiter);
	box_end(late, "late");
}

enum { CROWD = 100 };

static const char *crowd_name(int i)
{
	static char name[32];

	snprintf(name, sizeof name, "box-%d", i);
	return name;
}

/* All are ready always, and there is room for few: each has its turn. */
static void with_little_room_each_has_its_turn(void)
{
	static ferry_mailbox *box[CROWD];
	static int key[CROWD];
	int seen[CROWD] = { 0 };

	make_waiter();
	for (int i = 0; i < CROWD; i++) {
		box[i] =
		    box_open(crowd_name(i), FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8));
		box_send(box[i], 1);
		key[i] = add_box(box[i], FERRY_CAN_READ);
	}
	for (int round = 0; round < 3 * CROWD / ROOM; round++) {
		struct ferry_report report[ROOM];
		int n = ferry_waiter_wait(waiter, report, ROOM, box_patience());

		check(n > 0 && n <= ROOM);
		for (int j = 0; j < n; j++)
			for (int i = 0; i < CROWD; i++)
				seen[i] += report[j].key == key[i];
	}
	for (int i = 0; i < CROWD; i++)
		check(seen[i] > 0);
	ferry_waiter_close(waiter);
	for (int i = 0; i < CROWD; i++)
		box_end(box[i], crowd_name(i));
}

static void what_cannot_be_watched_is_refused(void)
{
	struct ferry_item item = ferry_on_mailbox(NULL, FERRY_CAN_READ);
	struct ferry_report report;
	ferry_mailbox *box;
	int file, key;

	make_waiter();
	check_eq(ferry_waiter_add(waiter, &item, NULL), -EINVAL);
	check_eq(ferry_waiter_add(waiter, NULL, NULL), -EINVAL);
	check_eq(ferry_waiter_add(NULL, &item, NULL), -EINVAL);
	item = ferry_on_fd(1000000, FERRY_CAN_READ);
	check_eq(ferry_waiter_add(waiter, &item, NULL), -EBADF);
	scratch_write(scratch_path("file"), "x", 1, 0600);
	file = open(scratch_path("file"), O_RDONLY | O_CLOEXEC);
	check(file >= 0);
	item = ferry_on_fd(file, FERRY_CAN_READ);
	check_eq(ferry_waiter_add(waiter, &item, NULL), -EPERM);
	close(file);
	check_eq(unlink(scratch_path("file")), 0);
	box = box_open("orders", NULL);
	key = add_box(box, FERRY_CAN_READ);
	check_eq(ferry_waiter_change(waiter, key, 1u << 30), -EINVAL);
	check_eq(ferry_waiter_wait(waiter, NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_waiter_wait(waiter, &report, 0, FERRY_NOW), -EINVAL);
	check_eq(ferry_waiter_wait(NULL, &report, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_wake(NULL), -EINVAL);
	check_eq(ferry_waiter_cancel(NULL), -EINVAL);
	check_eq(ferry_waiter_resume(NULL), -EINVAL);
	ferry_waiter_close(waiter);
	ferry_waiter_close(NULL);
	box_end(box, "orders");
}

/* ---- several threads ---- */

enum { THREADS = 4, SHOTS = 300 };

static _Atomic int shots_taken;
static int shot_key;

/* Who is told of a message receives it, and asks to be told of the next. */
static void *take_shots(void *argument)
{
	ferry_mailbox *box = argument;
	struct ferry_report report;

	for (;;) {
		int n = ferry_waiter_wait(waiter, &report, 1, box_patience());

		if (n == -ECANCELED)
			return NULL;
		check_eq(n, 1);
		check_eq(ferry_mailbox_receive(box, &(uint64_t){ 0 }, 8, FERRY_NOW), 8);
		if (atomic_fetch_add(&shots_taken, 1) + 1 == SHOTS)
			check_eq(ferry_waiter_cancel(waiter), 0);
		else
			check_eq(
			    ferry_waiter_change(waiter, shot_key, FERRY_CAN_READ | FERRY_ONE_SHOT),
			    0);
	}
}

static void one_shot_tells_one_thread_of_each_message(void)
{
	pthread_t thread[THREADS];
	ferry_mailbox *box;

	make_waiter();
	box = box_open("orders", NULL);
	shot_key = add_box(box, FERRY_CAN_READ | FERRY_ONE_SHOT);
	for (int i = 0; i < THREADS; i++)
		check_eq(pthread_create(&thread[i], NULL, take_shots, box), 0);
	for (uint64_t i = 0; i < SHOTS; i++)
		check_eq(ferry_mailbox_send(box, &i, sizeof i, box_patience()), 0);
	for (int i = 0; i < THREADS; i++)
		check_eq(pthread_join(thread[i], NULL), 0);
	check_eq(atomic_load(&shots_taken), SHOTS);
	box_expect_empty(box);
	ferry_waiter_close(waiter);
	box_end(box, "orders");
}

static void one_shot_is_silent_until_it_is_changed(void)
{
	ferry_mailbox *box;
	int key;

	make_waiter();
	box = box_open("orders", NULL);
	box_send(box, 1);
	key = add_box(box, FERRY_CAN_READ | FERRY_ONE_SHOT);
	expect(key, FERRY_CAN_READ);
	expect_nothing();
	box_send(box, 2);
	expect_nothing();
	check_eq(ferry_waiter_change(waiter, key, FERRY_CAN_READ | FERRY_ONE_SHOT), 0);
	expect(key, FERRY_CAN_READ);
	expect_nothing();
	ferry_waiter_close(waiter);
	box_end(box, "orders");
}

/* ---- waking and cancelling ---- */

static void wake(void)
{
	check_eq(ferry_wake(waiter), 0);
}

static void a_wake_is_kept_and_several_are_one(void)
{
	struct ferry_report report;

	make_waiter();
	wake();
	wake();
	wake();
	check_eq(ferry_waiter_wait(waiter, &report, 1, FERRY_FOREVER), 0);
	expect_nothing();
	for (int i = 0; i < 50; i++)
		check_eq(wait_while(wake, &report), 0);
	expect_nothing();
	ferry_waiter_close(waiter);
}

static void *wait_for_wake(void *woken)
{
	struct ferry_report report;

	check_eq(ferry_waiter_wait(waiter, &report, 1, box_patience()), 0);
	atomic_fetch_add((_Atomic int *)woken, 1);
	return NULL;
}

static void a_wake_is_for_one_of_several_threads(void)
{
	pthread_t thread[THREADS];
	_Atomic int woken = 0;

	make_waiter();
	for (int i = 0; i < THREADS; i++)
		check_eq(pthread_create(&thread[i], NULL, wait_for_wake, &woken), 0);
	for (int i = 1; i <= THREADS; i++) {
		wake();
		await(atomic_load(&woken) == i);
	}
	for (int i = 0; i < THREADS; i++)
		check_eq(pthread_join(thread[i], NULL), 0);
	expect_nothing();
	ferry_waiter_close(waiter);
}

/* In a forked child, which may do that and close, and nothing else. */
static void wake_parent(struct stage *stage, const void *unused)
{
	struct ferry_item item = ferry_on_fd(0, FERRY_CAN_READ);
	struct ferry_report report;

	(void)unused;
	check_eq(ferry_waiter_wait(waiter, &report, 1, FERRY_NOW), -EXDEV);
	check_eq(ferry_waiter_add(waiter, &item, NULL), -EXDEV);
	check_eq(ferry_waiter_remove(waiter, 0), -EXDEV);
	check_eq(ferry_waiter_change(waiter, 0, 0), -EXDEV);
	stage_wait(stage, 1);
	check_eq(ferry_wake(waiter), 0);
	ferry_waiter_close(waiter);
}

static struct peer waking_peer;

static void let_peer_wake(void)
{
	peer_allow(&waking_peer, 1);
}

static void c11_a_forked_child_wakes_its_parent(void)
{
	struct ferry_report report;
	ferry_mailbox *box;
	int key;

	make_waiter();
	box = box_open("orders", NULL);
	key = add_box(box, FERRY_CAN_READ);
	peer_start(&waking_peer, wake_parent, NULL);
	check_eq(wait_while(let_peer_wake, &report), 0);
	peer_join(&waking_peer);
	box_send(box, 1); /* the child's closing has taken nothing away */
	expect(key, FERRY_CAN_READ);
	ferry_waiter_close(waiter);
	box_end(box, "orders");
}

static void write_to_wake(void)
{
	const uint64_t one = 1;

	check_eq(write(ferry_waiter_wake_fd(waiter), &one, sizeof one), sizeof one);
}

static void its_descriptor_wakes_it(void)
{
	struct ferry_report report;

	make_waiter();
	check_eq(wait_while(write_to_wake, &report), 0);
	expect_nothing();
	ferry_waiter_close(waiter);
}

static void wake_in_handler(int signo)
{
	(void)signo;
	(void)ferry_wake(waiter);
}

static void raise_signal(void)
{
	check_eq(kill(getpid(), SIGUSR2), 0);
}

static void a_signal_handler_may_wake_it(void)
{
	const struct sigaction action = { .sa_handler = wake_in_handler };
	struct ferry_report report;

	make_waiter();
	check_eq(sigaction(SIGUSR2, &action, NULL), 0);
	for (int i = 0; i < 20; i++)
		check_eq(wait_while(raise_signal, &report), 0);
	check_eq(signal(SIGUSR2, SIG_DFL) == SIG_ERR, 0);
	ferry_waiter_close(waiter);
}

static void cancel(void)
{
	check_eq(ferry_waiter_cancel(waiter), 0);
}

static void a_cancelled_wait_leaves_its_handles_alone(void)
{
	struct ferry_report report;
	ferry_mailbox *box;
	int key;

	make_waiter();
	box = box_open("orders", NULL);
	key = add_box(box, FERRY_CAN_READ);
	for (int i = 0; i < 20; i++) {
		check_eq(wait_while(cancel, &report), -ECANCELED);
		check_eq(ferry_waiter_wait(waiter, &report, 1, FERRY_FOREVER), -ECANCELED);
		check_eq(ferry_waiter_resume(waiter), 0);
		expect_nothing();
		box_send(box, 1);
		expect(key, FERRY_CAN_READ);
		box_expect(box, 1);
	}
	ferry_waiter_close(waiter);
	box_end(box, "orders");
}

static void wait_on_waiter(void (*body)(void), uint32_t happened, int error)
{
	struct ferry_item item = ferry_on_waiter(waiter);
	pthread_t thread;

	check_eq(ferry_wait(&item, 1, FERRY_NOW), -EAGAIN);
	check_eq(pthread_create(&thread, NULL, while_asleep, &body), 0);
	check_eq(ferry_wait(&item, 1, box_patience()), 1);
	check_eq(pthread_join(thread, NULL), 0);
	check_eq(item.happened & happened, happened);
	check_eq(item.error, error);
}

static void send_late(void)
{
	box_send(late, 1);
}

/* So a wait for an array of items can be woken and cancelled, too. */
static void a_waiter_is_itself_something_to_wait_for(void)
{
	struct ferry_report report;

	make_waiter();
	late = box_open("late", NULL);
	wait_on_waiter(wake, FERRY_CAN_READ, 0);
	check_eq(ferry_waiter_wait(waiter, &report, 1, FERRY_NOW), 0);
	expect_nothing();
	wait_on_waiter(cancel, FERRY_FAILED, -ECANCELED);
	check_eq(ferry_waiter_resume(waiter), 0);
	expect_nothing();
	late_key = add_box(late, FERRY_CAN_READ);
	expect_nothing(); /* what is new in the set may have something */
	wait_on_waiter(send_late, FERRY_CAN_READ, 0);
	expect(late_key, FERRY_CAN_READ);
	box_expect(late, 1);
	expect_nothing();
	ferry_waiter_close(waiter);
	box_end(late, "late");
}

static void c7_many_idle_mailboxes_cost_nothing(void)
{
	static ferry_mailbox *box[10 * CROWD];
	const int n = check_repeat(2 * CROWD, 10 * CROWD);
	ferry_deadline deadline;
	struct ferry_report report;
	struct usage before;

	make_waiter();
	for (int i = 0; i < n; i++) {
		box[i] =
		    box_open(crowd_name(i), FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8));
		add_box(box[i], FERRY_CAN_READ);
	}
	/* What is new in the set is dealt with by the first wait that sleeps. */
	check_eq(ferry_waiter_wait(waiter, &report, 1, ferry_in_ms(50)), -ETIMEDOUT);
	deadline = ferry_in_ms(600);
	before = usage_now();
	check_eq(ferry_waiter_wait(waiter, &report, 1, deadline), -ETIMEDOUT);
	check(ferry_in_ns(0) >= deadline);
	check(usage_now().cpu_ns - before.cpu_ns < (usage_now().at - before.at) / 20);
	ferry_waiter_close(waiter);
	for (int i = 0; i < n; i++)
		box_end(box[i], crowd_name(i));
}

enum { MANY = 900, DEATHS = 7 };

/* Take a message and never be done with it. */
static void take_and_hold(struct stage *stage, const void *number)
{
	ferry_mailbox *box = box_open(crowd_name(*(const int *)number), NULL);

	box_take(box, 1);
	stage_reach(stage, 1);
	stage_wait(stage, 2);
}

static pid_t holder;

static void kill_holder(void)
{
	check_eq(kill(holder, SIGKILL), 0);
}

/* Taken in turn, it would be one nap in so many until somebody looks. */
static void c5_in_a_large_set_too_what_a_dead_one_held_is_told_soon(void)
{
	static ferry_mailbox *box[MANY];
	struct ferry_report report;
	struct peer peer;
	int soon = 0;

	make_waiter();
	for (int i = 0; i < MANY; i++) {
		box[i] = box_open(crowd_name(i),
				  FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8, .spin = -1));
		add_box(box[i], FERRY_CAN_READ);
	}
	expect_nothing();
	for (int n = 0; n < DEATHS; n++) {
		const int number = (n * 257 + 100) % MANY;
		int64_t start;

		box_send(box[number], 1);
		peer_start(&peer, take_and_hold, &number);
		peer_await(&peer, 1);
		expect_nothing();
		holder = peer.pid;
		start = clock_ns();
		check_eq(wait_while(kill_holder, &report), 1);
		soon += clock_ns() - start < 300000000;
		check(report.user == box[number]);
		box_expect(box[number], 1);
		expect_nothing();
		peer_kill(&peer);
	}
	check(soon > DEATHS / 2);
	ferry_waiter_close(waiter);
	for (int i = 0; i < MANY; i++)
		box_end(box[i], crowd_name(i));
}

/* ---- ferry_fd ---- */

static int readable(int fd)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };

	return poll(&entry, 1, 0);
}

static int make_fd(struct ferry_item item)
{
	int fd = ferry_fd(&item);

	check(fd >= 0);
	return fd;
}

static void a_descriptor_is_cleared_only_when_there_is_nothing(void)
{
	ferry_mailbox *box;
	int fd;

	limits_apply();
	box = box_open("orders", NULL);
	fd = make_fd(ferry_on_mailbox(box, FERRY_CAN_READ));
	check_eq(readable(fd), 0);
	box_send(box, 1);
	box_send(box, 2);
	await(readable(fd));
	box_expect(box, 1);
	check_eq(ferry_fd_clear(fd), FERRY_CAN_READ);
	check_eq(readable(fd), 1);
	box_expect(box, 2);
	check_eq(ferry_fd_clear(fd), 0);
	check_eq(readable(fd), 0);
	box_send(box, 3);
	await(readable(fd));
	check_eq(ferry_fd_close(fd), 0);
	check_eq(ferry_fd_close(fd), -EBADF);
	box_expect(box, 3);
	box_end(box, "orders");
}

static void each_descriptor_of_a_handle_is_readable(void)
{
	ferry_mailbox *box;
	int fd[3];

	limits_apply();
	box = box_open("orders", FERRY_MAILBOX_OPTIONS(.messages = 1));
	fd[0] = make_fd(ferry_on_mailbox(box, FERRY_CAN_READ));
	fd[1] = make_fd(ferry_on_mailbox(box, FERRY_CAN_READ));
	fd[2] = make_fd(ferry_on_mailbox(box, FERRY_CAN_WRITE));
	await(readable(fd[2]));
	check_eq(ferry_fd_clear(fd[0]), 0); /* it may have been said for nothing, once */
	check_eq(readable(fd[0]), 0);
	box_send(box, 1);
	check_eq(ferry_fd_clear(fd[2]), 0);
	await(readable(fd[0]) && readable(fd[1]));
	check_eq(readable(fd[2]), 0);
	box_expect(box, 1);
	await(readable(fd[2]));
	for (int i = 0; i < 3; i++)
		check_eq(ferry_fd_close(fd[i]), 0);
	box_end(box, "orders");
}

/* Of the one who made it, too: its file had no name at first. */
static void a_descriptor_stays_readable_after_removal(void)
{
	ferry_mailbox *box;
	int fd;

	limits_apply();
	box = box_open("orders", NULL);
	fd = make_fd(ferry_on_mailbox(box, FERRY_CAN_READ));
	check_eq(ferry_remove("orders", NULL), 0);
	for (int i = 0; i < 3; i++) {
		await(readable(fd));
		check_eq(ferry_fd_clear(fd), FERRY_FAILED);
	}
	check_eq(ferry_fd_close(fd), 0);
	ferry_mailbox_close(box);
}

static void c7_an_idle_descriptor_costs_nothing(void)
{
	struct pollfd entry = { .events = POLLIN };
	struct usage before;
	ferry_mailbox *box;

	limits_apply();
	box = box_open("orders", NULL);
	entry.fd = make_fd(ferry_on_mailbox(box, FERRY_CAN_READ));
	before = usage_now();
	check_eq(poll(&entry, 1, 500), 0);
	check(usage_now().cpu_ns - before.cpu_ns < (usage_now().at - before.at) / 20);
	check_eq(ferry_fd_close(entry.fd), 0);
	box_end(box, "orders");
}

static void what_has_no_descriptor_is_refused(void)
{
	struct ferry_item item = ferry_on_fd(0, FERRY_CAN_READ);

	limits_apply();
	check_eq(ferry_fd(&item), -EINVAL);
	check_eq(ferry_fd(NULL), -EINVAL);
	item = ferry_on_mailbox(NULL, FERRY_CAN_READ);
	check_eq(ferry_fd(&item), -EINVAL);
	check_eq(ferry_fd_clear(0), -EBADF);
	check_eq(ferry_fd_clear(-1), -EBADF);
	check_eq(ferry_fd_close(0), -EBADF);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(a_set_may_change_between_waits),
		claim(what_is_added_or_changed_ends_a_wait_that_is_under_way),
		claim(what_is_removed_under_a_wait_does_not_end_it),
		claim(with_little_room_each_has_its_turn),
		claim(what_cannot_be_watched_is_refused),
		claim(one_shot_tells_one_thread_of_each_message),
		claim(one_shot_is_silent_until_it_is_changed),
		claim(a_wake_is_kept_and_several_are_one),
		claim(a_wake_is_for_one_of_several_threads),
		claim(c11_a_forked_child_wakes_its_parent),
		claim(its_descriptor_wakes_it),
		claim(a_signal_handler_may_wake_it),
		claim(a_cancelled_wait_leaves_its_handles_alone),
		claim(a_waiter_is_itself_something_to_wait_for),
		claim(c7_many_idle_mailboxes_cost_nothing),
		claim(c5_in_a_large_set_too_what_a_dead_one_held_is_told_soon),
		claim(a_descriptor_is_cleared_only_when_there_is_nothing),
		claim(each_descriptor_of_a_handle_is_readable),
		claim(a_descriptor_stays_readable_after_removal),
		claim(c7_an_idle_descriptor_costs_nothing),
		claim(what_has_no_descriptor_is_refused),
	};

	return claim_run_all(claims);
}
