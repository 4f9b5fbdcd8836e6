/* SPDX-License-Identifier: MIT */
/*
 * torture_lock_work.c - what the processes of `ferry torture lock` do until they are killed: every
 * kind of call on locks and the like, mixed by dice.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "torture_lock.h"

#define TWIN_TURNS 2000 /* that a twin has at most */
#define RARE       1000 /* one turn in so many is a reopen, a fork or a look */
#define SOME       50   /* one turn in so many tries what must be refused */
#define MEET_MS    30
#define STORE_MS   3000 /* that one waits at the store at most */
#define IN_A_ROW   32   /* turns at the lock */

struct worker {
	struct hand hand;
	struct workers_torture *torture;
	ferry_segment *segment;
	struct pit *pit;
	bool holds; /* the lock */
};

/* What a twin gets from its parent. */
struct heritage {
	ferry_segment *segment;
	bool holds;
};

static uint64_t roll(struct worker *w, uint64_t below)
{
	return hand_roll(&w->hand, below);
}

static void at(struct worker *w, uint32_t call)
{
	hand_at(&w->hand, call);
}

static void fault(struct worker *w, enum fault fault, const char *sentence)
{
	hand_fault(&w->hand, fault, sentence);
}

static void begin(struct worker *w, enum pit_tally tally)
{
	roll_begin(w->hand.account, tally, w->hand.seat);
}

static void done(struct worker *w, enum pit_tally tally)
{
	roll_done(w->hand.account, tally, w->hand.seat);
}

static void count(struct worker *w, enum pit_tally tally)
{
	hand_count(&w->hand, tally);
}

static void have(struct worker *w, enum pit_thing thing, uint32_t most, const char *sentence)
{
	hand_have(&w->hand, thing, most, sentence);
}

static void give(struct worker *w, enum pit_thing thing)
{
	hand_give(&w->hand, thing);
}

static void must(struct worker *w, const char *call, int result)
{
	hand_must(&w->hand, call, result);
}

static void must_refuse(struct worker *w, const char *call, int result, int right)
{
	hand_must_refuse(&w->hand, call, result, right);
}

static void note_told(struct worker *w, bool had_readers)
{
	count(w, PIT_TOLD);
	hand_told(&w->hand, had_readers, w->torture->slowest);
}

/* ---- opening, closing, forking ---- */

static void open_pit(struct worker *w)
{
	struct ferry_why why = { 0 };

	at(w, PIT_AT_OPEN);
	int r = ferry_segment_open(&w->segment, w->torture->base.location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING, .why = &why));
	at(w, CREW_OUTSIDE);
	if (r < 0) {
		w->segment = NULL;
		hand_broken(&w->hand, why.text[0] ? why.text : "open", r);
		return;
	}
	w->pit = ferry_segment_address(w->segment);
}

/* What is held is a dead owner's from here on. */
static void close_pit(struct worker *w)
{
	if (w->holds) {
		roll_condemn(w->hand.account, w->hand.seat);
		give(w, PIT_LOCK);
		count(w, PIT_LEFT);
	}
	at(w, PIT_AT_CLOSE);
	ferry_segment_close(w->segment);
	at(w, CREW_OUTSIDE);
	if (w->holds)
		roll_seat(w->hand.account, w->hand.seat);
	w->holds = false;
	w->segment = NULL;
}

static void fork_twin(struct worker *w)
{
	struct heritage heritage = { .segment = w->segment, .holds = w->holds };

	at(w, CREW_FORK);
	(void)crew_fork(w->hand.crew, w->hand.seat, &heritage);
	at(w, w->holds ? PIT_AT_SECTION : CREW_OUTSIDE);
}

static void look(struct worker *w)
{
	struct ferry_sync_entry entries[32];
	struct ferry_segment_stat stat;

	at(w, PIT_AT_LOOK);
	int r = ferry_sync_list(w->segment, entries, 32);
	for (int i = 0; i < r && i < 32; i++)
		if (entries[i].role == FERRY_SYNC_LOST)
			fault(w, FAULT_LOST, "a lock is not recoverable");
	must(w, "list", r);
	must(w, "stat", ferry_segment_stat(w->segment, &stat));
	at(w, CREW_OUTSIDE);
}

