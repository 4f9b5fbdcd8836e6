/* SPDX-License-Identifier: MIT */
/* rwlock.c - see rwlock.h. */
#include "rwlock.h"

#include <errno.h>
#include <ferry/error.h>

#include "core.h"
#include "seat.h"
#include "wait.h"

#define WRITER_DIED 2 /* of one attempt to read: come in as a writer, to repair */

static uint64_t gate(const struct fy_rwlock_shm *lock)
{
	/* SYNC(rwlock.gate) acquire: pairs with set_gate(): with an open gate, what the writer
	 * wrote is ours to read. Sequentially consistent: a reader says that it is in and then
	 * looks at the gate, a writer shuts the gate and then looks for readers. */
	return atomic_load_explicit(&lock->gate, memory_order_seq_cst);
}

static void set_gate(struct fy_rwlock_shm *lock, uint64_t who)
{
	/* SYNC(rwlock.gate) release: pairs with gate(). Sequentially consistent, see there. */
	atomic_store_explicit(&lock->gate, who, memory_order_seq_cst);
}

/* Call visit for each seat of this lock; its results are added up. */
static int each_seat(struct fy_sync *sync, const struct fy_rwlock_shm *lock,
		     int (*visit)(struct fy_sync *, const struct fy_seat *, int), int how)
{
	uint64_t offset = fy_sync_offset(sync, lock);
	uint32_t n = fy_seats_used(sync);
	int sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (fy_seat_read(sync, i, &seat) && seat.offset == offset)
			sum += visit(sync, &seat, how);
	}
	return sum;
}

/* ---- reading ---- */

static int gate_of_the_dead(struct fy_sync *sync, const struct fy_rwlock_shm *lock, uint64_t keeper)
{
	/* He may have opened it since. */
	return keeper != 0 && fy_who_is_dead(sync, keeper) && gate(lock) == keeper;
}

/* 0: in. -EAGAIN, WRITER_DIED, or an error. */
static int try_reading(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint32_t i, int look)
{
	struct fy_seat seat;

	if (!fy_seat_read(sync, i, &seat))
		return -FERRY_ECORRUPT;
	if (seat.role == FY_SEAT_READER_GRANTED)
		return fy_seat_move(sync, &seat, FY_SEAT_READER_HOLDS) ? 0 : -EAGAIN;
	uint64_t w = fy_core_load(&lock->core);
	if (w == FY_CORE_LOST)
		return -ENOTRECOVERABLE;
	uint64_t keeper = gate(lock);
	if (keeper != 0 && fy_core_owner(w) == 0 && (w & FY_CORE_DIED))
		return WRITER_DIED;
	if (keeper != 0)
		return look && gate_of_the_dead(sync, lock, keeper) ? WRITER_DIED : -EAGAIN;
	if (!fy_seat_move(sync, &seat, FY_SEAT_READER_HOLDS))
		return -EAGAIN; /* granted just now */
	if (gate(lock) == 0)
		return 0;
	/* A writer was faster. He may have taken us for a reader, and sleep. */
	fy_seat_set(sync, i, seat.offset, FY_SEAT_READER_WAITS);
	fy_bell_word_ring(&lock->departed, FY_BELL_ALL, FY_BELL_UNWATCHED);
	return -EAGAIN;
}

static int read_in_seat(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint32_t seat,
			ferry_deadline deadline)
{
	struct fy_waiter waiter = fy_sync_waiter(sync, &lock->opened, deadline);
	int r;

	fy_seat_begin(sync, seat, fy_now_coarse());
	fy_seat_set(sync, seat, fy_sync_offset(sync, lock), FY_SEAT_READER_WAITS);
	while ((r = try_reading(sync, lock, seat, waiter.look)) == -EAGAIN &&
	       (r = fy_waiter_again(&waiter)) == 0)
		;
	if (r == 0)
		fy_waiter_succeeded(&waiter);
	return r;
}

void fy_rwlock_leave_reading(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint32_t seat)
{
	fy_seat_leave(sync, seat);
	if (gate(lock) != 0)
		fy_bell_word_ring(&lock->departed, FY_BELL_ALL, FY_BELL_UNWATCHED);
}

/* A writer died: whoever comes next has it alone, to repair. 0: somebody else did, read again. What
 * we know of the dead is not to be found out once more, a nap later. */
static int repair_as_writer(struct fy_sync *sync, struct fy_thread *thread,
			    struct fy_rwlock_shm *lock, ferry_deadline deadline)
{
	uint64_t owner = fy_core_owner(fy_core_load(&lock->core));
	if (owner != 0 && fy_who_is_dead(sync, owner))
		(void)fy_rwlock_leave_writing(sync, lock, owner, 1);
	int r = fy_rwlock_write(sync, thread, lock, deadline);

	if (r != 0)
		return r;
	struct fy_hold *hold = fy_thread_find(thread, sync, lock);
	if (hold)
		fy_thread_drop(thread, hold);
	return fy_rwlock_leave_writing(sync, lock, fy_thread_who(thread, sync->object), 0);
}

