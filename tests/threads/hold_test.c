/* SPDX-License-Identifier: MIT */
/* Threads that take, return, borrow, look, drop, open and close, all at once. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "crew.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

enum { LARGEST = 2000, EACH = 1500, SENDERS = 2, ALL = SENDERS * EACH };

/* What the threads of a claim share. */
struct scene {
	ferry_mailbox *box;
	_Atomic uint64_t done;       /* messages finished */
	_Atomic int sending;         /* senders that have not ended */
	_Atomic uint64_t given_back; /* messages returned */
};

static size_t size_of(uint64_t number)
{
	static const size_t sizes[] = { 8, 112, 113, LARGEST };

	return sizes[number % 4];
}

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16;
}

static void send_all(const struct crew_member *member)
{
	struct scene *scene = member->shared;

	for (uint64_t i = 0; i < EACH; i++) {
		const uint64_t number = (uint64_t)member->number * EACH + i;

		atomic_store(&journal_entry(number)->send_begin, journal_tick());
		check_eq(box_send_pattern(scene->box, number, size_of(number), box_patience()), 0);
		atomic_store(&journal_entry(number)->send_end, journal_tick());
	}
	atomic_fetch_sub(&scene->sending, 1);
}

/* Borrow, sometimes change one's mind, commit. */
static void lend_all(const struct crew_member *member)
{
	struct scene *scene = member->shared;
	unsigned seed = (unsigned)member->number + 1;

	for (uint64_t i = 0; i < EACH;) {
		const uint64_t number = (uint64_t)member->number * EACH + i;
		struct ferry_message loan;

		check_eq(ferry_mailbox_loan(scene->box, LARGEST, &loan, box_patience()), 0);
		if (next_random(&seed) % 4 == 0) {
			memset(loan.data, 0, loan.size);
			check_eq(ferry_mailbox_cancel(scene->box, &loan), 0);
			continue;
		}
		loan.size = size_of(number);
		box_fill(loan.data, number, loan.size);
		atomic_store(&journal_entry(number)->send_begin, journal_tick());
		check_eq(ferry_mailbox_commit(scene->box, &loan, box_patience()), 0);
		atomic_store(&journal_entry(number)->send_end, journal_tick());
		i++;
	}
	atomic_fetch_sub(&scene->sending, 1);
}

/* Take one; finish it, or give it back one time in three. */
static void take_one(struct scene *scene, ferry_mailbox *box, unsigned *seed)
{
	struct ferry_message message;
	const uint64_t begin = journal_tick();
	const int r = ferry_mailbox_take(box, &message, ferry_in_ms(20));
	uint64_t number;

	if (r) {
		check_eq(r, -ETIMEDOUT);
		return;
	}
	number = box_whole(message.data, message.size);
	check_eq(message.size, size_of(number));
	if (next_random(seed) % 3 == 0) {
		check_eq(ferry_mailbox_return(box, &message), 0);
		atomic_fetch_add(&scene->given_back, 1);
		return;
	}
	journal_received(number, begin);
	check_eq(ferry_mailbox_done(box, &message), 0);
	atomic_fetch_add(&scene->done, 1);
}

static void take_all(const struct crew_member *member)
{
	struct scene *scene = member->shared;
	unsigned seed = (unsigned)member->number + 77;

	while (atomic_load(&scene->done) < ALL)
		take_one(scene, scene->box, &seed);
}

/* As take_all(), with a handle that is closed and opened again now and then, also with a message in
 * hand. */
static void take_and_come_and_go(const struct crew_member *member)
{
	struct scene *scene = member->shared;
	unsigned seed = (unsigned)member->number + 99;

	while (atomic_load(&scene->done) < ALL) {
		ferry_mailbox *own = box_open("orders", NULL);
		struct ferry_message message;

		for (unsigned i = next_random(&seed) % 20; i > 0; i--)
			take_one(scene, own, &seed);
		if (ferry_mailbox_take(own, &message, FERRY_NOW) == 0)
			atomic_fetch_add(&scene->given_back, 1);
		ferry_mailbox_close(own);
	}
}

