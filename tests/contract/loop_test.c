/* SPDX-License-Identifier: MIT */
/* ferry_loop: calls what it was told to, when it was told to, whatever the called functions do to
 * it. */
#include <errno.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"

static ferry_loop *loop_make(void)
{
	ferry_loop *loop;

	check_eq(ferry_loop_open(&loop, NULL), 0);
	return loop;
}

static ferry_loop_id watch_box(ferry_loop *loop, ferry_mailbox *box, ferry_loop_handler handler,
			       void *arg)
{
	const struct ferry_item item = ferry_on_mailbox(box, FERRY_CAN_READ);
	ferry_loop_id id = ferry_loop_watch(loop, item, handler, arg);

	check(id > 0);
	return id;
}

static ferry_loop_id timer_at(ferry_loop *loop, ferry_deadline first, int64_t every,
			      ferry_loop_call call, void *arg)
{
	ferry_loop_id id = ferry_loop_timer(loop, first, every, call, arg);

	check(id > 0);
	return id;
}

/* Run to the end that the called functions make. */
static void run(ferry_loop *loop)
{
	check_eq(ferry_loop_run(loop, box_patience()), 0);
}

/* Rounds without waiting, until nothing comes of them for certain. */
static void settle(ferry_loop *loop)
{
	for (int i = 0; i < 10; i++)
		check_eq(ferry_loop_run(loop, FERRY_NOW), -EAGAIN);
}

static void stop(ferry_loop *loop, void *unused)
{
	(void)unused;
	check_eq(ferry_loop_stop(loop, 0), 0);
}

static void count(ferry_loop *loop, void *n)
{
	(void)loop;
	++*(int *)n;
}

static void count_event(ferry_loop *loop, const struct ferry_loop_event *event, void *n)
{
	(void)loop;
	check_eq(event->happened, FERRY_CAN_READ);
	check_eq(event->error, 0);
	++*(int *)n;
}

/* ---- what is watched ---- */

static void a_handler_is_called_as_long_as_something_is_there(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_loop *loop = loop_make();
	int n = 0;

	watch_box(loop, box, count_event, &n);
	settle(loop);
	check_eq(n, 0);
	box_send(box, 1);
	settle(loop);
	check_eq(n, 10);
	box_expect(box, 1);
	settle(loop);
	check_eq(n, 10);
	ferry_loop_close(loop);
	box_end(box, "orders");
}

struct pair {
	ferry_loop_id id[2];
	ferry_mailbox *box[2];
	int called;
};

/* Whichever is called first forgets both, and closes what the other serves. */
static void forget_both(ferry_loop *loop, const struct ferry_loop_event *event, void *arg)
{
	struct pair *pair = arg;

	(void)event;
	pair->called++;
	for (int i = 0; i < 2; i++) {
		check_eq(ferry_loop_forget(loop, pair->id[i]), 0);
		check_eq(ferry_loop_forget(loop, pair->id[i]), -ENOENT);
		ferry_mailbox_close(pair->box[i]);
	}
}

static void what_is_forgotten_is_not_called_in_the_same_round_either(void)
{
	ferry_loop *loop = loop_make();
	struct pair pair = { 0 };

	for (int i = 0; i < 2; i++) {
		pair.box[i] = box_open(i ? "one" : "other", NULL);
		pair.id[i] = watch_box(loop, pair.box[i], forget_both, &pair);
		box_send(pair.box[i], 1);
	}
	settle(loop);
	check_eq(pair.called, 1);
	ferry_loop_close(loop);
	box_remove("one");
	box_remove("other");
}

/* Forgets itself and watches something new, which gets the same place in the table. */
static void forget_and_watch(ferry_loop *loop, const struct ferry_loop_event *event, void *arg)
{
	struct pair *pair = arg;
	ferry_loop_id before = pair->id[0];

	(void)event;
	pair->called++;
	check_eq(ferry_loop_forget(loop, before), 0);
	pair->id[0] = watch_box(loop, pair->box[0], forget_and_watch, pair);
	check(pair->id[0] != before);
	check_eq(ferry_loop_forget(loop, before), -ENOENT);
}

