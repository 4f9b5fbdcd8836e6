/* SPDX-License-Identifier: MIT */
/* bell.c - see bell.h. */
#include "bell.h"

#include <errno.h>

#include "../os/futex.h"

void fy_bell_word_ring_slow(_Atomic uint32_t *word, int n)
{
	/* RELAXED(the compare-and-swap below checks it) */
	uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);

	while (seen & 1) {
		/* Adding 1 to an odd word clears bit 0 and counts on.
		 * SYNC(bell.word) acq_rel: pairs with fy_bell_word_prepare(): a sleeper that sees
		 * the new count sees the news. */
		if (atomic_compare_exchange_weak_explicit(
			word, &seen, seen + 1, memory_order_seq_cst, memory_order_seq_cst)) {
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

int fy_bell_word_sleep(_Atomic uint32_t *word, uint32_t seen, int64_t until)
{
	int r = fy_futex_wait(word, seen, until);

	return r == -EAGAIN ? 0 : r;
}
