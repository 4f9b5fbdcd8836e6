/* SPDX-License-Identifier: MIT */
/* keeper.c - see keeper.h. */
#include "keeper.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../os/clock.h"
#include "../os/fork.h"
#include "../os/futex.h"
#include "../os/thread.h"
#include "../wait/nap.h"
#include "../wait/watch.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct keeping {
	pthread_t thread;
	_Atomic uint32_t stop; /* 1: end; a futex */
};

/* Not in there, since it must not go while somebody hurries. */
static _Atomic uint32_t hurried; /* counts; a futex */
static _Atomic uint32_t sound;   /* threads that may be asleep on it */

static struct {
	struct fy_kept *all;
	struct keeping *keeping; /* NULL: no thread */
	uint32_t generation;     /* of the process in which it runs (os/fork.h) */
} keeper;

/* When the next sweep is due. */
static int64_t sweep_all(int64_t now)
{
	int64_t due = INT64_MAX;

	(void)pthread_mutex_lock(&mutex);
	for (struct fy_kept *k = keeper.all; k; k = k->next) {
		int64_t next = k->sweep(k, now);
		due = next < due ? next : due;
	}
	(void)pthread_mutex_unlock(&mutex);
	return due;
}

/* Sleep until then, unless somebody has hurried since seen. */
static void sleep_soundly(uint32_t seen, int64_t until)
{
	/* SYNC(keeper.sound) release: set, then look; pairs with fy_keeper_hurry(). */
	(void)atomic_fetch_add_explicit(&sound, 1, memory_order_seq_cst);
	(void)fy_futex_wait(&hurried, seen, until);
	/* RELAXED(who wakes us for nothing has done no harm) */
	(void)atomic_fetch_sub_explicit(&sound, 1, memory_order_relaxed);
}

static void *run(void *argument)
{
	struct keeping *keeping = argument;

	for (;;) {
		/* SYNC(keeper.hurried) acquire: before the sweep, which sees what was there then,
		 * and before the look at stop. */
		uint32_t seen = atomic_load_explicit(&hurried, memory_order_seq_cst);
		/* SYNC(keeper.stop) acquire: pairs with the release in stop_if_idle(). */
		if (atomic_load_explicit(&keeping->stop, memory_order_acquire))
			return NULL;
		(void)fy_futex_wait(&keeping->stop, 0, fy_nap_end(fy_now(), 0, 1));
		int64_t now = fy_now();
		int64_t due = sweep_all(now);
		if (due - now > FY_NAP)
			sleep_soundly(seen, due - FY_NAP);
	}
}

/* ---- fork: the child must not inherit the mutex locked, and has no such thread ---- */

static void before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
}

static void after_fork_parent(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

static void after_fork_child(void)
{
	keeper.all = NULL;
	keeper.keeping = NULL;
	(void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	/* What a sweep locks is locked after ours, for fork too. */
	fy_watch_init();
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void fy_keeper_lock(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&mutex);
}

void fy_keeper_unlock(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

/* ---- the interface ---- */

void fy_keeper_hurry(void)
{
	/* SYNC(keeper.hurried) release: count, then look; pairs with run() and sleep_soundly(). */
	(void)atomic_fetch_add_explicit(&hurried, 1, memory_order_seq_cst);
	/* SYNC(keeper.sound) acquire: pairs with sleep_soundly(). */
	if (atomic_load_explicit(&sound, memory_order_seq_cst))
		/* One that is to end may sleep there beside the next. */
		(void)fy_futex_wake(&hurried, INT_MAX);
}

/* Of a child that fork() did not make, the handlers did not run. */
static void forget_parent(void)
{
	if (keeper.generation == fy_fork_generation())
		return;
	keeper.all = NULL;
	keeper.keeping = NULL;
	keeper.generation = fy_fork_generation();
}

static int start(void)
{
	if (keeper.keeping)
		return 0;
	struct keeping *keeping = calloc(1, sizeof(*keeping));
	int r = keeping ? fy_thread_start(&keeping->thread, run, keeping) : -ENOMEM;
	if (r < 0)
		free(keeping);
	else
		keeper.keeping = keeping;
	return r;
}

int fy_keeper_add(struct fy_kept *kept)
{
	fy_keeper_lock();
	forget_parent();
	int r = start();
	if (r == 0) {
		kept->previous = NULL;
		kept->next = keeper.all;
		if (kept->next)
			kept->next->previous = kept;
		keeper.all = kept;
	}
	(void)pthread_mutex_unlock(&mutex);
	fy_keeper_hurry();
	return r;
}

/* Called with the mutex held, which is let go of: the thread may need it for its last round. */
static void stop_if_idle(void)
{
	struct keeping *keeping = keeper.all ? NULL : keeper.keeping;

	if (keeping)
		keeper.keeping = NULL;
	(void)pthread_mutex_unlock(&mutex);
	if (!keeping)
		return;
	/* SYNC(keeper.stop) release: pairs with the acquire in run(). */
	atomic_store_explicit(&keeping->stop, 1, memory_order_release);
	(void)fy_futex_wake(&keeping->stop, 1);
	fy_keeper_hurry();
	(void)pthread_join(keeping->thread, NULL);
	free(keeping);
}

void fy_keeper_remove(struct fy_kept *kept)
{
	fy_keeper_lock();
	forget_parent();
	if (kept->previous)
		kept->previous->next = kept->next;
	else if (keeper.all == kept)
		keeper.all = kept->next;
	if (kept->next)
		kept->next->previous = kept->previous;
	stop_if_idle();
}
