/* SPDX-License-Identifier: MIT */
/*
 * units.c - see units.h.
 *
 * With give_back a step changes two words, the semaphore's and a seat's. It is announced in the
 * first, together with the new value; whoever comes upon it finishes it.
 */
#include "units.h"
#include "wait.h"

#include <errno.h>
#include <ferry/error.h>

/* The word: value (bits 0 to 30), and the step that is in progress: on which seat, what, and
 * whether the seat has seen an odd number of steps before. In a semaphore with give_back the rest
 * counts changes, so that no word comes back soon. */
#define SEAT_SHIFT  31u /* seat + 1, 11 bits; 0 = no step in progress */
#define KIND_SHIFT  42u /* enum kind */
#define ODD_SHIFT   44u
#define COUNT_SHIFT 45u
#define STEP_BITS   (((UINT64_C(1) << COUNT_SHIFT) - 1) & ~(uint64_t)FY_UNITS_MAX)

static_assert(FY_SEATS < 1u << 11, "a seat's number fits");

enum kind { TAKE = 1, GIVE = 2, RECOVER = 3 };

static uint64_t load(const struct fy_semaphore_shm *semaphore)
{
	/* SYNC(semaphore.word) acquire: pairs with swap(): what was written before a post is ours
	 * to read after the take. */
	return atomic_load_explicit(&semaphore->word, memory_order_seq_cst);
}

static int swap(struct fy_semaphore_shm *semaphore, uint64_t from, uint64_t to)
{
	/* SYNC(semaphore.word) acq_rel: pairs with load() and itself. Sequentially consistent: a
	 * post changes it and then looks for sleepers (fy_bell_word_ring()). */
	return atomic_compare_exchange_strong_explicit(&semaphore->word, &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

static uint32_t value_of(uint64_t word)
{
	return (uint32_t)word & FY_UNITS_MAX;
}

static uint32_t seat_of(uint64_t word)
{
	return (uint32_t)(word >> SEAT_SHIFT) & 0x7ff;
}

/* The word with another value, counted on, and no step in progress. */
static uint64_t with_value(uint64_t word, uint32_t value)
{
	return ((word >> COUNT_SHIFT) + 1) << COUNT_SHIFT | value;
}

static uint64_t load_units(const struct fy_sync *sync, uint32_t seat)
{
	/* SYNC(seat.units) acquire: pairs with finish_seat(): a step that it has seen is over. */
	return atomic_load_explicit(&fy_seat_at(sync, seat)->units, memory_order_seq_cst);
}

static uint64_t after_step(uint64_t units, enum kind kind)
{
	uint32_t held = (uint32_t)units;

	if (kind == TAKE)
		held++;
	else if (kind == GIVE)
		held--;
	else
		held = 0;
	return (uint64_t)((uint32_t)(units >> 32) + 1) << 32 | held;
}

/* The seat's part of the step that word announces. */
static void finish_seat(struct fy_sync *sync, const struct fy_semaphore_shm *semaphore,
			uint64_t word)
{
	uint32_t seat = seat_of(word) - 1;
	uint64_t units = load_units(sync, seat);

	/* Only if the step was in progress when we read the units can they tell whether the seat
	 * has seen it. */
	if (load(semaphore) != word || (units >> 32 & 1) != (word >> ODD_SHIFT & 1))
		return;
	/* SYNC(seat.units) acq_rel: pairs with load_units(). Fails if another finished it. */
	(void)atomic_compare_exchange_strong_explicit(
	    &fy_seat_at(sync, seat)->units, &units,
	    after_step(units, (enum kind)(word >> KIND_SHIFT & 3)), memory_order_seq_cst,
	    memory_order_seq_cst);
}

/* Finish whatever step is in progress, and give the word without one. */
static int settle(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint64_t *ret_word)
{
	for (;;) {
		uint64_t word = load(semaphore);
		if ((word & STEP_BITS) == 0) {
			*ret_word = word;
			return 0;
		}
		if (!semaphore->give_back || seat_of(word) == 0 || seat_of(word) > FY_SEATS)
			return -FERRY_ECORRUPT;
		finish_seat(sync, semaphore, word);
		(void)swap(semaphore, word, word & ~STEP_BITS);
	}
}

/* Change the value, and the seat accordingly. 1: done. 0: something changed, try again. The units
 * must not be read before the word. */
static int step(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint64_t word,
		uint32_t value, uint32_t seat, enum kind kind)
{
	uint64_t odd = load_units(sync, seat) >> 32 & 1;
	uint64_t announced = with_value(word, value) | (uint64_t)(seat + 1) << SEAT_SHIFT |
			     (uint64_t)kind << KIND_SHIFT | odd << ODD_SHIFT;

	if (!swap(semaphore, word, announced))
		return 0;
	finish_seat(sync, semaphore, announced);
	(void)swap(semaphore, announced, announced & ~STEP_BITS);
	return 1;
}

/* ---- our seat ---- */

static uint64_t member(const struct fy_sync *sync)
{
	return fy_who(sync->object->slot, sync->object->incarnation, 0);
}

/* A seat of this member for this semaphore; held: one that has units. */
static uint32_t find_seat(struct fy_sync *sync, uint64_t offset, int held)
{
	uint32_t n = fy_seats_used(sync);

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (fy_seat_read(sync, i, &seat) && seat.role == FY_SEAT_UNITS_HELD &&
		    seat.offset == offset && seat.who == member(sync) &&
		    (!held || (uint32_t)load_units(sync, i) != 0))
			return i;
	}
	return FY_NO_SEAT;
}

/* Two threads may get one each: then what the member holds is the sum of both. */
static uint32_t get_seat(struct fy_sync *sync, uint64_t offset)
{
	uint32_t i = find_seat(sync, offset, 0);

	if (i != FY_NO_SEAT)
		return i;
	i = fy_seat_take(sync, member(sync));
	if (i == FY_NO_SEAT)
		return i;
	fy_seat_begin(sync, i, fy_now());
	fy_seat_set(sync, i, offset, FY_SEAT_UNITS_HELD);
	return i;
}

/* ---- the calls ---- */

/* Units of dead members for this semaphore. */
static void look_for_the_dead(struct fy_sync *sync, const struct fy_semaphore_shm *semaphore)
{
	uint64_t offset = fy_sync_offset(sync, semaphore);
	uint32_t n = fy_seats_used(sync);

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (fy_seat_read(sync, i, &seat) && seat.role == FY_SEAT_UNITS_HELD &&
		    seat.offset == offset && fy_who_is_dead(sync, seat.who))
			fy_units_recover(sync, &seat);
	}
}

