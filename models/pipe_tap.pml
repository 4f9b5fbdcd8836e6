/* SPDX-License-Identifier: MIT */
/*
 * pipe_tap.pml - a tap of a pipe (docs/formats/pipe.md, "Tapping"; src/pipe/tap.c).
 *
 * A tap reads what writers may be about to write over, holds nobody up, and must know afterwards
 * whether it can vouch for its copy. pipe.pml and holes.pml say that readers are right; here
 * writers are one after the other. A write lays two units around the holes and publishes them, or
 * gives up (or dies) and leaves wrong ones, or loses its turn and leaves a hole. The stopped owner
 * of a hole writes wrong units into it, lap after lap, until it lets go of it. Each step of the tap
 * is one look at shared memory.
 *
 * Checked: what the tap shows at a position is what was written for it, and what it takes for a hole
 * was never published. So what it counts as missed is right too: every position is shown, a hole, or
 * given up, and writers count the holes.
 */
#ifndef N
#define N 6 /* units in the ring */
#endif
#ifndef H
#define H 1 /* holes */
#endif
#ifndef END
#define END 8 /* positions until all is over */
#endif
#ifndef PASSES
#define PASSES 1
#endif
#ifndef LOSSES
#define LOSSES 1 /* writes that come to nothing */
#endif

#define W      2 /* units of a write, and the largest reservation */
#define FREE   0
#define ACTIVE 1
#define LET_GO 2
#define NONE   255

byte turn, head, quarantine; /* quarantine: generation << 1, bit 0 */
byte pos[H], state[H];       /* all holes have W units */
byte ring[N];                /* position + 1 that the unit was written for; 0: wrong */
bool over;

/* The judge's memory: the position was published. */
bool published[END + 8];

/* For the owner of the turn at `at`. to: behind the hole that lies there, after it was moved on;
 * at: none; NONE: readers are still in it. One step: holes.pml is about this. */
inline meet()
{
	d_step {
		to = at; i = 0;
		do
		:: i < H && to == at ->
			begin = pos[i];
			if
			:: state[i] == ACTIVE ->
				do
				:: begin + W <= at -> begin = begin + N
				:: else -> break
				od
			:: else
			fi;
			if
			:: state[i] == FREE || begin > at || begin + W <= at
			:: else ->
				if
				:: begin + W > h + N -> to = NONE
				:: else -> pos[i] = begin; to = begin + W
				fi
			fi;
			i++
		:: else -> break
		od;
		begin = 0; i = 0
	}
}

inline pass_over()
{
	i = 0;
	do
	:: i < H && state[i] != FREE -> i++
	:: else -> break
	od;
	if
	:: i < H && at + W <= h + N ->
		passes++;
		ring[at % N] = 0; /* it had begun */
		d_step { pos[i] = at; state[i] = ACTIVE };
#ifdef MUTANT_QUARANTINE_LATE
		turn = at + W;
		quarantine = (quarantine | 1) + 2
#else
		quarantine = (quarantine | 1) + 2;
		turn = at + W
#endif
	:: else
	fi
}

/* Two units around the holes; all of them, or `ok` is false. */
inline lay_down()
{
	ok = true; k = 0;
	do
	:: k < W && ok ->
		meet();
		if
		:: to == NONE -> ok = false
		:: to != NONE && to != at -> at = to
		:: to == at && at >= h + N -> ok = false
		:: to == at && at < h + N ->
			ring[at % N] = (good -> at + 1 : 0);
			d_step { if :: k == 0 -> first = at :: else fi; at++; k++ }
		fi
	:: else -> break
	od
}

proctype Writers()
{
	byte at, h, i, k, to, begin, first, passes, losses;
	bool good, ok;

	do
	:: turn < END ->
		d_step { at = turn; h = head; good = true; ok = false; i = 0; k = 0; to = 0; first = 0 };
		if
		:: passes < PASSES -> pass_over()
		:: losses < LOSSES -> losses++; good = false; lay_down()
		:: true ->
			lay_down();
			if
			:: ok -> d_step { turn = at; published[first] = true; published[at - 1] = true }
			:: !ok -> (head != h || turn == head)
			fi
		fi
	:: else -> break
	od;
	over = true
}

/* Stopped ones, each at its own time. */
proctype Owner(byte i)
{
	do
	:: atomic { state[i] == ACTIVE -> ring[pos[i] % N] = 0; ring[(pos[i] + 1) % N] = 0 }
	:: atomic { state[i] == ACTIVE -> state[i] = LET_GO }
	:: over && state[i] != ACTIVE -> break
	od
}

