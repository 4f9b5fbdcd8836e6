/* SPDX-License-Identifier: MIT */
/* seat.c - see seat.h. */
#include "seat.h"

#include "recover.h"

uint32_t fy_seats_used(const struct fy_sync *sync)
{
	/* SYNC(sync.seats_used) acquire: pairs with the release in note_used(), which comes before
	 * the seat says anything. */
	uint32_t n = atomic_load_explicit(&sync->shm->seats_used, memory_order_seq_cst);

	return n < FY_SEATS ? n : FY_SEATS;
}

static void note_used(struct fy_sync *sync, uint32_t n)
{
	/* RELAXED(the compare-and-swap checks it) */
	uint32_t seen = atomic_load_explicit(&sync->shm->seats_used, memory_order_relaxed);

	while (seen < n)
		/* SYNC(sync.seats_used) release: pairs with fy_seats_used(). Sequentially
		 * consistent: before a seat says anything, those who look must look that far. */
		if (atomic_compare_exchange_weak_explicit(&sync->shm->seats_used, &seen, n,
							  memory_order_seq_cst,
							  memory_order_relaxed))
			return;
}

static uint64_t load_who(const struct fy_sync *sync, uint32_t i)
{
	/* SYNC(seat.who) acquire: pairs with claim() and fy_seat_leave(). */
	return atomic_load_explicit(&fy_seat_at(sync, i)->who, memory_order_acquire);
}

static int claim(struct fy_sync *sync, uint32_t i, uint64_t from, uint64_t who)
{
	/* SYNC(seat.who) acq_rel: pairs with load_who() and itself: what an earlier owner left in
	 * the seat is behind us. */
	return atomic_compare_exchange_strong_explicit(&fy_seat_at(sync, i)->who, &from, who,
						       memory_order_acq_rel, memory_order_relaxed);
}

static uint32_t take_free(struct fy_sync *sync, uint64_t who)
{
	/* RELAXED(a guess) */
	uint32_t hint = atomic_load_explicit(&sync->seat_hint, memory_order_relaxed);
	uint32_t used = fy_seats_used(sync);

	if (hint < used && load_who(sync, hint) == 0 && claim(sync, hint, 0, who))
		return hint;
	for (uint32_t i = 0; i < FY_SEATS; i++) {
		if (load_who(sync, i) != 0 || !claim(sync, i, 0, who))
			continue;
		note_used(sync, i + 1);
		/* RELAXED(a guess) */
		atomic_store_explicit(&sync->seat_hint, i, memory_order_relaxed);
		return i;
	}
	return FY_NO_SEAT;
}

uint32_t fy_seat_take(struct fy_sync *sync, uint64_t who)
{
	uint32_t i = take_free(sync, who);

	if (i == FY_NO_SEAT && fy_recover_seats(sync) > 0)
		i = take_free(sync, who);
	return i;
}

void fy_seat_set(struct fy_sync *sync, uint32_t i, uint64_t offset, enum fy_seat_role role)
{
	uint64_t what = fy_seat_what(offset, role, load_who(sync, i));

	/* SYNC(seat.what) release: pairs with fy_seat_read(). Sequentially consistent: we say what
	 * we want and then look whether we may; who closes a gate, or signals, says so and then
	 * looks at the seats: one of the two must see the other. */
	atomic_store_explicit(&fy_seat_at(sync, i)->what, what, memory_order_seq_cst);
}

void fy_seat_leave(struct fy_sync *sync, uint32_t i)
{
	struct fy_seat_shm *seat = fy_seat_at(sync, i);

	/* SYNC(seat.what) release: pairs with fy_seat_read(): what we did with what we held is seen
	 * by who finds that we left. Sequentially consistent, see fy_seat_set(). */
	atomic_store_explicit(&seat->what, 0, memory_order_seq_cst);
	/* SYNC(seat.who) release: pairs with claim(). */
	atomic_store_explicit(&seat->who, 0, memory_order_release);
}

int fy_seat_move(struct fy_sync *sync, const struct fy_seat *seat, enum fy_seat_role to)
{
	uint64_t from = seat->what;

	/* SYNC(seat.what) acq_rel: pairs with fy_seat_read() and itself. */
	return atomic_compare_exchange_strong_explicit(&fy_seat_at(sync, seat->i)->what, &from,
						       fy_seat_what(seat->offset, to, seat->who),
						       memory_order_seq_cst, memory_order_seq_cst);
}

int fy_seat_read(const struct fy_sync *sync, uint32_t i, struct fy_seat *ret_seat)
{
	struct fy_seat seat = { .i = i, .who = load_who(sync, i) };

	*ret_seat = seat;
	if (seat.who == 0)
		return 0;
	/* SYNC(seat.what) acquire: pairs with fy_seat_set(), fy_seat_leave() and fy_seat_move().
	 * Sequentially consistent, see fy_seat_set(). */
	seat.what = atomic_load_explicit(&fy_seat_at(sync, i)->what, memory_order_seq_cst);
	seat.role = fy_seat_role(seat.what);
	seat.offset = fy_seat_offset(seat.what);
	if (seat.role == FY_SEAT_NONE || seat.role > FY_SEAT_LAST ||
	    seat.what != fy_seat_what(seat.offset, seat.role, seat.who))
		return 0;
	*ret_seat = seat;
	return 1;
}

void fy_seat_clear(struct fy_sync *sync, const struct fy_seat *seat)
{
	uint64_t who = seat->who;

	/* What the dead owner said there is void for the next one, whose fold is another.
	 * SYNC(seat.who) acq_rel: pairs with load_who(). */
	(void)atomic_compare_exchange_strong_explicit(&fy_seat_at(sync, seat->i)->who, &who, 0,
						      memory_order_acq_rel, memory_order_relaxed);
}

int64_t fy_seat_since(const struct fy_sync *sync, uint32_t i)
{
	/* RELAXED(a time; being wrong by one look is harmless) */
	return (int64_t)atomic_load_explicit(&fy_seat_at(sync, i)->since, memory_order_relaxed);
}

void fy_seat_begin(struct fy_sync *sync, uint32_t i, int64_t now)
{
	/* RELAXED(a time; being wrong by one look is harmless) */
	atomic_store_explicit(&fy_seat_at(sync, i)->since, (uint64_t)now, memory_order_relaxed);
}

int64_t fy_seats_stale_at(const struct fy_sync *sync, uint64_t offset, int64_t now)
{
	uint32_t n = fy_seats_used(sync);
	int64_t first = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (!fy_seat_read(sync, i, &seat) || seat.offset != offset ||
		    (seat.role != FY_SEAT_READER_GRANTED &&
		     seat.role != FY_SEAT_CONDITION_SIGNALLED &&
		     seat.role != FY_SEAT_CONDITION_ARRIVED))
			continue;
		int64_t since = fy_seat_since(sync, i);
		if (since <= now && since > now - FY_STALE &&
		    (first == 0 || since + FY_STALE < first))
			first = since + FY_STALE;
	}
	return first;
}
