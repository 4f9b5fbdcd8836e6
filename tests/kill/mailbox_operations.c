/* SPDX-License-Identifier: MIT */
/*
 * The table of a mailbox's operations; see docs/testing-kill.md. An operation says what the mailbox
 * holds, who sleeps in it, what the victim has done before and what it does under attack.
 */
#include <sched.h>
#include <stddef.h>

#include "mailbox.h"

typedef const struct operation op;

#define UNUSED __attribute__((unused))

static ferry_deadline patience(op *o)
{
	return o->wait_ms ? ferry_in_ms(o->wait_ms) : FERRY_NOW;
}

static void do_send(void *a, op *o)
{
	const struct box_setup *setup = box_setup(o);
	struct actor *actor = a;

	actor_send(actor, ledger_new(actor->ledger, setup->size, setup->priority, setup->ttl),
		   patience(o));
}

static void do_send_many(void *a, op *o)
{
	actor_send_many(a, 3, box_setup(o)->size, patience(o));
}

static void do_receive(void *a, op *o)
{
	actor_receive(a, patience(o));
}

static void do_receive_many(void *a, op *o)
{
	actor_receive_many(a, 3, patience(o));
}

static void do_receive_all(void *a, op *o)
{
	while (actor_receive(a, patience(o)) >= 0)
		;
}

static void do_peek(void *a, op *o UNUSED)
{
	actor_peek(a);
}

static void do_take(void *a, op *o)
{
	actor_take(a, patience(o));
}

static void do_done(void *a, op *o UNUSED)
{
	if (((struct actor *)a)->n_taken)
		actor_done(a);
}

static void do_return(void *a, op *o UNUSED)
{
	if (((struct actor *)a)->n_taken)
		actor_return(a);
}

static void do_take_done(void *a, op *o)
{
	do_take(a, o);
	do_done(a, o);
}

static void do_take_return(void *a, op *o)
{
	do_take(a, o);
	do_return(a, o);
}

static void do_loan(void *a, op *o)
{
	actor_loan(a, box_setup(o)->size);
}

static void do_commit(void *a, op *o UNUSED)
{
	if (((struct actor *)a)->loan.data)
		actor_commit(a);
}

static void do_cancel(void *a, op *o UNUSED)
{
	if (((struct actor *)a)->loan.data)
		actor_cancel(a);
}

static void do_loan_commit(void *a, op *o)
{
	do_loan(a, o);
	do_commit(a, o);
}

static void do_loan_cancel(void *a, op *o)
{
	do_loan(a, o);
	do_cancel(a, o);
}

static void take_two_and_loan(void *a, op *o)
{
	do_take(a, o);
	do_take(a, o);
	do_loan(a, o);
}

static void take_and_loan(void *a, op *o)
{
	do_take(a, o);
	do_loan(a, o);
}

static void do_open(void *a, op *o UNUSED)
{
	actor_open(a, FERRY_EXISTING);
}

static void do_create(void *a, op *o)
{
	/* The message shows whether others who open it find the same mailbox. */
	if (actor_open(a, 0) == 0)
		do_send(a, o);
}

static void do_close(void *a, op *o UNUSED)
{
	actor_close(a);
}

/* What was told of may be gone again: then wait once more. */
static void do_wait_receive(void *a, op *o)
{
	while (actor_await(a, AWAIT_WAIT, FERRY_CAN_READ, patience(o)) > 0)
		if (actor_receive(a, FERRY_NOW) >= 0)
			return;
}

static void do_kept_receive(void *a, op *o)
{
	while (actor_await(a, AWAIT_WAITER, FERRY_CAN_READ, patience(o)) > 0)
		if (actor_receive(a, FERRY_NOW) >= 0)
			return;
}

static void do_shown_receive(void *a, op *o)
{
	while (actor_await(a, AWAIT_FD, FERRY_CAN_READ, patience(o)) > 0)
		if (actor_receive(a, FERRY_NOW) >= 0)
			return;
}

