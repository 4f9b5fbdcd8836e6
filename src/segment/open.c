/* SPDX-License-Identifier: MIT */
/*
 * open.c - making, opening and closing a segment.
 *
 * As with a mailbox, a few numbers decide where everything lies; they are read once, checked, and
 * the layout is computed from them again.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../base/options.h"
#include "../os/cancel.h"
#include "../sync/thread.h"
#include "../sync/wake.h"
#include "arena.h"
#include "memory.h"

#define DEFAULT_MEMBERS 256u

const struct fy_kind fy_segment_kind = {
	.kind = FERRY_KIND_SEGMENT,
	.recover = fy_segment_recover,
};

static int check_flags(const struct ferry_segment_options *o)
{
	const uint32_t known = FERRY_EXCLUSIVE | FERRY_EXISTING | FERRY_READ_ONLY |
			       FERRY_INTERRUPTIBLE | FERRY_HUGE_PAGES | FERRY_PREFAULT |
			       FERRY_LOCK_MEMORY;

	if (o->flags & ~known)
		return fy_why(o->why, -EINVAL, "unknown flags 0x%x", o->flags & ~known);
	if ((o->flags & FERRY_EXCLUSIVE) && (o->flags & (FERRY_EXISTING | FERRY_READ_ONLY)))
		return fy_why(o->why, -EINVAL, "it cannot both exist and not exist yet");
	if (o->mode & ~0777u)
		return fy_why(o->why, -EINVAL, "mode 0%o is not permission bits", o->mode);
	if (o->members > FY_MEMBERS_MAX)
		return fy_why(o->why, -EINVAL, "members must be from 1 to %u, not %u",
			      FY_MEMBERS_MAX, o->members);
	if (o->max_bytes && o->max_bytes < o->bytes)
		return fy_why(o->why, -EINVAL, "max_bytes (%llu) is less than bytes (%llu)",
			      (unsigned long long)o->max_bytes, (unsigned long long)o->bytes);
	if (o->bytes > FY_SEGMENT_LIMIT || o->max_bytes > FY_SEGMENT_LIMIT)
		return fy_why(o->why, -EINVAL, "a segment has at most 2^43 bytes");
	return 0;
}

struct filling {
	struct fy_segment_layout layout;
	uint64_t bytes;
	uint64_t memory; /* from the beginning of the file */
	const struct fy_segment_filling *more;
};

static void fill(void *body, void *context)
{
	const struct filling *filling = context;
	struct fy_segment_shm *shm = body;
	uint64_t key;

	shm->max_bytes = filling->layout.max_bytes;
	shm->memory = filling->memory;
	shm->arena = filling->layout.arena;
	shm->page_log2 = filling->layout.page_log2;
	/* Without randomness the key is merely less unlikely to be met in somebody's data. */
	if (getrandom(&key, sizeof(key), GRND_NONBLOCK) == sizeof(key))
		shm->key = key;
	/* RELAXED(published with the file's name) */
	atomic_store_explicit(&shm->bytes, filling->bytes, memory_order_relaxed);
	if (filling->more) {
		uint8_t *bytes = body;
		struct fy_sync_shm *sync = (void *)(bytes + filling->layout.sync);
		filling->more->fill(bytes + filling->layout.memory, filling->memory, sync,
				    filling->more->context);
	}
}

static uint64_t end_of_memory(struct fy_object *object)
{
	struct ferry_segment *segment = (struct ferry_segment *)object;

	return segment->memory + fy_segment_bytes(segment);
}

static void set_up_sync(struct ferry_segment *segment)
{
	struct fy_object *o = &segment->object;

	segment->sync.object = o;
	segment->sync.serial = fy_sync_serial();
	o->tag = &segment->sync;
	segment->sync.shm =
	    (struct fy_sync_shm *)(void *)(o->base + o->body + segment->layout.sync);
	segment->sync.end = end_of_memory;
	fy_spin_init(&segment->sync.spin, fy_spin_wish(0));
}

