/* SPDX-License-Identifier: MIT */
/* Taps of mailboxes: every message that passes is shown whole and once, or counted as missed; and
 * nobody else notices. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

enum { LARGEST = 2000, TURNS = 41 };

/* A tap with a handle of its own, and what it saw. */
struct witness {
	ferry_mailbox *box;
	ferry_mailbox_tap *tap;
	uint64_t missed;
	uint64_t seen;
	unsigned char data[LARGEST];
	struct ferry_message info;
};

static void begin(struct witness *witness)
{
	memset(witness, 0, sizeof *witness);
	witness->box = box_open("orders", OPTIONS(.flags = FERRY_OBSERVE));
	check_eq(ferry_mailbox_tap_open(&witness->tap, witness->box), 0);
}

static void end(struct witness *witness)
{
	ferry_mailbox_tap_close(witness->tap);
	ferry_mailbox_close(witness->box);
}

static ssize_t next_by(struct witness *witness, ferry_deadline deadline)
{
	ssize_t n = ferry_mailbox_tap_next(witness->tap, witness->data, sizeof witness->data,
					   &witness->info, &witness->missed, deadline);

	witness->seen += n >= 0;
	return n;
}

static void expect(struct witness *witness, uint64_t number)
{
	ssize_t n = next_by(witness, FERRY_NOW);

	check(n >= (ssize_t)sizeof number);
	check_eq(box_whole(witness->data, (size_t)n), number);
	check_eq(witness->info.size, n);
}

static void expect_nothing(struct witness *witness)
{
	check_eq(next_by(witness, FERRY_NOW), -EAGAIN);
}

static void receive_any(ferry_mailbox *box)
{
	unsigned char data[LARGEST];

	check(ferry_mailbox_receive(box, data, sizeof data, FERRY_NOW) >= 0);
}

static void shows_what_passes_from_now_on_and_leaves_it_there(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct witness witness;

	box_send(box, 1);
	begin(&witness);
	expect_nothing(&witness);
	box_send(box, 2);
	box_send(box, 3);
	expect(&witness, 2);
	check_eq(witness.info.deliveries, 1);
	check_eq(witness.info.priority, 0);
	expect(&witness, 3);
	expect_nothing(&witness);
	for (uint64_t i = 1; i <= 3; i++)
		box_expect(box, i);
	expect_nothing(&witness);
	check_eq(witness.missed, 0);
	end(&witness);
	box_end(box, "orders");
}

static void shows_what_has_been_received_meanwhile(void)
{
	static const size_t sizes[] = { 8, 48, 49, 112, 113, 600, LARGEST };
	ferry_mailbox *box = box_open("orders", NULL);
	struct witness witness;

	begin(&witness);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		check_eq(box_send_pattern(box, i, sizes[i], FERRY_NOW), 0);
		receive_any(box);
		expect(&witness, i);
	}
	struct ferry_message taken;
	check_eq(box_send_pattern(box, 100, 500, FERRY_NOW), 0);
	check_eq(ferry_mailbox_take(box, &taken, FERRY_NOW), 0);
	expect(&witness, 100);
	check_eq(ferry_mailbox_done(box, &taken), 0);
	expect_nothing(&witness);
	check_eq(witness.missed, 0);
	end(&witness);
	box_end(box, "orders");
}

static void shows_a_message_once_however_often_it_is_delivered(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct witness witness;

	begin(&witness);
	box_send(box, 7);
	expect(&witness, 7);
	for (int i = 0; i < 5; i++) {
		struct ferry_message message = box_take(box, 7);
		expect_nothing(&witness);
		check_eq(ferry_mailbox_return(box, &message), 0);
		expect_nothing(&witness);
	}
	box_expect(box, 7);
	expect_nothing(&witness);
	check_eq(witness.missed, 0);
	end(&witness);
	box_end(box, "orders");
}

static void tells_priority_and_time_left_and_shows_the_expired(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.priorities = 3));
	struct witness witness;
	uint64_t number = 0;

	begin(&witness);
	for (; number < 3; number++)
		check_eq(ferry_mailbox_send_with(box, &number, sizeof number,
						 FERRY_SEND_OPTIONS(.priority = (uint32_t)number,
								    .ttl = number == 1 ? 1 : 0),
						 FERRY_NOW),
			 0);
	expect(&witness, 2);
	check_eq(witness.info.priority, 2);
	check_eq(witness.info.ttl, 0);
	expect(&witness, 1);
	check_eq(witness.info.priority, 1);
	check_eq(witness.info.ttl, 1);
	expect(&witness, 0);
	expect_nothing(&witness);
	end(&witness);
	box_end(box, "orders");
}

