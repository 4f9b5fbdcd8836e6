/* SPDX-License-Identifier: MIT */
/*
 * The mailbox protocol of docs/formats/mailbox.md, one ring, with kills and stops at every step.
 *
 * STEP is one access to shared memory, or the death of the one who would have made it. Every word
 * only grows, and who finds nothing to do blocks until a bell rings for it (`awake`), so the graph of
 * states has no cycle: each run ends, and what the monitor sees at each end shows that nothing jams.
 * -DMUTANT_... takes one protection away; models/check expects the search to fail then.
 */

/* The size of the world. Members: senders first, then receivers, then janitors. */
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef JANITORS
#define JANITORS 0 /* members that only recover the dead, at any pace */
#endif
#ifndef CELLS
#define CELLS 2
#endif
#ifndef CAPACITY
#define CAPACITY CELLS
#endif
#ifndef EACH
#define EACH 1 /* messages of each sender */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef FREEZES
#define FREEZES 0 /* members that stop for ever without dying */
#endif
#ifndef RETURNS
#define RETURNS 0 /* messages returned by hand */
#endif
#ifndef VICTIMS
#define VICTIMS 255 /* mask of the members that may be killed or frozen */
#endif
#ifndef ATTEMPT_MAX
#define ATTEMPT_MAX 3 /* 255 in ferry */
#endif
#define MEMBERS  (SENDERS + RECEIVERS + JANITORS)
#define MESSAGES (SENDERS * EACH)

/* A cell's word: lap, attempt, owner (slot + 1), LATE, state. */
#define EMPTY    0
#define CLAIMED  1
#define FULL     2
#define TAKEN    3
#define REVOKED  4
#define RETURNED 5
#define LATE     8
#define WORD(lap, attempt, owner, state) (((lap) << 9) | ((attempt) << 7) | ((owner) << 4) | (state))
#define LAP(w)       ((w) >> 9)
#define ATTEMPT(w)   (((w) >> 7) & 3)
#define OWNER(w)     (((w) >> 4) & 7)
#define STATE(w)     ((w) & 7)
#define IS_LATE(w)   (((w) & LATE) != 0)
#ifdef MUTANT_NO_ORIGIN
#define USES_ORIGIN(w) false
#else
#define USES_ORIGIN(w) IS_LATE(w)
#endif
#define FREED(w)     WORD(LAP(w) + 1, 0, 0, EMPTY)
#define FREE_CELL(c, w) cell[c] = FREED(w); half_a[c] = 0; half_b[c] = 0; RING(THE_SENDERS)
#define CELL(p)      ((p) % CELLS)
#define LAP_OF(p)    ((p) / CELLS)
#define LAP_MAX      30

/* A member slot's word: incarnation and status. */
#define FREE  0
#define ALIVE 1
#define DEAD  2
#define STATUS(s) ((s) & 3)

short cell[CELLS];
byte origin[CELLS];
byte half_a[CELLS], half_b[CELLS]; /* the payload, written and read in two steps */
byte head, tail;
byte returned; /* generation << 1 | active */
byte slot[MEMBERS];
bit lock[MEMBERS]; /* what the kernel drops when a process dies */
bit returning[MEMBERS];

/* Who need not sleep: a bell rang since it began to look. A death wakes all (that is the nap). */
byte awake = 255;
#define BIT(m)    (1 << (m))
#define BEGIN     awake = awake & ~BIT(me)
#define RING(who) awake = awake | (who)
/* No bell is rung for these, but a nap sees them: a cell that can be goal now. */
#ifdef WITHOUT_NAPS
#define NAP
#else
#define NAP RING(THE_SENDERS)
#endif
#define THE_SENDERS   (BIT(SENDERS) - 1)
#define THE_RECEIVERS (BIT(SENDERS + RECEIVERS) - BIT(SENDERS))