/* Check the body of what was found, and set up the handle from it. */
static int inspect(struct ferry_segment *segment, struct ferry_why *why)
{
	struct fy_segment_shm seen;
	const struct fy_object *o = &segment->object;
	struct fy_segment_layout *l = &segment->layout;

	if (o->bytes - o->body < sizeof(seen))
		return fy_why(why, -FERRY_ECORRUPT, "the file is too small for a segment");
	segment->shm = (struct fy_segment_shm *)(void *)(o->base + o->body);
	memcpy(&seen, segment->shm, offsetof(struct fy_segment_shm, bytes));
	if (fy_segment_layout_compute(l, seen.max_bytes, (int)seen.arena, NULL) < 0 ||
	    l->max_bytes != seen.max_bytes || l->arena != seen.arena ||
	    l->page_log2 != seen.page_log2 || o->body + l->memory != seen.memory ||
	    o->bytes - o->body < l->memory || o->bytes - o->body - l->memory != l->max_bytes)
		return fy_why(why, -FERRY_ECORRUPT,
			      "the sizes in the segment's header make no sense");
	segment->memory = seen.memory;
	segment->key = seen.key;
	set_up_sync(segment);
	if (fy_segment_bytes(segment) == 0)
		return fy_why(why, -FERRY_ETRUNCATED,
			      "the segment's file is shorter than the size it has grown to");
	if (l->arena)
		fy_arena_attach(segment);
	return 0;
}

/* Who asks for a size needs at least that. */
static int check_wishes(struct ferry_segment *segment, const struct ferry_segment_options *o)
{
	uint64_t bytes = fy_segment_bytes(segment);

	if (o->bytes > bytes)
		return fy_why(o->why, -FERRY_EMISMATCH,
			      "the segment exists with %llu bytes, but %llu were asked for%s",
			      (unsigned long long)bytes, (unsigned long long)o->bytes,
			      o->bytes <= segment->layout.max_bytes ? "; it can grow" : "");
	if (o->max_bytes > segment->layout.max_bytes)
		return fy_why(o->why, -FERRY_EMISMATCH,
			      "the segment can grow to %llu bytes, but %llu were asked for",
			      (unsigned long long)segment->layout.max_bytes,
			      (unsigned long long)o->max_bytes);
	if (o->arena && !segment->layout.arena)
		return fy_why(o->why, -FERRY_EMISMATCH,
			      "the segment exists without an arena, but one was asked for");
	return 0;
}

/* Nothing is made of 0 bytes: then it must be there. */
static int open_object(struct ferry_segment *segment, const char *location,
		       const struct ferry_segment_options *o, const struct fy_segment_filling *more)
{
	struct filling filling = { .more = more };
	uint32_t members = o->members ? o->members : DEFAULT_MEMBERS;
	uint64_t most = o->max_bytes ? o->max_bytes : o->bytes;

	if (o->bytes == 0) {
		int r = fy_object_open(&segment->object, location, &fy_segment_kind, o->flags, NULL,
				       o->why);
		int may_make = !(o->flags & (FERRY_EXISTING | FERRY_READ_ONLY));
		return r == -ENOENT && may_make
			   ? fy_why(o->why, -EINVAL,
				    "nothing is there, and a segment of 0 bytes cannot be made")
			   : r;
	}
	int r = fy_segment_layout_compute(&filling.layout, most, o->arena, o->why);
	if (r < 0)
		return r;
	filling.bytes = fy_segment_whole_pages(&filling.layout, o->bytes);
	filling.memory = fy_object_body(members, 0) + filling.layout.memory;
	struct fy_creation creation = {
		.member_slots = members,
		.mode = o->mode ? o->mode : 0600,
		.body_bytes = filling.layout.memory + filling.bytes,
		.may_grow = filling.layout.max_bytes - filling.bytes,
		.fill = fill,
		.context = &filling,
	};
	return fy_object_open(&segment->object, location, &fy_segment_kind, o->flags, &creation,
			      o->why);
}