/* ---- the lock ---- */

static void enter(struct worker *w, int told)
{
	w->holds = true;
	have(w, PIT_LOCK, 1, "two have the lock");
	at(w, PIT_AT_SECTION);
	vault_enter(&w->pit->behind_lock, &w->hand, told, "lock");
	if (told) {
		note_told(w, false);
		at(w, PIT_AT_REPAIRED);
		must(w, "repaired", ferry_lock_repaired(w->segment, &w->pit->lock));
		at(w, PIT_AT_SECTION);
	}
}

static void leave(struct worker *w)
{
	give(w, PIT_LOCK);
	at(w, PIT_AT_RELEASE);
	must(w, "release", ferry_lock_release(w->segment, &w->pit->lock));
	w->holds = false;
	at(w, CREW_OUTSIDE);
}

static void lock_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = hand_patience(&w->hand);

	hand_wants(&w->hand);
	at(w, PIT_AT_ACQUIRE);
	int r = ferry_lock_acquire(w->segment, &w->pit->lock, deadline);
	if (hand_expect(&w->hand, "acquire", r) < 0) {
		at(w, CREW_OUTSIDE);
		return;
	}
	enter(w, r);
	begin(w, PIT_LOCK_TURNS);
	vault_change(&w->pit->behind_lock, &w->hand);
	if (!roll(w, SOME))
		must_refuse(w, "acquire by the owner",
			    ferry_lock_acquire(w->segment, &w->pit->lock, FERRY_FOREVER), -EDEADLK);
	if (roll_others(w->hand.account, PIT_LOCK, w->hand.seat))
		fault(w, FAULT_SHARED, "another one came into the lock");
	done(w, PIT_LOCK_TURNS);
	if (!roll(w, RARE))
		fork_twin(w);
	if (!roll(w, 4 * RARE)) {
		close_pit(w);
		open_pit(w);
	} else {
		leave(w);
	}
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

static void give_back_nothing(struct worker *w)
{
	must_refuse(w, "release by another", ferry_lock_release(w->segment, &w->pit->lock), -EPERM);
	must_refuse(w, "rwlock release by another",
		    ferry_rwlock_release(w->segment, &w->pit->rwlock), -EPERM);
	must_refuse(w, "once done by another", ferry_once_done(w->segment, &w->pit->once), -EPERM);
}

/* ---- the rwlock, and the once that its writers make anew ---- */

static void leave_rwlock(struct worker *w, enum pit_thing thing)
{
	give(w, thing);
	at(w, PIT_AT_LEAVE);
	must(w, "rwlock release", ferry_rwlock_release(w->segment, &w->pit->rwlock));
	at(w, CREW_OUTSIDE);
}

static void renew_once(struct worker *w)
{
	atomic_store(&w->pit->once_half, 0);
	atomic_store(&w->pit->once_full, 0);
	must(w, "once init", ferry_once_init(w->segment, &w->pit->once));
}

static void write_in(struct worker *w, int told)
{
	have(w, PIT_WRITE, 1, "two write");
	at(w, PIT_AT_WRITING);
	if (roll_others(w->hand.account, PIT_READ, w->hand.seat))
		fault(w, FAULT_SHARED, "a writer is not alone");
	vault_enter(&w->pit->behind_rwlock, &w->hand, told, "rwlock");
	if (told) {
		note_told(w, true);
		must(w, "rwlock repaired", ferry_rwlock_repaired(w->segment, &w->pit->rwlock));
	}
	begin(w, PIT_WRITES);
	vault_change(&w->pit->behind_rwlock, &w->hand);
	if (!roll(w, 4))
		renew_once(w);
	done(w, PIT_WRITES);
	leave_rwlock(w, PIT_WRITE);
}