/* Ghosts: what the properties are about. Message m is bit m - 1 of a mask. */
byte sent;                /* its send has returned */
byte before[MESSAGES];    /* had been sent when this one's send was called */
byte taken;               /* came out at least once */
byte consumed;            /* its receive has finished */
byte back[MESSAGES];      /* how often it was returned */
byte first[RECEIVERS];    /* was RETURNED when this receive began, and is still */
byte out;                 /* members that take no further step, ever */
byte unburied;            /* members that died and whose slot is not FREE yet */
byte sending = SENDERS;   /* senders that have not sent all of theirs */
byte kills = KILLS, freezes = FREEZES, hand_returns = RETURNS;

/* One step, or death: the slot's next incarnation comes later, or never; or the member freezes. */
#define DIE kills--; unburied = unburied + (STATUS(slot[me]) == ALIVE); lock[me] = 0; RING(255)
#if KILLS || FREEZES
#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { kills > 0 && (VICTIMS & BIT(me)) -> DIE; goto dead } \
	:: atomic { kills > 0 && (VICTIMS & BIT(me)) -> DIE;             \
		    out = out | BIT(me); goto gone }                                                \
	:: atomic { freezes > 0 && (VICTIMS & BIT(me)) -> freezes--; out = out | BIT(me); goto gone } \
	fi
#else
#define STEP(x) atomic { x }
#endif

#define ID (me * EACH + n)
#include "one_to_one.pml"

#define MESSAGE_IN(c) half_a[c]

/* C1, C3, C4: what must hold when message m comes out, at this attempt. */
inline may_come_out(m, attempt) {
	assert(m > 0);
	assert(attempt == (back[m - 1] > ATTEMPT_MAX -> ATTEMPT_MAX : back[m - 1]));
	assert((consumed & BIT(m - 1)) == 0);
	assert((before[m - 1] & ~taken) == 0);
	assert((before[m - 1] & first[me - SENDERS]) == 0);
	taken = taken | BIT(m - 1);
	RING(BIT(me));
	first[me - SENDERS] = 0;
	g = 0;
	do
	:: g < RECEIVERS -> first[g] = first[g] & ~BIT(m - 1); g++
	:: else -> g = 0; break
	od
}

/* C4: the messages that have come back must be had before those sent after them. */
inline note_what_came_back() {
	first[me - SENDERS] = 0;
	g = 0;
	do
	:: g < CELLS && STATE(cell[g]) == RETURNED ->
		first[me - SENDERS] = first[me - SENDERS] | BIT(MESSAGE_IN(g) - 1); g++
	:: g < CELLS && STATE(cell[g]) != RETURNED -> g++
	:: else -> g = 0; break
	od
}

/* A set bit and a new generation, before any cell becomes RETURNED. */
#ifdef MUTANT_NO_GENERATION
#define ANNOUNCE returned = returned | 1
#else
#define ANNOUNCE returned = (((returned >> 1) + 1) << 1) | 1
#endif

#define RAISE_ORIGIN(c) origin[c] = (origin[c] < LAP(w) -> LAP(w) : origin[c])

inline raise_origin() {
	if
	:: STATE(w) == TAKEN && !IS_LATE(w) && ATTEMPT(w) == ATTEMPT_MAX -> STEP(RAISE_ORIGIN(c))
	:: else
	fi
}

/* TAKEN to RETURNED. Past ATTEMPT_MAX the attempt stands and the lap rises, so no word comes twice. */
inline give_back(c, w) {
	assert(returned & 1);
	back[MESSAGE_IN(c) - 1] = back[MESSAGE_IN(c) - 1] + 1;
	if
	:: ATTEMPT(w) < ATTEMPT_MAX -> cell[c] = WORD(LAP(w), ATTEMPT(w) + 1, 0, RETURNED | (w & LATE))
#ifdef MUTANT_ATTEMPT_CYCLES
	:: else -> cell[c] = WORD(LAP(w), ATTEMPT(w), 0, RETURNED | (w & LATE))
#else
	:: else -> cell[c] = WORD(LAP(w) + 1, ATTEMPT(w), 0, RETURNED | LATE)
#endif
	fi;
	RING(THE_RECEIVERS)
}

