/* SPDX-License-Identifier: MIT */
/* Senders and receivers are killed and stopped at random moments; a ledger in shared memory tells
 * what each of them had been told, and in the end every message is accounted for (C1 to C5). */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_MAILBOX_OPTIONS

enum { SENDERS = 2, RECEIVERS = 2, RANGE = 1 << 20, NOTHING = -1 };

/* What is known of a message. */
struct entry {
	_Atomic uint8_t started;  /* a send of it has begun */
	_Atomic uint8_t returned; /* and said that it is sent */
	_Atomic uint8_t finished; /* how often a receiver was told that it is done */
	_Atomic uint8_t in_doubt; /* a receiver was killed while it said so */
};

/* Message numbers are sender * RANGE + a count. */
struct ledger {
	struct entry entry[SENDERS * RANGE];
	_Atomic int64_t next[SENDERS];    /* the next number of each sender */
	_Atomic int64_t doing[RECEIVERS]; /* what each receiver is in done() with */
	_Atomic uint64_t handled;         /* messages finished */
};

static struct ledger *ledger;

static size_t size_of(int64_t number)
{
	static const size_t sizes[] = { 8, 100, 112, 113, 3000, 20000 };

	return sizes[(uint64_t)number % 6];
}

static void send_for_ever(struct stage *stage, const void *argument)
{
	const int sender = *(const int *)argument;
	ferry_mailbox *box = box_open("orders", NULL);

	stage_reach(stage, 1);
	for (;;) {
		const int64_t number = atomic_fetch_add(&ledger->next[sender], 1);
		struct entry *entry = &ledger->entry[number];

		check(number < (sender + 1) * RANGE);
		atomic_store(&entry->started, 1);
		check_eq(box_send_pattern(box, (uint64_t)number, size_of(number), FERRY_FOREVER),
			 0);
		atomic_store(&entry->returned, 1);
	}
}

/* Finish one message and write it down. */
static void finish(ferry_mailbox *box, struct ferry_message *message, int receiver)
{
	const int64_t number = (int64_t)box_whole(message->data, message->size);

	check_eq(message->size, size_of(number));
	check(ledger->entry[number].started);
	atomic_store(&ledger->doing[receiver], number);
	check_eq(ferry_mailbox_done(box, message), 0);
	atomic_fetch_add(&ledger->entry[number].finished, 1);
	atomic_store(&ledger->doing[receiver], NOTHING);
	atomic_fetch_add(&ledger->handled, 1);
}

static void receive_for_ever(struct stage *stage, const void *argument)
{
	const int receiver = *(const int *)argument;
	ferry_mailbox *box = box_open("orders", NULL);

	stage_reach(stage, 1);
	for (;;) {
		struct ferry_message message;

		check_eq(ferry_mailbox_take(box, &message, FERRY_FOREVER), 0);
		finish(box, &message, receiver);
	}
}

/* All that happens in one claim. */
static struct peer senders[SENDERS];
static struct peer receivers[RECEIVERS];
static const int numbers[] = { 0, 1, 2, 3 };

static void start_sender(int i)
{
	peer_start(&senders[i], send_for_ever, &numbers[i]);
}

static void start_receiver(int i)
{
	peer_start(&receivers[i], receive_for_ever, &numbers[i]);
}

static void begin(void)
{
	ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(ledger != MAP_FAILED);
	for (int i = 0; i < SENDERS; i++)
		ledger->next[i] = i * RANGE;
	for (int i = 0; i < RECEIVERS; i++)
		ledger->doing[i] = NOTHING;
	ferry_mailbox_close(
	    box_open("orders", OPTIONS(.max_size = 20000, .messages = 16, .memory = 100000)));
	for (int i = 0; i < SENDERS; i++)
		start_sender(i);
	for (int i = 0; i < RECEIVERS; i++)
		start_receiver(i);
}

static void kill_receiver(int i)
{
	int64_t doing;

	peer_kill(&receivers[i]);
	doing = atomic_exchange(&ledger->doing[i], NOTHING);
	if (doing != NOTHING)
		ledger->entry[doing].in_doubt = 1;
}

