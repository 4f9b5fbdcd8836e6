/* SPDX-License-Identifier: MIT */
/*
 * recover.c - see recover.h.
 *
 * None of it is needed for those who wait: each of them looks after what it waits for. It is done
 * so that nothing of the dead is left to look at, and so that nobody need wait for a nap.
 */
#include "recover.h"

#include "../os/cancel.h"
#include "barrier.h"
#include "condition.h"
#include "core.h"
#include "rwlock.h"
#include "thread.h"
#include "units.h"

static void bury(struct fy_sync *sync, const struct fy_seat *seat)
{
	if (seat->role == FY_SEAT_UNITS_HELD)
		fy_units_recover(sync, seat);
	else if (seat->role == FY_SEAT_CONDITION_SIGNALLED ||
		 seat->role == FY_SEAT_CONDITION_ARRIVED)
		fy_condition_pass_on(sync, seat);
	else if (seat->role == FY_SEAT_BARRIER_AWAY || seat->role == FY_SEAT_BARRIER_WAITS)
		fy_barrier_bury(sync, seat);
	else
		fy_seat_clear(sync, seat);
}

int fy_recover_seats(struct fy_sync *sync)
{
	uint32_t n = fy_seats_used(sync);
	int cancel = fy_cancel_off();
	int freed = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		/* A seat that says nothing can be a dead one's too. */
		(void)fy_seat_read(sync, i, &seat);
		if (seat.who == 0 || !fy_who_is_dead(sync, seat.who))
			continue;
		bury(sync, &seat);
		freed++;
	}
	fy_cancel_restore(cancel);
	return freed;
}

static int is_of(uint64_t who, uint32_t slot, uint64_t dead)
{
	uint64_t mask = UINT64_MAX >> FY_WHO_INCARNATION;

	return fy_who_owner(who) == slot + 1 &&
	       fy_who_incarnation(who) == (fy_member_incarnation(dead) & mask);
}

/* What it owned, as far as it is known, is free for the next owner, who is told. */
static void leave_locks(struct fy_sync *sync, uint32_t slot, uint64_t dead)
{
	for (uint32_t i = 0; i < FY_KNOWN; i++) {
		/* RELAXED(checked below) */
		uint64_t offset = atomic_load_explicit(&sync->shm->known[i], memory_order_relaxed);
		uint32_t magic = offset ? fy_sync_kind_at(sync, offset) : 0;
		struct fy_core_shm *core = magic ? fy_core_at(sync, offset, magic) : NULL;
		if (!core)
			continue;
		uint64_t owner = fy_core_owner(fy_core_load(core));
		if (!is_of(owner, slot, dead))
			continue;
		if (magic == FY_PRIMITIVE_RWLOCK)
			(void)fy_rwlock_leave_writing(sync, (void *)(sync->object->base + offset),
						      owner, 1);
		else
			(void)fy_core_release_slow(sync, core, owner, 1);
	}
}

int fy_sync_recover(struct fy_sync *sync, uint32_t slot, uint64_t dead)
{
	uint32_t n = fy_seats_used(sync);

	leave_locks(sync, slot, dead);
	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		(void)fy_seat_read(sync, i, &seat);
		if (seat.who != 0 && is_of(seat.who, slot, dead))
			bury(sync, &seat);
	}
	return 0;
}

void fy_hold_dies(const struct fy_hold *hold)
{
	struct fy_sync *sync = hold->sync;
	uint64_t offset = fy_sync_offset(sync, hold->primitive);
	uint64_t who = hold->who;

	if (fy_sync_kind_at(sync, offset) != hold->magic)
		return;
	if (hold->seat != FY_NO_SEAT) {
		struct fy_seat seat;
		(void)fy_seat_read(sync, hold->seat, &seat);
		if (seat.who != who)
			return;
		if (hold->magic == FY_PRIMITIVE_RWLOCK)
			fy_rwlock_leave_reading(sync, hold->primitive, hold->seat);
		else
			bury(sync, &seat);
		return;
	}
	struct fy_core_shm *core = fy_core_at(sync, offset, hold->magic);
	if (!core || fy_core_owner(fy_core_load(core)) != who)
		return;
	if (hold->magic == FY_PRIMITIVE_RWLOCK)
		(void)fy_rwlock_leave_writing(sync, hold->primitive, who, 1);
	else
		(void)fy_core_release_slow(sync, core, who, 1);
}