/* Readers, and those who tidy up. */
proctype Readers()
{
	byte i, to, q, left;

	do
	:: d_step {
		head < turn ->
		to = head;
		i = (quarantine & 1 -> 0 : H);
		do
		:: i < H ->
			if
			:: state[i] != FREE && pos[i] <= head && pos[i] + W > head -> to = pos[i] + W
			:: else
			fi;
			i++
		:: else -> break
		od;
		if
		:: to != head -> head = (to < turn -> to : turn)
		:: else -> assert(ring[head % N] == head + 1); head++
		fi;
		i = 0; to = 0
	   }
	:: quarantine & 1 ->
		q = quarantine;
		i = 0; left = 0;
		do
		:: i < H ->
			d_step {
				if
				:: state[i] == LET_GO && pos[i] + W <= head -> state[i] = FREE
				:: else -> left = left + (state[i] != FREE)
				fi
			};
			i++
		:: else -> break
		od;
		if
		:: left == 0 ->
#ifdef MUTANT_CLEAR_BLIND
			d_step { quarantine = quarantine & 254; q = 0; i = 0 }
#else
			d_step { if :: quarantine == q -> quarantine = q - 1 :: else fi; q = 0; i = 0 }
#endif
		:: else -> d_step { q = 0; i = 0; left = 0 }
		fi
	:: over && head == turn -> break
	od
}

/* ---- the tap ---- */

/* Where everybody is: q, h, t. */
inline look()
{
	do
	:: q = quarantine;
	   h = head;
	   t = turn;
	   if
#ifdef MUTANT_NO_QUARANTINE
	   :: t >= h -> break
#else
	   :: t >= h && quarantine == q -> break
#endif
	   :: else
	   fi
	od
}

inline give_up_to(p)
{
	d_step { if :: p > at -> at = p :: else fi }
}

inline copy()
{
	if
	:: n > 0 -> v = ring[at % N]
	:: else
	fi
}

/* The judge looks at what is shown. */
inline vouch()
{
	skip;
	d_step { if :: n > 0 -> assert(v == at + 1); at++ :: else fi }
}

/* The first hole that ends behind `at` and begins before t: from, to; NONE: none. */
inline hole_between()
{
	i = 0; from = NONE;
	do
	:: i < H ->
		d_step {
			if
			:: state[i] != FREE && pos[i] + W > at && pos[i] < t && pos[i] < from -> from = pos[i]; to = pos[i] + W
			:: else
			fi
		};
		i++
	:: else -> break
	od
}

inline copy_unread()
{
	give_up_to(h);
	hole_between();
	inside = (from != NONE && from <= at);
	n = (inside || t == at -> 0 : 1);
	copy();
	if
#ifndef MUTANT_NO_SECOND_LOOK_AT_HEAD
	:: head > at
#endif
	:: else ->
		if
		:: inside ->
			d_step {
				do
				:: at < to -> assert(!published[at]); at++
				:: else -> break
				od
			}
		:: else -> vouch()
		fi
	fi
}

#ifdef MUTANT_KEEPS_ALL
#define KEPT N
#else
#define KEPT (N - W)
#endif

inline copy_past()
{
	if
	:: t - at > KEPT -> give_up_to(t - KEPT / 2)
	:: else
	fi;
	n = (t == at -> 0 : 1);
	copy();
#ifndef MUTANT_NO_SECOND_LOOK
	look();
	if
#ifdef MUTANT_NO_QUARANTINE
	:: t - at > KEPT
#else
	:: q != known || t - at > KEPT
#endif
	:: else -> vouch()
	fi
#else
	vouch()
#endif
}

proctype Tap()
{
	byte at, known, q, h, t, n, i, from, to, v;
	bool inside;

	do
	:: skip; d_step { q = 0; h = 0; t = 0; i = 0; from = 0; to = 0; n = 0; v = 0; inside = false };
	   look();
	   if
	   :: t == at ->
		if
		:: atomic { turn != at }
		:: atomic { over && turn == at -> break }
		fi
	   :: else ->
		if
		:: !(q & 1) && q != known ->
#ifndef MUTANT_KEEPS_WHAT_WAS_READ
			give_up_to(h);
#endif
			known = q
		:: else
		fi;
		if
		:: q != known -> copy_unread()
		:: else -> copy_past()
		fi
	   fi
	od;
	assert(over)
}

init
{
	byte k;

	atomic {
		run Writers();
		run Readers();
		run Tap();
		k = 0;
		do
		:: k < H -> run Owner(k); k++
		:: else -> break
		od
	};
	timeout;
	assert(_nr_pr == 1) /* nobody is stuck */
}
