/* SPDX-License-Identifier: MIT */
/*
 * mailbox_tap.pml - a tap of a mailbox (docs/formats/mailbox.md, "Tapping"; src/mailbox/tap.c).
 *
 * A tap changes nothing, so mailbox.pml says that everybody else is right; here are those of their
 * steps that a tap sees: cells that are claimed, filled, published, taken, passed, revoked, left by
 * the dead, dropped; `meta` and its void mark; the count of positions that no message ever had.
 * Which of the messages a receiver takes, and when a claim is revoked, is anybody's guess.
 * -DONE_TO_ONE: one sender, who fills cells without claiming them.
 *
 * Each step is one access to shared memory; in its place a process may die (KILLS), and one that
 * stands still is one that is not scheduled.
 *
 * Checked: what is shown at a position is the message that was sent there, whole; each at most once,
 * and none behind one that was sent after it; where the tap sees that there was none, there never
 * is one; and in the end `missed` is what was sent and not shown. But for two things: who dies
 * between using a position up and counting it (late_counts) makes it one too high; a position that
 * was used up, but not counted yet, or only claimed when the tap came (early), one too low.
 */
#define CELLS 2
#ifndef SENDERS
#define SENDERS 2
#endif
#ifndef RECEIVERS
#define RECEIVERS 1
#endif
#ifndef EACH
#define EACH 2 /* messages of each sender */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef REVOKES
#define REVOKES 0
#endif
#ifndef PASSED_MAX
#define PASSED_MAX 2 /* 64 in ferry */
#endif
#ifndef VICTIMS
#define VICTIMS 255 /* mask of the members that may be killed; the recoverer is none */
#endif
#define MESSAGES (SENDERS * EACH)
#define END      (2 * MESSAGES + 2 * CELLS + REVOKES + KILLS + 2) /* more positions than are used */

/* A cell's word: lap, owner (member + 1), LATE, state. */
#define EMPTY    0
#define CLAIMED  1
#define FULL     2
#define TAKEN    3
#define REVOKED  4
#define RETURNED 5
#define LATE     8
#define WORD(lap, owner, state) (((lap) << 7) | ((owner) << 4) | (state))
#define LAP(w)    ((w) >> 7)
#define OWNER(w)  (((w) >> 4) & 7)
#define STATE(w)  ((w) & 7)
#define CELL(p)   ((p) % CELLS)
#define LAP_OF(p) ((p) / CELLS)
#define FREED(w)  WORD(LAP(w) + 1, 0, EMPTY)

#define VOID       1
#define META(lap)  ((lap) << 1)

short cell[CELLS];
byte meta[CELLS], origin[CELLS], half_a[CELLS], half_b[CELLS];
byte tail, head, burned;
byte dead; /* a bit for each member */

/* The judge's memory. */
byte had[END];         /* what was sent there: message + 1 */
byte before[MESSAGES]; /* what had been sent when this one's send was called */
byte sent, late_counts, working, kills = KILLS, revokes = REVOKES;

#define BIT(n) (1 << (n))

#if KILLS && !defined(ONE_TO_ONE)
#define STEP(x)                                                          \
	if                                                               \
	:: atomic { x }                                                  \
	:: atomic { kills > 0 && (VICTIMS & BIT(me)) -> kills--; dead = dead | BIT(me); goto gone } \
	fi
/* The count comes after the step that it is about. */
#define COUNT                                                            \
	if                                                               \
	:: atomic { burned++ }                                           \
	:: atomic { kills > 0 && (VICTIMS & BIT(me)) -> kills--; late_counts++; dead = dead | BIT(me); goto gone } \
	fi
#else
#define STEP(x) atomic { x }
#define COUNT   atomic { burned++ }
#endif

/* Say that what is in cell c is of no message that came to its end here. */
inline mark_void(c, w) {
#ifndef MUTANT_NO_VOID
	STEP(m = meta[c]);
	STEP(ok = (cell[c] == w));
	STEP(if
	     :: ok && meta[c] == m -> meta[c] = m | VOID
	     :: else
	     fi; m = 0; ok = false);
#else
	skip
#endif
}

/* Empty cell c, which has held nothing at the end, and count its position. done: it was as w. */
inline empty_it(c, w) {
	mark_void(c, w);
	STEP(done = (cell[c] == w);
	     if
	     :: done -> cell[c] = FREED(w)
	     :: else
	     fi);
	if
	:: done -> COUNT
	:: else
	fi
}