static void do_wait_send(void *a, op *o)
{
	while (actor_await(a, AWAIT_WAIT, FERRY_CAN_WRITE, patience(o)) > 0)
		if (actor_send_new(a, box_setup(o)->size, FERRY_NOW) == 0)
			return;
}

static void do_remove(void *a, op *o UNUSED)
{
	actor_remove(a);
}

static void do_repair(void *a, op *o UNUSED)
{
	actor_repair(a);
}

/* Who was told of one that waits may not have had the time to take it. */
static void rouse_by_send(void *survivor, op *o)
{
	struct actor *actor = survivor;

	if (ledger_certain(actor->ledger))
		sched_yield();
	else
		actor_send_new(actor, box_setup(o)->size, FERRY_NOW);
}

static void rouse_by_receive(void *survivor, op *o UNUSED)
{
	actor_receive(survivor, FERRY_NOW);
}

#define SMALL       .size = SIZE_SMALL
#define LARGE       .size = SIZE_LARGE
#define TEN_SECONDS 10000000000
#define BOX(...)                                                                                   \
	.with = &(const struct box_setup)                                                          \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}
#define PAIR(...) BOX(.flags = FERRY_ONE_TO_ONE, __VA_ARGS__)

const struct operation mailbox_operations[] = {
	{ "send-small-empty", "send 16 B into an empty mailbox", BOX(SMALL), .act = do_send },
	{ "send-small-half", "send 16 B into a half-full mailbox", BOX(SMALL, .prefill = 2),
	  .act = do_send },
	{ "send-small-full", "send 16 B into a full mailbox, without waiting",
	  BOX(SMALL, .prefill = 4), .act = do_send },
	{ "send-small-drop", "send 16 B into a full mailbox that drops its oldest",
	  BOX(SMALL, .prefill = 4, .flags = FERRY_DROP_OLDEST), .act = do_send },
	{ "send-small-wakes", "send 16 B to a sleeping receiver", BOX(SMALL),
	  .sleepers[BOX_RECEIVERS] = 1, .act = do_send },
	{ "send-large-empty", "send 20000 B into an empty mailbox", BOX(LARGE), .act = do_send },
	{ "send-large-half", "send 20000 B into a half-full mailbox", BOX(LARGE, .prefill = 1),
	  .act = do_send },
	{ "send-large-full", "send 20000 B for which there is no memory, without waiting",
	  BOX(LARGE, .prefill = 4), .act = do_send },
	{ "send-large-drop", "send 20000 B into a mailbox that drops to find memory",
	  BOX(LARGE, .prefill = 4, .flags = FERRY_DROP_OLDEST), .act = do_send },
	{ "send-large-wakes", "send 20000 B to a sleeping receiver", BOX(LARGE),
	  .sleepers[BOX_RECEIVERS] = 1, .act = do_send },
	{ "send-rouses", "send 16 B to two receivers that sleep soundly", BOX(SMALL, .sound = true),
	  .sleepers[BOX_RECEIVERS] = 2, .act = do_send },
	{ "send-priority-rouses", "send with priority 1 to a receiver that sleeps soundly",
	  BOX(SMALL, .priority = 1, .sound = true), .sleepers[BOX_RECEIVERS] = 1, .act = do_send },
	{ "send-priority", "send with priority 1 and a time to live",
	  BOX(SMALL, .prefill = 2, .priority = 1, .ttl = TEN_SECONDS), .act = do_send },
	{ "send-sleeps",
	  "send into a full mailbox, asleep beside another sender until there is room",
	  BOX(SMALL, .prefill = 4), .sleepers[BOX_SENDERS] = 1, .wait_ms = 3000, .act = do_send,
	  .rouse = rouse_by_receive },
	{ "send-many", "send three in one call, of which two fit", BOX(SMALL, .prefill = 2),
	  .act = do_send_many },

	{ "send-cares", "send when it is time to look after the others", BOX(SMALL, .prefill = 2),
	  .due = true, .act = do_send },

	{ "pair-send-empty", "one to one: send 16 B into an empty mailbox", PAIR(SMALL),
	  .act = do_send },
	{ "pair-send-half", "one to one: send 16 B into a half-full mailbox",
	  PAIR(SMALL, .prefill = 2), .act = do_send },
	{ "pair-send-full", "one to one: send 16 B into a full mailbox", PAIR(SMALL, .prefill = 4),
	  .act = do_send },
	{ "pair-send-large", "one to one: send 20000 B", PAIR(LARGE, .prefill = 1),
	  .act = do_send },
	{ "pair-send-wakes", "one to one: send 16 B to a sleeping receiver", PAIR(SMALL),
	  .sleepers[BOX_RECEIVERS] = 1, .act = do_send },
	{ "pair-send-rouses", "one to one: send 16 B to a receiver that sleeps soundly",
	  PAIR(SMALL, .sound = true), .sleepers[BOX_RECEIVERS] = 1, .act = do_send },
	{ "pair-receive-small", "one to one: receive 16 B", PAIR(SMALL, .prefill = 2),
	  .act = do_receive },
	{ "pair-receive-large", "one to one: receive 20000 B", PAIR(LARGE, .prefill = 2),
	  .act = do_receive },
	{ "pair-receive-wakes", "one to one: receive 16 B, the sender sleeps for want of room",
	  PAIR(SMALL, .prefill = 4), .sleepers[BOX_SENDERS] = 1, .act = do_receive },
	{ "pair-take-done", "one to one: take 16 B and finish", PAIR(SMALL, .prefill = 2),
	  .act = do_take_done },
	{ "pair-take-return", "one to one: take 16 B and return it", PAIR(SMALL, .prefill = 2),
	  .act = do_take_return },
	{ "pair-commit", "one to one: borrow 20000 B and send them", PAIR(LARGE, .prefill = 1),
	  .act = do_loan_commit },
	{ "pair-close", "one to one: close with both roles, a message and a loan",
	  PAIR(LARGE, .prefill = 2), .prepare = take_and_loan, .act = do_close },
	{ "receive-empty", "receive from an empty mailbox, without waiting", BOX(SMALL),
	  .act = do_receive },
	{ "receive-small", "receive 16 B", BOX(SMALL, .prefill = 2), .act = do_receive },
	{ "receive-large", "receive 20000 B", BOX(LARGE, .prefill = 2), .act = do_receive },
	{ "receive-small-wakes", "receive 16 B, a sender sleeps for want of room",
	  BOX(SMALL, .prefill = 4), .sleepers[BOX_SENDERS] = 1, .act = do_receive },
	{ "receive-large-wakes", "receive 20000 B, a sender sleeps for want of memory",
	  BOX(LARGE, .prefill = 4), .sleepers[BOX_SENDERS] = 1, .act = do_receive },
	{ "receive-priority", "receive the one of priority 1 behind others",
	  BOX(SMALL, .prefill = 2, .prefill_priority = 1), .act = do_receive },
	{ "receive-expired", "receive behind two that have expired",
	  BOX(SMALL, .prefill_expiring = 2, .prefill = 1), .due = true, .act = do_receive },
	{ "receive-sleeps", "receive, asleep beside another receiver until a message comes",
	  BOX(SMALL), .sleepers[BOX_RECEIVERS] = 1, .wait_ms = 3000, .act = do_receive,
	  .rouse = rouse_by_send },
	{ "receive-sleeps-soundly", "receive, sound asleep beside another until a message comes",
	  BOX(SMALL, .sound = true), .sleepers[BOX_RECEIVERS] = 1, .wait_ms = 3000,
	  .act = do_receive, .rouse = rouse_by_send },
	{ "receive-many", "receive three in one call, of which two are there",
	  BOX(SMALL, .prefill = 2), .act = do_receive_many },
	{ "receive-cares", "receive when it is time to look after the others",
	  BOX(SMALL, .prefill = 2), .due = true, .act = do_receive },
	{ "peek-small", "look at 16 B", BOX(SMALL, .prefill = 2), .act = do_peek },
	{ "peek-large", "look at 1000 B", BOX(.size = 1000, .prefill = 2), .act = do_peek },

	{ "take-done-small", "take 16 B and finish", BOX(SMALL, .prefill = 2),
	  .act = do_take_done },
	{ "take-done-large", "take 20000 B and finish", BOX(LARGE, .prefill = 2),
	  .act = do_take_done },
	{ "take-return-small", "take 16 B and return it", BOX(SMALL, .prefill = 2),
	  .act = do_take_return },
	{ "take-return-large", "take 20000 B and return it", BOX(LARGE, .prefill = 2),
	  .act = do_take_return },
	{ "done-wakes", "finish 20000 B, a sender sleeps for want of memory",
	  BOX(LARGE, .prefill = 1, .prefill_after = 4), .prepare = do_take,
	  .sleepers[BOX_SENDERS] = 1, .act = do_done },
	{ "return-wakes", "return a message to a sleeping receiver", BOX(SMALL, .prefill = 1),
	  .prepare = do_take, .sleepers[BOX_RECEIVERS] = 1, .act = do_return },
	{ "loan-commit-small", "borrow 16 B and send them", BOX(SMALL, .prefill = 2),
	  .act = do_loan_commit },
	{ "loan-commit-large", "borrow 20000 B and send them", BOX(LARGE, .prefill = 1),
	  .act = do_loan_commit },
	{ "commit-wakes", "send a loan to a sleeping receiver", BOX(LARGE), .prepare = do_loan,
	  .sleepers[BOX_RECEIVERS] = 1, .act = do_commit },
	{ "loan-cancel", "borrow 20000 B and give them back", BOX(LARGE), .act = do_loan_cancel },
	{ "cancel-wakes", "cancel a loan, a sender sleeps for want of memory",
	  BOX(LARGE, .loans = 1, .prefill_after = 4), .prepare = do_loan,
	  .sleepers[BOX_SENDERS] = 1, .act = do_cancel },

	{ "wait-empty", "ferry_wait for a message, without waiting", BOX(SMALL),
	  .act = do_wait_receive },
	{ "wait-receive", "ferry_wait for a message that is there, and receive it",
	  BOX(SMALL, .prefill = 2), .act = do_wait_receive },
	{ "wait-receive-sleeps",
	  "ferry_wait for a message, asleep beside a receiver until one comes, and receive it",
	  BOX(SMALL), .sleepers[BOX_RECEIVERS] = 1, .wait_ms = 3000, .act = do_wait_receive,
	  .rouse = rouse_by_send },
	{ "wait-send-sleeps",
	  "ferry_wait for room, asleep beside a sender until there is some, and send",
	  BOX(SMALL, .prefill = 4), .sleepers[BOX_SENDERS] = 1, .wait_ms = 3000,
	  .act = do_wait_send, .rouse = rouse_by_receive },
	{ "wait-receive-sleeps-soundly",
	  "ferry_wait for a message, sound asleep beside a receiver, and receive it",
	  BOX(SMALL, .sound = true), .sleepers[BOX_RECEIVERS] = 1, .wait_ms = 3000,
	  .act = do_wait_receive, .rouse = rouse_by_send },
	{ "waiter-receive", "a waiter with the mailbox, a message that is there, and receive it",
	  BOX(SMALL, .prefill = 2), .act = do_kept_receive },
	{ "waiter-receive-sleeps",
	  "a waiter with the mailbox, asleep beside a receiver until a message comes", BOX(SMALL),
	  .sleepers[BOX_RECEIVERS] = 1, .wait_ms = 3000, .act = do_kept_receive,
	  .rouse = rouse_by_send },
	{ "shown-receive-sleeps",
	  "ferry_fd of the mailbox in poll, asleep beside a receiver until a message comes",
	  BOX(SMALL), .sleepers[BOX_RECEIVERS] = 1, .wait_ms = 3000, .act = do_shown_receive,
	  .rouse = rouse_by_send, .rarely = 4 },
	{ "open", "open a mailbox", BOX(SMALL, .prefill = 2), .unopened = true, .act = do_open },
	{ "open-creates", "open a mailbox that is not there yet", BOX(SMALL, .absent = true),
	  .unopened = true, .act = do_create },
	{ "close", "close a handle", BOX(SMALL, .prefill = 2), .act = do_close },
	{ "close-holding", "close a handle with two messages taken and a loan",
	  BOX(LARGE, .prefill = 2), .prepare = take_two_and_loan, .act = do_close },
	{ "close-wakes", "close a handle with a message taken, a receiver sleeps",
	  BOX(SMALL, .prefill = 1), .prepare = do_take, .sleepers[BOX_RECEIVERS] = 1,
	  .act = do_close },
	{ "remove", "remove a mailbox in which a receiver sleeps", BOX(SMALL, .removes = true),
	  .sleepers[BOX_RECEIVERS] = 1, .act = do_remove },
	{ "remove-rouses", "remove a mailbox in which a receiver sleeps soundly",
	  BOX(SMALL, .removes = true, .sound = true), .sleepers[BOX_RECEIVERS] = 1,
	  .act = do_remove },
	{ "remove-full", "remove a full mailbox in which a sender sleeps",
	  BOX(SMALL, .prefill = 4, .removes = true), .sleepers[BOX_SENDERS] = 1, .act = do_remove },
	{ "fork-send", "send through a handle that came through fork", BOX(SMALL, .prefill = 2),
	  .forks = true, .prepare = take_and_loan, .act = do_send },
	{ "fork-receive", "receive through a handle that came through fork",
	  BOX(LARGE, .prefill = 2), .forks = true, .prepare = take_and_loan, .act = do_receive },

	{ "recover-receive", "receive what one left who was killed receiving",
	  BOX(SMALL, .prefill = 3), .first = do_take, .first_act = do_receive, .due = true,
	  .act = do_receive_all },
	{ "recover-large",
	  "receive what one left who was killed sending, with a message and a loan",
	  BOX(LARGE, .prefill = 1), .first = do_take, .first_act = do_send, .due = true,
	  .act = do_receive_all },
	{ "recover-send", "send into what one filled who was killed sending",
	  BOX(SMALL, .prefill = 4), .first = do_take, .first_act = do_send, .due = true,
	  .act = do_send_many },
	{ "recover-open", "open what one left who was killed sending", BOX(SMALL, .prefill = 2),
	  .first = do_take, .first_act = do_send, .unopened = true, .due = true, .act = do_open },
	{ "recover-close", "close beside one who was killed holding messages and a loan",
	  BOX(LARGE, .prefill = 2), .first = take_and_loan, .first_act = do_receive, .due = true,
	  .act = do_close },
	{ "recover-repair", "ferry_object_repair after one who was killed sending",
	  BOX(LARGE, .prefill = 1), .first = do_take, .first_act = do_send, .due = true,
	  .act = do_repair },

	{ "recover-many", "receive after 80 were killed sending, more than the ring has cells",
	  BOX(SMALL), .first_act = do_send, .first_times = 80, .rarely = 40, .due = true,
	  .act = do_receive_all },

	{ "selftest-lock", "an unsafe queue: its lock dies with its owner",
	  BOX(.subject = &subject_lock, SMALL, .prefill = 1), .text = unsafe_instruction,
	  .expect = "C5", .act = do_send },
	{ "selftest-torn", "an unsafe queue: messages are seen before they are written",
	  BOX(.subject = &subject_racy, SMALL, .prefill = 1), .text = unsafe_instruction,
	  .expect = "C1", .act = do_send },
	{ "selftest-twice", "an unsafe queue: two receivers get the same message",
	  BOX(.subject = &subject_racy, SMALL, .prefill = 2), .text = unsafe_instruction,
	  .expect = "C3", .act = do_receive },
	{ "selftest-wake", "an unsafe queue: a wake-up dies with its sender",
	  BOX(.subject = &subject_forgetful, SMALL), .text = unsafe_instruction, .expect = "C6",
	  .sleepers[BOX_RECEIVERS] = 1, .act = do_send },
	{ 0 },
};
