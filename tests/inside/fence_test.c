/* SPDX-License-Identifier: MIT */
/* One to one mailboxes where membarrier(2) is refused, as a container's filter may: publishers
 * fence instead, whichever side cannot (docs/formats/mailbox.md, "One to one"). */
#include <errno.h>

#include "../../src/mailbox/mailbox.h"
#include "barriers.h"
#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS(.flags = FERRY_ONE_TO_ONE, .spin = -1)
#define ROUNDS  1000

/* Send back what comes, asleep each time. argument: refuse first? */
static void answer(struct stage *stage, const void *argument)
{
	(void)stage;
	if (argument)
		refuse_membarrier();
	ferry_mailbox *there = box_open("there", OPTIONS);
	ferry_mailbox *back = box_open("back", OPTIONS);

	for (uint64_t i = 0; i < ROUNDS; i++) {
		check_eq(box_receive(there), i);
		check_eq(ferry_mailbox_send(back, &i, sizeof i, box_patience()), 0);
	}
	ferry_mailbox_close(there);
	ferry_mailbox_close(back);
}

/* Do all publishers fence, whether they were asked to or not? */
static int all_fence(const ferry_mailbox *box)
{
	return atomic_load_explicit(&box->shm->fenced, memory_order_relaxed) & FY_FENCE_ALWAYS;
}

/* Each side is asleep when the other sends. Gives what the mailboxes say: do all publishers fence?
 * And how long the rounds took, in ns. */
static int exchange_once(const void *refuse_there, int64_t *ret_took)
{
	ferry_mailbox *there = box_open("there", OPTIONS);
	ferry_mailbox *back = box_open("back", OPTIONS);
	const int64_t start = clock_ns();
	struct peer peer;

	peer_start(&peer, answer, refuse_there);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		box_send(there, i);
		check_eq(box_receive(back), i);
	}
	*ret_took = clock_ns() - start;
	peer_join(&peer);
	int fenced = all_fence(there);
	check_eq(all_fence(back), fenced);
	box_end(there, "there");
	box_end(back, "back");
	return fenced;
}

/* Were wakes lost, rounds would take a nap each, every time; on a busy machine they can. */
static int exchange(const void *refuse_there)
{
	int64_t took;

	for (int i = 0; i < 5; i++) {
		const int fenced = exchange_once(refuse_there, &took);
		if (took < ROUNDS * 15000000LL)
			return fenced;
	}
	check_failed(__FILE__, __LINE__, "%d rounds took %jd ms", ROUNDS, (intmax_t)took / 1000000);
}

static void nobody_fences_unasked_where_membarrier_is_allowed(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	check_eq(exchange(NULL), 0);
}

static void c6_all_fence_where_it_is_refused_to_both(void)
{
	refuse_membarrier();
	check_eq(exchange(NULL), 1);
}

static void c6_all_fence_where_it_is_refused_to_one(void)
{
	check_eq(exchange(""), 1);
}

/* Sleep in a receive of what does not come, or in a send that finds no room. A busy machine may let
 * the whole deadline pass before the caller has come to its sleep: then again. */
static int slept_in_receive(ferry_mailbox *box)
{
	uint64_t got;

	check_eq(ferry_mailbox_receive(box, &got, sizeof got, ferry_in_ms(1)), -ETIMEDOUT);
	return fy_mailbox_fenced(box, FY_RECEIVER);
}

static int slept_in_send(ferry_mailbox *box)
{
	check_eq(ferry_mailbox_send(box, "", 0, ferry_in_ms(1)), -ETIMEDOUT);
	return fy_mailbox_fenced(box, FY_SENDER);
}

/* The role was taken while it was still allowed. */
static void c6_sleeper_who_is_refused_later_makes_all_fence(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	ferry_mailbox *box = box_open("orders", OPTIONS);

	box_send(box, 1);
	box_expect(box, 1);
	check_eq(all_fence(box), 0);
	refuse_membarrier();
	await(slept_in_receive(box));
	check_eq(all_fence(box), 1);
	box_end(box, "orders");
}

static void expect_fences(const ferry_mailbox *box, int for_sender, int for_receiver)
{
	check_eq(fy_mailbox_fenced(box, FY_SENDER), for_sender);
	check_eq(fy_mailbox_fenced(box, FY_RECEIVER), for_receiver);
}

/* Whoever sleeps asks for fences; after some messages without sleep, not any more. */
static void fences_are_asked_for_while_one_sleeps_often(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	ferry_mailbox *box = box_open(
	    "orders", FERRY_MAILBOX_OPTIONS(.flags = FERRY_ONE_TO_ONE, .messages = 2, .spin = -1));

	expect_fences(box, 0, 0);
	await(slept_in_receive(box));
	expect_fences(box, 0, 1);
	box_send(box, 1);
	box_send(box, 2);
	await(slept_in_send(box));
	expect_fences(box, 1, 1);
	box_expect(box, 1);
	box_expect(box, 2);
	for (uint64_t i = 0; i < 20; i++) {
		box_send(box, i);
		box_expect(box, i);
	}
	expect_fences(box, 0, 0);
	box_end(box, "orders");
}

/* What a receiver asked for before it closed, or died, its successor need not have. */
static void asking_ends_with_the_role(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	ferry_mailbox *sender = box_open("orders", OPTIONS);
	ferry_mailbox *receiver = box_open("orders", FERRY_MAILBOX_OPTIONS(.spin = -1));

	await(slept_in_receive(receiver));
	expect_fences(sender, 0, 1);
	ferry_mailbox_close(receiver);
	box_send(sender, 1);
	receiver = box_open("orders", FERRY_MAILBOX_OPTIONS(.flags = FERRY_RECEIVE_ONLY));
	expect_fences(sender, 0, 0);
	box_expect(receiver, 1);
	ferry_mailbox_close(receiver);
	box_end(sender, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(nobody_fences_unasked_where_membarrier_is_allowed),
		claim(c6_all_fence_where_it_is_refused_to_both),
		claim(c6_all_fence_where_it_is_refused_to_one),
		claim(fences_are_asked_for_while_one_sleeps_often),
		claim(asking_ends_with_the_role),
		claim(c6_sleeper_who_is_refused_later_makes_all_fence),
	};

	return claim_run_all(claims);
}