static void counts_exactly_what_it_missed(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 10));
	struct witness witness;
	uint64_t sent = 0, last = 0;

	begin(&witness);
	for (int round = 0; round < TURNS; round++) {
		/* The ring has 64 cells; from none to some rounds pass between two looks. */
		for (int i = 0; i < round * 7; i++) {
			box_send(box, ++sent);
			box_expect(box, sent);
		}
		while (next_by(&witness, FERRY_NOW) >= 0) {
			uint64_t number = box_whole(witness.data, 8);
			check(number > last && number <= sent);
			last = number;
		}
		check_eq(last, sent);
		check_eq(witness.seen + witness.missed, sent);
	}
	check(witness.missed > 0 && witness.seen > 64);
	end(&witness);
	box_end(box, "orders");
}

static void memory_that_was_used_again_counts_as_missed(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = LARGEST, .memory = LARGEST));
	struct witness witness;

	begin(&witness);
	for (uint64_t i = 0; i < 50; i++) {
		check_eq(box_send_pattern(box, i, LARGEST, FERRY_NOW), 0);
		receive_any(box);
	}
	/* All of them lay in the same memory. */
	expect(&witness, 49);
	expect_nothing(&witness);
	check_eq(witness.missed, 49);
	/* Somebody owns it now and may be writing. */
	struct ferry_message loan;
	check_eq(box_send_pattern(box, 50, LARGEST, FERRY_NOW), 0);
	receive_any(box);
	check_eq(ferry_mailbox_loan(box, LARGEST, &loan, FERRY_NOW), 0);
	expect_nothing(&witness);
	check_eq(witness.missed, 50);
	check_eq(ferry_mailbox_cancel(box, &loan), 0);
	end(&witness);
	box_end(box, "orders");
}

/* Senders go round a ring in which a receiver holds a message: they pass its cell. */
static void positions_that_were_passed_are_no_messages(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.messages = 10));
	struct witness witness;
	struct ferry_message held;
	uint64_t sent = 0;

	begin(&witness);
	box_send(box, 0);
	held = box_take(box, 0);
	for (int i = 0; i < 3000; i++) {
		box_send(box, ++sent);
		receive_any(box);
		/* Look often, seldom, or not for several rounds. */
		if (i % (i < 1000 ? 1 : i < 2000 ? 40 : 300) == 0)
			while (next_by(&witness, FERRY_NOW) >= 0)
				;
		if (i % 700 == 699) {
			check_eq(ferry_mailbox_done(box, &held), 0);
			box_send(box, ++sent);
			check_eq(ferry_mailbox_take(box, &held, FERRY_NOW), 0);
		}
	}
	while (next_by(&witness, FERRY_NOW) >= 0)
		;
	check_eq(witness.seen + witness.missed, sent + 1);
	check_eq(ferry_mailbox_done(box, &held), 0);
	expect_nothing(&witness);
	check_eq(witness.seen + witness.missed, sent + 1);
	end(&witness);
	box_end(box, "orders");
}

static void a_message_too_large_for_the_buffer_waits_for_a_larger_one(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message info = { 0 };
	struct witness witness;

	begin(&witness);
	check_eq(box_send_pattern(box, 5, 500, FERRY_NOW), 0);
	for (int i = 0; i < 3; i++) {
		check_eq(ferry_mailbox_tap_next(witness.tap, witness.data, 499, &info,
						&witness.missed, FERRY_NOW),
			 -EMSGSIZE);
		check_eq(info.size, 500);
	}
	expect(&witness, 5);
	check_eq(ferry_mailbox_send(box, NULL, 0, FERRY_NOW), 0);
	check_eq(ferry_mailbox_tap_next(witness.tap, NULL, 0, NULL, NULL, FERRY_NOW), 0);
	check_eq(witness.missed, 0);
	end(&witness);
	box_end(box, "orders");
}

