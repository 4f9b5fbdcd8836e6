/* SPDX-License-Identifier: MIT */
/*
 * The condition of docs/formats/lock.md: no signal is missed, none dies with the one who got it.
 *
 * Users take turns at the lock (one step; a dead owner's is taken over). Consumers wait until there is an item; the producer
 * puts one there for each and signals one. A nap is taken only when there is something to see.
 * Watchers want an item too, but wait for news of the condition (how they sleep until the word changes: wait.pml).
 */
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef WATCHERS
#define WATCHERS 0 /* numbered behind the consumers */
#endif
#ifndef ITEMS
#define ITEMS (CONSUMERS + WATCHERS)
#endif
#ifndef KILLS
#define KILLS 0
#endif

#define BIT(m) (1 << (m))
#define NONE 9

mtype = { nothing, waits, signalled, arrived };

byte lock = NONE;
byte items;
byte waiting;           /* generation << 1 | somebody may wait */
mtype seat[CONSUMERS + 1];
byte ticket[CONSUMERS + 1];
byte tickets = 1;
byte asleep;
byte news;              /* bell: count << 1 | somebody watches */
byte wanting;           /* watchers that have no item yet */
byte dead;
byte got;
byte producing = 1;
byte kills = KILLS;

#define DEAD(u) ((dead & BIT(u)) != 0)
#define LOCK_FREE (lock == NONE || DEAD(lock))

#if KILLS
#define STEP(s)                                                                                    \
	if                                                                                         \
	:: atomic { s }                                                                            \
	:: atomic { kills > 0 && me < CONSUMERS + WATCHERS -> kills--; goto die }                             \
	fi
#else
#define STEP(s) atomic { s }
#endif

/* Signal the one who waits longest. */
inline signal_one() {
	do
	:: /* Look through the seats; then one compare-and-swap. */
		STEP(best = NONE; j = 0;
		     do
		     :: j < CONSUMERS ->
			if
			:: seat[j] == waits && (best == NONE || ticket[j] < ticket[best]) -> best = j
			:: else
			fi;
			j++
		     :: else -> break
		     od; j = 0);
		if
		:: best == NONE -> break
		:: else ->
			STEP(if :: seat[best] == waits -> seat[best] = signalled :: else -> best = NONE fi);
			if
			:: best != NONE -> STEP(asleep = asleep & ~BIT(best)); break
			:: else
			fi
		fi
	od
}

/* Nothing is done if nobody watches; else one compare-and-swap. */
inline ring_news() {
	STEP(w = news);
	do
	:: (w & 1) == 0 -> break
	:: else -> STEP(if :: news == w -> news = w + 1; w = 0 :: else -> w = news fi)
	od
}

#ifdef MUTANT_NO_PASSING_ON
#define LEFT_BEHIND 0
#else
#define LEFT_BEHIND (DEAD(0) && (seat[0] == signalled || seat[0] == arrived) || \
		     CONSUMERS > 1 && DEAD(1) && (seat[1] == signalled || seat[1] == arrived) || \
		     CONSUMERS > 2 && DEAD(2) && (seat[2] == signalled || seat[2] == arrived))
#endif

proctype consumer(byte me) {
	byte best, j, i;
	STEP(LOCK_FREE -> lock = me);
	do
	:: items > 0 -> break
	:: else ->
		STEP(seat[me] = waits; ticket[me] = tickets; tickets++);
#ifdef MUTANT_LEAVES_LOCK_FIRST
		STEP(lock = NONE);
		STEP(waiting = (waiting | 1) + 2);
#else
		STEP(waiting = (waiting | 1) + 2);
		STEP(lock = NONE);
#endif
again:
		if
		:: STEP(seat[me] == signalled -> seat[me] = arrived)
		:: STEP(seat[me] == waits -> asleep = asleep | BIT(me));
			if
			:: STEP((asleep & BIT(me)) == 0 -> skip)
			:: STEP((asleep & BIT(me)) != 0 && (seat[me] != waits || LEFT_BEHIND) -> asleep = asleep & ~BIT(me));
#ifndef MUTANT_NO_PASSING_ON
				i = 0;
				do
				:: i == CONSUMERS -> break
				:: i < CONSUMERS ->
					if
					:: atomic { DEAD(i) && (seat[i] == signalled || seat[i] == arrived) };
#ifdef MUTANT_FREES_FIRST
						STEP(seat[i] = nothing);
						signal_one()
#else
						signal_one();
						STEP(if :: DEAD(i) -> seat[i] = nothing :: else fi)
#endif
					:: else
					fi;
					i++
				od
#endif
			fi;
			goto again
		fi;
		STEP(LOCK_FREE -> lock = me);
		STEP(seat[me] = nothing)
	od;
	/* The item is ours; whoever dies before has not had it. */
	atomic { items--; got++ };
	atomic { lock = NONE };
	goto done;
die:
	atomic { dead = dead | BIT(me); asleep = asleep & ~BIT(me) };
done:
	best = 0
}

proctype watcher(byte me) {
	byte seen, w;
	do
	:: STEP(LOCK_FREE -> lock = me);
#ifndef MUTANT_WATCHES_LATE
		STEP(news = news | 1; seen = news);
#endif
		if
		:: items > 0 -> break
		:: else
		fi;
		STEP(lock = NONE);
#ifdef MUTANT_WATCHES_LATE
		STEP(news = news | 1; seen = news);
#endif
		STEP(news != seen -> skip);
#ifdef MUTANT_WATCHERS_PASS_ON
		ring_news();
#endif
		seen = 0
	od;
	atomic { items--; got++; wanting = wanting & ~BIT(me) };
	atomic { lock = NONE };
	goto done;
die:
	atomic { dead = dead | BIT(me); wanting = wanting & ~BIT(me) };
done:
	seen = 0; w = 0
}

proctype producer(byte me) {
	byte best, j, n, w;
	do
	:: n == ITEMS -> break
	:: n < ITEMS ->
		n++;
		atomic { LOCK_FREE -> lock = me };
		atomic { items++ };
		atomic { lock = NONE };
#ifdef MUTANT_WATCHERS_TAKE_IT
		if
		:: news & 1 -> goto watched
		:: else
		fi;
#endif
		STEP(w = waiting);
		if
		:: w & 1 ->
			signal_one();
			if
			:: best == NONE -> STEP(if :: waiting == w -> waiting = w & ~1 :: else fi)
			:: else
#ifdef MUTANT_ONE_HEARS
				goto heard
#endif
			fi
		:: else
		fi;
watched:
		ring_news();
		/* Only signals are news: who wakes up for one gives no other. */
		assert(news >> 1 <= n);
heard:
		w = 0; best = 0
	od;
	atomic { producing = 0 };
die:
	skip
}

/* C6: nobody living sleeps while an item lies there. */
proctype monitor() {
	byte u;
	timeout;
	assert(producing == 0);
	assert(items == 0 || wanting == 0);
	assert(news >> 1 <= ITEMS);
	do
	:: u < CONSUMERS -> assert(items == 0 || DEAD(u) || seat[u] == nothing); u++
	:: else -> break
	od
}

init {
	byte k;
	atomic {
		do
		:: k < CONSUMERS -> seat[k] = nothing; run consumer(k); k++
		:: else -> break
		od;
		do
		:: k < CONSUMERS + WATCHERS -> wanting = wanting | BIT(k); run watcher(k); k++
		:: else -> break
		od;
		run producer(k);
		run monitor()
	}
}
