/* SPDX-License-Identifier: MIT */
/* receive.c - see receive.h. */
#include "receive.h"

#include <errno.h>
#include <ferry/base.h>
#include <ferry/signal.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/clock.h"
#include "../os/fork.h"
#include "../wait/hail.h"
#include "waiters.h"

/* ---- somebody else's handlers ---- */

/* One of the two is NULL. Written by whoever sets an action, read by the handler at any time. */
static void (*_Atomic foreign_plain[FY_SIGNALS + 1])(int);
static void (*_Atomic foreign_full[FY_SIGNALS + 1])(int, siginfo_t *, void *);
static _Atomic int foreign_flags[FY_SIGNALS + 1];

void fy_receive_foreign(int signo, const struct sigaction *action)
{
	int is_function = action && action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
	int full = is_function && (action->sa_flags & SA_SIGINFO);

	/* RELAXED(no other memory belongs to it; a signal that comes meanwhile may go either way)
	 */
	atomic_store_explicit(&foreign_flags[signo], action ? action->sa_flags : 0,
			      memory_order_relaxed);
	/* RELAXED(as above) */
	atomic_store_explicit(&foreign_plain[signo],
			      is_function && !full ? action->sa_handler : NULL,
			      memory_order_relaxed);
	/* RELAXED(as above) */
	atomic_store_explicit(&foreign_full[signo], full ? action->sa_sigaction : NULL,
			      memory_order_relaxed);
}

static void call_foreign(int signo, siginfo_t *info, void *context)
{
	/* RELAXED(as in fy_receive_foreign()) */
	void (*plain)(int) = atomic_load_explicit(&foreign_plain[signo], memory_order_relaxed);
	void (*full)(int, siginfo_t *, void *) =
	    /* RELAXED(as above) */
	    atomic_load_explicit(&foreign_full[signo], memory_order_relaxed);

	if (FY_LIKELY(!plain && !full))
		return;
	/* RELAXED(as above) */
	int flags = atomic_load_explicit(&foreign_flags[signo], memory_order_relaxed);
	int only_stopped =
	    signo == SIGCHLD && (info->si_code == CLD_STOPPED || info->si_code == CLD_CONTINUED);
	if (only_stopped && (flags & SA_NOCLDSTOP))
		return;
	if ((unsigned)flags & SA_RESETHAND)
		fy_receive_foreign(signo, NULL);
	if (full)
		full(signo, info, context);
	else
		plain(signo);
}

/* ---- the descriptor ---- */

/* Of the process with that generation (os/fork.h): a child must not use its parent's. */
static _Atomic uint64_t notice; /* generation << 32 | descriptor + 1 */

static int notice_fd(void)
{
	/* SYNC(signal.notice) acquire: pairs with the release in fy_receive_fd(). Sequentially
	 * consistent: it is stored before the queue is looked at, and read after it was filled. */
	uint64_t now = atomic_load_explicit(&notice, memory_order_seq_cst);

	return now != 0 && now >> 32 == fy_fork_generation() ? (int)(now & UINT32_MAX) - 1 : -1;
}

/* The raw calls: a thread that is to be cancelled must not end here, in the handler or with a
 * signal in its hands. */
static void notify(void)
{
	const uint64_t one = 1;
	int fd = notice_fd();
	int saved = errno;

	/* It is full only if it is readable already. */
	if (fd >= 0)
		(void)syscall(SYS_write, fd, &one, sizeof(one));
	errno = saved;
}

int fy_receive_fd(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	(void)pthread_mutex_lock(&mutex);
	int fd = notice_fd();
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (fd < 0)
			fd = -errno;
		else
			/* SYNC(signal.notice) release: pairs with the acquire in notice_fd(). */
			atomic_store_explicit(
			    &notice, (uint64_t)fy_fork_generation() << 32 | (uint32_t)(fd + 1),
			    memory_order_seq_cst);
	}
	(void)pthread_mutex_unlock(&mutex);
	if (fd >= 0 && fy_queue_waiting() != 0)
		notify();
	return fd;
}

void fy_receive_fd_clear(uint64_t set)
{
	uint64_t count;
	int fd = notice_fd();
	int saved = errno;

	if (fd >= 0 && syscall(SYS_read, fd, &count, sizeof(count)) > 0 &&
	    (fy_queue_waiting() & set) != 0)
		notify();
	errno = saved;
}

/* ---- into the queue ---- */

static _Atomic uint64_t caught;
static _Atomic int poke_ends = 1; /* a FY_POKE that is no poke ends the process */

void fy_receive_set_caught(uint64_t set)
{
	/* SYNC(signal.caught) release: pairs with the acquire in fy_receive_caught(). */
	atomic_store_explicit(&caught, set, memory_order_release);
}

uint64_t fy_receive_caught(void)
{
	/* SYNC(signal.caught) acquire: pairs with the release in fy_receive_set_caught(). */
	return atomic_load_explicit(&caught, memory_order_acquire);
}

static void keep(siginfo_t *info, void *context)
{
	struct fy_signal_record record;

	fy_record_from(&record, info);
	int r = fy_queue_put(&record);
	if (FY_UNLIKELY(r != 0))
		fy_waiters_hold_back(record.signo, context);
	/* More threads at once than the ring has spare places: back to the kernel with it. */
	if (FY_UNLIKELY(r < 0))
		(void)fy_signal_to_thread(fy_thread_id(), record.signo, info);
	notify();
	fy_hail_all(fy_signal_bit(record.signo));
	fy_waiters_wake(record.signo, context);
}