static void a_handler_may_watch_anew_what_it_forgot(void)
{
	ferry_loop *loop = loop_make();
	struct pair pair = { .box[0] = box_open("orders", NULL) };

	pair.id[0] = watch_box(loop, pair.box[0], forget_and_watch, &pair);
	box_send(pair.box[0], 1);
	settle(loop);
	check_eq(pair.called, 10);
	ferry_loop_close(loop);
	box_end(pair.box[0], "orders");
}

static void change_silences_and_listens_again(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_loop *loop = loop_make();
	int n = 0;
	ferry_loop_id id = watch_box(loop, box, count_event, &n);
	ferry_loop_id timer = timer_at(loop, box_patience(), 0, stop, NULL);

	box_send(box, 1);
	check_eq(ferry_loop_change(loop, id, 0), 0);
	settle(loop);
	check_eq(n, 0);
	check_eq(ferry_loop_change(loop, id, FERRY_CAN_READ), 0);
	settle(loop);
	check_eq(n, 10);
	check_eq(ferry_loop_change(loop, timer, 0), -ENOENT);
	check_eq(ferry_loop_change(loop, id + 1, 0), -ENOENT);
	ferry_loop_close(loop);
	box_end(box, "orders");
}

enum { CROWD = 200 };

struct crowd {
	ferry_mailbox *box[CROWD];
	int served[CROWD];
};

static void serve(ferry_loop *loop, const struct ferry_loop_event *event, void *served)
{
	(void)loop;
	(void)event;
	++*(int *)served;
}

/* More are always ready than are called for in a round: each has its turn. */
static void nobody_starves_in_a_crowd(void)
{
	static struct crowd crowd;
	ferry_loop *loop = loop_make();
	char name[32];

	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof name, "box-%d", i);
		crowd.box[i] = box_open(name, FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8));
		box_send(crowd.box[i], 1);
		watch_box(loop, crowd.box[i], serve, &crowd.served[i]);
	}
	for (int i = 0; i < 20; i++)
		check_eq(ferry_loop_run(loop, FERRY_NOW), -EAGAIN);
	for (int i = 0; i < CROWD; i++)
		check(crowd.served[i] > 0);
	ferry_loop_close(loop);
	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof name, "box-%d", i);
		box_end(crowd.box[i], name);
	}
}

static void count_and_stop(ferry_loop *loop, const struct ferry_loop_event *event, void *n)
{
	count_event(loop, event, n);
	check_eq(ferry_loop_stop(loop, 0), 0);
}

/* What was ready, too, when the loop was stopped is called when it runs again. */
static void one_shots_that_a_stop_came_before_are_called_in_the_next_run(void)
{
	ferry_loop *loop = loop_make();
	ferry_mailbox *box = box_open("orders", NULL);
	int n = 0;

	for (int i = 0; i < 3; i++)
		check(ferry_loop_watch(loop, ferry_on_mailbox(box, FERRY_CAN_READ | FERRY_ONE_SHOT),
				       count_and_stop, &n) > 0);
	box_send(box, 1);
	for (int i = 1; i <= 3; i++) {
		run(loop);
		check_eq(n, i);
	}
	settle(loop);
	check_eq(n, 3);
	ferry_loop_close(loop);
	box_end(box, "orders");
}

static int note_signal(const struct ferry_signal_info *info, void *loop)
{
	return ferry_loop_stop(loop, info->signo);
}

static void handlers_of_signals_run_in_the_loop(void)
{
	const struct ferry_item handlers = ferry_on_handlers();
	ferry_loop *loop = loop_make();

	check_eq(ferry_signal_catch(SIGINT, note_signal, loop, NULL), 0);
	check(ferry_loop_watch(loop, handlers, NULL, NULL) > 0);
	check_eq(kill(getpid(), SIGINT), 0);
	check_eq(ferry_loop_run(loop, box_patience()), SIGINT);
	ferry_loop_close(loop);
	check_eq(ferry_signal_restore(SIGINT, NULL), 0);
}

