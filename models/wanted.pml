/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a lock among other things (docs/formats/lock.md, the bell of a ferry_lock): nobody
 * sleeps on while the lock is free.
 *
 * The word is free or owned, with W and C; the door, who owns it and death are lock.pml's. Users take
 * it, some after they slept in its queue, or give up. One more waits at the bell, which is bell.pml's;
 * he is in no queue, and has nothing but W to be known by.
 */
#ifndef USERS
#define USERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define W     1
#define C     2
#define OWNED 4

byte word;
bit bell;   /* somebody may be asleep */
bit asleep; /* at the bell */

#define SWAP(from, to, ok) atomic { if :: word == (from) -> word = (to); ok = 1 :: else -> ok = 0 fi }

inline ring() {
	atomic {
		if
		:: bell -> bell = 0; asleep = 0
		:: else
		fi
	}
}

/* Somebody of the queue was woken, and comes; or nobody was there. */
inline call() {
	if
	:: skip
	:: do
	   :: atomic { seen = word };
		if
		:: !(seen & C) -> break
		:: (seen & C) && !(seen & OWNED) && (seen & W) -> SWAP(seen, seen & ~W, ok)
		:: (seen & C) && ((seen & OWNED) || !(seen & W)) ->
			SWAP(seen, seen & ~C, ok);
			if :: ok -> break :: else fi
		fi
	   od
	fi
}

proctype user() {
	byte n, seen, new;
	bit ok, slept;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		n++; slept = 0;
look:
		atomic { seen = word };
		if
		:: !(seen & OWNED) ->
			new = OWNED | seen;
			if
			:: slept -> new = OWNED | W
			:: else
			fi;
			SWAP(seen, new, ok);
			if :: ok -> goto held :: else -> goto look fi
		:: (seen & OWNED) && !slept ->
			SWAP(seen, seen | W, ok);
			if :: ok -> slept = 1 :: else fi;
			goto look
		:: (seen & OWNED) && slept ->
			/* In the queue: until it is free or somebody is called, or he gives up. */
			if
			:: !(word & OWNED) -> goto look
			:: skip -> goto give_up
			fi
		fi;
give_up:
		atomic { seen = word };
		if
		:: !(seen & C) -> goto over
		:: (seen & C) && (seen & OWNED) ->
			SWAP(seen, (seen & ~C) | W, ok);
			if :: ok -> goto over :: else -> goto give_up fi
		:: (seen & C) && !(seen & OWNED) ->
			SWAP(seen, seen & ~W, ok);
			if
			:: ok ->
				call();
#ifndef MUTANT_GIVES_UP_QUIETLY
				ring();
#endif
				goto over
			:: else -> goto give_up
			fi
		fi;
held:
		atomic { seen = word };
		assert(seen & OWNED);
		if
		:: !(seen & W) ->
			SWAP(seen, seen & ~OWNED, ok);
			if :: ok -> goto over :: else -> goto held fi
		:: (seen & W) && (seen & C) ->
			SWAP(seen, W | C, ok);
			if
			:: ok ->
#ifndef MUTANT_RINGS_WHEN_CALLING
				ring();
#endif
				goto over
			:: else -> goto held
			fi
		:: (seen & W) && !(seen & C) ->
			SWAP(seen, C, ok);
			if
			:: ok ->
				call();
#ifndef MUTANT_NO_RING
				ring();
#endif
				goto over
			:: else -> goto held
			fi
		fi;
over:
		skip
	od
}

proctype waiter() {
	byte n, seen;
	bit ok;
	do
	:: n == ROUNDS -> break
	:: n < ROUNDS ->
		if
		:: !(word & OWNED) -> n++; goto told
		:: else
		fi;
#ifndef MUTANT_WANTS_FIRST
		atomic { bell = 1 };
#endif
want:
		atomic { seen = word };
		if
		:: seen & W
#ifdef MUTANT_ONLY_IF_HELD
		:: !(seen & W) && !(seen & OWNED)
		:: !(seen & W) && (seen & OWNED) ->
#else
		:: !(seen & W) ->
#endif
			SWAP(seen, seen | W, ok);
			if :: ok :: else -> goto want fi
		fi;
#ifdef MUTANT_WANTS_FIRST
		atomic { bell = 1 };
#endif
		if
		:: !(word & OWNED) -> n++; goto told
		:: else
		fi;
		atomic {
			if
			:: bell -> asleep = 1
			:: else
			fi
		};
		!asleep;
told:
		skip
	od
}

/* C6: where nobody can take a step, nobody sleeps at the bell of a free lock. */
proctype monitor() {
	timeout;
	assert(!asleep || (word & OWNED))
}

init {
	byte k;
	atomic {
		do
		:: k < USERS -> run user(); k++
		:: else -> break
		od;
		run waiter();
		run monitor()
	}
}
