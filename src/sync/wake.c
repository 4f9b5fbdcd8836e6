/* SPDX-License-Identifier: MIT */
/*
 * wake.c - see wake.h.
 *
 * The bells of locks and the like lie where the program has put them, so the common part of the
 * object cannot ring them. They are found through both tables: what is known to be there, and what
 * those who wait say that they wait for.
 */
#include "wake.h"

#include "../wait/bell.h"
#include "core.h"
#include "seat.h"

static void ring(_Atomic uint32_t *bell, int fd)
{
	fy_bell_word_ring(bell, FY_BELL_ALL, fd);
}

/* offset was read from shared memory. */
static void wake_at(struct fy_sync *sync, uint64_t offset)
{
	uint32_t magic = offset ? fy_sync_kind_at(sync, offset) : 0;

	if (magic == 0)
		return;
	void *at = sync->object->base + offset;
	struct fy_core_shm *core = fy_core_at(sync, offset, magic);
	if (core)
		fy_core_wake_all(core);
	int fd = sync->object->fd;
	switch (magic) {
	case FY_PRIMITIVE_LOCK:
		ring(&((struct fy_lock_shm *)at)->left, fd);
		break;
	case FY_PRIMITIVE_RWLOCK:
		ring(&((struct fy_rwlock_shm *)at)->opened, FY_BELL_UNWATCHED);
		ring(&((struct fy_rwlock_shm *)at)->departed, FY_BELL_UNWATCHED);
		break;
	case FY_PRIMITIVE_SEMAPHORE:
		ring(&((struct fy_semaphore_shm *)at)->posted, fd);
		break;
	case FY_PRIMITIVE_BARRIER:
		ring(&((struct fy_barrier_shm *)at)->passed, FY_BELL_UNWATCHED);
		break;
	case FY_PRIMITIVE_CONDITION: /* who waits in it sleeps on the bell of a seat */
		ring(&((struct fy_condition_shm *)at)->news, fd);
		break;
	default:
		break;
	}
}

void fy_sync_wake_all(struct fy_sync *sync)
{
	uint32_t seats = fy_seats_used(sync);

	for (uint32_t i = 0; i < FY_KNOWN; i++)
		/* RELAXED(what it leads to is checked) */
		wake_at(sync, atomic_load_explicit(&sync->shm->known[i], memory_order_relaxed));
	for (uint32_t i = 0; i < seats; i++) {
		struct fy_seat seat;
		ring(&fy_seat_at(sync, i)->bell, FY_BELL_UNWATCHED);
		if (fy_seat_read(sync, i, &seat))
			wake_at(sync, seat.offset);
	}
}
