/* SPDX-License-Identifier: MIT */
/*
 * The rules for payload units of docs/formats/mailbox.md, "Memory": no unit is freed while a message
 * lies in it, none leaks, whoever is killed and however slow a recoverer is.
 *
 * The ring is reduced to cells with a version; mailbox.pml is about the ring. A message has one unit.
 */
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef JANITORS
#define JANITORS 2 /* members that only recover; they may be arbitrarily slow */
#endif
#ifndef CELLS
#define CELLS 2
#endif
#ifndef UNITS
#define UNITS 2
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef VICTIMS
#define VICTIMS 3
#endif
#define MEMBERS (SENDERS + RECEIVERS + JANITORS)
#define BIT(m)  (1 << (m))

/* A cell's word: version, owner (slot + 1), state. */
#define EMPTY    0
#define CLAIMED  1
#define FULL     2
#define TAKEN    3
#define RETURNED 4
#define WORD(version, owner, state) (((version) << 6) | ((owner) << 3) | (state))
#define VERSION(w) ((w) >> 6)
#define OWNER(w)   (((w) >> 3) & 7)
#define STATE(w)   ((w) & 7)
#define HOLDS(w)   (STATE(w) >= FULL)
#define NEXT(w, owner, state) WORD(VERSION(w) + 1, owner, state)

#define FREE  0
#define ALIVE 1
#define DEAD  2
#define STATUS(s) ((s) & 3)
#ifdef MUTANT_TAG_WITHOUT_INCARNATION
#define TAG(s, m) ((m) + 1)
#else
#define TAG(s, m) ((((s) >> 2) << 3) | ((m) + 1)) /* incarnation, slot + 1 */
#endif
#define MY_TAG TAG(slot[me], me)

short cell[CELLS];
byte at[CELLS];      /* the unit that a cell refers to */
byte unit[UNITS];    /* 0 = free, else its owner's tag */
byte inside[UNITS];  /* what was written into it */
byte slot[MEMBERS];
bit lock[MEMBERS];

byte message[CELLS]; /* ghost: what the cell's message is */
byte unburied, gone;
byte kills = KILLS;

#define DIE                                                                                        \
	kills > 0 && (VICTIMS & BIT(me)) -> kills--; lock[me] = 0;                                 \
	unburied = unburied + (STATUS(slot[me]) == ALIVE)
#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { DIE; goto dead }                                                               \
	fi

inline join() {
	STEP(if
	     :: STATUS(slot[me]) == FREE -> slot[me] = slot[me] + 4 + ALIVE
	     :: else
	     fi)
}

/* The dead one's slot is taken by a new member, or stays free. */
#define REBORN                                                                                     \
	if                                                                                         \
	:: atomic { STATUS(slot[me]) == FREE -> lock[me] = 1; goto life }                          \
	:: atomic { STATUS(slot[me]) == FREE -> gone++ }                                           \
	fi

/* A free unit becomes ours: no message may lie in it. */
inline seize(u) {
	unit[u] = MY_TAG;
	g = 0;
	do
	:: g < CELLS -> assert(!(HOLDS(cell[g]) && at[g] == u)); g++
	:: else -> g = 0; break
	od
}

proctype sender(byte me) {
	byte n, u, c, g;
	short w;
life:
	join();
send:
	if
	:: n == EACH -> gone++; false
	:: else
	fi;
	n++;
	STEP(if
	     :: u < UNITS && unit[u] == 0 -> seize(u)
	     :: u + 1 < UNITS && unit[u + 1] == 0 -> u++; seize(u)
	     fi);
	STEP(inside[u] = me * EACH + n);
claim:
	STEP(if
	     :: STATE(cell[0]) == EMPTY -> c = 0
	     :: STATE(cell[CELLS - 1]) == EMPTY -> c = CELLS - 1
	     fi;
	     w = NEXT(cell[c], me + 1, CLAIMED);
	     cell[c] = w);
	STEP(at[c] = u);
	STEP(assert(cell[c] == w); cell[c] = NEXT(w, 0, FULL); message[c] = me * EACH + n);
	u = 0; c = 0; w = 0;
	goto send;
dead:
	u = 0; c = 0; w = 0; g = 0;
	REBORN
}