/* A FY_POKE that is none, and that the program does not catch: what would have happened without our
 * handler. */
static void stand_in(siginfo_t *info)
{
	/* RELAXED(one word, nothing belongs to it) */
	if (atomic_load_explicit(&poke_ends, memory_order_relaxed)) {
		(void)signal(FY_POKE, SIG_DFL);
		(void)fy_signal_to_thread(fy_thread_id(), FY_POKE, info);
	}
}

void fy_receive_handler(int signo, siginfo_t *info, void *context)
{
	int saved = errno;

	if (!fy_waiters_is_poke(info, context)) {
		if (FY_LIKELY(fy_receive_caught() & fy_signal_bit(signo)))
			keep(info, context);
		else if (signo == FY_POKE)
			stand_in(info);
		call_foreign(signo, info, context);
	}
	errno = saved;
}

/* ---- the signal that wakes ---- */

static struct sigaction poke_before;
static int poke_error;

static void install_poke(void)
{
	struct sigaction action;

	fy_waiters_init();
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = fy_receive_handler;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	fy_receive_mask(&action.sa_mask);
	poke_error = fy_action(FY_POKE, NULL, &poke_before);
	if (poke_error == 0)
		fy_receive_stand_in(&poke_before);
	if (poke_error == 0)
		poke_error = fy_action(FY_POKE, &action, NULL);
}

void fy_receive_stand_in(const struct sigaction *action)
{
	/* RELAXED(one word, nothing belongs to it) */
	atomic_store_explicit(&poke_ends, action->sa_handler == SIG_DFL, memory_order_relaxed);
	fy_receive_foreign(FY_POKE, action);
}

int fy_receive_action(int signo, const struct sigaction *action, struct sigaction *ret_before)
{
	static struct sigaction poke_now; /* the caller's mutex is held */
	static int poke_known;

	if (signo != FY_POKE)
		return fy_action(signo, action, ret_before);
	if (!poke_known)
		poke_now = poke_before;
	poke_known = 1;
	if (ret_before)
		*ret_before = poke_now;
	if (action) {
		poke_now = *action;
		/* Caught: the handler is there already, and what is below it is told apart. */
		if (!(action->sa_flags & SA_SIGINFO) || action->sa_sigaction != fy_receive_handler)
			fy_receive_stand_in(action);
	}
	return 0;
}

/* ---- beginning ---- */

/* Nothing interrupts the handler but its own faults, for whoever reports those. */
void fy_receive_mask(sigset_t *ret_mask)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT };

	(void)sigfillset(ret_mask);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(ret_mask, faults[i]);
}

int fy_receive_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int r = fy_fork_init();

	if (r == 0)
		r = fy_queue_init();
	if (r == 0)
		(void)pthread_once(&once, install_poke);
	return r < 0 ? r : poke_error;
}

/* ---- out of it ---- */

/* The number of what was taken, or 0. */
static int take(uint64_t set, struct fy_signal_record *ret_record)
{
	int r = fy_queue_take(set, ret_record);

	if (FY_UNLIKELY(r > 1)) {
		notify();
		fy_hail_all(fy_signal_bit(ret_record->signo));
		fy_waiters_wake(ret_record->signo, NULL);
	}
	return r > 0 ? ret_record->signo : 0;
}

/* We were woken. If it was for what others take, or if we go on to something else, whoever sleeps
 * for what is left would not hear of it. */
static int take_and_hand_on(int signo, uint64_t set, struct fy_signal_record *ret_record)
{
	if (signo == 0)
		signo = take(set, ret_record);
	fy_waiters_wake_for(fy_queue_ready());
	return signo;
}

/* Register, look again, sleep, unregister. The number of what came, 0: nothing yet. */
static int wait_once(uint64_t set, uint32_t epoch, int64_t until,
		     struct fy_signal_record *ret_record)
{
	siginfo_t info;
	int from_kernel = 0;

	/* Who only looks need not be woken. */
	if (until != FERRY_NOW)
		fy_waiters_enter(set);
	int signo = take(set, ret_record);
	if (signo == 0) {
		signo = fy_waiters_sleep(set, epoch, until, &info);
		from_kernel = signo > 0;
	}
	int woken = fy_waiters_leave();
	if (from_kernel)
		fy_record_from(ret_record, &info);
	return woken ? take_and_hand_on(signo, set, ret_record) : signo;
}

int fy_receive_take(fy_receive_set set, const void *context, int64_t deadline,
		    struct fy_signal_record *ret_record)
{
	fy_waiters_let_in();
	for (;;) {
		uint32_t epoch = fy_waiters_epoch();
		uint64_t now = set(context);
		if (now & FY_RECEIVE_STOP)
			return 0;
		int signo = take(now, ret_record);
		if (signo > 0)
			return signo;
		int late =
		    deadline == FERRY_NOW || (deadline != FERRY_FOREVER && fy_now() >= deadline);
		signo = wait_once(now, epoch, late ? FERRY_NOW : deadline, ret_record);
		if (signo > 0)
			return signo;
		if (late)
			return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
	}
}

int fy_receive_ready(uint64_t set)
{
	return ((fy_queue_ready() | fy_signal_pending()) & set) != 0;
}

void fy_receive_changed(void)
{
	/* What waits may have a handler now. */
	if (fy_queue_waiting() != 0)
		notify();
	fy_hail_all(FERRY_SIGNAL_CAUGHT);
	fy_waiters_wake_all();
}

void fy_receive_drop(uint64_t set)
{
	struct fy_signal_record record;

	while (fy_queue_take(set, &record))
		;
}