static struct scene begin(const struct ferry_mailbox_options *options)
{
	journal_begin(ALL);
	return (struct scene){ .box = box_open("orders", options), .sending = SENDERS };
}

static void end(struct scene *scene)
{
	const struct ferry_mailbox_stat stat = box_stat(scene->box);

	journal_check_all_came_once();
	check_eq(stat.messages, 0);
	check_eq(stat.taken, 0);
	check_eq(stat.sent, ALL);
	check_eq(stat.received, ALL);
	check_eq(stat.redelivered, scene->given_back);
	check_eq(stat.memory_free, stat.memory);
	check_eq(stat.members_alive, 1);
	check_eq(stat.members_dead, 0);
	journal_free();
	box_end(scene->box, "orders");
}

static void taken_and_returned_messages_end_done_once(void)
{
	struct scene scene = begin(OPTIONS(.max_size = LARGEST, .messages = 16));

	crew_run_two(SENDERS, send_all, 3, take_all, &scene);
	end(&scene);
}

static void loans_of_many_threads_become_messages_once(void)
{
	struct scene scene = begin(OPTIONS(.max_size = LARGEST, .memory = 4 * LARGEST));

	crew_run_two(SENDERS, lend_all, 3, take_all, &scene);
	end(&scene);
}

static void handles_that_come_and_go_lose_nothing(void)
{
	struct scene scene = begin(OPTIONS(.max_size = LARGEST, .messages = 16, .members = 8));

	crew_run_two(SENDERS, send_all, 3, take_and_come_and_go, &scene);
	end(&scene);
}

static void send_dropping(const struct crew_member *member)
{
	struct scene *scene = member->shared;

	for (uint64_t i = 0; i < EACH; i++) {
		const uint64_t number = (uint64_t)member->number * EACH + i;
		int r;

		atomic_store(&journal_entry(number)->send_begin, journal_tick());
		r = box_send_pattern(scene->box, number, size_of(number), FERRY_NOW);
		check(r == 0 || r == -ENOBUFS);
		if (r == 0)
			atomic_fetch_add(&scene->given_back, 1);
	}
	atomic_fetch_sub(&scene->sending, 1);
}

static void receive_what_is_not_dropped(const struct crew_member *member)
{
	struct scene *scene = member->shared;
	unsigned char data[LARGEST];

	for (;;) {
		const int last = atomic_load(&scene->sending) == 0;
		const uint64_t begin = journal_tick();
		const ssize_t n = ferry_mailbox_receive(scene->box, data, sizeof data, FERRY_NOW);

		if (n < 0 && last)
			break;
		check(n > 0 || n == -EAGAIN);
		if (n <= 0)
			continue;
		journal_received(box_whole(data, (size_t)n), begin);
		atomic_fetch_add(&scene->done, 1);
	}
}

static void dropped_and_received_are_all_that_was_sent(void)
{
	struct scene scene =
	    begin(OPTIONS(.max_size = LARGEST, .messages = 8, .flags = FERRY_DROP_OLDEST));
	struct ferry_mailbox_stat stat;

	crew_run_two(SENDERS, send_dropping, 2, receive_what_is_not_dropped, &scene);
	stat = box_stat(scene.box);
	check_eq(stat.sent, scene.given_back);
	check_eq(stat.received, scene.done);
	check_eq(stat.dropped + stat.received, stat.sent);
	check_eq(stat.messages, 0);
	check_eq(stat.memory_free, stat.memory);
	for (uint64_t i = 0; i < ALL; i++)
		check(journal_entry(i)->received <= 1);
	journal_free();
	box_end(scene.box, "orders");
}

