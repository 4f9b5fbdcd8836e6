/* SPDX-License-Identifier: MIT */
/*
 * Runs of pages: docs/formats/segment.md, "Runs". Members gather neighbouring pages, use them, give
 * them back, and die anywhere; several recover them, at any speed. Checked: no page is in two runs
 * at once; in the end every page is free.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef JANITORS
#define JANITORS 2
#endif
#ifndef PAGES
#define PAGES 3
#endif
#ifndef EACH
#define EACH 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define MEMBERS (WORKERS + JANITORS)

/* A page's word: FREE, BODY (with head and generation), or a head's (with owner and incarnation). */
#define FREE      0
#define GATHERING 1
#define OWNED     2
#define RELEASING 3
#define BODY      4
#define STATE(w) ((w) & 7)
#define OWNER(w) (((w) >> 3) & 7)
#define MINE(state) ((((slot[me]) >> 2) << 6) | ((me + 1) << 3) | (state))
#ifdef MUTANT_NO_GENERATION
#define PART(p, g) (((p) << 3) | BODY)
#else
#define PART(p, g) (((g) << 6) | ((p) << 3) | BODY)
#endif

#define GONE  0
#define ALIVE 1
#define DEAD  2
#define STATUS(s) ((s) & 3)

short word[PAGES];
byte generation[PAGES];
byte length[PAGES];
byte user[PAGES]; /* ghost: who uses it, + 1 */
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

proctype worker(byte me) {
	byte k, p, n, i, g;
life:
	slot[me] = ((slot[me] >> 2) + 1) << 2 | ALIVE;
again:
	if
	:: k == EACH -> goto end
	:: else -> k++
	fi;
	if
	:: p = 0; n = 2
	:: p = 1; n = 2
	:: p = 0; n = 1
	:: p = 0; n = 3
	fi;
	STEP(if
	     :: word[p] == FREE -> word[p] = MINE(GATHERING)
	     :: else -> goto done
	     fi);
	STEP(g = generation[p] + 1; generation[p] = g; length[p] = n);
	i = 1;
bodies:
	if
	:: i < n ->
		STEP(if
		     :: word[p + i] == FREE -> word[p + i] = PART(p, g); i++
		     :: else -> n = i; goto release
		     fi);
		goto bodies
	:: else
	fi;
	STEP(word[p] = MINE(OWNED);
	     i = 0;
	     do
	     :: i < n -> assert(user[p + i] == 0); user[p + i] = me + 1; i++
	     :: else -> break
	     od);
	/* Whoever has given it back uses it no more. */
	STEP(i = 0;
	     do
	     :: i < n -> assert(user[p + i] == me + 1); user[p + i] = 0; i++
	     :: else -> break
	     od;
	     word[p] = MINE(RELEASING));
release:
#ifdef MUTANT_HEAD_FIRST
	STEP(word[p] = FREE);
#endif
	i = 1;
	do
	:: i < n -> STEP(word[p + i] = FREE); i++
	:: else -> break
	od;
#ifndef MUTANT_HEAD_FIRST
	STEP(word[p] = FREE);
#endif
done:
	p = 0; n = 0; i = 0; g = 0;
	goto again;
dead:
	/* What it used is in use until it is recovered; nobody may have it before. */
	p = 0; n = 0; i = 0; g = 0; k = 0;
	if
	:: atomic { STATUS(slot[me]) == GONE -> living[me] = 1; goto life }
	:: atomic { STATUS(slot[me]) == GONE -> goto end }
	fi;
end:
	skip
}

proctype janitor(byte me) {
	byte d, p, s, g, n, i, c;
	short w, v;
rounds:
	atomic { unburied > 0; d = 0 }
	do
	:: d < WORKERS ->
		atomic {
			s = slot[d];
			if
			:: STATUS(s) == ALIVE && !living[d] -> s = s - ALIVE + DEAD; slot[d] = s
			:: STATUS(s) == DEAD
			:: else -> goto following
			fi
		}
		p = 0;
pages:
		atomic {
			w = word[p];
			if
			:: STATE(w) != BODY && OWNER(w) == d + 1
			:: else -> goto swept
			fi
		}
		atomic {
			if
			:: slot[d] == s
			:: else -> goto following
			fi
		}
		if
		:: STATE(w) == OWNED ->
			/* From here on it is as if its owner had begun to give it back. */
			atomic {
				if
				:: word[p] == w ->
					w = w - OWNED + RELEASING; word[p] = w;
					c = 0;
					do
					:: c < PAGES -> user[c] = (user[c] == d + 1 -> 0 : user[c]); c++
					:: else -> c = 0; break
					od
				:: else -> goto swept
				fi
			}
		:: else
		fi;
		atomic { g = generation[p]; n = length[p] }
#ifndef MUTANT_NO_SECOND_LOOK
		/* It was of this run only if the head still says so. */
		atomic {
			if
			:: word[p] == w
			:: else -> goto swept
			fi
		}
#endif
		i = 1;
		do
		:: i < n ->
			atomic { v = word[p + i] }
			atomic {
				if
				:: v == PART(p, g) && word[p + i] == v -> word[p + i] = FREE
				:: else
				fi
			}
			i++
		:: else -> break
		od;
		atomic {
			if
			:: word[p] == w -> word[p] = FREE
			:: else
			fi
		}
swept:
		i = 0; n = 0; g = 0; v = 0;
		p++;
		if
		:: p < PAGES -> goto pages
		:: else -> p = 0
		fi;
		atomic {
			if
			:: slot[d] == s -> slot[d] = s - DEAD + GONE; unburied--
			:: else
			fi
		}
following:
		atomic { s = 0; w = 0; v = 0; p = 0; g = 0; n = 0; i = 0; d++ }
	:: else -> d = 0; break
	od;
	goto rounds
}

proctype monitor() {
	byte p;
	timeout;
	atomic {
		assert(unburied == 0);
		do
		:: p < PAGES -> assert(word[p] == FREE); p++
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
