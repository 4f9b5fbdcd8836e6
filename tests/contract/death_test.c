/* SPDX-License-Identifier: MIT */
/* One member is killed or stopped; what it held and what the others find (C2 to C6). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS
#define NOTICED 50000000LL /* the contract is in force this long after a death */
enum { LARGE = 20000 };

static ferry_mailbox *box; /* the test's own handle */

static void begin(const struct ferry_mailbox_options *options)
{
	box = box_open("orders", options);
}

static void end(void)
{
	box_end(box, "orders");
}

/* Take a message, tell which, and go on when allowed: 2 finish it, 3 return it. */
static void taker(struct stage *stage, const void *argument)
{
	ferry_mailbox *own = box_open("orders", NULL);
	struct ferry_message message;

	(void)argument;
	stage_reach(stage, 1);
	check_eq(ferry_mailbox_take(own, &message, FERRY_FOREVER), 0);
	atomic_store(&stage->value[1], message.deliveries);
	atomic_store(&stage->value[0], (int64_t)box_whole(message.data, message.size));
	stage_meet(stage, 2);
	if (atomic_load(&stage->allowed) == 2)
		check_eq(ferry_mailbox_done(own, &message), 0);
	else
		check_eq(ferry_mailbox_return(own, &message), 0);
	ferry_mailbox_close(own);
}

/* A peer that has taken what is next. */
static void start_holding(struct peer *peer, int64_t number)
{
	peer_start(peer, taker, NULL);
	peer_await(peer, 2);
	check_eq(atomic_load(&peer->stage->value[0]), number);
}

/* Kill a holder, and let the 50 ms pass within which a death may still go unnoticed. */
static void kill_unnoticed(struct peer *peer)
{
	int64_t until;

	peer_kill(peer);
	until = clock_ns() + NOTICED;
	await(clock_ns() > until);
}

/* The next message is this one, at its second delivery, and comes soon. */
static void comes_again(uint64_t number, size_t size, uint32_t deliveries)
{
	const int64_t start = clock_ns();
	struct ferry_message message;

	check_eq(ferry_mailbox_take(box, &message, box_patience()), 0);
	check(clock_ns() - start < CHECK_SOON_NS);
	check_eq(message.size, size);
	check_eq(box_whole(message.data, message.size), number);
	check_eq(message.deliveries, deliveries);
	check_eq(ferry_mailbox_done(box, &message), 0);
}

static void c3_message_of_a_killed_receiver_comes_again_marked(void)
{
	static const size_t sizes[] = { 8, 112, 113, LARGE };

	begin(NULL);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct peer peer;

		check_eq(box_send_pattern(box, 1, sizes[i], FERRY_NOW), 0);
		box_send(box, 2);
		start_holding(&peer, 1);
		kill_unnoticed(&peer);
		comes_again(1, sizes[i], 2);
		box_expect(box, 2);
	}
	check_eq(box_stat(box).redelivered, 4);
	check_eq(box_stat(box).recovered, 4);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	end();
}

static void c4_messages_of_the_dead_come_back_first_and_in_order(void)
{
	struct peer peers[3];

	begin(NULL);
	for (uint64_t i = 1; i <= 4; i++)
		box_send(box, i);
	for (int i = 0; i < 3; i++)
		start_holding(&peers[i], i + 1);
	box_send(box, 5);
	peer_kill(&peers[2]);
	peer_kill(&peers[0]);
	kill_unnoticed(&peers[1]);
	for (uint64_t i = 1; i <= 3; i++)
		comes_again(i, 8, 2);
	box_expect(box, 4);
	box_expect(box, 5);
	end();
}

static void c4_message_of_the_dead_keeps_its_priority(void)
{
	struct peer peer;
	struct ferry_message info;
	uint64_t got;

	begin(OPTIONS(.priorities = 3));
	box_send(box, 1);
	start_holding(&peer, 1);
	for (uint64_t i = 2; i <= 3; i++)
		check_eq(ferry_mailbox_send_with(box, &i, sizeof i,
						 FERRY_SEND_OPTIONS(.priority = 4 - (uint32_t)i),
						 FERRY_NOW),
			 0);
	box_send(box, 4);
	kill_unnoticed(&peer);
	box_expect(box, 2);
	box_expect(box, 3);
	check_eq(ferry_mailbox_receive_with(box, &got, sizeof got, &info, FERRY_NOW), sizeof got);
	check_eq(got, 1);
	check_eq(info.priority, 0);
	check_eq(info.deliveries, 2);
	box_expect(box, 4);
	end();
}

