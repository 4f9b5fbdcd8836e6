/* SPDX-License-Identifier: MIT */
/* door.h - the checks at the door of every call on a lock or the like, and the opening of one that
 * is alone at a location. */
#ifndef FY_LOCK_DOOR_H
#define FY_LOCK_DOOR_H

#include "../segment/segment.h"
#include "../sync/core.h"
#include "../sync/thread.h"

/* Is a line at this offset of the mapping within the memory, as far as that is known? */
static inline int fy_door_knows(const struct ferry_segment *segment, uint64_t offset)
{
	/* RELAXED(what is known stays true) */
	uint64_t known = atomic_load_explicit(&segment->bytes, memory_order_relaxed);

	/* A page at least is known: no underflow on the right. */
	return offset % FY_LINE == 0 && offset - segment->memory <= known - FY_LINE;
}

/* Is a line at this offset of the mapping within the memory? */
static inline int fy_door_holds(struct ferry_segment *segment, uint64_t offset)
{
	return FY_LIKELY(fy_door_knows(segment, offset)) ||
	       (offset % FY_LINE == 0 && fy_segment_holds(segment, offset, FY_LINE));
}

static inline int fy_door_is(const void *primitive, enum fy_primitive magic)
{
	const struct fy_lock_shm *any = primitive;

	/* RELAXED(whoever made it told us where it is) */
	return atomic_load_explicit(&any->magic, memory_order_relaxed) == (uint32_t)magic;
}

/* May this handle use what is to be initialized at primitive? 0 or an error. */
static inline int fy_door_place(struct ferry_segment *segment, const void *primitive,
				uint32_t forbidden)
{
	if (FY_UNLIKELY(!segment || !primitive))
		return -EINVAL;
	int r = fy_segment_enter(segment, forbidden);
	if (FY_UNLIKELY(r < 0))
		return r;
	return fy_door_holds(segment, fy_sync_offset(&segment->sync, primitive)) ? 0 : -EINVAL;
}

/* And there is one of that kind? */
static inline int fy_door(struct ferry_segment *segment, const void *primitive,
			  enum fy_primitive magic, uint32_t forbidden)
{
	int r = fy_door_place(segment, primitive, forbidden);

	if (FY_UNLIKELY(r < 0))
		return r;
	return FY_LIKELY(fy_door_is(primitive, magic)) ? 0 : -EINVAL;
}

/* Is all as it nearly always is? Then fy_door() returns 0. It calls nothing: a function that goes
 * by it, and leaves everything else to another one, has no registers to save. */
static inline int fy_door_is_open(const struct ferry_segment *segment, const void *primitive,
				  enum fy_primitive magic, uint32_t forbidden)
{
	return FY_LIKELY(segment && primitive) && FY_LIKELY(!(segment->flags & forbidden)) &&
	       FY_LIKELY(fy_object_is_ours(&segment->object)) &&
	       FY_LIKELY(fy_object_state(&segment->object) == 0) &&
	       FY_LIKELY(fy_door_knows(segment, fy_sync_offset(&segment->sync, primitive))) &&
	       FY_LIKELY(fy_door_is(primitive, magic));
}

/* The same for giving back, which a removed segment does not keep anybody from. */
static inline int fy_door_back(struct ferry_segment *segment, const void *primitive,
			       enum fy_primitive magic)
{
	int r = fy_door(segment, primitive, magic, FERRY_READ_ONLY);

	if (FY_UNLIKELY(r == -EIDRM))
		return fy_door_holds(segment, fy_sync_offset(&segment->sync, primitive)) ? 0
											 : -EINVAL;
	return r;
}

/* What was written before goes with it; and those who look shall know of it. */
FY_COLD void fy_door_made(struct ferry_segment *segment, void *primitive, enum fy_primitive magic);

/* Initialize what needs nothing but zeros and its magic number. 0 or an error. */
FY_COLD int fy_door_init(struct ferry_segment *segment, void *primitive, enum fy_primitive magic);

/* The data behind its core are right again. As fy_core_repaired(), or an error of the door. */
FY_COLD int fy_door_repaired(struct ferry_segment *segment, void *primitive,
			     enum fy_primitive magic);

/* What is to be made in a segment of its own: 64 bytes, whose first are the magic number. */
FY_COLD int fy_door_open(ferry_segment **ret_segment, void **ret_primitive, const char *location,
			 const struct ferry_segment_options *options,
			 const struct fy_lock_shm *image);

#endif
