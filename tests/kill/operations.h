/* SPDX-License-Identifier: MIT */
/*
 * The table of operations that are attacked. An operation says what the mailbox holds, who sleeps
 * in it, what the victim has done before and what it does under attack; the scene (scene.h) does
 * the rest, the same for all.
 */
#ifndef KILL_OPERATIONS_H
#define KILL_OPERATIONS_H

#include "actor.h"

struct operation {
	const char *name;
	const char *what;              /* one line for --list */
	const struct subject *subject; /* NULL = ferry */
	const char *expect;            /* a self-test: the promise whose violations must be found */

	uint32_t size;     /* of the messages that the operation is about */
	uint32_t priority; /* ... and that the victim sends */
	int64_t ttl;
	int wait_ms; /* the victim's patience; 0 = FERRY_NOW */
	uint32_t box_flags;

	uint32_t prefill;          /* messages of that size */
	uint32_t prefill_expiring; /* messages that have expired when the victim looks */
	uint32_t prefill_priority; /* messages of priority 1, after the others */
	uint32_t prefill_after;    /* more of that size, once the victim has prepared */
	uint32_t loans;            /* that the victim holds when others fall asleep */
	uint32_t sleeping_receivers, sleeping_senders;

	bool absent;   /* there is no mailbox before, and nobody has it open */
	bool unopened; /* the victim has not opened it before */
	bool removes;  /* the act takes the mailbox away */
	bool due;      /* it is time for the victim to look after the others */
	bool forks;    /* the act runs in a child of the victim, which lives on */

	/* Of a first victim, which is killed in its act where it holds the most. */
	void (*first)(struct actor *actor, const struct operation *operation);
	void (*first_act)(struct actor *actor, const struct operation *operation);
	uint32_t first_times; /* so many of them; 0 = one */
	uint32_t rarely;      /* strike at each so many points only: its runs are slow */
	void (*prepare)(struct actor *actor, const struct operation *operation);
	void (*act)(struct actor *actor, const struct operation *operation);
	/* What the survivor does when the victim has fallen asleep. */
	void (*rouse)(struct actor *survivor, const struct operation *operation);
};

/* All of them; the last has no name. */
extern const struct operation operations[];

const struct subject *operation_subject(const struct operation *operation);

#endif
