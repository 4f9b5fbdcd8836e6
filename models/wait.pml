/* SPDX-License-Identifier: MIT */
/*
 * One wait for several things, docs/formats/wait.md: sleepers at a bell, waiters on several bells, and
 * watchers, who sleep at a descriptor that a touch of the file makes readable. No wake is lost.
 *
 * The bell is bell.pml's, with a mark beside its word. Sleepers take a piece of work. Waiters and watchers
 * only report that there is one: whoever asked them takes it, or leaves it to others (who must hear of it).
 */
#ifndef RINGERS
#define RINGERS 1
#endif
#ifndef EACH
#define EACH 2 /* pieces of work that each ringer publishes */
#endif
#ifndef SLEEPERS
#define SLEEPERS 1 /* in a call of the family; numbers 0 ... */
#endif
#ifndef WAITERS
#define WAITERS 0 /* in ferry_wait() on the bells themselves; the numbers after those */
#endif
#ifndef WATCHERS
#define WATCHERS 1 /* at descriptors; the numbers after those */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* calls that each of them makes */
#endif
#ifndef KILLS
#define KILLS 0
#endif
/* -DNAPS: who sleeps also wakes by itself. -DGIVES_UP: a deadline may pass. */

#define BIT(m) (1 << (m))

byte word;     /* count << 1 | somebody may be asleep */
bit mark;      /* somebody watches */
byte work;     /* pieces that wait */
byte asleep;   /* in the futex queue */
byte watching; /* the file */
byte touched;  /* watchers whose descriptor is readable */
byte calling;  /* inside a call that has not ended */
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

#ifdef MUTANT_ONE_IS_TOUCHED
#define TOUCH touched = touched | (watching & -watching)
#else
#define TOUCH touched = touched | watching
#endif

/* Ring: look at bit 0; one compare-and-swap clears it and counts on; if there was a mark, touch; wake one. */
inline ring(touches) {
	STEP(seen = word);
	if
	:: seen & 1 ->
#ifdef MUTANT_TOUCH_BEFORE_CLEAR
		STEP(marked = mark; mark = 0);
		STEP(if :: marked -> TOUCH :: else fi);
#endif
again:
		STEP(if
		     :: word == seen -> word = word + 1
		     :: else -> seen = word; if :: seen & 1 -> goto again :: else -> goto rung fi
		     fi);
#ifndef MUTANT_TOUCH_BEFORE_CLEAR
		if
		:: touches ->
			STEP(marked = mark; mark = 0);
			STEP(if :: marked -> TOUCH :: else fi)
		:: else
		fi;
#endif
		STEP(if
		     :: asleep == 0
		     :: asleep & 1 -> asleep = asleep & ~1
		     :: asleep & 2 -> asleep = asleep & ~2
		     :: asleep & 4 -> asleep = asleep & ~4
		     fi)
	:: else
	fi;
rung:
	seen = 0;
	marked = 0
}

proctype ringer() {
	byte n, seen;
	bit marked;
	do
	:: n < EACH ->
		STEP(work++);
		ring(1);
		n++
	:: else -> break
	od;
	goto done;
die:
	seen = 0;
	marked = 0;
done:
	skip
}

/* waits: only reports. */
proctype sleeper(byte me; bit waits) {
	byte n, seen, until;
	bit slept, got, marked;
	do
	:: n < ROUNDS ->
		n++; slept = 0; got = 0;
		STEP(calling = calling | BIT(me);
		     if
		     :: work > 0 && !waits -> work--; got = 1; goto over
		     :: work > 0 && waits -> goto report
		     :: else
		     fi);
prepare:
		STEP(word = word | 1; until = word);
		STEP(if
		     :: work > 0 && !waits -> work--; got = 1; until = 0; goto over
		     :: work > 0 && waits -> until = 0; goto report
		     :: else
		     fi);
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
report:
		/* Before the call returns, so before anybody takes anything. */
		skip;
over:
#ifdef MUTANT_NO_PASSING_ON
		if
		:: waits -> slept = 0
		:: else
		fi;
#endif
		if
		:: slept && !waits -> STEP(if
					   :: !got || work > 0
					   :: else -> slept = 0
					   fi)
		:: else
		fi;
		if
#ifdef MUTANT_PASS_ON_UNTOUCHED
		:: slept -> ring(0)
#else
		:: slept -> ring(1)
#endif
		:: else
		fi;
		STEP(calling = calling & ~BIT(me));
		/* What was reported is taken, or not. */
		if
		:: waits -> STEP(if :: work > 0 -> work-- :: skip fi)
		:: else
		fi
	:: else -> break
	od;
	goto done;
die:
	atomic {
		asleep = asleep & ~BIT(me); calling = calling & ~BIT(me); seen = 0; until = 0; marked = 0
	};
done:
	seen = 0
}

/* A kept set: it goes on watching between two calls. */
proctype watcher(byte me) {
	byte n, until;
#ifndef MUTANT_WATCH_LATE
	STEP(watching = watching | BIT(me));
#endif
	do
	:: n < ROUNDS ->
		n++;
		STEP(calling = calling | BIT(me));
look:
		STEP(if
		     :: work > 0 -> goto report
		     :: else
		     fi);
#ifdef MUTANT_ONLY_IF_RUNG
		STEP(if
		     :: until == word -> goto sleep
		     :: else
		     fi);
#endif
#ifdef MUTANT_FLAG_BEFORE_MARK
		STEP(word = word | 1; until = word);
		STEP(mark = 1);
#else
		STEP(mark = 1);
		STEP(word = word | 1; until = word);
#endif
		STEP(if
		     :: work > 0 -> goto report
		     :: else
		     fi);
#ifdef MUTANT_WATCH_LATE
		STEP(watching = watching | BIT(me));
#endif
#ifdef MUTANT_CLEAR_AFTER_LOOK
		STEP(touched = touched & ~BIT(me));
#endif
sleep:
		if
		:: STEP((touched & BIT(me)) != 0 -> skip);
#ifndef MUTANT_CLEAR_AFTER_LOOK
			STEP(touched = touched & ~BIT(me));
#endif
			goto look
#ifdef NAPS
		:: STEP((touched & BIT(me)) == 0 && work > 0 -> skip); goto look
#endif
#ifdef GIVES_UP
		:: STEP((touched & BIT(me)) == 0 -> skip)
#endif
		fi;
report:
		STEP(calling = calling & ~BIT(me));
		STEP(if :: work > 0 -> work-- :: skip fi)
	:: else -> break
	od;
	goto done;
die:
	atomic {
		watching = watching & ~BIT(me); touched = touched & ~BIT(me); calling = calling & ~BIT(me)
	};
done:
	until = 0
}

/* C6: where nobody can take a step, nobody sleeps while work waits. */
proctype monitor() {
	timeout;
	assert(work == 0 || calling == 0)
}

init {
	byte m, k;
	atomic {
		do
		:: k < SLEEPERS -> run sleeper(m, 0); m++; k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < WAITERS -> run sleeper(m, 1); m++; k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < WATCHERS -> run watcher(m); m++; k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < RINGERS -> run ringer(); k++
		:: else -> break
		od;
		run monitor()
	}
}
