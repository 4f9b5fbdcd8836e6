/* SPDX-License-Identifier: MIT */
/*
 * pipe.pml - the turn, holes and readers of a pipe (docs/formats/pipe.md).
 *
 * Records of two units are written atomically, units are read one by one. Each step is one access
 * to shared memory; in its place a writer may die, or freeze for ever. Whoever wants the turn may
 * pass over its owner at any moment (PASSES times in all), so no clock is needed: a stopped owner,
 * and one that only seems so, are the same.
 *
 * With -DNEWS writers also tell how far they have come, and their last record beside it; readers
 * look there or at the turn, as they like.
 *
 * Checked: records whole, never mixed, each once, in order for each writer; what was written is
 * read (what a killed writer was at may be); nobody is jammed in the last state.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef N
#define N 6 /* units in the ring */
#endif
#ifndef C
#define C 2 /* capacity */
#endif
#ifndef H
#define H 1 /* holes that can be recorded */
#endif
#ifndef PASSES
#define PASSES 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef FREEZES
#define FREEZES 0
#endif
#ifndef JANITORS
#define JANITORS 0
#endif
#ifndef VICTIMS
#define VICTIMS 254 /* bit i: writer i; readers hold nothing, so a dead one is one that is not there */
#endif

#define FREE   0
#define ACTIVE 1
#define LET_GO 2
#define LIVES  1
#define DEAD   2
#define NONE   255

typedef Hole {
	byte pos, size, state, owner
}

byte ring[N];
byte tpos, towner, tpassed, tsub; /* turn: tsub is the hole, or the attempts of the dead */
bool quarantine;
byte generation;
Hole hole[H];
byte head;
#ifdef NEWS
byte news;           /* a hint: units before it are published */
byte brief_end;      /* of the record in brief; 0 = none */
byte brief[2];
#endif

byte want[WRITERS + 1];
byte status[WRITERS + 1], life[WRITERS + 1]; /* member words */
bool locked[WRITERS + 1];                     /* what the kernel says */

byte kills, freezes, passes;

/* The judge's memory. */
#define RECORDS (WRITERS * EACH)
byte got[RECORDS];
bool sent[RECORDS], maybe[RECORDS];
byte half = NONE;
byte newest[WRITERS + 1];
byte writing;

#define TAG(id, part) (2 * (id) + (part) + 1)

/* Only inside the atomic step in which head moves over the unit. */
inline judge(v)
{
	assert(v != 0);
	if
	:: (v - 1) % 2 == 0 ->
		assert(half == NONE);
		assert(got[(v - 1) / 2] == 0);
		assert(newest[(v - 1) / 2 / EACH + 1] <= (v - 1) / 2 % EACH);
		newest[(v - 1) / 2 / EACH + 1] = (v - 1) / 2 % EACH + 1;
		got[(v - 1) / 2] = 1;
		half = (v - 1) / 2
	:: else ->
		assert(half == (v - 1) / 2);
		got[half] = 2;
		half = NONE
	fi
}

#define TURN_IS(p, o, x, s) (tpos == p && towner == o && tpassed == x && tsub == s)
#define STEP                                                                                       \
	if                                                                                         \
	:: (KILLS > 0 && kills < KILLS && (VICTIMS & (1 << me))) ->                                \
		atomic { kills++; locked[me] = false; goto died }                                  \
	:: (FREEZES > 0 && freezes < FREEZES && (VICTIMS & (1 << me))) ->                          \
		atomic { freezes++; writing--; false }                                             \
	:: true                                                                                    \
	fi

inline load_hole(i)
{
	d_step { kp = hole[i].pos; ks = hole[i].size; kt = hole[i].state; ko = hole[i].owner }
}

#define HOLE_IS_SEEN(i) (hole[i].pos == kp && hole[i].size == ks && hole[i].state == kt && hole[i].owner == ko)

/* Finish a passing over: the word (wp, wo, passed, ws). */
inline help()
{
	load_hole(ws);
	STEP;
	n = want[wo];
	STEP;
	if
#ifndef MUTANT_NO_RECHECK
	:: !TURN_IS(wp, wo, 1, ws) -> skip
#endif
	:: else ->
#ifdef MUTANT_QUARANTINE_LATE
		STEP;
		d_step { if :: TURN_IS(wp, wo, 1, ws) -> tpos = wp + n; towner = 0; tpassed = 0; tsub = 0 :: else fi };
#endif
		STEP;
		d_step {
			if
			:: kt == FREE && HOLE_IS_SEEN(ws) ->
				hole[ws].pos = wp; hole[ws].size = n; hole[ws].state = ACTIVE; hole[ws].owner = wo
			:: else
			fi
		};
		STEP;
		load_hole(ws);
		STEP;
		d_step { quarantine = true; generation++ };
		STEP;
		d_step {
			if
			:: TURN_IS(wp, wo, 1, ws) ->
				assert(kt != FREE && kp == wp);
				tpos = wp + ks; towner = 0; tpassed = 0; tsub = 0
			:: else
			fi
		}
	fi
}

