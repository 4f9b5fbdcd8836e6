/* SPDX-License-Identifier: MIT */
/*
 * The queue of one real-time signal and its waiters, of docs/formats/signal.md: what a handler does, on
 * whatever thread it interrupts at whatever step, and threads that dispatch.
 *
 * Threads 0 to WAITERS - 1 dispatch, CALLS times each, and then live on without looking again; the others
 * only lend themselves to the handler. A handler holds up the thread that it interrupts, at any step, and
 * nobody else. The kernel keeps what was sent, in order, and gives it to any thread that has the signal unblocked
 * or sleeps for it. A poke is a signal for one thread. One step is one access to what is shared.
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef CALLS
#define CALLS 1
#endif
#ifndef OTHERS
#define OTHERS 1        /* threads that do not dispatch */
#endif
#ifndef SIGNALS
#define SIGNALS 2
#endif
#ifndef RING
#define RING 2          /* cells */
#endif
#ifndef ROOM
#define ROOM SIGNALS    /* beyond, a handler blocks the signal */
#endif
#ifndef LATE
#define LATE 0          /* deadlines that pass */
#endif
/* -DBLOCKED: the dispatching threads have the signal blocked. -DSTOPS: thread 0 is told to stop. -DORDER: what
 * one thread handles alone comes in order. -DLOOP: an event loop, told by a descriptor, instead of thread 0. */

#define THREADS (WAITERS + OTHERS)
#define FREE 0
#define ENTERING 1
#define ARMED 2
#define POKED 3

/* The kernel. */
byte given;             /* of the signals, which were all sent: those that somebody has, in order */
bit poke[THREADS], poke_blocked[THREADS], blocked[THREADS];
bit asleep[THREADS];
bit over[THREADS];      /* threads that will not look again */

/* The queue. */
byte tail, head;
byte turn[RING], record[RING];
bit waiting;

/* The waiters. */
byte state[WAITERS], count[WAITERS];
byte epoch;
bit stop;
bit here[THREADS];      /* registered: seen by its own thread alone */
bit held_back[THREADS];

bit handling[THREADS];  /* a handler runs on it */
byte taken;             /* bits: signals */
byte late = LATE;
#ifdef LOOP
bit readable;
#define NOTIFY STEP(readable = 1)
#else
#define NOTIFY skip
#endif
#ifdef ORDER
byte next_one;
#define IN_ORDER(id) assert(id == next_one); next_one++
#else
#define IN_ORDER(id) skip
#endif

/* Of words, so that one never comes again. */
#ifdef FINE
#define ONE_MORE count[me]++
#else
#define ONE_MORE skip
#endif

#define LAP(p) ((p) / RING)
#define BIT(n) (1 << (n))

/* A thread's step: not while a handler runs on it. A handler's own steps are H(). */
#define STEP(x) atomic { is_handler || !handling[me] -> x }

#define TAKEN(id) atomic { assert(!(taken & BIT(id))); taken = taken | BIT(id); IN_ORDER(id); id = 0 }

/* ---- waking ---- */

#define IN_QUEUE (waiting && turn[head % RING] == 2 * LAP(head) + 1)

/* Poke one if it is armed: a look at its word, and a compare-and-swap. */
#ifdef FINE
#define POKE(w, woke)                                                                              \
	STEP(if :: state[w] == ARMED -> seen = count[w] :: else -> seen = 0 fi);                   \
	STEP(if                                                                                    \
	     :: seen != 0 && state[w] == ARMED && count[w] == seen -> state[w] = POKED; woke = 1   \
	     :: else -> woke = 0                                                                   \
	     fi;                                                                                   \
	     seen = 0)
#else
#define POKE(w, woke)                                                                              \
	STEP(if                                                                                    \
	     :: state[w] == ARMED -> state[w] = POKED; woke = 1                                    \
	     :: else -> woke = 0                                                                   \
	     fi)
#endif

/* Wake the first that is armed. */
inline wake_one() {
	w = 0;
	do
	:: w == WAITERS -> break
	:: w < WAITERS ->
		POKE(w, woke);
		if
		:: !woke -> w++
		:: else ->
			/* Its own thread, interrupted on its way to sleep, must not sleep. */
			STEP(if
#ifdef MUTANT_POKE_NOT_HELD
			     :: is_handler && w == me
#else
			     :: is_handler && w == me -> poke[w] = 1; poke_blocked[w] = 1
#endif
			     :: else -> poke[w] = 1
			     fi);
			break
		fi
	od;
	w = 0; woke = 0
}

