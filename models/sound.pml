/* SPDX-License-Identifier: MIT */
/*
 * Sound sleep (docs/formats/wait.md): who has waited at an idle mailbox for a while sleeps without naps. Yet nobody
 * sleeps so while a message waits, or when the mailbox has been removed, whoever was killed or stopped where.
 *
 * Senders claim a cell, rouse, publish, and ring. Receivers sleep at the bell, or at a descriptor that watches the
 * file: they nap, and then wake by themselves when there is something; or they sleep soundly. They take messages,
 * empty the cell or give the message back, and recover at their naps what the dead hold. A remover removes. Each may
 * be killed, or stopped for ever, at any step. (Who is stopped for a while is one who is slow; and whatever the
 * others come to in that time, they come to if it is for ever.)
 *
 * A compare-and-swap that is tried until it succeeds, or until there is nothing left to do, is one step. Cells have
 * no laps; which message is taken, and which claim is revoked, is left to chance: mailbox.pml has that.
 */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef EACH
#define EACH 1 /* messages that each sender sends */
#endif
#ifndef SLEEPERS
#define SLEEPERS 1 /* receivers at the bell */
#endif
#ifndef WATCHERS
#define WATCHERS 0 /* receivers at descriptors */
#endif
#ifndef TRIES
#define TRIES 2 /* how often each receiver tries to sleep soundly */
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef RETURNS
#define RETURNS 0 /* messages that are given back by hand */
#endif
#ifndef REVOKES
#define REVOKES 0 /* claims that receivers revoke */
#endif
#ifndef RESTARTS
#define RESTARTS 0 /* sleepers at the bell that are stopped, and so leave the futex's queue, and go on */
#endif
/* -DREMOVES: somebody removes the mailbox. */

#define CELLS 2
#define NOBODY 255
#define BIT(m) (1 << (m))

/* What a cell is. The owner of a CLAIMED, TAKEN or REVOKED one is beside it. */
#define EMPTY 0
#define CLAIMED 1
#define FULL 2
#define TAKEN 3
#define REVOKED 4
#define RETURNED 5

byte cell[CELLS];
byte owner[CELLS] = NOBODY;
bit used;      /* the first cell has been claimed once; the second is not claimed before */
byte word;     /* count << 1 | somebody may be asleep */
bit mark;      /* somebody watches */
byte sound;    /* count << 1 | somebody may sleep soundly */
bit removing;  /* somebody is about to remove the mailbox */
bit removed;
byte asleep;   /* in the futex queue */
byte touched;  /* whose descriptor is readable */
byte soundly;  /* who sleeps without naps */
byte dead;
byte stops = STOPS;
byte kills = KILLS;
byte returns = RETURNS;
byte revokes = REVOKES;
byte restarts = RESTARTS;

#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { stops > 0 -> stops--; goto stopped }                                           \
	:: atomic { kills > 0 -> kills--; dead = dead | BIT(me); goto stopped }                    \
	fi

#define IS_MESSAGE(c) (cell[c] == FULL || cell[c] == RETURNED)
#define IS_LEFT(c) (owner[c] != NOBODY && (dead & BIT(owner[c])))
#define RECOVER(c) cell[c] = (cell[c] == TAKEN -> RETURNED : EMPTY); owner[c] = NOBODY
#define WAITS(c) (IS_MESSAGE(c) || (cell[c] == TAKEN && IS_LEFT(c)))
#define ANY(what) (what(0) || what(1))

#define WATCHING (((1 << WATCHERS) - 1) << SLEEPERS)
#define TOUCH touched = touched | WATCHING
#define WAKE(m) (asleep & BIT(m)) -> asleep = asleep & ~BIT(m)
#define WAKE_ALL asleep = 0
/* Who naps may be in the queue as well, and be the one. */
#define WAKE_ONE                                                                                   \
	if                                                                                         \
	:: skip                                                                                    \
	:: WAKE(0)                                                                                 \
	:: WAKE(1)                                                                                 \
	:: WAKE(2)                                                                                 \
	fi

