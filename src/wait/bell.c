/* SPDX-License-Identifier: MIT */
/* bell.c - see bell.h. */
#include "bell.h"

#include <errno.h>

#include "../os/futex.h"

void fy_bell_ring_slow(struct fy_bell_shm *bell, int n)
{
	/* RELAXED(the compare-and-swap below checks it) */
	uint32_t seen = atomic_load_explicit(&bell->word, memory_order_relaxed);

	while (seen & 1) {
		/* Adding 1 to an odd word clears bit 0 and counts on.
		 * SYNC(bell.word) acq_rel: pairs with fy_bell_prepare(): a sleeper that sees the
		 * new count sees the news. */
		if (atomic_compare_exchange_weak_explicit(
			&bell->word, &seen, seen + 1, memory_order_seq_cst, memory_order_seq_cst)) {
			(void)fy_futex_wake(&bell->word, n);
			return;
		}
	}
}

uint32_t fy_bell_prepare(struct fy_bell_shm *bell)
{
	/* SYNC(bell.word) acq_rel: pairs with fy_bell_ring() and fy_bell_ring_slow(). */
	return atomic_fetch_or_explicit(&bell->word, 1, memory_order_seq_cst) | 1;
}

int fy_bell_sleep(struct fy_bell_shm *bell, uint32_t seen, int64_t until)
{
	int r = fy_futex_wait(&bell->word, seen, until);

	return r == -EAGAIN ? 0 : r;
}
