/* SPDX-License-Identifier: MIT */
/*
 * watch.h - being told at once when a descriptor says that somebody is gone.
 *
 * A sleeper on a futex cannot wait for a pidfd or a pipe's hang-up too. So one thread of the
 * process, which exists only while something is watched, waits for those and calls back, usually to
 * ring a bell. It blocks all signals but SIGBUS. A forked child has none of its parent's watches.
 * Without the thread (no memory, no more threads) everything works, with naps instead (nap.h).
 */
#ifndef FY_WATCH_H
#define FY_WATCH_H

#include <stdint.h>

struct fy_watch;

/* Register what fork() needs; again and again is fine. fork() runs handlers that were registered
 * later before this one's: whoever calls this file with a mutex held that it locks for fork() too
 * calls this before it registers its own. */
void fy_watch_init(void);

/* Call fired(context) in the watching thread, once, when fd becomes readable (events: EPOLLIN), or
 * hangs up or fails (0). fired must be short and must not call this file. fd is the caller's and
 * stays open until fy_watch_end(). 0 or -errno. */
int fy_watch_begin(struct fy_watch **ret_watch, int fd, uint32_t events,
		   void (*fired)(void *context), void *context);

/* Stop watching; fired is not running any more afterwards. NULL is allowed; so is a watch that the
 * parent of this process began. */
void fy_watch_end(struct fy_watch *watch);

#endif