/* The bell, as ever: clear bit 0 and count on, if it is set; touch, if there is a mark; wake one, or all. */
inline ring(all) {
	STEP(rung = word & 1; word = word + rung);
	if
	:: rung ->
		STEP(rung = mark; mark = 0);
		if
		:: rung -> STEP(TOUCH)
		:: else
		fi;
		if
		:: all -> STEP(WAKE_ALL)
		:: else -> STEP(WAKE_ONE)
		fi;
		rung = 0
	:: else
	fi
}

/* Wake all who sleep soundly, if there may be any; only then say that there are none. */
inline rouse() {
	STEP(loaded = sound);
	if
	:: loaded & 1 ->
#ifdef MUTANT_CLEARS_FIRST
		STEP(if :: sound == loaded -> sound = loaded + 1 :: else fi);
#endif
#ifndef MUTANT_ROUSES_UNCOUNTED
		STEP(word = word + (word & 1));
#endif
#ifdef MUTANT_ROUSES_ONE
		STEP(WAKE_ONE);
#else
		STEP(WAKE_ALL);
#endif
#ifdef MUTANT_TOUCHES_IF_MARKED
		STEP(if :: mark -> mark = 0; TOUCH :: else fi);
#else
		STEP(TOUCH);
#endif
#ifndef MUTANT_CLEARS_FIRST
		STEP(if :: sound == loaded -> sound = loaded + 1 :: else fi);
#endif
	:: else
	fi;
	loaded = 0
}

proctype sender(byte me) {
	byte n, c, loaded;
	bit rung;
	do
	:: n < EACH ->
claim:
		STEP(if
		     :: cell[0] == EMPTY -> c = 0
		     :: cell[1] == EMPTY && used -> c = 1
		     fi;
		     cell[c] = CLAIMED; owner[c] = me; used = 1);
#ifdef MUTANT_ROUSES_ONCE
		if
		:: loaded != 255 -> rouse(); loaded = 255
		:: else
		fi;
#elif !defined(MUTANT_ROUSES_LATE)
		rouse();
#endif
		/* It is filled, and published, unless the claim has been revoked. */
		STEP(if
		     :: cell[c] == CLAIMED -> cell[c] = FULL; owner[c] = NOBODY; c = 0
		     :: else -> goto revoked
		     fi);
#ifdef MUTANT_ROUSES_LATE
		rouse();
#endif
		loaded = 0;
		ring(0);
		n++
	:: else -> break
	od;
	goto stopped;
revoked:
	STEP(cell[c] = EMPTY; owner[c] = NOBODY; c = 0);
	goto claim;
stopped:
	c = 0; loaded = 0; rung = 0
}

/* Receivers that find a message behind an unfinished claim revoke the claim. */
proctype revoker() {
	do
	:: atomic { revokes > 0 && cell[0] == CLAIMED -> cell[0] = REVOKED; revokes-- }
	:: atomic { revokes > 0 && cell[1] == CLAIMED -> cell[1] = REVOKED; revokes-- }
	od
}

proctype remover(byte me) {
	byte loaded;
	bit rung;
#ifndef MUTANT_NO_REMOVING
	STEP(removing = 1);
#endif
	rouse();
	STEP(removed = 1);
	ring(1);
stopped:
	loaded = 0; rung = 0
}

#define IS_EMPTY(c) (cell[c] == EMPTY)
#define IS_EMPTY_OR_TAKEN(c) (cell[c] == EMPTY || cell[c] == TAKEN)
#define IS_NOBODYS(c) (owner[c] == NOBODY)
#define IS_NO_MESSAGE(c) (!IS_MESSAGE(c))

#define LOOK_AT(c, quiet) STEP(if :: quiet(c) :: else -> goto nap fi)
#ifdef MUTANT_STOPS_AT_EMPTY
#define IS_LAST (cell[0] == EMPTY)
#else
#define IS_LAST (!used)
#endif
/* Behind a cell that nobody ever claimed there is nothing: one load of its word says both. */
#define LOOK(quiet)                                                                                \
	STEP(if :: quiet(0) -> last = IS_LAST :: else -> goto nap fi);                             \
	if                                                                                         \
	:: last -> last = 0                                                                        \
	:: else -> LOOK_AT(1, quiet)                                                               \
	fi