/* ---- the handler ---- */

proctype handler(byte me) {
	byte id, at, w, seen;
	bit woke, is_handler = 1;
	do
	:: atomic { !handling[me] && !asleep[me] && !blocked[me] && given < SIGNALS ->
		handling[me] = 1; id = given; given++ };
		/* Into the ring. */
#ifdef FINE
claim:
		STEP(at = tail);
		STEP(if
		     :: tail == at && turn[at % RING] == 2 * LAP(at) -> tail++
		     :: tail != at -> goto claim
		     :: else -> assert(false) /* more at once than there are spare cells */
		     fi);
#else
		STEP(at = tail; assert(turn[at % RING] == 2 * LAP(at)); tail++);
#endif
#ifdef MUTANT_ANNOUNCE_FIRST
		STEP(waiting = 1);
		STEP(record[at % RING] = id; turn[at % RING] = 2 * LAP(at) + 1);
#else
		STEP(record[at % RING] = id; turn[at % RING] = 2 * LAP(at) + 1);
		STEP(waiting = 1);
#endif
		STEP(if
		     :: tail - head > ROOM && !blocked[me] -> blocked[me] = 1; held_back[me] = 1
		     :: else
		     fi);
		NOTIFY;
		wake_one();
		atomic { id = 0; at = 0; handling[me] = 0 }
	/* A poke. On a thread that is about to sleep it is queued again and blocked. */
	:: atomic { !handling[me] && !asleep[me] && poke[me] && !poke_blocked[me] ->
		if
#ifndef MUTANT_POKE_NOT_HELD
		:: here[me] -> poke_blocked[me] = 1
#endif
		:: else -> poke[me] = 0
		fi }
	od
}

/* ---- a thread that dispatches ---- */

/* Take from the ring. got: 0 nothing, 1 something, 2 besides, others may have missed what is left. */
inline claim_head() {
#ifdef FINE
	do
	:: STEP(at = head);
		STEP(if
		     :: head == at && turn[at % RING] == 2 * LAP(at) + 1 -> head++; got = 1; at_end = 1
		     :: head == at && turn[at % RING] != 2 * LAP(at) + 1 -> got = 0; at_end = 1
		     :: else
		     fi);
		if
		:: at_end -> at_end = 0; break
		:: else
		fi
	od;
#else
	STEP(at = head;
	     if
	     :: turn[at % RING] == 2 * LAP(at) + 1 -> head++; got = 1
	     :: else -> got = 0
	     fi);
#endif
	if
	:: got ->
		STEP(id = record[at % RING];
		     turn[at % RING] = 2 * (LAP(at) + 1))
	:: else
	fi;
	at = 0
}

inline take() {
	STEP(got = waiting);
	if
	:: got ->
		claim_head();
		if
		:: !got ->
#ifdef MUTANT_WITHDRAW_LATE
			claim_head();
			if
			:: !got -> STEP(waiting = 0)
			:: else
			fi
#else
			STEP(waiting = 0);
			claim_head();
			if
			:: got ->
				STEP(waiting = 1);
#ifndef MUTANT_NO_SECOND_WAKE
				NOTIFY;
				wake_one()
#endif
			:: else
			fi
#endif
		:: else
		fi
	:: else
	fi
}

