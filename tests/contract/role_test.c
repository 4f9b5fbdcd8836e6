/* SPDX-License-Identifier: MIT */
/* One to one mailboxes: who may be the sender and the receiver, and how a role changes hands. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS
#define ROUNDS  2000

static ferry_mailbox *open_pair(void)
{
	return box_open("orders", OPTIONS(.flags = FERRY_ONE_TO_ONE));
}

static int try_send(ferry_mailbox *box)
{
	return ferry_mailbox_send(box, "x", 1, FERRY_NOW);
}

static ssize_t try_receive(ferry_mailbox *box)
{
	char got[8];

	return ferry_mailbox_receive(box, got, sizeof got, FERRY_NOW);
}

static void one_handle_may_have_both_roles(void)
{
	ferry_mailbox *box = open_pair();

	check_eq(box_stat(box).one_to_one, 1);
	check_eq(box_stat(box).sender, 0);
	check_eq(box_stat(box).receiver, 0);
	for (uint64_t i = 0; i < 2000; i++) {
		box_send(box, i);
		box_expect(box, i);
	}
	box_expect_empty(box);
	check_eq(box_stat(box).sent, 2000);
	check_eq(box_stat(box).received, 2000);
	box_end(box, "orders");
}

static void second_sender_and_second_receiver_are_ebusy(void)
{
	ferry_mailbox *box = open_pair();
	ferry_mailbox *other = box_open("orders", NULL);
	struct ferry_message message = { 0 };

	box_send(box, 1);
	check_eq(try_send(other), -EBUSY);
	check_eq(ferry_mailbox_loan(other, 100, &message, FERRY_NOW), -EBUSY);
	box_expect(other, 1);
	check_eq(try_receive(box), -EBUSY);
	check_eq(ferry_mailbox_take(box, &message, FERRY_NOW), -EBUSY);
	check_eq(ferry_mailbox_peek(box, NULL, 0, NULL, FERRY_NOW), -EBUSY);
	box_send(box, 2);
	box_expect(other, 2);
	ferry_mailbox_close(other);
	box_end(box, "orders");
}

static void role_is_taken_at_open_by_who_says_so(void)
{
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.flags = FERRY_ONE_TO_ONE | FERRY_SEND_ONLY));
	ferry_mailbox *other;
	struct ferry_why why = { 0 };

	check_eq(
	    ferry_mailbox_open(&other, "orders", OPTIONS(.flags = FERRY_SEND_ONLY, .why = &why)),
	    -EBUSY);
	check_eq(why.error, -EBUSY);
	check(strstr(why.text, "sender"));
	other = box_open("orders", OPTIONS(.flags = FERRY_RECEIVE_ONLY));
	box_send(box, 7);
	box_expect(other, 7);
	ferry_mailbox_close(other);
	box_end(box, "orders");
}

static void close_frees_the_roles(void)
{
	ferry_mailbox *box = open_pair();
	ferry_mailbox *other = box_open("orders", NULL);

	box_send(box, 1);
	box_send(box, 2);
	box_expect(box, 1);
	ferry_mailbox_close(box);
	box_expect(other, 2);
	box_send(other, 3);
	box_expect(other, 3);
	box_end(other, "orders");
}

static void what_was_received_by_one_receiver_is_not_seen_by_the_next(void)
{
	ferry_mailbox *sender = open_pair();

	for (uint64_t i = 0; i < 3000; i++) {
		ferry_mailbox *receiver = box_open("orders", OPTIONS(.flags = FERRY_RECEIVE_ONLY));
		box_send(sender, 2 * i);
		box_send(sender, 2 * i + 1);
		box_expect(receiver, 2 * i);
		box_expect(receiver, 2 * i + 1);
		box_expect_empty(receiver);
		ferry_mailbox_close(receiver);
	}
	box_end(sender, "orders");
}

static void mailbox_made_otherwise_is_a_mismatch(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *other;

	check_eq(ferry_mailbox_open(&other, "orders", OPTIONS(.flags = FERRY_ONE_TO_ONE)),
		 -FERRY_EMISMATCH);
	box_end(box, "orders");
}

static void what_would_need_the_other_side_is_einval(void)
{
	ferry_mailbox *box;
	struct ferry_why why = { 0 };

	check_eq(
	    ferry_mailbox_open(&box, "orders",
			       OPTIONS(.flags = FERRY_ONE_TO_ONE | FERRY_DROP_OLDEST, .why = &why)),
	    -EINVAL);
	check(strstr(why.text, "oldest"));
	check_eq(
	    ferry_mailbox_open(&box, "orders",
			       OPTIONS(.flags = FERRY_ONE_TO_ONE, .priorities = 2, .why = &why)),
	    -EINVAL);
	check(strstr(why.text, "priority"));
	check_eq(scratch_count(), 0);
}

static void hold_roles(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message taken;

	(void)argument;
	box_send(box, 5);
	box_expect(box, 4);
	taken = box_take(box, 5);
	check(taken.data);
	box_send(box, 6);
	stage_meet(stage, 1);
	stage_wait(stage, 2);
}

static void c5_death_frees_the_roles_and_returns_what_was_taken(void)
{
	ferry_mailbox *box = open_pair();
	struct ferry_message info;
	struct peer peer;
	uint64_t got;

	box_send(box, 4);
	ferry_mailbox_close(box);
	peer_start(&peer, hold_roles, NULL);
	peer_await(&peer, 1);
	box = box_open("orders", NULL);
	check_eq(try_send(box), -EBUSY);
	check_eq(try_receive(box), -EBUSY);
	peer_stop(&peer);
	check_eq(try_send(box), -EBUSY);
	check_eq(box_stat(box).sender, peer.pid);
	check_eq(box_stat(box).receiver, peer.pid);
	peer_kill(&peer);
	check_eq(box_stat(box).sender, 0);
	check_eq(box_stat(box).receiver, 0);
	box_send(box, 7);
	check_eq(ferry_mailbox_receive_with(box, &got, sizeof got, &info, FERRY_NOW), 8);
	check_eq(got, 5);
	check_eq(info.deliveries, 2);
	box_expect(box, 6);
	box_expect(box, 7);
	box_expect_empty(box);
	check_eq(box_stat(box).members_dead, 0);
	check_eq(box_stat(box).sender, getpid());
	check_eq(box_stat(box).receiver, getpid());
	box_end(box, "orders");
}

static void c11_roles_stay_with_the_parent(void)
{
	ferry_mailbox *box = open_pair();
	int status;

	box_send(box, 1);
	pid_t pid = fork();
	if (pid == 0) {
		/* The sender is the parent; nobody receives yet. */
		if (try_send(box) != -EBUSY || try_receive(box) != 8 || try_send(box) != -EBUSY)
			_exit(1);
		ferry_mailbox_close(box);
		_exit(0);
	}
	check_eq(waitpid(pid, &status, 0), pid);
	check_eq(status, 0);
	box_send(box, 2);
	box_expect(box, 2);
	box_end(box, "orders");
}

