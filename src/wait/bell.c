/* SPDX-License-Identifier: MIT */
/* bell.c - see bell.h. */
#include "bell.h"

#include <errno.h>

#include "../os/futex.h"
#include "../os/touch.h"

/* Whoever set bit 0 for watching had set the mark before. */
static void touch_if_watched(_Atomic uint32_t *mark, int fd)
{
	/* RELAXED(the exchange decides; a mark that was set before bit 0 is seen by who cleared
	 * that)
	 */
	if (atomic_load_explicit(mark, memory_order_relaxed) != 0 &&
	    /* SYNC(bell.mark) acq_rel: pairs with fy_bell_word_prepare_watched(). */
	    atomic_exchange_explicit(mark, 0, memory_order_acq_rel) != 0)
		(void)fy_touch(fd);
}

void fy_bell_word_ring_slow(_Atomic uint32_t *word, int n, int fd)
{
	/* RELAXED(the compare-and-swap below checks it) */
	uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);

	while (seen & 1) {
		/* Adding 1 to an odd word clears bit 0 and counts on.
		 * SYNC(bell.word) acq_rel: pairs with fy_bell_word_prepare(): a sleeper that sees
		 * the new count sees the news. */
		if (atomic_compare_exchange_weak_explicit(
			word, &seen, seen + 1, memory_order_seq_cst, memory_order_seq_cst)) {
			if (fd >= 0)
				touch_if_watched(word + 1, fd);
			(void)fy_futex_wake(word, n);
			return;
		}
	}
}

/* Count on, so that who has looked and is about to sleep does not. */
static void count_on(_Atomic uint32_t *word)
{
	/* RELAXED(the compare-and-swap below checks it) */
	uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);

	/* With bit 0 clear it was counted on since everybody prepared.
	 * SYNC(bell.word) acq_rel: pairs with fy_bell_word_prepare(). */
	while (seen & 1 && !atomic_compare_exchange_weak_explicit(
			       word, &seen, seen + 1, memory_order_seq_cst, memory_order_seq_cst))
		;
}

void fy_bell_rouse_slow(struct fy_bell_shm *bell, int fd)
{
	/* SYNC(bell.sound) acquire: pairs with fy_bell_sleep_soundly(). Whoever cleared it since
	 * has woken all whom we saw. */
	uint32_t seen = atomic_load_explicit(&bell->sound, memory_order_seq_cst);

	if (!(seen & 1))
		return;
	count_on(&bell->word);
	(void)fy_futex_wake(&bell->word, FY_BELL_ALL);
	/* Whatever the mark says: who took that may have been stopped before it touched. */
	(void)fy_touch(fd);
	/* Last, or who is stopped on the way would keep the next from doing it. It fails if
	 * somebody has begun to sleep soundly since.
	 * SYNC(bell.sound) acq_rel: pairs with fy_bell_sleep_soundly(). */
	(void)atomic_compare_exchange_strong_explicit(&bell->sound, &seen, seen + 1,
						      memory_order_seq_cst, memory_order_seq_cst);
}

void fy_bell_sleep_soundly(struct fy_bell_shm *bell)
{
	/* RELAXED(the compare-and-swap below checks it) */
	uint32_t seen = atomic_load_explicit(&bell->sound, memory_order_relaxed);

	/* Counted on also if it is set: whoever rouses those who set it must not clear ours.
	 * SYNC(bell.sound) acq_rel: pairs with fy_bell_rouse(). */
	while (!atomic_compare_exchange_weak_explicit(&bell->sound, &seen, (seen + 2) | 1,
						      memory_order_seq_cst, memory_order_seq_cst))
		;
	/* SYNC(bell.sound) acq_rel: what is looked at next is looked at after that. */
	atomic_thread_fence(memory_order_seq_cst);
}

uint32_t fy_bell_word_prepare(_Atomic uint32_t *word)
{
	/* SYNC(bell.word) acq_rel: pairs with fy_bell_word_ring() and fy_bell_word_ring_slow(). */
	return atomic_fetch_or_explicit(word, 1, memory_order_seq_cst) | 1;
}

uint32_t fy_bell_word_prepare_watched(_Atomic uint32_t *word)
{
	/* RELAXED(if it is there, it need not be written: ringers have the line) */
	if (atomic_load_explicit(word + 1, memory_order_relaxed) == 0)
		/* SYNC(bell.mark) release: pairs with touch_if_watched(): whoever clears bit 0
		 * after us finds the mark. */
		atomic_store_explicit(word + 1, 1, memory_order_release);
	return fy_bell_word_prepare(word);
}

int fy_bell_word_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t until)
{
	int r = fy_futex_wait(word, seen, until);

	return r == -EAGAIN ? 0 : r;
}