/* Finish the message that we took in cell c; senders may pass it meanwhile. */
inline finish(c) {
	do
	:: w = cell[c];
	   if
	   :: w & LATE -> mark_void(c, w)
	   :: else
	   fi;
	   STEP(if
		:: cell[c] == w -> cell[c] = FREED(w); w = 0; break
		:: else
		fi)
	od
}

#ifdef ONE_TO_ONE
#define HAS_MESSAGE(i) (STATE(cell[i]) == RETURNED || (STATE(cell[i]) == FULL && LAP(cell[i]) * CELLS + (i) >= head))
#else
#define HAS_MESSAGE(i) (STATE(cell[i]) == RETURNED || STATE(cell[i]) == FULL)
#endif
#define SOME_MESSAGE (HAS_MESSAGE(0) || HAS_MESSAGE(1))

/* The oldest message is in cell c; NONE: there is none. One step: mailbox.pml is about this. */
#define NONE 255
inline oldest() {
	c = NONE; i = 0;
	do
	:: i < CELLS ->
		if
		:: STATE(cell[i]) == RETURNED -> c = i; break
		:: STATE(cell[i]) == FULL && HAS_MESSAGE(i) && (c == NONE || LAP(cell[i]) < LAP(cell[c])) -> c = i
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

#define ID (me * EACH + n)

#define SOME_CELL_IS_FREE (cell[CELL(p + 1)] == WORD(LAP_OF(p + 1), 0, EMPTY))

/* Use up our lap of a cell that is held from the lap before. */
#define PASSED_BY(w) \
	((w) + WORD(1, 0, 0) + (STATE(w) == CLAIMED -> REVOKED - CLAIMED : (STATE(w) == REVOKED || ((w) & LATE) -> 0 : LATE)))

#ifndef ONE_TO_ONE
proctype Sender(byte me) {
	byte n, p, c, i, m;
	short w;
	bool ok, done;

	do
	:: n == EACH -> break
	:: else ->
		atomic { before[ID] = sent; p = tail };
look:
		STEP(w = cell[CELL(p)];
		     if
		     :: w == WORD(LAP_OF(p), 0, EMPTY) ->
			cell[CELL(p)] = WORD(LAP_OF(p), me + 1, CLAIMED);
			tail = (tail < p + 1 -> p + 1 : tail);
			goto fill
		     :: LAP(w) > LAP_OF(p) || (LAP(w) == LAP_OF(p) && STATE(w) != EMPTY) -> p++; goto look
		     :: LAP(w) < LAP_OF(p) && STATE(w) == FULL -> goto no_room
		     :: LAP(w) < LAP_OF(p) && STATE(w) != FULL ->
			if
			:: SOME_CELL_IS_FREE -> goto pass
			:: else -> goto no_room
			fi
		     fi);
pass:
		if
		:: !(w & LATE) && (STATE(w) == TAKEN || STATE(w) == RETURNED) ->
			STEP(origin[CELL(p)] = (origin[CELL(p)] < LAP(w) -> LAP(w) : origin[CELL(p)]))
		:: else
		fi;
		STEP(done = (cell[CELL(p)] == w);
		     if
		     :: done -> cell[CELL(p)] = PASSED_BY(w)
		     :: else
		     fi);
		if
		:: done -> COUNT
		:: else
		fi;
		goto look;
no_room:
#ifdef DROPS
		STEP(oldest();
		     if
		     :: c == NONE -> c = 0; p = tail; goto look
		     :: else -> cell[c] = WORD(LAP(cell[c]), me + 1, TAKEN | (cell[c] & LATE))
		     fi);
		finish(c);
		c = 0;
#else
		/* Until anything has changed there. */
		STEP(cell[CELL(p)] != w || (STATE(w) != FULL && SOME_CELL_IS_FREE));
#endif
		p = tail;
		goto look;
fill:
		STEP(half_a[CELL(p)] = ID + 1);
		STEP(half_b[CELL(p)] = ID + 1);
		STEP(meta[CELL(p)] = META(LAP_OF(p)));
		STEP(w = cell[CELL(p)];
		     if
		     :: w == WORD(LAP_OF(p), me + 1, CLAIMED) ->
			cell[CELL(p)] = WORD(LAP_OF(p), 0, FULL);
			had[p] = ID + 1; sent = sent | BIT(ID); n++; p = 0; w = 0
		     :: else -> goto revoked
		     fi);
		goto next;
revoked:
		do
		:: empty_it(CELL(p), w);
		   w = cell[CELL(p)];
		   if
		   :: done -> break
		   :: else
		   fi
		od;
		atomic { done = false; p = tail; goto look };
next:
		skip
	od;
gone:
	atomic { working-- }
}
#else
/* One sender after the other, all in one: who dies in the middle leaves all to the next. */
#define SHARE(x)                                                        \
	if                                                              \
	:: atomic { x }                                                 \
	:: atomic { kills > 0 -> kills--; n++; w = 0; goto next }       \
	fi
proctype Sender(byte me) {
	byte n, p;
	short w;

	do
	:: n == EACH -> break
	:: else ->
		atomic { before[ID] = sent; p = tail };
look:
		SHARE(w = cell[CELL(p)];
		      if
		      :: w == WORD(LAP_OF(p), 0, EMPTY) || (w == WORD(LAP_OF(p) - 1, 0, FULL) && p - CELLS < head)
		      :: LAP(w) > LAP_OF(p) || (LAP(w) == LAP_OF(p) && STATE(w) != EMPTY) -> p++; goto look
		      :: LAP(w) < LAP_OF(p) && STATE(w) >= TAKEN && SOME_CELL_IS_FREE -> goto pass
		      :: else -> (cell[CELL(p)] != w || (STATE(w) == FULL && p - CELLS < head) ||
				  (STATE(w) >= TAKEN && SOME_CELL_IS_FREE)) -> goto look
		      fi);
#ifndef MUTANT_NO_VOID_BEFORE_FILLING
		SHARE(meta[CELL(p)] = META(LAP_OF(p)) | VOID);
#endif
		if
		:: w != WORD(LAP_OF(p), 0, EMPTY) -> SHARE(cell[CELL(p)] = WORD(LAP_OF(p), 0, EMPTY))
		:: else
		fi;
		SHARE(half_a[CELL(p)] = ID + 1);
		SHARE(half_b[CELL(p)] = ID + 1);
		SHARE(meta[CELL(p)] = META(LAP_OF(p)));
		SHARE(cell[CELL(p)] = WORD(LAP_OF(p), 0, FULL); had[p] = ID + 1; sent = sent | BIT(ID));
		SHARE(tail = p + 1; n++; w = 0);
		goto next;
pass:
		if
		:: !(w & LATE) -> SHARE(origin[CELL(p)] = LAP(w))
		:: else
		fi;
		SHARE(if
		      :: cell[CELL(p)] == w -> cell[CELL(p)] = PASSED_BY(w); burned++
		      :: else
		      fi);
		atomic { p++; goto look };
next:
		skip
	od;
	atomic { working-- }
}
#endif

proctype Receiver(byte me) {
	byte c, i, m;
	short w;
	bool ok;

	do
	:: atomic {
		oldest();
		if
		:: c == NONE -> c = 0; w = 0; (SOME_MESSAGE || working <= RECEIVERS) ->
			if
			:: SOME_MESSAGE -> goto again
			:: else -> goto gone
			fi
#ifdef ONE_TO_ONE
		:: c != NONE && STATE(cell[c]) == FULL -> head = LAP(cell[c]) * CELLS + c + 1; c = 0; goto again
#else
		:: c != NONE -> cell[c] = FREED(cell[c]) & ~LATE; c = 0; goto again /* copied before */
#endif
		:: c != NONE ->
#ifdef ONE_TO_ONE
			head = (STATE(cell[c]) == FULL -> LAP(cell[c]) * CELLS + c + 1 : head);
#endif
			cell[c] = WORD(LAP(cell[c]), me + 1, TAKEN | (cell[c] & LATE))
		fi
	   };
	   STEP(skip);
	   finish(c);
	   c = 0;
again:
	   skip
	od;
gone:
	atomic { working-- }
}

/* Some receiver who has found a message behind an unfinished claim. */
proctype Impatient() {
	byte c;

	do
	:: atomic { revokes > 0 && STATE(cell[0]) == CLAIMED -> c = 0 }
	   atomic { if :: STATE(cell[c]) == CLAIMED -> cell[c] = cell[c] - CLAIMED + REVOKED :: else fi; revokes-- }
	:: atomic { revokes > 0 && STATE(cell[1]) == CLAIMED -> c = 1 }
	   atomic { if :: STATE(cell[c]) == CLAIMED -> cell[c] = cell[c] - CLAIMED + REVOKED :: else fi; revokes--; c = 0 }
	:: atomic { working == 0 || revokes == 0 -> break }
	od
}

/* Recovers the dead. */
#define LEFT_BY_THE_DEAD(i) (OWNER(cell[i]) != 0 && (dead & BIT(OWNER(cell[i]) - 1)))
#define OVER                (working == 0 && !LEFT_BY_THE_DEAD(0) && !LEFT_BY_THE_DEAD(1))
inline recover(c) {
	do
	:: w = cell[c];
	   if
	   :: OWNER(w) == 0 || !(dead & BIT(OWNER(w) - 1)) -> break
	   :: else
	   fi;
	   if
	   :: STATE(w) == TAKEN ->
		atomic {
			if
			:: cell[c] == w -> cell[c] = WORD(LAP(w), 0, RETURNED | (w & LATE)); break
			:: else
			fi
		}
	   :: else ->
		mark_void(c, w);
		atomic {
			if
			:: cell[c] == w -> cell[c] = FREED(w); burned++; break
			:: else
			fi
		}
	   fi
	od;
	w = 0
}

proctype Janitor() {
	byte m, me = 7;
	short w;
	bool ok;

	do
	:: LEFT_BY_THE_DEAD(0) -> recover(0)
	:: LEFT_BY_THE_DEAD(1) -> recover(1)
	:: atomic { OVER -> break }
	od;
gone:
	skip
}

/* ---- the tap ---- */

/* What can be seen of a position. */
#define NOT_YET 0
#define SENDING 1
#define NOTHING 2
#define GONE    3
#define THERE   4
#define AGAIN   5

#define LOOK(x) atomic { x }

/* By the meta of an EMPTY cell. */
#ifdef MUTANT_VOID_IS_NOTHING
#define VOIDED NOTHING
#else
#define VOIDED (LAP(w) == lap + 1 -> NOTHING : GONE)
#endif
#define LEFT ((v >> 1) > lap -> GONE : ((v >> 1) < lap -> NOTHING : (v & VOID -> VOIDED : THERE)))

/* Look at position at. */
inline look() {
	lap = LAP_OF(at);
	LOOK(w = cell[CELL(at)]);
	if
	:: LAP(w) < lap || (LAP(w) == lap && STATE(w) == EMPTY) -> sight = NOT_YET
	:: else ->
		if
		:: w & LATE ->
#ifdef MUTANT_LATE_IS_NEW
			v = LAP(w);
#else
			LOOK(v = origin[CELL(at)]);
#endif
			LOOK(sight = (cell[CELL(at)] != w -> AGAIN : (v == lap -> THERE : (v < lap -> NOTHING : GONE))))
		:: !(w & LATE) && LAP(w) > lap && STATE(w) != EMPTY -> sight = GONE
		:: !(w & LATE) && LAP(w) > lap && STATE(w) == EMPTY ->
			LOOK(v = meta[CELL(at)]);
			LOOK(sight = (cell[CELL(at)] != w -> AGAIN : LEFT))
		:: !(w & LATE) && LAP(w) == lap ->
			sight = (STATE(w) == CLAIMED -> SENDING : (STATE(w) == REVOKED -> NOTHING : THERE))
		fi
	fi
}
/* Copy the message there: sight stays THERE if it can be vouched for. */
inline copy() {
#ifdef MUTANT_META_READ_AGAIN
	LOOK(v = meta[CELL(at)]);
#endif
	LOOK(a = half_a[CELL(at)]);
	LOOK(b = half_b[CELL(at)]);
	if
#ifndef MUTANT_NO_SECOND_META
	:: STATE(w) == EMPTY -> LOOK(sight = (meta[CELL(at)] == v -> THERE : AGAIN))
#endif
	:: else
	fi;
#ifndef MUTANT_NO_SECOND_WORD
	if
	:: sight == THERE -> LOOK(sight = (cell[CELL(at)] == w -> THERE : AGAIN))
	:: else
	fi
#endif
}

inline visit() {
	do
	:: look();
	   if
	   :: sight == THERE -> copy()
	   :: else
	   fi;
	   if
	   :: sight != AGAIN -> break
	   :: else
	   fi
	od
}

/* The judge looks at what comes of a position. */
inline leave() {
	d_step {
		if
		:: sight == THERE ->
			assert(a == b && a == had[at] && a != 0);
			assert(!(shown & BIT(a - 1)));
			i = 0;
			do
			:: i < MESSAGES -> assert(!(shown & BIT(i)) || !(before[i] & BIT(a - 1))); i++
			:: else -> break
			od;
			shown = shown | BIT(a - 1);
			i = 0
		:: sight == GONE -> gone++
		:: sight == NOTHING -> assert(had[at] == 0); nothing[at] = true; voids++
		:: else
		fi;
		a = 0; b = 0; w = 0; v = 0; lap = 0
	}
}

inline forget(k) {
	d_step {
		n_passed--;
		i = k;
		do
		:: i < n_passed -> passed[i] = passed[i + 1]; i++
		:: else -> break
		od;
		passed[n_passed] = 0;
		i = 0
	}
}

/* All sends that had not ended when we came by; stops at one that is shown. */
inline visit_passed() {
	k = 0;
	do
	:: k < n_passed ->
		at = passed[k];
		visit();
		if
		:: sight == SENDING || sight == NOT_YET -> k++
		:: else ->
			leave();
			forget(k);
			if
			:: sight == THERE -> break
			:: else
			fi
		fi
	:: else -> sight = NOT_YET; break
	od;
	k = 0
}

inline pass_by(p) {
	d_step {
		if
		:: n_passed == PASSED_MAX ->
			gone++;
			n_passed--;
			i = 0;
			do
			:: i < n_passed -> passed[i] = passed[i + 1]; i++
			:: else -> break
			od;
			i = 0
		:: else
		fi;
		passed[n_passed] = p;
		n_passed++
	}
}

/* All that is left lies less than a round behind the tail. */
#define CATCH_UP                                                         \
	if                                                               \
	:: tail > next + CELLS -> gone = gone + tail - next - CELLS; next = tail - CELLS \
	:: else                                                          \
	fi

#define NEWS(p) (LAP(cell[CELL(p)]) > LAP_OF(p) || (LAP(cell[CELL(p)]) == LAP_OF(p) && STATE(cell[CELL(p)]) != EMPTY))
#define ENDED(p) (cell[CELL(p)] != WORD(LAP_OF(p), OWNER(cell[CELL(p)]), CLAIMED))

/* Against what was really sent. Nobody is inside a call. */
inline judge() {
	d_step {
		i = 0; k = 0; early = 0;
		do
		:: i < END ->
			early = early + (i < start && had[i] == 0);
			k = k + (i >= start && had[i] != 0 && !(shown & BIT(had[i] - 1)));
			assert(!nothing[i] || had[i] == 0);
			i++
		:: else -> break
		od;
		early = (early > burned0 -> early - burned0 : 0);
		n = burned - burned0;
#ifndef MUTANT_COUNTS_VOIDS_TWICE
		n = (n > voids -> n - voids : 0);
#endif
#ifdef MUTANT_ALL_THAT_IS_GONE
		n = gone;
#else
		n = (gone > n -> gone - n : 0);
#endif
		assert(n >= (k > early -> k - early : 0) && n <= k + late_counts)
	}
}

proctype Tap() {
	byte next, burned0, start, early, gone, voids, shown, n_passed, at, lap, v, a, b, i, k, n, sight;
	byte passed[PASSED_MAX];
	bool nothing[END];
	short w;

	/* Behind everything that has been claimed or passed over. */
	burned0 = burned;
	at = tail;
	do
	:: look();
	   if
	   :: sight == NOT_YET || at == tail + CELLS -> break
	   :: else -> at++
	   fi
	od;
	atomic { next = at; start = at };
	do
	:: atomic { CATCH_UP };
	   at = next;
	   if
	   :: n_passed > 0 ->
		/* First see that there is a message, then look at what it may not overtake. */
		look();
		if
		:: sight == AGAIN -> goto called
		:: sight == THERE ->
			visit_passed();
			if
			:: sight == THERE -> goto called
			:: else -> at = next; visit()
			fi
#ifdef MUTANT_LOOKS_TWICE
		:: sight != AGAIN && sight != THERE -> visit()
#endif
		:: else
		fi
	   :: else -> visit()
	   fi;
	   if
	   :: sight == NOT_YET ->
		visit_passed();
		if
		:: sight == THERE
		:: else ->
			if
			:: atomic { NEWS(next) }
			:: atomic { n_passed > 0 && ENDED(passed[0]) }
			:: atomic { n_passed > 1 && ENDED(passed[1]) }
			:: atomic { OVER && !NEWS(next) && n_passed == 0 -> break }
			fi
		fi
	   :: sight == SENDING -> next++; pass_by(at)
	   :: else -> next++; leave()
	   fi;
called:
	   atomic { sight = 0; at = 0 }
	od;
	judge()
}

init {
	byte k;

	atomic {
		working = SENDERS + RECEIVERS;
		k = 0;
		do
		:: k < SENDERS -> run Sender(k); k++
		:: else -> break
		od;
		do
		:: k < SENDERS + RECEIVERS -> run Receiver(k); k++
		:: else -> break
		od;
#if KILLS && !defined(ONE_TO_ONE)
		run Janitor();
#endif
#if REVOKES
		run Impatient();
#endif
		run Tap();
		k = 0
	};
	timeout;
	assert(_nr_pr == 1) /* nobody is stuck */
}
