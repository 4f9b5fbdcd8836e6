/* SPDX-License-Identifier: MIT */
/* message.c - see message.h. */
#include "message.h"

#include <string.h>

/* Reads that race with a writer on purpose; what they give is thrown away if the word has changed.
 */
__attribute__((no_sanitize("thread"), noinline)) static uint64_t racy(const _Atomic uint64_t *field)
{
	/* volatile keeps the load in this function, which is not instrumented */
	return *(const volatile uint64_t *)(uintptr_t)field;
}

void fy_view_read(const struct fy_spot *spot, struct fy_view *ret_view)
{
	const struct fy_cell_shm *cell = spot->cell;
	uint64_t meta = fy_meta_load(cell);

	*ret_view = (struct fy_view){ .size = fy_meta_size(meta), .meta = meta };
	if (FY_UNLIKELY(fy_meta_flags(meta) & FY_META_REFERENCE)) {
		ret_view->size = racy(&cell->reference.size);
		ret_view->offset = racy(&cell->reference.offset);
		if (fy_meta_flags(meta) & FY_META_EXPIRES)
			ret_view->expiry = (int64_t)racy(&cell->reference.expiry);
		/* A peer's nonsense must not look like "in the cell". */
		if (ret_view->offset == 0)
			ret_view->offset = UINT64_MAX;
	} else if (FY_UNLIKELY(fy_meta_flags(meta) & FY_META_EXPIRES)) {
		ret_view->expiry = (int64_t)racy(&cell->inlined.expiry);
	}
}

void fy_describe(const struct ferry_mailbox *box, const struct fy_ring *ring, uint64_t word,
		 const struct fy_view *view, struct ferry_message *message)
{
	uint32_t deliveries = fy_word_attempt(word) + 1;

	message->size = view->size;
	message->priority = (uint32_t)(ring - box->rings);
	message->deliveries = deliveries > 240 ? 255 : deliveries;
	message->ttl = 0;
	if (view->expiry != 0) {
		int64_t left = view->expiry - fy_now();
		message->ttl = left > 0 ? left : 1;
	}
	memset(message->held, 0, sizeof(message->held));
}

int fy_discard(struct ferry_mailbox *box, struct fy_ring *ring, const struct fy_spot *spot,
	       const struct fy_view *view, _Atomic uint64_t *counter)
{
	struct fy_got got = { .ring = ring, .spot = *spot, .view = *view };

	if (!fy_ring_take(box, ring, &got.spot))
		return 0;
	/* Counted before it is gone: the counter is a message ahead at worst, never behind.
	 * RELAXED(a counter to look at) */
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
	if (fy_got_bytes(box, &got) < 0)
		got.extent.n = 0;
	(void)fy_got_finish(box, &got);
	return 1;
}
