/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/loop.h
 * An event loop, for programs that want one: functions that are called when a handle has
 * something, when a time has come, or as soon as the loop gets to it.
 *
 * It stands on ferry_waiter (ferry/wait.h) and does nothing that a program could not do itself with
 * that; nothing else of ferry needs it. Programs that have a loop already keep theirs and use
 * ferry_fd().
 *
 * One thread at a time runs a loop, and all functions are called in it. That thread, and while
 * none runs the loop the one that made it, may call everything here; other threads, and those
 * functions themselves, may call ferry_loop_defer() and ferry_loop_stop(). A called function may do
 * everything but ferry_loop_run() and ferry_loop_close() for its own loop: it may forget what
 * called it, and whatever else was about to be called in the same round is not called any more once
 * forgotten.
 *
 * A round: the loop waits until something is ready or due; it then calls the functions of what is
 * ready, at most 64; then those of the timers that are due; then the deferred ones that were there
 * when the round came to them. So nobody of the three keeps the others from being called.
 *
 * Handlers of signals (ferry_signal_catch()) run in the loop's thread, too, while it waits, if it
 * watches ferry_on_handlers().
 *
 * fork: the child must not use the loop, and may only close it. exec: it is gone.
 */
#ifndef FERRY_LOOP_H
#define FERRY_LOOP_H

#include <ferry/base.h>
#include <ferry/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ferry_loop ferry_loop;

/** What a loop was told to watch, or a timer; greater than 0, and never used for another one. */
typedef int64_t ferry_loop_id;

/** What happened to something watched. */
struct ferry_loop_event {
	ferry_loop_id id;  /**< as ferry_loop_watch() returned it */
	uint32_t happened; /**< enum ferry_event */
	int error;         /**< with FERRY_FAILED, the negative number; else 0 */
	int signo;         /**< ferry_on_handlers(): the last signal that was handled; else 0 */
};

/** Called when something is ready. */
typedef void (*ferry_loop_handler)(ferry_loop *loop, const struct ferry_loop_event *event,
				   void *arg);

/** Called when a timer is due, or what was deferred. */
typedef void (*ferry_loop_call)(ferry_loop *loop, void *arg);

/**
 * Make a loop.
 *
 * @param why NULL, or where a sentence about a failure goes.
 *
 * @retval 0
 * @retval -EMFILE, -ENFILE, -ENOMEM  As from ferry_waiter_open().
 *
 * Safety: MT-Safe. Blocking: never. Since: 0.1
 */
FERRY_API int ferry_loop_open(ferry_loop **ret_loop, struct ferry_why *why);

/** Forget everything and free the loop; what is deferred is not called. The handles and descriptors
 *  that it watched stay open. NULL is allowed. Not while it runs. */
FERRY_API void ferry_loop_close(ferry_loop *loop);

/**
 * Call a function whenever a handle or descriptor is ready. Level-triggered: the function is called
 * again as long as it is.
 *
 * @param item     What to wait for, as for ferry_wait(); FERRY_ONE_SHOT is allowed.
 *                 What it names must stay open until it is forgotten. The same may be watched
 *                 several times.
 * @param handler  NULL: nothing is called. For ferry_on_handlers(), which have run already.
 *
 * @return What it is known by from now on; or
 * @retval -EINVAL, -EBADF, -EPERM, -ENOMEM ...  As from ferry_waiter_add().
 *
 * Safety: only in the loop's thread. Blocking: never. Since: 0.1
 */
FERRY_API ferry_loop_id ferry_loop_watch(ferry_loop *loop, struct ferry_item item,
					 ferry_loop_handler handler, void *arg);

/** Wait for other events of something watched, or again after FERRY_ONE_SHOT; 0: for none but those
 *  that are always reported. 0; -ENOENT: no such id, or a timer's; or as from
 *  ferry_waiter_change(). Only in the loop's thread. */
FERRY_API int ferry_loop_change(ferry_loop *loop, ferry_loop_id id, uint32_t events);

/**
 * Call a function at a time.
 *
 * @param first  When, as a deadline; one that has passed: in this round or the next. FERRY_FOREVER
 *               is -EINVAL.
 * @param every  ns after which it is called again, and again; 0: once, and is then forgotten. A
 *               timer that is late is called once, not once for each time it missed, and stays in
 *               step with first.
 *
 * @return What it is known by; or -EINVAL, -ENOMEM.
 *
 * Timers that are due at the same time are called in the order in which they were made. Safety:
 * only in the loop's thread. Cost: grows with the logarithm of the number of timers. Since: 0.1
 */
FERRY_API ferry_loop_id ferry_loop_timer(ferry_loop *loop, ferry_deadline first, int64_t every,
					 ferry_loop_call call, void *arg);

/** Stop watching, or a timer. Its function is not called any more. 0; -ENOENT: no such id (any
 *  more). Only in the loop's thread. */
FERRY_API int ferry_loop_forget(ferry_loop *loop, ferry_loop_id id);

/**
 * Have a function called once, by the thread that runs the loop, as soon as it gets to it; in the
 * order of these calls.
 *
 * @retval 0
 * @retval -ENOMEM
 *
 * Safety: MT-Safe: any thread may call this, and wakes the loop by it. Since: 0.1
 */
FERRY_API int ferry_loop_defer(ferry_loop *loop, ferry_loop_call call, void *arg);

/**
 * Run: wait, call, and again, until ferry_loop_stop() or the deadline.
 *
 * @param deadline  FERRY_NOW: one round, without waiting.
 *
 * @return result of ferry_loop_stop(), 0 or more; or
 * @retval -EAGAIN     The one round is over.
 * @retval -ETIMEDOUT  The deadline has come.
 * @retval -EDEADLK    It runs already: in this thread or in another.
 * @retval < 0         As from ferry_waiter_wait(). The loop may be run again.
 *
 * Safety: one thread at a time. Since: 0.1
 */
FERRY_API int ferry_loop_run(ferry_loop *loop, ferry_deadline deadline);

/**
 * End ferry_loop_run() after the function that is being called just now, or, if the loop does not
 * run, the next one as soon as it begins. Nothing is forgotten: the loop can be run again.
 *
 * @param result  0 or more: what ferry_loop_run() returns. -EINVAL if negative.
 *
 * Safety: MT-Safe: any thread may call this. Since: 0.1
 */
FERRY_API int ferry_loop_stop(ferry_loop *loop, int result);

#ifdef __cplusplus
}
#endif
#endif
