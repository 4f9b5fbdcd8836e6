/* SPDX-License-Identifier: MIT */
/* The table of the operations on locks and the like; see docs/testing-kill.md. */
#include <stddef.h>

#include "clock.h"
#include "sync.h"

typedef const struct operation op;

#define UNUSED __attribute__((unused))

static ferry_deadline patience(op *o)
{
	return o->wait_ms ? ferry_in_ms(o->wait_ms) : FERRY_NOW;
}

/* ---- acts ---- */

#define ACT(name, statement)                                                                       \
	static void name(void *a, op *o UNUSED)                                                    \
	{                                                                                          \
		struct digger *d UNUSED = a;                                                       \
		statement;                                                                         \
	}

ACT(lock_turn, dig_turn(d, patience(o)))
ACT(lock_take, dig_lock(d, FERRY_NOW))
ACT(lock_give, dig_unlock(d))
ACT(lock_again, ATTACKED((void)ferry_lock_acquire(d->segment, &d->pit->lock, FERRY_NOW)))
ACT(lock_init, ATTACKED((void)ferry_lock_init(d->segment, &d->pit->spare)))
ACT(read_turn, dig_read_turn(d, patience(o)))
ACT(write_turn, dig_write_turn(d, patience(o)))
ACT(read_take, dig_read(d, FERRY_NOW))
ACT(write_take, dig_write(d, FERRY_NOW))
ACT(rw_give, dig_leave(d))
ACT(rw_again, ATTACKED((void)ferry_rwlock_read(d->segment, &d->pit->rwlock, FERRY_NOW)))
ACT(units_turn, if (dig_take(d, patience(o)) == 0) dig_post(d))
ACT(units_take_both, (dig_take(d, FERRY_NOW), dig_take(d, FERRY_NOW)))
ACT(units_give, dig_post(d))
ACT(units_again, dig_take(d, FERRY_NOW))
ACT(say_one, (atomic_store(&d->pit->said, 1), dig_say(d, false)))
ACT(say_all, (atomic_store(&d->pit->said, 1), dig_say(d, true)))
ACT(wait_said, dig_wait(d, patience(o)))
ACT(await_turn, dig_await_turn(d, patience(o)))
ACT(await_unit, dig_await_unit(d, patience(o)))
ACT(await_said, dig_await_said(d, patience(o)))
ACT(join, ATTACKED((void)ferry_barrier_join(d->segment, &d->pit->barrier)))
ACT(part, ATTACKED((void)ferry_barrier_leave(d->segment, &d->pit->barrier)))
ACT(meet, dig_meet(d, patience(o)))
ACT(meet_reset, ATTACKED((void)ferry_barrier_reset(d->segment, &d->pit->barrier)))
ACT(once_turn, dig_once(d, patience(o)))
ACT(once_half, {
	ATTACKED((void)ferry_once_begin(d->segment, &d->pit->once, FERRY_NOW));
	atomic_store(&d->pit->half, 1);
})
ACT(once_again, ATTACKED((void)ferry_once_begin(d->segment, &d->pit->once, FERRY_NOW)))
ACT(close_it, ATTACKED(ferry_segment_close(d->segment)); d->segment = NULL)
ACT(list_all, {
	struct ferry_sync_entry entries[16];
	ATTACKED((void)ferry_sync_list(d->segment, entries, 16));
})
ACT(open_alone, {
	ferry_segment *segment = NULL;
	ferry_lock *lock;
	int r;
	ATTACKED(r = ferry_lock_open(&segment, &lock, "alone", NULL));
	if (r == 0)
		ATTACKED(ferry_segment_close(segment));
})

#define ALONE(name, type, open_it)                                                                 \
	ACT(name, {                                                                                \
		ferry_segment *segment = NULL;                                                     \
		type *alone;                                                                       \
		int r;                                                                             \
		ATTACKED(r = open_it);                                                             \
		if (r == 0)                                                                        \
			ATTACKED(ferry_segment_close(segment));                                    \
	})

