/* SPDX-License-Identifier: MIT */
/*
 * object_format.h - the bytes that every object's file begins with.
 *
 * The table of fields, who writes them and what they mean: docs/formats/object.md.
 */
#ifndef FY_OBJECT_FORMAT_H
#define FY_OBJECT_FORMAT_H

#include "../base/format.h"

#define FY_MAGIC        UINT64_C(0x4f59525245460d01) /* bytes 01 0d "FERRYO" */
#define FY_HEADER_BYTES 4096u
#define FY_MEMBERS_MAX  4094u
#define FY_BELLS_MAX    64u
#define FY_LOCK_MEMBER  (INT64_C(1) << 62)      /* byte that slot 0's member locks */
#define FY_LOCK_ROLE    (FY_LOCK_MEMBER + 4096) /* byte that every holder of role 0 locks */

/* The layout of each kind that this library reads and writes; it covers this page too. */
#define FY_LAYOUT_MAILBOX 1u
#define FY_LAYOUT_PIPE    1u
#define FY_LAYOUT_SEGMENT 1u

enum { FY_STATE_READY = 1, FY_STATE_REMOVED = 2 };

struct fy_header_shm {
	uint64_t magic;
	uint32_t kind;
	uint32_t layout;
	uint64_t file_bytes;
	uint64_t body;
	uint32_t member_slots;
	uint32_t line;
	uint64_t bells;
	uint32_t n_bells;
	uint64_t map_bytes;
	alignas(FY_LINE) _Atomic uint32_t state;
	_Atomic uint32_t removing;
	alignas(2 * FY_LINE) _Atomic uint64_t cared_at;
	_Atomic uint64_t recovered;
};

FY_AT(fy_header_shm, magic, 0, 8);
FY_AT(fy_header_shm, kind, 8, 4);
FY_AT(fy_header_shm, layout, 12, 4);
FY_AT(fy_header_shm, file_bytes, 16, 8);
FY_AT(fy_header_shm, body, 24, 8);
FY_AT(fy_header_shm, member_slots, 32, 4);
FY_AT(fy_header_shm, line, 36, 4);
FY_AT(fy_header_shm, bells, 40, 8);
FY_AT(fy_header_shm, n_bells, 48, 4);
FY_AT(fy_header_shm, map_bytes, 56, 8);
FY_AT(fy_header_shm, state, 64, 4);
FY_AT(fy_header_shm, removing, 68, 4);
FY_AT(fy_header_shm, cared_at, 128, 8);
FY_AT(fy_header_shm, recovered, 136, 8);

enum fy_member_status { FY_MEMBER_FREE = 0, FY_MEMBER_ALIVE = 1, FY_MEMBER_DEAD = 2 };

struct fy_member_shm {
	alignas(FY_LINE) _Atomic uint64_t state; /* incarnation << 2 | status */
	uint64_t started;
	uint64_t pid_namespace;
	uint32_t pid;
	_Atomic uint32_t waiting_receivers;
	_Atomic uint32_t waiting_senders;
	_Atomic uint32_t returning;
	char program[24];
};

FY_AT(fy_member_shm, state, 0, 8);
FY_AT(fy_member_shm, started, 8, 8);
FY_AT(fy_member_shm, pid_namespace, 16, 8);
FY_AT(fy_member_shm, pid, 24, 4);
FY_AT(fy_member_shm, waiting_receivers, 28, 4);
FY_AT(fy_member_shm, waiting_senders, 32, 4);
FY_AT(fy_member_shm, returning, 36, 4);
FY_AT(fy_member_shm, program, 40, 24);
static_assert(sizeof(struct fy_member_shm) == FY_LINE, "a member is one line");

#endif
