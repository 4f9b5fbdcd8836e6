/* SPDX-License-Identifier: MIT */
/* message.h - a message in a cell: what it says of itself, and how it leaves. Receivers use it, and
 * senders that make room by dropping. */
#ifndef FY_MESSAGE_H
#define FY_MESSAGE_H

#include "../base/copy.h"
#include "memory.h"
#include "ring.h"

/* What a cell says; a copy, since peers may write into the cell. */
struct fy_view {
	uint64_t size;
	uint64_t offset; /* in the file; 0: the bytes are in the cell */
	int64_t expiry;  /* 0: never */
	uint64_t meta;
};

/* Bytes into a cell and out of it, n <= FY_CELL_PAYLOAD. Each line is copied for itself: a store
 * that crosses into the second waits for both, and its cell can be lost halfway to who polls it. */
static inline void fy_bytes_in(struct fy_cell_shm *cell, const void *data, uint64_t n)
{
	const uint8_t *from = data;

	if (n <= FY_FIRST_LINE) {
		fy_copy(cell->bytes, from, n);
	} else {
		fy_copy(cell->bytes, from, FY_FIRST_LINE);
		fy_copy(cell->bytes + FY_FIRST_LINE, from + FY_FIRST_LINE, n - FY_FIRST_LINE);
	}
}

/* As fy_copy_racy(): the caller finds out afterwards whether the bytes stood still. */
static inline void fy_bytes_out(void *buffer, const struct fy_cell_shm *cell, uint64_t n)
{
	uint8_t *to = buffer;

	if (n <= FY_FIRST_LINE) {
		fy_copy_racy(to, cell->bytes, n);
	} else {
		fy_copy_racy(to, cell->bytes, FY_FIRST_LINE);
		fy_copy_racy(to + FY_FIRST_LINE, cell->bytes + FY_FIRST_LINE, n - FY_FIRST_LINE);
	}
}

/* A message that we took. */
struct fy_got {
	struct fy_ring *ring;
	struct fy_spot spot;
	struct fy_view view;
	struct fy_extent extent; /* n = 0: the bytes are in the cell */
	uint8_t *data;
};

/* Read what the cell at spot says. True only if the word is still the same afterwards: check it, or
 * take the message, which does. */
void fy_view_read(const struct fy_spot *spot, struct fy_view *ret_view);

static inline int fy_view_expired(const struct fy_view *view)
{
	return FY_UNLIKELY(view->expiry != 0) && view->expiry <= fy_now();
}

/* Find the bytes of a message that was taken. 0, or -FERRY_ECORRUPT. */
static inline int fy_got_bytes(struct ferry_mailbox *box, struct fy_got *got)
{
	got->extent.n = 0;
	if (FY_LIKELY(got->view.offset == 0)) {
		got->data = got->spot.cell->bytes;
		return got->view.size <= FY_CELL_PAYLOAD ? 0 : -FERRY_ECORRUPT;
	}
	int r = fy_memory_find(box, got->view.offset, got->view.size, &got->extent);
	if (r == 0)
		got->data = box->object.base + got->view.offset;
	return r;
}

/* The message is finished: empty the cell, free its memory, tell a sender. 0, or -FERRY_ECORRUPT.
 */
static inline int fy_got_finish(struct ferry_mailbox *box, struct fy_got *got)
{
	uint64_t stamp = 0;

	/* The units must be ours before no cell refers to them any more. */
	if (FY_UNLIKELY(got->extent.n)) {
		stamp = fy_ring_stamp(box, got->ring, &got->spot);
		fy_memory_adopt(box, &got->extent);
	}
	if (FY_UNLIKELY(!fy_ring_finish(box, &got->spot)))
		return -FERRY_ECORRUPT;
	if (FY_UNLIKELY(got->extent.n))
		fy_memory_free_after(box, &got->extent, stamp);
	fy_bell_ring(got->ring->room, FY_BELL_ONE, box->object.fd);
	return 0;
}

/* Tell about a message all but where its bytes are. */
void fy_describe(const struct ferry_mailbox *box, const struct fy_ring *ring, uint64_t word,
		 const struct fy_view *view, struct ferry_message *message);

/* Take the message at spot (seen as view) and throw it away, counting it. 1; 0: it was gone. */
FY_COLD int fy_discard(struct ferry_mailbox *box, struct fy_ring *ring, const struct fy_spot *spot,
		       const struct fy_view *view, _Atomic uint64_t *counter);

#endif