static void do_it_once(struct worker *w, bool again)
{
	have(w, PIT_ONCE, 1, "two do what is to be done once");
	if (atomic_load(&w->pit->once_half) && !again)
		fault(w, FAULT_TORN, "who was to do it died half-way, and nobody was told");
	atomic_store(&w->pit->once_half, 1);
	if (!roll(w, 4))
		sched_yield();
	if (!roll(w, 8)) {
		atomic_store(&w->pit->once_half, 0);
		give(w, PIT_ONCE);
		must(w, "once cancel", ferry_once_cancel(w->segment, &w->pit->once));
		return;
	}
	atomic_store(&w->pit->once_full, 1);
	give(w, PIT_ONCE);
	must(w, "once done", ferry_once_done(w->segment, &w->pit->once));
	count(w, PIT_ONCES);
}

static void once(struct worker *w)
{
	at(w, PIT_AT_ONCE);
	int r = ferry_once_begin(w->segment, &w->pit->once, ferry_in_ms((int64_t)roll(w, 20)));
	if (hand_expect(&w->hand, "once", r) > 0)
		do_it_once(w, r == FERRY_ONCE_AGAIN);
	else if (r == 0 && !atomic_load(&w->pit->once_full))
		fault(w, FAULT_TORN, "what is not done counts as done");
	at(w, PIT_AT_READING);
}

static void read_in(struct worker *w)
{
	uint64_t changes = vault_changes(&w->pit->behind_rwlock);

	have(w, PIT_READ, UINT32_MAX, "");
	at(w, PIT_AT_READING);
	if (roll_others(w->hand.account, PIT_WRITE, w->hand.seat))
		fault(w, FAULT_SHARED, "a reader is not without writers");
	if (!roll(w, 4))
		once(w);
	if (!vault_is_whole(&w->pit->behind_rwlock) ||
	    vault_changes(&w->pit->behind_rwlock) != changes)
		fault(w, FAULT_TORN, "it changed under a reader's eyes");
	count(w, PIT_READS);
	leave_rwlock(w, PIT_READ);
}

static void rwlock_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = hand_patience(&w->hand);
	bool writes = !roll(w, 4);

	hand_wants(&w->hand);
	at(w, writes ? PIT_AT_WRITE : PIT_AT_READ);
	int r = writes ? ferry_rwlock_write(w->segment, &w->pit->rwlock, deadline)
		       : ferry_rwlock_read(w->segment, &w->pit->rwlock, deadline);
	if (hand_expect(&w->hand, "rwlock", r) < 0) {
		at(w, CREW_OUTSIDE);
		return;
	}
	if (writes || r == FERRY_OWNER_DIED)
		write_in(w, r);
	else
		read_in(w);
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- semaphores ---- */

/* Whoever finds no unit and is said to have one gave it back to nobody. */
static void find_own_units(struct worker *w)
{
	struct ferry_sync_entry entries[64];

	int r = ferry_sync_list(w->segment, entries, 64);
	for (int i = 0; i < r && i < 64; i++)
		if (entries[i].kind == FERRY_SYNC_SEMAPHORE && entries[i].pid == getpid() &&
		    entries[i].role == FERRY_SYNC_SHARES)
			fault(w, FAULT_LOST, "a unit that was posted is still its last holder's");
}

static void units_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = hand_patience(&w->hand);

	at(w, PIT_AT_UNITS);
	int r = ferry_semaphore_wait(w->segment, &w->pit->units, deadline);
	if (hand_expect(&w->hand, "semaphore", r) < 0) {
		find_own_units(w);
		at(w, CREW_OUTSIDE);
		return;
	}
	have(w, PIT_UNIT, PIT_UNITS, "more have a unit than there are");
	at(w, PIT_AT_UNIT);
	if (!roll(w, 4))
		sched_yield();
	count(w, PIT_UNIT_TURNS);
	give(w, PIT_UNIT);
	at(w, PIT_AT_POST);
	must(w, "post", ferry_semaphore_post(w->segment, &w->pit->units, 1));
	at(w, CREW_OUTSIDE);
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* Post one, take one. Who finds none lost it to another one who takes before he posts: nobody. */
static void tokens_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);

	begin(w, PIT_POSTS);
	at(w, PIT_AT_POST);
	must(w, "post", ferry_semaphore_post(w->segment, &w->pit->tokens, 1));
	done(w, PIT_POSTS);
	begin(w, PIT_WAITS);
	at(w, PIT_AT_UNITS);
	int r = ferry_semaphore_wait(w->segment, &w->pit->tokens, ferry_in_ms(PIT_PATIENCE));
	at(w, CREW_OUTSIDE);
	if (r == -ETIMEDOUT)
		fault(w, FAULT_LOST, "a unit that was posted is not there");
	if (hand_expect(&w->hand, "semaphore", r) < 0) {
		roll_undo(w->hand.account, PIT_WAITS, w->hand.seat);
		return;
	}
	done(w, PIT_WAITS);
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- the store: a lock and two conditions ---- */