static void refuses_what_makes_no_sense(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.flags = FERRY_SEND_ONLY));
	ferry_mailbox_tap *tap = NULL;
	struct witness witness;

	check_eq(ferry_mailbox_tap_open(&tap, NULL), -EINVAL);
	check_eq(ferry_mailbox_tap_open(NULL, box), -EINVAL);
	check_eq(ferry_mailbox_tap_open(&tap, box), -EBADF);
	check(!tap);
	begin(&witness);
	check_eq(ferry_mailbox_tap_next(NULL, NULL, 0, NULL, NULL, FERRY_NOW), -EINVAL);
	check_eq(ferry_mailbox_tap_next(witness.tap, NULL, 1, NULL, NULL, FERRY_NOW), -EINVAL);
	ferry_mailbox_tap_close(NULL);
	end(&witness);
	box_end(box, "orders");
}

static void c10_needs_no_write_permission_and_changes_nothing(void)
{
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = LARGEST));
	const size_t size = box_look("orders").file_bytes;
	unsigned char *before = malloc(size), *after = malloc(size);
	struct witness witness;

	check(before && after);
	check_eq(chmod(scratch_path("orders"), 0444), 0);
	begin(&witness);
	for (uint64_t i = 0; i < 8; i++)
		check_eq(box_send_pattern(box, i, i % 2 ? 8 : LARGEST, FERRY_NOW), 0);
	for (int i = 0; i < 4; i++)
		receive_any(box);
	scratch_read(scratch_path("orders"), 0, before, size);
	while (next_by(&witness, ferry_in_ms(30)) >= 0)
		;
	scratch_read(scratch_path("orders"), 0, after, size);
	check(!memcmp(before, after, size));
	check_eq(witness.seen + witness.missed, 8);
	check(witness.seen >= 4);
	free(before);
	free(after);
	end(&witness);
	box_end(box, "orders");
}

static void waits_for_a_message_until_the_deadline(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct witness witness;
	const int64_t start = clock_ns();

	begin(&witness);
	check_eq(next_by(&witness, ferry_in_ms(50)), -ETIMEDOUT);
	check(clock_ns() - start >= 50000000);
	check_eq(next_by(&witness, start), -ETIMEDOUT);
	box_send(box, 1);
	check_eq(next_by(&witness, start), 8);
	end(&witness);
	box_end(box, "orders");
}

static void sleeper(struct stage *stage, const void *argument)
{
	struct witness witness;
	struct usage before;

	(void)argument;
	begin(&witness);
	before = usage_now();
	stage_reach(stage, 1);
	check_eq(next_by(&witness, box_patience()), 8);
	usage_check_blocked(&before);
	stage_reach(stage, 2);
	check_eq(next_by(&witness, box_patience()), -EIDRM);
	end(&witness);
}

static void c6_c7_sleeps_until_a_message_or_removal_comes(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	const int64_t start = clock_ns();
	struct peer peer;

	peer_start(&peer, sleeper, NULL);
	peer_await(&peer, 1);
	await(clock_ns() - start > 1000000000);
	box_send(box, 1);
	peer_await(&peer, 2);
	box_end(box, "orders");
	peer_join(&peer);
}

/* ---- under load ---- */

static size_t size_of(uint64_t number)
{
	static const size_t sizes[] = { 8, 50, 112, 113, 600, LARGEST };

	return sizes[number * 7 % 6];
}

/* Sends until it may pass point 2; value[0] counts what was sent. */
static void sender(struct stage *stage, const void *argument)
{
	const uint64_t me = *(const uint64_t *)argument;
	ferry_mailbox *box = box_open("orders", NULL);

	stage_reach(stage, 1);
	for (uint64_t i = 1; atomic_load(&stage->allowed) < 2; i++) {
		const uint64_t number = me << 32 | i;
		int r = box_send_pattern(box, number, size_of(number), ferry_in_ms(5));
		if (r == -ETIMEDOUT)
			i--;
		else
			check_eq(r, 0);
		atomic_store(&stage->value[0], (int64_t)i);
	}
	ferry_mailbox_close(box);
}

static void receiver(struct stage *stage, const void *argument)
{
	ferry_mailbox *box = box_open("orders", NULL);
	unsigned char data[LARGEST];

	(void)argument;
	stage_reach(stage, 1);
	for (;;) {
		ssize_t n = ferry_mailbox_receive(box, data, sizeof data, ferry_in_ms(5));
		if (n == -ETIMEDOUT && atomic_load(&stage->allowed) >= 2)
			break;
		if (n >= 0)
			(void)box_whole(data, (size_t)n);
		else
			check_eq(n, -ETIMEDOUT);
	}
	ferry_mailbox_close(box);
}

