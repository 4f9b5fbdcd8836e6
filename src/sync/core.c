/* SPDX-License-Identifier: MIT */
/* core.c - see core.h, and docs/formats/lock.md, which has the reasons. */
#include "core.h"

#include <errno.h>
#include <ferry/error.h>

#include "../os/clock.h"
#include "../os/futex.h"
#include "../os/pause.h"
#include "seat.h"

#define PATIENCE     (2 * FY_MS) /* who waits that long shall be next: then the door is shut */
#define CLOCK_AT_ALL 16u /* so many turns of newcomers look at the clock, for long turns ... */
#define CLOCK_EVERY  64u /* ... and then one in so many, for short ones */
#define CALLS        32 /* attempts to find who went to sleep while nobody was there to be called */
/* Pauses between two looks at the lock while spinning. The first is long, so that the owner gets
 * several short turns in: each change of hands moves the cache line, which costs more than a turn.
 */
#define PAUSES_FIRST 127u
#define PAUSES_MOST  255u

enum phase { NEW, SPINNING, WAITING };

/* The half of the word that has the marks; a futex is 32 bits. */
static _Atomic uint32_t *futex_of(struct fy_core_shm *core)
{
	uint8_t *word = (uint8_t *)core + offsetof(struct fy_core_shm, word);

	return (_Atomic uint32_t *)(void *)(word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) * 4);
}

static uint32_t bit_of(uint32_t ticket)
{
	return UINT32_C(1) << ticket % 32;
}

static int swap(struct fy_core_shm *core, uint64_t from, uint64_t to)
{
	/* SYNC(core.word) acq_rel: pairs with fy_core_load(), fy_core_acquire() and itself: the
	 * data behind the lock go with it. Sequentially consistent for ring_bell(). */
	return atomic_compare_exchange_strong_explicit(&core->word, &from, to, memory_order_seq_cst,
						       memory_order_relaxed);
}

