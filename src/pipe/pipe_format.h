/* SPDX-License-Identifier: MIT */
/*
 * pipe_format.h - the bytes of a pipe. Layout 1.
 *
 * Fields, states, and who may change what: docs/formats/pipe.md. A change of width, order or
 * meaning of anything here raises FY_LAYOUT_PIPE (object_format.h).
 */
#ifndef FY_PIPE_FORMAT_H
#define FY_PIPE_FORMAT_H

#include "../base/format.h"

#define FY_PIPE_PAGE         4096u
#define FY_PIPE_CAPACITY_MAX (UINT64_C(1) << 40)
#define FY_HOLES             32u
#define FY_BRIEF             48u /* bytes of the last write, if it has no more */

enum fy_pipe_role { FY_ROLE_READER = 0, FY_ROLE_WRITER = 1, FY_PIPE_ROLES = 2 };

/* What a member says about itself. Only its owner writes here. */
struct fy_pipe_member_shm {
	alignas(FY_LINE) _Atomic uint64_t want; /* bytes from its turn's position on that it may
						   write */
	_Atomic uint32_t role;
};

FY_AT(fy_pipe_member_shm, want, 0, 8);
FY_AT(fy_pipe_member_shm, role, 8, 4);
static_assert(sizeof(struct fy_pipe_member_shm) == FY_LINE, "one line a member");

struct fy_pipe_shm {
	uint64_t capacity;    /* bytes that can wait */
	uint64_t ring;        /* offset of the ring in the file */
	uint64_t ring_bytes;  /* capacity and spare room */
	uint64_t reserve_max; /* largest reservation */
	uint32_t anonymous;
	/* What writers change, and only writers look at often. */
	alignas(2 * FY_LINE) _Atomic uint64_t turn;
	/* What writers change for readers that wait awake. */
	alignas(2 * FY_LINE) _Atomic uint64_t news; /* bytes before this position are published */
	_Atomic uint64_t brief_tag;                 /* of which write brief is, or 0 */
	_Atomic uint64_t brief[FY_BRIEF / 8];
	/* What readers change. */
	alignas(2 * FY_LINE) _Atomic uint64_t head;
	_Atomic uint32_t reader_cpu;
	/* Changed rarely, looked at often. */
	alignas(2 *
		FY_LINE) _Atomic uint64_t quarantine; /* generation << 1 | some hole is not FREE */
	_Atomic uint32_t departures;                  /* readers that closed */
	_Atomic uint32_t writer_cpu;                  /* where the last writer ran, plus 1 */
	/* By those who sleep, open, and pass over. */
	alignas(2 * FY_LINE) _Atomic uint64_t room_wanted; /* least that a sleeping writer needs */
	_Atomic uint64_t opened[FY_PIPE_ROLES];            /* times that an end was opened */
	_Atomic uint64_t passed_over;
	_Atomic uint64_t burned; /* positions before turn that never had a byte */
	alignas(2 * FY_LINE) _Atomic uint64_t holes[FY_HOLES];
	struct fy_pipe_member_shm members[]; /* as many as the member table has */
};

FY_AT(fy_pipe_shm, capacity, 0, 8);
FY_AT(fy_pipe_shm, ring, 8, 8);
FY_AT(fy_pipe_shm, ring_bytes, 16, 8);
FY_AT(fy_pipe_shm, reserve_max, 24, 8);
FY_AT(fy_pipe_shm, anonymous, 32, 4);
FY_AT(fy_pipe_shm, turn, 128, 8);
FY_AT(fy_pipe_shm, news, 256, 8);
FY_AT(fy_pipe_shm, brief_tag, 264, 8);
FY_AT(fy_pipe_shm, brief, 272, FY_BRIEF);
FY_AT(fy_pipe_shm, head, 384, 8);
FY_AT(fy_pipe_shm, reader_cpu, 392, 4);
FY_AT(fy_pipe_shm, quarantine, 512, 8);
FY_AT(fy_pipe_shm, departures, 520, 4);
FY_AT(fy_pipe_shm, writer_cpu, 524, 4);
FY_AT(fy_pipe_shm, room_wanted, 640, 8);
FY_AT(fy_pipe_shm, opened, 648, 16);
FY_AT(fy_pipe_shm, passed_over, 664, 8);
FY_AT(fy_pipe_shm, burned, 672, 8);
FY_AT(fy_pipe_shm, holes, 768, 8 * FY_HOLES);
static_assert(sizeof(struct fy_pipe_shm) == 1024, "members moved");

/* ---- turn: position 46 | hole 5 | passed over 1 | owner 12 (slot + 1; 0 = nobody) ---- */

#define FY_POSITION_BITS 46
#define FY_POSITION_MASK ((UINT64_C(1) << FY_POSITION_BITS) - 1)
#define FY_PASSED_OVER   (UINT64_C(1) << 12)

static inline uint64_t fy_turn(uint64_t position, uint32_t owner)
{
	return position << 18 | owner;
}

static inline uint64_t fy_turn_position(uint64_t turn)
{
	return turn >> 18;
}

static inline uint32_t fy_turn_owner(uint64_t turn)
{
	return (uint32_t)turn & 0xfff;
}

static inline uint32_t fy_turn_hole(uint64_t turn)
{
	return (uint32_t)(turn >> 13) & (FY_HOLES - 1);
}

/* The whole position whose lower bits are known, not before head. */
static inline uint64_t fy_position_after(uint64_t head, uint64_t position)
{
	return head + ((position - head) & FY_POSITION_MASK);
}

/* ---- a hole: position 46 | size 4 (64 << size bytes) | state 2 | owner 12 ---- */

enum fy_hole_state { FY_HOLE_FREE = 0, FY_HOLE_ACTIVE = 1, FY_HOLE_LET_GO = 2 };

#define FY_HOLE_BYTES_MAX (UINT64_C(64) << 15)

static inline uint64_t fy_hole(uint64_t position, uint32_t size, enum fy_hole_state state,
			       uint32_t owner)
{
	return position << 18 | (uint64_t)size << 14 | (uint64_t)state << 12 | owner;
}

static inline uint32_t fy_hole_size(uint64_t hole)
{
	return (uint32_t)(hole >> 14) & 0xf;
}

static inline uint64_t fy_hole_bytes(uint64_t hole)
{
	return UINT64_C(64) << fy_hole_size(hole);
}

static inline enum fy_hole_state fy_hole_state(uint64_t hole)
{
	return (enum fy_hole_state)(hole >> 12 & 3);
}

static inline uint32_t fy_hole_owner(uint64_t hole)
{
	return (uint32_t)hole & 0xfff;
}

/* The whole position of a hole that is near (less than 2^45 from) a whole position. */
static inline uint64_t fy_hole_position(uint64_t hole, uint64_t near)
{
	uint64_t apart = ((hole >> 18) - near) << (64 - FY_POSITION_BITS);

	return near + (uint64_t)((int64_t)apart >> (64 - FY_POSITION_BITS));
}

#endif