/* Look at the next; each sender's come whole, in order and at most once. */
static ssize_t watch(struct witness *witness, uint64_t last[static 4], ferry_deadline deadline)
{
	ssize_t n = next_by(witness, deadline);

	if (n < 0) {
		check_eq(n, -ETIMEDOUT);
		return n;
	}
	uint64_t number = box_whole(witness->data, (size_t)n);
	uint64_t from = number >> 32, i = number & UINT32_MAX;
	check(from < 4 && i > last[from]);
	last[from] = i;
	return n;
}

enum trouble { PEACE, STOPS, KILLS };

static void watch_a_crowd(enum trouble trouble, uint64_t n_receivers)
{
	static const uint64_t names[] = { 0, 1, 2 };
	uint64_t last[4] = { 0 }, sent = 0, killed = 0;
	ferry_mailbox *box = box_open("orders", OPTIONS(.max_size = LARGEST, .messages = 20));
	struct peer senders[3], receivers[2];
	struct witness witness;

	begin(&witness);
	for (uint64_t i = 0; i < 3; i++)
		peer_start(&senders[i], sender, &names[i]);
	for (uint64_t i = 0; i < n_receivers; i++)
		peer_start(&receivers[i], receiver, NULL);
	for (uint64_t i = 0; i < 3; i++)
		peer_await(&senders[i], 1);
	const int64_t until = clock_ns() + (int64_t)check_repeat(1, 20) * 1000000000;
	for (int64_t i = 0; clock_ns() < until; i++) {
		(void)watch(&witness, last, ferry_in_ms(1));
		if (trouble == STOPS && i % 50 == 0) {
			peer_stop(&senders[i / 50 % 3]);
			for (int k = 0; k < 20; k++)
				(void)watch(&witness, last, ferry_in_ms(1));
			peer_resume(&senders[i / 50 % 3]);
		}
		if (trouble == KILLS && i % 2000 == 1999 && killed < 2)
			peer_kill(&senders[killed++]);
	}
	for (uint64_t i = killed; i < 3; i++) {
		peer_allow(&senders[i], 2);
		peer_join(&senders[i]);
	}
	for (uint64_t i = 0; i < n_receivers; i++) {
		peer_allow(&receivers[i], 2);
		peer_join(&receivers[i]);
	}
	while (n_receivers && ferry_mailbox_receive(box, witness.data, LARGEST, FERRY_NOW) >= 0)
		;
	while (watch(&witness, last, ferry_in_ms(1)) >= 0)
		;
	sent = box_stat(box).sent;
	if (killed == 0)
		check_eq(witness.seen + witness.missed, sent);
	check(witness.seen > 0);
	check(witness.seen + witness.missed <= sent + killed &&
	      witness.seen + witness.missed + killed >= sent);
	end(&witness);
	box_end(box, "orders");
}

static void under_load_all_is_whole_in_order_and_counted(void)
{
	watch_a_crowd(PEACE, 1);
	watch_a_crowd(PEACE, 2);
}

static void stopped_senders_delay_it_not_and_are_counted(void)
{
	watch_a_crowd(STOPS, 1);
}

static void killed_senders_put_it_off_by_one_at_most(void)
{
	watch_a_crowd(KILLS, 1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(shows_what_passes_from_now_on_and_leaves_it_there),
		claim(shows_what_has_been_received_meanwhile),
		claim(shows_a_message_once_however_often_it_is_delivered),
		claim(tells_priority_and_time_left_and_shows_the_expired),
		claim(counts_exactly_what_it_missed),
		claim(memory_that_was_used_again_counts_as_missed),
		claim(positions_that_were_passed_are_no_messages),
		claim(a_message_too_large_for_the_buffer_waits_for_a_larger_one),
		claim(refuses_what_makes_no_sense),
		claim(c10_needs_no_write_permission_and_changes_nothing),
		claim(waits_for_a_message_until_the_deadline),
		claim(c6_c7_sleeps_until_a_message_or_removal_comes),
		claim(under_load_all_is_whole_in_order_and_counted),
		claim(stopped_senders_delay_it_not_and_are_counted),
		claim(killed_senders_put_it_off_by_one_at_most),
	};

	return claim_run_all(claims);
}
