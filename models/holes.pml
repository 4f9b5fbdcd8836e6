/* SPDX-License-Identifier: MIT */
/*
 * holes.pml - several holes in a pipe's ring, over laps (docs/formats/pipe.md, "Holes").
 *
 * pipe.pml has every step of every writer, and so room for one hole only. Here is one writer after
 * the other, each of which writes one unit, or loses its turn and leaves a hole of one or two units
 * (sizes are rounded up, so a hole may lie over another). The stopped owner of a hole may write
 * into it at any moment, until it lets go of it, at any moment. Readers are as fast or slow as they
 * like.
 *
 * Checked: nobody writes where the owner of a hole still may, and readers read what was written for
 * that very position, with the holes that writers skipped skipped by them too.
 */
#ifndef N
#define N 4 /* units in the ring */
#endif
#ifndef H
#define H 2 /* holes */
#endif
#ifndef END
#define END 14 /* positions until all is over */
#endif
#ifndef PASSES
#define PASSES 3
#endif

#define FREE   0
#define ACTIVE 1
#define LET_GO 2
#define NOBODY 255

byte pos[H], size[H], state[H];
byte turn, head;
byte ring[N];    /* the position that the unit was written for */
byte stopped[N]; /* so many stopped writers may write there */
byte passes;

/* Where hole i comes next for one who is at `at`: begin; NOBODY: nowhere. */
inline comes_next(i)
{
	begin = NOBODY;
	if
	:: state[i] == FREE
	:: state[i] != FREE && pos[i] + size[i] > at -> begin = pos[i]
#ifndef MUTANT_HOLE_ONCE
	:: state[i] == ACTIVE && pos[i] + size[i] <= at ->
		begin = pos[i] + N;
#ifndef MUTANT_ONE_LAP
		do
		:: begin + size[i] <= at -> begin = begin + N
		:: else -> break
		od
#else
		if
		:: begin + size[i] <= at -> begin = NOBODY
		:: else
		fi
#endif
#endif
	:: else
	fi
}

/* The owner of the turn at `at`. to: behind the hole that lies there, after it was moved on; at:
 * none; NOBODY: readers are still in it. */
inline meet()
{
	to = at;
	i = 0;
	do
	:: i < H && to == at ->
		d_step { comes_next(i); seen = pos[i]; was = state[i] };
		if
		:: begin != NOBODY && begin <= at && begin + size[i] > head + N -> to = NOBODY
		:: begin != NOBODY && begin <= at && begin + size[i] <= head + N ->
			d_step {
				if
				:: state[i] == was && pos[i] == seen -> pos[i] = begin; to = begin + size[i]
				:: else -> i-- /* let go of meanwhile: look again */
				fi
			};
			i++
		:: else -> i++
		fi
	:: else -> break
	od
}

proctype Writers()
{
	byte at, i, to, begin, seen, was, want;

	do
	:: turn < END ->
		at = turn;
		meet();
		if
		:: to == NOBODY -> /* until readers have moved */
			seen = head;
			(head != seen)
		:: to != at && to != NOBODY -> turn = to
		:: to == at && at < head + N ->
			if
			:: d_step {
				assert(stopped[at % N] == 0);
				ring[at % N] = at + 1
			   };
			   turn = at + 1
			:: passes < PASSES ->
				want = 1;
				do
				:: want < 2 -> want = 2; break
				:: break
				od;
				i = 0;
				do
				:: i < H && state[i] != FREE -> i++
				:: else -> break
				od;
				if
				:: i < H && at + want <= head + N ->
					atomic {
						passes++;
						pos[i] = at; size[i] = want; state[i] = ACTIVE;
						/* Of what it was rounded up to, it writes the first only. */
						stopped[at % N]++;
						turn = at + want
					}
				:: else
				fi
			:: else
			fi
		:: else ->
			seen = head;
			(head != seen)
		fi
	:: else -> break
	od
}

/* The stopped ones, each at its own time. */
proctype Owner(byte i)
{
	byte before;

	do
	:: atomic { state[i] == ACTIVE -> before = pos[i] % N };
	   atomic {
		if
		:: state[i] == ACTIVE -> stopped[pos[i] % N]--; state[i] = LET_GO
		:: else
		fi
	   }
	:: turn >= END && state[i] != ACTIVE -> break
	od
}

/* Readers, and those who tidy up. */
proctype Readers()
{
	byte at, i, to, v;

	do
	:: head < turn ->
		at = head; to = at; i = 0;
		do
		:: i < H && to == at ->
			if
			:: d_step { state[i] != FREE && pos[i] <= at && pos[i] + size[i] > at -> to = pos[i] + size[i] }
			:: else
			fi;
			i++
		:: else -> break
		od;
		if
		:: to != at -> head = (to < turn -> to : turn)
		:: else ->
			v = ring[at % N];
			d_step { assert(v == at + 1); head = at + 1 }
		fi
	:: head == turn && turn >= END -> break
	:: i = 0;
	   do
	   :: i < H ->
		d_step {
			if
#ifdef MUTANT_FREE_EARLY
			:: state[i] == LET_GO -> state[i] = FREE
#else
			:: state[i] == LET_GO && pos[i] + size[i] <= head -> state[i] = FREE
#endif
			:: else
			fi
		};
		i++
	   :: else -> break
	   od
	od
}

init
{
	byte k;

	atomic {
		run Writers();
		run Readers();
		k = 0;
		do
		:: k < H -> run Owner(k); k++
		:: else -> break
		od
	}
}