/*
 * Find the dead and give back what they held. With `mark`, also find out who died; otherwise only
 * those whose slot is DEAD already. Needs locals d, c, w, s.
 */
#ifdef MUTANT_NO_DEAD_CHECK
#define STILL_DEAD true
#elif defined(MUTANT_ANY_INCARNATION)
#define STILL_DEAD (STATUS(slot[d]) == DEAD)
#else
#define STILL_DEAD (slot[d] == s)
#endif

inline care(mark) {
	d = 0;
	do
	:: atomic { d < MEMBERS && (d == me || !(VICTIMS & BIT(d))) -> d++ }
	:: d < MEMBERS && d != me && (VICTIMS & BIT(d)) ->
		STEP(s = slot[d];
		     if
		     :: STATUS(s) == ALIVE && mark -> goto care_mark
		     :: STATUS(s) == DEAD -> goto care_recover
		     :: else -> goto care_next
		     fi);
care_mark:
		STEP(if
		     :: lock[d] -> goto care_next
		     :: else
		     fi);
#ifdef MUTANT_LOCK_BEFORE_STATE
		STEP(s = slot[d];
		     if
		     :: STATUS(s) == ALIVE
		     :: else -> goto care_next
		     fi);
#endif
		STEP(if
		     :: slot[d] == s -> s = s - ALIVE + DEAD; slot[d] = s; RING(255)
		     :: else -> goto care_next
		     fi);
care_recover:
		STEP(ANNOUNCE; c = 0);
care_cell:
		STEP(w = cell[c];
		     if
		     :: OWNER(w) == d + 1
		     :: else ->
			c++;
			if
			:: c < CELLS -> goto care_cell
			:: else -> goto care_free
			fi
		     fi);
		raise_origin();
		STEP(if
		     :: STILL_DEAD
		     :: else -> goto care_next
		     fi);
		STEP(if
		     :: cell[c] == w && STATE(w) == TAKEN -> give_back(c, w)
		     :: cell[c] == w && STATE(w) != TAKEN -> FREE_CELL(c, w)
		     :: else
		     fi;
		     goto care_cell);
care_free:
		STEP(free_roles(d, s));
		STEP(if
		     :: slot[d] == s -> slot[d] = s - DEAD + FREE; unburied--; RING(255)
		     :: else
		     fi);
care_next:
		atomic { c = 0; w = 0; s = 0; d++ }
	:: atomic { d == MEMBERS -> d = 0; break }
	od
}

inline join() {
	STEP(if
	     :: STATUS(slot[me]) == FREE -> slot[me] = slot[me] + 4 + ALIVE
	     :: else
	     fi)
}

/* The dead one's slot is free and the next incarnation has its lock. */
#define REBORN STATUS(slot[me]) == FREE -> lock[me] = 1; returning[me] = 0

#define RAISE_TAIL(p) tail = (tail < p -> p : tail)
#define RAISE_HEAD(p) head = (head < p -> p : head)
#ifdef MUTANT_NO_QUARANTINE
#define REVOKE(c) FREE_CELL(c, w)
#else
#define REVOKE(c) cell[c] = w - CLAIMED + REVOKED
#endif
/* Use up our lap of a cell that is held from the lap before. A claim is revoked by that. */
#define PASSED(w)                                                                                  \
	((w) + WORD(1, 0, 0, 0) +                                                                  \
	 (STATE(w) == CLAIMED -> REVOKED - CLAIMED : (STATE(w) == REVOKED || IS_LATE(w) -> 0 : LATE)))
#ifdef MUTANT_PASS_ON_ANY_EMPTY
#define PASSED_ONE goal++
#else
#define PASSED_ONE
#endif
#ifdef MUTANT_CLAIM_IS_FULL
#define PASS_CLAIMED no_room
#else
#define PASS_CLAIMED pass
#endif
#ifdef MUTANT_NO_PASSING
#define PASS_HELD no_room
#elif defined(MUTANT_SKIP_UNMARKED)
#define PASS_HELD skip_it
#else
#define PASS_HELD pass
#endif
#if CAPACITY < CELLS
#define FORGET p = 0; w = 0; goal = 0; q = 0; filled = 0
#else
#define FORGET p = 0; w = 0; goal = 0
#endif

