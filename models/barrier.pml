/* SPDX-License-Identifier: MIT */
/*
 * The barrier of docs/formats/lock.md: nobody passes before all have arrived, and nobody waits for the
 * dead.
 *
 * The word: arrived, broken, round; one access reads or swaps all three. A sleeper wakes when the word
 * has changed (models/bell.pml), and at a nap when somebody who takes part is dead.
 */
#ifndef PARTIES
#define PARTIES 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
/* -DGIVES_UP=n: n deadlines pass; who gives up comes again. */

#define BIT(m) (1 << (m))

byte arrived, round;
bit broken;
byte joined;            /* bits: seats of those who take part */
byte dead;
byte kills = KILLS;
byte reached[PARTIES];  /* rounds that each has come to ... */
byte past[PARTIES];     /* ... and that it has passed */
byte told;              /* bits: those who were told that it is broken */
byte done;
#ifdef GIVES_UP
byte gives = GIVES_UP;
#endif

#if KILLS
#define STEP(s)                                                                                    \
	if                                                                                         \
	:: atomic { s }                                                                            \
	:: atomic { kills > 0 -> kills--; goto die }                                               \
	fi
#else
#define STEP(s) atomic { s }
#endif

#define SAME (arrived == a && broken == b && round == r)

proctype party(byte me) {
	byte a, r, n, u, mine;
	bit b, ok;
	/* Before, nobody knows of it: its death then is not noticed. */
	atomic { joined = joined | BIT(me) };
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		atomic { reached[me] = n + 1 };
arrive:
		STEP(a = arrived; b = broken; r = round);
		if
		:: b -> goto broke
		:: else
		fi;
		mine = r;
#ifdef MUTANT_COUNTS_IN_TWO_STEPS
		STEP(arrived = a + 1; ok = 1);
		if
		:: a + 1 == PARTIES -> STEP(arrived = 0; round = r + 1)
		:: else
		fi;
#else
		STEP(if
		     :: SAME && a + 1 < PARTIES -> arrived = a + 1; ok = 1
		     :: SAME && a + 1 == PARTIES -> arrived = 0; round = r + 1; ok = 1
		     :: else -> ok = 0
		     fi);
#endif
		if :: ok -> ok = 0 :: else -> goto arrive fi;
wait_:
		if
		:: STEP(round != mine -> skip); goto pass
		:: STEP(round == mine && broken -> skip); goto broke
#ifndef MUTANT_NO_LOOK
		:: STEP(round == mine && !broken && (joined & dead) != 0 -> skip);
			STEP(a = arrived; b = broken; r = round);
			STEP(if :: SAME && !b -> broken = 1 :: else fi);
			goto wait_
#endif
#ifdef GIVES_UP
		:: STEP(gives > 0 && round == mine && !broken -> gives--);
withdraw:		STEP(a = arrived; b = broken; r = round);
			if
			:: r != mine -> goto pass
			:: b -> goto broke
			:: else
			fi;
#ifdef MUTANT_KEEPS_ARRIVAL
			goto arrive;
#endif
			STEP(if :: SAME -> arrived = a - 1; ok = 1 :: else -> ok = 0 fi);
			if :: ok -> ok = 0; goto arrive :: else -> goto withdraw fi
#endif
		fi;
pass:
		n++;
		atomic {
			past[me] = n; u = 0;
			do
			:: u < PARTIES -> assert(reached[u] >= n); u++
			:: else -> break
			od;
			u = 0
		}
	od;
	/* Leaves, as a process does that ends in order. */
	atomic { joined = joined & ~BIT(me); done = done | BIT(me) };
	goto over;
broke:
	/* Only somebody's death breaks it. */
	assert(dead != 0);
	atomic { told = told | BIT(me) };
	goto over;
die:
	atomic { dead = dead | BIT(me) };
over:
	a = 0
}

/* Nobody is left waiting. */
proctype monitor() {
	timeout;
	assert((done | told | dead) == BIT(PARTIES) - 1)
}

init {
	byte k;
	atomic {
		do
		:: k < PARTIES -> run party(k); k++
		:: else -> break
		od;
		run monitor()
	}
}