proctype receiver(byte me) {
	byte c, u;
	short w;
life:
	join();
receive:
	STEP(if
	     :: HOLDS(cell[0]) && STATE(cell[0]) != TAKEN -> c = 0
	     :: HOLDS(cell[CELLS - 1]) && STATE(cell[CELLS - 1]) != TAKEN -> c = CELLS - 1
	     fi;
	     w = NEXT(cell[c], me + 1, TAKEN);
	     cell[c] = w;
	     u = at[c]);
	STEP(assert(inside[u] == message[c] && unit[u] != 0));
#if defined(MUTANT_EMPTY_BEFORE_RETAG)
	STEP(assert(cell[c] == w); cell[c] = NEXT(w, 0, EMPTY); message[c] = 0; at[c] = 0);
	STEP(unit[u] = MY_TAG);
#else
#ifndef MUTANT_NO_RETAG
	STEP(unit[u] = MY_TAG);
#endif
#ifdef MUTANT_FREE_BEFORE_EMPTY
	STEP(unit[u] = 0; inside[u] = 0);
#endif
	STEP(assert(cell[c] == w); cell[c] = NEXT(w, 0, EMPTY); message[c] = 0; at[c] = 0);
#endif
#ifndef MUTANT_FREE_BEFORE_EMPTY
	STEP(unit[u] = 0; inside[u] = 0);
#endif
	u = 0; c = 0; w = 0;
	goto receive;
dead:
	u = 0; c = 0; w = 0;
	REBORN
}

/* Recovers the dead. Every step may come late. */
proctype janitor(byte me) {
	byte d, s, c, u, tag, referred;
	short w;
life:
	join();
rounds:
	STEP(unburied > 0);
	d = 0;
	do
	:: d < MEMBERS && d != me ->
		STEP(s = slot[d];
		     if
		     :: STATUS(s) == ALIVE -> skip
		     :: STATUS(s) == DEAD -> goto recover
		     :: else -> goto next
		     fi);
		STEP(if
		     :: lock[d] -> goto next
		     :: else
		     fi);
		STEP(if
		     :: slot[d] == s -> s = s - ALIVE + DEAD; slot[d] = s
		     :: else -> goto next
		     fi);
recover:
		tag = TAG(s, d); c = 0;
cells:
		STEP(w = cell[c];
		     if
		     :: OWNER(w) == d + 1
		     :: else ->
			c++;
			if
			:: c < CELLS -> goto cells
			:: else -> c = 0; w = 0; goto mark
			fi
		     fi);
		STEP(if
		     :: slot[d] == s
		     :: else -> goto next
		     fi);
		STEP(if
		     :: cell[c] == w && STATE(w) == TAKEN -> cell[c] = NEXT(w, 0, RETURNED)
		     :: cell[c] == w && STATE(w) == CLAIMED -> cell[c] = NEXT(w, 0, EMPTY); at[c] = 0
		     :: else
		     fi;
		     goto cells);
mark:
		/* Which units does some cell refer to? The word, the reference, the word again. */
		referred = 0;
#ifdef MUTANT_FREE_BY_TAG_ALONE
		goto sweep;
#endif
mark_cell:
		STEP(w = cell[c];
		     if
		     :: HOLDS(w)
		     :: else -> goto marked
		     fi);
		STEP(u = at[c]);
		STEP(if
		     :: cell[c] == w -> referred = referred | BIT(u)
		     :: else -> goto mark_cell
		     fi);
marked:
		c++; w = 0; u = 0;
		if
		:: c < CELLS -> goto mark_cell
		:: else -> c = 0
		fi;
sweep:
		STEP(if
		     :: unit[u] == tag && !(referred & BIT(u))
		     :: else -> goto swept
		     fi);
		STEP(if
		     :: unit[u] == tag -> unit[u] = 0; inside[u] = 0
		     :: else
		     fi);
swept:
		u++;
		if
		:: u < UNITS -> goto sweep
		:: else -> u = 0
		fi;
		STEP(if
		     :: slot[d] == s -> slot[d] = s - DEAD + FREE; unburied--
		     :: else
		     fi);
next:
		atomic { s = 0; tag = 0; c = 0; u = 0; w = 0; referred = 0; d++ }
	:: d < MEMBERS && d == me -> d++
	:: else -> d = 0; break
	od;
	goto rounds;
dead:
	d = 0; s = 0; tag = 0; c = 0; u = 0; w = 0; referred = 0;
	REBORN
}

/* The last state: all was sent, and each unit is free or has a message in it that nobody takes. */
proctype monitor() {
	byte u, c;
	timeout;
	atomic {
		assert(unburied == 0);
		do
		:: u < UNITS ->
			c = 0;
			do
			:: c < CELLS && !(HOLDS(cell[c]) && at[c] == u) -> c++
			:: else -> break
			od;
			assert(unit[u] == 0 || c < CELLS);
			u++
		:: else -> break
		od
	}
}

init {
	byte m;
	atomic {
		do
		:: m < MEMBERS ->
			slot[m] = ALIVE; lock[m] = 1;
			if
			:: m < SENDERS -> run sender(m)
			:: m >= SENDERS && m < SENDERS + RECEIVERS -> run receiver(m)
			:: m >= SENDERS + RECEIVERS -> run janitor(m)
			fi;
			m++
		:: else -> break
		od;
		run monitor()
	}
}
