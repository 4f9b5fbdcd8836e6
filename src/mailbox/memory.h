/* SPDX-License-Identifier: MIT */
/*
 * memory.h - payload memory: neighbouring units of a tier, each with a word that names its owner.
 *
 * Rules of ownership: docs/formats/mailbox.md, "Memory"; model: models/memory.pml.
 */
#ifndef FY_MEMORY_H
#define FY_MEMORY_H

#include "mailbox.h"

/* A run of units. */
struct fy_extent {
	struct fy_tier *tier;
	uint32_t first;
	uint32_t n; /* 0: none */
};

/* How many units of that tier hold size bytes. */
uint32_t fy_memory_units(const struct fy_tier *tier, uint64_t size);

/* Find room for size bytes (> 0). 0, or -EAGAIN. */
int fy_memory_allocate(struct ferry_mailbox *box, uint64_t size, struct fy_extent *ret_extent);

/* Make units ours that belong to a message which only we hold. */
void fy_memory_adopt(struct ferry_mailbox *box, const struct fy_extent *extent);

/* Make sure that units on loan to us are sent or freed once only: marks the first of them. 1, or 0
 * if it is marked or not ours. fy_memory_adopt() takes the mark away. */
int fy_memory_lock_in(struct ferry_mailbox *box, const struct fy_extent *extent);

/* Free units that are tagged as ours, and tell those who wait for memory. */
void fy_memory_free(struct ferry_mailbox *box, const struct fy_extent *extent);

/* As fy_memory_free(), and the units' words say after which message: until somebody owns them again
 * its bytes can be read. */
void fy_memory_free_after(struct ferry_mailbox *box, const struct fy_extent *extent,
			  uint64_t stamp);

/* Are all units free since that message? */
int fy_memory_is_after(const struct fy_extent *extent, uint64_t stamp);

/* The units behind an offset and size that a peer wrote. 0, or -FERRY_ECORRUPT. */
int fy_memory_find(struct ferry_mailbox *box, uint64_t offset, uint64_t size,
		   struct fy_extent *ret_extent);

static inline uint64_t fy_extent_offset(const struct fy_extent *extent)
{
	return extent->tier->units + extent->first * extent->tier->unit_bytes;
}

/* Free what the member in slot, whose state word dead says so, held and no cell refers to. 0,
 * -ENOMEM, -EAGAIN (too much is moving; later), -FERRY_ECORRUPT. */
int fy_memory_recover(struct ferry_mailbox *box, uint32_t slot, uint64_t dead);

/* Bytes in units with that tag. */
uint64_t fy_memory_held_bytes(const struct ferry_mailbox *box, uint64_t tag);

/* Bytes that are free just now. */
uint64_t fy_memory_free_bytes(const struct ferry_mailbox *box);

#endif
