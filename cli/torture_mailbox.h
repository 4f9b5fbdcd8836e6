/* SPDX-License-Identifier: MIT */
/* torture_mailbox.h - the parts of `ferry torture mailbox`. */
#ifndef FERRY_CLI_TORTURE_MAILBOX_H
#define FERRY_CLI_TORTURE_MAILBOX_H

#include <ferry/ferry.h>

#include "crew_mailbox.h"
#include "torture.h"
#include "torture_message.h"

#define TORTURE_HOLD 4 /* messages that a receiver holds at once, at most */

/* What is asked, and what the processes share; context of the crew. */
struct box_torture {
	struct torture base;
	uint64_t senders, receivers;
	uint64_t size_min, size_max;
	uint32_t priorities, capacity;
	uint32_t batch; /* messages in one call, at most */
	uint32_t hold;  /* messages that a receiver holds at once, at most */
	bool drop;
	bool one_to_one;
	char *buffers; /* shared: where each seat's copying receives put messages */
	size_t buffers_bytes;
	struct ledger_sum sum;                    /* at the end */
	struct ferry_mailbox_stat at_first, stat; /* stat: at the end */
};

/* The buffer number i of a seat. */
char *torture_buffer(const struct box_torture *t, uint32_t seat, uint32_t i);

/* Make the mailbox; or if it is there, see that nobody uses it, and ask for no more than it has.
 * STATUS_DONE, or the exit status after the failure was reported. */
int torture_make_box(struct box_torture *t, uint32_t seats);

/* The work of one seat, for the crew. */
void torture_work(struct crew *crew, uint32_t seat, void *inherited);

/* A process is dead: see whether it had received messages that it could not report any more. */
void torture_dead(struct crew *crew, uint32_t seat);

/* When everybody has gone: receive what is left, then see that nothing else is. */
void torture_inspect(struct torture *base);

#endif
