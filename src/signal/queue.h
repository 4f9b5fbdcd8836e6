/* SPDX-License-Identifier: MIT */
/*
 * queue.h - signals that arrived and wait to be handled. Protocol: docs/formats/signal.md.
 *
 * One place for each standard signal, where equal ones merge; one ring for each real-time signal,
 * in order. Filled by signal handlers in any thread, emptied by any thread: so without locks, and
 * no step waits for another thread. All of it lies in memory that the kernel wipes in a child
 * (MADV_WIPEONFORK), and zeros are the empty queue: a child never sees its parent's signals,
 * however it was made.
 */
#ifndef FY_SIGNAL_QUEUE_H
#define FY_SIGNAL_QUEUE_H

#include <stdatomic.h>
#include <stdint.h>

#include "../os/signal.h"

#define FY_QUEUE_ROOM 2048 /* of one real-time signal; beyond, the kernel shall keep the rest */
#define FY_QUEUE_RING 4096 /* the rest of the ring is for threads that had one in their hands */

/* What is kept of a siginfo_t. */
struct fy_signal_record {
	int32_t signo;
	int32_t code;
	int32_t status;
	int32_t pid;
	uint32_t uid;
	int64_t payload;
	uint64_t address;
};

/* Make the memory; again and again is fine. 0 or -errno. */
int fy_queue_init(void);

/* In a handler: put a signal in. 0; 1: in, and there are enough of them now; -EAGAIN: no room at
 * all. */
int fy_queue_put(const struct fy_signal_record *record);

/* Take the first of the lowest number in the set. 0: there is none; 1; 2: and whoever looked
 * meanwhile may have missed that there are more of this number: wake one. */
int fy_queue_take(uint64_t set, struct fy_signal_record *ret_record);

/* The numbers of which some may wait. */
uint64_t fy_queue_waiting(void);

/* The numbers of which one can be taken now: those of above, but none for nothing. */
uint64_t fy_queue_ready(void);

/* How many of a real-time signal wait, about. */
uint32_t fy_queue_count(int signo);

/* A word of the wiped memory that the queue has no use for: the waiters' (waiters.h). */
void *fy_queue_extra(void);
#define FY_QUEUE_EXTRA 8192

void fy_record_from(struct fy_signal_record *ret_record, const siginfo_t *info);

#endif
