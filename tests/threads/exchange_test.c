/* SPDX-License-Identifier: MIT */
/* Threads send to threads, over one handle or over two: nothing is lost, doubled, torn or out of
 * order. Meant to run under the thread sanitizer too. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "crew.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

enum { SPIN = 1000000, SLEEP = -1, LARGEST = 3000 };

/* One exchange. */
struct exchange {
	int senders;
	int receivers;
	uint64_t each; /* messages a sender sends */
	uint32_t messages;
	uint32_t priorities;
	uint32_t flags;
	int64_t spin;
	size_t size;     /* of every message; 0 = mixed */
	int many;        /* messages a call; 0 = the single calls */
	int two_handles; /* receivers have a mapping of their own */
	ferry_mailbox *out;
	ferry_mailbox *in;
	_Atomic uint64_t left; /* messages that are still to be received */
};

static size_t size_of(const struct exchange *exchange, uint64_t number)
{
	static const size_t sizes[] = { 8, 50, 112, 113, 600, LARGEST };

	return exchange->size ? exchange->size : sizes[number * 7 % 6];
}

static void send_one(struct exchange *exchange, uint64_t number, unsigned char *data)
{
	struct journal_entry *entry = journal_entry(number);
	const size_t size = size_of(exchange, number);

	entry->priority = (uint32_t)(number * 11 % exchange->priorities);
	box_fill(data, number, size);
	atomic_store(&entry->send_begin, journal_tick());
	check_eq(ferry_mailbox_send_with(exchange->out, data, size,
					 FERRY_SEND_OPTIONS(.priority = entry->priority),
					 box_patience()),
		 0);
	atomic_store(&entry->send_end, journal_tick());
}

/* Send some in one call; how many were. */
static uint64_t send_some(struct exchange *exchange, uint64_t number, uint64_t n,
			  unsigned char *data)
{
	struct ferry_message messages[8];
	ssize_t sent;

	for (uint64_t i = 0; i < n; i++) {
		const size_t size = size_of(exchange, number + i);

		messages[i] = (struct ferry_message){ .data = data + i * LARGEST, .size = size };
		box_fill(messages[i].data, number + i, size);
		atomic_store(&journal_entry(number + i)->send_begin, journal_tick());
	}
	sent = ferry_mailbox_send_many(exchange->out, messages, n, box_patience());
	check(sent > 0);
	for (ssize_t i = 0; i < sent; i++)
		atomic_store(&journal_entry(number + (uint64_t)i)->send_end, journal_tick());
	return (uint64_t)sent;
}

static void send_all(const struct crew_member *member)
{
	struct exchange *exchange = member->shared;
	unsigned char *data = malloc(8 * LARGEST);
	const uint64_t end = (uint64_t)(member->number + 1) * exchange->each;

	for (uint64_t n = end - exchange->each; n < end;) {
		const uint64_t most = (uint64_t)exchange->many;

		if (exchange->many) {
			n += send_some(exchange, n, end - n < most ? end - n : most, data);
		} else {
			send_one(exchange, n, data);
			n++;
		}
	}
	free(data);
}

/* Claim the right to receive one more; 0 when none is left. */
static int one_more(struct exchange *exchange)
{
	uint64_t left = atomic_load(&exchange->left);

	while (left)
		if (atomic_compare_exchange_weak(&exchange->left, &left, left - 1))
			return 1;
	return 0;
}

static void receive_one(struct exchange *exchange, unsigned char *data)
{
	const uint64_t begin = journal_tick();
	struct ferry_message info;
	const ssize_t n =
	    ferry_mailbox_receive_with(exchange->in, data, LARGEST, &info, box_patience());
	uint64_t number;

	check(n > 0);
	number = box_whole(data, (size_t)n);
	check_eq(n, size_of(exchange, number));
	check_eq(info.deliveries, 1);
	journal_received(number, begin);
	check_eq(info.priority, journal_entry(number)->priority);
}

static void receive_some(struct exchange *exchange, unsigned char *data)
{
	const uint64_t begin = journal_tick();
	struct ferry_message messages[8];
	int granted = 1;
	ssize_t n;

	while (granted < exchange->many && one_more(exchange))
		granted++;
	for (int i = 0; i < granted; i++)
		messages[i] = (struct ferry_message){ .data = data + i * LARGEST, .size = LARGEST };
	n = ferry_mailbox_receive_many(exchange->in, messages, (size_t)granted, box_patience());
	check(n > 0);
	for (ssize_t i = 0; i < n; i++)
		journal_received(box_whole(messages[i].data, messages[i].size), begin);
	atomic_fetch_add(&exchange->left, (uint64_t)(granted - n));
}

static void receive_all(const struct crew_member *member)
{
	struct exchange *exchange = member->shared;
	unsigned char *data = malloc(8 * LARGEST);

	while (one_more(exchange)) {
		if (exchange->many)
			receive_some(exchange, data);
		else
			receive_one(exchange, data);
	}
	free(data);
}

