/* SPDX-License-Identifier: MIT */
/*
 * The ledger of one run on a mailbox: every message that anybody sends, every call that anybody
 * makes, and what came out. It lies in memory that the processes of the run share and that outlives
 * each of them, so what a killed process had begun is still known. From it follows what must still
 * come out, and at the end whether the contract was kept.
 */
#ifndef KILL_MAILBOX_LEDGER_H
#define KILL_MAILBOX_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "family.h"

enum {
	LEDGER_MESSAGES = 256,
	LEDGER_EVENTS = 512,
	LEDGER_SMALLEST = 16, /* bytes of the smallest message: its number, size and sum */
};

enum event_kind { EVENT_RECEIVED, EVENT_TAKEN, EVENT_DONE, EVENT_RETURNED };

struct ledger_message {
	uint32_t size, priority;
	int64_t ttl;
	bool may_vanish;          /* its time to live may end before it is received */
	uint32_t begun, returned; /* stamps of its send; 0 = not yet */
	int result;
};

struct ledger_event {
	enum event_kind kind;
	uint32_t actor, id, deliveries;
	uint32_t begun, returned; /* stamps of the call */
};

struct ledger_actor {
	uint32_t touched;  /* messages that its unfinished call may have laid hands on */
	uint32_t doubt;    /* how many of those it may have received for good */
	uint32_t doubt_id; /* which, where that is known */
	uint32_t begun;    /* stamp of the unfinished call */
	bool dead;
};

struct ledger {
	struct faults *faults;
	_Atomic uint32_t stamp, n_messages, n_events;
	uint32_t recovered; /* stamp from which on the dead hold nothing any more; 0 = not yet */
	uint32_t dropped;   /* messages that a full FERRY_DROP_OLDEST mailbox may have dropped */
	uint32_t erased;    /* messages up to this one went with a mailbox that was removed */
	bool drops;         /* it is a FERRY_DROP_OLDEST mailbox */
	bool may_remove;    /* somebody removes the mailbox */
	uint32_t full;      /* messages and loans in it when its senders fell asleep */
	struct ledger_actor actors[ACTORS];
	struct ledger_message messages[LEDGER_MESSAGES];
	struct ledger_event events[LEDGER_EVENTS];
};

/* Read a counter. */
static inline uint32_t ledger_count(const _Atomic uint32_t *counter)
{
	return atomic_load_explicit(counter, memory_order_seq_cst);
}

/* The next message of the run; ledger_write() fills data with its bytes. */
uint32_t ledger_new(struct ledger *ledger, uint32_t size, uint32_t priority, int64_t ttl);
void ledger_write(const struct ledger *ledger, uint32_t id, void *data);

void ledger_send_begins(struct ledger *ledger, uint32_t id);
void ledger_send_returns(struct ledger *ledger, uint32_t id, int result);

/* A call begins that may lay hands on some messages, and may finish so many of them; id = which
 * one, or 0 if that cannot be known. */
void ledger_call_begins(struct ledger *ledger, uint32_t actor, uint32_t touched, uint32_t doubt,
			uint32_t id);
void ledger_call_returns(struct ledger *ledger, uint32_t actor);

/* The call of this actor brought a message out. Checks its bytes and returns its number, or 0. */
uint32_t ledger_arrives(struct ledger *ledger, uint32_t actor, enum event_kind kind,
			const void *data, size_t size, uint32_t priority, uint32_t deliveries);

/* The call of this actor finished or returned a taken message. */
void ledger_settles(struct ledger *ledger, uint32_t actor, enum event_kind kind, uint32_t id);

/* Check the bytes of a message that was only looked at. Returns its number, or 0. */
uint32_t ledger_check(struct ledger *ledger, const void *data, size_t size, uint32_t priority);

/* From here on the dead hold nothing: order is strict again. */
void ledger_recovered(struct ledger *ledger);

/* At least so many messages must be there for whoever receives now. */
uint32_t ledger_certain(const struct ledger *ledger);

/* So many messages are in the hands of the living. */
uint32_t ledger_taken(const struct ledger *ledger);

/* At most so many messages of this priority can be in the mailbox or in somebody's hands. */
uint32_t ledger_possible(const struct ledger *ledger, uint32_t priority);

/* Everything has been received and repaired: hold it against C1 to C4. */
void ledger_judge(struct ledger *ledger);

#endif
