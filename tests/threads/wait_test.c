/* SPDX-License-Identifier: MIT */
/* One waiter used by many threads at once: some wait and receive, some send, one changes the set,
 * one wakes. And a loop for which many threads leave calls. Nothing is lost, and the thread
 * sanitizer sees no race. */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "crew.h"

enum { BOXES = 4, SENDERS = 2, OTHERS = 2, WAITERS = 3 };

struct hall {
	ferry_waiter *waiter;
	ferry_mailbox *box[BOXES];
	ferry_mailbox *guest; /* comes and goes */
	int key[BOXES];
	int messages; /* of each sender */
	_Atomic uint64_t sum, received;
};

static uint64_t all(const struct hall *hall)
{
	return (uint64_t)hall->messages * SENDERS;
}

/* To all mailboxes in turn. */
static void send_numbers(const struct crew_member *member)
{
	struct hall *hall = member->shared;

	for (int i = 1; i <= hall->messages; i++) {
		const uint64_t number = (uint64_t)i;

		check_eq(ferry_mailbox_send(hall->box[i % BOXES], &number, sizeof number,
					    box_patience()),
			 0);
	}
}

static void change_the_set(struct hall *hall)
{
	const struct ferry_item item = ferry_on_mailbox(hall->guest, FERRY_CAN_READ);

	while (atomic_load(&hall->received) < all(hall)) {
		int key = ferry_waiter_add(hall->waiter, &item, NULL);

		check(key >= 0);
		check_eq(ferry_waiter_change(hall->waiter, key, 0), 0);
		check_eq(ferry_waiter_remove(hall->waiter, key), 0);
		clock_pause();
	}
	check_eq(ferry_waiter_cancel(hall->waiter), 0);
}

static void wake_and_open_descriptors(struct hall *hall)
{
	const struct ferry_item item = ferry_on_mailbox(hall->box[0], FERRY_CAN_READ);

	while (atomic_load(&hall->received) < all(hall)) {
		int fd = ferry_fd(&item);

		check(fd >= 0);
		check_eq(ferry_wake(hall->waiter), 0);
		check(ferry_fd_clear(fd) >= 0);
		check_eq(ferry_fd_close(fd), 0);
		clock_pause();
	}
}

static void do_numbers(const struct crew_member *member)
{
	struct hall *hall = member->shared;

	if (member->number < SENDERS)
		send_numbers(member);
	else if (member->number == SENDERS)
		change_the_set(hall);
	else
		wake_and_open_descriptors(hall);
}

static void receive_all(struct hall *hall, const struct ferry_report *report)
{
	uint64_t number;
	int box = 0;

	while (box < BOXES && hall->key[box] != report->key)
		box++;
	check(box < BOXES); /* the guest never has anything */
	while (ferry_mailbox_receive(hall->box[box], &number, sizeof number, FERRY_NOW) > 0) {
		atomic_fetch_add(&hall->sum, number);
		atomic_fetch_add(&hall->received, 1);
	}
}

static void wait_for_numbers(const struct crew_member *member)
{
	struct hall *hall = member->shared;
	struct ferry_report report[BOXES];
	int n;

	while ((n = ferry_waiter_wait(hall->waiter, report, BOXES, box_patience())) >= 0)
		for (int i = 0; i < n; i++) {
			receive_all(hall, &report[i]);
			check_eq(ferry_waiter_change(hall->waiter, report[i].key,
						     FERRY_CAN_READ | FERRY_ONE_SHOT),
				 0);
		}
	check_eq(n, -ECANCELED);
}

static void one_waiter_for_many_threads(void)
{
	static struct hall hall;
	static const char *const name[BOXES] = { "a", "b", "c", "d" };

	hall.messages = check_repeat(4000, 200000);
	check_eq(ferry_waiter_open(&hall.waiter, NULL), 0);
	hall.guest = box_open("guest", NULL);
	for (int i = 0; i < BOXES; i++) {
		struct ferry_item item;

		hall.box[i] = box_open(name[i], FERRY_MAILBOX_OPTIONS(.messages = 16));
		item = ferry_on_mailbox(hall.box[i], FERRY_CAN_READ | FERRY_ONE_SHOT);
		hall.key[i] = ferry_waiter_add(hall.waiter, &item, NULL);
		check(hall.key[i] >= 0);
	}
	crew_run_two(SENDERS + OTHERS, do_numbers, WAITERS, wait_for_numbers, &hall);
	check_eq(hall.received, all(&hall));
	check_eq(hall.sum, (uint64_t)hall.messages * ((uint64_t)hall.messages + 1) / 2 * SENDERS);
	ferry_waiter_close(hall.waiter);
	box_end(hall.guest, "guest");
	for (int i = 0; i < BOXES; i++)
		box_end(hall.box[i], name[i]);
}

/* ---- a loop ---- */

enum { DEFERRERS = 4 };

struct office {
	ferry_loop *loop;
	int calls; /* of each thread */
	int total; /* those that came; the loop's thread alone touches it */
	uint64_t last[DEFERRERS];
};

struct slip {
	struct office *office;
	int from;
	uint64_t number;
};

static void take_slip(ferry_loop *loop, void *arg)
{
	struct slip *slip = arg;
	struct office *office = slip->office;

	check_eq(slip->number, office->last[slip->from] + 1);
	office->last[slip->from] = slip->number;
	if (++office->total == office->calls * DEFERRERS)
		check_eq(ferry_loop_stop(loop, 0), 0);
	free(slip);
}

static void leave_slips(const struct crew_member *member)
{
	struct office *office = member->shared;

	for (int i = 1; i <= office->calls; i++) {
		struct slip *slip = malloc(sizeof *slip);

		check(slip);
		*slip = (struct slip){ office, member->number, (uint64_t)i };
		check_eq(ferry_loop_defer(office->loop, take_slip, slip), 0);
	}
}

static void run_office(const struct crew_member *member)
{
	struct office *office = member->shared;

	check_eq(ferry_loop_run(office->loop, box_patience()), 0);
}

static void many_threads_leave_calls_for_a_loop(void)
{
	static struct office office;

	office.calls = check_repeat(3000, 100000);
	check_eq(ferry_loop_open(&office.loop, NULL), 0);
	crew_run_two(DEFERRERS, leave_slips, 1, run_office, &office);
	check_eq(office.total, office.calls * DEFERRERS);
	ferry_loop_close(office.loop);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(one_waiter_for_many_threads),
		claim(many_threads_leave_calls_for_a_loop),
	};

	return claim_run_all(claims);
}
