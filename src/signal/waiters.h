/* SPDX-License-Identifier: MIT */
/*
 * waiters.h - threads that sleep until a signal arrives.
 *
 * A waiter sleeps in rt_sigtimedwait(2), so that a signal which the kernel gives to its own thread
 * costs no more than that call. A signal that arrives in another thread is put into the queue by
 * the handler there, which then pokes a waiter with FY_POKE. That one keeps ferry's handler for
 * ever: a poke may still be on its way when an action is given back, and must not meet a default or
 * be ignored. Protocol: docs/formats/signal.md.
 */
#ifndef FY_SIGNAL_WAITERS_H
#define FY_SIGNAL_WAITERS_H

#include <stdint.h>

#include "../os/signal.h"

/* No kernel sends it, on any machine since the 80287; a standard signal, so that the limit of
 * pending signals does not matter. */
#define FY_POKE SIGSTKFLT

/* Once, after fy_queue_init(). */
void fy_waiters_init(void);

/* In a handler: 1 if the signal was a poke, and has been dealt with. */
int fy_waiters_is_poke(siginfo_t *info, void *context);

/* After a signal went into the queue: wake one that waits for it. context: of the handler that we
 * are in, or NULL. */
void fy_waiters_wake(int signo, void *context);

/* Wake one that waits for something in the set. */
void fy_waiters_wake_for(uint64_t set);

/* Wake all, to look at what has changed besides. */
void fy_waiters_wake_all(void);

/* How often that was done; read before the look. */
uint32_t fy_waiters_epoch(void);

/* Register the calling thread, between two looks at the queue: it may be woken for these. */
void fy_waiters_enter(uint64_t set);

/* Sleep until a signal of the set comes or we are woken, or until the absolute time; not at all if
 * the epoch is another one. The number of the signal that came; or 0: look again. */
int fy_waiters_sleep(uint64_t set, uint32_t epoch, int64_t until, siginfo_t *ret_info);

/* Unregister. 1 if we were woken: then the caller looks at the queue once more, and wakes another
 * one if something is left there, since only one is woken for each signal. */
int fy_waiters_leave(void);

/* In a handler: have the interrupted thread take no more of this signal, since there is no room for
 * more. And, in that thread: take them again if there is. */
void fy_waiters_hold_back(int signo, void *context);
void fy_waiters_let_in(void);

#endif