static void run(struct exchange exchange)
{
	const uint64_t all = (uint64_t)exchange.senders * exchange.each;

	exchange.priorities = exchange.priorities ? exchange.priorities : 1;
	exchange.out = box_open(
	    "orders", OPTIONS(.max_size = LARGEST, .spin = exchange.spin, .flags = exchange.flags,
			      .messages = exchange.messages, .priorities = exchange.priorities));
	exchange.in = exchange.out;
	if (exchange.two_handles)
		exchange.in = box_open("orders", OPTIONS(.spin = exchange.spin));
	journal_begin(all);
	exchange.left = all;
	crew_run_two(exchange.senders, send_all, exchange.receivers, receive_all, &exchange);
	journal_check_all_came_once();
	journal_check_order();
	check_eq(box_stat(exchange.out).sent, all);
	check_eq(box_stat(exchange.out).received, all);
	check_eq(box_stat(exchange.out).memory_free, box_stat(exchange.out).memory);
	journal_free();
	if (exchange.two_handles)
		ferry_mailbox_close(exchange.in);
	box_end(exchange.out, "orders");
}

static void one_to_one_spinning(void)
{
	run((struct exchange){ .senders = 1, .receivers = 1, .each = 4000, .spin = SPIN });
}

static void one_to_one_sleeping(void)
{
	run((struct exchange){
	    .senders = 1, .receivers = 1, .each = 4000, .spin = SLEEP, .messages = 4 });
}

static void one_to_one_through_one_place(void)
{
	run((struct exchange){
	    .senders = 1, .receivers = 1, .each = 2000, .spin = SLEEP, .messages = 1 });
}

static void declared_pair_spinning(void)
{
	run((struct exchange){
	    .senders = 1, .receivers = 1, .each = 4000, .spin = SPIN, .flags = FERRY_ONE_TO_ONE });
}

static void declared_pair_sleeping_in_a_small_ring(void)
{
	run((struct exchange){ .senders = 1,
			       .receivers = 1,
			       .each = 4000,
			       .spin = SLEEP,
			       .messages = 2,
			       .two_handles = 1,
			       .flags = FERRY_ONE_TO_ONE });
}

static void declared_pair_with_small_messages(void)
{
	run((struct exchange){ .senders = 1,
			       .receivers = 1,
			       .each = 8000,
			       .spin = SPIN,
			       .size = 48,
			       .messages = 16,
			       .flags = FERRY_ONE_TO_ONE });
}

static void four_to_one(void)
{
	run((struct exchange){ .senders = 4, .receivers = 1, .each = 1000, .size = 64 });
}

static void one_to_four(void)
{
	run((struct exchange){ .senders = 1, .receivers = 4, .each = 4000, .size = 64 });
}

static void four_to_four_spinning(void)
{
	run((struct exchange){
	    .senders = 4, .receivers = 4, .each = 1000, .spin = SPIN, .messages = 16 });
}

static void four_to_four_sleeping(void)
{
	run((struct exchange){
	    .senders = 4, .receivers = 4, .each = 1000, .spin = SLEEP, .messages = 16 });
}

static void four_to_four_through_one_place(void)
{
	run((struct exchange){
	    .senders = 4, .receivers = 4, .each = 400, .spin = SLEEP, .messages = 1 });
}

static void three_to_three_with_large_messages(void)
{
	run((struct exchange){
	    .senders = 3, .receivers = 3, .each = 1000, .size = LARGEST, .messages = 64 });
}

static void two_handles_small_ring(void)
{
	run((struct exchange){ .senders = 3,
			       .receivers = 3,
			       .each = 1000,
			       .messages = 2,
			       .spin = SLEEP,
			       .two_handles = 1 });
}

static void two_handles_spinning(void)
{
	run((struct exchange){
	    .senders = 2, .receivers = 2, .each = 2000, .spin = SPIN, .two_handles = 1 });
}

static void priorities_keep_order_each(void)
{
	run((struct exchange){
	    .senders = 3, .receivers = 3, .each = 1000, .priorities = 5, .messages = 8 });
}

static void thirty_two_priorities(void)
{
	run((struct exchange){ .senders = 2,
			       .receivers = 2,
			       .each = 1500,
			       .priorities = 32,
			       .messages = 4,
			       .spin = SLEEP });
}

static void several_a_call(void)
{
	run((struct exchange){
	    .senders = 3, .receivers = 3, .each = 1000, .many = 7, .messages = 16 });
}

static void several_a_call_through_a_small_ring(void)
{
	run((struct exchange){
	    .senders = 2, .receivers = 2, .each = 1000, .many = 8, .messages = 3, .spin = SLEEP });
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(one_to_one_spinning),
		claim(one_to_one_sleeping),
		claim(one_to_one_through_one_place),
		claim(declared_pair_spinning),
		claim(declared_pair_sleeping_in_a_small_ring),
		claim(declared_pair_with_small_messages),
		claim(four_to_one),
		claim(one_to_four),
		claim(four_to_four_spinning),
		claim(four_to_four_sleeping),
		claim(four_to_four_through_one_place),
		claim(three_to_three_with_large_messages),
		claim(two_handles_small_ring),
		claim(two_handles_spinning),
		claim(priorities_keep_order_each),
		claim(thirty_two_priorities),
		claim(several_a_call),
		claim(several_a_call_through_a_small_ring),
	};

	return claim_run_all(claims);
}