/* seat: FY_NO_SEAT without give_back. */
static int try_taking(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint32_t seat,
		      int look)
{
	if (look && semaphore->give_back)
		look_for_the_dead(sync, semaphore);
	for (;;) {
		uint64_t word;
		int r = settle(sync, semaphore, &word);
		if (r < 0)
			return r;
		if (value_of(word) == 0)
			return -EAGAIN;
		if (seat == FY_NO_SEAT
			? swap(semaphore, word, word - 1)
			: step(sync, semaphore, word, value_of(word) - 1, seat, TAKE))
			return 0;
	}
}

static void wait_in(struct fy_sync *sync, uint64_t offset, uint64_t who, uint32_t *seat)
{
	if (*seat != FY_NO_SEAT)
		return;
	*seat = fy_seat_take(sync, who);
	if (*seat == FY_NO_SEAT)
		return;
	fy_seat_begin(sync, *seat, fy_now());
	fy_seat_set(sync, *seat, offset, FY_SEAT_UNITS_WAITS);
}

int fy_units_take(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint64_t who,
		  ferry_deadline deadline)
{
	uint64_t offset = fy_sync_offset(sync, semaphore);
	uint32_t mine = semaphore->give_back ? get_seat(sync, offset) : FY_NO_SEAT;
	struct fy_waiter waiter = fy_sync_waiter(sync, &semaphore->posted, deadline);
	uint32_t waits = FY_NO_SEAT;
	int r;

	if (semaphore->give_back && mine == FY_NO_SEAT)
		return -ENOLCK;
	while ((r = try_taking(sync, semaphore, mine, waiter.look)) == -EAGAIN) {
		if (waiter.phase == FY_WAITER_PREPARED)
			wait_in(sync, offset, who, &waits);
		r = fy_waiter_again(&waiter);
		if (r < 0)
			break;
	}
	if (waits != FY_NO_SEAT)
		fy_seat_leave(sync, waits);
	if (r == 0)
		fy_waiter_succeeded(&waiter);
	/* The ring that woke us may have been meant for several, or for one who stays. */
	if (waiter.slept && (r < 0 || value_of(load(semaphore)) > 0))
		fy_bell_word_ring(&semaphore->posted, FY_BELL_ONE, sync->object->fd);
	return r;
}

