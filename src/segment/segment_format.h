/* SPDX-License-Identifier: MIT */
/*
 * segment_format.h - the bytes of a segment. Layout 1.
 *
 * Fields, states, and who may change what: docs/formats/segment.md. A change of width, order or
 * meaning of anything here raises FY_LAYOUT_SEGMENT (object_format.h).
 */
#ifndef FY_SEGMENT_FORMAT_H
#define FY_SEGMENT_FORMAT_H

#include "../base/format.h"

struct fy_segment_shm {
	uint64_t max_bytes; /* of memory */
	uint64_t memory;    /* where it begins, from the beginning of the file */
	uint32_t arena;     /* 1: it belongs to the arena */
	uint32_t page_log2;
	uint64_t key;                            /* of the arena's words; random */
	alignas(FY_LINE) _Atomic uint64_t bytes; /* of memory now: reserved before it is written */
	_Atomic uint32_t grown;      /* bell (wait/bell.h): rung when bytes has risen ... */
	_Atomic uint32_t grown_mark; /* ... and its mark */
	alignas(FY_LINE) _Atomic uint64_t roots; /* first of the named roots; 0 = none */
};

FY_AT(fy_segment_shm, max_bytes, 0, 8);
FY_AT(fy_segment_shm, memory, 8, 8);
FY_AT(fy_segment_shm, arena, 16, 4);
FY_AT(fy_segment_shm, page_log2, 20, 4);
FY_AT(fy_segment_shm, key, 24, 8);
FY_AT(fy_segment_shm, bytes, 64, 8);
FY_AT(fy_segment_shm, grown, 72, 4);
FY_AT(fy_segment_shm, grown_mark, 76, 4);
FY_AT(fy_segment_shm, roots, 128, 8);

#endif