static void drain(void)
{
	ferry_mailbox *box = box_open("orders", NULL);
	struct ferry_message message;
	int r;

	while ((r = ferry_mailbox_take(box, &message, ferry_in_ms(200))) == 0)
		finish(box, &message, 0);
	check_eq(r, -ETIMEDOUT);
	box_repair("orders");
	check_eq(box_stat(box).memory_free, box_stat(box).memory);
	check_eq(box_stat(box).taken, 0);
	check_eq(box_stat(box).members_alive, 1);
	box_end(box, "orders");
}

static void account_for(int64_t number)
{
	const struct entry *entry = &ledger->entry[number];

	if (entry->finished > 1)
		check_failed(__FILE__, __LINE__, "message %jd came twice", (intmax_t)number);
	if (entry->returned && !entry->finished && !entry->in_doubt)
		check_failed(__FILE__, __LINE__, "message %jd is lost", (intmax_t)number);
}

/* Kill all, drain what is left, and settle. */
static void settle(void)
{
	int64_t sent = 0;

	for (int i = 0; i < SENDERS; i++)
		peer_kill(&senders[i]);
	for (int i = 0; i < RECEIVERS; i++)
		kill_receiver(i);
	drain();
	for (int i = 0; i < SENDERS; i++) {
		for (int64_t n = i * RANGE; n < ledger->next[i]; n++)
			account_for(n);
		sent += ledger->next[i] - i * RANGE;
	}
	check(sent > 100);
	munmap(ledger, sizeof *ledger);
}

static void spin_for(int64_t ns)
{
	const int64_t until = clock_ns() + ns;

	while (clock_ns() < until)
		;
}

/* More messages get through, whatever has just happened. */
static void flows(void)
{
	const uint64_t before = atomic_load(&ledger->handled);

	await(atomic_load(&ledger->handled) > before + 5);
}

static void c1_c2_c3_messages_of_killed_senders_are_whole_kept_and_single(void)
{
	srand(1);
	begin();
	for (int i = 0; i < check_repeat(120, 10000); i++) {
		const int victim = rand() % SENDERS;

		peer_await(&senders[victim], 1);
		spin_for(rand() % 300000);
		peer_kill(&senders[victim]);
		start_sender(victim);
		flows();
	}
	settle();
}

static void c1_c2_c3_messages_of_killed_receivers_come_again_and_none_twice(void)
{
	srand(2);
	begin();
	for (int i = 0; i < check_repeat(120, 10000); i++) {
		const int victim = rand() % RECEIVERS;

		peer_await(&receivers[victim], 1);
		spin_for(rand() % 300000);
		kill_receiver(victim);
		start_receiver(victim);
		flows();
	}
	settle();
}

static void c5_any_may_be_killed_at_any_time(void)
{
	srand(3);
	begin();
	for (int i = 0; i < check_repeat(120, 10000); i++) {
		const int victim = rand() % 2;

		spin_for(rand() % 300000);
		if (rand() % 2) {
			peer_kill(&senders[victim]);
			start_sender(victim);
		} else {
			kill_receiver(victim);
			start_receiver(victim);
		}
		if (i % 8 == 0)
			flows();
	}
	settle();
}

static void c5_any_may_be_stopped_at_any_time_and_resumed(void)
{
	srand(4);
	begin();
	for (int i = 0; i < check_repeat(80, 5000); i++) {
		const struct peer *sender = &senders[rand() % SENDERS];
		const struct peer *receiver = &receivers[rand() % RECEIVERS];

		peer_await(sender, 1);
		peer_await(receiver, 1);
		spin_for(rand() % 300000);
		peer_stop(sender);
		peer_stop(receiver);
		flows();
		peer_resume(sender);
		peer_resume(receiver);
	}
	settle();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c1_c2_c3_messages_of_killed_senders_are_whole_kept_and_single),
		claim(c1_c2_c3_messages_of_killed_receivers_come_again_and_none_twice),
		claim(c5_any_may_be_killed_at_any_time),
		claim(c5_any_may_be_stopped_at_any_time_and_resumed),
	};

	return claim_run_all(claims);
}
