/* SPDX-License-Identifier: MIT */
/*
 * One lane of docs/formats/connection.md: bytes go over the socket, through the ring, and back,
 * and come out once, in order; no wake is lost; what a killed writer wrote is read.
 *
 * A byte is its number in the stream, from 1; 0 over the socket is a bell. The reader never looks
 * at that: it goes by counts, and the model asserts that it is right.
 */
#ifndef N
#define N 4 /* bytes */
#endif
#ifndef RING
#define RING 2
#endif
#ifndef SOCKET
#define SOCKET 3
#endif
#ifndef KILLS
#define KILLS 0
#endif
/* -DPOLLED: the reader waits for the descriptor only, and reads one byte at a time.
 * -DDESCRIPTORS: any byte may be one that must go over the socket, or be refused there and go
 * without. -DOVERFLOWS: the writer may not wait for room in the ring, as it likes: then it never
 * does. */

#define OPEN 255
#define BELL 0

/* In shared memory. What is written at a position is told at one of two places. */
#define NEWS 2
#define NEWS_OF(p) ((p) % NEWS)
byte news[NEWS];
byte head, got;
/* Of the last stretches over the socket, by their numbers; the first is open at once. */
#ifdef MUTANT_ONE_SET
#define SETS 1
#else
#define SETS 2
#endif
#define SET(s) ((s) % SETS)
byte leave[SETS], from[SETS], to[SETS] = OPEN;
byte stretches = 1;
bit ready, ended, wanted;
bit bytes_bell, room_bell; /* somebody may sleep there */
byte ring[RING];

/* The kernel's. */
chan sock = [SOCKET] of { byte };
bit closed;      /* the writer is gone */
bit reader_asleep, writer_asleep;

/* To check. */
byte written;    /* bytes whose write has been published */
byte seen;       /* the reader's own: what it has been told */
byte mine;       /* the writer's own: its tail */
byte read_so_far;
bit reader_done;
byte kills = KILLS;

#if KILLS
#define STEP(x)                                                                                    \
	if                                                                                         \
	:: atomic { x }                                                                            \
	:: atomic { kills > 0 -> kills--; goto die }                                               \
	fi
#else
#define STEP(x) atomic { x }
#endif

/* ---- the writer ---- */

/* After news: the fence is the order of steps; then look at the bell, and at wanted. */
inline tell() {
	STEP(if
	     :: bytes_bell -> bytes_bell = 0; reader_asleep = 0
	     :: else
	     fi);
	STEP(if
	     :: wanted -> wanted = 0; w_rings = 1
	     :: else
	     fi);
	if
	:: w_rings ->
		STEP(if
		     :: nfull(sock) -> sock!BELL; w_sent++
#ifdef MUTANT_FORGETS_WISH
		     :: full(sock) -> skip
#else
		     :: full(sock) -> wanted = 1
#endif
		     fi;
		     w_rings = 0)
	:: else
	fi
}