int fy_rwlock_read(struct fy_sync *sync, struct fy_thread *thread, struct fy_rwlock_shm *lock,
		   ferry_deadline deadline)
{
	uint64_t who = fy_thread_who(thread, sync->object);

	if (fy_thread_find(thread, sync, lock))
		return -EDEADLK;
	for (;;) {
		uint32_t seat = fy_seat_take(sync, who);
		if (seat == FY_NO_SEAT)
			return -ENOLCK;
		int r = read_in_seat(sync, lock, seat, deadline);
		if (r == 0) {
			fy_thread_hold(thread, sync, lock, who, FY_PRIMITIVE_RWLOCK, seat);
			return 0;
		}
		fy_rwlock_leave_reading(sync, lock, seat);
		if (r != WRITER_DIED)
			return r;
		r = repair_as_writer(sync, thread, lock, deadline);
		if (r != 0)
			return r;
	}
}

/* ---- writing ---- */

static int grant(struct fy_sync *sync, const struct fy_seat *seat, int how)
{
	(void)how;
	if (seat->role != FY_SEAT_READER_WAITS)
		return 0;
	fy_seat_begin(sync, seat->i, fy_now());
	return fy_seat_move(sync, seat, FY_SEAT_READER_GRANTED);
}

/* Let in the readers who wait, before any other writer. */
static void open_gate(struct fy_sync *sync, struct fy_rwlock_shm *lock)
{
	(void)each_seat(sync, lock, grant, 0);
	set_gate(lock, 0);
	fy_bell_word_ring(&lock->opened, FY_BELL_ALL, FY_BELL_UNWATCHED);
}

/* 1 if this seat keeps the writer waiting. look: dead readers, and those who were granted entry and
 * do not come, do not count. */
static int is_inside(struct fy_sync *sync, const struct fy_seat *seat, int look)
{
	if (seat->role != FY_SEAT_READER_HOLDS && seat->role != FY_SEAT_READER_GRANTED)
		return 0;
	if (look && fy_who_is_dead(sync, seat->who))
		return 0;
	if (look && seat->role == FY_SEAT_READER_GRANTED &&
	    fy_is_stale(fy_seat_since(sync, seat->i), fy_now()))
		return !fy_seat_move(sync, seat, FY_SEAT_READER_WAITS);
	return 1;
}

static int drain(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint32_t seat, int look,
		 ferry_deadline deadline)
{
	struct fy_waiter waiter = fy_sync_waiter(sync, &lock->departed, deadline);
	int r = 0;

	waiter.look = look;
	while (each_seat(sync, lock, is_inside, waiter.look) != 0) {
		if (seat != FY_NO_SEAT && !waiter.slept) {
			fy_seat_begin(sync, seat, fy_now());
			fy_seat_set(sync, seat, fy_sync_offset(sync, lock), FY_SEAT_WRITER_WAITS);
		}
		if (fy_waiter_is_about_to_sleep(&waiter))
			waiter.look_by =
			    fy_seats_stale_at(sync, fy_sync_offset(sync, lock), fy_now());
		r = fy_waiter_again(&waiter);
		if (r < 0)
			return r;
	}
	fy_waiter_succeeded(&waiter);
	return 0;
}

/* The lock among writers is ours: get the readers out. look: somebody died just now, so ask at once
 * whether others did. */
static int shut_gate(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint64_t who, int look,
		     ferry_deadline deadline)
{
	set_gate(lock, who);
	if (each_seat(sync, lock, is_inside, 0) == 0)
		return 0;
	uint32_t seat = fy_seat_take(sync, who);
	int r = drain(sync, lock, seat, look, deadline);
	if (seat != FY_NO_SEAT)
		fy_seat_leave(sync, seat);
	return r;
}

int fy_rwlock_write(struct fy_sync *sync, struct fy_thread *thread, struct fy_rwlock_shm *lock,
		    ferry_deadline deadline)
{
	uint64_t who = fy_thread_who(thread, sync->object);

	if (fy_thread_find(thread, sync, lock))
		return -EDEADLK;
	int r = fy_core_acquire(sync, &lock->core, who, fy_sync_offset(sync, lock), deadline);
	if (r < 0)
		return r;
	int drained = shut_gate(sync, lock, who, r > 0, deadline);
	if (drained < 0) {
		/* If somebody died, the next one is told instead of us. */
		(void)fy_rwlock_leave_writing(sync, lock, who, r > 0);
		return drained;
	}
	fy_thread_hold(thread, sync, lock, who, FY_PRIMITIVE_RWLOCK, FY_NO_SEAT);
	return r;
}

int fy_rwlock_leave_writing(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint64_t who,
			    int died)
{
	uint64_t w = fy_core_load(&lock->core);

	if (fy_core_owner(w) != who)
		return -EPERM;
	/* Nobody may read what was not repaired: the gate stays shut. */
	if (!died && !(w & FY_CORE_DIED))
		open_gate(sync, lock);
	int r = died ? fy_core_release_slow(sync, &lock->core, who, 1)
		     : fy_core_release(sync, &lock->core, who);
	if (died || (w & FY_CORE_DIED))
		fy_bell_word_ring(&lock->opened, FY_BELL_ALL, FY_BELL_UNWATCHED);
	return r;
}
