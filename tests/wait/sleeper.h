/* SPDX-License-Identifier: MIT */
/* Peers that wait for messages of a mailbox, each way of waiting once, and whether they nap. */
#ifndef FERRY_TEST_SLEEPER_H
#define FERRY_TEST_SLEEPER_H

#include <stdbool.h>

#include <ferry/ferry.h>

#include "enemy.h"
#include "peer.h"

enum { SLEEP_WAYS = 8 };

/** The number of the next message, or a negative error: what the call said that waited. */
struct sleep_way {
	const char *name;
	int64_t (*next)(ferry_mailbox *box, ferry_deadline deadline);
};

extern const struct sleep_way sleep_ways[SLEEP_WAYS];

/** A process has one mailbox for which it waits in some of these ways; this closes what they have
 *  opened for it. */
void sleep_ways_end(void);

/** The arrival bell of a mailbox, as everybody can write it (docs/formats/wait.md). */
struct bell {
	_Atomic uint32_t word;
	_Atomic uint32_t mark;
	_Atomic uint32_t sound;
};

struct sleeper {
	const struct sleep_way *way;
	char location[32];
	const struct ferry_mailbox_options *options;
	const char *sound_ms; /**< its $FERRY_SOUND_MS; NULL: it is not set */
	bool takes_first;     /**< it takes message 1, and is done with it when 2 has come */

	ferry_mailbox *box; /**< the test's own handle */
	struct prey prey;
	struct bell *bell;
	struct peer peer;
};

/** What a sleeper has had: so many messages, with this sum; the last at this time; and the error
 *  that ended it. */
#define SLEEPER_COUNT 0
#define SLEEPER_SUM   1
#define SLEEPER_AT    2
#define SLEEPER_ERROR 3
int64_t sleeper_says(const struct sleeper *sleeper, int what);

/** Open the mailbox and fork it. It waits again and again. */
void sleeper_start(struct sleeper *sleeper);

/** Kill it, close and remove the mailbox. */
void sleeper_end(struct sleeper *sleeper);

/** The same of one sleeper for each way, each with a mailbox of its own. */
void sleepers_start(struct sleeper *sleepers, const struct ferry_mailbox_options *options,
		    const char *sound_ms);
void sleepers_end(struct sleeper *sleepers);

/** Set $FERRY_SOUND_MS for mailboxes that are opened from here on; NULL: unset it. */
void sound_ms(const char *value);

/** The arrival bell in the bytes of a mailbox. */
struct bell *bell_of(const struct prey *prey);

/** How often the threads of a process have slept. */
int64_t sleeps_of(pid_t pid);

/** It sleeps, and has said so for those who send. */
bool is_sound_asleep(const struct sleeper *sleeper);

/** Wait until none of n sleepers naps; until each does. */
void await_sound_sleep(const struct sleeper *sleepers, int n);
void await_naps(const struct sleeper *sleepers, int n);

/** In a peer: wait for messages of any of these by one waiter, for ever, and count them. The stage
 * is at 1 when it begins to. */
void wait_for_any(struct stage *stage, ferry_mailbox *const *boxes, int n);

/** Send it a message when it sleeps soundly, and wait until it has that. How long it took, in ns.
 */
int64_t wake_sleeper(struct sleeper *sleeper, uint64_t number);

#endif
