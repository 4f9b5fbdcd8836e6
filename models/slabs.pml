/* SPDX-License-Identifier: MIT */
/*
 * Slabs: docs/formats/segment.md, "Slabs". A page that is in turn nobody's, a slab with a word for
 * each block, or one block that is somebody's own, whose data lie where the words were. Members
 * make it, allocate, free, seal and release it, and die anywhere; others recover them.
 *
 * Every step may come late: a member may have chosen a word of a slab that has gone meanwhile.
 * Checked: whoever gets a block gets it in a slab that is there, alone; nobody changes data that is
 * another's; in the end nothing is sealed or owned.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef JANITORS
#define JANITORS 1
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define MEMBERS (WORKERS + JANITORS)

/* Of the page, and of a block's word: state; owner (slot + 1) with incarnation, or generation. */
#define FREE      0
#define GATHERING 1
#define RELEASING 2
#define SLAB      3
#define SEALED    4
#define OWNED     5
#define VACANT    6
#define DATA      7 /* a word's place in a block that is somebody's: never like a word, by the key */
#define STATE(w) ((w) & 7)
#define OWNER(w) (((w) >> 3) & 7)
#define MINE(state) ((((slot[me]) >> 2) << 6) | ((me + 1) << 3) | (state))
#define SLAB_OF(g) (((g) << 6) | SLAB)
#define GENERATION(w) ((w) >> 6)
#ifdef MUTANT_NO_GENERATION
#define VACANT_OF(g) VACANT
#else
#define VACANT_OF(g) (((g) << 6) | VACANT)
#endif

#define GONE  0
#define ALIVE 1
#define DEAD  2
#define STATUS(s) ((s) & 3)

short page;
short word[BLOCKS];
byte generation;
byte user[BLOCKS]; /* ghost: who has the block, + 1 */
byte slot[MEMBERS];
bit living[MEMBERS];
byte unburied;
byte kills = KILLS;

#define DIE kills > 0 -> kills--; living[me] = 0; unburied++
#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { DIE; goto dead }                                                               \
	fi
#define RECOVERY(x) atomic { x }

proctype worker(byte me) {
	byte n, b, g;
	short p;
life:
	slot[me] = ((slot[me] >> 2) + 1) << 2 | ALIVE;
again:
	if
	:: n == EACH -> goto end
	:: else -> n++
	fi;
	STEP(p = page; g = GENERATION(p));
	if
	:: p == FREE -> goto gather
	:: STATE(p) == SLAB -> b = 0; goto allocate
	:: STATE(p) == SLAB -> b = BLOCKS - 1; goto allocate
	:: STATE(p) == SLAB -> goto reclaim
	:: else -> goto done
	fi;
allocate:
	STEP(if
	     :: word[b] == VACANT_OF(g) ->
		assert(page == SLAB_OF(g) && user[b] == 0);
		word[b] = MINE(OWNED); user[b] = me + 1
	     :: else -> goto done
	     fi);
	STEP(assert(page == SLAB_OF(g) && word[b] == MINE(OWNED) && user[b] == me + 1);
	     user[b] = 0; word[b] = VACANT_OF(g));
	goto done;
gather:
	STEP(if
	     :: page == FREE -> page = MINE(GATHERING)
	     :: else -> goto done
	     fi);
	STEP(assert(page == MINE(GATHERING)); generation++; g = generation);
	if
	:: goto whole
	:: skip
	fi;
	b = 0;
	do
	:: b < BLOCKS -> STEP(word[b] = VACANT_OF(g)); b++
	:: else -> break
	od;
	STEP(assert(page == MINE(GATHERING)); page = SLAB_OF(g));
	goto done;
whole:
	/* The page is one block, of our own; what was there before is overwritten. */
	STEP(page = MINE(OWNED));
	b = 0;
	do
	:: b < BLOCKS -> STEP(word[b] = DATA); b++
	:: else -> break
	od;
	STEP(assert(page == MINE(OWNED)); b = 0;
	     do
	     :: b < BLOCKS -> assert(word[b] == DATA); b++
	     :: else -> break
	     od;
	     page = MINE(RELEASING));
	STEP(assert(page == MINE(RELEASING)); page = FREE);
	goto done;
reclaim:
	b = 0;
#ifdef MUTANT_NO_SEAL
	/* It is enough to have seen each block vacant. */
	do
	:: b < BLOCKS ->
		STEP(if
		     :: word[b] == VACANT_OF(g) -> b++
		     :: else -> goto done
		     fi)
	:: else -> break
	od;
#else
	do
	:: b < BLOCKS ->
		STEP(if
		     :: word[b] == VACANT_OF(g) -> word[b] = MINE(SEALED); b++
		     :: else -> goto unseal
		     fi)
	:: else -> break
	od;
#endif
	STEP(if
	     :: page == SLAB_OF(g) -> page = MINE(RELEASING)
	     :: else -> goto unseal
	     fi);
	STEP(assert(page == MINE(RELEASING)); page = FREE);
	goto done;
unseal:
	do
	:: b > 0 ->
		b--;
		STEP(assert(word[b] == MINE(SEALED)); word[b] = VACANT_OF(g))
	:: else -> break
	od;
done:
	b = 0; g = 0; p = 0;
	goto again;
dead:
	b = 0; g = 0; p = 0; n = 0;
	/* The slot gets a new member, or none. */
	if
	:: atomic { STATUS(slot[me]) == GONE -> living[me] = 1; goto life }
	:: atomic { STATUS(slot[me]) == GONE -> goto end }
	fi;
end:
	skip
}

