/* SPDX-License-Identifier: MIT */
/* receive.h - from the kernel into the queue, and from the queue (or the kernel) to a thread. */
#ifndef FY_SIGNAL_RECEIVE_H
#define FY_SIGNAL_RECEIVE_H

#include "queue.h"

/* The queue and the waiters; again and again is fine. 0 or -errno. */
int fy_receive_init(void);

/* The handler of every caught signal. */
void fy_receive_handler(int signo, siginfo_t *info, void *context);

/* What is blocked while it runs. */
void fy_receive_mask(sigset_t *ret_mask);

/* sigaction(2), but that the signal which wakes (waiters.h) keeps our handler, whatever it is told:
 * then that handler does what it was told. Not for two threads at once. */
int fy_receive_action(int signo, const struct sigaction *action, struct sigaction *ret_before);
void fy_receive_stand_in(const struct sigaction *action);

/* The handler function of somebody else that is called after ours; action NULL: none. */
void fy_receive_foreign(int signo, const struct sigaction *action);

/* Which signals to take. A set that may change while we wait. */
typedef uint64_t (*fy_receive_set)(const void *context);

/* Take one, waiting until the deadline. Its number; 0: the set says by fy_receive_stop that we
 * shall stop; -EAGAIN, -ETIMEDOUT. */
int fy_receive_take(fy_receive_set set, const void *context, int64_t deadline,
		    struct fy_signal_record *ret_record);

/* What a set returns to end the wait. No signal has this number. */
#define FY_RECEIVE_STOP (UINT64_C(1) << 31)

/* 1 if one of the set could be taken now. May be wrong for a moment after a signal was taken. */
int fy_receive_ready(uint64_t set);

/* After what a set says has changed. */
void fy_receive_changed(void);

/* The signals whose handler in the kernel is fy_receive_handler(). */
void fy_receive_set_caught(uint64_t set);
uint64_t fy_receive_caught(void);

/* Signals of these numbers that wait are dropped. */
void fy_receive_drop(uint64_t set);

/* The descriptor that is readable when something may wait; -errno. */
int fy_receive_fd(void);

/* A taker of this set found nothing: make the descriptor unreadable, unless something came. What
 * waits for others keeps no event loop busy. */
void fy_receive_fd_clear(uint64_t set);

#endif
