/* SPDX-License-Identifier: MIT */
/* What goes in comes out: sizes, order, priorities, expiry, capacity, dropping, several at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS
#define MS      1000000LL

/* Send one of this size, and receive it into a buffer whose end is watched. */
static void there_and_back(ferry_mailbox *box, size_t size)
{
	struct ferry_message info;
	unsigned char *data = malloc(size + 64);

	check(data);
	check_eq(box_send_pattern(box, size + 1, size, FERRY_NOW), 0);
	memset(data, 0xa5, size + 64);
	check_eq(ferry_mailbox_receive_with(box, data, size + 32, &info, FERRY_NOW), size);
	check_eq(info.size, size);
	check(info.data == data);
	check_eq(info.deliveries, 1);
	check_eq(info.priority, 0);
	check_eq(info.ttl, 0);
	if (size >= 8)
		check_eq(box_whole(data, size), size + 1);
	for (size_t i = size; i < size + 64; i++)
		check_eq(data[i], 0xa5);
	free(data);
}

static void c1_every_size_comes_out_as_it_went_in(void)
{
	static const size_t sizes[] = { 0,   1,   7,    8,    63,   64,    111,   112,   113,
					127, 128, 1024, 4095, 4096, 65535, 65536, 99999, 1 << 20 };
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 1 << 20));

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		there_and_back(box, sizes[i]);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	box_end(box, "orders");
}

static void c1_every_size_up_to_the_maximum_fits_an_odd_mailbox(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 777, .memory = 777));

	for (size_t size = 0; size <= 777; size++)
		there_and_back(box, size);
	box_end(box, "orders");
}

static void c1_gibibyte_is_a_message_like_any_other(void)
{
	const size_t size = 1 << 30;
	struct statvfs st;
	ferry_mailbox *box;

	check_eq(statvfs(scratch_directory(), &st), 0);
	if (!check_is_long() || st.f_bavail * st.f_frsize < 6 * (fsblkcnt_t)size)
		check_skip("FERRY_LONG and 6 GiB of /dev/shm are needed");
	box = box_open("orders", OPTIONS(.max_size = size, .memory = size));
	there_and_back(box, size);
	there_and_back(box, 16);
	there_and_back(box, size);
	box_end(box, "orders");
}

static void larger_than_the_maximum_is_emsgsize(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 1000));
	static char data[2000];
	struct ferry_message message = { .data = data, .size = 1001 };

	check_eq(ferry_mailbox_send(box, data, 1001, FERRY_FOREVER), -EMSGSIZE);
	check_eq(ferry_mailbox_send(box, data, SIZE_MAX, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_mailbox_send_many(box, &message, 1, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_mailbox_loan(box, 1001, &message, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_mailbox_loan(box, SIZE_MAX, &message, FERRY_NOW), -EMSGSIZE);
	box_expect_empty(box);
	check_eq(ferry_mailbox_send(box, data, 1000, FERRY_NOW), 0);
	box_end(box, "orders");
}

static void maximum_below_the_cell_is_kept(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 10));

	check_eq(ferry_mailbox_send(box, "12345678901", 11, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_mailbox_send(box, "1234567890", 10, FERRY_NOW), 0);
	box_end(box, "orders");
}

/* A message of this size does not fit smaller buffers, which are told so and not written. */
static void stays_when_too_large(ferry_mailbox *box, size_t size)
{
	static char data[5000];
	static char untouched[5000];
	struct ferry_message info = { 0 };

	memset(data, 0, sizeof data);
	check_eq(box_send_pattern(box, 1, size, FERRY_NOW), 0);
	box_send(box, 2);
	check_eq(ferry_mailbox_receive(box, data, size - 1, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_mailbox_receive(box, NULL, 0, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_mailbox_receive_with(box, data, 1, &info, FERRY_FOREVER), -EMSGSIZE);
	check_eq(info.size, size);
	info.size = 0;
	check_eq(ferry_mailbox_peek(box, data, 1, &info, FERRY_NOW), -EMSGSIZE);
	check_eq(info.size, size);
	info = (struct ferry_message){ .data = data, .size = 1 };
	check_eq(ferry_mailbox_receive_many(box, &info, 1, FERRY_NOW), -EMSGSIZE);
	check_eq(info.size, size);
	check(!memcmp(data, untouched, sizeof data));
	check_eq(box_stat(box).messages, 2);
	check_eq(ferry_mailbox_receive_with(box, data, size, &info, FERRY_NOW), size);
	check_eq(info.deliveries, 1);
	check_eq(box_whole(data, size), 1);
	box_expect(box, 2);
}

static void message_too_large_for_the_buffer_tells_its_size_and_stays_first(void)
{
	ferry_mailbox *box = box_open("orders", NULL);

	stays_when_too_large(box, 8);
	stays_when_too_large(box, 112);
	stays_when_too_large(box, 5000);
	box_end(box, "orders");
}

static void c4_first_sent_is_first_received_whatever_the_sizes(void)
{
	static const size_t sizes[] = { 8, 5000, 112, 113, 60000, 9 };
	static unsigned char data[65536];
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 6));

	for (uint64_t i = 0; i < 3000; i++) {
		if (i >= 5)
			check_eq(ferry_mailbox_receive(box, data, sizeof data, FERRY_NOW),
				 sizes[(i - 5) % 6]);
		if (i >= 5)
			check_eq(box_whole(data, sizes[(i - 5) % 6]), i - 5);
		check_eq(box_send_pattern(box, i, sizes[i % 6], FERRY_NOW), 0);
	}
	box_end(box, "orders");
}

static void send_when_told(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);

	(void)argument;
	for (uint32_t turn = 1; turn <= 40; turn++) {
		stage_wait(stage, turn);
		box_send(box, (uint64_t)atomic_load(&stage->value[0]));
		stage_reach(stage, turn);
	}
	ferry_mailbox_close(box);
}