/* Recovers the dead. Every step may come late; one that stops for ever is one never run. */
proctype janitor(byte me) {
	byte d, b, s, g;
	short w, p;
rounds:
	RECOVERY(unburied > 0; d = 0);
	do
	:: d < WORKERS ->
		RECOVERY(s = slot[d];
		     if
		     :: STATUS(s) == ALIVE && !living[d] -> s = s - ALIVE + DEAD; slot[d] = s
		     :: STATUS(s) == DEAD
		     :: else -> goto following
		     fi);
		RECOVERY(p = page; g = GENERATION(p));
		if
		:: STATE(p) == SLAB -> b = 0; goto blocks
		:: STATE(p) != FREE && OWNER(p) == d + 1 -> skip
		:: else -> goto buried
		fi;
		/* Gathered, released or owned by the dead one: it is released. */
		RECOVERY(if
		     :: slot[d] == s
		     :: else -> goto following
		     fi);
		RECOVERY(if
		     :: page == p -> page = FREE
		     :: else
		     fi);
		goto buried;
blocks:
		RECOVERY(w = word[b];
		     if
		     :: (STATE(w) == SEALED || STATE(w) == OWNED) && OWNER(w) == d + 1
		     :: else -> goto swept
		     fi);
#ifndef MUTANT_NO_DEAD_CHECK
		RECOVERY(if
		     :: slot[d] == s
		     :: else -> goto following
		     fi);
#endif
		RECOVERY(if
		     :: word[b] == w ->
			if
			:: STATE(w) == OWNED -> user[b] = 0
			:: else
			fi;
			word[b] = VACANT_OF(g)
		     :: else
		     fi);
swept:
		b++;
		if
		:: b < BLOCKS -> goto blocks
		:: else -> b = 0
		fi;
buried:
		RECOVERY(if
		     :: slot[d] == s -> slot[d] = s - DEAD + GONE; unburied--
		     :: else
		     fi);
following:
		atomic { s = 0; w = 0; p = 0; b = 0; g = 0; d++ }
	:: else -> d = 0; break
	od;
	goto rounds
}

proctype monitor() {
	byte b;
	timeout;
	atomic {
		assert(unburied == 0);
		assert(page == FREE || STATE(page) == SLAB);
		do
		:: b < BLOCKS && STATE(page) == SLAB ->
			assert(word[b] == VACANT_OF(GENERATION(page)) && user[b] == 0);
			b++
		:: else -> break
		od
	}
}

init {
	byte m;
	atomic {
		do
		:: m < WORKERS -> living[m] = 1; run worker(m); m++
		:: m >= WORKERS && m < MEMBERS -> run janitor(m); m++
		:: else -> break
		od;
		run monitor()
	}
}
