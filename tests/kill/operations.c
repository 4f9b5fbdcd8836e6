/* SPDX-License-Identifier: MIT */
/* The table of operations; see operations.h and docs/testing-kill.md. */
#include "operations.h"

#include <stddef.h>

typedef const struct operation op;

#define UNUSED __attribute__((unused))

static ferry_deadline patience(op *o)
{
	return o->wait_ms ? ferry_in_ms(o->wait_ms) : FERRY_NOW;
}

static void do_send(struct actor *a, op *o)
{
	actor_send(a, ledger_new(a->ledger, o->size, o->priority, o->ttl), patience(o));
}

static void do_send_many(struct actor *a, op *o)
{
	actor_send_many(a, 3, o->size, patience(o));
}

static void do_receive(struct actor *a, op *o)
{
	actor_receive(a, patience(o));
}

static void do_receive_many(struct actor *a, op *o)
{
	actor_receive_many(a, 3, patience(o));
}

static void do_receive_all(struct actor *a, op *o)
{
	while (actor_receive(a, patience(o)) >= 0)
		;
}

static void do_peek(struct actor *a, op *o UNUSED)
{
	actor_peek(a);
}

static void do_take(struct actor *a, op *o)
{
	actor_take(a, patience(o));
}

static void do_done(struct actor *a, op *o UNUSED)
{
	if (a->n_taken)
		actor_done(a);
}

static void do_return(struct actor *a, op *o UNUSED)
{
	if (a->n_taken)
		actor_return(a);
}

static void do_take_done(struct actor *a, op *o)
{
	do_take(a, o);
	do_done(a, o);
}

static void do_take_return(struct actor *a, op *o)
{
	do_take(a, o);
	do_return(a, o);
}

static void do_loan(struct actor *a, op *o)
{
	actor_loan(a, o->size);
}

static void do_commit(struct actor *a, op *o UNUSED)
{
	if (a->loan.data)
		actor_commit(a);
}

static void do_cancel(struct actor *a, op *o UNUSED)
{
	if (a->loan.data)
		actor_cancel(a);
}

static void do_loan_commit(struct actor *a, op *o)
{
	do_loan(a, o);
	do_commit(a, o);
}

static void do_loan_cancel(struct actor *a, op *o)
{
	do_loan(a, o);
	do_cancel(a, o);
}

static void take_two_and_loan(struct actor *a, op *o)
{
	do_take(a, o);
	do_take(a, o);
	do_loan(a, o);
}

static void take_and_loan(struct actor *a, op *o)
{
	do_take(a, o);
	do_loan(a, o);
}

static void do_open(struct actor *a, op *o UNUSED)
{
	actor_open(a, FERRY_EXISTING);
}

static void do_create(struct actor *a, op *o)
{
	/* The message shows whether others who open it find the same mailbox. */
	if (actor_open(a, 0) == 0)
		do_send(a, o);
}

static void do_close(struct actor *a, op *o UNUSED)
{
	actor_close(a);
}

static void do_remove(struct actor *a, op *o UNUSED)
{
	actor_remove(a);
}

static void do_repair(struct actor *a, op *o UNUSED)
{
	actor_repair(a);
}

static void rouse_by_send(struct actor *survivor, op *o)
{
	actor_send_new(survivor, o->size, FERRY_NOW);
}

static void rouse_by_receive(struct actor *survivor, op *o UNUSED)
{
	actor_receive(survivor, FERRY_NOW);
}

#define SMALL       .size = SIZE_SMALL
#define LARGE       .size = SIZE_LARGE
#define TEN_SECONDS 10000000000

