/* SPDX-License-Identifier: MIT */
/*
 * segment.h - a segment as one handle sees it, and the checks at the door of every call.
 *
 * Sizes and offsets are copied and checked at open (open.c); the mapping is never asked for them
 * again, but for the size, which grows: fy_segment_bytes() checks each new one.
 */
#ifndef FY_SEGMENT_H
#define FY_SEGMENT_H

#include <errno.h>
#include <ferry/error.h>
#include <ferry/segment.h>

#include "../base/why.h"
#include "../object/member.h"
#include "../object/object.h"
#include "../sync/sync.h"
#include "layout.h"
#include "segment_format.h"

#define FY_CLASSES 23u /* sizes of blocks that share a slab */

/* What a slab of one class is like. */
struct fy_class {
	uint32_t bytes;   /* of a block */
	uint32_t pages;   /* of a slab */
	uint32_t blocks;  /* in a slab, with a word for each in front */
	uint32_t data;    /* where the first block begins */
	uint64_t inverse; /* 2^FY_INVERSE_LOG2 / bytes, rounded up: to divide by multiplying */
};

#define FY_INVERSE_LOG2 38u /* exact for slabs of up to 2^26 bytes */
#define FY_FREED        16u /* blocks of each class that a handle remembers having freed */

struct ferry_segment {
	struct fy_object object; /* first: kind functions get it */
	struct fy_segment_shm *shm;
	uint32_t flags;
	struct fy_segment_layout layout;
	struct fy_sync sync;    /* locks and the like */
	uint64_t memory;        /* where it begins in the mapping */
	_Atomic uint64_t bytes; /* of it that are known to be there */

	/* The arena. The hints are this handle's own; its threads share them, and a stale one is
	 * only slower. */
	_Atomic uint64_t *pages;
	_Atomic uint64_t *runs;
	_Atomic uint8_t *rooms;
	uint64_t key;
	struct fy_class classes[FY_CLASSES];
	_Atomic uint64_t freed[FY_CLASSES][FY_FREED]; /* the blocks that were freed last ... */
	_Atomic uint32_t freed_top[FY_CLASSES];       /* ... and where the next one goes */
	_Atomic uint64_t current[FY_CLASSES];         /* where to look for the next one */
	_Atomic uint32_t page_hint;
};

extern const struct fy_kind fy_segment_kind;

/* The handle is dead once a check has failed. Returns r. */
static inline int fy_segment_judge(struct ferry_segment *segment, int r)
{
	if (FY_UNLIKELY(r == -FERRY_ECORRUPT))
		/* RELAXED(a flag of this process) */
		atomic_store_explicit(&segment->object.broken, 1, memory_order_relaxed);
	return r;
}

/* The door of every call. May this handle do that now? forbidden: the flags that rule it out. In a
 * forked child: joins first. 0; -EBADF, -EIDRM, -FERRY_ECORRUPT, or an error of joining. */
static inline int fy_segment_enter(struct ferry_segment *segment, uint32_t forbidden)
{
	if (FY_UNLIKELY(segment->flags & forbidden))
		return -EBADF;
	if (FY_UNLIKELY(!fy_object_is_ours(&segment->object))) {
		int r = fy_object_rejoin(&segment->object);
		if (r < 0)
			return r;
	}
	return fy_object_state(&segment->object);
}

/* A larger size than the last one known was published: see whether the file has it. Returns the
 * size to go by. */
FY_COLD uint64_t fy_segment_bytes_slow(struct ferry_segment *segment, uint64_t published);

/* Bytes of memory that are there just now. */
static inline uint64_t fy_segment_bytes(struct ferry_segment *segment)
{
	/* RELAXED(what is known stays true) */
	uint64_t known = atomic_load_explicit(&segment->bytes, memory_order_relaxed);
	/* SYNC(segment.bytes) acquire: pairs with the release in raise_bytes(): the file is that
	 * long. */
	uint64_t published = atomic_load_explicit(&segment->shm->bytes, memory_order_acquire);

	return FY_LIKELY(published <= known) ? known : fy_segment_bytes_slow(segment, published);
}

/* Do size bytes at this offset of the mapping lie within the memory? */
static inline int fy_segment_holds(struct ferry_segment *segment, uint64_t offset, uint64_t size)
{
	uint64_t bytes = fy_segment_bytes(segment);

	return offset >= segment->memory && offset - segment->memory <= bytes &&
	       size <= bytes - (offset - segment->memory);
}

/* As ferry_segment_open(). A segment made here gets its memory from fill (NULL: stays zero), before
 * anybody can see it; at is where it lies in the file. */
struct fy_segment_filling {
	void (*fill)(void *memory, uint64_t at, struct fy_sync_shm *sync, const void *context);
	const void *context;
};
int fy_segment_open_filled(ferry_segment **ret_segment, const char *location,
			   const struct ferry_segment_options *options,
			   const struct fy_segment_filling *filling);

/* A handle that is no member, to repair with (writable) or to look. */
int fy_segment_open_unjoined(ferry_segment **ret_segment, const char *location, int only_look,
			     struct ferry_why *why);

/* The segment was removed: wake those who wait for locks and the like in it. If it cannot be mapped
 * they notice at their next nap. */
void fy_segment_wake_all(const struct fy_object *removed);

/* ferry_object_repair() of a segment. */
int fy_segment_repair(const char *location, int dry_run, struct ferry_repair *result,
		      struct ferry_why *why);

/* struct fy_kind. */
int fy_segment_recover(struct fy_object *object, uint32_t slot, uint64_t dead);

#endif
