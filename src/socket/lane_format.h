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

struct fy_lane_shm {
	/* The writer's, with every write. */
	alignas(FY_LINE) _Atomic uint64_t tail; /* bytes written into the ring, ever */
	/* The reader's, with every read. */
	alignas(FY_LINE) _Atomic uint64_t head; /* bytes read from the ring, ever */
	_Atomic uint64_t got;                   /* bytes read from the socket, ever */
	struct fy_bell_shm bytes;               /* there are more; readers sleep here */
	struct fy_bell_shm room;                /* some were read; writers sleep here */
	/* The writer's, seldom. */
	alignas(FY_LINE) _Atomic uint64_t leave; /* tail where the last stretch began */
	_Atomic uint64_t from;                   /* bytes that were sent when it began */
	_Atomic uint64_t to;                     /* and when it ended, or FY_STILL_OPEN */
	_Atomic uint32_t stretches;              /* that have begun; the first is open at once */
	_Atomic uint32_t ended;                  /* enum fy_lane_end */
	_Atomic uint32_t writer_cpu;             /* a hint: where it last waited, plus 1 */
	/* The reader's, seldom. */
	alignas(FY_LINE) _Atomic uint32_t ready; /* 1: it reads by ferry's calls */
	_Atomic uint32_t finished;               /* stretches that it has read to their end */
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

FY_AT(fy_lane_shm, tail, 0, 8);
FY_AT(fy_lane_shm, head, 64, 8);
FY_AT(fy_lane_shm, got, 72, 8);
FY_AT(fy_lane_shm, bytes, 128, 64);
FY_AT(fy_lane_shm, room, 192, 64);
FY_AT(fy_lane_shm, leave, 256, 8);
FY_AT(fy_lane_shm, from, 264, 8);
FY_AT(fy_lane_shm, to, 272, 8);
FY_AT(fy_lane_shm, stretches, 280, 4);
FY_AT(fy_lane_shm, ended, 284, 4);
FY_AT(fy_lane_shm, writer_cpu, 288, 4);
FY_AT(fy_lane_shm, ready, 320, 4);
FY_AT(fy_lane_shm, finished, 324, 4);
FY_AT(fy_lane_shm, gone, 328, 4);
FY_AT(fy_lane_shm, wanted, 332, 4);
FY_AT(fy_lane_shm, reader_cpu, 336, 4);
static_assert(sizeof(struct fy_lane_shm) == 384, "a lane is six lines");
FY_AT(fy_lanes_shm, magic, 0, 4);
FY_AT(fy_lanes_shm, version, 4, 4);
FY_AT(fy_lanes_shm, ring, 8, 8);
FY_AT(fy_lanes_shm, lane, 64, 768);

/* What one side sends the other when it offers to move: one packet, with the memory. */
struct fy_offer_wire {
	uint32_t magic;
	uint32_t version;
	uint64_t inode; /* of the connecting socket */
};

#endif
