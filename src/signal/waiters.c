/* SPDX-License-Identifier: MIT */
/* waiters.c - see waiters.h. */
#include "waiters.h"

#include <assert.h>
#include <ferry/base.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>

#include "../base/why.h"
#include "../os/fork.h"
#include "../wait/nap.h"
#include "queue.h"

#define WAITERS 64

/* Low bits of a waiter's word; the rest counts, so that a word never comes again. */
enum waiter_state { FREE = 0, ENTERING = 1, ARMED = 2, POKED = 3 };
#define STATE_BITS UINT64_C(3)
#define ONE_MORE   UINT64_C(4)

struct waiter {
	alignas(64) _Atomic uint64_t word;
	_Atomic uint64_t set;
	_Atomic int32_t tid;
};

/* In the memory that a child finds wiped. */
struct waiters {
	struct waiter waiter[WAITERS];
	alignas(64) _Atomic uint32_t epoch;
};
static_assert(sizeof(struct waiters) <= FY_QUEUE_EXTRA, "make room in the queue's memory");

static struct waiters *waiters;

/* What the handler needs to know of the thread that it interrupts. With this TLS model the access
 * is no function call, which a handler must not make. */
static __thread struct {
	struct waiter
	    *volatile waiter;        /* ours while we are registered; else a poke means nothing */
	volatile int masked;         /* FY_POKE is blocked, by one that came too early */
	volatile uint64_t held_back; /* blocked since the queue had no room */
	pid_t tid;                   /* our number, */
	uint32_t tid_of;             /* in the process with that generation (os/fork.h) */
} here __attribute__((tls_model("initial-exec")));

/* The mark of a poke. The kernel lets a process choose no code of 0 or more for another thread. */
#define POKE_CODE (-0x46)
static const char poke_mark;

void fy_waiters_init(void)
{
	waiters = fy_queue_extra();
}

static void poke(pid_t tid)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = FY_POKE;
	info.si_code = POKE_CODE;
	info.si_value.sival_ptr = (void *)(uintptr_t)&poke_mark;
	/* It fails only if the thread is gone. */
	(void)fy_signal_to_thread(tid, FY_POKE, &info);
}

/* When the user has as many signals pending as RLIMIT_SIGPENDING allows, the kernel delivers it
 * without its information: all zeros. */
static int is_poke(const siginfo_t *info)
{
	if (info->si_signo != FY_POKE)
		return 0;
	return (info->si_code == POKE_CODE && info->si_value.sival_ptr == &poke_mark) ||
	       (info->si_code == SI_USER && info->si_pid == 0 && info->si_uid == 0);
}

/* We are in a handler on a thread that is about to sleep, or has just slept. Its sleep must end at
 * once: a poke waits for it, blocked, so that it does not lead to a handler again. */
static void poke_here(void *context)
{
	poke(here.tid);
	if (fy_mask_in_context(context, FY_POKE))
		here.masked = 1;
}

int fy_waiters_is_poke(siginfo_t *info, void *context)
{
	if (FY_LIKELY(!is_poke(info)))
		return 0;
	if (here.waiter)
		poke_here(context);
	return 1;
}

/* Wake this waiter, if it is armed with that word. 1 if it was. */
static int wake(struct waiter *waiter, uint64_t word, void *context)
{
	/* RELAXED(of this arming only if the word has not changed below) */
	pid_t tid = atomic_load_explicit(&waiter->tid, memory_order_relaxed);

	/* SYNC(waiter.word) acq_rel: pairs with itself and with fy_waiters_enter(). */
	if (!atomic_compare_exchange_strong_explicit(&waiter->word, &word, word ^ ARMED ^ POKED,
						     memory_order_acq_rel, memory_order_acquire))
		return 0;
	if (waiter == here.waiter && context)
		poke_here(context);
	else
		poke(tid);
	return 1;
}

/* 1 if somebody was woken who waits for something in the set. */
static int wake_one_of(uint64_t set, void *context)
{
	for (struct waiter *w = waiters->waiter; w < waiters->waiter + WAITERS; w++) {
		/* SYNC(waiter.word) acquire: pairs with fy_waiters_enter(). Sequentially
		 * consistent: see announce() in queue.c. */
		uint64_t word = atomic_load_explicit(&w->word, memory_order_seq_cst);
		if ((word & STATE_BITS) != ARMED)
			continue;
		/* RELAXED(wake() checks that the word is still that) */
		if ((atomic_load_explicit(&w->set, memory_order_relaxed) & set) &&
		    wake(w, word, context))
			return 1;
	}
	return 0;
}