static int set_up(struct ferry_segment *segment, const struct ferry_segment_options *o)
{
	int r = inspect(segment, o->why);

	if (r == 0)
		r = check_wishes(segment, o);
	if (r == 0 && !(o->flags & FERRY_READ_ONLY))
		r = fy_object_join(&segment->object, o->why);
	if (r < 0)
		return r;
	segment->flags = o->flags;
	segment->sync.interruptible = (o->flags & FERRY_INTERRUPTIBLE) != 0;
	return fy_memory_as_wished(segment, 0, o->why);
}

static int open_checked(ferry_segment **ret_segment, const char *location,
			const struct ferry_segment_options *o,
			const struct fy_segment_filling *more)
{
	int r = check_flags(o);

	if (r < 0)
		return r;
	struct ferry_segment *segment = calloc(1, sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	r = open_object(segment, location, o, more);
	if (r < 0) {
		free(segment);
		return r;
	}
	r = set_up(segment, o);
	if (r < 0) {
		ferry_segment_close(segment);
		return r;
	}
	*ret_segment = segment;
	return 0;
}

static int open_segment(ferry_segment **ret_segment, const char *location,
			const struct ferry_segment_options *options,
			const struct fy_segment_filling *more)
{
	struct ferry_segment_options o = { 0 };
	int r = fy_options_copy(&o, sizeof(o), options);

	if (!ret_segment || r < 0)
		return r < 0 ? r : -EINVAL;
	/* Some of what can fail below has no sentence of its own. */
	if (o.why)
		*o.why = (struct ferry_why){ 0 };
	r = open_checked(ret_segment, location, &o, more);
	if (r < 0 && o.why && o.why->error != r)
		(void)fy_why(o.why, r, "cannot open the segment: %s", ferry_strerror(r));
	return r;
}

int fy_segment_open_filled(ferry_segment **ret_segment, const char *location,
			   const struct ferry_segment_options *options,
			   const struct fy_segment_filling *filling)
{
	int cancel = fy_cancel_off();
	int r = open_segment(ret_segment, location, options, filling);

	fy_cancel_restore(cancel);
	return r;
}

int ferry_segment_open(ferry_segment **ret_segment, const char *location,
		       const struct ferry_segment_options *options)
{
	return fy_segment_open_filled(ret_segment, location, options, NULL);
}

static int open_unjoined(ferry_segment **ret_segment, const char *location, int only_look,
			 struct ferry_why *why)
{
	struct ferry_segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return -ENOMEM;
	segment->flags = only_look ? FERRY_READ_ONLY : FERRY_EXISTING;
	int r =
	    fy_object_open(&segment->object, location, &fy_segment_kind, segment->flags, NULL, why);
	if (r < 0) {
		free(segment);
		return r;
	}
	r = inspect(segment, why);
	if (r < 0) {
		ferry_segment_close(segment);
		return r;
	}
	*ret_segment = segment;
	return 0;
}

int fy_segment_open_unjoined(ferry_segment **ret_segment, const char *location, int only_look,
			     struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = open_unjoined(ret_segment, location, only_look, why);

	fy_cancel_restore(cancel);
	return r;
}

void fy_segment_wake_all(const struct fy_object *removed)
{
	struct ferry_segment *segment = calloc(1, sizeof(*segment));
	int fd = segment ? fy_object_describe(removed) : -ENOMEM;

	if (fd >= 0 &&
	    fy_object_open_descriptor(&segment->object, fd, &fy_segment_kind, NULL) == 0) {
		if (inspect(segment, NULL) == 0) {
			fy_sync_wake_all(&segment->sync);
			fy_bell_word_ring(&segment->shm->grown, FY_BELL_ALL, segment->object.fd);
		}
		ferry_segment_close(segment);
		return;
	}
	free(segment);
}

void ferry_segment_close(ferry_segment *segment)
{
	if (!segment)
		return;
	int cancel = fy_cancel_off();
	fy_thread_forget(&segment->sync);
	fy_object_close(&segment->object);
	free(segment);
	fy_cancel_restore(cancel);
}
