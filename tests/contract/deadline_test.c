/* SPDX-License-Identifier: MIT */
/* How long calls wait: deadlines, interruptions, and what waiting costs (C7). */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"
#include "trace.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS
#define MS      1000000LL

static void now_is_eagain_on_empty_and_on_full(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));
	struct ferry_message message = { 0 };

	box_expect_empty(box);
	check_eq(ferry_mailbox_take(box, &message, FERRY_NOW), -EAGAIN);
	check_eq(ferry_mailbox_peek(box, NULL, 0, NULL, FERRY_NOW), -EAGAIN);
	check_eq(ferry_mailbox_receive_many(box, &message, 1, FERRY_NOW), -EAGAIN);
	box_send(box, 1);
	check_eq(ferry_mailbox_send(box, "x", 1, FERRY_NOW), -EAGAIN);
	box_expect(box, 1);
	box_end(box, "orders");
}

static void past_deadline_makes_one_attempt_then_is_etimedout(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));
	const ferry_deadline past[] = { 1, -1, INT64_MIN, ferry_in_ms(-5), ferry_in_ms(0) };
	uint64_t got;

	for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
		check_eq(ferry_mailbox_receive(box, &got, sizeof got, past[i]), -ETIMEDOUT);
		check_eq(ferry_mailbox_send(box, &i, sizeof i, past[i]), 0);
		check_eq(ferry_mailbox_send(box, &i, sizeof i, past[i]), -ETIMEDOUT);
		check_eq(ferry_mailbox_receive(box, &got, sizeof got, past[i]), sizeof got);
		check_eq(got, i);
	}
	box_end(box, "orders");
}

static void deadline_is_waited_for_and_not_passed_over(void)
{
	static const int64_t spins[] = { -1, 1000, 500 * MS };

	for (size_t i = 0; i < sizeof spins / sizeof *spins; i++) {
		ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1, .spin = spins[i]));
		const ferry_deadline deadline = ferry_in_ms(70);
		struct ferry_message loan;
		uint64_t got;

		check_eq(ferry_mailbox_receive(box, &got, sizeof got, deadline), -ETIMEDOUT);
		check(clock_ns() >= deadline);
		check(clock_ns() < deadline + CHECK_SOON_NS);
		box_send(box, 1);
		check_eq(ferry_mailbox_send(box, "x", 1, ferry_in_ms(40)), -ETIMEDOUT);
		while (ferry_mailbox_loan(box, 65536, &loan, FERRY_NOW) == 0)
			;
		check_eq(ferry_mailbox_loan(box, 65536, &loan, ferry_in_ms(40)), -ETIMEDOUT);
		box_end(box, "orders");
	}
}

static void call_that_can_succeed_ignores_the_deadline(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	uint64_t got;

	check_eq(ferry_mailbox_send(box, &(uint64_t){ 1 }, 8, FERRY_FOREVER), 0);
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, FERRY_FOREVER), sizeof got);
	box_end(box, "orders");
}

static void in_ms_and_in_ns_count_from_now(void)
{
	const int64_t before = clock_ns();
	const ferry_deadline soon = ferry_in_ms(250);
	const ferry_deadline sooner = ferry_in_ns(1000);
	const int64_t after = clock_ns();

	check(soon >= before + 250 * MS && soon <= after + 250 * MS);
	check(sooner >= before + 1000 && sooner <= after + 1000);
}

static void in_ms_saturates_below_forever(void)
{
	check(ferry_in_ms(INT64_MAX) < FERRY_FOREVER);
	check(ferry_in_ms(INT64_MAX) > clock_ns());
	check(ferry_in_ms(INT64_MAX / 1000000) < FERRY_FOREVER);
	check(ferry_in_ms(INT64_MAX / 1000000) > clock_ns());
	check(ferry_in_ns(INT64_MAX) < FERRY_FOREVER);
	check(ferry_in_ns(INT64_MAX) > clock_ns());
}

