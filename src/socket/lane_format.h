/* SPDX-License-Identifier: MIT */
/*
 * lane_format.h - a connection in shared memory: two lanes, one for each direction. Layout 1.
 *
 * The protocol, and who may write what: docs/formats/connection.md. Nothing in it is believed: each
 * side keeps its own numbers elsewhere (lane.h), and the other's are copied and checked.
 */
#ifndef FY_LANE_FORMAT_H
#define FY_LANE_FORMAT_H

#include "../base/format.h"
#include "../wait/bell.h"

#define FY_LANES_MAGIC   UINT32_C(0x31437946) /* "FyC1" */
#define FY_LANES_VERSION UINT32_C(1)

#define FY_LANE_RING UINT64_C(131072) /* bytes that can wait in one lane */
#define FY_LANES_AT  UINT64_C(4096)   /* where the first ring begins; the second follows it */
#define FY_LANES_ALL (FY_LANES_AT + 2 * FY_LANE_RING)

#define FY_STILL_OPEN UINT64_MAX /* `to`: the stretch over the socket has not ended */

/* What the writer says of its end (`ended`). */
enum fy_lane_end { FY_LANE_OPEN = 0, FY_LANE_SHUT_DOWN = 1, FY_LANE_CLOSED = 2 };

/* One place of several where the writer says how far it has come. */
struct fy_lane_news {
	alignas(FY_LINE) _Atomic uint64_t tail; /* bytes written into the ring, ever */
};

#define FY_LANE_NEWS 8

/* Where stands what is written at this position: neighbours lie in different lines, whatever the
 * size of the writes is. */
static inline uint32_t fy_lane_news_of(uint64_t position)
{
	return (position ^ position >> 3 ^ position >> 6 ^ position >> 9 ^ position >> 12) %
	       FY_LANE_NEWS;
}

/* Bytes of a lane that go over the socket. */
struct fy_lane_stretch {
	_Atomic uint64_t leave; /* tail where it began */
	_Atomic uint64_t from;  /* bytes that were sent over the socket when it began */
	_Atomic uint64_t to;    /* and when it ended, or FY_STILL_OPEN */
};

/* A stretch's words are used again when the reader is in the next one. */
#define FY_LANE_STRETCHES 2

struct fy_lane_shm {
	/* The writer's, one with every write. */
	struct fy_lane_news news[FY_LANE_NEWS];
	/* The reader's, with every read. */
	alignas(FY_LINE) _Atomic uint64_t head; /* bytes read from the ring, ever */
	_Atomic uint64_t got;                   /* bytes read from the socket, ever */
	struct fy_bell_shm bytes;               /* there are more; readers sleep here */
	struct fy_bell_shm room;                /* some were read; writers sleep here */
	/* The writer's, seldom. */
	alignas(FY_LINE) struct fy_lane_stretch stretch[FY_LANE_STRETCHES]; /* number n: n % 2 */
	_Atomic uint32_t stretches;  /* that have begun; number 1 is open at once */
	_Atomic uint32_t ended;      /* enum fy_lane_end */
	_Atomic uint32_t writer_cpu; /* a hint: where it last waited, plus 1 */
	_Atomic uint32_t fenced;     /* 1: who gives room fences before it looks at `room` */
	/* The reader's, seldom. */
	alignas(FY_LINE) _Atomic uint32_t ready; /* 1: it reads by ferry's calls */
	_Atomic uint32_t gone;                   /* enum fy_lane_end, of the reading */
	_Atomic uint32_t wanted;                 /* 1: a byte over the socket, with the next news */
	_Atomic uint32_t reader_cpu;             /* as writer_cpu */
};

struct fy_lanes_shm {
	uint32_t magic;
	uint32_t version;
	uint64_t ring;              /* bytes of one */
	struct fy_lane_shm lane[2]; /* 0: what the one that connected writes; 1: the other way */
};

FY_AT(fy_lane_shm, news, 0, 512);
FY_AT(fy_lane_news, tail, 0, 8);
FY_AT(fy_lane_shm, head, 512, 8);
FY_AT(fy_lane_shm, got, 520, 8);
FY_AT(fy_lane_shm, bytes, 576, 64);
FY_AT(fy_lane_shm, room, 640, 64);
FY_AT(fy_lane_shm, stretch, 704, 48);
FY_AT(fy_lane_stretch, leave, 0, 8);
FY_AT(fy_lane_stretch, from, 8, 8);
FY_AT(fy_lane_stretch, to, 16, 8);
FY_AT(fy_lane_shm, stretches, 752, 4);
FY_AT(fy_lane_shm, ended, 756, 4);
FY_AT(fy_lane_shm, writer_cpu, 760, 4);
FY_AT(fy_lane_shm, fenced, 764, 4);
FY_AT(fy_lane_shm, ready, 768, 4);
FY_AT(fy_lane_shm, gone, 772, 4);
FY_AT(fy_lane_shm, wanted, 776, 4);
FY_AT(fy_lane_shm, reader_cpu, 780, 4);
static_assert(sizeof(struct fy_lane_shm) == 832, "a lane is thirteen lines");
FY_AT(fy_lanes_shm, magic, 0, 4);
FY_AT(fy_lanes_shm, version, 4, 4);
FY_AT(fy_lanes_shm, ring, 8, 8);
FY_AT(fy_lanes_shm, lane, 64, 1664);

/* What one side sends the other when it offers to move: one packet, with the memory. */
struct fy_offer_wire {
	uint32_t magic;
	uint32_t version;
	uint64_t inode; /* of the connecting socket */
};

#endif