static void look_around(const struct crew_member *member)
{
	struct scene *scene = member->shared;
	unsigned char data[LARGEST];

	while (atomic_load(&scene->done) < ALL) {
		const ssize_t n =
		    ferry_mailbox_peek(scene->box, data, sizeof data, NULL, FERRY_NOW);
		const struct ferry_mailbox_stat stat = box_stat(scene->box);
		struct ferry_member members[4];

		check(n > 0 || n == -EAGAIN);
		if (n > 0)
			box_whole(data, (size_t)n);
		check(stat.messages <= 16 + SENDERS + 4);
		check(stat.memory_free <= stat.memory);
		check_eq(ferry_object_members("orders", members, 4, NULL), 1);
	}
}

static void take_or_look(const struct crew_member *member)
{
	if (member->number == 0)
		look_around(member);
	else
		take_all(member);
}

static void looking_around_disturbs_nobody(void)
{
	struct scene scene = begin(OPTIONS(.max_size = LARGEST, .messages = 16));

	crew_run_two(SENDERS, send_all, 3, take_or_look, &scene);
	end(&scene);
}

static void open_use_close(const struct crew_member *member)
{
	for (uint64_t i = 0; i < 150; i++) {
		ferry_mailbox *own = box_open("churn", OPTIONS(.messages = 64, .members = 32));
		const uint64_t number = (uint64_t)member->number << 32 | i;
		uint64_t got;

		check_eq(ferry_mailbox_send(own, &number, sizeof number, box_patience()), 0);
		check_eq(ferry_mailbox_receive(own, &got, sizeof got, box_patience()), sizeof got);
		ferry_mailbox_close(own);
	}
}

static void opening_and_closing_at_once_leaks_no_member(void)
{
	ferry_mailbox *box = box_open("churn", OPTIONS(.messages = 64, .members = 32));

	crew_run(6, open_use_close, NULL);
	check_eq(box_stat(box).members_alive, 1);
	check_eq(box_stat(box).members_dead, 0);
	check_eq(box_stat(box).messages, 0);
	box_end(box, "churn");
}

static void create_and_remove(const struct crew_member *member)
{
	(void)member;
	for (int i = 0; i < 150; i++) {
		ferry_mailbox *own = box_open("churn", OPTIONS(.messages = 4, .members = 16));
		const int sent = ferry_mailbox_send(own, "x", 1, FERRY_NOW);
		int r;

		check(sent == 0 || sent == -EIDRM || sent == -EAGAIN);
		r = ferry_remove("churn", NULL);
		check(r == 0 || r == -ENOENT);
		ferry_mailbox_close(own);
	}
}

static void creating_and_removing_at_once_leaves_nothing(void)
{
	crew_run(4, create_and_remove, NULL);
	check_eq(ferry_remove("churn", NULL), -ENOENT);
}

static void wait_for_removal(const struct crew_member *member)
{
	struct scene *scene = member->shared;
	uint64_t got;

	check_eq(ferry_mailbox_receive(scene->box, &got, sizeof got, FERRY_FOREVER), -EIDRM);
}

static void remove_when_all_wait(const struct crew_member *member)
{
	struct scene *scene = member->shared;

	await(box_stat(scene->box).waiting_receivers == 6);
	box_remove("orders");
}

static void c6_removal_wakes_every_thread(void)
{
	struct scene scene = { .box = box_open("orders", OPTIONS(.spin = -1)) };

	crew_run_two(6, wait_for_removal, 1, remove_when_all_wait, &scene);
	ferry_mailbox_close(scene.box);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(taken_and_returned_messages_end_done_once),
		claim(loans_of_many_threads_become_messages_once),
		claim(handles_that_come_and_go_lose_nothing),
		claim(dropped_and_received_are_all_that_was_sent),
		claim(looking_around_disturbs_nobody),
		claim(opening_and_closing_at_once_leaks_no_member),
		claim(creating_and_removing_at_once_leaves_nothing),
		claim(c6_removal_wakes_every_thread),
	};

	return claim_run_all(claims);
}