const struct operation operations[] = {
	{ "send-small-empty", "send 16 B into an empty mailbox", SMALL, .act = do_send },
	{ "send-small-half", "send 16 B into a half-full mailbox", SMALL, .prefill = 2,
	  .act = do_send },
	{ "send-small-full", "send 16 B into a full mailbox, without waiting", SMALL, .prefill = 4,
	  .act = do_send },
	{ "send-small-drop", "send 16 B into a full mailbox that drops its oldest", SMALL,
	  .prefill = 4, .box_flags = FERRY_DROP_OLDEST, .act = do_send },
	{ "send-small-wakes", "send 16 B to a sleeping receiver", SMALL, .sleeping_receivers = 1,
	  .act = do_send },
	{ "send-large-empty", "send 20000 B into an empty mailbox", LARGE, .act = do_send },
	{ "send-large-half", "send 20000 B into a half-full mailbox", LARGE, .prefill = 1,
	  .act = do_send },
	{ "send-large-full", "send 20000 B for which there is no memory, without waiting", LARGE,
	  .prefill = 4, .act = do_send },
	{ "send-large-drop", "send 20000 B into a mailbox that drops to find memory", LARGE,
	  .prefill = 4, .box_flags = FERRY_DROP_OLDEST, .act = do_send },
	{ "send-large-wakes", "send 20000 B to a sleeping receiver", LARGE, .sleeping_receivers = 1,
	  .act = do_send },
	{ "send-priority", "send with priority 1 and a time to live", SMALL, .prefill = 2,
	  .priority = 1, .ttl = TEN_SECONDS, .act = do_send },
	{ "send-sleeps",
	  "send into a full mailbox, asleep beside another sender until there is room", SMALL,
	  .prefill = 4, .sleeping_senders = 1, .wait_ms = 3000, .act = do_send,
	  .rouse = rouse_by_receive },
	{ "send-many", "send three in one call, of which two fit", SMALL, .prefill = 2,
	  .act = do_send_many },

	{ "send-cares", "send when it is time to look after the others", SMALL, .prefill = 2,
	  .due = true, .act = do_send },

	{ "pair-send-empty", "one to one: send 16 B into an empty mailbox", SMALL,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_send },
	{ "pair-send-half", "one to one: send 16 B into a half-full mailbox", SMALL, .prefill = 2,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_send },
	{ "pair-send-full", "one to one: send 16 B into a full mailbox", SMALL, .prefill = 4,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_send },
	{ "pair-send-large", "one to one: send 20000 B", LARGE, .prefill = 1,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_send },
	{ "pair-receive-small", "one to one: receive 16 B", SMALL, .prefill = 2,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_receive },
	{ "pair-receive-large", "one to one: receive 20000 B", LARGE, .prefill = 2,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_receive },
	{ "pair-take-done", "one to one: take 16 B and finish", SMALL, .prefill = 2,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_take_done },
	{ "pair-take-return", "one to one: take 16 B and return it", SMALL, .prefill = 2,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_take_return },
	{ "pair-commit", "one to one: borrow 20000 B and send them", LARGE, .prefill = 1,
	  .box_flags = FERRY_ONE_TO_ONE, .act = do_loan_commit },
	{ "pair-close", "one to one: close with both roles, a message and a loan", LARGE,
	  .prefill = 2, .box_flags = FERRY_ONE_TO_ONE, .prepare = take_and_loan,
	  .act = do_close },
	{ "receive-empty", "receive from an empty mailbox, without waiting", SMALL,
	  .act = do_receive },
	{ "receive-small", "receive 16 B", SMALL, .prefill = 2, .act = do_receive },
	{ "receive-large", "receive 20000 B", LARGE, .prefill = 2, .act = do_receive },
	{ "receive-small-wakes", "receive 16 B, a sender sleeps for want of room", SMALL,
	  .prefill = 4, .sleeping_senders = 1, .act = do_receive },
	{ "receive-large-wakes", "receive 20000 B, a sender sleeps for want of memory", LARGE,
	  .prefill = 4, .sleeping_senders = 1, .act = do_receive },
	{ "receive-priority", "receive the one of priority 1 behind others", SMALL, .prefill = 2,
	  .prefill_priority = 1, .act = do_receive },
	{ "receive-expired", "receive behind two that have expired", SMALL, .prefill_expiring = 2,
	  .due = true, .prefill = 1, .act = do_receive },
	{ "receive-sleeps", "receive, asleep beside another receiver until a message comes", SMALL,
	  .sleeping_receivers = 1, .wait_ms = 3000, .act = do_receive, .rouse = rouse_by_send },
	{ "receive-many", "receive three in one call, of which two are there", SMALL, .prefill = 2,
	  .act = do_receive_many },
	{ "receive-cares", "receive when it is time to look after the others", SMALL, .prefill = 2,
	  .due = true, .act = do_receive },
	{ "peek-small", "look at 16 B", SMALL, .prefill = 2, .act = do_peek },
	{ "peek-large", "look at 1000 B", .size = 1000, .prefill = 2, .act = do_peek },

	{ "take-done-small", "take 16 B and finish", SMALL, .prefill = 2, .act = do_take_done },
	{ "take-done-large", "take 20000 B and finish", LARGE, .prefill = 2, .act = do_take_done },
	{ "take-return-small", "take 16 B and return it", SMALL, .prefill = 2,
	  .act = do_take_return },
	{ "take-return-large", "take 20000 B and return it", LARGE, .prefill = 2,
	  .act = do_take_return },
	{ "done-wakes", "finish 20000 B, a sender sleeps for want of memory", LARGE, .prefill = 1,
	  .prepare = do_take, .prefill_after = 4, .sleeping_senders = 1, .act = do_done },
	{ "return-wakes", "return a message to a sleeping receiver", SMALL, .prefill = 1,
	  .prepare = do_take, .sleeping_receivers = 1, .act = do_return },
	{ "loan-commit-small", "borrow 16 B and send them", SMALL, .prefill = 2,
	  .act = do_loan_commit },
	{ "loan-commit-large", "borrow 20000 B and send them", LARGE, .prefill = 1,
	  .act = do_loan_commit },
	{ "commit-wakes", "send a loan to a sleeping receiver", LARGE, .prepare = do_loan,
	  .sleeping_receivers = 1, .act = do_commit },
	{ "loan-cancel", "borrow 20000 B and give them back", LARGE, .act = do_loan_cancel },
	{ "cancel-wakes", "cancel a loan, a sender sleeps for want of memory", LARGE,
	  .prepare = do_loan, .loans = 1, .prefill_after = 4, .sleeping_senders = 1,
	  .act = do_cancel },

	{ "open", "open a mailbox", SMALL, .prefill = 2, .unopened = true, .act = do_open },
	{ "open-creates", "open a mailbox that is not there yet", SMALL, .absent = true,
	  .unopened = true, .act = do_create },
	{ "close", "close a handle", SMALL, .prefill = 2, .act = do_close },
	{ "close-holding", "close a handle with two messages taken and a loan", LARGE, .prefill = 2,
	  .prepare = take_two_and_loan, .act = do_close },
	{ "close-wakes", "close a handle with a message taken, a receiver sleeps", SMALL,
	  .prefill = 1, .prepare = do_take, .sleeping_receivers = 1, .act = do_close },
	{ "remove", "remove a mailbox in which a receiver sleeps", SMALL, .removes = true,
	  .sleeping_receivers = 1, .act = do_remove },
	{ "remove-full", "remove a full mailbox in which a sender sleeps", SMALL, .prefill = 4,
	  .removes = true, .sleeping_senders = 1, .act = do_remove },
	{ "fork-send", "send through a handle that came through fork", SMALL, .prefill = 2,
	  .forks = true, .prepare = take_and_loan, .act = do_send },
	{ "fork-receive", "receive through a handle that came through fork", LARGE, .prefill = 2,
	  .forks = true, .prepare = take_and_loan, .act = do_receive },

	{ "recover-receive", "receive what one left who was killed receiving", SMALL, .prefill = 3,
	  .first = do_take, .first_act = do_receive, .due = true, .act = do_receive_all },
	{ "recover-large",
	  "receive what one left who was killed sending, with a message and a loan", LARGE,
	  .prefill = 1, .first = do_take, .first_act = do_send, .due = true,
	  .act = do_receive_all },
	{ "recover-send", "send into what one filled who was killed sending", SMALL, .prefill = 4,
	  .first = do_take, .first_act = do_send, .due = true, .act = do_send_many },
	{ "recover-open", "open what one left who was killed sending", SMALL, .prefill = 2,
	  .first = do_take, .first_act = do_send, .unopened = true, .due = true, .act = do_open },
	{ "recover-close", "close beside one who was killed holding messages and a loan", LARGE,
	  .prefill = 2, .first = take_and_loan, .first_act = do_receive, .due = true,
	  .act = do_close },
	{ "recover-repair", "ferry_object_repair after one who was killed sending", LARGE,
	  .prefill = 1, .first = do_take, .first_act = do_send, .due = true, .act = do_repair },

	{ "recover-many", "receive after 80 were killed sending, more than the ring has cells",
	  SMALL, .first_act = do_send, .first_times = 80, .rarely = 40, .due = true,
	  .act = do_receive_all },

	{ "selftest-lock", "an unsafe queue: its lock dies with its owner",
	  .subject = &subject_lock, .expect = "C5", SMALL, .prefill = 1, .act = do_send },
	{ "selftest-torn", "an unsafe queue: messages are seen before they are written",
	  .subject = &subject_racy, .expect = "C1", SMALL, .prefill = 1, .act = do_send },
	{ "selftest-twice", "an unsafe queue: two receivers get the same message",
	  .subject = &subject_racy, .expect = "C3", SMALL, .prefill = 2, .act = do_receive },
	{ "selftest-wake", "an unsafe queue: a wake-up dies with its sender",
	  .subject = &subject_forgetful, .expect = "C6", SMALL, .sleeping_receivers = 1,
	  .act = do_send },
	{ 0 },
};

const struct subject *operation_subject(const struct operation *operation)
{
	return operation->subject ? operation->subject : &subject_ferry;
}