ALONE(rwlock_alone, ferry_rwlock, ferry_rwlock_open(&segment, &alone, "alone", NULL))
ALONE(units_alone, ferry_semaphore,
      ferry_semaphore_open(&segment, &alone, "alone", 1, FERRY_GIVE_BACK, NULL))
ALONE(barrier_alone, ferry_barrier, ferry_barrier_open(&segment, &alone, "alone", 2, NULL))
ALONE(once_alone, ferry_once, ferry_once_open(&segment, &alone, "alone", NULL))

/* In its own time: the clock goes on, or the deadline would not come. One that was stopped
 * meanwhile may find the lock free. */
ACT(lock_in_vain, {
	clock_release();
	if (dig_lock(d, ferry_in_ms(o->wait_ms)) >= 0)
		dig_unlock(d);
})
ACT(spare_take, ATTACKED((void)ferry_lock_acquire(d->segment, &d->pit->spare, FERRY_NOW)))
ACT(spare_lose, {
	int r;
	ATTACKED(r = ferry_lock_acquire(d->segment, &d->pit->spare, patience(o)));
	/* Others may have come first, if this one was stopped, and have repaired it. */
	if (r == 0 && !atomic_load(&d->tale->mended))
		fault(d->tale->faults, "C5: an owner died, and the next one is not told");
	if (r >= 0)
		ATTACKED((void)ferry_lock_release(d->segment, &d->pit->spare));
})
ACT(plain_turn, if (dig_plain_wait(d, patience(o)) == 0) dig_plain_post(d))
ACT(plain_post, dig_plain_post(d))
ACT(once_take, ATTACKED((void)ferry_once_begin(d->segment, &d->pit->once, FERRY_NOW)))
ACT(once_give, ATTACKED((void)ferry_once_cancel(d->segment, &d->pit->once)))

/* What the survivor gives when the victim sleeps. */
ACT(give_lock, if (d->has_lock) dig_unlock(d))
ACT(give_rw, if (d->has_read || d->has_write) dig_leave(d))
ACT(give_unit, if (d->units) dig_post(d))
ACT(give_plain, dig_plain_post(d))
ACT(say_it, say_all(d, o))
ACT(meet_it, dig_meet(d, ferry_in_ms(SCENE_PATIENCE)))

/* ---- what the survivor has ---- */

static void has_lock(struct digger *d)
{
	dig_lock(d, FERRY_NOW);
}

static void has_read(struct digger *d)
{
	dig_read(d, FERRY_NOW);
}

static void has_write(struct digger *d)
{
	dig_write(d, FERRY_NOW);
}

static void has_units(struct digger *d)
{
	dig_take(d, FERRY_NOW);
	dig_take(d, FERRY_NOW);
}

static void has_plain(struct digger *d)
{
	dig_plain_post(d);
}

/* ---- sleepers ---- */

static void sleep_turn(struct digger *d, ferry_deadline deadline)
{
	dig_turn(d, deadline);
}

static void sleep_read(struct digger *d, ferry_deadline deadline)
{
	dig_read_turn(d, deadline);
}

static void sleep_write(struct digger *d, ferry_deadline deadline)
{
	dig_write_turn(d, deadline);
}

static void sleep_units(struct digger *d, ferry_deadline deadline)
{
	if (dig_take(d, deadline) == 0)
		dig_post(d);
}

static void sleep_said(struct digger *d, ferry_deadline deadline)
{
	dig_wait(d, deadline);
}

static void sleep_meet(struct digger *d, ferry_deadline deadline)
{
	dig_meet(d, deadline);
}

static void sleep_once(struct digger *d, ferry_deadline deadline)
{
	dig_once(d, deadline);
}

static void sleep_plain(struct digger *d, ferry_deadline deadline)
{
	if (dig_plain_wait(d, deadline) == 0)
		dig_plain_post(d);
}

static void sleep_await_turn(struct digger *d, ferry_deadline deadline)
{
	dig_await_turn(d, deadline);
}

