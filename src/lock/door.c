/* SPDX-License-Identifier: MIT */
/* door.c - see door.h. */
#include "door.h"

#include <ferry/sync.h>
#include <string.h>

#include "../base/options.h"

void fy_door_made(struct ferry_segment *segment, void *primitive, enum fy_primitive magic)
{
	struct fy_lock_shm *any = primitive;

	/* SYNC(primitive.magic) release: pairs with fy_sync_kind_at(): who looks finds it whole. */
	atomic_store_explicit(&any->magic, (uint32_t)magic, memory_order_release);
	fy_sync_know(&segment->sync, fy_sync_offset(&segment->sync, primitive));
}

int fy_door_init(struct ferry_segment *segment, void *primitive, enum fy_primitive magic)
{
	int r = fy_door_place(segment, primitive, FERRY_READ_ONLY);

	if (r < 0)
		return r;
	memset(primitive, 0, FY_LINE);
	fy_door_made(segment, primitive, magic);
	return 0;
}

int fy_door_repaired(struct ferry_segment *segment, void *primitive, enum fy_primitive magic)
{
	int r = fy_door_back(segment, primitive, magic);

	if (r < 0)
		return r;
	const struct fy_thread *thread = fy_thread_self();
	if (!thread)
		return -ENOMEM;
	uint64_t offset = fy_sync_offset(&segment->sync, primitive);
	return fy_core_repaired(fy_core_at(&segment->sync, offset, magic),
				fy_thread_who(thread, &segment->object));
}

static void fill(void *memory, uint64_t at, struct fy_sync_shm *sync, const void *context)
{
	memcpy(memory, context, FY_LINE);
	/* RELAXED(published with the file's name) */
	atomic_store_explicit(&sync->known[0], at, memory_order_relaxed);
}

const char *ferry_sync_kind_name(enum ferry_sync_kind kind)
{
	static const char *const names[] = { "unknown",   "lock",    "rwlock", "semaphore",
					     "condition", "barrier", "once" };

	return kind >= FERRY_SYNC_LOCK && kind <= FERRY_SYNC_ONCE ? names[kind] : names[0];
}

static int check_kind(ferry_segment *segment, const struct fy_lock_shm *image, const char *location,
		      struct ferry_why *why)
{
	/* RELAXED(it is there since the segment is) */
	uint32_t wanted = atomic_load_explicit(&image->magic, memory_order_relaxed);
	uint32_t there = fy_sync_kind_at(&segment->sync, segment->memory);

	if (there == wanted)
		return 0;
	return fy_why(why, -FERRY_EKIND, "the segment %.150s does not begin with a %s", location,
		      ferry_sync_kind_name((enum ferry_sync_kind)(wanted & 0xff)));
}

int fy_door_open(ferry_segment **ret_segment, void **ret_primitive, const char *location,
		 const struct ferry_segment_options *options, const struct fy_lock_shm *image)
{
	struct ferry_segment_options o = { 0 };
	struct fy_segment_filling filling = { fill, image };
	ferry_segment *segment;
	int r = fy_options_copy(&o, sizeof(o), options);

	if (!ret_segment || !ret_primitive || r < 0)
		return r < 0 ? r : -EINVAL;
	o.size = sizeof(o);
	if (o.arena)
		return fy_why(o.why, -EINVAL, "what lies alone at a location needs no arena");
	if (o.bytes == 0)
		o.bytes = 4096;
	r = fy_segment_open_filled(&segment, location, &o, &filling);
	if (r < 0)
		return r;
	r = check_kind(segment, image, location, o.why);
	if (r < 0) {
		ferry_segment_close(segment);
		return r;
	}
	*ret_segment = segment;
	*ret_primitive = segment->object.base + segment->memory;
	return 0;
}
