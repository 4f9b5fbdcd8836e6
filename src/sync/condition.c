/* SPDX-License-Identifier: MIT */
/* condition.c - see condition.h. */
#include "condition.h"
#include "wait.h"

#include <errno.h>
#include <ferry/error.h>

/* Somebody is going to wait: signals must look at the seats. */
static void announce(struct fy_condition_shm *condition)
{
	/* RELAXED(the compare-and-swap checks it) */
	uint64_t seen = atomic_load_explicit(&condition->waiting, memory_order_relaxed);

	/* SYNC(condition.waiting) release: pairs with the loads in fy_condition_signal().
	 * Sequentially consistent: set after the seat says that we wait and before the lock is
	 * left; cleared only by who saw no such seat. */
	while (!atomic_compare_exchange_weak_explicit(&condition->waiting, &seen, (seen | 1) + 2,
						      memory_order_seq_cst, memory_order_seq_cst))
		;
}

/* The one who waits longest; 0 if nobody does. */
static int find_oldest(struct fy_sync *sync, uint64_t offset, struct fy_seat *ret_seat)
{
	uint32_t n = fy_seats_used(sync);
	uint32_t oldest = 0;
	int found = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (!fy_seat_read(sync, i, &seat) || seat.offset != offset ||
		    seat.role != FY_SEAT_CONDITION_WAITS)
			continue;
		/* RELAXED(only their order matters) */
		uint32_t ticket =
		    atomic_load_explicit(&fy_seat_at(sync, i)->ticket, memory_order_relaxed);
		if (found && (int32_t)(ticket - oldest) >= 0)
			continue;
		oldest = ticket;
		*ret_seat = seat;
		found = 1;
	}
	return found;
}

static int signal_one(struct fy_sync *sync, uint64_t offset)
{
	struct fy_seat seat;

	while (find_oldest(sync, offset, &seat)) {
		/* From now on it may take its time; before the move, for it is judged after it. */
		fy_seat_begin(sync, seat.i, fy_now());
		if (!fy_seat_move(sync, &seat, FY_SEAT_CONDITION_SIGNALLED))
			continue;
		fy_bell_word_ring(&fy_seat_at(sync, seat.i)->bell, FY_BELL_ALL, FY_BELL_UNWATCHED);
		return 1;
	}
	return 0;
}

static int signal_all(struct fy_sync *sync, uint64_t offset)
{
	uint32_t n = fy_seats_used(sync);
	int64_t now = fy_now();
	int woken = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (!fy_seat_read(sync, i, &seat) || seat.offset != offset ||
		    seat.role != FY_SEAT_CONDITION_WAITS)
			continue;
		fy_seat_begin(sync, i, now);
		if (!fy_seat_move(sync, &seat, FY_SEAT_CONDITION_SIGNALLED))
			continue;
		fy_bell_word_ring(&fy_seat_at(sync, i)->bell, FY_BELL_ALL, FY_BELL_UNWATCHED);
		woken++;
	}
	return woken;
}

static int signal_seats(struct fy_sync *sync, struct fy_condition_shm *condition, int all)
{
	/* SYNC(condition.waiting) acquire: pairs with announce(): who announced before is seen in
	 * its seat. */
	uint64_t seen = atomic_load_explicit(&condition->waiting, memory_order_seq_cst);

	if (!(seen & 1))
		return 0;
	uint64_t offset = fy_sync_offset(sync, condition);
	int woken = all ? signal_all(sync, offset) : signal_one(sync, offset);
	if (woken == 0)
		/* SYNC(condition.waiting) acq_rel: fails if anybody announced himself since. */
		(void)atomic_compare_exchange_strong_explicit(
		    &condition->waiting, &seen, seen & ~UINT64_C(1), memory_order_seq_cst,
		    memory_order_seq_cst);
	return woken;
}

int fy_condition_signal(struct fy_sync *sync, struct fy_condition_shm *condition, int all)
{
	int woken = signal_seats(sync, condition, all);

	/* Beside the seats: those who watch take no signal from anybody, and all of them hear it.
	 */
	fy_bell_word_ring(&condition->news, FY_BELL_ALL, sync->object->fd);
	return woken;
}

uint32_t fy_condition_watch(struct fy_condition_shm *condition)
{
	return fy_bell_word_prepare(&condition->news);
}

int fy_condition_has_news(const struct fy_condition_shm *condition, uint32_t seen)
{
	/* SYNC(bell.word) acquire: pairs with fy_bell_word_ring_slow(): a ring counts on, so the
	 * word is what it was only if there was none. */
	uint32_t now = atomic_load_explicit(&condition->news, memory_order_acquire);

	return now != seen || !(seen & 1);
}

void fy_condition_pass_on(struct fy_sync *sync, const struct fy_seat *seat)
{
	/* First the other one, then this one's end: dying in between wakes one too many. */
	(void)signal_one(sync, seat->offset);
	fy_seat_clear(sync, seat);
}

/* Dead ones whose signal nobody had. A living one who does not come, although nothing keeps it from
 * its lock: it may be stopped. It keeps its signal; one more is woken. */