proctype waiter(byte me) {
	byte id, at, w, seen, e, calls;
	bit woke, got, at_end, kernel, again, is_handler = 0;
	do
	:: calls == CALLS -> break
	:: calls < CALLS ->
		calls++;
		STEP(if
		     :: held_back[me] && tail - head <= ROOM / 2 -> held_back[me] = 0; blocked[me] = 0
		     :: else
		     fi);
again_:
		STEP(e = epoch);
		STEP(if :: me == 0 && stop -> goto finished :: else fi);
		take();
		if :: got -> goto returns :: else fi;
		/* Registers, looks again, sleeps, leaves. */
#ifndef MUTANT_LOOK_BEFORE_ARMING
		STEP(here[me] = 1; state[me] = ENTERING; ONE_MORE);
		STEP(state[me] = ARMED);
#endif
		take();
#ifdef MUTANT_LOOK_BEFORE_ARMING
		STEP(here[me] = 1; state[me] = ENTERING; ONE_MORE);
		STEP(state[me] = ARMED);
#endif
		if
		:: got -> goto leave
		:: else
		fi;
#ifndef MUTANT_NO_EPOCH
		STEP(if :: epoch != e -> goto leave :: else fi);
#endif
		STEP(asleep[me] = 1);
		if
		:: atomic { poke[me] -> poke[me] = 0; asleep[me] = 0 }
		/* What is for this thread alone is had first. */
		:: atomic { given < SIGNALS && !poke[me] -> id = given; given++; asleep[me] = 0; kernel = 1; got = 1 }
		:: atomic { late > 0 -> late--; asleep[me] = 0; again = 1 }
		fi;
leave:
		STEP(here[me] = 0);
		STEP(woke = (state[me] == POKED); state[me] = FREE);
		STEP(poke_blocked[me] = 0);
#ifdef MUTANT_HANDS_ON_THE_KERNELS_ONLY
		/* Who looks again finds what it was woken for. */
		if
		:: woke && kernel -> STEP(woke = waiting)
		:: else -> woke = 0
		fi;
		if
		:: woke -> wake_one()
		:: else
		fi;
#endif
#if !defined(MUTANT_HANDS_ON_THE_KERNELS_ONLY) && !defined(MUTANT_NO_HANDING_ON)
		/* Who was poked takes what it can, and sees to what is left. */
		if
		:: woke ->
			woke = 0;
			if :: !got -> take() :: else fi;
			STEP(woke = IN_QUEUE);
			if
			:: woke -> wake_one()
			:: else
			fi
		:: else
		fi;
#endif
		woke = 0; kernel = 0;
		if
		:: got -> again = 0; goto returns
		:: !got && again -> again = 0; take(); if :: got -> goto returns :: else -> goto times_out fi
		:: !got && !again -> goto again_
		fi;
returns:
		TAKEN(id);
		got = 0;
times_out:
		e = 0
	od;
finished:
	atomic { over[me] = 1; calls = 0; e = 0 }
}

#ifdef LOOP
/* An event loop: sleeps until the descriptor is readable, dispatches until there is nothing, clears. */
proctype loop(byte me) {
	byte id, at, w, seen;
	bit woke, got, at_end, is_handler = 0;
	do
	:: STEP(readable -> asleep[me] = 0);
		do
		:: take();
			if
			:: got -> TAKEN(id); got = 0
			:: else -> break
			fi
		od;
#ifdef MUTANT_CLEAR_AFTER_LOOK
		STEP(got = waiting);
		STEP(readable = 0);
#else
		STEP(readable = 0);
		STEP(got = waiting);
#endif
		if
		:: got -> got = 0; NOTIFY
		:: else
		fi
	od
}
#endif

/* Tells thread 0 to stop, and wakes all. */
proctype stopper() {
	byte me = WAITERS, w, seen;
	bit woke, is_handler = 1;
	STEP(stop = 1);
	STEP(epoch++);
	do
	:: w == WAITERS -> break
	:: w < WAITERS ->
		POKE(w, woke);
		if
		:: woke -> STEP(poke[w] = 1)
		:: else
		fi;
		w++
	od;
	w = 0; woke = 0
}

/* Where nobody can take a step. */
proctype monitor() {
	byte t;
	timeout;
	atomic {
		assert(!stop || over[0]);
		do
		:: t < THREADS ->
			/* A handler waits for nobody. */
			assert(!handling[t]);
			if
			:: t < WAITERS ->
				/* Nobody sleeps while there is something to take. */
				assert(over[t] || asleep[t]);
				assert(over[t] || (head == tail && given == SIGNALS))
			:: else
			fi;
			t++
		:: else -> break
		od;
#ifdef LOOP
		assert(head == tail);
#endif
		/* None is lost: it was taken, or waits where a thread that looks would find it. */
		t = 0;
		do
		:: t < given -> assert((taken & BIT(t)) || head != tail); t++
		:: else -> break
		od
	}
}

init {
	byte t;
	atomic {
		do
		:: t < WAITERS ->
#ifdef BLOCKED
			blocked[t] = 1;
#endif
			run waiter(t);
			run handler(t);
			t++
		:: t >= WAITERS && t < THREADS -> run handler(t); t++
		:: else -> break
		od;
#ifdef LOOP
		run loop(WAITERS);
#endif
#ifdef STOPS
		run stopper();
#endif
		run monitor()
	}
}
