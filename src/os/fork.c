/* SPDX-License-Identifier: MIT */
/* fork.c - see fork.h. */
#include "fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint32_t before_init = 1;
const volatile uint32_t *fy_fork_page = &before_init;

static volatile uint32_t *page;   /* the same page, writable */
static _Atomic uint32_t last = 1; /* highest generation given out; copied to children */
static int init_error;

static void make_page(void)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || madvise(p, bytes, MADV_WIPEONFORK) != 0) {
		init_error = -errno;
		return;
	}
	page = p;
	/* RELAXED(one thread runs this; pthread_once publishes it) */
	*page = atomic_load_explicit(&last, memory_order_relaxed);
	fy_fork_page = page;
}

int fy_fork_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_page);
	return init_error;
}

uint32_t fy_fork_generation(void)
{
	if (*fy_fork_page == 0) {
		/* RELAXED(only the numbers' being different matters. Two threads of a child may
		 * both come here; the later number stays, and whoever saw the other asks again.) */
		*page = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
	}
	return *fy_fork_page;
}

/* ---- handles ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over the list */
static struct fy_inherited *all;

static void before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
	for (struct fy_inherited *i = all; i; i = i->next)
		if (i->how->before)
			i->how->before(i->handle);
}

static void after_fork_parent(void)
{
	for (struct fy_inherited *i = all; i; i = i->next)
		if (i->how->in_parent)
			i->how->in_parent(i->handle);
	(void)pthread_mutex_unlock(&mutex);
}

static void after_fork_child(void)
{
	for (struct fy_inherited *i = all; i; i = i->next)
		if (i->how->in_child)
			i->how->in_child(i->handle);
	(void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void fy_inherit(struct fy_inherited *place, const struct fy_inheritance *how, void *handle)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, watch_forks);
	(void)pthread_mutex_lock(&mutex);
	*place = (struct fy_inherited){ .next = all, .how = how, .handle = handle };
	if (all)
		all->previous = place;
	all = place;
	(void)pthread_mutex_unlock(&mutex);
}

void fy_disinherit(struct fy_inherited *place)
{
	(void)pthread_mutex_lock(&mutex);
	if (place->next)
		place->next->previous = place->previous;
	if (place->previous)
		place->previous->next = place->next;
	else
		all = place->next;
	(void)pthread_mutex_unlock(&mutex);
}
