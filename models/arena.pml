/* SPDX-License-Identifier: MIT */
/*
 * Blocks of an arena: docs/formats/segment.md, "Blocks". Allocating, publishing into a place, taking
 * out of it, freeing; members die anywhere and are recovered by several at once.
 *
 * One place, which is the head of a list: a published block's `next` is what the place held before.
 * Pushing needs no lock; with LOCKED, members push and take under a lock that a dead holder's
 * recovery lets go of last, as ferry_lock does. Checked: no block is freed while the list holds it;
 * in the end what the list holds is PUBLISHED and all else is FREE.
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
#define EACH 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define MEMBERS (WORKERS + JANITORS)

/* A block's word: incarnation, owner (slot + 1), state. */
#define FREE       0
#define OWNED      1
#define PUBLISHING 2
#define PUBLISHED  3
#define TAKING     4
#define STATE(w) ((w) & 7)
#define OWNER(w) (((w) >> 3) & 7)
#define MINE(state) ((((slot[me]) >> 2) << 6) | ((me + 1) << 3) | (state))

#define GONE  0
#define ALIVE 1
#define DEAD  2
#define STATUS(s) ((s) & 3)

short word[BLOCKS];
byte next[BLOCKS]; /* in the block: the one below, + 1 */
byte place;        /* block + 1; 0 = empty */
byte slot[MEMBERS];
bit living[MEMBERS];
byte guard;        /* holder + 1 of the program's lock */
byte unburied;
byte kills = KILLS;

#define DIE kills > 0 -> kills--; living[me] = 0; unburied++
#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { DIE; goto dead }                                                               \
	fi
#define RECOVERY(x) atomic { x }

/* Nobody may free what the list holds. Bounded, since a broken list may be a ring. */
inline free_block(b) {
	g = place; i = 0;
	do
	:: g != 0 && i < BLOCKS -> assert(g != b + 1); g = next[g - 1]; i++
	:: else -> break
	od;
	g = 0; i = 0;
	word[b] = FREE
}

#ifdef LOCKED
#define ENTER STEP(guard == 0 -> guard = me + 1)
#define LEAVE STEP(guard = 0)
#else
#define ENTER skip
#define LEAVE skip
#endif

proctype worker(byte me) {
	byte n, b, r, x, g, i;
	short w;
life:
	slot[me] = ((slot[me] >> 2) + 1) << 2 | ALIVE;
again:
	if
	:: n == EACH -> goto end
	:: else -> n++
	fi;
	STEP(if
	     :: word[0] == FREE -> b = 0
	     :: word[BLOCKS - 1] == FREE -> b = BLOCKS - 1
	     :: else -> goto pop
	     fi;
	     word[b] = MINE(OWNED));
	ENTER;
push:
	STEP(r = place);
	STEP(next[b] = r);
#ifndef MUTANT_NO_HELP
	/* What we are about to push down must not hang on its publisher's life any more. */
	if
	:: r != 0 ->
		STEP(w = word[r - 1]; if
				      :: STATE(w) == PUBLISHING
				      :: else -> goto helped
				      fi);
		STEP(if
		     :: place == r
		     :: else -> goto push
		     fi);
		STEP(if
		     :: word[r - 1] == w -> word[r - 1] = PUBLISHED
		     :: else
		     fi)
	:: else
	fi;
helped:
#endif
#if defined(MUTANT_WORD_FIRST)
	STEP(word[b] = PUBLISHED);
#elif !defined(MUTANT_NO_INTENT)
	STEP(word[b] = MINE(PUBLISHING));
#endif
	STEP(if
	     :: place == r -> place = b + 1; x = 1
	     :: else -> x = 0
	     fi);
	STEP(if
	     :: x -> if
		     :: word[b] == MINE(PUBLISHING) || word[b] == MINE(OWNED) -> word[b] = PUBLISHED
		     :: else
		     fi
	     :: else -> word[b] = MINE(OWNED)
	     fi);
	if
	:: !x -> goto push
	:: else
	fi;
	LEAVE;
	goto done;
pop:
#ifdef LOCKED
	ENTER;
	STEP(r = place);
	if
	:: r == 0 -> LEAVE; goto done
	:: else
	fi;
	STEP(x = next[r - 1]);
	STEP(w = word[r - 1]; assert(STATE(w) == PUBLISHED));
#ifdef MUTANT_PLACE_FIRST
	STEP(place = x);
	STEP(word[r - 1] = MINE(OWNED));
#else
	STEP(word[r - 1] = MINE(TAKING));
	STEP(assert(place == r); place = x);
	STEP(word[r - 1] = MINE(OWNED));
#endif
	LEAVE;
	STEP(assert(word[r - 1] == MINE(OWNED)); free_block(r - 1));
#endif
done:
	b = 0; r = 0; x = 0; w = 0;
	goto again;
dead:
	b = 0; r = 0; x = 0; w = 0; n = 0;
	/* The slot gets a new member, or none. */
	if
	:: atomic { STATUS(slot[me]) == GONE -> living[me] = 1; goto life }
	:: atomic { STATUS(slot[me]) == GONE -> goto end }
	fi;
end:
	skip
}

/* Recovers the dead. Every step may come late; a janitor that stops for ever is one never run. */
proctype janitor(byte me) {
	byte d, b, s, g, i;
	short w;
	bit there;
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
		b = 0;
blocks:
		RECOVERY(w = word[b];
		     if
		     :: OWNER(w) == d + 1
		     :: else -> goto swept
		     fi);
#ifndef MUTANT_NO_DEAD_CHECK
		RECOVERY(if
		     :: slot[d] == s
		     :: else -> goto following
		     fi);
#endif
		RECOVERY(there = place == b + 1);
		RECOVERY(if
		     :: word[b] == w && there && STATE(w) != OWNED -> word[b] = PUBLISHED
		     :: word[b] == w && !(there && STATE(w) != OWNED) -> free_block(b)
		     :: else
		     fi);
		there = 0;
swept:
		b++;
		if
		:: b < BLOCKS -> goto blocks
		:: else -> b = 0
		fi;
		/* The program's lock is let go of when the arena is in order. */
		RECOVERY(if
		     :: slot[d] == s -> slot[d] = s - DEAD + GONE; unburied--;
			if
			:: guard == d + 1 -> guard = 0
			:: else
			fi
		     :: else
		     fi);
following:
		atomic { s = 0; w = 0; b = 0; d++ }
	:: else -> d = 0; break
	od;
	goto rounds
}

proctype monitor() {
	byte b, g, i;
	bit held;
	timeout;
	atomic {
		assert(unburied == 0);
		do
		:: b < BLOCKS ->
			g = place; held = 0; i = 0;
			do
			:: g != 0 && i < BLOCKS -> held = held || g == b + 1; g = next[g - 1]; i++
			:: else -> break
			od;
			assert(held -> word[b] == PUBLISHED : word[b] == FREE);
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
