/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - the record of what became of every message, kept while processes are killed.
 *
 * Senders and receivers write into one shared memory what they are about to do and what they have
 * done, so that a process may be killed anywhere and what it left behind can still be judged. Used
 * by `ferry demo` and `ferry torture mailbox`.
 *
 * A stream numbers the messages of one sender (and of those who replace it after its death). Each
 * message has a slot, used again for a later number once its message is settled. What the ledger
 * demands, and why, is written above judge_seen() and judge_order() in ledger.c.
 */
#ifndef FERRY_CLI_LEDGER_H
#define FERRY_CLI_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"

#define LEDGER_STREAMS_MAX    128
#define LEDGER_SEATS_MAX      1000
#define LEDGER_PRIORITIES_MAX 32
#define LEDGER_BATCH          16 /* most messages in one call */

/* How large a ledger is to be. */
struct ledger_plan {
	struct faults *faults; /* where it reports what is wrong */
	uint32_t streams;      /* up to LEDGER_STREAMS_MAX */
	uint32_t seats;        /* places for receivers, up to LEDGER_SEATS_MAX */
	uint32_t priorities;   /* up to LEDGER_PRIORITIES_MAX */
	uint32_t window;       /* unsettled messages of a stream at once; a power of two */
};

struct ledger; /* in shared memory; children made by fork() use their parent's pointer */

/* A new, empty ledger; NULL without memory for it. */
struct ledger *ledger_make(const struct ledger_plan *plan);
void ledger_unmake(struct ledger *l);

/* ---- the sender's side: one process at a time in each stream ---- */

/* What a message is, and how it may end other than by being received. */
struct ledger_message {
	uint32_t priority;
	uint64_t ttl;       /* ns to live, 0 = for ever */
	uint64_t droppable; /* ns after which it may be missing without being lost, 0 = never */
	uint64_t tag;       /* the caller's own; must come back as it is here */
};

/* A message is about to be sent. Gives its number, or -EAGAIN while too many are not settled. */
int64_t ledger_begin(struct ledger *l, uint32_t stream, const struct ledger_message *message);

/* Its send has returned success. */
void ledger_sent(struct ledger *l, uint32_t stream, uint64_t number);

/* Its send has failed: it must never come. */
void ledger_unsent(struct ledger *l, uint32_t stream, uint64_t number);

/* The stream's sender is dead: what it was sending may come or not. Gives how many those are. */
uint32_t ledger_bury_sender(struct ledger *l, uint32_t stream);

/* The last message that was begun in a stream, with its tag. False if there is none. ret_sent says
 * whether its send is known to have returned. */
bool ledger_last(const struct ledger *l, uint32_t stream, uint64_t *ret_tag, bool *ret_sent);

/* ---- the receiver's side: one process at a time in each seat ---- */

/* A new process is going to have the seat. Called before it starts. */
void ledger_seat(struct ledger *l, uint32_t seat);

/* The process in the seat is going to be killed. Called before it is, so that whatever others
 * receive because of its death comes after this. */
void ledger_condemn(struct ledger *l, uint32_t seat);

/* What had been received when a receiving call began. Private to a process. */
struct ledger_view {
	uint64_t called; /* ns just before the call */
	struct ledger_row {
		uint64_t begun;  /* latest begin of a send among the messages received so far */
		uint64_t called; /* latest call among the receives that have returned */
		uint64_t number[LEDGER_STREAMS_MAX]; /* highest number received, + 1 */
	} rows[LEDGER_PRIORITIES_MAX];
};

void ledger_look(const struct ledger *l, struct ledger_view *view);

/* A message as a receiver got it. */
struct ledger_delivery {
	uint32_t stream;
	uint64_t number;
	uint32_t priority;
	uint32_t deliveries;
	uint64_t tag;
};

/* A message came from a call that began at view. held: it must be finished yet (take). */
void ledger_seen(struct ledger *l, uint32_t seat, struct ledger_view *view,
		 const struct ledger_delivery *delivery, bool held);

/* About to finish a held message; has finished it; about to give it back unfinished. */
void ledger_finishing(struct ledger *l, uint32_t seat, const struct ledger_delivery *delivery);
void ledger_finished(struct ledger *l, uint32_t seat, const struct ledger_delivery *delivery);
void ledger_returning(struct ledger *l, uint32_t seat, const struct ledger_delivery *delivery);

/* A dead receiver had this whole message in its buffer: it may have received it. taken: it cannot
 * have come there without being taken, so if it comes again its delivery count is raised. */
void ledger_found(struct ledger *l, uint32_t stream, uint64_t number, bool taken);

/* ---- the reckoning ---- */

struct ledger_sum {
	uint64_t begun;       /* messages whose send was begun and did not fail */
	uint64_t arrived;     /* of those, that were received */
	uint64_t absent;      /* senders died in mid-send, and the message never came */
	uint64_t doubtful;    /* senders died in mid-send, and the message came all the same */
	uint64_t redelivered; /* deliveries beyond the first of a message */
	uint64_t gone;        /* expired or dropped, as was asked */
};

/* Judge what is still open when everything has come to its end, and add up. */
void ledger_close(struct ledger *l, struct ledger_sum *ret_sum);

#endif