static void c3_each_death_raises_the_delivery_count(void)
{
	begin(NULL);
	check_eq(box_send_pattern(box, 1, LARGE, FERRY_NOW), 0);
	for (int64_t i = 1; i <= 10; i++) {
		struct peer peer;

		start_holding(&peer, 1);
		check_eq(atomic_load(&peer.stage->value[1]), i);
		peer_kill(&peer);
	}
	comes_again(1, LARGE, 11);
	end();
}

static void c5_now_finds_the_message_of_the_dead(void)
{
	begin(NULL);
	for (uint64_t i = 0; i < 50; i++) {
		struct peer peer;

		box_send(box, i);
		start_holding(&peer, (int64_t)i);
		box_expect_empty(box);
		kill_unnoticed(&peer);
		box_expect(box, i);
	}
	end();
}

static void c5_message_of_a_dead_receiver_waits_for_the_next_opener(void)
{
	struct peer peer;

	begin(NULL);
	box_send(box, 1);
	box_send(box, 2);
	ferry_mailbox_close(box);
	start_holding(&peer, 1);
	kill_unnoticed(&peer);
	begin(NULL);
	comes_again(1, 8, 2);
	box_expect(box, 2);
	end();
}

static void send_both(struct stage *stage, const void *argument)
{
	ferry_mailbox *own = box_open("orders", NULL);

	(void)argument;
	check_eq(box_send_pattern(own, 1, 8, FERRY_NOW), 0);
	check_eq(box_send_pattern(own, 2, LARGE, FERRY_NOW), 0);
	stage_meet(stage, 1);
}

static void c2_message_survives_death_of_its_sender(void)
{
	struct peer peer;

	begin(NULL);
	peer_start(&peer, send_both, NULL);
	peer_await(&peer, 1);
	peer_kill(&peer);
	comes_again(1, 8, 1);
	comes_again(2, LARGE, 1);
	end();
}

static void c2_message_survives_death_of_all_members(void)
{
	struct peer peer;

	peer_start(&peer, send_both, NULL);
	peer_await(&peer, 1);
	peer_kill(&peer);
	begin(NULL);
	comes_again(1, 8, 1);
	comes_again(2, LARGE, 1);
	check_eq(box_look("orders").members_alive, 1);
	end();
}

/* Borrow all memory there is, and wait. */
static void hoard(struct stage *stage, const void *argument)
{
	ferry_mailbox *own = box_open("orders", NULL);
	struct ferry_message loan;

	(void)argument;
	while (ferry_mailbox_loan(own, LARGE, &loan, FERRY_NOW) == 0)
		;
	stage_meet(stage, 1);
}

static void c5_loans_of_the_dead_are_free_again(void)
{
	struct peer peer;
	struct ferry_message loan;

	begin(OPTIONS(.max_size = LARGE));
	for (int i = 0; i < 20; i++) {
		peer_start(&peer, hoard, NULL);
		peer_await(&peer, 1);
		check_eq(ferry_mailbox_loan(box, LARGE, &loan, FERRY_NOW), -EAGAIN);
		kill_unnoticed(&peer);
		check_eq(ferry_mailbox_loan(box, LARGE, &loan, FERRY_NOW), 0);
		check_eq(ferry_mailbox_cancel(box, &loan), 0);
	}
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	end();
}

/* One blocking send of a large message. */
static void send_large(struct stage *stage, const void *argument)
{
	ferry_mailbox *own = box_open("orders", NULL);

	(void)argument;
	stage_reach(stage, 1);
	check_eq(box_send_pattern(own, 7, LARGE, FERRY_FOREVER), 0);
	ferry_mailbox_close(own);
}

static void c6_death_of_a_borrower_wakes_who_waits_for_memory(void)
{
	struct peer borrower;
	struct peer sender;

	begin(OPTIONS(.max_size = LARGE));
	peer_start(&borrower, hoard, NULL);
	peer_await(&borrower, 1);
	peer_start(&sender, send_large, NULL);
	await(box_stat(box).waiting_senders == 1);
	peer_kill(&borrower);
	peer_join(&sender);
	comes_again(7, LARGE, 1);
	end();
}