proctype sender(byte me) {
	byte n, p, goal;
#ifdef MUTANT_PASS_ON_ANY_EMPTY
	byte c;
#endif
#if CAPACITY < CELLS
	byte q, filled;
#endif
	short w;
life:
	join();
#ifdef ONE_TO_ONE
	take_role(0);
#endif
call:
	if
#ifdef ONE_TO_ONE
	:: n == EACH -> atomic { free_roles(me, slot[me]); sending--; RING(255); false }
#else
	:: n == EACH -> sending--; false
#endif
	:: else
	fi;
	STEP(BEGIN; n++; before[ID - 1] = sent; p = tail; goto look);
again:
	STEP(BEGIN; p = tail);
look:
	STEP(w = cell[CELL(p)];
	     assert(LAP(w) < LAP_MAX);
	     if
	     :: LAP(w) == LAP_OF(p) && STATE(w) == EMPTY -> goto claim
	     :: LAP(w) == LAP_OF(p) && STATE(w) != EMPTY -> p++; goto look
	     :: LAP(w) > LAP_OF(p) -> p++; goto look
#ifdef ONE_TO_ONE
	     :: LAP(w) + 1 == LAP_OF(p) && STATE(w) == FULL -> goto behind
#else
	     :: LAP(w) + 1 == LAP_OF(p) && STATE(w) == FULL -> goto no_room
#endif
	     :: LAP(w) + 1 == LAP_OF(p) && STATE(w) == CLAIMED -> goto PASS_CLAIMED
	     :: LAP(w) + 1 == LAP_OF(p) && STATE(w) >= TAKEN -> goto PASS_HELD
	     :: else -> assert(false)
	     fi);
pass:
	/* Only if that gains something: an EMPTY cell further on, and no message before it. */
#if defined(MUTANT_PASS_FOR_EVER)
	skip;
#elif defined(MUTANT_PASS_ON_ANY_EMPTY)
	if
	:: goal == 0 -> goal = 1
	:: goal > CELLS + 1 -> goto no_room
	:: else -> goto pass_it
	fi;
	c = 0;
search:
	STEP(if
	     :: c == CELLS -> goto no_room
	     :: c < CELLS && STATE(cell[c]) == EMPTY -> c = 0
	     :: else -> c++; goto search
	     fi);
pass_it:
#else
	if
	:: p < goal -> goto pass_it
	:: else -> goal = p + 1
	fi;
search:
	STEP(if
	     :: goal == p + CELLS -> goto no_room
	     :: goal < p + CELLS && cell[CELL(goal)] == WORD(LAP_OF(goal), 0, 0, EMPTY) -> skip
	     :: goal < p + CELLS && cell[CELL(goal)] == WORD(LAP_OF(goal) - 1, 0, 0, FULL) ->
		if
		:: RECEIVED(goal - CELLS) -> skip
		:: else -> goto no_room
		fi
	     :: else -> goal++; goto search
	     fi);
pass_it:
#endif
	if
	:: !IS_LATE(w) && (STATE(w) == TAKEN || STATE(w) == RETURNED) -> STEP(RAISE_ORIGIN(CELL(p)))
	:: else
	fi;
	STEP(if
	     :: cell[CELL(p)] == w -> cell[CELL(p)] = PASSED(w); p++; PASSED_ONE
	     :: else
	     fi;
	     goto look);
#ifdef MUTANT_SKIP_UNMARKED
skip_it:
	p++;
	goto look;
#endif
#ifdef ONE_TO_ONE
behind:
	see_that_it_was_received();
	goto claim;
#endif
no_room:
	p = 0; w = 0; goal = 0;
	STEP(awake & BIT(me) -> goto again);
claim:
#if CAPACITY < CELLS
	/* The positions from head on that hold a message or will hold one. */
	STEP(q = head);
#ifdef MUTANT_CAPACITY_BY_HINTS
	filled = p - q;
#else
	do
	:: q < p ->
		STEP(if
		     :: LAP(cell[CELL(q)]) == LAP_OF(q) && STATE(cell[CELL(q)]) == FULL -> filled++
		     :: LAP(cell[CELL(q)]) == LAP_OF(q) && STATE(cell[CELL(q)]) == CLAIMED -> filled++
		     :: else
		     fi;
		     q++)
	:: else -> break
	od;
#endif
	q = 0;
	if
	:: filled >= CAPACITY -> filled = 0; goto no_room
	:: else -> filled = 0
	fi;
#endif
#ifdef ONE_TO_ONE
	put_plainly();
	goto publish;
#endif
	STEP(if
	     :: cell[CELL(p)] == w -> w = w | WORD(0, 0, me + 1, CLAIMED); cell[CELL(p)] = w; RING(BIT(me))
	     :: else -> goto look
	     fi);
	STEP(half_a[CELL(p)] = ID);
	STEP(half_b[CELL(p)] = ID);
	STEP(if
	     :: cell[CELL(p)] == w ->
		cell[CELL(p)] = WORD(LAP(w), 0, 0, FULL);
		w = 0;
		RING(THE_RECEIVERS);
		goto publish
	     :: else
	     fi);
revoked:
#ifdef MUTANT_NO_QUARANTINE
	goto again;
#endif
	STEP(w = cell[CELL(p)]; assert(OWNER(w) == me + 1 && STATE(w) == REVOKED));
	STEP(if
	     :: cell[CELL(p)] == w -> FREE_CELL(CELL(p), w); w = 0; goto again
	     :: else -> goto revoked
	     fi);
publish:
#ifdef RACY_HINTS
	STEP(if
	     :: tail < p + 1
	     :: else -> goto raised
	     fi);
	STEP(tail = p + 1);
raised:
	STEP(sent = sent | BIT(ID - 1); RING(BIT(me)); p = 0; goal = 0; goto call);
#else
	STEP(RAISE_TAIL(p + 1); p = 0; goal = 0);
#endif
	STEP(sent = sent | BIT(ID - 1); RING(BIT(me)); goto call);
dead:
	RING(BIT(me)); FORGET;
	atomic { REBORN; goto life };
gone:
	FORGET;
	false
}

