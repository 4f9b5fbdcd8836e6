/* SPDX-License-Identifier: MIT */
/* hail.c - see hail.h. */
#include "hail.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../os/fork.h"
#include "../os/futex.h"

#define PLACES 64

static struct fy_hail places[PLACES];
static _Atomic uint32_t used; /* places from here on never had anybody */

static uint64_t ours(void)
{
	return (uint64_t)fy_fork_generation() << 1 | 1;
}

static int claim(struct fy_hail *hail)
{
	/* RELAXED(the compare-and-swap decides) */
	uint64_t seen = atomic_load_explicit(&hail->owner, memory_order_relaxed);

	if (seen == ours())
		return 0;
	/* SYNC(hail.owner) acquire: pairs with the release in fy_hail_end(). */
	if (!atomic_compare_exchange_strong_explicit(&hail->owner, &seen, ours(),
						     memory_order_acquire, memory_order_relaxed))
		return 0;
	/* A parent's: the hailers that it counted stayed there. */
	if (seen != 0)
		/* RELAXED(published by set) */
		atomic_store_explicit(&hail->busy, 0, memory_order_relaxed);
	return 1;
}

static void raise_used(uint32_t n)
{
	/* RELAXED(the compare-and-swap decides) */
	uint32_t seen = atomic_load_explicit(&used, memory_order_relaxed);

	/* SYNC(hail.used) release: pairs with the acquire in fy_hail_all(). */
	while (seen < n && !atomic_compare_exchange_weak_explicit(
			       &used, &seen, n, memory_order_seq_cst, memory_order_relaxed))
		;
}

static struct fy_hail *claim_one(void)
{
	for (uint32_t i = 0; i < PLACES; i++)
		if (claim(&places[i])) {
			raise_used(i + 1);
			return &places[i];
		}
	return NULL;
}

struct fy_hail *fy_hail_begin(uint64_t set, int with_fd)
{
	struct fy_hail *hail = claim_one();
	int fd = -1;

	if (!hail)
		return NULL;
	if (with_fd)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* RELAXED(published by set) */
	atomic_store_explicit(&hail->fd, fd, memory_order_relaxed);
	if (with_fd && fd < 0) {
		fy_hail_end(hail);
		return NULL;
	}
	/* SYNC(hail.set) release: pairs with the acquire in hail_one(). Sequentially consistent: we
	 * are there, and then look for news; who has news looks for us then. */
	atomic_store_explicit(&hail->set, set, memory_order_seq_cst);
	return hail;
}

void fy_hail_clear(struct fy_hail *hail)
{
	uint64_t count;
	int saved = errno;

	(void)syscall(SYS_read, fy_hail_fd(hail), &count, sizeof(count));
	errno = saved;
}

static void write_one(int fd)
{
	const uint64_t one = 1;

	/* It is full only if it is readable already. */
	(void)syscall(SYS_write, fd, &one, sizeof(one));
}

void fy_hail_raise(struct fy_hail *hail)
{
	int saved = errno;

	write_one(fy_hail_fd(hail));
	errno = saved;
}

void fy_hail_end(struct fy_hail *hail)
{
	if (!hail)
		return;
	/* SYNC(hail.set) release: pairs with the acquire in hail_one(). Sequentially consistent:
	 * first nobody may begin any more, then we look whether somebody has. */
	atomic_store_explicit(&hail->set, 0, memory_order_seq_cst);
	/* RELAXED(our own) */
	int fd = atomic_exchange_explicit(&hail->fd, -1, memory_order_relaxed);
	/* SYNC(hail.busy) acquire: pairs with the release in hail_one(): the descriptor is used no
	 * more. A handler that is at it is some instructions from its end. */
	while (fd >= 0 && atomic_load_explicit(&hail->busy, memory_order_seq_cst) != 0)
		(void)sched_yield();
	if (fd >= 0)
		(void)close(fd);
	/* SYNC(hail.owner) release: pairs with the acquire in claim(). */
	atomic_store_explicit(&hail->owner, 0, memory_order_release);
}

static void hail_one(struct fy_hail *hail, uint64_t set)
{
	/* SYNC(hail.busy) release: pairs with the acquire in fy_hail_end(). Sequentially
	 * consistent: we say that we are at it, and then look whether it still is there. */
	(void)atomic_fetch_add_explicit(&hail->busy, 1, memory_order_seq_cst);
	/* SYNC(hail.set) acquire: pairs with the release in fy_hail_begin(): fd goes with it. */
	if (atomic_load_explicit(&hail->set, memory_order_seq_cst) & set) {
		/* SYNC(hail.word) release: pairs with the acquire in fy_hail_word(). */
		(void)atomic_fetch_add_explicit(&hail->word, 1, memory_order_release);
		/* RELAXED(published by set) */
		int fd = atomic_load_explicit(&hail->fd, memory_order_relaxed);
		if (fd >= 0)
			write_one(fd);
		else
			(void)fy_futex_wake(&hail->word, INT_MAX);
	}
	/* SYNC(hail.busy) release: pairs with the acquire in fy_hail_end(). */
	(void)atomic_fetch_sub_explicit(&hail->busy, 1, memory_order_release);
}

void fy_hail_all(uint64_t set)
{
	int saved = errno;
	uint64_t mine = ours();
	/* SYNC(hail.used) acquire: pairs with the release in raise_used(). */
	uint32_t n = atomic_load_explicit(&used, memory_order_seq_cst);

	for (uint32_t i = 0; i < n; i++)
		/* RELAXED(a place that is begun now looks for news itself) */
		if (atomic_load_explicit(&places[i].owner, memory_order_relaxed) == mine &&
		    /* SYNC(hail.set) acquire: pairs with the release in fy_hail_begin(). */
		    (atomic_load_explicit(&places[i].set, memory_order_seq_cst) & set) != 0)
			hail_one(&places[i], set);
	errno = saved;
}
