/* SPDX-License-Identifier: MIT */
/* What is held outside a call: loans, taken messages, looks; and what stat tells of it all. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS
#define MS      1000000LL

static struct ferry_message borrow(ferry_mailbox *box, size_t size)
{
	struct ferry_message loan;

	check_eq(ferry_mailbox_loan(box, size, &loan, FERRY_NOW), 0);
	check_eq(loan.size, size);
	check_eq((uintptr_t)loan.data % 64, 0);
	return loan;
}

static void committed_loan_is_a_message(void)
{
	static const size_t sizes[] = { 8, 64, 112, 113, 5000, 65536 };
	ferry_mailbox *box = box_open("orders", NULL);
	static unsigned char data[65536];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct ferry_message loan = borrow(box, sizes[i]);

		box_fill(loan.data, i, sizes[i]);
		check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
		check_eq(ferry_mailbox_receive(box, data, sizeof data, FERRY_NOW), sizes[i]);
		check_eq(box_whole(data, sizes[i]), i);
	}
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	box_end(box, "orders");
}

static void loan_of_nothing_is_an_empty_message(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message loan;

	check_eq(ferry_mailbox_loan(box, 0, &loan, FERRY_NOW), 0);
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
	check_eq(ferry_mailbox_receive(box, NULL, 0, FERRY_NOW), 0);
	box_end(box, "orders");
}

static void loan_may_be_committed_shorter_with_priority_and_expiry(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 2));
	static unsigned char data[65536];
	struct ferry_message info;
	struct ferry_message loan = borrow(box, 60000);

	box_send(box, 1);
	box_fill(loan.data, 2, 300);
	loan.size = 300;
	loan.priority = 1;
	loan.ttl = 3600000 * MS;
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
	check_eq(ferry_mailbox_receive_with(box, data, sizeof data, &info, FERRY_NOW), 300);
	check_eq(info.priority, 1);
	check(info.ttl > 0);
	check_eq(box_whole(data, 300), 2);
	box_expect(box, 1);
	loan = borrow(box, 60000);
	box_fill(loan.data, 3, 8);
	loan.size = 8;
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
	box_expect(box, 3);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	box_end(box, "orders");
}

static void loan_committed_larger_than_borrowed_is_refused_and_stays(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 2));
	struct ferry_message loan = borrow(box, 1000);
	int r;

	loan.size = 65536;
	r = ferry_mailbox_commit(box, &loan, FERRY_NOW);
	check(r == -EMSGSIZE || r == -EINVAL);
	loan.size = 1000;
	loan.priority = 2;
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), -EINVAL);
	loan.priority = 0;
	loan.ttl = -1;
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), -EINVAL);
	loan.ttl = 0;
	box_expect_empty(box);
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
	box_end(box, "orders");
}

static void cancelled_loan_is_free_again(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 4096, .memory = 4096));

	for (int i = 0; i < 100; i++) {
		struct ferry_message loan = borrow(box, 4096);

		check(box_stat(box).memory_free < box_stat(box).memory);
		check_eq(ferry_mailbox_cancel(box, &loan), 0);
	}
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	box_expect_empty(box);
	box_end(box, "orders");
}

static void loan_used_up_is_estale(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message loan = borrow(box, 100);
	struct ferry_message copy = loan;

	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(box, &loan), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(box, &copy), -FERRY_ESTALE);
	loan = borrow(box, 5000);
	copy = loan;
	check_eq(ferry_mailbox_cancel(box, &loan), 0);
	check_eq(ferry_mailbox_commit(box, &copy, FERRY_NOW), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(box, &copy), -FERRY_ESTALE);
	check_eq(box_stat(box).messages, 1);
	box_end(box, "orders");
}

static void loan_of_another_handle_is_estale(void)
{
	ferry_mailbox *one = box_open("orders", NULL);
	ferry_mailbox *two = box_open("orders", NULL);
	struct ferry_message loan = borrow(one, 1000);
	struct ferry_message never = { 0 };

	check_eq(ferry_mailbox_commit(two, &loan, FERRY_NOW), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(two, &loan), -FERRY_ESTALE);
	check_eq(ferry_mailbox_commit(one, &never, FERRY_NOW), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(one, &never), -FERRY_ESTALE);
	check_eq(ferry_mailbox_commit(one, &loan, FERRY_NOW), 0);
	ferry_mailbox_close(one);
	box_end(two, "orders");
}

static void commit_into_a_full_mailbox_keeps_the_loan(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));
	struct ferry_message loan = borrow(box, 5000);
	static unsigned char data[5000];

	box_fill(loan.data, 2, 5000);
	box_send(box, 1);
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), -EAGAIN);
	check_eq(ferry_mailbox_commit(box, &loan, ferry_in_ms(5)), -ETIMEDOUT);
	box_expect(box, 1);
	check_eq(ferry_mailbox_commit(box, &loan, FERRY_NOW), 0);
	check_eq(ferry_mailbox_receive(box, data, sizeof data, FERRY_NOW), 5000);
	check_eq(box_whole(data, 5000), 2);
	box_end(box, "orders");
}

static void close_cancels_loans_and_returns_what_was_taken(void)
{
	box_needs_many();
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *other = box_open("orders", NULL);
	struct ferry_message taken;

	box_send(box, 1);
	box_send(box, 2);
	box_take(other, 1);
	borrow(other, 60000);
	ferry_mailbox_close(other);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	taken = box_take(box, 1);
	check_eq(taken.deliveries, 2);
	check_eq(ferry_mailbox_done(box, &taken), 0);
	box_expect(box, 2);
	check_eq(box_stat(box).members_alive, 1);
	check_eq(box_stat(box).members_dead, 0);
	box_end(box, "orders");
}

static void taken_message_is_nobody_elses_until_done(void)
{
	box_needs_many();
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *other = box_open("orders", NULL);
	struct ferry_message taken;

	box_send(box, 1);
	taken = box_take(box, 1);
	check_eq(taken.deliveries, 1);
	box_expect_empty(other);
	box_expect_empty(box);
	check_eq(box_stat(box).taken, 1);
	check_eq(box_stat(box).messages, 0);
	check_eq(ferry_mailbox_done(other, &taken), -FERRY_ESTALE);
	check_eq(ferry_mailbox_done(box, &taken), 0);
	check_eq(ferry_mailbox_done(box, &taken), -FERRY_ESTALE);
	check_eq(ferry_mailbox_return(box, &taken), -FERRY_ESTALE);
	box_expect_empty(other);
	check_eq(box_stat(box).taken, 0);
	ferry_mailbox_close(other);
	box_end(box, "orders");
}

static void done_of_nothing_is_estale(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message never = { 0 };
	struct ferry_message loan = borrow(box, 100);

	check_eq(ferry_mailbox_done(box, &never), -FERRY_ESTALE);
	check_eq(ferry_mailbox_return(box, &never), -FERRY_ESTALE);
	memset(never.held, 0xff, sizeof never.held);
	check_eq(ferry_mailbox_done(box, &never), -FERRY_ESTALE);
	check_eq(ferry_mailbox_return(box, &never), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(box, &never), -FERRY_ESTALE);
	check_eq(ferry_mailbox_done(box, &loan), -FERRY_ESTALE);
	check_eq(ferry_mailbox_cancel(box, &loan), 0);
	box_end(box, "orders");
}

static void stale_message_does_not_finish_its_cells_next_tenant(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));
	struct ferry_message old;
	struct ferry_message new;
	struct ferry_message copy;

	box_send(box, 1);
	old = box_take(box, 1);
	copy = old;
	check_eq(ferry_mailbox_done(box, &old), 0);
	for (uint64_t i = 0; i < 300; i++) {
		box_send(box, i);
		new = box_take(box, i);
		check_eq(ferry_mailbox_done(box, &copy), -FERRY_ESTALE);
		check_eq(ferry_mailbox_return(box, &copy), -FERRY_ESTALE);
		check_eq(ferry_mailbox_done(box, &new), 0);
	}
	box_end(box, "orders");
}

static void c4_returned_message_comes_again_in_its_old_place(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message first;
	struct ferry_message second;

	for (uint64_t i = 1; i <= 3; i++)
		box_send(box, i);
	first = box_take(box, 1);
	second = box_take(box, 2);
	check_eq(ferry_mailbox_return(box, &second), 0);
	check_eq(ferry_mailbox_return(box, &first), 0);
	check_eq(ferry_mailbox_return(box, &first), -FERRY_ESTALE);
	check_eq(ferry_mailbox_done(box, &first), -FERRY_ESTALE);
	first = box_take(box, 1);
	check_eq(first.deliveries, 2);
	second = box_take(box, 2);
	check_eq(second.deliveries, 2);
	check_eq(ferry_mailbox_done(box, &second), 0);
	check_eq(ferry_mailbox_done(box, &first), 0);
	box_expect(box, 3);
	check_eq(box_stat(box).redelivered, 2);
	box_end(box, "orders");
}

static void deliveries_count_up_and_stop_at_255(void)
{
	ferry_mailbox *box = box_open("orders", NULL);

	box_send(box, 1);
	for (uint32_t i = 1; i <= 600; i++) {
		struct ferry_message taken = box_take(box, 1);

		check(taken.deliveries == i || (i >= 240 && taken.deliveries == 255));
		check_eq(ferry_mailbox_return(box, &taken), 0);
	}
	box_expect(box, 1);
	box_end(box, "orders");
}

static void taken_messages_do_not_hold_up_the_ring(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 8));
	struct ferry_message taken[4];

	for (uint64_t i = 0; i < 4; i++) {
		box_send(box, i);
		taken[i] = box_take(box, i);
	}
	for (uint64_t i = 0; i < 5000; i++) {
		box_send(box, i);
		box_expect(box, i);
	}
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t got;

		memcpy(&got, taken[i].data, sizeof got);
		check_eq(got, i);
	}
	check_eq(ferry_mailbox_return(box, &taken[2]), 0);
	check_eq(ferry_mailbox_return(box, &taken[1]), 0);
	check_eq(ferry_mailbox_done(box, &taken[0]), 0);
	check_eq(ferry_mailbox_done(box, &taken[3]), 0);
	box_send(box, 99);
	box_expect(box, 1);
	box_expect(box, 2);
	box_expect(box, 99);
	box_expect_empty(box);
	box_end(box, "orders");
}

static void returned_message_keeps_what_the_taker_wrote_into_it(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message taken;
	static unsigned char data[3000];

	check_eq(box_send_pattern(box, 1, 3000, FERRY_NOW), 0);
	check_eq(ferry_mailbox_take(box, &taken, FERRY_NOW), 0);
	check_eq(box_whole(taken.data, taken.size), 1);
	box_fill(taken.data, 2, taken.size);
	check_eq(ferry_mailbox_return(box, &taken), 0);
	check_eq(ferry_mailbox_receive(box, data, sizeof data, FERRY_NOW), 3000);
	check_eq(box_whole(data, 3000), 2);
	box_end(box, "orders");
}

static void returned_message_that_expires_comes_no_more(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message taken;
	int64_t until;

	check_eq(
	    ferry_mailbox_send_with(box, "x", 1, FERRY_SEND_OPTIONS(.ttl = 20 * MS), FERRY_NOW), 0);
	check_eq(ferry_mailbox_take(box, &taken, FERRY_NOW), 0);
	until = clock_ns() + 30 * MS;
	await(clock_ns() > until);
	check_eq(ferry_mailbox_return(box, &taken), 0);
	box_expect_empty(box);
	check_eq(box_stat(box).expired, 1);
	box_end(box, "orders");
}

static void peek_looks_as_if_nobody_had_looked(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 2));
	struct ferry_message info;
	static unsigned char data[5000];

	box_send(box, 1);
	check_eq(box_send_pattern(box, 2, 5000, FERRY_NOW), 0);
	for (int i = 0; i < 10; i++) {
		uint64_t got;

		check_eq(ferry_mailbox_peek(box, &got, sizeof got, &info, FERRY_FOREVER), 8);
		check_eq(got, 1);
		check_eq(info.deliveries, 1);
		check_eq(info.size, 8);
	}
	check_eq(box_stat(box).messages, 2);
	check_eq(box_stat(box).received, 0);
	box_expect(box, 1);
	check_eq(ferry_mailbox_peek(box, data, sizeof data, NULL, FERRY_NOW), 5000);
	check_eq(box_whole(data, 5000), 2);
	check_eq(ferry_mailbox_receive_with(box, data, sizeof data, &info, FERRY_NOW), 5000);
	check_eq(info.deliveries, 1);
	box_end(box, "orders");
}

static void peek_waits_for_a_message(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	uint64_t got;

	check_eq(ferry_mailbox_peek(box, &got, sizeof got, NULL, ferry_in_ms(5)), -ETIMEDOUT);
	box_end(box, "orders");
}

static void peek_shows_a_returned_message_first(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message info;
	struct ferry_message taken;
	uint64_t got;

	box_send(box, 1);
	box_send(box, 2);
	taken = box_take(box, 1);
	check_eq(ferry_mailbox_return(box, &taken), 0);
	check_eq(ferry_mailbox_peek(box, &got, sizeof got, &info, FERRY_NOW), sizeof got);
	check_eq(got, 1);
	check_eq(info.deliveries, 2);
	box_expect(box, 1);
	box_expect(box, 2);
	box_end(box, "orders");
}

static void stat_counts_what_went_through(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_mailbox_stat stat;

	for (uint64_t i = 0; i < 100; i++)
		box_send(box, i);
	for (uint64_t i = 0; i < 60; i++)
		box_expect(box, i);
	box_take(box, 60);
	stat = box_stat(box);
	check_eq(stat.sent, 100);
	check_eq(stat.received, 60);
	check_eq(stat.messages, 39);
	check_eq(stat.bytes, 39 * 8);
	check_eq(stat.taken, 1);
	check_eq(stat.dropped, 0);
	check_eq(stat.expired, 0);
	check_eq(stat.redelivered, 0);
	check_eq(stat.recovered, 0);
	check_eq(stat.members_alive, 1);
	check_eq(stat.members_dead, 0);
	check_eq(stat.waiting_senders, 0);
	check_eq(stat.waiting_receivers, 0);
	box_end(box, "orders");
}

static void stat_outlives_the_members_who_counted(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	ferry_mailbox *other = box_open("orders", NULL);

	box_send(other, 1);
	box_send(other, 2);
	box_expect(other, 1);
	ferry_mailbox_close(other);
	check_eq(box_stat(box).sent, 2);
	check_eq(box_stat(box).received, 1);
	box_end(box, "orders");
}

static void stat_shows_bytes_of_large_messages_and_their_memory(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	const uint64_t before = box_stat(box).memory_free;

	check_eq(box_send_pattern(box, 1, 50000, FERRY_NOW), 0);
	check_eq(box_stat(box).bytes, 50000);
	check(box_stat(box).memory_free <= before - 50000);
	box_end(box, "orders");
}

static void oldest_age_grows_while_a_message_waits(void)
{
	ferry_mailbox *box = box_open("orders", NULL);

	check_eq(box_stat(box).oldest_age, -1);
	box_send(box, 1);
	check(box_stat(box).oldest_age >= 0);
	check(box_stat(box).oldest_age < 5000 * MS);
	await(box_stat(box).oldest_age > 60 * MS);
	box_send(box, 2);
	check(box_stat(box).oldest_age > 60 * MS);
	box_expect(box, 1);
	check(box_stat(box).oldest_age >= 0);
	box_expect(box, 2);
	check_eq(box_stat(box).oldest_age, -1);
	box_end(box, "orders");
}

static void wait_to_send(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)stage;
	(void)argument;
	check_eq(ferry_mailbox_send(box, "x", 1, box_patience()), 0);
	ferry_mailbox_close(box);
}

static void stat_shows_who_waits_also_while_all_are_stopped(void)
{
	box_needs_many();
	struct ferry_mailbox_stat stat;
	struct ferry_member members[4];
	struct peer peers[2];
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 1));

	box_send(box, 1);
	for (int i = 0; i < 2; i++)
		peer_start(&peers[i], wait_to_send, NULL);
	await(box_stat(box).waiting_senders == 2);
	for (int i = 0; i < 2; i++)
		peer_stop(&peers[i]);
	stat = box_stat(box);
	check_eq(stat.messages, 1);
	check_eq(stat.members_alive, 3);
	check_eq(stat.waiting_senders, 2);
	check_eq(ferry_object_members("orders", members, 4, NULL), 3);
	check_eq(box_look("orders").members_alive, 3);
	for (int i = 0; i < 2; i++)
		peer_resume(&peers[i]);
	box_expect(box, 1);
	for (int i = 0; i < 2; i++)
		check_eq(ferry_mailbox_receive(box, &(char){ 0 }, 1, box_patience()), 1);
	for (int i = 0; i < 2; i++)
		peer_join(&peers[i]);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(committed_loan_is_a_message),
		claim(loan_of_nothing_is_an_empty_message),
		claim(loan_may_be_committed_shorter_with_priority_and_expiry),
		claim(loan_committed_larger_than_borrowed_is_refused_and_stays),
		claim(cancelled_loan_is_free_again),
		claim(loan_used_up_is_estale),
		claim(loan_of_another_handle_is_estale),
		claim(commit_into_a_full_mailbox_keeps_the_loan),
		claim(close_cancels_loans_and_returns_what_was_taken),
		claim(taken_message_is_nobody_elses_until_done),
		claim(done_of_nothing_is_estale),
		claim(stale_message_does_not_finish_its_cells_next_tenant),
		claim(c4_returned_message_comes_again_in_its_old_place),
		claim(deliveries_count_up_and_stop_at_255),
		claim(taken_messages_do_not_hold_up_the_ring),
		claim(returned_message_keeps_what_the_taker_wrote_into_it),
		claim(returned_message_that_expires_comes_no_more),
		claim(peek_looks_as_if_nobody_had_looked),
		claim(peek_waits_for_a_message),
		claim(peek_shows_a_returned_message_first),
		claim(stat_counts_what_went_through),
		claim(stat_outlives_the_members_who_counted),
		claim(stat_shows_bytes_of_large_messages_and_their_memory),
		claim(oldest_age_grows_while_a_message_waits),
		claim(stat_shows_who_waits_also_while_all_are_stopped),
	};

	return claim_run_all(claims);
}