static void sleep_in_turn(struct stage *stage, const void *argument)
{
	ferry_mailbox *there = box_open("there", OPTIONS(.spin = -1));
	ferry_mailbox *back = box_open("back", OPTIONS(.spin = -1));

	(void)stage;
	(void)argument;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		check_eq(box_receive(there), i);
		check_eq(ferry_mailbox_send(back, &i, sizeof i, box_patience()), 0);
	}
	ferry_mailbox_close(there);
	ferry_mailbox_close(back);
}

/* Each side is asleep when the other sends: were a wake lost, a round would take a whole nap. */
static void c6_plain_stores_lose_no_wake(void)
{
	const struct ferry_mailbox_options *o = OPTIONS(.flags = FERRY_ONE_TO_ONE, .spin = -1);
	ferry_mailbox *there = box_open("there", o);
	ferry_mailbox *back = box_open("back", o);
	ferry_deadline soon = ferry_in_ms(ROUNDS * 15);
	struct peer peer;

	peer_start(&peer, sleep_in_turn, NULL);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		box_send(there, i);
		check_eq(box_receive(back), i);
	}
	check(ferry_in_ms(0) < soon);
	peer_join(&peer);
	box_end(there, "there");
	box_end(back, "back");
}

static void flood(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.spin = -1, .flags = FERRY_SEND_ONLY));

	(void)stage;
	(void)argument;
	for (uint64_t i = 1; i <= 20000; i++)
		check_eq(box_send_pattern(box, i, 8 + i % 150, box_patience()), 0);
	ferry_mailbox_close(box);
}

static void c1_a_full_small_mailbox_carries_all_in_order(void)
{
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.flags = FERRY_ONE_TO_ONE | FERRY_RECEIVE_ONLY,
				       .messages = 2, .max_size = 200, .spin = -1));
	struct peer peer;
	char data[200];

	peer_start(&peer, flood, NULL);
	for (uint64_t i = 1; i <= 20000; i++) {
		ssize_t n = ferry_mailbox_receive(box, data, sizeof data, box_patience());
		check_eq(n, 8 + i % 150);
		check_eq(box_whole(data, (size_t)n), i);
	}
	peer_join(&peer);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	box_end(box, "orders");
}

static void stopped_takers_cell_is_passed(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.flags = FERRY_ONE_TO_ONE, .messages = 4));
	struct ferry_message held;

	box_send(box, 1);
	held = box_take(box, 1);
	for (uint64_t i = 0; i < 1000; i++) {
		box_send(box, i);
		box_expect(box, i);
	}
	check_eq(ferry_mailbox_return(box, &held), 0);
	box_send(box, 2);
	box_expect(box, 1);
	box_expect(box, 2);
	box_end(box, "orders");
}

static void expired_messages_make_room_when_the_receiver_passes(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.flags = FERRY_ONE_TO_ONE, .messages = 2));
	const struct ferry_send_options *brief = FERRY_SEND_OPTIONS(.ttl = 1);

	check_eq(ferry_mailbox_send_with(box, "x", 1, brief, FERRY_NOW), 0);
	check_eq(ferry_mailbox_send_with(box, "y", 1, brief, FERRY_NOW), 0);
	check_eq(try_send(box), -EAGAIN);
	check_eq(try_receive(box), -EAGAIN);
	check_eq(box_stat(box).expired, 2);
	check_eq(try_send(box), 0);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(one_handle_may_have_both_roles),
		claim(second_sender_and_second_receiver_are_ebusy),
		claim(role_is_taken_at_open_by_who_says_so),
		claim(close_frees_the_roles),
		claim(what_was_received_by_one_receiver_is_not_seen_by_the_next),
		claim(mailbox_made_otherwise_is_a_mismatch),
		claim(what_would_need_the_other_side_is_einval),
		claim(c5_death_frees_the_roles_and_returns_what_was_taken),
		claim(c11_roles_stay_with_the_parent),
		claim(c6_plain_stores_lose_no_wake),
		claim(c1_a_full_small_mailbox_carries_all_in_order),
		claim(stopped_takers_cell_is_passed),
		claim(expired_messages_make_room_when_the_receiver_passes),
	};

	return claim_run_all(claims);
}