static void c4_order_holds_over_all_senders(void)
{
	box_needs_many();
	struct peer peers[3];
	ferry_mailbox *box = box_open("orders", NULL);

	for (int i = 0; i < 3; i++)
		peer_start(&peers[i], send_when_told, NULL);
	for (uint32_t i = 0; i < 120; i++) {
		struct peer *peer = &peers[i % 3];

		atomic_store(&peer->stage->value[0], i);
		peer_allow(peer, i / 3 + 1);
		peer_await(peer, i / 3 + 1);
	}
	for (uint64_t i = 0; i < 120; i++)
		box_expect(box, i);
	for (int i = 0; i < 3; i++)
		peer_join(&peers[i]);
	box_end(box, "orders");
}

static void send_at(ferry_mailbox *box, uint64_t number, uint32_t priority)
{
	check_eq(ferry_mailbox_send_with(box, &number, sizeof number,
					 FERRY_SEND_OPTIONS(.priority = priority), FERRY_NOW),
		 0);
}

static void c4_higher_priority_first_and_first_sent_first_within_one(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 32, .messages = 4));
	struct ferry_message info;
	uint64_t got;

	for (uint32_t turn = 0; turn < 4; turn++)
		for (uint32_t i = 0; i < 32; i++)
			send_at(box, i * 13 % 32 * 100 + turn, i * 13 % 32);
	for (uint32_t priority = 32; priority-- > 0;) {
		for (uint32_t turn = 0; turn < 4; turn++) {
			check_eq(
			    ferry_mailbox_receive_with(box, &got, sizeof got, &info, FERRY_NOW),
			    sizeof got);
			check_eq(got, priority * 100 + turn);
			check_eq(info.priority, priority);
		}
	}
	box_expect_empty(box);
	box_end(box, "orders");
}

static void c4_later_message_of_higher_priority_overtakes(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 3));

	for (uint64_t i = 0; i < 1000; i++) {
		send_at(box, 1, 0);
		send_at(box, 3, 2);
		box_expect(box, 3);
		send_at(box, 2, 1);
		box_expect(box, 2);
		box_expect(box, 1);
	}
	box_end(box, "orders");
}

static void full_priority_leaves_room_at_the_others(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 2, .messages = 3));

	for (uint64_t i = 0; i < 3; i++)
		send_at(box, i, 0);
	check_eq(ferry_mailbox_send(box, "x", 1, FERRY_NOW), -EAGAIN);
	for (uint64_t i = 10; i < 13; i++)
		send_at(box, i, 1);
	check_eq(ferry_mailbox_send_with(box, "x", 1, FERRY_SEND_OPTIONS(.priority = 1), FERRY_NOW),
		 -EAGAIN);
	check_eq(box_stat(box).messages, 6);
	box_end(box, "orders");
}

static uint64_t fill(ferry_mailbox *box)
{
	uint64_t n = 0;

	while (ferry_mailbox_send(box, &n, sizeof n, FERRY_NOW) == 0)
		n++;
	check_eq(ferry_mailbox_send(box, &n, sizeof n, FERRY_NOW), -EAGAIN);
	return n;
}