static void c6_death_of_a_receiver_wakes_who_waits_for_a_message(void)
{
	struct peer holder;
	struct peer sleeper;

	begin(NULL);
	box_send(box, 1);
	start_holding(&holder, 1);
	peer_start(&sleeper, taker, NULL);
	await(box_stat(box).waiting_receivers == 1);
	peer_kill(&holder);
	peer_await(&sleeper, 2);
	check_eq(atomic_load(&sleeper.stage->value[0]), 1);
	check_eq(atomic_load(&sleeper.stage->value[1]), 2);
	peer_allow(&sleeper, 2);
	peer_join(&sleeper);
	box_expect_empty(box);
	end();
}

static void receiver_killed_while_waiting_wakes_nobody_wrongly(void)
{
	struct peer doomed;
	struct peer other;

	begin(NULL);
	peer_start(&doomed, taker, NULL);
	await(box_stat(box).waiting_receivers == 1);
	peer_start(&other, taker, NULL);
	await(box_stat(box).waiting_receivers == 2);
	peer_kill(&doomed);
	await(box_stat(box).waiting_receivers == 1);
	check_eq(atomic_load(&other.stage->reached), 1);
	box_send(box, 5);
	peer_await(&other, 2);
	check_eq(atomic_load(&other.stage->value[0]), 5);
	check_eq(atomic_load(&other.stage->value[1]), 1);
	peer_allow(&other, 2);
	peer_join(&other);
	end();
}

/* Which of the two others has taken the message; -1 while none has. */
static int holder_beside(const struct peer *peers, int victim)
{
	for (int i = 1; i <= 2; i++)
		if (atomic_load(&peers[(victim + i) % 3].stage->reached) == 2)
			return (victim + i) % 3;
	return -1;
}

/* Three are asleep; one message comes, and one of the three is killed at about that time. */
static void wake_and_kill(struct peer *peers, uint64_t number, int victim)
{
	int holder;

	if (number % 2)
		peer_kill(&peers[victim]);
	box_send(box, number);
	if (number % 2 == 0)
		peer_kill(&peers[victim]);
	await((holder = holder_beside(peers, victim)) >= 0);
	check_eq(atomic_load(&peers[holder].stage->value[0]), number);
	peer_allow(&peers[holder], 2);
	peer_join(&peers[holder]);
	peer_start(&peers[holder], taker, NULL);
	peer_start(&peers[victim], taker, NULL);
	await(box_stat(box).waiting_receivers == 3);
}

static void c6_wake_survives_death_of_the_one_woken(void)
{
	struct peer peers[3];

	begin(OPTIONS(.spin = -1));
	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], taker, NULL);
	await(box_stat(box).waiting_receivers == 3);
	for (int i = 0; i < check_repeat(60, 3000); i++)
		wake_and_kill(peers, (uint64_t)i, i % 3);
	for (int i = 0; i < 3; i++)
		peer_kill(&peers[i]);
	box_expect_empty(box);
	end();
}

static void c6_one_stopped_in_its_sleep_swallows_no_wake(void)
{
	struct peer stopped;
	struct peer other;

	begin(NULL);
	for (uint64_t i = 0; i < 20; i++) {
		int64_t start;

		peer_start(&stopped, taker, NULL);
		await(box_stat(box).waiting_receivers == 1);
		peer_start(&other, taker, NULL);
		await(box_stat(box).waiting_receivers == 2);
		peer_stop(&stopped);
		start = clock_ns();
		box_send(box, i);
		peer_await(&other, 2);
		check(clock_ns() - start < CHECK_SOON_NS);
		check_eq(atomic_load(&other.stage->value[0]), i);
		peer_allow(&other, 2);
		peer_join(&other);
		peer_kill(&stopped);
	}
	end();
}

static void c6_sender_stopped_in_its_sleep_swallows_no_room(void)
{
	struct peer stopped;
	struct peer other;
	static unsigned char data[LARGE];

	begin(OPTIONS(.max_size = LARGE, .messages = 1));
	box_send(box, 1);
	peer_start(&stopped, send_large, NULL);
	await(box_stat(box).waiting_senders == 1);
	peer_start(&other, send_large, NULL);
	await(box_stat(box).waiting_senders == 2);
	peer_stop(&stopped);
	box_expect(box, 1);
	peer_join(&other);
	check_eq(ferry_mailbox_receive(box, data, LARGE, FERRY_NOW), LARGE);
	peer_resume(&stopped);
	peer_join(&stopped);
	check_eq(ferry_mailbox_receive(box, data, LARGE, FERRY_NOW), LARGE);
	end();
}

