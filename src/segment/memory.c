/* SPDX-License-Identifier: MIT */
/*
 * memory.c - see memory.h; growing.
 *
 * Address space for the largest size is mapped at open, so growing is only a longer file and then a
 * larger number. Whoever dies between the two leaves a file that is longer than the number says,
 * which the next one to grow takes as it is.
 */
#include "memory.h"

#include <string.h>
#include <sys/stat.h>

#include "../os/cancel.h"
#include "../os/pages.h"
#include "../os/reserve.h"

uint64_t fy_segment_bytes_slow(struct ferry_segment *segment, uint64_t published)
{
	struct stat file;
	/* RELAXED(what is known stays true) */
	uint64_t known = atomic_load_explicit(&segment->bytes, memory_order_relaxed);

	/* A number that somebody wrote is good for nothing if the file is not that long. */
	if (published > segment->layout.max_bytes || fstat(segment->object.fd, &file) != 0 ||
	    (uint64_t)file.st_size < segment->memory + published) {
		(void)fy_segment_judge(segment, -FERRY_ECORRUPT);
		return known;
	}
	/* RELAXED(what is known stays true; the larger of two wins) */
	while (known < published &&
	       !atomic_compare_exchange_weak_explicit(&segment->bytes, &known, published,
						      memory_order_relaxed, memory_order_relaxed))
		;
	/* Best effort: those who asked for it were told at open whether it can be done. */
	if (known < published && known > 0)
		(void)fy_memory_as_wished(segment, known, NULL);
	return known > published ? known : published;
}

static int lock_in(void *at, uint64_t bytes, struct ferry_why *why)
{
	int r = fy_pages_lock(at, bytes);

	return r < 0 ? fy_why(why, r,
			      "cannot lock %llu bytes in memory: %s; see RLIMIT_MEMLOCK (ulimit "
			      "-l)",
			      (unsigned long long)bytes, strerror(-r))
		     : 0;
}

int fy_memory_as_wished(struct ferry_segment *segment, uint64_t from, struct ferry_why *why)
{
	/* RELAXED(our own) */
	uint64_t bytes = atomic_load_explicit(&segment->bytes, memory_order_relaxed) - from;
	uint8_t *at = segment->object.base + segment->memory + from;
	int r = 0;

	if (bytes == 0)
		return 0;
	if (segment->flags & FERRY_HUGE_PAGES)
		r = fy_pages_huge(at, bytes, segment->object.fd, why);
	if (r == 0 && (segment->flags & (FERRY_PREFAULT | FERRY_LOCK_MEMORY))) {
		r = fy_pages_populate(at, bytes, segment->object.writable);
		if (r < 0)
			r = fy_why(why, r, "cannot touch %llu bytes: %s", (unsigned long long)bytes,
				   strerror(-r));
	}
	if (r == 0 && (segment->flags & FERRY_LOCK_MEMORY))
		r = lock_in(at, bytes, why);
	return r;
}

/* The larger of several that grow at once wins. */
static void raise_bytes(struct ferry_segment *segment, uint64_t bytes)
{
	_Atomic uint64_t *shared = &segment->shm->bytes;
	/* RELAXED(the compare-and-swap checks it) */
	uint64_t seen = atomic_load_explicit(shared, memory_order_relaxed);

	/* SYNC(segment.bytes) release: pairs with the acquire in fy_segment_bytes(). The file is
	 * that long, and reserved. Sequentially consistent, since sleepers are looked for
	 * afterwards (wait/bell.h). */
	while (seen < bytes &&
	       !atomic_compare_exchange_weak_explicit(shared, &seen, bytes, memory_order_seq_cst,
						      memory_order_relaxed))
		;
	fy_bell_word_ring(&segment->shm->grown, FY_BELL_ALL, segment->object.fd);
}

static int grow(struct ferry_segment *segment, uint64_t bytes)
{
	if (bytes > segment->layout.max_bytes)
		return -ERANGE;
	bytes = fy_segment_whole_pages(&segment->layout, bytes);
	uint64_t known = fy_segment_bytes(segment);
	if (bytes <= known)
		return 0;
	int r = fy_reserve(segment->object.fd, segment->memory + known, bytes - known);
	if (r < 0)
		return r;
	/* RELAXED(the larger of two wins) */
	raise_bytes(segment, bytes);
	(void)fy_segment_bytes(segment);
	/* Once more, since the answer of the first time is lost. */
	return fy_memory_as_wished(segment, known, NULL);
}

int ferry_segment_grow(ferry_segment *segment, uint64_t bytes)
{
	if (!segment)
		return -EINVAL;
	int cancel = fy_cancel_off();
	int r = fy_segment_enter(segment, FERRY_READ_ONLY);
	if (r == 0)
		r = grow(segment, bytes);
	if (r == 0)
		r = fy_object_state(&segment->object);
	fy_cancel_restore(cancel);
	return r;
}

void *ferry_segment_address(const ferry_segment *segment)
{
	return segment ? segment->object.base + segment->memory : NULL;
}

size_t ferry_segment_size(ferry_segment *segment)
{
	return segment ? fy_segment_bytes(segment) : 0;
}

int ferry_segment_reference(ferry_segment *segment, const void *pointer, size_t size,
			    ferry_reference *ret_reference)
{
	if (!segment || !ret_reference)
		return -EINVAL;
	uint64_t offset = (uint64_t)((uintptr_t)pointer - (uintptr_t)segment->object.base);
	if (!fy_segment_holds(segment, offset, size))
		return -EFAULT;
	*ret_reference = offset;
	return 0;
}

void *ferry_segment_pointer(ferry_segment *segment, ferry_reference reference, size_t size,
			    size_t alignment)
{
	if (!segment || !fy_segment_holds(segment, reference, size) ||
	    (reference & (alignment - 1)) != 0 || (alignment & (alignment - 1)) != 0)
		return NULL;
	return segment->object.base + reference;
}
