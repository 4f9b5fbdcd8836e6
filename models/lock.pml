/* SPDX-License-Identifier: MIT */
/*
 * The lock of docs/formats/lock.md: exclusion, told of a death, no wake lost, the door.
 *
 * One word: owner and the marks W (waiters), C (called), D (door), I (inconsistent). A step is one
 * access to shared memory; in its place a process may die. Sleepers wait on the word with their
 * ticket; a release calls the next ticket. The data behind the lock are two bytes that a sound
 * critical section leaves equal.
 */
#ifndef USERS
#define USERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* critical sections of each user */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef BARGES
#define BARGES 1 /* turns of newcomers that fit into the time that one who was called waits at most */
#endif
#ifndef LOSSES
#define LOSSES 2 /* lost rounds that fit into the time after which a waiter shuts the door itself */
#endif
/* -DNAPS: a sleeper also looks by itself. -DSTOPS: a call may be taken for stale at any time.
 * -DGIVES_UP=n: n deadlines pass. */

#define BIT(m) (1 << (m))
#define W 1
#define C 2
#define D 4
#define I 8
#define LOST 240
#define OWNER(w) ((w) >> 4)
#define MINE ((me + 1) << 4)

byte word;
byte tickets = 1;
byte called;            /* the highest ticket called */
byte barged;            /* by the owner only */
byte asleep;            /* in the futex queue ... */
byte ticket_of[USERS];  /* ... with this ticket */
byte dead;
byte calling;           /* inside an acquire that has not ended */
byte awaited;           /* called, and neither arrived nor dead: for `stale` only */
byte kills = KILLS;
#ifdef GIVES_UP
byte gives = GIVES_UP;
#endif
byte x, y;              /* the data */
byte inside;
byte rude;              /* newcomers who went first since somebody called got it */

#define IS_DEAD(w) (OWNER(w) != 0 && OWNER(w) != 15 && (dead & BIT(OWNER(w) - 1)))
#ifdef STOPS
#define STALE 1
#else
#define STALE (awaited == 0)
#endif
#define NO_ONE 99

#if KILLS
#define STEP(s)                                                                                    \
	if                                                                                         \
	:: atomic { s }                                                                            \
	:: atomic { kills > 0 -> kills--; goto die }                                               \
	fi
#else
#define STEP(s) atomic { s }
#endif

#define SWAP(from, to, ok) if :: word == (from) -> word = (to); ok = 1 :: else -> ok = 0 fi

/* Wake the next ticket that sleeps; if nobody sleeps, nobody need be waited for. */
inline call() {
	do
	:: called + 1 < tickets ->
		STEP(called++);
		STEP(m = 0; got = 0;
		     do
		     :: m < USERS ->
			if
			:: (asleep & BIT(m)) && ticket_of[m] == called ->
				asleep = asleep & ~BIT(m); awaited = awaited | BIT(m); got = 1
			:: else
			fi;
			m++
		     :: else -> break
		     od; m = 0);
		if
		:: got -> break
		:: else
		fi
	:: else ->
		STEP(got = 0;
		     if
		     :: asleep == 0
		     :: asleep & 1 -> asleep = asleep & ~1; awaited = awaited | 1; got = 1
		     :: asleep & 2 -> asleep = asleep & ~2; awaited = awaited | 2; got = 1
		     :: asleep & 4 -> asleep = asleep & ~4; awaited = awaited | 4; got = 1
		     fi);
		if
		:: got -> break
		:: else ->
uncall:			STEP(w = word);
			if
			:: !(w & C) -> break
#ifndef MUTANT_UNCALLS_SLEEPER
			:: (w & C) && OWNER(w) == 0 && (w & W) ->
				/* Somebody went to sleep since: he is to be called. */
				STEP(SWAP(w, w & ~W, got));
				if :: got -> got = 0 :: else -> goto uncall fi
			:: (w & C) && !(OWNER(w) == 0 && (w & W)) ->
#else
			:: w & C ->
#endif
				STEP(SWAP(w, w & ~(C | D), got));
				if :: got -> break :: else -> goto uncall fi
			fi
		fi
	od;
	got = 0
}