/* At each cell once: unless it is EMPTY there is a message in it, or somebody who is not done with it. */
inline look() {
#if defined(MUTANT_MESSAGES_FIRST)
	LOOK(IS_NO_MESSAGE);
	LOOK(IS_NOBODYS);
#elif defined(MUTANT_MESSAGES_LAST)
	LOOK(IS_NOBODYS);
	LOOK(IS_NO_MESSAGE);
#elif defined(MUTANT_TAKEN_IS_QUIET)
	LOOK(IS_EMPTY_OR_TAKEN);
#else
	LOOK(IS_EMPTY);
#endif
	STEP(if :: removing || removed -> goto nap :: else fi)
}

inline prepare() {
	if
	:: watches -> STEP(touched = touched & ~BIT(me)); STEP(mark = 1)
	:: else
	fi;
	STEP(word = word | 1; until = word)
}

#ifdef MUTANT_COUNTS_NOT
#define SOUNDLY sound = sound | 1
#else
#define SOUNDLY sound = (sound + 2) | 1
#endif

proctype receiver(byte me; bit watches) {
	byte until, c, tries;
	bit rung, last;
	tries = TRIES;
again:
	prepare();
nap:
	until = 0;
	/* It wakes when it is rung, or by itself when there is something, or it has waited long enough. */
	if
	:: STEP(removed -> goto stopped)
	:: STEP(IS_MESSAGE(0) -> cell[0] = TAKEN; owner[0] = me; c = 0); goto taken
	:: STEP(IS_LEFT(0) -> RECOVER(0)); goto recovered
	:: STEP(IS_MESSAGE(1) -> cell[1] = TAKEN; owner[1] = me; c = 1); goto taken
	:: STEP(IS_LEFT(1) -> RECOVER(1)); goto recovered
	:: watches && (touched & BIT(me)) -> goto again
	:: tries > 0 -> tries--
	fi;
	/* Who watches need not prepare again: whoever rouses it touches, whatever the mark says. */
#ifndef MUTANT_PREPARES_LATE
	if
	:: !watches -> prepare()
	:: else
	fi;
#endif
#ifdef MUTANT_SOUND_AFTER_LOOK
	look();
	STEP(SOUNDLY);
#else
	STEP(SOUNDLY);
	look();
#endif
#ifdef MUTANT_PREPARES_LATE
	prepare();
#endif
sleep:
	if
	:: watches ->
		STEP(soundly = soundly | BIT(me));
		STEP(touched & BIT(me) -> touched = touched & ~BIT(me))
	:: else ->
		STEP(if
		     :: word == until -> asleep = asleep | BIT(me); soundly = soundly | BIT(me)
		     :: else
		     fi);
		if
		:: STEP((asleep & BIT(me)) == 0 -> skip)
		:: atomic { restarts > 0 && (asleep & BIT(me)) -> restarts--; asleep = asleep & ~BIT(me) };
			goto sleep
		fi
	fi;
	soundly = soundly & ~BIT(me);
	goto again;
taken:
	if
	:: STEP(cell[c] = EMPTY; owner[c] = NOBODY; c = 0); goto again
	:: STEP(returns > 0 -> returns--; cell[c] = RETURNED; owner[c] = NOBODY; c = 0)
	fi;
recovered:
	ring(0);
	goto again;
stopped:
	atomic {
		asleep = asleep & ~BIT(me); soundly = soundly & ~BIT(me); touched = touched & ~BIT(me);
		until = 0; c = 0; tries = 0; rung = 0; last = 0
	}
}

/* C5, C6: where nobody can take a step, nobody sleeps soundly while there is something for it. */
proctype monitor() {
	timeout;
	assert(soundly == 0 || (!removed && !ANY(WAITS)))
}

init {
	byte m, k;
	atomic {
		do
		:: m < SLEEPERS -> run receiver(m, 0); m++
		:: else -> break
		od;
		do
		:: m < SLEEPERS + WATCHERS -> run receiver(m, 1); m++
		:: else -> break
		od;
		do
		:: k < SENDERS -> run sender(m); m++; k++
		:: else -> break
		od;
#ifdef REMOVES
		run remover(m);
#endif
#if REVOKES
		run revoker();
#endif
		run monitor()
	}
}
