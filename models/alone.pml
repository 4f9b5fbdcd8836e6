/* SPDX-License-Identifier: MIT */
/*
 * Who watches an object that nobody else is a member of does not nap (docs/formats/wait.md, "Death, stops, and
 * naps"): yet what a member has sent is found, also if it was stopped before it rang.
 *
 * The bell and its mark are wait.pml's. Members join, send, leave and join again; each may be stopped for ever at
 * any step, or killed. The watcher takes what there is.
 */
#ifndef MEMBERS
#define MEMBERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef STOPS
#define STOPS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif

bit alive[MEMBERS]; /* the member's slot is taken */
byte work;
bit word;    /* somebody may be asleep */
bit mark;    /* somebody watches */
bit touched; /* an event waits */
bit closed;  /* another */
byte asleep; /* 1: until the next nap; 2: until an event comes */
byte stops = STOPS;
byte kills = KILLS;

#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { stops > 0 -> stops--; goto stopped }                                           \
	:: atomic { kills > 0 -> kills--; closed = 1; goto stopped }                               \
	fi

inline ring() {
	STEP(seen = word);
	if
	:: seen ->
		STEP(seen = word; word = 0);
		if
		:: seen ->
			STEP(seen = mark; mark = 0);
			STEP(if :: seen -> touched = 1 :: else fi)
		:: else
		fi
	:: else
	fi;
	seen = 0
}

proctype member(byte me) {
	byte n;
	bit seen;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		n++;
#ifdef MUTANT_TOUCHES_FIRST
		STEP(touched = 1);
#endif
		STEP(alive[me] = 1);
#if !defined(MUTANT_TOUCHES_FIRST) && !defined(MUTANT_NO_TOUCH)
		STEP(touched = 1);
#endif
		STEP(work++);
		ring();
		/* Leaving gives back what it held: a message that it had taken, say. It may ring late. */
#ifdef MUTANT_LEAVES_FIRST
		STEP(alive[me] = 0);
		STEP(work++);
#else
		STEP(work++);
		STEP(alive[me] = 0);
#endif
		ring();
		STEP(closed = 1)
	od;
stopped:
	seen = 0
}

inline see_others() {
	k = 0;
	do
	:: others || k == MEMBERS -> break
	:: else -> atomic { others = alive[k]; k++ }
	od;
	k = 0
}

proctype watcher() {
	byte k;
	bit others;
	do
	:: true ->
end:
		/* What the kernel says. */
		atomic {
			touched = 0;
			if
			:: closed -> closed = 0; others = 0
			:: else
			fi
		};
#ifndef MUTANT_LOOKS_FIRST
		see_others();
#endif
		atomic { mark = 1 };
		atomic { word = 1 };
		if
		:: atomic { work > 0 -> work-- }; goto again
		:: atomic { work == 0 -> skip }
		fi;
#ifdef MUTANT_LOOKS_FIRST
		see_others();
#endif
		asleep = (others -> 1 : 2);
asleep_now:
		if
		:: atomic { touched || closed -> asleep = 0 }
		:: atomic { asleep == 1 && work > 0 -> asleep = 0 }
		fi;
again:
		skip
	od
}

/* C5: where nobody else can take a step, the watcher does not sleep on what was sent. */
proctype monitor() {
	timeout;
	assert(!(asleep && work > 0))
}

init {
	byte k;
	atomic {
		do
		:: k < MEMBERS -> run member(k); k++
		:: else -> break
		od;
		run watcher();
		run monitor()
	}
}
