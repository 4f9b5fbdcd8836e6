/* SPDX-License-Identifier: MIT */
/* What a server of these tests does in its event loop, whichever that is: it receives numbers from
 * the mailbox "orders", counts the ticks of its timer, and answers on the socket that it was given
 * as descriptor 3. */
#ifndef FERRY_TEST_SERVED_H
#define FERRY_TEST_SERVED_H

#include <stdint.h>

#include <ferry/ferry.h>

enum {
	SERVED_SOCKET = 3,
	SERVED_TICK_MS = 5,
	SERVED_AT_ONCE =
	    64, /* messages for which the loop calls once; more wait for its next round */
};

/** What a server has done. */
struct served {
	ferry_mailbox *box; /**< NULL: this one watches none */
	int fd;             /**< for the loop to watch; -1: none */
	uint64_t messages;
	uint64_t wrong; /**< messages that were not the next number */
	uint64_t ticks;
	uint64_t calls; /**< how often the loop said that the mailbox is ready */
	uint64_t empty; /**< of those: nothing was there */
	int over;
};

/** Open the mailbox, if the server was told to (by an argument, any). */
void served_begin(struct served *served, int argc);
void served_end(struct served *served);

/** The loop says that the mailbox is ready. */
void served_messages(struct served *served);

/** The loop says that the socket is ready: 'e' is sent back; 'r' is answered by a struct
 *  served_report; at 'q' it is over. */
void served_socket(struct served *served);

/** The answer to 'r'. */
struct served_report {
	uint64_t messages, wrong, ticks, calls, empty;
	uint64_t cpu_us; /**< of the process, so far */
};

#endif