proctype writer() {
	byte w_sent, w_from, w_stretches = 1, w_next = 1;
	bit w_in_ring, w_rings, w_overflows, w_plain, w_two;
	do
	:: w_next <= N ->
		w_overflows = 0; w_plain = 0;
		if
		:: skip
#ifdef OVERFLOWS
		:: w_overflows = 1
#endif
#ifdef DESCRIPTORS
		:: w_plain = 1
#endif
		fi;
again:
		if
		:: !w_in_ring && !w_plain ->
			STEP(if
#ifdef MUTANT_ENDS_EMPTY
			     :: ready && nfull(sock) && (w_stretches == 1 || got == w_sent) -> w_rings = 1
#else
			     :: ready && nfull(sock) && (w_stretches == 1 || (got == w_sent && w_sent != w_from)) -> w_rings = 1
#endif
			     :: else
			     fi);
			if
			:: w_rings ->
				w_rings = 0;
#ifdef MUTANT_BELL_BEFORE_TO
				STEP(sock!BELL; w_sent++);
				STEP(to[SET(w_stretches)] = w_sent - 1);
#else
				STEP(to[SET(w_stretches)] = w_sent);
				STEP(sock!BELL; w_sent++);
#endif
				w_in_ring = 1
			:: else
			fi
		:: else
		fi;
		if
		:: w_in_ring && !w_plain ->
			STEP(if
			     :: mine - head < RING -> ring[mine % RING] = w_next; w_rings = 1
			     :: mine - head < RING - 1 && w_next < N ->
				ring[mine % RING] = w_next;
				ring[(mine + 1) % RING] = w_next + 1;
				w_rings = 1;
				w_two = 1
			     :: else
			     fi);
			if
			:: w_rings ->
				w_rings = 0;
				w_next = w_next + w_two;
#ifdef MUTANT_TOLD_AT_END
				STEP(mine = mine + 1 + w_two; news[NEWS_OF(mine)] = mine; written = w_next);
#else
				STEP(news[NEWS_OF(mine)] = mine + 1 + w_two; mine = mine + 1 + w_two; written = w_next);
#endif
				w_two = 0;
				tell();
				goto next
			:: else
			fi;
			if
			:: !w_overflows -> goto sleep
			:: else
			fi
		:: else
		fi;
		if
		:: w_in_ring ->
			w_from = w_sent;
			STEP(leave[SET(w_stretches + 1)] = mine);
			STEP(from[SET(w_stretches + 1)] = w_sent);
			STEP(to[SET(w_stretches + 1)] = OPEN);
			w_stretches++; w_in_ring = 0;
			STEP(stretches = w_stretches);
#ifdef MUTANT_BELL_ON_LEAVING
			tell()
#else
			STEP(if
			     :: bytes_bell -> bytes_bell = 0; reader_asleep = 0
			     :: else
			     fi)
#endif
		:: else
		fi;
		/* Over the socket: the kernel wakes us when there is room. */
		if
		:: w_plain -> w_plain = 0; goto again
		:: skip
		fi;
		STEP(nfull(sock) -> sock!w_next; w_sent++; written = w_next);
		goto next;
sleep:
		STEP(room_bell = 1);
		STEP(if
		     :: mine - head < RING -> skip
		     :: else -> writer_asleep = room_bell
		     fi);
		STEP(!writer_asleep -> skip);
		goto again;
next:
		w_next++
	:: else -> break
	od;
#ifdef SHUTS_DOWN
	STEP(ended = 1);
	STEP(if
	     :: bytes_bell -> bytes_bell = 0; reader_asleep = 0
	     :: else
	     fi);
#endif
	goto done;
die:
	w_rings = 0; w_two = 0;
done:
	atomic { closed = 1; w_from = 0; w_rings = 0; w_in_ring = 0; w_plain = 0; w_overflows = 0 }
}

/* ---- the reader ---- */

inline ring_room() {
	atomic {
		if
		:: room_bell -> room_bell = 0; writer_asleep = 0
		:: else
		fi
	}
}

/* Having read all that was seen, see whether there is more. */
inline look() {
	atomic {
		if
#ifdef MUTANT_OLD_NEWS
		:: seen == head && news[NEWS_OF(seen)] != 0 -> seen = news[NEWS_OF(seen)]
#else
		:: seen == head && news[NEWS_OF(seen)] > seen -> seen = news[NEWS_OF(seen)]
#endif
		:: else
		fi
	}
}

/* n bytes over the socket, which are bells. */
inline take_bells(n) {
	atomic {
		do
		:: n > 0 -> sock?x; assert(x == BELL); got++; n--
		:: else -> break
		od;
		x = 0
	}
}

#ifdef POLLED
#define TAKEN 1
#else
#define TAKEN 2
#endif

