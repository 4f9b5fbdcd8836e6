/* SPDX-License-Identifier: MIT */
/* crew_mailbox.c - senders and receivers who keep a ledger. */
#include "crew_mailbox.h"

static const char *const call_names[] = {
	[CREW_OPEN - CREW_OWN] = "open",
	[CREW_CLOSE - CREW_OWN] = "close",
	[CREW_SEND - CREW_OWN] = "send",
	[CREW_LOAN - CREW_OWN] = "loan",
	[CREW_WRITE - CREW_OWN] = "writing into a loan",
	[CREW_COMMIT - CREW_OWN] = "commit",
	[CREW_RECEIVE - CREW_OWN] = "receive",
	[CREW_TAKE - CREW_OWN] = "take",
	[CREW_HOLD - CREW_OWN] = "holding a message",
	[CREW_DONE - CREW_OWN] = "done",
	[CREW_RETURN - CREW_OWN] = "return",
	[CREW_PEEK - CREW_OWN] = "peek",
	[CREW_STAT - CREW_OWN] = "stat",
	NULL,
};

static void seated(struct crew *crew, uint32_t seat)
{
	ledger_seat(crew_ledger(crew), seat);
}

static void condemned(struct crew *crew, uint32_t seat)
{
	ledger_condemn(crew_ledger(crew), seat);
}

void crew_mailbox_init(struct crew *crew, uint32_t senders, uint32_t receivers)
{
	crew->n[CREW_SENDERS] = senders;
	crew->n[CREW_RECEIVERS] = receivers;
	crew->role[CREW_SENDERS] = "sender";
	crew->role[CREW_RECEIVERS] = "receiver";
	crew->call_names = call_names;
	crew->seated = seated;
	crew->condemned = condemned;
}

bool crew_is_sender(const struct crew *crew, uint32_t seat)
{
	return crew_role(crew, seat) == CREW_SENDERS;
}

uint32_t crew_stream(const struct crew *crew, uint32_t seat)
{
	return crew_is_twin(crew, seat) ? seat - crew->n[CREW_RECEIVERS] : seat;
}

uint32_t crew_streams(const struct crew *crew)
{
	return crew->n[CREW_SENDERS] * (crew->twins ? 2 : 1);
}