static void in_ms_of_a_negative_time_has_passed_and_is_not_now(void)
{
	static const int64_t past[] = { -1, -1000, INT64_MIN, INT64_MIN + 1, INT64_MIN / 1000000 };

	for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
		check(ferry_in_ms(past[i]) <= clock_ns());
		check(ferry_in_ns(past[i]) <= clock_ns());
		check(ferry_in_ms(past[i]) != FERRY_NOW);
		check(ferry_in_ns(past[i]) != FERRY_NOW);
	}
	check(ferry_in_ns(-clock_ns()) != FERRY_NOW);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int signal_number)
{
	(void)signal_number;
	alarms = alarms + 1;
}

/* A signal every two milliseconds from now on. */
static void storm(int flags)
{
	const struct itimerval timer = { { 0, 2000 }, { 0, 2000 } };
	const struct sigaction action = { .sa_handler = count_alarm, .sa_flags = flags };

	check_eq(sigaction(SIGALRM, &action, NULL), 0);
	check_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void calm(void)
{
	check_eq(setitimer(ITIMER_REAL, &(const struct itimerval){ 0 }, NULL), 0);
}

static void storm_never_escapes(int flags)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1, .spin = -1));
	const ferry_deadline deadline = ferry_in_ms(200);
	uint64_t got;

	storm(flags);
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, deadline), -ETIMEDOUT);
	check(clock_ns() >= deadline);
	box_send(box, 1);
	check_eq(ferry_mailbox_send(box, "x", 1, ferry_in_ms(200)), -ETIMEDOUT);
	calm();
	check(alarms > 10);
	box_end(box, "orders");
}

static void eintr_never_escapes_from_a_storm_of_signals(void)
{
	storm_never_escapes(0);
	storm_never_escapes(SA_RESTART);
}

static void interruptible_ends_with_eintr(int flags)
{
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.messages = 1, .spin = -1, .flags = FERRY_INTERRUPTIBLE));
	struct ferry_message message;
	uint64_t got;

	storm(flags);
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, FERRY_FOREVER), -EINTR);
	check_eq(ferry_mailbox_take(box, &message, FERRY_FOREVER), -EINTR);
	box_send(box, 1);
	check_eq(ferry_mailbox_send(box, "x", 1, FERRY_FOREVER), -EINTR);
	calm();
	box_expect(box, 1);
	box_expect_empty(box);
	box_end(box, "orders");
}

static void interruptible_wait_ends_with_eintr(void)
{
	interruptible_ends_with_eintr(0);
}

static void interruptible_wait_ends_with_eintr_also_after_a_restarting_handler(void)
{
	interruptible_ends_with_eintr(SA_RESTART);
}

static void c7_blocked_receiver_uses_no_cpu(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	const struct usage before = usage_now();
	uint64_t got;

	check_eq(ferry_mailbox_receive(box, &got, sizeof got, ferry_in_ms(2000)), -ETIMEDOUT);
	usage_check_blocked(&before);
	box_end(box, "orders");
}

static void c7_blocked_sender_uses_no_cpu(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));
	struct usage before;

	box_send(box, 1);
	before = usage_now();
	check_eq(ferry_mailbox_send(box, "x", 1, ferry_in_ms(2000)), -ETIMEDOUT);
	usage_check_blocked(&before);
	box_end(box, "orders");
}

static void hold_and_wait(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)argument;
	box_take(box, 1);
	stage_meet(stage, 1);
}

/* Something to look after while asleep: a stopped process that holds a message. The sleeper asks
 * the kernel about it at each nap. */
static void c7_blocked_receiver_uses_little_cpu_while_a_stopped_one_holds_a_message(void)
{
	box_needs_many();
	ferry_mailbox *box = box_open("orders", NULL);
	struct peer peer;
	struct usage before;
	uint64_t got;

	box_send(box, 1);
	peer_start(&peer, hold_and_wait, NULL);
	peer_await(&peer, 1);
	peer_stop(&peer);
	before = usage_now();
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, ferry_in_ms(2000)), -ETIMEDOUT);
	usage_check_blocked(&before);
	peer_kill(&peer);
	box_end(box, "orders");
}

enum { ROUNDS = 1000 };

/* What a traced peer does between its marks. */
struct work {
	size_t size;
	int zero_copy;
};

