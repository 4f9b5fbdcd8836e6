/* SPDX-License-Identifier: MIT */
/* Processes that take the lock of the section, or wait for it. Each tells in value[0] what
 * ferry_lock_acquire() said and in value[1] how many had the lock before it, reaches 1, and
 * releases when it is allowed 1. */
#ifndef FERRY_TEST_HOLDER_H
#define FERRY_TEST_HOLDER_H

#include "peer.h"
#include "section.h"

enum holder_kind {
	HOLDER_PLAIN,
	HOLDER_REPAIRS, /* says so when it is told of a death */
};

/** One that has the lock. */
void holder_start(struct peer *ret_peer);

/** One more that sleeps until it gets the lock; so many wait then, it included. */
void holder_start_waiting(struct peer *ret_peer, enum holder_kind kind, ferry_segment *segment,
			  int waiters);

/** Until it has the lock, releases it and ends. */
void holder_finish(struct peer *peer);

#endif
