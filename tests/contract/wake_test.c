/* SPDX-License-Identifier: MIT */
/* Sleepers are woken by what they wait for, not by their next look at the clock (C6). A lost wake
 * costs a sleeper up to 30 ms; so the median of many must lie well below. */

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

enum { ROUNDS = 41, LARGE = 4096, LOANS_MOST = 64 };

/* What a sleeper waits for, and how the test lets it have that. */
struct game {
	void (*sleep)(ferry_mailbox *box);   /* in the peer: one call that blocks */
	void (*tidy)(ferry_mailbox *box);    /* in the peer, after it */
	void (*prepare)(ferry_mailbox *box); /* in the test: so that it blocks */
	void (*wake)(ferry_mailbox *box);    /* in the test: so that it goes on */
	void (*settle)(ferry_mailbox *box);  /* in the test, after it */
};

static struct ferry_message loan;
static struct ferry_message hoard[LOANS_MOST];
static int n_hoard;

static void nothing(ferry_mailbox *box)
{
	(void)box;
}

static void sleep_receiving(ferry_mailbox *box)
{
	box_receive(box);
}

static void send_one(ferry_mailbox *box)
{
	box_send(box, 1);
}

static void receive_one(ferry_mailbox *box)
{
	box_expect(box, 1);
}

static void sleep_sending(ferry_mailbox *box)
{
	const uint64_t number = 1;

	check_eq(ferry_mailbox_send(box, &number, sizeof number, box_patience()), 0);
}

static void sleep_borrowing(ferry_mailbox *box)
{
	check_eq(ferry_mailbox_loan(box, LARGE, &loan, box_patience()), 0);
}

static void cancel(ferry_mailbox *box)
{
	check_eq(ferry_mailbox_cancel(box, &loan), 0);
}

static void borrow_all(ferry_mailbox *box)
{
	n_hoard = 0;
	while (ferry_mailbox_loan(box, LARGE, &hoard[n_hoard], FERRY_NOW) == 0)
		check(++n_hoard < LOANS_MOST);
}

static void cancel_one(ferry_mailbox *box)
{
	check_eq(ferry_mailbox_cancel(box, &hoard[--n_hoard]), 0);
}

static void cancel_rest(ferry_mailbox *box)
{
	while (n_hoard)
		cancel_one(box);
}

static void sleeper(struct stage *stage, const void *argument)
{
	const struct game *game = argument;
	ferry_mailbox *box = box_open("orders", OPTIONS(.spin = -1));

	for (uint32_t round = 1; round <= ROUNDS; round++) {
		stage_wait(stage, round);
		game->sleep(box);
		atomic_store(&stage->value[0], clock_ns());
		game->tidy(box);
		stage_reach(stage, round);
	}
	ferry_mailbox_close(box);
}

static int asleep(ferry_mailbox *box)
{
	const struct ferry_mailbox_stat stat = box_stat(box);

	return stat.waiting_receivers + stat.waiting_senders == 1;
}

static void woken_soon(const struct game *game)
{
	int64_t took[ROUNDS];
	struct peer peer;
	ferry_mailbox *box =
	    box_open("orders", OPTIONS(.messages = 1, .max_size = LARGE, .memory = LARGE));

	peer_start(&peer, sleeper, game);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		int64_t start;

		game->prepare(box);
		peer_allow(&peer, round);
		await(asleep(box) && process_asleep(peer.pid));
		start = clock_ns();
		game->wake(box);
		peer_await(&peer, round);
		took[round - 1] = atomic_load(&peer.stage->value[0]) - start;
		game->settle(box);
	}
	peer_join(&peer);
	check_median(took, ROUNDS, 10000000);
	box_end(box, "orders");
}

static void c6_message_wakes_a_sleeping_receiver(void)
{
	woken_soon(&(const struct game){ sleep_receiving, nothing, nothing, send_one, nothing });
}

static void c6_room_wakes_a_sleeping_sender(void)
{
	woken_soon(
	    &(const struct game){ sleep_sending, nothing, send_one, receive_one, receive_one });
}

static void c6_memory_wakes_a_sleeping_borrower(void)
{
	woken_soon(
	    &(const struct game){ sleep_borrowing, cancel, borrow_all, cancel_one, cancel_rest });
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c6_message_wakes_a_sleeping_receiver),
		claim(c6_room_wakes_a_sleeping_sender),
		claim(c6_memory_wakes_a_sleeping_borrower),
	};

	return claim_run_all(claims);
}