proctype reader() {
	byte x, r_fin, r_from, t, n, s;
	bit r_in_ring, r_over, e;
	ready = 1;
again:
	if
	:: r_in_ring -> goto at_ring
	:: else -> goto at_socket
	fi;

at_ring:
	look();
	if
	:: seen != head ->
		atomic {
			assert(seen > head && seen - head <= RING);
			assert(ring[head % RING] == read_so_far + 1);
			read_so_far++
		}
		head++;
		ring_room();
#ifdef POLLED
		look();
		if
		:: seen == head -> goto arm
		:: else -> goto wait
		fi
#else
		goto again
#endif
	:: else
	fi;
#ifdef MUTANT_ENDED_LAST
	s = stretches;
	atomic { e = ended || r_over };
#else
	atomic { e = ended || r_over };
	s = stretches;
#endif
	if
	:: s != r_fin ->
		look();
		if
		:: seen != head -> goto again
		:: else
		fi;
		atomic {
			assert(s == r_fin + 1 && leave[SET(s)] == head && from[SET(s)] >= got);
			r_from = from[SET(s)];
			r_in_ring = 0
		}
		goto at_socket
	:: else
	fi;
#ifndef MUTANT_ENDED_LAST
	look();
	if
	:: seen != head -> goto again
	:: else
	fi;
#endif
	if
	:: e -> goto end
	:: else
	fi;
#ifdef POLLED
	goto arm;
#endif
	/* Prepare, look again, ask the socket, sleep. */
#ifndef MUTANT_NO_SECOND_LOOK
	bytes_bell = 1;
#endif
	look();
	if
	:: seen != head || stretches != r_fin || ended -> goto again
	:: else
	fi;
#ifdef MUTANT_PEEK_LAST
	s = stretches;
	n = len(sock);
#else
	n = len(sock);
	s = stretches;
#endif
	atomic {
		if
		:: n == 0 && closed && empty(sock) -> r_over = 1; goto again
		:: else
		fi
	}
	look();
	if
	:: s != r_fin || seen != head -> n = 0; goto again
	:: else
	fi;
	take_bells(n);
#ifdef MUTANT_NO_SECOND_LOOK
	bytes_bell = 1;
#endif
	atomic { reader_asleep = bytes_bell };
	/* A nap ends by itself; what it finds is what the loop finds. */
	atomic { !reader_asleep || closed -> reader_asleep = 0 };
	goto again;

#ifdef POLLED
arm:
	if
	:: !r_in_ring -> goto wait
	:: else
	fi;
#ifdef MUTANT_TAKES_FIRST
	n = len(sock);
	if
	:: stretches == r_fin -> take_bells(n)
	:: else -> n = 0
	fi;
	wanted = 1;
	goto wait;
#endif
	n = len(sock);
	atomic {
		if
		:: n == 0 && closed && empty(sock) -> r_over = 1
		:: else
		fi
	}
#ifndef MUTANT_BELLS_PILE_UP
	/* One keeps the descriptor readable; more would fill the socket by and by. */
	if
	:: n > 1 && stretches == r_fin -> n--; take_bells(n); n = 1
	:: else
	fi;
#endif
#ifdef MUTANT_NOT_ARMED
	skip;
#else
	wanted = 1;
#endif
	look();
	if
	:: seen != head || stretches != r_fin || r_over -> n = 0; goto again_polled
	:: else
	fi;
#ifdef MUTANT_TAKES_ALL
	n = len(sock);
#endif
	take_bells(n);
wait:
	/* poll(2): something lies in the socket, or it has ended. */
	atomic { nempty(sock) || closed -> skip };
again_polled:
	n = 0;
	goto again;
#endif

at_socket:
	t = to[SET(r_fin + 1)];
	if
	:: got >= t && got >= r_from ->
		r_fin++;
		r_in_ring = 1;
		goto at_ring
	:: else
	fi;
	/* How much to take. More than one at a time shows what lies behind the end of a stretch. */
	n = len(sock);
	if
	:: got < r_from && n > 1 -> n = 1
	:: got >= r_from && n > TAKEN -> n = TAKEN
	:: else
	fi;
#ifndef MUTANT_SWALLOWS
	if
	:: got >= r_from ->
		t = to[SET(r_fin + 1)];
		if
		:: t != OPEN && n > t - got -> n = t - got
		:: else
		fi
	:: else
	fi;
#endif
	if
	:: n > 0 -> goto take
	:: else
	fi;
	if
	:: atomic { empty(sock) && closed ->
		if
		:: to[SET(r_fin + 1)] != t -> goto at_socket
		:: else -> goto end
		fi }
#ifdef POLLED
	:: atomic { empty(sock) && !closed -> goto wait }
	:: nempty(sock) -> goto again
#else
	:: atomic { nempty(sock) || closed -> goto again }
#endif
	fi;
take:
	atomic {
		do
		:: n > 0 ->
			sock?x;
			if
			:: got < r_from -> assert(x == BELL)
			:: else -> assert(x == read_so_far + 1); read_so_far++
			fi;
			got++;
			n--
		:: else -> break
		od;
		x = 0; s = 0; t = 0
	}
#ifdef POLLED
	goto wait;
#endif
	goto again;
end:
	assert(read_so_far == written);
	reader_done = 1
}

/* Where nobody can take a step, everything has been read. */
proctype monitor() {
	timeout;
	assert(reader_done && (KILLS > 0 || read_so_far == N))
}

init {
	atomic {
		run writer();
		run reader();
		run monitor()
	}
}