/* Whoever waits may have missed a signal that the dead one owed. */
static void enter_store(struct worker *w, int told)
{
	have(w, PIT_STORE, 1, "two are in the store");
	at(w, PIT_AT_STORE);
	if (!told)
		return;
	note_told(w, false);
	must(w, "broadcast", ferry_condition_broadcast(w->segment, &w->pit->filled));
	must(w, "broadcast", ferry_condition_broadcast(w->segment, &w->pit->drained));
	must(w, "repaired", ferry_lock_repaired(w->segment, &w->pit->store));
}

static void leave_store(struct worker *w)
{
	give(w, PIT_STORE);
	at(w, PIT_AT_RELEASE);
	must(w, "release", ferry_lock_release(w->segment, &w->pit->store));
	at(w, CREW_OUTSIDE);
}

static bool can_go_on(struct worker *w, bool puts)
{
	uint64_t n = w->pit->put - w->pit->taken;

	return puts ? n < PIT_ROOM : n > 0;
}

/*
 * Whoever waits longest is signalled first, and every move signals one. So among as many moves as
 * there may be others who wait we must have been signalled; the dead who have not been noticed yet
 * are such others. Those moves count that were made before the deadline; if more than PIT_MOVES
 * came after them we do not know.
 */
static void must_not_be_forgotten(struct worker *w, bool puts, uint64_t came,
				  ferry_deadline deadline)
{
	const volatile uint64_t *times = puts ? w->pit->taken_at : w->pit->put_at;
	uint64_t moves = puts ? w->pit->taken : w->pit->put;
	uint32_t dead = crew_before(w->hand.crew) ? ROLL_SEATS : 0;
	uint64_t one = came + crew_seats(w->hand.crew) + dead;

	if (moves > one && moves - one < PIT_MOVES && times[one % PIT_MOVES] < (uint64_t)deadline)
		fault(w, FAULT_JAMMED, "nobody woke who waited longest at the store");
}

/* Wait once. False: it took too long, or does not work any more. */
static bool wait_in_store(struct worker *w, bool puts, ferry_deadline deadline)
{
	ferry_condition *condition = puts ? &w->pit->drained : &w->pit->filled;
	uint64_t came = puts ? w->pit->taken : w->pit->put;

	give(w, PIT_STORE);
	/* When it was signalled, and so began to want the lock, is not known. */
	w->hand.wanted = 0;
	at(w, PIT_AT_CONDITION);
	int r = ferry_condition_wait(w->segment, condition, &w->pit->store, deadline);
	if (r < 0 && !hand_is_no(r)) {
		hand_broken(&w->hand, "condition", r);
		return false;
	}
	enter_store(w, r == FERRY_OWNER_DIED);
	if (r == -ETIMEDOUT)
		must_not_be_forgotten(w, puts, came, deadline);
	return r >= 0;
}

static void signal_store(struct worker *w, bool puts)
{
	ferry_condition *condition = puts ? &w->pit->filled : &w->pit->drained;

	at(w, PIT_AT_SIGNAL);
	must(w, "signal",
	     roll(w, 8) ? ferry_condition_signal(w->segment, condition)
			: ferry_condition_broadcast(w->segment, condition));
	at(w, PIT_AT_STORE);
}

static void move_piece(struct worker *w, bool puts)
{
	enum pit_tally tally = puts ? PIT_PUTS : PIT_TAKES;

	begin(w, tally);
	/* The time first: who dies in between has not moved it. */
	if (puts) {
		w->pit->put_at[w->pit->put % PIT_MOVES] = now_ns();
		w->pit->put++;
	} else {
		w->pit->taken_at[w->pit->taken % PIT_MOVES] = now_ns();
		w->pit->taken++;
	}
	done(w, tally);
	signal_store(w, puts);
}