static void look_after(struct fy_sync *sync, uint64_t offset, const struct fy_lock_shm *lock)
{
	uint32_t n = fy_seats_used(sync);

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (!fy_seat_read(sync, i, &seat) || seat.offset != offset ||
		    (seat.role != FY_SEAT_CONDITION_SIGNALLED &&
		     seat.role != FY_SEAT_CONDITION_ARRIVED))
			continue;
		int late = fy_is_stale(fy_seat_since(sync, i), fy_now()) &&
			   (seat.role == FY_SEAT_CONDITION_SIGNALLED ||
			    fy_core_owner(fy_core_load(&lock->core)) == 0);
		if (fy_who_is_dead(sync, seat.who))
			fy_condition_pass_on(sync, &seat);
		else if (late)
			(void)signal_one(sync, offset);
	}
}

/* 0: signalled. */
static int try_arriving(struct fy_sync *sync, uint32_t i, const struct fy_lock_shm *lock, int look)
{
	struct fy_seat seat;

	if (!fy_seat_read(sync, i, &seat))
		return -FERRY_ECORRUPT;
	if (look && seat.role == FY_SEAT_CONDITION_WAITS) {
		look_after(sync, seat.offset, lock);
		(void)fy_seat_read(sync, i, &seat);
	}
	if (seat.role == FY_SEAT_CONDITION_WAITS)
		return -EAGAIN;
	fy_seat_begin(sync, i, fy_now());
	return fy_seat_move(sync, &seat, FY_SEAT_CONDITION_ARRIVED) ? 0 : -FERRY_ECORRUPT;
}

/* We go without a signal; if we have got one meanwhile, with it. */
static int leave_off(struct fy_sync *sync, uint32_t i, int r)
{
	struct fy_seat seat;

	if (!fy_seat_read(sync, i, &seat))
		return -FERRY_ECORRUPT;
	if (seat.role == FY_SEAT_CONDITION_WAITS &&
	    fy_seat_move(sync, &seat, FY_SEAT_CONDITION_ARRIVED))
		return r;
	return 0;
}

static int await_signal(struct fy_sync *sync, uint64_t offset, uint32_t seat,
			const struct fy_lock_shm *lock, ferry_deadline deadline)
{
	struct fy_waiter waiter = fy_sync_waiter(sync, &fy_seat_at(sync, seat)->bell, deadline);
	int r;

	while ((r = try_arriving(sync, seat, lock, waiter.look)) == -EAGAIN) {
		if (fy_waiter_is_about_to_sleep(&waiter))
			waiter.look_by = fy_seats_stale_at(sync, offset, fy_now());
		r = fy_waiter_again(&waiter);
		if (r < 0)
			break;
	}
	if (r == 0)
		fy_waiter_succeeded(&waiter);
	return r < 0 && r != -FERRY_ECORRUPT ? leave_off(sync, seat, r) : r;
}

/* All seats are taken: sleep for one nap, and call that a wake for nothing. */
static int await_without_seat(ferry_deadline deadline)
{
	_Atomic uint32_t nobody = 1;
	int64_t until = fy_nap_end(fy_now(), 0, 1);
	int r = fy_bell_word_sleep(&nobody, 1, until < deadline ? until : deadline);

	return r == -ETIMEDOUT && fy_now() >= deadline ? r : 0;
}

static uint32_t sit_down(struct fy_sync *sync, struct fy_condition_shm *condition, uint64_t who)
{
	uint32_t i = fy_seat_take(sync, who);

	if (i == FY_NO_SEAT)
		return i;
	/* RELAXED(only their order matters) */
	uint32_t ticket = atomic_fetch_add_explicit(&condition->tickets, 1, memory_order_relaxed);
	/* RELAXED(published with what the seat is for) */
	atomic_store_explicit(&fy_seat_at(sync, i)->ticket, ticket, memory_order_relaxed);
	fy_seat_begin(sync, i, fy_now());
	fy_seat_set(sync, i, fy_sync_offset(sync, condition), FY_SEAT_CONDITION_WAITS);
	announce(condition);
	return i;
}

int fy_condition_wait(struct fy_sync *sync, struct fy_condition_shm *condition,
		      struct fy_lock_shm *lock, uint64_t who, ferry_deadline deadline)
{
	uint64_t offset = fy_sync_offset(sync, lock);

	if (fy_core_owner(fy_core_load(&lock->core)) != who)
		return -EPERM;
	if (deadline == FERRY_NOW)
		return -EAGAIN;
	uint32_t seat = sit_down(sync, condition, who);
	int r = fy_core_release(sync, &lock->core, who);
	if (r == 0)
		r = seat == FY_NO_SEAT
			? await_without_seat(deadline)
			: await_signal(sync, fy_sync_offset(sync, condition), seat, lock, deadline);
	int again = fy_core_acquire(sync, &lock->core, who, offset, FERRY_FOREVER);
	/* With the lock in hand the signal is ours: now it may not be passed on any more. */
	if (seat != FY_NO_SEAT)
		fy_seat_leave(sync, seat);
	return again != 0 ? again : r;
}