static void capacity_is_exact_lap_after_lap(void)
{
	static const uint32_t capacities[] = { 1, 2, 3, 10, 32, 33, 256, 1000 };

	for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++) {
		ferry_mailbox *box = box_open("orders", OPTIONS(.messages = capacities[i]));

		for (int lap = 0; lap < 5; lap++) {
			check_eq(fill(box), capacities[i]);
			for (uint64_t n = 0; n < capacities[i]; n++)
				box_expect(box, n);
			box_expect_empty(box);
		}
		box_end(box, "orders");
	}
}

static void memory_holds_what_was_asked_for(void)
{
	enum { SIZE = 50000 };
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = SIZE, .memory = 4 * SIZE));
	static unsigned char data[SIZE];

	for (int lap = 0; lap < 5; lap++) {
		for (uint64_t i = 0; i < 4; i++)
			check_eq(box_send_pattern(box, i, SIZE, FERRY_NOW), 0);
		while (box_send_pattern(box, 4, SIZE, FERRY_NOW) == 0)
			;
		check(box_stat(box).memory_free < box_stat(box).memory);
		for (uint64_t i = 0; i < 4; i++) {
			check_eq(ferry_mailbox_receive(box, data, SIZE, FERRY_NOW), SIZE);
			check_eq(box_whole(data, SIZE), i);
		}
		while (ferry_mailbox_receive(box, data, SIZE, FERRY_NOW) > 0)
			;
		check_eq(box_stat(box).memory_free, box_stat(box).memory);
	}
	box_end(box, "orders");
}

/* Thousands of messages of random sizes, some kept for long: in the end the largest still fits. */
static void memory_does_not_wear_out(void)
{
	enum { SIZE = 30000 };
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = SIZE, .messages = 64));
	static unsigned char data[SIZE];
	uint64_t in = 0;
	uint64_t out = 0;

	srand(7);
	for (int i = 0; i < 20000; i++) {
		const size_t size = 8 + (size_t)rand() % (rand() % 2 ? 300 : SIZE - 8);

		if (rand() % 2 && box_send_pattern(box, in, size, FERRY_NOW) == 0)
			in++;
		if (rand() % 2) {
			const ssize_t n = ferry_mailbox_receive(box, data, SIZE, FERRY_NOW);

			check(n > 0 || n == -EAGAIN);
			if (n > 0)
				check_eq(box_whole(data, (size_t)n), out++);
		}
	}
	for (; out < in; out++)
		check_eq(box_whole(data, (size_t)ferry_mailbox_receive(box, data, SIZE, FERRY_NOW)),
			 out);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	check_eq(box_send_pattern(box, 1, SIZE, FERRY_NOW), 0);
	box_end(box, "orders");
}

static void small_messages_need_no_memory(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = 1000, .memory = 1000));
	struct ferry_message loan;

	while (ferry_mailbox_loan(box, 1000, &loan, FERRY_NOW) == 0)
		;
	check_eq(fill(box), 256);
	box_end(box, "orders");
}

static void send_for(ferry_mailbox *box, uint64_t number, int64_t ttl)
{
	check_eq(ferry_mailbox_send_with(box, &number, sizeof number,
					 FERRY_SEND_OPTIONS(.ttl = ttl), FERRY_NOW),
		 0);
}

static void pass(int64_t ns)
{
	const int64_t until = clock_ns() + ns;

	await(clock_ns() > until);
}

static void expired_message_is_received_by_nobody_and_counted(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	static unsigned char large[5000];

	send_for(box, 1, 20 * MS);
	check_eq(ferry_mailbox_send_with(box, large, sizeof large,
					 FERRY_SEND_OPTIONS(.ttl = 20 * MS), FERRY_NOW),
		 0);
	box_send(box, 2);
	pass(40 * MS);
	check_eq(ferry_mailbox_peek(box, NULL, 0, NULL, FERRY_NOW), -EMSGSIZE);
	box_expect(box, 2);
	box_expect_empty(box);
	check_eq(box_stat(box).expired, 2);
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	box_end(box, "orders");
}

static void message_not_yet_expired_tells_the_time_left(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message info;
	uint64_t got;

	send_for(box, 1, 3600000 * MS);
	check_eq(ferry_mailbox_receive_with(box, &got, sizeof got, &info, FERRY_NOW), sizeof got);
	check(info.ttl > 3500000 * MS && info.ttl <= 3600000 * MS);
	send_for(box, 2, INT64_MAX);
	check_eq(ferry_mailbox_receive_with(box, &got, sizeof got, &info, FERRY_NOW), sizeof got);
	check(info.ttl > 0);
	check_eq(box_stat(box).expired, 0);
	box_end(box, "orders");
}

