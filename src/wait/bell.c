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
		fy_touch(fd);
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