static void sleep_await_unit(struct digger *d, ferry_deadline deadline)
{
	dig_await_unit(d, deadline);
}

static void sleep_await_said(struct digger *d, ferry_deadline deadline)
{
	dig_await_said(d, deadline);
}

/* ---- setups ---- */

typedef const struct pit_setup setup;

static setup locks = { .sleep = { sleep_turn } };
static setup lock_held = { .survivor = has_lock, .sleep = { sleep_turn } };
static setup readers = { .sleep = { sleep_read, sleep_write } };
static setup read_held = { .survivor = has_read, .sleep = { sleep_read, sleep_write } };
static setup write_held = { .survivor = has_write, .sleep = { sleep_read, sleep_write } };
static setup units = { .sleep = { sleep_units } };
static setup units_held = { .survivor = has_units, .sleep = { sleep_units } };
static setup said = { .sleep = { sleep_said } };
static setup meeting = { .sleep = { sleep_meet } };
static setup resetting = { .sleep = { sleep_meet }, .resets = true };
static setup onces = { .sleep = { sleep_once } };
static setup spares = { .loses = true };
static setup plain = { .sleep = { sleep_plain } };
static setup plain_there = { .survivor = has_plain, .sleep = { sleep_plain } };

/* The victim waits among other things, and another behind it in the call. */
#define LOCK_HELD(by)  WITH(by, .survivor = has_lock, .sleep = { sleep_turn })
#define UNITS_HELD(by) WITH(by, .survivor = has_units, .sleep = { sleep_units })
#define UNSAID(by)     WITH(by, .sleep = { sleep_said })
/* The first of the others waits in the call, the second among other things. */
#define LOCK_TOLD(by)  WITH(by, .sleep = { sleep_turn, sleep_await_turn }, BESIDE)
#define UNITS_TOLD(by) WITH(by, .sleep = { sleep_units, sleep_await_unit }, BESIDE)
#define SAID_TOLD(by)  WITH(by, .sleep = { sleep_said, sleep_await_said }, BESIDE)
#define BESIDE         .unseated = { false, true }
#define WITH(by, ...)                                                                              \
	.with = &(setup)                                                                           \
	{                                                                                          \
		.way = (by), __VA_ARGS__                                                           \
	}

#define OP(n, w, ...)                                                                              \
	{                                                                                          \
		.name = (n), .what = (w), __VA_ARGS__                                              \
	}