static uint32_t hint(const _Atomic uint32_t *value)
{
	/* RELAXED(nothing but order and haste hangs on it) */
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void set_hint(_Atomic uint32_t *value, uint32_t to)
{
	/* RELAXED(nothing but order and haste hangs on it) */
	atomic_store_explicit(value, to, memory_order_relaxed);
}

static int64_t time_of(const _Atomic uint64_t *time)
{
	/* RELAXED(a time) */
	return (int64_t)atomic_load_explicit(time, memory_order_relaxed);
}

static void set_time(_Atomic uint64_t *time, int64_t to)
{
	/* RELAXED(a time) */
	atomic_store_explicit(time, (uint64_t)to, memory_order_relaxed);
}

/* Who was called has had time enough. */
static int call_is_stale(const struct fy_core_shm *core)
{
	return fy_is_stale(time_of(&core->called_at), fy_now());
}

struct fy_core_shm *fy_core_at(const struct fy_sync *sync, uint64_t offset, uint32_t magic)
{
	void *at = sync->object->base + offset;

	switch (magic) {
	case FY_PRIMITIVE_LOCK:
		return &((struct fy_lock_shm *)at)->core;
	case FY_PRIMITIVE_RWLOCK:
		return &((struct fy_rwlock_shm *)at)->core;
	case FY_PRIMITIVE_ONCE:
		return &((struct fy_once_shm *)at)->core;
	default:
		return NULL;
	}
}

/* ---- calling ---- */

/* Nobody was asleep: then nobody was called, and those who are awake look by themselves. 0: but one
 * has gone to sleep since, and the call is for him. */
static int uncall(struct fy_core_shm *core)
{
	for (;;) {
		uint64_t w = fy_core_load(core);
		if (w == FY_CORE_LOST || !(w & FY_CORE_CALLED))
			return 1;
		/* An owner calls when he leaves; while it is free that is for us to do. */
		int again = fy_core_owner(w) == 0 && (w & FY_CORE_WAITERS);
		uint64_t answered = again ? FY_CORE_WAITERS : FY_CORE_CALLED | FY_CORE_DOOR;
		if (swap(core, w, w & ~answered))
			return !again;
	}
}

/* Does somebody wait with that number, although he does not sleep? Then he looks about himself just
 * now, and sees that he is called. */
static int is_awake(struct fy_sync *sync, const struct fy_core_shm *core, uint32_t ticket)
{
	uint64_t offset = fy_sync_offset(sync, core) / FY_LINE * FY_LINE;
	uint32_t n = fy_seats_used(sync);

	for (uint32_t i = 0; i < n; i++) {
		struct fy_seat seat;
		if (fy_seat_read(sync, i, &seat) && seat.offset == offset &&
		    seat.role == FY_SEAT_LOCK_WAITS && hint(&fy_seat_at(sync, i)->ticket) == ticket)
			return !fy_who_looks_dead(sync, seat.who);
	}
	return 0;
}

/* The next ticket, or, if tickets 32 apart got mixed up, anybody. 0: nobody is asleep. */
static int call_one(struct fy_sync *sync, struct fy_core_shm *core)
{
	for (int i = 0; i < 32; i++) {
		uint32_t next = hint(&core->called) + 1;
		if ((int32_t)(hint(&core->tickets) - next) < 0)
			break;
		set_hint(&core->called, next);
		if (fy_futex_wake_bits(futex_of(core), 1, bit_of(next)) > 0 ||
		    is_awake(sync, core, next))
			return 1;
	}
	return fy_futex_wake_bits(futex_of(core), 1, FY_FUTEX_ANY) > 0;
}

/* The word says that somebody is called; do it. (If others go to sleep each time that we have
 * called, one of them will find the call stale.) */
static void call_next(struct fy_sync *sync, struct fy_core_shm *core)
{
	for (int i = 0; i < CALLS; i++)
		if (call_one(sync, core) || uncall(core))
			return;
}

/* ---- releasing ---- */

/* A free lock that a newcomer may take without more ado, marks and all. */
static int is_open(uint64_t w)
{
	return (w & ~(FY_CORE_WAITERS | FY_CORE_CALLED)) == 0;
}

/* A newcomer had his turn before one who was called: for how long has that one been waiting? */
static int have_barged_enough(struct fy_core_shm *core)
{
	uint32_t barged = hint(&core->barged) + 1;

	set_hint(&core->barged, barged);
	if (barged > CLOCK_AT_ALL && barged % CLOCK_EVERY != 0)
		return 0;
	int64_t now = fy_now();
	if (!fy_has_passed(PATIENCE, time_of(&core->called_at), now))
		return 0;
	set_time(&core->called_at, now);
	return 1;
}

static uint64_t word_after(struct fy_core_shm *core, uint64_t w, uint64_t died)
{
	if (w & FY_CORE_CALLED) {
		uint64_t door = w & FY_CORE_DOOR;
		if (!door && have_barged_enough(core))
			door = FY_CORE_DOOR;
		return (w & (FY_CORE_WAITERS | FY_CORE_CALLED)) | door | died;
	}
	if (w & FY_CORE_WAITERS) {
		set_time(&core->called_at, fy_now());
		return FY_CORE_CALLED | (w & FY_CORE_DOOR) | died;
	}
	return died;
}

/* Of those that have a core, a ferry_lock has a bell behind it. Who sleeps there has set W: so only
 * a release that saw W, or who takes it away, rings. (The others leave the line to the next owner,
 * who may have it already.) */
static void ring_bell(const struct fy_sync *sync, struct fy_core_shm *core)
{
	struct fy_lock_shm *lock = (void *)((uint8_t *)core - offsetof(struct fy_lock_shm, core));

	/* RELAXED(written before anybody could take the lock) */
	if (atomic_load_explicit(&lock->magic, memory_order_relaxed) == FY_PRIMITIVE_LOCK)
		fy_bell_word_ring(&lock->left, FY_BELL_ALL, sync->object->fd);
}

int fy_core_release_slow(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who, int died)
{
	for (;;) {
		uint64_t w = fy_core_load(core);
		if (fy_core_owner(w) != who)
			return -EPERM;
		if ((w & FY_CORE_DIED) && !died) {
			if (!swap(core, w, FY_CORE_LOST))
				continue;
			(void)fy_futex_wake(futex_of(core), INT32_MAX);
			ring_bell(sync, core);
			return 0;
		}
		set_time(&core->since, 0);
		uint64_t after = word_after(core, w, died ? FY_CORE_DIED : 0);
		if (!swap(core, w, after))
			continue;
		fy_thread.marks = is_open(after) ? after : 0;
		if ((w & FY_CORE_WAITERS) && !(w & FY_CORE_CALLED))
			call_next(sync, core);
		if (w & FY_CORE_WAITERS)
			ring_bell(sync, core);
		return 0;
	}
}

int fy_core_ready(struct fy_sync *sync, const struct fy_core_shm *core, int ask)
{
	/* SYNC(core.word) acquire: pairs with swap(). Sequentially consistent: who looks has
	 * prepared the bell before, and who leaves looks at it afterwards. */
	uint64_t w = atomic_load_explicit(&core->word, memory_order_seq_cst);
	uint64_t owner = fy_core_owner(w);

	if (w == FY_CORE_LOST)
		return -ENOTRECOVERABLE;
	if (owner == 0)
		return !(w & FY_CORE_DOOR) || call_is_stale(core);
	if (fy_who_owner(owner) == 0 || !fy_who_makes_sense(sync, owner))
		return -FERRY_ECORRUPT;
	return ask && fy_who_is_dead(sync, owner);
}

void fy_core_want(struct fy_core_shm *core)
{
	uint64_t w = fy_core_load(core);

	while (w != FY_CORE_LOST && !(w & FY_CORE_WAITERS)) {
		if (swap(core, w, w | FY_CORE_WAITERS))
			return;
		w = fy_core_load(core);
	}
}

int fy_core_repaired(struct fy_core_shm *core, uint64_t who)
{
	for (;;) {
		uint64_t w = fy_core_load(core);
		if (fy_core_owner(w) != who)
			return -EPERM;
		if (!(w & FY_CORE_DIED))
			return -EINVAL;
		if (swap(core, w, w & ~FY_CORE_DIED))
			return 0;
	}
}

void fy_core_wake_all(struct fy_core_shm *core)
{
	uint64_t w;

	/* SYNC(core.word) acq_rel: the segment was marked as removed, then this look for sleepers;
	 * pairs with the fence in sleep_on(). */
	atomic_thread_fence(memory_order_seq_cst);
	/* Without W in the word nobody falls asleep; who sets it again looks at the state. */
	do
		w = fy_core_load(core);
	while (w != FY_CORE_LOST && (w & FY_CORE_WAITERS) && !swap(core, w, w & ~FY_CORE_WAITERS));
	(void)fy_futex_wake(futex_of(core), INT32_MAX);
}

/* ---- acquiring ---- */

/* Of a free lock. Who waits does not go before one who was called; newcomers do, while the door is
 * open. */
static int may_enter(const struct fy_core_call *call, uint64_t w)
{
	uint64_t bar = call->slept ? FY_CORE_CALLED | FY_CORE_DOOR : FY_CORE_DOOR;

	return !(w & bar) || call->summoned || call_is_stale(call->core);
}

/* The word as it is once it is ours. */
static uint64_t word_of_ours(const struct fy_core_call *call, uint64_t w, uint64_t died)
{
	uint64_t word = call->who | (w & FY_CORE_WAITERS) | died;

	if (call->slept)
		return word | FY_CORE_WAITERS;
	if ((w & FY_CORE_DOOR) && call_is_stale(call->core))
		w &= ~FY_CORE_DOOR;
	return word | (w & (FY_CORE_CALLED | FY_CORE_DOOR));
}

static void note_ours(const struct fy_core_call *call)
{
	set_hint(&call->core->cpu, fy_cpu() + 1);
	set_time(&call->core->since, fy_now_coarse());
	if (call->slept)
		set_hint(&call->core->barged, 0);
}

/* 1: ours. 0: the word has changed, look again. -EAGAIN: wait. Or an error. */
static int try_to_take(struct fy_core_call *call, uint64_t w)
{
	uint64_t owner = fy_core_owner(w);
	uint64_t died = w & FY_CORE_DIED;

	if (w == FY_CORE_LOST)
		return -ENOTRECOVERABLE;
	if (owner == call->who)
		return -EDEADLK;
	if (owner != 0) {
		if (fy_who_owner(owner) == 0 || !fy_who_makes_sense(call->sync, owner))
			return -FERRY_ECORRUPT;
		if (!call->ask || !fy_who_is_dead(call->sync, owner))
			return -EAGAIN;
		died = FY_CORE_DIED;
	} else if (!may_enter(call, w)) {
		return -EAGAIN;
	}
	if (!swap(call->core, w, word_of_ours(call, w, died)))
		return 0;
	note_ours(call);
	return 1;
}

static int last_look(struct fy_core_call *call)
{
	if (call->ask || !fy_sync_may_look(call->sync))
		return -EAGAIN;
	call->ask = 1;
	return 0;
}

/* 0: it would not pay. */
static int start_spinning(struct fy_core_call *call, int64_t now)
{
	int64_t budget = fy_spin_budget(&call->sync->spin, hint(&call->core->cpu) == fy_cpu() + 1);

	if (budget == 0)
		return 0;
	call->phase = SPINNING;
	call->pauses = PAUSES_FIRST;
	call->spin_until = budget < call->deadline - now ? now + budget : call->deadline;
	return 1;
}

static void start_waiting(struct fy_core_call *call, int64_t now)
{
	call->phase = WAITING;
	if (call->began)
		return;
	call->began = now;
	/* From 1 on: 0 is called from the beginning.
	 * RELAXED(only their order matters) */
	call->ticket = atomic_fetch_add_explicit(&call->core->tickets, 1, memory_order_relaxed) + 1;
	call->seat = fy_seat_take(call->sync, call->who);
	if (call->seat == FY_NO_SEAT)
		return;
	fy_seat_begin(call->sync, call->seat, now);
	set_hint(&fy_seat_at(call->sync, call->seat)->ticket, call->ticket);
	fy_seat_set(call->sync, call->seat, call->offset, FY_SEAT_LOCK_WAITS);
}

/* We are to be called before all who came later; not before one who came earlier and missed it too.
 */
static void call_again(const struct fy_core_call *call)
{
	if ((int32_t)(hint(&call->core->called) - call->ticket) >= 0)
		set_hint(&call->core->called, call->ticket - 1);
}

/* The word to sleep on. Who was called and came too late answers the call by shutting the door, if
 * he has waited long enough, and is called again before the others. */
static uint64_t word_to_sleep_on(struct fy_core_call *call, uint64_t w, int64_t now)
{
	uint64_t want = w | FY_CORE_WAITERS;

	if (fy_core_owner(w) == 0)
		return want;
	if (call->summoned) {
		call->lost = 1;
		call_again(call);
		want &= ~FY_CORE_CALLED;
	} else if ((w & FY_CORE_CALLED) && call_is_stale(call->core)) {
		want &= ~FY_CORE_CALLED;
	}
	if (call->lost && now - call->began >= PATIENCE)
		want |= FY_CORE_DOOR;
	return want;
}

static int64_t nap_end(const struct fy_core_call *call, uint64_t want, int64_t now)
{
	uint32_t before = call->ticket - hint(&call->core->called) - 1;
	uint32_t all = hint(&call->core->tickets) - hint(&call->core->called);
	/* A broken counter shall not make the naps long. */
	int64_t until =
	    all > FY_SEATS || before > all ? fy_nap_end(now, 0, 1) : fy_nap_end(now, before, all);

	/* A call that nobody answers is soon stale, counted from the call; a free lock is not left
	 * to lie. */
	if ((want & FY_CORE_CALLED) || fy_core_owner(want) == 0) {
		int64_t called_at = time_of(&call->core->called_at);
		if (called_at > now || called_at < now - FY_STALE)
			called_at = now; /* a time from nowhere, or just now stale */
		if (until > called_at + FY_STALE)
			until = called_at + FY_STALE;
	}
	return until < call->deadline ? until : call->deadline;
}

static int sleep_on(struct fy_core_call *call, uint64_t w, int64_t now)
{
	uint64_t want = word_to_sleep_on(call, w, now);

	call->ask = 0;
	if (want != w && !swap(call->core, w, want))
		return 0;
	/* SYNC(core.word) acq_rel: W first, then the look at the state of the segment: who removes
	 * it marks it and then looks for W (fy_core_wake_all()); one of the two sees the other. */
	atomic_thread_fence(memory_order_seq_cst);
	if (fy_object_state(call->sync->object) < 0) {
		/* The W that we set may let others fall asleep who saw an earlier one. */
		fy_core_wake_all(call->core);
		return 0;
	}
	/* RELAXED(a time) */
	if (time_of(&call->core->since) == 0 && fy_core_owner(want) != 0)
		set_time(&call->core->since, fy_now_coarse());
	call->summoned = 0;
	call->slept = 1;
	int r = fy_futex_wait_bits(futex_of(call->core), (uint32_t)want, nap_end(call, want, now),
				   bit_of(call->ticket));
	switch (r) {
	case 0:
		call->summoned = 1;
		/* Some microseconds of looking before sleeping again. */
		call->phase = SPINNING;
		call->pauses = 0;
		call->spin_until = 0;
		return 0;
	case -EAGAIN:
		call->lost = 1; /* it may have been free, and we were not asleep to be called */
		return 0;
	case -ETIMEDOUT:
		call->ask = 1;
		return 0;
	case -EINTR:
		return call->sync->interruptible ? -EINTR : 0;
	default:
		return -FERRY_ECORRUPT; /* the page is gone */
	}
}

/* Longer and longer: while we look, the owner's next step is slow, and with several who want it
 * short turns are cheapest many at a time. */
static void back_off(struct fy_core_call *call)
{
	for (uint32_t i = 0; i <= call->pauses; i++)
		fy_pause();
	if (call->pauses < PAUSES_MOST)
		call->pauses = call->pauses * 2 + 1;
}

static int wait_a_little(struct fy_core_call *call, uint64_t w)
{
	int r = fy_object_state(call->sync->object);

	if (r < 0)
		return r;
	if (call->deadline == FERRY_NOW)
		return last_look(call);
	if (call->phase == SPINNING && call->pauses < PAUSES_MOST) {
		back_off(call);
		return 0;
	}
	int64_t now = fy_now();
	if (now >= call->deadline)
		return -ETIMEDOUT;
	if (call->phase == NEW && start_spinning(call, now))
		return 0;
	if (call->phase != WAITING) {
		if (now < call->spin_until) {
			back_off(call);
			return 0;
		}
		if (!call->began && call->phase == SPINNING)
			fy_spin_failed(&call->sync->spin);
		start_waiting(call, now);
	}
	return sleep_on(call, w, now);
}

/* We go without it. If we were called, the call is for somebody else. */
static void give_up(struct fy_core_call *call)
{
	for (;;) {
		uint64_t w = fy_core_load(call->core);
		if (w == FY_CORE_LOST || !(w & FY_CORE_CALLED))
			return;
		if (fy_core_owner(w) != 0) {
			if (swap(call->core, w, (w & ~FY_CORE_CALLED) | FY_CORE_WAITERS))
				return;
			continue;
		}
		if (!swap(call->core, w, w & ~FY_CORE_WAITERS))
			continue;
		set_time(&call->core->called_at, fy_now());
		call_next(call->sync, call->core);
		ring_bell(call->sync, call->core);
		return;
	}
}

static int was_called(const struct fy_core_call *call)
{
	return call->slept && (int32_t)(hint(&call->core->called) - call->ticket) >= 0;
}

/* The lock is free, with marks that do not concern a newcomer. */
static int barge(struct fy_core_shm *core, uint64_t who)
{
	uint64_t w = fy_core_load(core);

	if (!is_open(w) || !swap(core, w, who | w))
		return 0;
	fy_thread.marks = w;
	set_hint(&core->cpu, fy_cpu() + 1);
	return 1;
}

static FY_COLD int wait_for(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who,
			    uint64_t offset, ferry_deadline deadline)
{
	struct fy_core_call call = {
		.sync = sync,
		.core = core,
		.who = who,
		.offset = offset,
		.deadline = deadline,
		.seat = FY_NO_SEAT,
	};
	uint64_t w;
	int r;

	do {
		w = fy_core_load(core);
		call.summoned |= was_called(&call);
		r = try_to_take(&call, w);
		if (r == -EAGAIN)
			r = wait_a_little(&call, w);
	} while (r == 0);
	if (call.seat != FY_NO_SEAT)
		fy_seat_leave(sync, call.seat);
	if (r < 0) {
		/* Looked at after the seat was left: who called us found us there, or calls
		 * another. (To miss it would cost the others FY_STALE.) */
		if (call.summoned || was_called(&call))
			give_up(&call);
		return r;
	}
	if (call.phase == SPINNING && !call.began)
		fy_spin_paid(&sync->spin);
	return fy_core_load(core) & FY_CORE_DIED ? 1 : 0;
}

int fy_core_acquire_slow(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who,
			 uint64_t offset, ferry_deadline deadline)
{
	return barge(core, who) ? 0 : wait_for(sync, core, who, offset, deadline);
}
