/* SPDX-License-Identifier: MIT */
/*
 * crew_mailbox.h - a crew of senders and receivers who keep a ledger: what `ferry demo` and `ferry
 * torture mailbox` have in common.
 */
#ifndef FERRY_CLI_CREW_MAILBOX_H
#define FERRY_CLI_CREW_MAILBOX_H

#include "crew.h"
#include "ledger.h"

/* The roles. */
enum { CREW_SENDERS, CREW_RECEIVERS };

/* Where a process is. */
enum crew_mailbox_call {
	CREW_OPEN = CREW_OWN,
	CREW_CLOSE,
	CREW_SEND,
	CREW_LOAN,
	CREW_WRITE, /* outside, with a loan */
	CREW_COMMIT,
	CREW_RECEIVE,
	CREW_TAKE,
	CREW_HOLD, /* outside, with a taken message */
	CREW_DONE,
	CREW_RETURN,
	CREW_PEEK,
	CREW_STAT,
};

/* Senders, receivers, their calls, and the ledger, which is told who comes and who dies. */
void crew_mailbox_init(struct crew *crew, uint32_t senders, uint32_t receivers);

static inline struct ledger *crew_ledger(const struct crew *crew)
{
	return crew->account;
}

bool crew_is_sender(const struct crew *crew, uint32_t seat);

/* The stream of a sender's seat. */
uint32_t crew_stream(const struct crew *crew, uint32_t seat);
uint32_t crew_streams(const struct crew *crew);

#endif