static void c5_stopped_holder_of_a_message_delays_nobody(void)
{
	struct peer peer;
	int64_t start;

	begin(OPTIONS(.messages = 8));
	box_send(box, 1);
	start_holding(&peer, 1);
	peer_stop(&peer);
	start = clock_ns();
	for (uint64_t i = 0; i < 1000; i++) {
		for (uint64_t j = 0; j < 7; j++)
			box_send(box, i + j);
		for (uint64_t j = 0; j < 7; j++)
			box_expect(box, i + j);
	}
	check(clock_ns() - start < CHECK_SOON_NS);
	peer_resume(&peer);
	peer_allow(&peer, 2);
	peer_join(&peer);
	box_expect_empty(box);
	end();
}

static void c5_stopped_holder_that_resumes_may_return_the_message(void)
{
	struct peer peer;

	begin(OPTIONS(.messages = 8));
	box_send(box, 1);
	start_holding(&peer, 1);
	peer_stop(&peer);
	for (uint64_t i = 0; i < 500; i++) {
		box_send(box, i);
		box_expect(box, i);
	}
	box_send(box, 9);
	peer_resume(&peer);
	peer_allow(&peer, 3);
	peer_join(&peer);
	comes_again(1, 8, 2);
	box_expect(box, 9);
	end();
}

static void c5_stopped_holder_that_is_killed_gives_the_message_back(void)
{
	struct peer peer;

	begin(NULL);
	box_send(box, 1);
	start_holding(&peer, 1);
	peer_stop(&peer);
	box_expect_empty(box);
	peer_kill(&peer);
	comes_again(1, 8, 2);
	end();
}

static void c5_dead_hold_no_room_of_the_ring(void)
{
	struct peer peers[4];

	begin(OPTIONS(.messages = 4));
	for (uint64_t i = 0; i < 4; i++)
		box_send(box, i);
	for (int i = 0; i < 4; i++)
		start_holding(&peers[i], i);
	for (int i = 0; i < 4; i++)
		peer_kill(&peers[i]);
	for (uint64_t i = 0; i < 4; i++)
		comes_again(i, 8, 2);
	for (uint64_t lap = 0; lap < 100; lap++) {
		for (uint64_t i = 0; i < 4; i++)
			box_send(box, i);
		check_eq(ferry_mailbox_send(box, "x", 1, FERRY_NOW), -EAGAIN);
		for (uint64_t i = 0; i < 4; i++)
			box_expect(box, i);
	}
	end();
}

static void c2_unlinking_the_file_by_hand_takes_no_message(void)
{
	begin(NULL);
	box_send(box, 1);
	check_eq(unlink(scratch_path("orders")), 0);
	box_expect(box, 1);
	box_send(box, 2);
	box_expect(box, 2);
	ferry_mailbox_close(box);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c3_message_of_a_killed_receiver_comes_again_marked),
		claim(c4_messages_of_the_dead_come_back_first_and_in_order),
		claim(c4_message_of_the_dead_keeps_its_priority),
		claim(c3_each_death_raises_the_delivery_count),
		claim(c5_now_finds_the_message_of_the_dead),
		claim(c5_message_of_a_dead_receiver_waits_for_the_next_opener),
		claim(c2_message_survives_death_of_its_sender),
		claim(c2_message_survives_death_of_all_members),
		claim(c5_loans_of_the_dead_are_free_again),
		claim(c6_death_of_a_borrower_wakes_who_waits_for_memory),
		claim(c6_death_of_a_receiver_wakes_who_waits_for_a_message),
		claim(receiver_killed_while_waiting_wakes_nobody_wrongly),
		claim(c6_wake_survives_death_of_the_one_woken),
		claim(c6_one_stopped_in_its_sleep_swallows_no_wake),
		claim(c6_sender_stopped_in_its_sleep_swallows_no_room),
		claim(c5_stopped_holder_of_a_message_delays_nobody),
		claim(c5_stopped_holder_that_resumes_may_return_the_message),
		claim(c5_stopped_holder_that_is_killed_gives_the_message_back),
		claim(c5_dead_hold_no_room_of_the_ring),
		claim(c2_unlinking_the_file_by_hand_takes_no_message),
	};

	return claim_run_all(claims);
}