proctype receiver(byte me) {
	byte p, q, c, d, s, got, word, best, order, g;
	short w, bw;
	bit keep, caring;
life:
	join();
#ifdef ONE_TO_ONE
	take_role(1);
#endif
receive:
	STEP(BEGIN; note_what_came_back(); word = returned;
	     if
	     :: word & 1
	     :: else -> word = 0; goto ring
	     fi);
	caring = 0;
do_care:
	care(caring);
	if
	:: caring -> caring = 0; goto sleep
	:: else
	fi;
	/* Who is just now returning a message by hand? */
#if RETURNS && !defined(MUTANT_NO_RETURNING)
	d = 0;
	do
	:: d < MEMBERS ->
		STEP(if
		     :: returning[d] && STATUS(slot[d]) == ALIVE -> keep = 1
		     :: else
		     fi;
		     d++)
	:: else -> d = 0; break
	od;
#endif
	/* The oldest RETURNED cell. */
	best = CELLS; order = 255; c = 0;
	do
	:: c < CELLS ->
		STEP(w = cell[c];
		     if
		     :: STATE(w) == RETURNED && USES_ORIGIN(w)
		     :: STATE(w) == RETURNED && !USES_ORIGIN(w) -> q = LAP(w) * CELLS + c; goto compare
		     :: else -> goto other
		     fi);
		STEP(q = origin[c] * CELLS + c);
compare:
		if
		:: q < order -> order = q; best = c; bw = w
		:: else
		fi;
other:
		atomic { w = 0; q = 0; c++ }
	:: else -> break
	od;
	c = best; w = bw; best = 0; bw = 0; order = 0;
	if
	:: c < CELLS ->
		word = 0; keep = 0;
		goto take
	:: else -> c = 0; w = 0
	fi;
	if
	:: !keep ->
		STEP(if
		     :: returned == word ->
			returned = word - 1;
			g = 0;
			do
			:: g < CELLS -> assert(STATE(cell[g]) != RETURNED); g++
			:: else -> g = 0; break
			od
		     :: else
		     fi)
	:: else
	fi;
	word = 0; keep = 0;
ring:
#ifdef MUTANT_OLD_HEAD
	p = 0;
#else
	STEP(p = head);
#endif
look:
	STEP(w = cell[CELL(p)];
	     if
	     :: LAP(w) == LAP_OF(p) && STATE(w) == FULL -> c = CELL(p); goto take
	     :: LAP(w) == LAP_OF(p) && STATE(w) == CLAIMED -> q = p + 1
	     :: LAP(w) == LAP_OF(p) && STATE(w) == EMPTY -> goto nothing
	     :: LAP(w) == LAP_OF(p) && STATE(w) >= TAKEN -> p++; goto look
	     :: LAP(w) > LAP_OF(p) -> p++; goto look
	     :: LAP(w) + 1 == LAP_OF(p) && STATE(w) >= TAKEN -> goto nothing
#ifdef ONE_TO_ONE
	     :: LAP(w) + 1 == LAP_OF(p) && STATE(w) == FULL -> assert(RECEIVED(p - CELLS)); goto nothing
#endif
	     :: else -> assert(false)
	     fi);
ahead:
	if
	:: q == p + CELLS -> goto nothing
	:: else
	fi;
	STEP(if
	     :: LAP(cell[CELL(q)]) == LAP_OF(q) && STATE(cell[CELL(q)]) == FULL -> q = 0
	     :: LAP(cell[CELL(q)]) == LAP_OF(q) && STATE(cell[CELL(q)]) == EMPTY -> goto nothing
	     :: LAP(cell[CELL(q)]) < LAP_OF(q) -> goto nothing
	     :: else -> q++; goto ahead
	     fi);
	/* A message waits behind the claim: its send has not returned, so pass it. */
#ifdef MUTANT_NO_REVOKING
	goto nothing;
#endif
	STEP(if
	     :: cell[CELL(p)] == w ->
		REVOKE(CELL(p));
		NAP;
		p++
	     :: else
	     fi;
	     goto look);
take:
#ifdef ONE_TO_ONE
	if
	:: goto take_in_place
	:: STATE(w) == FULL
	fi;
	receive_plainly();
	goto receive;
take_in_place:
#endif
#ifdef ONE_SWAP
	/* Either copy first and then empty the cell in one swap, or take it and copy at leisure. */
	if
	:: goto take_in_place
	:: true
	fi;
	STEP(got = half_a[c]);
	STEP(q = half_b[c]);
	STEP(if
	     :: cell[c] == w ->
		assert(got == q);
		may_come_out(got, ATTEMPT(w));
		FREE_CELL(c, w);
		consumed = consumed | BIT(got - 1);
		before[got - 1] = 0; back[got - 1] = 0;
		q = (STATE(w) == FULL); got = 0; c = 0; w = 0
	     :: else ->
		q = 0; got = 0; c = 0;
		if
		:: STATE(w) == FULL -> goto look
		:: else -> w = 0; goto receive
		fi
	     fi);
	if
	:: q -> q = 0; STEP(RAISE_HEAD(p + 1); p = 0; goto receive)
	:: else -> p = 0; goto receive
	fi;
take_in_place:
#endif
	STEP(if
	     :: cell[c] == w ->
		got = MESSAGE_IN(c);
		may_come_out(got, ATTEMPT(w));
		if
		:: STATE(w) == FULL -> q = 1
		:: else -> q = 0
		fi;
		NAP;
		w = WORD(LAP(w), ATTEMPT(w), me + 1, TAKEN | (w & LATE));
		cell[c] = w
	     :: else ->
		c = 0;
		if
		:: STATE(w) == FULL -> goto look
		:: else -> w = 0; goto receive
		fi
	     fi);
	if
#ifdef RACY_HINTS
	:: q && head < p + 1 -> STEP(head = p + 1)
	:: !q || head >= p + 1
#else
	:: q -> STEP(RAISE_HEAD(p + 1))
	:: else
#endif
	fi;
	q = 0; p = 0;
	STEP(assert(half_a[c] == got));
	STEP(assert(half_b[c] == got));
#if RETURNS
	if
	:: atomic { hand_returns > 0 -> hand_returns--; goto hand }
	:: true
	fi;
#endif
finish:
	STEP(if
	     :: cell[c] == w ->
		FREE_CELL(c, w);
		consumed = consumed | BIT(got - 1);
		before[got - 1] = 0; back[got - 1] = 0;
		got = 0; c = 0; w = 0;
		goto receive
	     :: else
	     fi);
	STEP(w = cell[c]; assert(OWNER(w) == me + 1 && STATE(w) == TAKEN); goto finish);
#if RETURNS
hand:
	STEP(returning[me] = 1);
	STEP(ANNOUNCE);
hand_again:
	STEP(w = cell[c]; assert(OWNER(w) == me + 1 && STATE(w) == TAKEN));
	raise_origin();
	STEP(if
	     :: cell[c] == w -> give_back(c, w); got = 0; c = 0; w = 0
	     :: else -> goto hand_again
	     fi);
	STEP(returning[me] = 0; goto receive);
#endif
nothing:
	p = 0; q = 0; w = 0; c = 0;
	STEP(if
	     :: unburied -> caring = 1; goto do_care
	     :: else
	     fi);
sleep:
	STEP(awake & BIT(me) -> goto receive);
dead:
	atomic { p = 0; q = 0; c = 0; d = 0; s = 0; got = 0; word = 0; best = 0; order = 0; w = 0; bw = 0; keep = 0; caring = 0 };
	atomic { REBORN; goto life };
gone:
	atomic { p = 0; q = 0; c = 0; d = 0; s = 0; got = 0; word = 0; best = 0; order = 0; w = 0; bw = 0; keep = 0; caring = 0 };
	false
}