void fy_waiters_wake(int signo, void *context)
{
	(void)wake_one_of(fy_signal_bit(signo), context);
}

void fy_waiters_wake_for(uint64_t set)
{
	if (set != 0)
		(void)wake_one_of(set, NULL);
}

uint32_t fy_waiters_epoch(void)
{
	/* SYNC(waiters.epoch) acquire: pairs with fy_waiters_wake_all(). */
	return atomic_load_explicit(&waiters->epoch, memory_order_seq_cst);
}

void fy_waiters_wake_all(void)
{
	/* SYNC(waiters.epoch) release: pairs with fy_waiters_epoch(). Sequentially consistent: we
	 * count and then look for waiters; a waiter arms itself and then looks at the count. */
	(void)atomic_fetch_add_explicit(&waiters->epoch, 1, memory_order_seq_cst);
	for (struct waiter *w = waiters->waiter; w < waiters->waiter + WAITERS; w++) {
		/* SYNC(waiter.word) acquire: pairs with fy_waiters_enter(). */
		uint64_t word = atomic_load_explicit(&w->word, memory_order_seq_cst);
		if ((word & STATE_BITS) == ARMED)
			(void)wake(w, word, NULL);
	}
}

/* A child has another number, and finds its parent's in its memory. */
static pid_t thread_id(void)
{
	if (FY_UNLIKELY(here.tid_of != fy_fork_generation())) {
		here.tid = fy_thread_id();
		here.tid_of = fy_fork_generation();
	}
	return here.tid;
}

static int arm(struct waiter *waiter, uint64_t set)
{
	/* RELAXED(the compare-and-swap decides) */
	uint64_t word = atomic_load_explicit(&waiter->word, memory_order_relaxed);

	/* SYNC(waiter.word) acquire: pairs with the release in fy_waiters_leave(). */
	if ((word & STATE_BITS) != FREE || !atomic_compare_exchange_strong_explicit(
					       &waiter->word, &word, word + ONE_MORE + ENTERING,
					       memory_order_acquire, memory_order_relaxed))
		return 0;
	/* RELAXED(published by the word) */
	atomic_store_explicit(&waiter->set, set, memory_order_relaxed);
	/* RELAXED(published by the word) */
	atomic_store_explicit(&waiter->tid, thread_id(), memory_order_relaxed);
	here.waiter = waiter;
	/* SYNC(waiter.word) release: pairs with the acquire in wake_one_of(). Sequentially
	 * consistent: we arm and then look at the queue and the epoch. */
	atomic_store_explicit(&waiter->word, word + ONE_MORE + ARMED, memory_order_seq_cst);
	return 1;
}

void fy_waiters_enter(uint64_t set)
{
	for (int i = 0; i < WAITERS; i++)
		if (arm(&waiters->waiter[i], set))
			return;
}

int fy_waiters_sleep(uint64_t set, uint32_t epoch, int64_t until, siginfo_t *ret_info)
{
	if (fy_waiters_epoch() != epoch)
		return 0;
	/* All places to register were taken: nobody can wake us, so we look now and then. */
	if (FY_UNLIKELY(!here.waiter) && until != FERRY_NOW) {
		int64_t nap = fy_now() + FY_NAP;
		until = until < nap ? until : nap;
	}
	int signo = fy_signal_take(set | fy_signal_bit(FY_POKE), ret_info, until);
	return signo <= 0 || is_poke(ret_info) ? 0 : signo;
}

int fy_waiters_leave(void)
{
	struct waiter *waiter = here.waiter;

	here.waiter = NULL;
	if (!waiter)
		return 0;
	/* SYNC(waiter.word) release: pairs with the acquire in arm(). */
	uint64_t word = atomic_fetch_and_explicit(&waiter->word, ~STATE_BITS, memory_order_acq_rel);
	if (FY_UNLIKELY(here.masked)) {
		here.masked = 0;
		(void)fy_mask_unblock(fy_signal_bit(FY_POKE));
	}
	return (word & STATE_BITS) == POKED;
}

void fy_waiters_hold_back(int signo, void *context)
{
	if (fy_mask_in_context(context, signo))
		here.held_back |= fy_signal_bit(signo);
}

void fy_waiters_let_in(void)
{
	uint64_t held = here.held_back;

	for (uint64_t left = held; left != 0; left &= left - 1)
		if (fy_queue_count(fy_signal_lowest(left)) > FY_QUEUE_ROOM / 2)
			held &= ~fy_signal_bit(fy_signal_lowest(left));
	if (FY_UNLIKELY(held != 0)) {
		here.held_back &= ~held;
		(void)fy_mask_unblock(held);
	}
}
