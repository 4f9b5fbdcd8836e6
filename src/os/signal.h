/* SPDX-License-Identifier: MIT */
/*
 * signal.h - what the kernel does with signals, on plain 64-bit sets.
 *
 * All of it is async-signal-safe, leaves errno alone and is no cancellation point.
 */
#ifndef FY_SIGNAL_OS_H
#define FY_SIGNAL_OS_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#define FY_SIGNALS      64
#define FY_REAL_TIME    32 /* first number that the kernel queues; libc keeps some for itself */
#define FY_STANDARD     ((UINT64_C(1) << (FY_REAL_TIME - 1)) - 1) /* the set of those below */
#define FY_EVERY_SIGNAL (~(UINT64_C(3) << 31)) /* but for the two that libc uses inside */

static inline uint64_t fy_signal_bit(int signo)
{
	return UINT64_C(1) << (signo - 1);
}

/* Those that a thread's own instruction may raise: blocked, they would end the process unheard. */
static inline uint64_t fy_signal_faults(void)
{
	return fy_signal_bit(SIGSEGV) | fy_signal_bit(SIGBUS) | fy_signal_bit(SIGILL) |
	       fy_signal_bit(SIGFPE) | fy_signal_bit(SIGTRAP) | fy_signal_bit(SIGSYS) |
	       fy_signal_bit(SIGABRT);
}

static inline int fy_signal_valid(int signo)
{
	return signo >= 1 && signo <= FY_SIGNALS;
}

static inline int fy_signal_lowest(uint64_t set)
{
	return __builtin_ctzll(set) + 1;
}

static inline int fy_signal_highest(uint64_t set)
{
	return 64 - __builtin_clzll(set);
}

/* sigaction(2), for every signal that libc leaves to programs. For SIGBUS it speaks of the action
 * below ferry's own guard (sigbus.h). 0 or -errno. */
int fy_action(int signo, const struct sigaction *action, struct sigaction *ret_before);

/* Take a signal of the set that is pending for this thread or the process, waiting for one: until
 * the absolute time; FERRY_NOW, FERRY_FOREVER as ever. Its number; -EAGAIN: none came; -EINTR. */
int fy_signal_take(uint64_t set, siginfo_t *ret_info, int64_t until);

/* The signals that are blocked in the calling thread and pending for it or for the process. */
uint64_t fy_signal_pending(void);

/* Queue a signal with this information for one thread of this process. 0 or -errno. */
int fy_signal_to_thread(pid_t tid, int signo, siginfo_t *info);

/* The calling thread's mask: set it (to what *set says), add to it, take from it. */
uint64_t fy_mask_set(uint64_t set);
uint64_t fy_mask_block(uint64_t set);
uint64_t fy_mask_unblock(uint64_t set);
uint64_t fy_mask_now(void);

/* In a handler: add a signal to the mask that the interrupted code will have. 1 if it was not in
 * it. */
int fy_mask_in_context(void *context, int signo);

pid_t fy_thread_id(void);

#endif
