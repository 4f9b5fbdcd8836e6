/* SPDX-License-Identifier: MIT */
/* dispatch.c - running handlers in ordinary code, waiting without handlers, and ferry's thread. */
#include <errno.h>
#include <ferry/crash.h>
#include <ferry/signal.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/fork.h"
#include "action.h"
#include "receive.h"

/* ---- what came, in the words of the header ---- */

static enum ferry_signal_cause cause_of(const struct fy_signal_record *record)
{
	switch (record->code) {
	case SI_USER:
	case SI_TKILL:
		return FERRY_SIGNAL_KILL;
	case SI_QUEUE:
		return FERRY_SIGNAL_QUEUE;
	case SI_TIMER:
		return FERRY_SIGNAL_TIMER;
	case SI_MESGQ:
	case SI_ASYNCIO:
		return FERRY_SIGNAL_EVENT;
	case SI_KERNEL:
		return FERRY_SIGNAL_KERNEL;
	default:
		break;
	}
	/* Any other code below 0 was chosen by whoever called rt_sigqueueinfo(2). */
	if (record->code < 0)
		return FERRY_SIGNAL_QUEUE;
	if (record->signo == SIGCHLD)
		return FERRY_SIGNAL_CHILD;
	return record->signo == SIGTRAP ? FERRY_SIGNAL_FAULT : FERRY_SIGNAL_KERNEL;
}

static struct ferry_signal_info describe(const struct fy_signal_record *record)
{
	return (struct ferry_signal_info){
		.signo = record->signo,
		.cause = cause_of(record),
		.code = record->code,
		.status = record->status,
		.pid = record->pid,
		.uid = record->uid,
		.payload = record->payload,
		.address = (uintptr_t)record->address,
	};
}

/* ---- dispatching ---- */

static uint64_t set_to_dispatch(const void *stop)
{
	const _Atomic int *stopped = stop;

	/* SYNC(signal.stop) acquire: pairs with the release in ferry_signal_thread_stop(). */
	if (stopped && atomic_load_explicit(stopped, memory_order_acquire))
		return FY_RECEIVE_STOP;
	return fy_action_handled();
}

static void run_handlers(const struct fy_signal_record *record)
{
	struct fy_signal_catch chain[FY_LAYERS];
	struct ferry_signal_info info = describe(record);
	int n = fy_action_chain(record->signo, chain);

	for (int i = 0; i < n; i++)
		if (chain[i].handler(&info, chain[i].arg) != 0)
			return;
}

/* The number of the signal; 0: told to stop; or an error. */
static int dispatch(ferry_deadline deadline, const _Atomic int *stop)
{
	struct fy_signal_record record;
	int signo = fy_receive_init();

	if (signo == 0)
		signo = fy_receive_take(set_to_dispatch, stop, deadline, &record);
	if (signo > 0)
		run_handlers(&record);
	return signo;
}

int ferry_signal_dispatch(ferry_deadline deadline)
{
	int r = dispatch(deadline, NULL);

	if (r != -EAGAIN)
		return r;
	/* An event loop comes back when its descriptor says so: not for what we have seen. */
	fy_receive_fd_clear(fy_action_handled());
	return r;
}

/* ---- waiting ---- */

static uint64_t set_to_wait(const void *context)
{
	const uint64_t *set = context;

	return *set == FERRY_SIGNAL_CAUGHT ? fy_receive_caught() : *set;
}

int ferry_signal_wait(struct ferry_signal_info *ret_info, ferry_signal_set set,
		      ferry_deadline deadline)
{
	struct fy_signal_record record;
	int r = fy_receive_init();

	if (r < 0)
		return r;
	uint64_t others = set & ~fy_receive_caught();
	if (set == 0 || (set != FERRY_SIGNAL_CAUGHT && others != 0 &&
			 ((others & ~fy_mask_now()) != 0 || (others & ~FY_EVERY_SIGNAL) != 0)))
		return -EINVAL;
	r = fy_receive_take(set_to_wait, &set, deadline, &record);
	if (r > 0 && ret_info)
		*ret_info = describe(&record);
	return r;
}

int ferry_signal_fd(void)
{
	int cancel = fy_cancel_off();
	int r = fy_receive_init();

	if (r == 0)
		r = fy_receive_fd();
	fy_cancel_restore(cancel);
	return r;
}

/* ---- ferry's thread ---- */

/* No mutex: a handler that the thread runs may fork, or ask for the thread to be started. */
enum thread_state { NONE = 0, STARTING = 1, RUNNING = 2, STOPPING = 3 };
static _Atomic uint64_t thread_word; /* generation of the process (os/fork.h) << 2 | state */
static pthread_t thread;             /* in RUNNING and STOPPING */
static _Atomic int stop;

static uint64_t word_of(enum thread_state state)
{
	return (uint64_t)fy_fork_generation() << 2 | (uint64_t)state;
}

/* What a parent's word says means nothing in its child. */
static int move(enum thread_state from, enum thread_state to)
{
	/* SYNC(signal.thread) acquire: pairs with the release in move() itself: thread is set. */
	uint64_t word = atomic_load_explicit(&thread_word, memory_order_acquire);
	int is_from = word >> 2 == fy_fork_generation() ? word == word_of(from) : from == NONE;

	/* SYNC(signal.thread) acq_rel: pairs with itself; thread and stop are handed over. */
	return is_from &&
	       atomic_compare_exchange_strong_explicit(&thread_word, &word, word_of(to),
						       memory_order_acq_rel, memory_order_acquire);
}

static void *run(void *unused)
{
	(void)unused;
	(void)ferry_crash_thread();
	while (dispatch(FERRY_FOREVER, &stop) != 0)
		;
	return NULL;
}

/* The thread inherits the mask: everything blocked but what faults raise. */
static int make_thread(void)
{
	uint64_t mask = fy_mask_block(FY_EVERY_SIGNAL & ~fy_signal_faults());
	int r = -pthread_create(&thread, NULL, run, NULL);
	(void)fy_mask_set(mask);
	return r;
}

int ferry_signal_thread_start(void)
{
	int r = fy_receive_init();

	if (r < 0)
		return r;
	if (!move(NONE, STARTING))
		return -EALREADY;
	/* RELAXED(the thread is made after it) */
	atomic_store_explicit(&stop, 0, memory_order_relaxed);
	r = make_thread();
	(void)move(STARTING, r == 0 ? RUNNING : NONE);
	return r;
}

int ferry_signal_thread_stop(void)
{
	int r = fy_receive_init();

	if (r < 0)
		return r;
	if (!move(RUNNING, STOPPING))
		return -ESRCH;
	if (pthread_equal(thread, pthread_self())) {
		(void)move(STOPPING, RUNNING);
		return -EDEADLK;
	}
	int cancel = fy_cancel_off();
	/* SYNC(signal.stop) release: pairs with the acquire in set_to_dispatch(). */
	atomic_store_explicit(&stop, 1, memory_order_release);
	fy_receive_changed();
	(void)pthread_join(thread, NULL);
	(void)move(STOPPING, NONE);
	fy_cancel_restore(cancel);
	return 0;
}
