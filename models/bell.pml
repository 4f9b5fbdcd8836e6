/* SPDX-License-Identifier: MIT */
/*
 * The bell of docs/formats/mailbox.md, "Waiting": no wake is lost, and what a nap is for.
 *
 * The word is bit 0 (somebody may be asleep) and a count. A futex wake takes any one sleeper. Sleepers
 * want one piece of work each; what is left at the end with somebody asleep is a lost wake.
 */
#ifndef RINGERS
#define RINGERS 2
#endif
#ifndef SLEEPERS
#define SLEEPERS 3
#endif
#ifndef EACH
#define EACH 2 /* pieces of work that each ringer publishes */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* pieces that each sleeper wants, one call for each */
#endif
#ifndef KILLS
#define KILLS 0
#endif
/* -DSTORES: work is published by plain stores, which the look at the bell may overtake; the sleeper makes
 * a barrier in all ringers after setting the flag. -DSTORES -DFENCE: the ringer fences instead.
 * -DSTORES -DASKS: a sleeper asks the ringers to fence from now on, once, before its barrier; later sleeps
 * need none, until it takes that back. -DNAPS: a sleeper also wakes by itself. -DGIVES_UP: a sleeper's deadline
 * may pass. */

#define BIT(m) (1 << (m))

byte word;              /* count << 1 | somebody may be asleep */
byte work;              /* pieces that wait */
byte buffered;          /* pieces that are stored, but not yet for others to see */
byte asleep;            /* in the futex queue */
byte asked;             /* sleepers for whom ringers fence */
byte dead;
byte calling;           /* sleepers inside a call that has not ended */
byte kills = KILLS;

#if KILLS
#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { kills > 0 -> kills--; goto die }                                               \
	fi
#else
#define STEP(x) atomic { x }
#endif

#define DRAIN work = work + buffered; buffered = 0
#ifdef ASKS
/* Once it has been asked for and the barrier was made, whoever publishes fences. */
#ifdef MUTANT_ASK_AFTER_BARRIER
#define BARRIER                                                                                    \
	if                                                                                         \
	:: !sure -> STEP(DRAIN); STEP(asked = asked | BIT(me)); sure = 1                           \
	:: else                                                                                    \
	fi
#else
#define BARRIER                                                                                    \
	if                                                                                         \
	:: !sure -> STEP(asked = asked | BIT(me)); FIRST_BARRIER; sure = 1                         \
	:: else                                                                                    \
	fi
#endif
#ifdef MUTANT_NO_FIRST_BARRIER
#define FIRST_BARRIER
#else
#define FIRST_BARRIER STEP(DRAIN)
#endif
#elif defined(STORES) && !defined(FENCE)
#define BARRIER STEP(DRAIN)
#else
#define BARRIER
#endif

/* A store buffer drains some time, also when its process has died. */
proctype drain() {
	do
	:: atomic { buffered > 0 -> buffered--; work++ }
	od
}

/* Ring: look at bit 0; one compare-and-swap clears it and counts on; wake one. */
inline ring() {
	STEP(seen = word);
	if
	:: seen & 1 ->
again:
		STEP(if
		     :: word == seen -> word = word + 1
		     :: else -> seen = word; if :: seen & 1 -> goto again :: else -> goto rung fi
		     fi);
		STEP(if
		     :: asleep == 0
		     :: asleep & 1 -> asleep = asleep & ~1
		     :: asleep & 2 -> asleep = asleep & ~2
		     :: asleep & 4 -> asleep = asleep & ~4
		     fi)
	:: else
	fi;
rung:
	seen = 0
}

proctype ringer() {
	byte n, seen;
	do
	:: n < EACH ->
#ifdef MUTANT_RING_BEFORE_PUBLISHING
		ring();
		STEP(work++);
#else
#ifdef STORES
		STEP(buffered++);
#else
		STEP(work++);
#endif
#ifdef FENCE
		STEP(DRAIN);
#endif
#ifdef ASKS
		/* This look comes before the store is seen, if it is not asked for. */
		STEP(seen = asked);
		if
		:: seen -> STEP(DRAIN)
		:: else
		fi;
#endif
		ring();
#endif
		n++
	:: else -> break
	od;
	goto done;
die:
	seen = 0;
done:
	skip
}

proctype sleeper(byte me) {
	byte n, seen, until;
	bit slept, got;
#ifdef ASKS
	bit sure;
#endif
	do
	:: n < ROUNDS ->
		n++; slept = 0; got = 0;
		STEP(calling = calling | BIT(me);
		     if
		     :: work > 0 -> work--; got = 1; goto over
		     :: else
		     fi);
prepare:
#ifdef MUTANT_LOOK_BEFORE_FLAG
		STEP(if
		     :: work > 0 -> work--; got = 1; goto over
		     :: else
		     fi);
		STEP(word = word | 1; until = word);
#else
#ifdef MUTANT_BARRIER_BEFORE_FLAG
		BARRIER;
#endif
		STEP(word = word | 1; until = word);
#if !defined(MUTANT_NO_BARRIER) && !defined(MUTANT_BARRIER_BEFORE_FLAG)
		BARRIER;
#endif
		STEP(if
		     :: work > 0 -> work--; got = 1; until = 0; goto over
		     :: else
		     fi);
#endif
		/* FUTEX_WAIT: only if the word is still what we saw. */
		STEP(if
		     :: word == until -> asleep = asleep | BIT(me)
		     :: else
		     fi;
		     until = 0; slept = 1);
		if
		:: STEP((asleep & BIT(me)) == 0 -> skip); goto prepare
#ifdef NAPS
		:: STEP((asleep & BIT(me)) != 0 && work > 0 -> asleep = asleep & ~BIT(me)); goto prepare
#endif
#ifdef GIVES_UP
		:: STEP((asleep & BIT(me)) == 0 -> skip); goto over
		:: STEP((asleep & BIT(me)) != 0 -> asleep = asleep & ~BIT(me)); goto over
#endif
		fi;
over:
		/* A ring that woke us may have been meant for several, or for one who stays. */
#ifndef MUTANT_NO_CHAIN
		if
		:: slept -> STEP(if
				 :: !got || work > 0
				 :: else -> slept = 0
				 fi)
		:: else
		fi;
		if
		:: slept -> ring()
		:: else
		fi;
#endif
		STEP(calling = calling & ~BIT(me));
#ifdef ASKS
		/* It has slept little lately. */
		if
		:: sure -> STEP(asked = asked & ~BIT(me));
#ifndef MUTANT_STAYS_SURE
			   sure = 0
#endif
		:: skip
		fi
#endif
	:: else -> break
	od;
	goto done;
die:
	atomic { dead = dead | BIT(me); asleep = asleep & ~BIT(me); calling = calling & ~BIT(me); seen = 0; until = 0 };
done:
	seen = 0
}

/* C6: where nobody can take a step, nobody sleeps while work waits. */
proctype monitor() {
	timeout;
	assert(work == 0 || calling == 0)
}

init {
	byte m;
	atomic {
		do
		:: m < SLEEPERS -> run sleeper(m); m++
		:: else -> break
		od;
		m = 0;
		do
		:: m < RINGERS -> run ringer(); m++
		:: else -> break
		od;
#ifdef STORES
		run drain();
#endif
		run monitor()
	}
}
