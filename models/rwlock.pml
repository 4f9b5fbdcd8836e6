/* SPDX-License-Identifier: MIT */
/*
 * The rwlock of docs/formats/lock.md: readers in seats, the writers' gate, grants.
 *
 * The writers' lock itself is models/lock.pml's; here it is one step: free, or the owner is dead. Sleeping is
 * models/bell.pml's; here who waits blocks until there is something for him to see.
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
/* -DSTOPS: somebody who was granted entry may be taken for stopped at any time. */

#define USERS (READERS + WRITERS)
#define BIT(m) (1 << (m))

mtype = { nothing, waits, granted, holds };

byte core;          /* user + 1 */
bit inconsistent;   /* the core's mark I */
byte gate;          /* user + 1 of the writer that keeps readers out */
mtype seat[READERS];
byte dead;
byte kills = KILLS;
byte x, y;
byte writing, reading;
byte passed[USERS]; /* other writers' turns since this reader began to wait */

#define DEAD(u) ((dead & BIT(u)) != 0)

#if KILLS
#define STEP(s)                                                                                    \
	if                                                                                         \
	:: atomic { s }                                                                            \
	:: atomic { kills > 0 -> kills--; goto die }                                               \
	fi
#else
#define STEP(s) atomic { s }
#endif

/* A writer's turn, with the core taken: used by readers too that find a dead writer. */
inline write_turn() {
	STEP(gate = me + 1);
	i = 0;
	do
	:: i == READERS -> break
	:: i < READERS ->
		/* A living reader inside keeps us waiting. */
#ifdef MUTANT_DEAD_READER_COUNTS
		STEP((seat[i] != holds && seat[i] != granted) -> i++)
#else
		if
		:: STEP((DEAD(i) || i == me || (seat[i] != holds && seat[i] != granted)) -> i++)
#ifdef STOPS
		/* Granted, and does not come: put back. */
		:: STEP(seat[i] == granted && !DEAD(i) -> seat[i] = waits; i++)
#endif
		fi
#endif
	od;
	assert(reading == 0);
	atomic { writing++; assert(writing == 1) };
	if
	:: told -> STEP(x = y); STEP(inconsistent = 0)
	:: else -> assert(x == y)
	fi;
	STEP(x++);
	STEP(y++);
	atomic { writing-- };
	/* Leave: grant, open, release. */
	i = 0;
	do
	:: i == READERS -> break
	:: i < READERS ->
#ifdef MUTANT_NO_GRANT
		i++
#else
		STEP(if :: seat[i] == waits -> seat[i] = granted :: else fi; i++)
#endif
	od;
#ifdef MUTANT_CORE_FIRST
	STEP(core = 0);
	STEP(gate = 0);
#else
	STEP(gate = 0);
	STEP(core = 0; i = 0;
	     do
	     :: i < READERS -> if :: seat[i] == waits && i != me -> passed[i]++ :: else fi; i++
	     :: else -> break
	     od);
#endif
	i = 0
}

proctype reader(byte me) {
	byte n, i;
	bit told;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		n++; told = 0;
		STEP(seat[me] = waits; passed[me] = 0);
look:
		if
		:: STEP(seat[me] == granted -> seat[me] = holds); goto in
		:: STEP(seat[me] == waits && gate == 0 -> skip);
			STEP(if :: seat[me] == waits -> seat[me] = holds :: else -> seat[me] = holds; goto in fi)
		:: STEP(seat[me] == waits && gate != 0 && (DEAD(gate - 1) || core == 0 && inconsistent) -> seat[me] = nothing);
			goto repair
		fi;
#ifndef MUTANT_NO_SECOND_LOOK
		if
		:: STEP(gate == 0 -> skip)
		:: STEP(gate != 0 -> seat[me] = waits); goto look
		fi;
#endif
in:
#ifdef FAIR
		assert(passed[me] <= 2);
#endif
		atomic { reading++ };
		assert(writing == 0);
		assert(x == y);
		atomic { reading-- };
		STEP(seat[me] = nothing);
		goto again;
repair:
		/* As a writer; if somebody else was faster, nothing is to be told. */
		STEP((core == 0 || DEAD(core - 1)) -> told = (core != 0 || inconsistent); if :: core != 0 -> inconsistent = 1 :: else fi;
		     core = me + 1);
		write_turn();
again:
		skip
	od;
	goto done;
die:
	atomic {
		if :: core == me + 1 && writing -> writing = 0 :: else fi;
		dead = dead | BIT(me)
	};
done:
	i = 0
}

proctype writer(byte me) {
	byte n, i;
	bit told;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		n++;
		STEP((core == 0 || DEAD(core - 1)) -> told = (core != 0 || inconsistent); if :: core != 0 -> inconsistent = 1 :: else fi;
		     core = me + 1);
#ifdef MUTANT_NOT_TOLD
		told = 0;
#endif
		write_turn()
	od;
	goto done;
die:
	atomic {
		if :: core == me + 1 && writing -> writing = 0 :: else fi;
		dead = dead | BIT(me)
	};
done:
	i = 0
}

/* Nobody is left waiting: each living one came to its end. */
proctype monitor() {
	byte u;
	timeout;
	do
	:: u < READERS -> assert(DEAD(u) || seat[u] == nothing); u++
	:: else -> break
	od;
	assert(core == 0 || DEAD(core - 1))
}

init {
	byte k;
	atomic {
		do
		:: k < READERS -> seat[k] = nothing; run reader(k); k++
		:: k >= READERS && k < USERS -> run writer(k); k++
		:: else -> break
		od;
		run monitor()
	}
}