static void send_and_receive(ferry_mailbox *box, const struct work *work)
{
	static unsigned char data[65536];
	struct ferry_message message;

	if (work->zero_copy) {
		check_eq(ferry_mailbox_loan(box, work->size, &message, FERRY_FOREVER), 0);
		check_eq(ferry_mailbox_commit(box, &message, FERRY_FOREVER), 0);
		check_eq(ferry_mailbox_take(box, &message, FERRY_FOREVER), 0);
		check_eq(ferry_mailbox_done(box, &message), 0);
	} else {
		check_eq(ferry_mailbox_send(box, data, work->size, FERRY_FOREVER), 0);
		check_eq(ferry_mailbox_receive(box, data, sizeof data, FERRY_FOREVER), work->size);
	}
}

static void traced(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	stage_meet(stage, 1);
	send_and_receive(box, argument);
	trace_mark();
	for (int i = 0; i < ROUNDS; i++)
		send_and_receive(box, argument);
	trace_mark();
	ferry_mailbox_close(box);
}

/* The system calls of all rounds; those that the clock accounts for are in ret_looks. */
static int calls_of(const struct work *work, int64_t *ret_looks)
{
	ferry_mailbox *box = box_open("orders", NULL); /* an awake member on the other side */
	struct peer peer;

	peer_start(&peer, traced, work);
	peer_await(&peer, 1);
	const int64_t start = clock_ns();
	const int calls = trace_calls_between_marks(&peer);
	*ret_looks = 8 * ((clock_ns() - start) / (10 * MS));
	peer_join(&peer);
	box_end(box, "orders");
	return calls;
}

/* But for a look at the other members now and then, by the clock: a few calls in tens of
 * milliseconds. On a busy machine 1000 rounds can take so long that these are many; then it is
 * tried again, for a call in each round would be there each time. */
static void makes_no_system_call(const struct work *work)
{
	int64_t looks;
	int calls;

	for (int i = 0; i < 20; i++) {
		calls = calls_of(work, &looks);
		if (calls <= looks && calls < ROUNDS / 10)
			return;
	}
	check_failed(__FILE__, __LINE__, "%d system calls in %d rounds", calls, ROUNDS);
}

static void c7_small_messages_make_no_system_call_while_nobody_sleeps(void)
{
	makes_no_system_call(&(const struct work){ .size = 8 });
	makes_no_system_call(&(const struct work){ .size = 112 });
}

static void c7_large_messages_make_no_system_call_while_nobody_sleeps(void)
{
	makes_no_system_call(&(const struct work){ .size = 113 });
	makes_no_system_call(&(const struct work){ .size = 65536 });
}

static void c7_loans_and_takes_make_no_system_call_while_nobody_sleeps(void)
{
	makes_no_system_call(&(const struct work){ .size = 64, .zero_copy = 1 });
	makes_no_system_call(&(const struct work){ .size = 4096, .zero_copy = 1 });
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(now_is_eagain_on_empty_and_on_full),
		claim(past_deadline_makes_one_attempt_then_is_etimedout),
		claim(deadline_is_waited_for_and_not_passed_over),
		claim(call_that_can_succeed_ignores_the_deadline),
		claim(in_ms_and_in_ns_count_from_now),
		claim(in_ms_saturates_below_forever),
		claim(in_ms_of_a_negative_time_has_passed_and_is_not_now),
		claim(eintr_never_escapes_from_a_storm_of_signals),
		claim(interruptible_wait_ends_with_eintr),
		claim(interruptible_wait_ends_with_eintr_also_after_a_restarting_handler),
		claim(c7_blocked_receiver_uses_no_cpu),
		claim(c7_blocked_sender_uses_no_cpu),
		claim(c7_blocked_receiver_uses_little_cpu_while_a_stopped_one_holds_a_message),
		claim(c7_small_messages_make_no_system_call_while_nobody_sleeps),
		claim(c7_large_messages_make_no_system_call_while_nobody_sleeps),
		claim(c7_loans_and_takes_make_no_system_call_while_nobody_sleeps),
	};

	return claim_run_all(claims);
}