/* ---- timers ---- */

static int order[8], n_order;

static void note(ferry_loop *loop, void *number)
{
	(void)loop;
	order[n_order++] = *(int *)number;
}

static void timers_are_called_in_the_order_of_their_times(void)
{
	static int number[] = { 0, 1, 2, 3, 4 };
	ferry_loop *loop = loop_make();
	ferry_deadline soon = ferry_in_ms(2);

	timer_at(loop, soon + 3, 0, note, &number[3]);
	timer_at(loop, soon, 0, note, &number[0]);
	timer_at(loop, soon + 1, 0, note, &number[1]);
	timer_at(loop, soon + 1, 0, note, &number[2]); /* at the same time, made later */
	timer_at(loop, soon + 4, 0, stop, NULL);
	run(loop);
	check(ferry_in_ns(0) >= soon + 4);
	check_eq(n_order, 4);
	for (int i = 0; i < 4; i++)
		check_eq(order[i], i);
	ferry_loop_close(loop);
}

/* A timer in a loop that is held up for some of its periods. */
enum { PERIOD_NS = 2000000, HELD_UP_MS = 25 };

static struct {
	ferry_deadline first;
	int64_t last; /* the period in which it was called last */
	int n;
} beat = { .last = -1 };

static void note_beat(ferry_loop *loop, void *unused)
{
	int64_t period = (ferry_in_ns(0) - beat.first) / PERIOD_NS;

	(void)loop;
	(void)unused;
	check(period > beat.last); /* not twice in one, and none ahead of time */
	beat.last = period;
	beat.n++;
}

static void hold_up(ferry_loop *loop, void *unused)
{
	ferry_deadline end = ferry_in_ms(HELD_UP_MS);

	(void)loop;
	(void)unused;
	while (ferry_in_ns(0) < end)
		;
}

static void a_late_timer_is_called_once_and_stays_in_step(void)
{
	ferry_loop *loop = loop_make();

	beat.first = ferry_in_ms(5);
	timer_at(loop, beat.first, PERIOD_NS, note_beat, NULL);
	timer_at(loop, beat.first + 1, 0, hold_up, NULL);
	timer_at(loop, beat.first + 50000000, 0, stop, NULL);
	run(loop);
	check(beat.n >= 2);
	check(beat.n <= beat.last + 1 - (HELD_UP_MS * 1000000 / PERIOD_NS - 2));
	ferry_loop_close(loop);
}

/* Random times, half of them forgotten again: the others come, in order. */
enum { MANY = 2000 };

static struct appointment {
	ferry_loop_id id;
	ferry_deadline at;
	int forgotten, called;
} appointments[MANY];
static ferry_deadline last;

static void keep(ferry_loop *loop, void *arg)
{
	struct appointment *appointment = arg;

	(void)loop;
	check(!appointment->forgotten);
	check(appointment->at >= last);
	check(ferry_in_ns(0) >= appointment->at);
	last = appointment->at;
	appointment->called++;
}

static void timers_by_the_thousand(void)
{
	ferry_loop *loop = loop_make();
	ferry_deadline soon = ferry_in_ms(5);

	enemy_seed(1);
	for (int i = 0; i < MANY; i++) {
		struct appointment *a = &appointments[i];

		a->at = soon + (int64_t)(enemy_any() % 20000000);
		a->id = timer_at(loop, a->at, 0, keep, a);
	}
	for (int i = 0; i < MANY; i += 2) {
		appointments[i].forgotten = 1;
		check_eq(ferry_loop_forget(loop, appointments[i].id), 0);
	}
	timer_at(loop, soon + 20000001, 0, stop, NULL);
	run(loop);
	for (int i = 0; i < MANY; i++) {
		check_eq(appointments[i].called, !appointments[i].forgotten);
		check_eq(ferry_loop_forget(loop, appointments[i].id), -ENOENT);
	}
	ferry_loop_close(loop);
}

static void again_at_once(ferry_loop *loop, void *n)
{
	++*(int *)n;
	timer_at(loop, ferry_in_ns(0), 0, again_at_once, n);
	check_eq(ferry_loop_defer(loop, count, (int *)n + 1), 0);
}

