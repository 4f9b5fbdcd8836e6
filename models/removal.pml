/* SPDX-License-Identifier: MIT */
/*
 * Removing a segment in which others wait for a lock (docs/formats/lock.md, "Removal"): nobody
 * sleeps on, not even until his nap.
 *
 * The word is free or owned, and W. An owner who finds W at release clears it and wakes one. Naps are
 * left out: whoever is asleep at the end has missed the removal.
 */
#ifndef USERS
#define USERS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define W     1
#define OWNED 2
#define BIT(m) (1 << (m))

byte word;
byte asleep;  /* in the futex queue */
byte in;      /* have the lock */
bit removed;  /* the mark in the header */
bit over;     /* the remover has come to its end */

/* Clear W, so that nobody falls asleep who saw it, and wake all who have. */
inline wake_all() {
#ifndef MUTANT_KEEPS_W
	do
	:: atomic { seen = word };
		if
		:: !(seen & W) -> break
		:: seen & W ->
			atomic {
				if
				:: word == seen -> word = word & ~W; break
				:: else
				fi
			}
		fi
	od;
#endif
	atomic { asleep = 0 }
}

inline wake_one() {
	atomic {
		if
		:: asleep == 0
		:: asleep & 1 -> asleep = asleep & ~1
		:: asleep & 2 -> asleep = asleep & ~2
		:: asleep & 4 -> asleep = asleep & ~4
		fi
	}
}

proctype user(byte me) {
	byte n, seen;
	do
	:: n < ROUNDS && !removed ->
		n++;
look:
		atomic { seen = word };
		if
		:: !(seen & OWNED) ->
			atomic {
				if
				:: word == seen -> word = word | OWNED; in++
				:: else -> goto look
				fi
			};
			assert(in == 1);
leave:
			atomic { seen = word };
			atomic {
				if
				:: word == seen -> word = 0; in--
				:: else -> goto leave
				fi
			};
			if
			:: seen & W -> wake_one()
			:: else
			fi
		:: else ->
			if
			:: atomic { removed -> goto done }
			:: atomic { !removed }
			fi;
			if
			:: !(seen & W) ->
				atomic {
					if
					:: word == seen -> word = word | W; seen = word
					:: else -> goto look
					fi
				}
			:: else
			fi;
#ifndef MUTANT_NO_SECOND_LOOK
			if
			:: atomic { removed };
#ifndef MUTANT_LEAVES_W
				wake_all();
#endif
				goto done
			:: atomic { !removed }
			fi;
#endif
			/* FUTEX_WAIT: only if the word is still what we saw. */
			atomic {
				if
				:: word == seen -> asleep = asleep | BIT(me)
				:: else
				fi
			};
			atomic { (asleep & BIT(me)) == 0 };
			goto look
		fi
	:: else -> break
	od;
done:
	seen = 0
}

proctype remover() {
	byte seen;
#ifndef MUTANT_MARKS_LAST
	removed = 1;
#endif
	wake_all();
#ifdef MUTANT_MARKS_LAST
	removed = 1;
#endif
	over = 1
}

/* One who has the lock and never gives it back: those who wait can only learn of the removal. */
proctype holder() {
	atomic { !(word & OWNED) -> word = word | OWNED; in++ }
}

/* C6: where nobody can take a step, the segment is removed and nobody sleeps in it. */
proctype monitor() {
	timeout;
	assert(over && asleep == 0)
}

init {
	byte m;
	atomic {
		do
		:: m < USERS -> run user(m); m++
		:: else -> break
		od;
		run holder();
		run remover();
		run monitor()
	}
}
