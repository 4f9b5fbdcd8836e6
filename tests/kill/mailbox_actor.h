/* SPDX-License-Identifier: MIT */
/*
 * Somebody who uses the mailbox: the victim, a survivor, a sleeper. Each call here makes one call
 * of the subject, marked as what is under attack, and keeps the ledger. Results that no contract
 * explains are faults.
 */
#ifndef KILL_MAILBOX_ACTOR_H
#define KILL_MAILBOX_ACTOR_H

#include "await.h"
#include "mailbox_ledger.h"
#include "mailbox_subject.h"

enum {
	ACTOR_HELD = 4, /* messages taken at once */
	BOX_CAPACITY = 4,
	BOX_PRIORITIES = 2,
	BOX_MAX_SIZE = 32768,
	BOX_MEMORY = 65536,
	BOX_MEMBERS = 8,
	SIZE_SMALL = 16,
	SIZE_LARGE = 20000,
};

#define BOX_NAME "box"

/* What an operation is about: operation->with. */
struct box_setup {
	const struct subject *subject; /* NULL = ferry */
	uint32_t size;                 /* of the messages that the operation is about */
	uint32_t priority;             /* ... and that the victim sends */
	int64_t ttl;
	uint32_t flags; /* of the mailbox at creation */

	uint32_t prefill;          /* messages of that size */
	uint32_t prefill_expiring; /* messages that have expired when the victim looks */
	uint32_t prefill_priority; /* messages of priority 1, after the others */
	uint32_t prefill_after;    /* more of that size, once the victim has prepared */
	uint32_t loans;            /* that the victim holds when others fall asleep */

	bool absent;  /* there is no mailbox before, and nobody has it open */
	bool removes; /* the act takes the mailbox away */
	bool sound;   /* receivers sleep without naps at once */
};

/* The kinds of sleepers. */
enum { BOX_RECEIVERS, BOX_SENDERS };

struct actor {
	const struct subject *subject;
	struct ledger *ledger;
	uint32_t index;     /* ACTOR_SURVIVOR ... */
	uint32_t box_flags; /* of the mailbox at creation */
	int64_t spin;       /* as in ferry_mailbox_options */
	bool sends_only;    /* one to one: who sleeps has the other role */
	void *box;
	uint32_t n_taken;
	struct ferry_message taken[ACTOR_HELD], loan;
	uint32_t taken_id[ACTOR_HELD];
};

static inline const struct box_setup *box_setup(const struct operation *operation)
{
	return operation->with;
}

int actor_open(struct actor *actor, uint32_t flags);
void actor_close(struct actor *actor);

int actor_send(struct actor *actor, uint32_t id, ferry_deadline deadline);
int actor_send_new(struct actor *actor, uint32_t size, ferry_deadline deadline);
ssize_t actor_receive(struct actor *actor, ferry_deadline deadline);
ssize_t actor_send_many(struct actor *actor, uint32_t n, uint32_t size, ferry_deadline deadline);
ssize_t actor_receive_many(struct actor *actor, uint32_t n, ferry_deadline deadline);
ssize_t actor_peek(struct actor *actor);

/* These are of ferry alone. done and return are about the message taken first. */
int actor_take(struct actor *actor, ferry_deadline deadline);
int actor_done(struct actor *actor);
int actor_return(struct actor *actor);
int actor_loan(struct actor *actor, uint32_t size);
int actor_commit(struct actor *actor);
int actor_cancel(struct actor *actor);

/* Wait for one of enum ferry_event. 1: it has come. */
int actor_await(struct actor *actor, enum await way, uint32_t event, ferry_deadline deadline);

int actor_remove(struct actor *actor);
int actor_repair(struct actor *actor);

/* What is in the mailbox; never part of the attack. */
struct ferry_mailbox_stat actor_look(struct actor *actor);

#endif