proctype janitor(byte me) {
	byte c, d, s, g;
	short w;
life:
	join();
rounds:
	STEP(unburied > 0);
	care(1);
	goto rounds;
dead:
	atomic { c = 0; d = 0; s = 0; g = 0; w = 0 };
	atomic { REBORN; goto life };
gone:
	atomic { c = 0; d = 0; s = 0; g = 0; w = 0 };
	false
}

/* The last state: nobody who lives can take another step. */
proctype monitor() {
	byte m, c, p;
	timeout;
	atomic {
		/* C5: all live senders have finished, and somebody cleaned up after all the dead ... */
		do
		:: m < SENDERS && (out & BIT(m)) -> sending--; m++
		:: m < SENDERS && !(out & BIT(m)) -> m++
		:: else -> break
		od;
		/* ... unless no receiver is left: then all that waits for the next one to come. */
		m = SENDERS;
		do
		:: m < SENDERS + RECEIVERS && (!lock[m] || (out & BIT(m))) -> m++
		:: m < SENDERS + RECEIVERS && lock[m] && !(out & BIT(m)) -> break
		:: m == SENDERS + RECEIVERS -> goto end
		od;
		assert(sending == 0 && unburied == 0);
		/* C2: what was sent was received, unless a frozen member holds it. */
		m = sent & ~consumed;
		do
		:: c < CELLS ->
			assert(STATE(cell[c]) == EMPTY ||
			       (STATE(cell[c]) == FULL && RECEIVED(LAP(cell[c]) * CELLS + c)) || (OWNER(cell[c]) && (out & BIT(OWNER(cell[c]) - 1))));
			if
			:: STATE(cell[c]) == TAKEN -> m = m & ~BIT(MESSAGE_IN(c) - 1)
			:: else
			fi;
			c++
		:: else -> break
		od;
		assert(m == 0)
	};
end:
	m = 0
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
