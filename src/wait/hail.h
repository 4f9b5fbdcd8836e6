/* SPDX-License-Identifier: MIT */
/*
 * hail.h - waking threads of this process that wait for several things, one of them signals.
 *
 * Called from signal handlers, in any thread: so without locks or memory of its own. Who waits has
 * a place with a futex word, and an eventfd if it waits at descriptors. All whose set fits are
 * hailed; each looks for itself whether something is left for it.
 */
#ifndef FY_HAIL_H
#define FY_HAIL_H

#include <stdatomic.h>
#include <stdint.h>

struct fy_hail {
	_Alignas(64) _Atomic uint64_t owner; /* generation (os/fork.h) << 1 | 1; another: free */
	_Atomic uint64_t set;                /* 0: not to be hailed */
	_Atomic uint32_t word;               /* counts; a futex */
	_Atomic uint32_t busy;               /* hailers that may be about to use fd */
	_Atomic int fd;                      /* eventfd, or -1 */
};

/* A place to be hailed at for signals of the set (not 0), with a descriptor or without. Look for
 * news after it. NULL: there is none, or no descriptor; then nobody hails. */
struct fy_hail *fy_hail_begin(uint64_t set, int with_fd);

/* The futex word: read it, look for news, sleep while it is the same. */
static inline uint32_t fy_hail_word(const struct fy_hail *hail)
{
	/* SYNC(hail.word) acquire: pairs with the release in hail_one(): the news are there. */
	return atomic_load_explicit(&hail->word, memory_order_acquire);
}

static inline int fy_hail_fd(const struct fy_hail *hail)
{
	/* RELAXED(only fy_hail_begin() and _end() write it, which are ours) */
	return atomic_load_explicit(&hail->fd, memory_order_relaxed);
}

/* What made the descriptor readable has been seen. */
void fy_hail_clear(struct fy_hail *hail);

/* Make the descriptor readable. */
void fy_hail_raise(struct fy_hail *hail);

/* NULL is allowed. */
void fy_hail_end(struct fy_hail *hail);

/* Wake all who wait for a signal of the set; after the news. AS-Safe. */
void fy_hail_all(uint64_t set);

#endif