static void a_timer_that_makes_the_next_one_lets_others_be_called(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_loop *loop = loop_make();
	int n[2] = { 0 }, events = 0;

	watch_box(loop, box, count_event, &events);
	box_send(box, 1);
	timer_at(loop, 1, 0, again_at_once, n);
	settle(loop);
	check_eq(n[0], 10);
	check_eq(n[1], 10);
	check_eq(events, 10);
	ferry_loop_close(loop);
	box_end(box, "orders");
}

static void again_before_all(ferry_loop *loop, void *n)
{
	++*(int *)n;
	timer_at(loop, 1, 0, again_before_all, n);
}

/* The next one is for a time before that of all others, who are called all the same. */
static void a_timer_that_makes_the_next_one_for_the_past_lets_others_be_called(void)
{
	ferry_loop *loop = loop_make();
	int n = 0, beats = 0;

	timer_at(loop, 1, 0, again_before_all, &n);
	timer_at(loop, ferry_in_ms(1), 1000000, count, &beats);
	timer_at(loop, ferry_in_ms(10), 0, stop, NULL);
	run(loop);
	check(n > 0);
	check(beats > 0);
	ferry_loop_close(loop);
}

static void forget_itself(ferry_loop *loop, void *arg)
{
	struct appointment *a = arg;

	if (++a->called == 3)
		check_eq(ferry_loop_forget(loop, a->id), 0);
}

static void a_timer_may_forget_itself(void)
{
	ferry_loop *loop = loop_make();
	struct appointment a = { 0 };

	a.id = timer_at(loop, 1, 1, forget_itself, &a);
	settle(loop);
	check_eq(a.called, 3);
	ferry_loop_close(loop);
}

/* ---- deferred calls, and the end ---- */

static void defer_again(ferry_loop *loop, void *n)
{
	++*(int *)n;
	check_eq(ferry_loop_defer(loop, defer_again, n), 0);
}

static void what_is_deferred_meanwhile_waits_for_the_next_round(void)
{
	ferry_loop *loop = loop_make();
	int n = 0;

	check_eq(ferry_loop_defer(loop, defer_again, &n), 0);
	settle(loop);
	check_eq(n, 10);
	ferry_loop_close(loop); /* the next one is still there, and is dropped */
}

static void what_a_stop_left_is_called_by_the_next_run(void)
{
	ferry_loop *loop = loop_make();
	int n = 0;

	check_eq(ferry_loop_defer(loop, stop, NULL), 0);
	check_eq(ferry_loop_defer(loop, count, &n), 0);
	run(loop);
	check_eq(n, 0);
	check_eq(ferry_loop_defer(loop, stop, NULL), 0);
	run(loop);
	check_eq(n, 1);
	ferry_loop_close(loop);
}

static ferry_loop *asleep_in;

/* While the main thread sleeps in the loop. */
static void *stop_sleeper(void *unused)
{
	(void)unused;
	await(process_asleep(getpid()));
	check_eq(ferry_loop_stop(asleep_in, 5), 0);
	return NULL;
}

static void *defer_to_sleeper(void *unused)
{
	(void)unused;
	await(process_asleep(getpid()));
	check_eq(ferry_loop_defer(asleep_in, stop, NULL), 0);
	return NULL;
}

static void another_thread_wakes_it(void *(*body)(void *), int result)
{
	pthread_t thread;

	for (int i = 0; i < 50; i++) {
		asleep_in = loop_make();
		check_eq(pthread_create(&thread, NULL, body, NULL), 0);
		check_eq(ferry_loop_run(asleep_in, box_patience()), result);
		check_eq(pthread_join(thread, NULL), 0);
		ferry_loop_close(asleep_in);
	}
}

static void another_thread_may_stop_it(void)
{
	another_thread_wakes_it(stop_sleeper, 5);
}

static void another_thread_may_defer(void)
{
	another_thread_wakes_it(defer_to_sleeper, 0);
}