/* Of writer who: whoever recovers it checks that it still is that dead one. */
inline let_go(who, checked, seen_life)
{
	i = 0;
	do
	:: i < H ->
		load_hole(i);
		if
		:: ko == who && kt == ACTIVE && !(checked && !(status[who] == DEAD && life[who] == seen_life)) ->
			STEP;
			if
			:: atomic { HOLE_IS_SEEN(i) -> hole[i].state = LET_GO }; i++
			:: atomic { !HOLE_IS_SEEN(i) } /* moved on a lap: again */
			fi
		:: else -> i++
		fi
	:: else -> break
	od
}

/* With h, where head was. */
inline tidy(h)
{
	d_step { g = generation; q = quarantine };
	if
	:: q ->
		i = 0; left = 0;
		do
		:: i < H ->
			load_hole(i);
			STEP;
			if
#ifdef MUTANT_FREE_EARLY
			:: kt == LET_GO ->
#else
			:: kt == LET_GO && kp + ks <= h ->
#endif
				d_step { if :: HOLE_IS_SEEN(i) -> hole[i].state = FREE; hole[i].owner = 0 :: else -> left++ fi }
			:: else -> left = left + (kt != FREE)
			fi;
			i++
		:: else -> break
		od;
		STEP;
		d_step { if :: left == 0 && generation == g -> quarantine = false :: else fi }
	:: else
	fi
}

inline load_turn()
{
	d_step { wp = tpos; wo = towner; wx = tpassed; ws = tsub }
}

/* What a dead owner held; the word was read before. */
inline recover()
{
	l = life[wo];
	dead = wo;
	d_step { if :: status[wo] == LIVES && !locked[wo] -> status[wo] = DEAD :: else fi };
	STEP;
	if
	:: status[dead] == DEAD && life[dead] == l ->
		do
		:: load_turn();
		   if
		   :: wo != dead -> break
		   :: else
		   fi;
		   STEP;
		   if
#ifndef MUTANT_NO_DEAD_CHECK
		   :: !(status[dead] == DEAD && life[dead] == l) -> break
#endif
		   :: else
		   fi;
		   STEP;
		   if
		   :: wx -> help()
		   :: else ->
#ifdef MUTANT_NO_ATTEMPT
			d_step { if :: TURN_IS(wp, wo, 0, ws) -> towner = 0 :: else fi }
#else
			d_step { if :: TURN_IS(wp, wo, 0, ws) -> towner = 0; tsub++ :: else fi }
#endif
		   fi
		od;
		let_go(dead, true, l);
		STEP;
		d_step { if :: status[dead] == DEAD && life[dead] == l -> status[dead] = FREE :: else fi }
	:: else
	fi
}

/* Take the turn from its owner: (wp, wo, 0, ws). */
inline pass_over()
{
	h = head;
	tidy(h);
	i = 0;
	do
	:: i < H && hole[i].state != FREE -> i++
	:: else -> break
	od;
	if
	:: i < H && wp + want[wo] <= h + N ->
		STEP;
		atomic {
			if
			:: TURN_IS(wp, wo, 0, ws) ->
#ifdef MUTANT_NO_HOLE
				towner = 0; tsub = ws + 1; i = NONE
#else
				tpassed = 1; tsub = i; ws = i
#endif
			:: else -> i = NONE
			fi
		};
		if
		:: i != NONE -> help()
		:: else
		fi
	:: else
	fi
}

/* Somebody else has the turn. */
inline face_owner()
{
	if
	:: wx -> help()
	:: !wx && !locked[wo] -> recover()
	:: !wx && locked[wo] && passes < PASSES -> passes++; pass_over()
	:: atomic { !TURN_IS(wp, wo, wx, ws) || (!wx && !locked[wo]) } -> skip
	fi
}

/* The first hole that covers `at`, in this lap or as it comes next: moved on if need be. r: 0 none,
 * 1 skip to `to`, 2 readers are still in it. */