int fy_units_ready(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, int ask)
{
	if (ask && semaphore->give_back && value_of(load(semaphore)) == 0)
		look_for_the_dead(sync, semaphore);
	return value_of(load(semaphore)) > 0;
}

/* One more. A unit that this member took is given back; one that it did not is new. */
static int post_one(struct fy_sync *sync, struct fy_semaphore_shm *semaphore)
{
	uint64_t offset = fy_sync_offset(sync, semaphore);

	for (;;) {
		uint64_t word;
		int r = settle(sync, semaphore, &word);
		if (r < 0)
			return r;
		if (value_of(word) == FY_UNITS_MAX)
			return -EOVERFLOW;
		uint32_t seat = find_seat(sync, offset, 1);
		uint64_t units = seat == FY_NO_SEAT ? 0 : load_units(sync, seat);
		if (seat == FY_NO_SEAT) {
			if (swap(semaphore, word, with_value(word, value_of(word) + 1)))
				return 0;
		} else if ((uint32_t)units != 0 &&
			   step(sync, semaphore, word, value_of(word) + 1, seat, GIVE)) {
			return 0;
		}
	}
}

int fy_units_post(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint32_t n)
{
	int r = 0;

	if (semaphore->give_back) {
		for (uint32_t i = 0; r == 0 && i < n; i++)
			r = post_one(sync, semaphore);
	} else {
		uint64_t word;
		do {
			r = settle(sync, semaphore, &word);
			if (r == 0 && n > FY_UNITS_MAX - value_of(word))
				r = -EOVERFLOW;
		} while (r == 0 && !swap(semaphore, word, word + n));
	}
	fy_bell_word_ring(&semaphore->posted, n == 1 ? FY_BELL_ONE : FY_BELL_ALL, sync->object->fd);
	return r;
}

uint32_t fy_units_value(const struct fy_semaphore_shm *semaphore)
{
	return value_of(load(semaphore));
}

uint32_t fy_units_of(const struct fy_sync *sync, uint32_t seat)
{
	return (uint32_t)load_units(sync, seat);
}

void fy_units_recover(struct fy_sync *sync, const struct fy_seat *seat)
{
	struct fy_semaphore_shm *semaphore = (void *)(sync->object->base + seat->offset);

	if (fy_sync_kind_at(sync, seat->offset) != FY_PRIMITIVE_SEMAPHORE ||
	    !semaphore->give_back) {
		fy_seat_clear(sync, seat); /* it was overwritten since */
		return;
	}
	for (;;) {
		uint64_t word;
		if (settle(sync, semaphore, &word) < 0)
			return;
		/* The owner is dead and no step is in progress: only recoverers change this. */
		uint32_t held = (uint32_t)load_units(sync, seat->i);
		struct fy_seat now;
		if (!fy_seat_read(sync, seat->i, &now) || now.who != seat->who ||
		    now.what != seat->what)
			return; /* somebody else did it */
		if (held == 0) {
			fy_seat_clear(sync, seat);
			return;
		}
		if (held > FY_UNITS_MAX - value_of(word))
			held = FY_UNITS_MAX - value_of(word);
		if (step(sync, semaphore, word, value_of(word) + held, seat->i, RECOVER))
			fy_bell_word_ring(&semaphore->posted, FY_BELL_ALL, sync->object->fd);
	}
}