static void expiry_works_at_the_largest_inline_size(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message info;
	unsigned char data[128];

	for (size_t size = 100; size <= 120; size++) {
		box_fill(data, size, size);
		check_eq(ferry_mailbox_send_with(
			     box, data, size, FERRY_SEND_OPTIONS(.ttl = 3600000 * MS), FERRY_NOW),
			 0);
		check_eq(ferry_mailbox_receive_with(box, data, sizeof data, &info, FERRY_NOW),
			 size);
		check_eq(box_whole(data, size), size);
		check(info.ttl > 0);
	}
	box_end(box, "orders");
}

static void receiver_that_waits_gets_no_expired_message(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	uint64_t got;

	send_for(box, 1, MS);
	pass(2 * MS);
	check_eq(ferry_mailbox_receive(box, &got, sizeof got, ferry_in_ms(20)), -ETIMEDOUT);
	box_end(box, "orders");
}

static void drop_oldest_pushes_out_the_oldest_and_counts_it(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 4, .flags = FERRY_DROP_OLDEST));

	for (uint64_t i = 0; i < 100; i++)
		box_send(box, i);
	check_eq(box_stat(box).dropped, 96);
	check_eq(box_stat(box).messages, 4);
	check_eq(box_stat(box).sent, 100);
	for (uint64_t i = 96; i < 100; i++)
		box_expect(box, i);
	box_expect_empty(box);
	box_end(box, "orders");
}

static void drop_oldest_leaves_other_priorities_alone(void)
{
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.messages = 2, .priorities = 2, .flags = FERRY_DROP_OLDEST));

	send_at(box, 100, 1);
	for (uint64_t i = 0; i < 5; i++)
		send_at(box, i, 0);
	box_expect(box, 100);
	box_expect(box, 3);
	box_expect(box, 4);
	check_eq(box_stat(box).dropped, 3);
	box_end(box, "orders");
}

static void drop_oldest_makes_room_in_memory_too(void)
{
	enum { SIZE = 10000 };
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.max_size = SIZE, .memory = 2 * SIZE, .messages = 100,
				       .flags = FERRY_DROP_OLDEST));
	static unsigned char data[SIZE];
	uint64_t last = 0;

	for (uint64_t i = 1; i <= 200; i++)
		check_eq(box_send_pattern(box, i, SIZE, FERRY_NOW), 0);
	check(box_stat(box).dropped > 0);
	while (ferry_mailbox_receive(box, data, SIZE, FERRY_NOW) > 0) {
		check(box_whole(data, SIZE) > last);
		last = box_whole(data, SIZE);
	}
	check_eq(last, 200);
	box_end(box, "orders");
}

static void drop_oldest_without_memory_to_win_back_is_enobufs(void)
{
	enum { SIZE = 10000 };
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.max_size = SIZE, .memory = SIZE, .messages = 100,
				       .flags = FERRY_DROP_OLDEST));
	struct ferry_message taken[64];
	int n = 0;
	int r;

	while ((r = box_send_pattern(box, 1, SIZE, FERRY_FOREVER)) == 0) {
		check(n < 64);
		check_eq(ferry_mailbox_take(box, &taken[n++], FERRY_NOW), 0);
	}
	check_eq(r, -ENOBUFS);
	check(n > 0);
	check_eq(ferry_mailbox_done(box, &taken[--n]), 0);
	check_eq(box_send_pattern(box, 1, SIZE, FERRY_FOREVER), 0);
	while (n > 0)
		check_eq(ferry_mailbox_done(box, &taken[--n]), 0);
	box_end(box, "orders");
}

static void drop_oldest_is_a_property_of_the_mailbox(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 2, .flags = FERRY_DROP_OLDEST));
	ferry_mailbox *other = box_open("orders", NULL);

	for (uint64_t i = 0; i < 3; i++)
		box_send(other, i);
	box_expect(other, 1);
	ferry_mailbox_close(other);
	box_end(box, "orders");
}