inline meet()
{
	r = 0; i = 0;
	do
	:: i < H && r == 0 ->
		load_hole(i);
		if
		:: kt != FREE && kp + ks > at && kp <= at -> r = 1; to = kp + ks
		:: kt != FREE && kp + ks > at && kp > at -> i++
		:: kt == ACTIVE && kp + ks <= at && kp + N <= at && kp + N + ks > at ->
			STEP;
			if
			:: kp + N + ks > h + N -> r = 2
			:: else ->
				if
				:: atomic { HOLE_IS_SEEN(i) -> hole[i].pos = kp + N }; r = 1; to = kp + N + ks
				:: atomic { !HOLE_IS_SEEN(i) } /* let go of, or moved: again */
				fi
			fi
		:: else -> i++
		fi
	:: else -> break
	od
}

/* Write both halves around the holes. ok: it could. */
inline write_record()
{
	at = wp; part = 0; ok = true;
	do
	:: part < 2 && ok ->
		meet();
		if
		:: r == 1 -> at = to
		:: r == 2 || (r == 0 && at + 1 > h + N) -> ok = false
		:: r == 0 && at + 1 <= h + N ->
			STEP;
			ring[at % N] = TAG(id, part);
			at++; part++
		fi
	:: else -> break
	od;
	ok = ok && at - wp <= want[me]
}

/* By the owner of the turn, before it publishes up to `at`. The reader finds its record by where it
 * ends and how long it is; all records here have one length. */
inline tell_record()
{
#ifdef NEWS
#ifndef MUTANT_TAG_STAYS
	brief_end = 0;
	STEP;
#endif
	if
#ifdef MUTANT_BRIEF_AMONG_HOLES
	:: ok ->
#else
	:: !q ->
#endif
		brief[0] = TAG(id, 0);
		STEP;
		brief[1] = TAG(id, 1);
		STEP;
		brief_end = at;
		STEP
	:: else
	fi
#else
	skip
#endif
}

proctype Writer(byte me)
{
	byte wp, wo, ws, h, g, kp, ks, kt, ko, n, i, left, l, dead, at, to, part, id, seq, fill;
	bool wx, q, ok;
	byte r;

begin:
	do
	:: seq < EACH ->
		id = (me - 1) * EACH + seq;
again:
		skip;
		/* What was seen before is forgotten: fewer states. */
		d_step {
			h = 0; g = 0; kp = 0; ks = 0; kt = 0; ko = 0; n = 0; i = 0; left = 0; l = 0; dead = 0;
			at = 0; to = 0; part = 0; fill = 0; r = 0; ok = false;
			wp = tpos; wo = towner; wx = tpassed; ws = tsub
		};
		q = quarantine;
		if
		:: wo != 0 -> face_owner(); goto again
		:: else
		fi;
		h = head;
		if
		:: h > wp || wp - h > N -> goto again
		:: else
		fi;
		if
		:: q -> tidy(h)
		:: else
		fi;
		/* Bytes that wait, and what we may write into at most. */
		fill = wp - h; n = 2; i = 0;
		do
		:: q && i < H ->
			load_hole(i);
			if
			:: kt != FREE ->
				n = n + ks;
				if
				:: kp + ks > h && kp < wp -> fill = fill - (ks - (h > kp -> h - kp : 0))
				:: else
				fi
			:: else
			fi;
			i++
		:: else -> break
		od;
		if
		:: fill + 2 > C ->
			if
			:: atomic { head != h || tpos != wp || towner != wo || quarantine != q } -> goto again
			fi
		:: else
		fi;
		STEP;
		want[me] = n;
		STEP;
		atomic {
			if
			:: TURN_IS(wp, 0, 0, ws) -> towner = me
			:: else -> goto again
			fi
		};
		maybe[id] = true;
		if
		:: q -> write_record()
		:: else ->
			STEP;
			ring[wp % N] = TAG(id, 0);
			STEP;
			ring[(wp + 1) % N] = TAG(id, 1);
			at = wp + 2; ok = true
		fi;
		STEP;
#ifdef MUTANT_NEWS_FIRST
		news = at;
		STEP;
#endif
		tell_record();
		if
		:: ok ->
			atomic {
				if
				:: TURN_IS(wp, me, 0, ws) ->
					tpos = at; towner = 0; tsub = 0;
					sent[id] = true; seq++; goto told
				:: else
				fi
			}
		:: else ->
			atomic {
				if
				:: TURN_IS(wp, me, 0, ws) ->
					towner = 0;
					/* Wait until readers have moved. */
					if
					:: head != h -> goto again
					fi
				:: else
				fi
			}
		fi;
		/* We have lost the turn. */
		load_turn();
		if
		:: wo == me && wx -> help()
		:: else
		fi;
#ifndef MUTANT_WRITE_ON
		let_go(me, false, 0)
#endif
		goto again
	:: else -> break
	od;
	goto leave;
told:
#ifdef NEWS
	STEP;
	news = at;
#endif
	goto begin;
leave:
	/* Leaving is dying with notice. */
	atomic { locked[me] = false; writing--; goto end }
died:
	atomic { writing--; wp = 0 };
	/* Its slot may get a new member, while others are at work, which writes what is left after the
	 * record that died with it. */
	if
	:: atomic { writing > 0 && status[me] == FREE -> writing++ }
	:: atomic { writing > 0 && towner != me && status[me] == LIVES -> writing++; status[me] = FREE }
	:: atomic { writing == 0 -> goto end }
	fi;
	atomic { life[me]++; status[me] = LIVES; locked[me] = true; seq++; goto begin };
end:
	skip
}

