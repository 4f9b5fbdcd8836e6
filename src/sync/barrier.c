/* SPDX-License-Identifier: MIT */
/* barrier.c - see barrier.h. */
#include "barrier.h"
#include "wait.h"

#include <errno.h>
#include <ferry/error.h>

/* The word: how many have arrived, broken or not, how often it was reset, and the round. */
#define ARRIVED_MASK UINT64_C(0xffff)
#define BROKEN       (UINT64_C(1) << 16)
#define RESET_SHIFT  17u /* 15 bits */
#define RESET_MASK   (UINT64_C(0x7fff) << RESET_SHIFT)
#define ROUND_SHIFT  32u

static uint64_t load(const struct fy_barrier_shm *barrier)
{
	/* SYNC(barrier.word) acquire: pairs with swap(): what each did before it arrived is ours to
	 * read once the round has passed. */
	return atomic_load_explicit(&barrier->word, memory_order_seq_cst);
}

static int swap(struct fy_barrier_shm *barrier, uint64_t from, uint64_t to)
{
	/* SYNC(barrier.word) acq_rel: pairs with load() and itself. Sequentially consistent: it is
	 * changed before those who sleep are looked for (fy_bell_word_ring()). */
	return atomic_compare_exchange_strong_explicit(&barrier->word, &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

static void ring(struct fy_barrier_shm *barrier)
{
	fy_bell_word_ring(&barrier->passed, FY_BELL_ALL, FY_BELL_UNWATCHED);
}

/* Those who wait need not any more. */
static void break_it(struct fy_barrier_shm *barrier)
{
	for (;;) {
		uint64_t word = load(barrier);
		if ((word & BROKEN) || swap(barrier, word, word | BROKEN))
			break;
	}
	ring(barrier);
}

uint32_t fy_barrier_arrived(const struct fy_barrier_shm *barrier)
{
	return (uint32_t)(load(barrier) & ARRIVED_MASK);
}

void fy_barrier_bury(struct fy_sync *sync, const struct fy_seat *seat)
{
	struct fy_barrier_shm *barrier = (void *)(sync->object->base + seat->offset);

	if (fy_sync_kind_at(sync, seat->offset) == FY_PRIMITIVE_BARRIER)
		break_it(barrier);
	fy_seat_clear(sync, seat);
}

/* Who takes part. */
struct census {
	uint32_t alive;
	uint32_t dead;
};

static struct census count(struct fy_sync *sync, uint64_t offset, uint32_t except, int clear_dead)
{
	struct census census = { 0 };
	uint32_t n = fy_seats_used(sync);

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (i == except || !fy_seat_read(sync, i, &seat) || seat.offset != offset ||
		    (seat.role != FY_SEAT_BARRIER_AWAY && seat.role != FY_SEAT_BARRIER_WAITS))
			continue;
		int dead = fy_who_is_dead(sync, seat.who);
		census.alive += (uint32_t)!dead;
		census.dead += (uint32_t)dead;
		if (dead && clear_dead)
			fy_seat_clear(sync, &seat);
	}
	return census;
}

/* Where all who took part before are dead, a new company begins anew. */
static void begin_anew(struct fy_sync *sync, struct fy_barrier_shm *barrier, uint32_t seat)
{
	struct census census = count(sync, fy_sync_offset(sync, barrier), seat, 0);
	uint64_t word = load(barrier);

	if (census.alive > 0 || (census.dead == 0 && word % (BROKEN << 1) == 0))
		return;
	(void)count(sync, fy_sync_offset(sync, barrier), seat, 1);
	(void)fy_barrier_reset(sync, barrier);
}

int fy_barrier_join(struct fy_sync *sync, struct fy_thread *thread, struct fy_barrier_shm *barrier)
{
	if (fy_thread_find(thread, sync, barrier))
		return 0;
	uint64_t who = fy_thread_who(thread, sync->object);
	uint32_t seat = fy_seat_take(sync, who);
	if (seat == FY_NO_SEAT)
		return -ENOLCK;
	begin_anew(sync, barrier, seat);
	fy_seat_begin(sync, seat, fy_now());
	fy_seat_set(sync, seat, fy_sync_offset(sync, barrier), FY_SEAT_BARRIER_AWAY);
	fy_thread_hold(thread, sync, barrier, who, FY_PRIMITIVE_BARRIER, seat);
	return 0;
}

int fy_barrier_leave(struct fy_sync *sync, struct fy_thread *thread, struct fy_barrier_shm *barrier)
{
	struct fy_hold *hold = fy_thread_find(thread, sync, barrier);

	if (!hold)
		return -EPERM;
	fy_seat_leave(sync, hold->seat);
	fy_thread_drop(thread, hold);
	return 0;
}

/* We have arrived with `before` in the word. 1: as the last one; 0: wait; or an error. */
static int arrive(struct fy_barrier_shm *barrier, uint64_t *ret_before)
{
	for (;;) {
		uint64_t word = load(barrier);
		uint64_t arrived = (word & ARRIVED_MASK) + 1;
		if (word & BROKEN)
			return -EOWNERDEAD;
		if (arrived > barrier->parties)
			return -FERRY_ECORRUPT;
		uint64_t next = arrived < barrier->parties
				    ? word + 1
				    : (word & RESET_MASK) | ((word >> ROUND_SHIFT) + 1)
								<< ROUND_SHIFT;
		if (!swap(barrier, word, next))
			continue;
		*ret_before = word;
		return arrived == barrier->parties;
	}
}

/* 0: our round has passed. -EAGAIN: not yet. */
static int has_passed(uint64_t before, uint64_t now)
{
	if ((before ^ now) & RESET_MASK)
		return -EOWNERDEAD;
	if (before >> ROUND_SHIFT != now >> ROUND_SHIFT)
		return 0;
	return now & BROKEN ? -EOWNERDEAD : -EAGAIN;
}

/* We wait no longer: take our arrival back, unless it is too late for that. */
static int withdraw(struct fy_barrier_shm *barrier, uint64_t before, int r)
{
	for (;;) {
		uint64_t word = load(barrier);
		int passed = has_passed(before, word);
		if (passed != -EAGAIN)
			return passed;
		if ((word & ARRIVED_MASK) == 0)
			return -FERRY_ECORRUPT;
		if (swap(barrier, word, word - 1))
			return r;
	}
}

static int await_others(struct fy_sync *sync, struct fy_barrier_shm *barrier, uint64_t before,
			uint32_t seat, ferry_deadline deadline)
{
	struct fy_waiter waiter = fy_sync_waiter(sync, &barrier->passed, deadline);
	int r;

	while ((r = has_passed(before, load(barrier))) == -EAGAIN) {
		if (waiter.look && count(sync, fy_sync_offset(sync, barrier), seat, 0).dead > 0)
			break_it(barrier);
		else if ((r = fy_waiter_again(&waiter)) < 0)
			return withdraw(barrier, before, r);
	}
	if (r == 0)
		fy_waiter_succeeded(&waiter);
	return r;
}

int fy_barrier_wait(struct fy_sync *sync, struct fy_thread *thread, struct fy_barrier_shm *barrier,
		    ferry_deadline deadline)
{
	uint64_t before;
	int r = fy_barrier_join(sync, thread, barrier);

	if (r < 0)
		return r;
	const struct fy_hold *hold = fy_thread_find(thread, sync, barrier);
	if (!hold)
		return -FERRY_ECORRUPT;
	uint32_t seat = hold->seat;
	fy_seat_begin(sync, seat, fy_now());
	fy_seat_set(sync, seat, fy_sync_offset(sync, barrier), FY_SEAT_BARRIER_WAITS);
	r = arrive(barrier, &before);
	if (r == 1)
		ring(barrier);
	else if (r == 0)
		r = await_others(sync, barrier, before, seat, deadline);
	fy_seat_set(sync, seat, fy_sync_offset(sync, barrier), FY_SEAT_BARRIER_AWAY);
	return r;
}

int fy_barrier_reset(struct fy_sync *sync, struct fy_barrier_shm *barrier)
{
	for (;;) {
		uint64_t word = load(barrier);
		uint64_t resets = (word + (UINT64_C(1) << RESET_SHIFT)) & RESET_MASK;
		if (swap(barrier, word, resets | word >> ROUND_SHIFT << ROUND_SHIFT))
			break;
	}
	(void)count(sync, fy_sync_offset(sync, barrier), FY_NO_SEAT, 1);
	ring(barrier);
	return 0;
}