/* What can be done at once, mostly; sometimes whatever it is. */
static bool choose_putting(struct worker *w)
{
	if (roll(w, 3) == 0)
		return roll(w, 2);
	return roll(w, PIT_ROOM) >= w->pit->put - w->pit->taken;
}

/* Put a piece into the store, or take one out, waiting until one can. */
static void store_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = ferry_in_ms((int64_t)roll(w, roll(w, 4) ? 50 : STORE_MS));
	bool puts = choose_putting(w), goes_on = true;

	hand_wants(&w->hand);
	at(w, PIT_AT_ACQUIRE);
	int r = ferry_lock_acquire(w->segment, &w->pit->store, deadline);
	if (hand_expect(&w->hand, "acquire", r) < 0) {
		at(w, CREW_OUTSIDE);
		return;
	}
	enter_store(w, r);
	while (!w->hand.broken && goes_on && !can_go_on(w, puts) &&
	       !atomic_load(&w->hand.crew->shared->finish))
		goes_on = wait_in_store(w, puts, deadline);
	if (w->hand.broken)
		return;
	if (can_go_on(w, puts))
		move_piece(w, puts);
	leave_store(w);
	if (goes_on)
		crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- the barrier ---- */

static void meet(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = ferry_in_ms((int64_t)roll(w, MEET_MS));

	at(w, PIT_AT_BARRIER);
	int r = ferry_barrier_wait(w->segment, &w->pit->barrier, deadline);
	if (r >= 0) {
		count(w, r == FERRY_BARRIER_LAST ? PIT_LASTS : PIT_OTHERS);
		crew_moved(w->hand.crew, w->hand.seat, before, 1);
	} else if (r == -EOWNERDEAD) {
		count(w, PIT_RESETS);
		must(w, "barrier reset", ferry_barrier_reset(w->segment, &w->pit->barrier));
	} else {
		(void)hand_expect(&w->hand, "barrier", r);
	}
	must(w, "barrier leave", ferry_barrier_leave(w->segment, &w->pit->barrier));
	at(w, CREW_OUTSIDE);
}

/* ---- the process ---- */

static void rare_turn(struct worker *w)
{
	switch (roll(w, 3)) {
	case 0:
		close_pit(w);
		open_pit(w);
		break;
	case 1:
		fork_twin(w);
		break;
	default:
		look(w);
		give_back_nothing(w);
		break;
	}
}

static void lock_turns(struct worker *w)
{
	for (uint64_t n = 1 + roll(w, IN_A_ROW); n && !w->hand.broken; n--)
		lock_turn(w);
}

static void turn(struct worker *w)
{
	uint64_t what = roll(w, 100);

	if (!roll(w, RARE))
		rare_turn(w);
	else if (what < 40)
		lock_turns(w);
	else if (what < 65)
		rwlock_turn(w);
	else if (what < 75)
		units_turn(w);
	else if (what < 80)
		tokens_turn(w);
	else if (what < 98)
		store_turn(w);
	else
		meet(w);
}

/* A parent's lock is not its child's to give back. */
static void inherit(struct worker *w, const struct heritage *heritage)
{
	w->segment = heritage->segment;
	w->pit = ferry_segment_address(w->segment);
	if (heritage->holds)
		must_refuse(w, "release of what the parent holds",
			    ferry_lock_release(w->segment, &w->pit->lock), -EPERM);
}

void torture_lock_work(struct crew *crew, uint32_t seat, void *inherited)
{
	struct worker w = { .torture = crew->context };
	uint64_t turns = UINT64_MAX;

	hand_init(&w.hand, crew, seat);
	if (inherited) {
		inherit(&w, inherited);
		turns = roll(&w, TWIN_TURNS);
	} else {
		open_pit(&w);
	}
	while (turns-- && !w.hand.broken && !atomic_load(&crew->shared->finish))
		turn(&w);
	/* Some leave without closing, as programs do. */
	if (w.segment && roll(&w, 4))
		close_pit(&w);
}
