/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/signal.h
 * Receiving signals: for each one default, ignore or catch; handlers run in ordinary code.
 *
 * A caught signal is put into a queue of this process the moment it arrives, whichever thread it
 * arrives in; its handlers run where the program wants them: in a thread that calls
 * ferry_signal_dispatch(), or in one that ferry_signal_thread_start() made. There printf, malloc,
 * locks and a question to the user are legal. Or no handler runs, and ferry_signal_wait() returns
 * the signal.
 *
 * What merges: the kernel keeps one pending instance of each standard signal (1 to 31), and so does
 * the queue: a second SIGUSR1 merges with one that was not dispatched yet, and the first one's
 * information is kept. What queues: each real-time signal (SIGRTMIN to SIGRTMAX) is kept, with its
 * payload. Lower numbers come first; equal real-time signals come in the order in which they were
 * sent. None is lost: when 2048 of one number wait here, the rest waits in the kernel, whose limit
 * (RLIMIT_SIGPENDING) is the sender's -EAGAIN.
 *
 * Threads: no mask is needed. A thread that has a caught signal unblocked only lends a moment; its
 * system calls are restarted (SA_RESTART), those that never are (poll, nanosleep, see signal(7))
 * end with EINTR, ferry's own never do. A caught signal may as well be blocked, in some threads or
 * in all: then ferry_signal_dispatch() and ferry_signal_wait() fetch it from the kernel. Order: if
 * several threads have a real-time signal unblocked, the kernel may hand two instances to two of
 * them at once, and their order is lost, as it is for every handler. A program that needs order
 * blocks the signal in all threads but one, before it starts them.
 *
 * fork: the child inherits the actions and handlers, has an empty queue, and may dispatch; a thread
 * of ferry_signal_thread_start() does not exist in it. exec: caught signals become default, ignored
 * ones stay ignored. A child of vfork() must not call ferry.
 *
 * SIGSTKFLT, which no kernel sends, wakes ferry's waiters: from the first call on it has ferry's
 * handler, which does with others' SIGSTKFLT what it is told by the functions below.
 *
 * Beside others: a handler function that somebody set with sigaction() or signal() before goes on
 * being called, in its old way, after the signal was queued; ferry_signal_default() first silences
 * it. Who sets an action after ferry takes the signal from ferry, and ferry does not take it back.
 */
#ifndef FERRY_SIGNAL_H
#define FERRY_SIGNAL_H

#include <ferry/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of signals: FERRY_SIGNAL(SIGINT) | FERRY_SIGNAL(SIGTERM). */
typedef uint64_t ferry_signal_set;

/** The set with one signal, 1 to 64, in it. */
#define FERRY_SIGNAL(signo) ((ferry_signal_set)1 << ((signo)-1))
/** Every signal that ferry catches. */
#define FERRY_SIGNAL_CAUGHT UINT64_MAX

/** Why a signal came. */
enum ferry_signal_cause {
	FERRY_SIGNAL_KERNEL = 1, /**< the kernel: a key at the terminal, a hang-up, a limit, I/O */
	FERRY_SIGNAL_KILL = 2,   /**< kill(2), raise(3), pthread_kill(3) */
	FERRY_SIGNAL_QUEUE = 3,  /**< sigqueue(3), ferry_signal_send(): with a payload */
	FERRY_SIGNAL_CHILD = 4,  /**< a child ended, stopped or went on */
	FERRY_SIGNAL_FAULT = 5,  /**< the process's own instruction (SIGTRAP only) */
	FERRY_SIGNAL_TIMER = 6,  /**< a timer of timer_create(2) */
	FERRY_SIGNAL_EVENT = 7,  /**< a POSIX message queue or asynchronous I/O */
};

/** The word for a cause ("kernel", "kill", "queue", "child", "fault", "timer", "event"), or
 *  "unknown". MT-Safe, AS-Safe. */
FERRY_API const char *ferry_signal_cause_name(enum ferry_signal_cause cause);

/** The name of a signal ("SIGINT", "SIGRTMIN+3"), or "unknown". The real-time names are made for
 *  this libc's SIGRTMIN. MT-Safe, AS-Safe. */
FERRY_API const char *ferry_signal_name(int signo);

/** The signal with a name: "SIGINT", "INT", "int", "SIGRTMIN+3", "RTMAX-1" or a number from 1 to
 *  64. @return its number, or -EINVAL. MT-Safe, AS-Safe. */
FERRY_API int ferry_signal_number(const char *name);

/** A signal that came. */
struct ferry_signal_info {
	int signo;
	enum ferry_signal_cause cause;
	int code;        /**< si_code, as the kernel gave it */
	int status;      /**< CHILD: exit code or signal, as code says (sigaction(2)) */
	pid_t pid;       /**< KILL, QUEUE: the sender; CHILD: the child; else 0. 0 also for a sender
			      outside of our PID namespace */
	uid_t uid;       /**< KILL, QUEUE: the sender's real uid; CHILD: the child's; else 0 */
	int64_t payload; /**< QUEUE: what was sent with it; TIMER, EVENT: the value of the sigevent;
			      KERNEL with SIGIO: the descriptor; else 0 */
	uintptr_t address; /**< FAULT: where; else 0 */
};

/**
 * A handler. Runs in ordinary code; may call any function, of ferry also ferry_signal_dispatch().
 *
 * @return 0: the handler that was set before this one, if there is one, is called next; other than
 *         0: no further one is called.
 */