static void send_many_sends_in_order_until_full(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 5, .priorities = 2));
	uint64_t numbers[8];
	struct ferry_message messages[8];

	for (uint64_t i = 0; i < 8; i++) {
		numbers[i] = i;
		messages[i] = (struct ferry_message){ .data = &numbers[i], .size = 8 };
	}
	check_eq(ferry_mailbox_send_many(box, messages, 8, FERRY_NOW), 5);
	check_eq(ferry_mailbox_send_many(box, messages, 8, FERRY_NOW), -EAGAIN);
	check_eq(ferry_mailbox_send_many(box, messages, 8, ferry_in_ms(10)), -ETIMEDOUT);
	for (uint64_t i = 0; i < 5; i++)
		box_expect(box, i);
	messages[2].priority = 1;
	check_eq(ferry_mailbox_send_many(box, messages, 3, FERRY_NOW), 3);
	box_expect(box, 2);
	box_expect(box, 0);
	box_expect(box, 1);
	messages[1].size = 1 << 30;
	check_eq(ferry_mailbox_send_many(box, messages, 3, FERRY_NOW), 1);
	box_expect(box, 0);
	box_expect_empty(box);
	box_end(box, "orders");
}

static void receive_many_takes_what_is_there_and_waits_for_the_first_only(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	uint64_t numbers[8];
	struct ferry_message messages[8];

	for (uint64_t i = 0; i < 8; i++)
		messages[i] = (struct ferry_message){ .data = &numbers[i], .size = 8 };
	for (uint64_t i = 0; i < 5; i++)
		box_send(box, i);
	check_eq(ferry_mailbox_receive_many(box, messages, 8, FERRY_FOREVER), 5);
	for (uint64_t i = 0; i < 5; i++) {
		check_eq(numbers[i], i);
		check_eq(messages[i].size, 8);
		check_eq(messages[i].deliveries, 1);
	}
	check_eq(ferry_mailbox_receive_many(box, messages, 8, ferry_in_ms(10)), -ETIMEDOUT);
	box_end(box, "orders");
}

static void receive_many_ends_at_a_message_too_large_for_its_entry(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	uint64_t numbers[4];
	struct ferry_message messages[4];

	for (int i = 0; i < 4; i++)
		messages[i] = (struct ferry_message){ .data = &numbers[i], .size = 8 };
	box_send(box, 1);
	check_eq(box_send_pattern(box, 2, 200, FERRY_NOW), 0);
	check_eq(ferry_mailbox_receive_many(box, messages, 4, FERRY_NOW), 1);
	messages[0].size = 8;
	check_eq(ferry_mailbox_receive_many(box, messages, 4, FERRY_NOW), -EMSGSIZE);
	check_eq(messages[0].size, 200);
	check_eq(box_stat(box).messages, 1);
	box_end(box, "orders");
}

static void many_of_none_is_none(void)
{
	ferry_mailbox *box = box_open("orders", NULL);

	check_eq(ferry_mailbox_send_many(box, NULL, 0, FERRY_FOREVER), 0);
	check_eq(ferry_mailbox_receive_many(box, NULL, 0, FERRY_FOREVER), 0);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c1_every_size_comes_out_as_it_went_in),
		claim(c1_every_size_up_to_the_maximum_fits_an_odd_mailbox),
		claim(c1_gibibyte_is_a_message_like_any_other),
		claim(larger_than_the_maximum_is_emsgsize),
		claim(maximum_below_the_cell_is_kept),
		claim(message_too_large_for_the_buffer_tells_its_size_and_stays_first),
		claim(c4_first_sent_is_first_received_whatever_the_sizes),
		claim(c4_order_holds_over_all_senders),
		claim(c4_higher_priority_first_and_first_sent_first_within_one),
		claim(c4_later_message_of_higher_priority_overtakes),
		claim(full_priority_leaves_room_at_the_others),
		claim(capacity_is_exact_lap_after_lap),
		claim(memory_holds_what_was_asked_for),
		claim(memory_does_not_wear_out),
		claim(small_messages_need_no_memory),
		claim(expired_message_is_received_by_nobody_and_counted),
		claim(message_not_yet_expired_tells_the_time_left),
		claim(expiry_works_at_the_largest_inline_size),
		claim(receiver_that_waits_gets_no_expired_message),
		claim(drop_oldest_pushes_out_the_oldest_and_counts_it),
		claim(drop_oldest_leaves_other_priorities_alone),
		claim(drop_oldest_makes_room_in_memory_too),
		claim(drop_oldest_without_memory_to_win_back_is_enobufs),
		claim(drop_oldest_is_a_property_of_the_mailbox),
		claim(send_many_sends_in_order_until_full),
		claim(receive_many_takes_what_is_there_and_waits_for_the_first_only),
		claim(receive_many_ends_at_a_message_too_large_for_its_entry),
		claim(many_of_none_is_none),
	};

	return claim_run_all(claims);
}
