/* SPDX-License-Identifier: MIT */
/*
 * The semaphore that gives back, of docs/formats/lock.md: one step changes two words, and death at any
 * instruction leaves both right.
 *
 * The word: value, the step in progress (seat, kind, odd) and a count of changes; a seat: units held and
 * a count of steps. Sleeping is models/bell.pml's; who finds no unit blocks until there is one. A janitor gives back what
 * the dead held, as every waiter does.
 */
#ifndef USERS
#define USERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef UNITS
#define UNITS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef JANITORS
#define JANITORS 1
#endif

#define BIT(m) (1 << (m))
#define TAKE 1
#define GIVE 2
#define RECOVER 3

typedef word_t { byte value; byte seat; byte kind; bit odd; byte count };

byte value = UNITS; /* the word: one atomic access reads or swaps all five */
byte seat;          /* + 1; 0 = no step in progress */
byte kind;
bit odd;
byte count;

byte held[USERS];
byte steps[USERS];
byte dead;
byte kills = KILLS;
byte has[USERS];    /* what each believes that it has */
byte finished;

#if KILLS
#define STEP(s)                                                                                    \
	if                                                                                         \
	:: atomic { s }                                                                            \
	:: atomic { kills > 0 && me < USERS -> kills--; goto die }                                 \
	fi
#else
#define STEP(s) atomic { s }
#endif

#define SAME (value == v && seat == s && kind == k && odd == o && count == c)
#ifdef MUTANT_NO_COUNT
#define NEXT 0
#else
#define NEXT c + 1
#endif

inline read_word() {
	STEP(v = value; s = seat; k = kind; o = odd; c = count)
}

/* The seat's part of the step announced in v s k o c. */
inline finish_seat() {
	STEP(h = held[s - 1]; n = steps[s - 1]);
#ifdef MUTANT_NO_SECOND_LOOK
	if
	:: (n & 1) == o ->
#else
	STEP(got = SAME);
	if
	:: got && (n & 1) == o ->
#endif
		STEP(if
		     :: held[s - 1] == h && steps[s - 1] == n ->
			if
			:: k == TAKE -> held[s - 1] = h + 1
			:: k == GIVE -> held[s - 1] = h - 1
			:: k == RECOVER -> held[s - 1] = 0
			fi;
			steps[s - 1] = n + 1
		     :: else
		     fi)
	:: else
	fi;
	h = 0; n = 0; got = 0
}

/* Finish whatever is in progress; the word without a step is in v and c. */
inline settle() {
	do
	:: read_word();
		if
		:: s == 0 -> break
		:: else ->
#ifdef MUTANT_NO_HELP
			STEP(if :: SAME -> seat = 0; kind = 0; odd = 0 :: else fi)
#else
			finish_seat();
			STEP(if :: SAME -> seat = 0; kind = 0; odd = 0 :: else fi)
#endif
		fi
	od
}

/* Change the value to `to`, and the seat of `who` accordingly. done: it succeeded. */
inline change(who, to, what) {
	STEP(n = steps[who]);
	STEP(if
	     :: SAME -> value = to; seat = who + 1; kind = what; odd = n & 1; count = NEXT; done = 1
	     :: else -> done = 0
	     fi);
	n = 0;
	if
	:: done ->
		v = to; s = who + 1; k = what; c = NEXT; o = odd;
		/* What was announced, not what stands there now. */
		finish_seat();
		STEP(if :: SAME -> seat = 0; kind = 0; odd = 0 :: else fi)
	:: else
	fi
}

proctype user(byte me) {
	byte v, s, k, c, h, n, r;
	bit o, got, done;
	do
	:: r == ROUNDS -> break
	:: r < ROUNDS ->
		r++;
take:
		STEP(value > 0 || seat != 0 -> skip);
		settle();
		if
		:: v == 0 -> goto take
		:: else
		fi;
		change(me, v - 1, TAKE);
		if :: done :: else -> goto take fi;
		atomic { has[me] = 1 };
		/* Never more than there are. */
		assert(has[0] + has[1] <= UNITS);
give:
		settle();
		atomic { has[me] = 0 };
		change(me, v + 1, GIVE);
		if :: done :: else -> goto give fi
	od;
	atomic { finished = finished | BIT(me) };
	goto done_;
die:
	atomic { dead = dead | BIT(me); has[me] = 0 };
done_:
	v = 0
}

/* Give back what the dead hold; several at once may do it. */
proctype janitor(byte me) {
	byte v, s, k, c, h, n, who, x;
	bit o, got, done;
again:
	do
	:: atomic { (dead & BIT(0)) && (held[0] != 0 || seat != 0) -> who = 0 }; goto bury
	:: atomic { (dead & BIT(1)) && (held[1] != 0 || seat != 0) -> who = 1 }; goto bury
	:: (finished | dead) == BIT(USERS) - 1 && seat == 0 && held[0] + held[1] == 0 -> break
	od;
	goto over;
bury:
	settle();
	STEP(x = held[who]);
	if
	:: x == 0 -> goto again
	:: else
	fi;
	change(who, v + x, RECOVER);
	x = 0;
	goto bury;
die:
	skip;
over:
	v = 0
}

/* All the units are there again, and not one more: once every step was finished. */
proctype monitor() {
	timeout;
	assert(seat == 0 && value == UNITS && held[0] + held[1] == 0);
	assert(finished + dead == BIT(USERS) - 1)
}

init {
	byte k;
	atomic {
		do
		:: k < USERS -> run user(k); k++
		:: k >= USERS && k < USERS + JANITORS -> run janitor(k); k++
		:: else -> break
		od;
		run monitor()
	}
}
