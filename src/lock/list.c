/* SPDX-License-Identifier: MIT */
/* list.c - who holds and who waits, for those who only look. Nothing here writes to the segment. */
#include <ferry/sync.h>

#include "../sync/seat.h"
#include "../sync/units.h"
#include "door.h"

struct list {
	ferry_segment *segment;
	struct ferry_sync_entry *entries;
	size_t room;
	size_t n;
};

static void add(struct list *list, const struct ferry_sync_entry *entry)
{
	if (list->n < list->room)
		list->entries[list->n] = *entry;
	list->n++;
}

/* Who that is. */
static void name(const struct list *list, uint64_t who, struct ferry_sync_entry *entry)
{
	const struct fy_object *o = &list->segment->object;
	uint32_t slot = fy_who_owner(who) - 1;

	entry->member = slot;
	entry->thread = (pid_t)fy_who_thread(who);
	entry->alive = !fy_who_looks_dead(&list->segment->sync, who);
	if (slot < o->member_slots)
		entry->pid = (pid_t)o->members[slot].pid;
}

static int64_t since_of(const struct fy_core_shm *core)
{
	/* RELAXED(a time) */
	return (int64_t)atomic_load_explicit(&core->since, memory_order_relaxed);
}

static void add_core(struct list *list, uint64_t offset, enum ferry_sync_kind kind,
		     const struct fy_core_shm *core)
{
	uint64_t word = fy_core_load(core);
	struct ferry_sync_entry entry = { .place = offset, .kind = kind };

	if (word == FY_CORE_LOST) {
		entry.role = FERRY_SYNC_LOST;
	} else if (fy_core_owner(word) != 0) {
		entry.role = FERRY_SYNC_HOLDS;
		entry.since = since_of(core);
		name(list, fy_core_owner(word), &entry);
	} else {
		entry.role = word & FY_CORE_DIED ? FERRY_SYNC_DIED : FERRY_SYNC_IDLE;
	}
	add(list, &entry);
}

static void add_known(struct list *list, uint64_t offset)
{
	const void *at = list->segment->object.base + offset;
	uint32_t magic = offset ? fy_sync_kind_at(&list->segment->sync, offset) : 0;
	enum ferry_sync_kind kind = (enum ferry_sync_kind)(magic & 0xff);
	struct ferry_sync_entry entry = { .place = offset, .kind = kind, .role = FERRY_SYNC_IDLE };

	switch (magic) {
	case 0:
		return;
	case FY_PRIMITIVE_LOCK:
		add_core(list, offset, kind, &((const struct fy_lock_shm *)at)->core);
		return;
	case FY_PRIMITIVE_RWLOCK:
		add_core(list, offset, kind, &((const struct fy_rwlock_shm *)at)->core);
		return;
	case FY_PRIMITIVE_ONCE:
		/* Once it is done it does not matter who has the turn. */
		if (fy_once_is_done(at))
			break;
		add_core(list, offset, kind, &((const struct fy_once_shm *)at)->core);
		return;
	case FY_PRIMITIVE_SEMAPHORE:
		entry.units = fy_units_value(at);
		break;
	default:
		break;
	}
	add(list, &entry);
}

static enum ferry_sync_role role_of(enum fy_seat_role role)
{
	switch (role) {
	case FY_SEAT_READER_GRANTED:
	case FY_SEAT_READER_HOLDS:
	case FY_SEAT_UNITS_HELD:
		return FERRY_SYNC_SHARES;
	case FY_SEAT_BARRIER_AWAY:
		return FERRY_SYNC_TAKES_PART;
	case FY_SEAT_NONE:
	case FY_SEAT_LOCK_WAITS:
	case FY_SEAT_READER_WAITS:
	case FY_SEAT_WRITER_WAITS:
	case FY_SEAT_UNITS_WAITS:
	case FY_SEAT_CONDITION_WAITS:
	case FY_SEAT_CONDITION_SIGNALLED:
	case FY_SEAT_CONDITION_ARRIVED:
	case FY_SEAT_BARRIER_WAITS:
	default:
		return FERRY_SYNC_WAITS;
	}
}

static void add_seat(struct list *list, uint32_t i)
{
	const struct fy_sync *sync = &list->segment->sync;
	struct fy_seat seat;

	if (!fy_seat_read(sync, i, &seat))
		return;
	uint32_t magic = fy_sync_kind_at(sync, seat.offset);
	struct ferry_sync_entry entry = {
		.place = seat.offset,
		.kind = (enum ferry_sync_kind)(magic & 0xff),
		.role = role_of(seat.role),
		.since = fy_seat_since(sync, i),
	};
	if (magic == 0)
		return;
	if (seat.role == FY_SEAT_UNITS_HELD) {
		entry.units = fy_units_of(sync, i);
		if (entry.units == 0)
			return;
	}
	name(list, seat.who, &entry);
	/* The dead do not wait. */
	if (entry.alive || entry.role != FERRY_SYNC_WAITS)
		add(list, &entry);
}

int ferry_sync_list(ferry_segment *segment, struct ferry_sync_entry *ret_entries, size_t n)
{
	struct list list = { segment, ret_entries, n, 0 };

	if (!segment || (!ret_entries && n > 0))
		return -EINVAL;
	int r = fy_segment_enter(segment, 0);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < FY_KNOWN; i++)
		/* RELAXED(what it leads to is checked) */
		add_known(&list,
			  atomic_load_explicit(&segment->sync.shm->known[i], memory_order_relaxed));
	uint32_t seats = fy_seats_used(&segment->sync);
	for (uint32_t i = 0; i < seats; i++)
		add_seat(&list, i);
	return fy_object_is_broken(&segment->object) ? -FERRY_ECORRUPT : (int)list.n;
}