static void a_stop_before_the_run_ends_it_at_once(void)
{
	ferry_loop *loop = loop_make();
	int n = 0;

	timer_at(loop, 1, 1, count, &n);
	check_eq(ferry_loop_stop(loop, 9), 0);
	check_eq(ferry_loop_run(loop, box_patience()), 9);
	check_eq(n, 0);
	check_eq(ferry_loop_run(loop, FERRY_NOW), -EAGAIN);
	check_eq(n, 1);
	ferry_loop_close(loop);
}

static void c7_an_idle_loop_ends_at_its_deadline_and_not_before(void)
{
	ferry_loop *loop = loop_make();
	const struct usage before = usage_now();
	ferry_deadline deadline;

	do {
		deadline = ferry_in_ms(100);
		check_eq(ferry_loop_run(loop, deadline), -ETIMEDOUT);
		check(ferry_in_ns(0) >= deadline);
	} while (usage_is_doubtful(&before));
	usage_check_blocked(&before);
	check_eq(ferry_loop_run(loop, deadline), -ETIMEDOUT);
	ferry_loop_close(loop);
}

static void run_inside(ferry_loop *loop, void *unused)
{
	(void)unused;
	check_eq(ferry_loop_run(loop, FERRY_NOW), -EDEADLK);
	stop(loop, NULL);
}

static void a_loop_does_not_run_inside_itself(void)
{
	ferry_loop *loop = loop_make();

	check_eq(ferry_loop_defer(loop, run_inside, NULL), 0);
	run(loop);
	ferry_loop_close(loop);
}

static void nonsense_is_refused(void)
{
	ferry_loop *loop = loop_make();
	const struct ferry_item item = ferry_on_fd(-1, FERRY_CAN_READ);
	int n = 0;

	check(ferry_loop_watch(loop, item, count_event, &n) < 0);
	check_eq(ferry_loop_timer(loop, FERRY_FOREVER, 0, count, &n), -EINVAL);
	check_eq(ferry_loop_timer(loop, -1, 0, count, &n), -EINVAL);
	check_eq(ferry_loop_timer(loop, 1, -1, count, &n), -EINVAL);
	check_eq(ferry_loop_timer(loop, 1, 0, NULL, &n), -EINVAL);
	check_eq(ferry_loop_defer(loop, NULL, &n), -EINVAL);
	check_eq(ferry_loop_stop(loop, -1), -EINVAL);
	check_eq(ferry_loop_run(loop, -5), -EINVAL);
	check_eq(ferry_loop_forget(loop, 0), -ENOENT);
	check_eq(ferry_loop_forget(loop, -1), -ENOENT);
	check_eq(ferry_loop_forget(loop, INT64_MAX), -ENOENT);
	ferry_loop_close(loop);
	ferry_loop_close(NULL);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(a_handler_is_called_as_long_as_something_is_there),
		claim(what_is_forgotten_is_not_called_in_the_same_round_either),
		claim(a_handler_may_watch_anew_what_it_forgot),
		claim(change_silences_and_listens_again),
		claim(nobody_starves_in_a_crowd),
		claim(handlers_of_signals_run_in_the_loop),
		claim(one_shots_that_a_stop_came_before_are_called_in_the_next_run),
		claim(timers_are_called_in_the_order_of_their_times),
		claim(a_late_timer_is_called_once_and_stays_in_step),
		claim(timers_by_the_thousand),
		claim(a_timer_that_makes_the_next_one_lets_others_be_called),
		claim(a_timer_that_makes_the_next_one_for_the_past_lets_others_be_called),
		claim(a_timer_may_forget_itself),
		claim(what_is_deferred_meanwhile_waits_for_the_next_round),
		claim(what_a_stop_left_is_called_by_the_next_run),
		claim(another_thread_may_stop_it),
		claim(another_thread_may_defer),
		claim(a_stop_before_the_run_ends_it_at_once),
		claim(c7_an_idle_loop_ends_at_its_deadline_and_not_before),
		claim(a_loop_does_not_run_inside_itself),
		claim(nonsense_is_refused),
	};

	return claim_run_all(claims);
}
