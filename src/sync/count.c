/* SPDX-License-Identifier: MIT */
/* count.c - see count.h. */
#include "count.h"

#include "core.h"
#include "seat.h"
#include "units.h"

static void count_known(const struct fy_sync *sync, uint64_t offset, struct fy_sync_count *count)
{
	uint32_t magic = offset ? fy_sync_kind_at(sync, offset) : 0;

	if (magic == 0)
		return;
	const struct fy_core_shm *core = fy_core_at(sync, offset, magic);
	uint64_t word = core ? fy_core_load(core) : 0;
	count->primitives++;
	if (magic == FY_PRIMITIVE_ONCE &&
	    fy_once_is_done((const void *)(sync->object->base + offset)))
		return;
	count->holders += word != FY_CORE_LOST && fy_core_owner(word) != 0;
}

static void count_seat(const struct fy_sync *sync, uint32_t i, struct fy_sync_count *count)
{
	struct fy_seat seat;

	if (!fy_seat_read(sync, i, &seat) || seat.role == FY_SEAT_BARRIER_AWAY)
		return;
	if (seat.role == FY_SEAT_UNITS_HELD)
		count->holders += fy_units_of(sync, i) != 0;
	else if (seat.role == FY_SEAT_READER_HOLDS || seat.role == FY_SEAT_READER_GRANTED)
		count->holders++;
	else
		count->waiters++;
}

void fy_sync_count(const struct fy_sync *sync, struct fy_sync_count *ret_count)
{
	uint32_t seats = fy_seats_used(sync);

	*ret_count = (struct fy_sync_count){ 0 };
	for (uint32_t i = 0; i < FY_KNOWN; i++)
		/* RELAXED(what it leads to is checked) */
		count_known(sync, atomic_load_explicit(&sync->shm->known[i], memory_order_relaxed),
			    ret_count);
	for (uint32_t i = 0; i < seats; i++)
		count_seat(sync, i, ret_count);
}