proctype Reader()
{
	byte h, t, v, w, i, g, kp, ks, kt, ko, left, to, me;
	bool q;

	do
	:: skip; d_step { t = 0; v = 0; w = 0; i = 0; g = 0; kp = 0; ks = 0; kt = 0; ko = 0; left = 0; q = false; h = head };
#ifdef NEWS
	   if
	   :: news > h && news - h <= N -> t = news; q = quarantine;
		if
		:: !q && brief_end == t && t - h == 2 ->
			v = brief[0];
			w = brief[1];
			if
#ifdef MUTANT_NO_SECOND_LOOK
			:: true ->
#else
			:: brief_end == t ->
#endif
				d_step { if :: head == h -> head = h + 2; judge(v); judge(w) :: else fi };
				goto next
			:: else -> goto from_ring
			fi
		:: !q && !(brief_end == t && t - h == 2) -> goto from_ring
		:: q -> skip
		fi
	   :: true
	   fi;
#endif
	   t = tpos;
	   if
	   :: t < h || t - h > N -> goto next
	   :: else
	   fi;
	   q = quarantine;
	   to = 0;
	   if
	   :: h == t ->
		if
		:: atomic { tpos != t || head != h }
		:: atomic { writing == 0 && tpos == t && head == h -> break }
		fi;
		goto next
	   :: h != t && q ->
		i = 0;
		do
		:: i < H && to == 0 ->
			load_hole(i);
			if
			:: kt != FREE && kp <= h && kp + ks > h -> to = (kp + ks > t -> t : kp + ks)
			:: else
			fi;
			i++
		:: else -> break
		od
	   :: else
	   fi;
	   if
	   :: to != 0 ->
		d_step { if :: head == h -> head = to; h = to :: else fi };
		tidy(h)
	   :: else ->
#ifdef NEWS
from_ring:
#endif
#ifdef MUTANT_TAKE_FIRST
		atomic { if :: head == h -> head = h + 1 :: else -> goto next fi };
		v = ring[h % N];
		d_step { judge(v) }
#else
		v = ring[h % N];
		d_step { if :: head == h -> head = h + 1; judge(v) :: else fi }
#endif
	   fi;
next:
	   skip
	od;
died:
	skip
}

/* Looks after the dead, once, and is slow. */
proctype Janitor()
{
	byte wp, wo, ws, h, g, kp, ks, kt, ko, n, i, left, l, dead, me;
	bool wx;

	if
	:: atomic { towner != 0 && !locked[towner] -> wp = tpos; wo = towner; wx = tpassed; ws = tsub };
	   recover()
	:: writing == 0
	fi;
died:
	skip
}

init
{
	byte k;

	atomic {
		writing = WRITERS;
		k = 1;
		do
		:: k <= WRITERS -> status[k] = LIVES; locked[k] = true; run Writer(k); k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < JANITORS -> run Janitor(); k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < READERS -> run Reader(); k++
		:: else -> break
		od
	};
	timeout;
	/* Nobody can move. */
	assert(writing == 0);
	assert(half == NONE && head == tpos);
	k = 0;
	do
	:: k < RECORDS ->
		assert(!sent[k] || got[k] == 2);
		assert(got[k] == 0 || maybe[k]);
		k++
	:: else -> break
	od
}