proctype user(byte me) {
	byte w, new, ticket, lost, m, n;
	bit got, told, slept, summoned;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		n++; ticket = 0; lost = 0; slept = 0; told = 0; summoned = 0;
		STEP(calling = calling | BIT(me));
look:
		STEP(w = word; summoned = summoned || ticket != 0 && called >= ticket);
		if
		:: w == LOST -> goto over
		:: OWNER(w) == 0 && (!(w & D) && !(slept && (w & C)) || summoned || STALE) ->
			/* Free: take it. Who slept ends the call and answers for others; he does not go before
		 * one who was called. */
			new = MINE | (w & (W | I));
			if
			:: slept -> new = new | W
			:: else -> new = new | (w & (C | D))
			fi;
#ifdef MUTANT_NO_SECOND_W
			new = new & ~W;
#endif
			STEP(SWAP(w, new, got);
			     if
			     :: got ->
				told = (w & I) != 0; inside++; awaited = awaited & ~BIT(me);
				if
				:: (w & C) && !slept -> rude++
				:: slept -> rude = 0
				:: else
				fi;
#ifdef DOOR
				assert(rude <= BARGES + 1)
#endif
			     :: else
			     fi);
			if
			:: got ->
				got = 0;
				if
				:: slept -> STEP(barged = 0)
				:: else
				fi;
				goto held
			:: else -> goto look
			fi
		:: IS_DEAD(w) ->
			/* Nobody but we can change it now, and he is dead for good. */
			new = MINE | I | (w & (W | C));
			if
			:: slept -> new = (new | W) & ~C
			:: else
			fi;
#ifdef MUTANT_NOT_TOLD
			new = new & ~I;
#endif
			STEP(SWAP(w, new, got);
			     if
			     :: got -> told = (new & I) != 0; inside++; awaited = awaited & ~BIT(me); rude = 0
			     :: else
			     fi);
			if
			:: got -> got = 0; STEP(barged = 0); goto held
			:: else -> goto look
			fi
		:: else
		fi;
		/* Sleep: a ticket, the mark, then the word must still be what we saw. */
		if
		:: ticket == 0 -> STEP(ticket = tickets; tickets++; ticket_of[me] = ticket)
		:: else
		fi;
		new = w | W;
		if
		:: slept && summoned && OWNER(w) != 0 ->
			/* Called, and lost the race: we are to be called again before the others. */
#ifndef MUTANT_NOT_CALLED_AGAIN
			STEP(called = ticket - 1);
#endif
			new = new & ~C; lost++;
			if
			:: new = new | D
			:: lost < LOSSES
			fi
		:: slept && (w & C) && STALE && OWNER(w) != 0 -> new = new & ~C
		:: else
		fi;
#ifdef MUTANT_NO_W
		new = w;
#endif
		if
		:: new != w ->
			STEP(SWAP(w, new, got));
			if
			:: got -> got = 0
			:: else -> goto look
			fi
		:: else
		fi;
		STEP(awaited = awaited & ~BIT(me);
		     if
		     :: word == new -> asleep = asleep | BIT(me); summoned = 0; got = 1
		     :: else
		     fi;
		     slept = 1);
		if
		:: got -> got = 0
		:: else -> goto look
		fi;
		if
		:: STEP((asleep & BIT(me)) == 0 -> summoned = 1)
#ifdef NAPS
		/* A nap that would change nothing is not taken: it would only make the search endless. */
		:: STEP((asleep & BIT(me)) != 0 && (IS_DEAD(word) || OWNER(word) == 0 && STALE || (word & C) && STALE) ->
			asleep = asleep & ~BIT(me))
#endif
#ifdef GIVES_UP
		:: STEP(gives > 0 && (asleep & BIT(me)) != 0 -> gives--; asleep = asleep & ~BIT(me)); goto give_up
		:: STEP(gives > 0 && (asleep & BIT(me)) == 0 -> gives--; summoned = 1); goto give_up
#endif
		fi;
		goto look;
#ifdef GIVES_UP
give_up:
		/* A call that was for us is for somebody else. */
		STEP(w = word);
#ifndef MUTANT_KEEPS_CALL
		if
		:: w == LOST || !(w & C) || !summoned -> goto over
		:: OWNER(w) != 0 -> STEP(SWAP(w, (w & ~C) | W, got)); if :: got -> got = 0 :: else -> goto give_up fi
		:: else ->
			STEP(SWAP(w, (w & ~W), got));
			if
			:: got -> got = 0; call()
			:: else -> goto give_up
			fi
		fi;
#endif
		STEP(awaited = awaited & ~BIT(me));
		goto over;
#endif
held:
		assert(inside == 1);
		STEP(calling = calling & ~BIT(me));
		if
		:: told -> STEP(x = y)
		:: else -> assert(x == y)
		fi;
		if
		:: told ->
repair:			STEP(w = word);
			STEP(SWAP(w, w & ~I, got)); if :: got -> got = 0 :: else -> goto repair fi
		:: else
		fi;
		STEP(x++);
		STEP(y++);
release:
		STEP(w = word);
		assert(OWNER(w) == me + 1);
		if
		:: w == MINE ->
			STEP(SWAP(w, 0, got); if :: got -> inside-- :: else fi);
			if :: got -> got = 0 :: else -> goto release fi
		:: w & C ->
			STEP(barged++);
			new = w & (W | C | D);
#ifndef MUTANT_NO_DOOR
			if :: new = new | D :: barged < BARGES fi;
#endif
			STEP(SWAP(w, new, got); if :: got -> inside-- :: else fi);
			if :: got -> got = 0 :: else -> goto release fi
		:: else ->
			STEP(SWAP(w, C | (w & D), got); if :: got -> inside-- :: else fi);
			if
			:: got -> got = 0;
#ifndef MUTANT_NO_CALL
				call()
#endif
			:: else -> goto release
			fi
		fi;
over:
		STEP(calling = calling & ~BIT(me); awaited = awaited & ~BIT(me))
	od;
	goto done;
die:
	atomic {
		if :: OWNER(word) == me + 1 -> inside-- :: else fi;
		dead = dead | BIT(me); asleep = asleep & ~BIT(me); calling = calling & ~BIT(me);
		awaited = awaited & ~BIT(me)
	};
done:
	w = 0
}

/* C6: where nobody can take a step, nobody is still calling. */
proctype monitor() {
	timeout;
	assert(calling == 0)
}

init {
	byte k;
	atomic {
		do
		:: k < USERS -> run user(k); k++
		:: else -> break
		od;
		run monitor()
	}
}