const struct operation sync_operations[] = {
	OP("lock-turn", "take a free lock and give it back", .act = lock_turn),
	OP("lock-release-wakes", "give back a lock that others wait for", .with = &locks,
	   .sleepers = { 2 }, .prepare = lock_take, .act = lock_give),
	OP("lock-acquire-sleeps", "sleep until a lock is free, with others behind",
	   .with = &lock_held, .wait_ms = 1000, .sleepers = { 1 }, .act = lock_turn,
	   .rouse = give_lock),
	OP("lock-after-death", "take a lock whose owner died in it", .with = &locks,
	   .first = lock_take, .first_act = lock_again, .act = lock_turn),
	OP("lock-in-vain", "wait for a lock until the deadline, with another behind",
	   .with = &lock_held, .wait_ms = 5, .sleepers = { 1 }, .act = lock_in_vain),
	OP("lock-after-death-waits", "wait for such a lock until a nap is over", .with = &locks,
	   .wait_ms = 3000, .first = lock_take, .first_act = lock_again, .act = lock_turn,
	   .rarely = 32),
	OP("lock-unrepaired", "take a lock whose owner died, and release it with nothing repaired",
	   .with = &spares, .first = spare_take, .first_act = spare_take, .act = spare_lose),
	OP("lock-twice", "take a lock that one has", .prepare = lock_take, .act = lock_again),
	OP("lock-init", "initialize a lock", .act = lock_init),
	OP("lock-close-held", "close the handle with the lock in hand", .with = &locks,
	   .sleepers = { 1 }, .prepare = lock_take, .act = close_it),
	OP("lock-alone", "make and open a lock alone at a location", .act = open_alone,
	   .rarely = 16),
	OP("sync-list", "look who holds and who waits", .with = &lock_held, .sleepers = { 2 },
	   .act = list_all),
	OP("rwlock-alone", "make and open an rwlock alone at a location", .act = rwlock_alone,
	   .rarely = 16),
	OP("rwlock-read", "read and leave", .act = read_turn),
	OP("rwlock-write", "write and leave", .act = write_turn),
	OP("rwlock-write-ends", "leave writing, with readers and a writer waiting",
	   .with = &readers, .sleepers = { 2, 1 }, .prepare = write_take, .act = rw_give),
	OP("rwlock-read-ends", "leave reading, with a writer and a reader waiting",
	   .with = &readers, .sleepers = { 1, 1 }, .prepare = read_take, .act = rw_give),
	OP("rwlock-read-sleeps", "sleep until a writer leaves", .with = &write_held,
	   .wait_ms = 1000, .sleepers = { 1, 1 }, .act = read_turn, .rouse = give_rw),
	OP("rwlock-write-sleeps", "sleep until a reader leaves", .with = &read_held,
	   .wait_ms = 1000, .sleepers = { 1, 1 }, .act = write_turn, .rouse = give_rw),
	OP("rwlock-write-after-reader", "write after a reader died inside", .with = &readers,
	   .first = read_take, .first_act = rw_again, .act = write_turn),
	OP("rwlock-write-after-writer", "write after a writer died inside", .with = &readers,
	   .first = write_take, .first_act = rw_again, .act = write_turn),
	OP("rwlock-read-after-writer", "read after a writer died inside", .with = &readers,
	   .first = write_take, .first_act = rw_again, .act = read_turn),
	OP("units-turn", "take a unit and give it back", .act = units_turn),
	OP("units-post-wakes", "give back a unit that others wait for", .with = &units,
	   .sleepers = { 2 }, .prepare = units_take_both, .act = units_give),
	OP("units-wait-sleeps", "sleep until there is a unit", .with = &units_held, .wait_ms = 1000,
	   .sleepers = { 1 }, .act = units_turn, .rouse = give_unit),
	OP("units-after-death", "take a unit that a dead member had", .with = &units,
	   .first = units_take_both, .first_act = units_again, .act = units_turn),
	OP("units-close-held", "close the handle with units in hand", .with = &units,
	   .sleepers = { 1 }, .prepare = units_take_both, .act = close_it),
	OP("units-alone", "make and open a semaphore alone at a location", .act = units_alone,
	   .rarely = 16),
	OP("plain-turn", "take a unit that nobody keeps account of, and post it",
	   .with = &plain_there, .act = plain_turn),
	OP("plain-post-wakes", "post such a unit, with others waiting", .with = &plain,
	   .sleepers = { 2 }, .act = plain_post),
	OP("plain-wait-sleeps", "sleep until there is such a unit", .with = &plain, .wait_ms = 1000,
	   .sleepers = { 1 }, .act = plain_turn, .rouse = give_plain),
	OP("condition-signal", "signal one who waits", .with = &said, .sleepers = { 2 },
	   .act = say_one),
	OP("condition-broadcast", "signal all who wait", .with = &said, .sleepers = { 2 },
	   .act = say_all),
	OP("lock-awaited", "ferry_wait for a lock, with another in line", LOCK_HELD(AWAIT_WAIT),
	   .wait_ms = 1000, .sleepers = { 1 }, .act = await_turn, .rouse = give_lock),
	OP("lock-awaited-kept", "the same by a waiter", LOCK_HELD(AWAIT_WAITER), .wait_ms = 1000,
	   .sleepers = { 1 }, .act = await_turn, .rouse = give_lock, .rarely = 4),
	OP("lock-awaited-shown", "the same by ferry_fd", LOCK_HELD(AWAIT_FD), .wait_ms = 1000,
	   .sleepers = { 1 }, .act = await_turn, .rouse = give_lock, .rarely = 4),
	OP("lock-release-told", "give back a lock that one is in line for, and one in ferry_wait",
	   LOCK_TOLD(AWAIT_WAIT), .sleepers = { 1, 1 }, .prepare = lock_take, .act = lock_give),
	OP("lock-release-shows", "the same with ferry_fd", LOCK_TOLD(AWAIT_FD),
	   .sleepers = { 1, 1 }, .prepare = lock_take, .act = lock_give),
	OP("units-awaited", "ferry_wait for a unit, with another waiting", UNITS_HELD(AWAIT_WAIT),
	   .wait_ms = 1000, .sleepers = { 1 }, .act = await_unit, .rouse = give_unit),
	OP("units-awaited-kept", "the same by a waiter", UNITS_HELD(AWAIT_WAITER), .wait_ms = 1000,
	   .sleepers = { 1 }, .act = await_unit, .rouse = give_unit, .rarely = 4),
	OP("units-awaited-shown", "the same by ferry_fd", UNITS_HELD(AWAIT_FD), .wait_ms = 1000,
	   .sleepers = { 1 }, .act = await_unit, .rouse = give_unit, .rarely = 4),
	OP("units-post-told", "give back a unit that one waits for, and one in ferry_wait",
	   UNITS_TOLD(AWAIT_WAIT), .sleepers = { 1, 1 }, .prepare = units_take_both,
	   .act = units_give),
	OP("units-post-shows", "the same with ferry_fd", UNITS_TOLD(AWAIT_FD), .sleepers = { 1, 1 },
	   .prepare = units_take_both, .act = units_give),
	OP("condition-watch", "watch, and sleep in ferry_wait until somebody signals, with another",
	   UNSAID(AWAIT_WAIT), .wait_ms = 1000, .sleepers = { 1 }, .act = await_said,
	   .rouse = say_it),
	OP("condition-watch-shown", "the same by ferry_fd", UNSAID(AWAIT_FD), .wait_ms = 1000,
	   .sleepers = { 1 }, .act = await_said, .rouse = say_it, .rarely = 4),
	OP("condition-signal-told", "signal one who waits, and one who watches in ferry_wait",
	   SAID_TOLD(AWAIT_WAIT), .sleepers = { 1, 1 }, .act = say_one),
	OP("condition-signal-shows", "the same with ferry_fd", SAID_TOLD(AWAIT_FD),
	   .sleepers = { 1, 1 }, .act = say_one),
	OP("condition-broadcast-told", "broadcast to two who watch and one who waits",
	   SAID_TOLD(AWAIT_WAITER), .sleepers = { 1, 2 }, .act = say_all),
	OP("condition-wait", "sleep until somebody signals, with another behind", .with = &said,
	   .wait_ms = 1000, .sleepers = { 1 }, .act = wait_said, .rouse = say_it),
	OP("barrier-last", "arrive as the last one", .with = &meeting, .sleepers = { 1 },
	   .prepare = join, .wait_ms = 1000, .act = meet),
	OP("barrier-sleeps", "arrive and sleep until the last one comes", .wait_ms = 1000,
	   .act = meet, .rouse = meet_it),
	OP("barrier-join", "take part", .act = join),
	OP("barrier-leave", "take part no more", .prepare = join, .act = part),
	OP("barrier-reset", "reset a barrier that another waits in", .with = &resetting,
	   .sleepers = { 1 }, .act = meet_reset),
	OP("barrier-alone", "make and open a barrier alone at a location", .act = barrier_alone,
	   .rarely = 16),
	OP("once-alone", "make and open a once alone at a location", .act = once_alone,
	   .rarely = 16),
	OP("once-cancel", "give up the turn, with others waiting", .with = &onces,
	   .sleepers = { 2 }, .prepare = once_take, .act = once_give),
	OP("once-turn", "do it once", .with = &onces, .act = once_turn),
	OP("once-after-death", "do it after another died half-way", .with = &onces,
	   .first = once_half, .first_act = once_again, .act = once_turn),
	{ .name = NULL },
};