typedef int (*ferry_signal_handler)(const struct ferry_signal_info *info, void *arg);

/**
 * Catch a signal. Lays a handler on top of what there is: handlers that were caught one after the
 * other form a chain, the latest is called first.
 *
 * @param signo   Not SIGKILL, SIGSTOP: the kernel lets nobody catch them. Not SIGSEGV, SIGBUS,
 *                SIGILL, SIGFPE, SIGSYS: the instruction that caused it would run again before
 *                any ordinary code could (ferry_crash_report() is for them). abort() ends the
 *                program, also where SIGABRT is caught.
 * @param handler NULL: no handler; the signal waits for ferry_signal_wait().
 * @param why     NULL, or where a sentence about a failure goes.
 *
 * @retval 0
 * @retval -EINVAL  Not a signal, or one of those above; why tells which.
 * @retval -ENOSPC  64 actions lie on it already.
 * @retval -ENOMEM
 *
 * Safety: MT-Safe. Blocking: never. Since: 0.1
 */
FERRY_API int ferry_signal_catch(int signo, ferry_signal_handler handler, void *arg,
				 struct ferry_why *why);

/** Let the signal's default action happen (signal(7)), whatever was there before. Lays it on top,
 *  as ferry_signal_catch(), with its errors; of those above only SIGKILL and SIGSTOP are refused
 *  (their action is the default for ever). Signals of this number that waited are dropped. */
FERRY_API int ferry_signal_default(int signo, struct ferry_why *why);

/** Have the kernel discard the signal; otherwise as ferry_signal_default(). A fault that the
 *  process causes itself ends it all the same. */
FERRY_API int ferry_signal_ignore(int signo, struct ferry_why *why);

/**
 * Take back the latest of ferry_signal_catch(), _default() and _ignore() for this signal. With the
 * last one gone, exactly that action (handler, flags and mask) is there again that was there before
 * the first. Where the signal is not caught any more, those that waited are dropped.
 *
 * @retval 0
 * @retval -ENOENT           Nothing of ferry's is there.
 * @retval -EINVAL           Not a signal.
 * @retval -FERRY_EREPLACED  Somebody else has set an action since. It was left alone; ferry's part
 *                           is taken back all the same.
 *
 * Safety: MT-Safe. A handler that is running in another thread may still be running. Since: 0.1
 */
FERRY_API int ferry_signal_restore(int signo, struct ferry_why *why);

/** Take back the latest ferry_signal_catch() with this handler and arg, wherever it lies; otherwise
 *  as ferry_signal_restore(). For a library that does not know who else caught the signal. */
FERRY_API int ferry_signal_uncatch(int signo, ferry_signal_handler handler, void *arg,
				   struct ferry_why *why);

/**
 * Wait for a caught signal and run its handlers, in the calling thread. One signal a call, the one
 * with the lowest number first. Signals that were caught without handler are left to
 * ferry_signal_wait().
 *
 * @retval > 0         The signal whose handlers ran.
 * @retval -EAGAIN     None was there, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  None came until the deadline.
 *
 * Several threads may dispatch at once; each signal is handled once. Cost: a system call only if no
 * signal waits in the queue. EINTR: never, whatever handlers of others do. Since: 0.1
 */
FERRY_API int ferry_signal_dispatch(ferry_deadline deadline);

/**
 * Wait for one of a set of signals and return it instead of running its handlers.
 *
 * @param ret_info May be NULL.
 * @param set      Each one caught, or blocked in every thread (as sigwaitinfo(2) demands), the
 *                 calling one included. FERRY_SIGNAL_CAUGHT: all that are caught.
 *
 * @retval > 0         The signal: the one with the lowest number if several wait.
 * @retval -EAGAIN     None was there, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  None came until the deadline.
 * @retval -EINVAL     The set is empty, or one in it is neither caught nor blocked in this thread.
 *
 * Cost, EINTR: as ferry_signal_dispatch(). Since: 0.1
 */
FERRY_API int ferry_signal_wait(struct ferry_signal_info *ret_info, ferry_signal_set set,
				ferry_deadline deadline);

/**
 * Start a thread that dispatches until ferry_signal_thread_stop(). It has all signals blocked but
 * those that faults raise. At most one a process; a forked child has none.
 *
 * @retval 0
 * @retval -EALREADY  It runs.
 * @retval -EAGAIN    No thread can be made.
 * Since: 0.1
 */
FERRY_API int ferry_signal_thread_start(void);

/** End that thread and wait until it is gone; a handler that it runs is finished first. Not to be
 *  called by a handler: -EDEADLK. 0, or -ESRCH: none runs. */
FERRY_API int ferry_signal_thread_stop(void);

/**
 * A descriptor for an event loop (poll, epoll, libuv, asyncio): readable when a signal may wait for
 * ferry_signal_dispatch(), which the loop then calls with FERRY_NOW until -EAGAIN. The same one at
 * each call; ferry's, do not read or close it. Not for signals that are blocked in every thread. A
 * forked child calls this anew and gets one of its own.
 *
 * @return The descriptor; or -EMFILE, -ENFILE, -ENOMEM. Since: 0.1
 */
FERRY_API int ferry_signal_fd(void);

#ifdef __cplusplus
}
#endif
#endif
