/* SPDX-License-Identifier: MIT */
/*
 * Sound sleep, one to one (docs/formats/wait.md, "Sound sleep"; docs/formats/mailbox.md, "One to one"): the sender does
 * not claim, and publishes by plain stores, which its looks may overtake. What stands for the claim is the lap in the
 * cell's meta.
 *
 * One cell, so each message is a lap. The sender stores meta (void) and the cell's word, looks whether somebody may
 * sleep soundly, stores meta and the word FULL, and rings. The receiver says that it sleeps soundly, makes a barrier
 * in all processes, and looks. Each may be killed, or stopped for ever, at any step; when the sender is dead, another
 * takes its role. sound.pml has the rest.
 */
#ifndef EACH
#define EACH 3 /* messages, whoever sends them */
#endif
#ifndef TRIES
#define TRIES 3
#endif
#ifndef STOPS
#define STOPS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
/* -DFENCES: barriers do not reach the sender, so it fences. */

#define BIT(m) (1 << (m))
#define FULL(lap) (2 * (lap) + 1)
#define EMPTY(lap) (2 * (lap))
#define VOID 64

#define OF_CELL 128 /* a store to the cell's word, not to meta */

byte meta;            /* lap, VOID; 0: never written */
byte cell = EMPTY(1); /* the first lap is 1 */
byte head;            /* messages received */
byte word;            /* count << 1 | somebody may be asleep */
byte sound;           /* count << 1 | somebody may sleep soundly */
bit asleep;           /* in the futex queue */
bit soundly;          /* without naps */
byte dead;
byte stops = STOPS;
byte kills = KILLS;

chan stores = [5] of { byte }; /* the sender's that nobody else sees yet, in order */
byte next;                     /* of them */

#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { stops > 0 -> stops--; goto stopped }                                           \
	:: atomic { kills > 0 -> kills--; dead = dead | BIT(me); goto stopped }                                   \
	fi

inline seen_next() {
	stores ? next;
	if
	:: next >= OF_CELL -> cell = next - OF_CELL
	:: else -> meta = next
	fi;
	next = 0
}

#define DRAIN                                                                                      \
	do                                                                                         \
	:: nempty(stores) -> seen_next()                                                           \
	:: empty(stores) -> break                                                                  \
	od

proctype drain() {
	do
	:: atomic { nempty(stores) -> seen_next() }
	od
}

#ifdef FENCES
#define FENCE STEP(DRAIN)
#define BARRIER
#elif defined(MUTANT_NO_BARRIER)
#define FENCE
#define BARRIER
#else
#define FENCE
#define BARRIER STEP(DRAIN)
#endif

proctype sender(byte me) {
	byte lap, loaded;
	bit rung;
	/* Whoever takes the role from a dead one goes on behind what that one published. */
	STEP((me == 0 || dead & BIT(0)) && empty(stores) -> lap = (cell & 1 -> cell / 2 + 1 : cell / 2));
	do
	:: lap <= EACH ->
		STEP(head == lap - 1 -> stores ! (lap + VOID));
		STEP(stores ! (EMPTY(lap) + OF_CELL));
#ifndef MUTANT_FENCES_LATE
		FENCE;
#endif
		STEP(loaded = sound);
		if
		:: loaded & 1 ->
			STEP(if :: word & 1 -> DRAIN; word++ :: else fi);
			STEP(asleep = 0);
			STEP(DRAIN; if :: sound == loaded -> sound++ :: else fi)
		:: else
		fi;
		STEP(stores ! lap);
		STEP(stores ! (FULL(lap) + OF_CELL));
		FENCE;
		STEP(rung = word & 1);
		if
		:: rung ->
			STEP(DRAIN; rung = word & 1; word = word + rung);
			STEP(if :: rung -> asleep = 0 :: else fi);
			rung = 0
		:: else
		fi;
		loaded = 0;
		lap++
	:: else -> break
	od;
stopped:
	lap = 0; loaded = 0; rung = 0
}

#ifdef MUTANT_VOID_ALONE
#define BEGUN (meta & VOID)
#else
#define BEGUN ((meta & ~VOID) == lap)
#endif

proctype receiver(byte me) {
	byte until, lap = 1, tries = TRIES;
again:
	STEP(word = word | 1);
nap:
	until = 0;
	if
	:: STEP(cell == FULL(lap) -> head++; lap++); goto received
	:: tries > 0 -> tries--
	fi;
	STEP(word = word | 1; until = word);
#ifdef MUTANT_BARRIER_FIRST
	BARRIER;
#endif
	STEP(sound = (sound + 2) | 1);
#ifndef MUTANT_BARRIER_FIRST
	BARRIER;
#endif
	STEP(if :: cell == FULL(lap) -> goto nap :: else fi);
	STEP(if :: BEGUN -> goto nap :: else fi);
	STEP(if
	     :: word == until -> asleep = 1; soundly = 1
	     :: else
	     fi;
	     until = 0);
	STEP(!asleep -> soundly = 0);
	goto again;
received:
	if
	:: lap <= EACH -> goto again
	:: else
	fi;
stopped:
	atomic { asleep = 0; soundly = 0; until = 0; lap = 0; tries = 0 }
}

/* C5, C6: where nobody can take a step, the receiver does not sleep soundly while a message waits. */
proctype monitor() {
	timeout;
	assert(!soundly || cell != FULL(head + 1))
}

init {
	atomic {
		run receiver(2);
		run sender(0);
#if KILLS
		run sender(1);
#endif
		run drain();
		run monitor()
	}
}
