/* SPDX-License-Identifier: MIT */
/*
 * torture.h - the parts of `ferry torture`: what is asked, the messages, the processes' work.
 */
#ifndef FERRY_CLI_TORTURE_H
#define FERRY_CLI_TORTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/ferry.h>

#include "ledger_crew.h"
#include "ledger_show.h"

#define TORTURE_HOLD 4 /* messages that a receiver holds at once, at most */

/* What each message begins with. The bytes behind it follow from the id. */
struct torture_head {
	uint64_t id; /* stream << 48 | number */
	uint32_t size;
	uint32_t check; /* of the two above */
};

/* Write a message of size >= sizeof(struct torture_head) bytes. */
void torture_write(void *to, uint32_t stream, uint64_t number, size_t size);

/* Is this a whole message, as it was written? Gives its stream and number. */
bool torture_read(const void *from, size_t size, uint32_t *ret_stream, uint64_t *ret_number);

/* What is asked, and what the processes share; context of the crew. */
struct torture {
	const char *location;
	uint64_t size_min, size_max;
	uint32_t priorities, capacity;
	uint32_t batch; /* messages in one call, at most */
	uint32_t hold;  /* messages that a receiver holds at once, at most */
	bool drop;
	int64_t duration; /* ns */
	char *buffers;    /* shared: where each seat's copying receives put messages */
	struct show show;
	struct ledger_sum sum;                    /* at the end */
	struct ferry_mailbox_stat at_first, stat; /* stat: at the end */
	uint64_t before, before_at; /* messages received at the last progress line, and when */
};

/* The buffer number i of a seat. */
char *torture_buffer(const struct torture *t, uint32_t seat, uint32_t i);

/* Make the mailbox; or if it is there, see that nobody uses it, and ask for no more than it has.
 * STATUS_DONE, or the exit status after the failure was reported. */
int torture_prepare(struct torture *t, uint32_t seats, bool *ret_made);

/* The work of one seat, for the crew. */
void torture_work(struct crew *crew, uint32_t seat, void *inherited);

/* A process is dead: see whether it had received messages that it could not report any more. */
void torture_dead(struct crew *crew, uint32_t seat);

/* When everybody has gone: receive what is left, then see that nothing else is. */
void torture_inspect(struct crew *crew);

#endif
