/* SPDX-License-Identifier: MIT */
/*
 * mailbox_format.h - the bytes of a mailbox. Layout 1.
 *
 * Fields, states, and who may change what: docs/formats/mailbox.md. A change of width, order or
 * meaning of anything here raises FY_LAYOUT_MAILBOX (object_format.h).
 */
#ifndef FY_MAILBOX_FORMAT_H
#define FY_MAILBOX_FORMAT_H

#include "../base/format.h"

#define FY_TIERS_MAX    12u
#define FY_LEVELS_MAX   32u
#define FY_CELL_PAYLOAD 112u
#define FY_CELLS_SPARE  32u /* beyond the capacity, for what stopped members hold */

/* One tier of payload memory: n units of equal size, and a word for each: who owns it, or after
 * which message it was freed (memory.h). */
struct fy_tier_shm {
	uint64_t words;      /* offset of the words in the file */
	uint64_t units;      /* offset of the first unit */
	uint64_t unit_bytes; /* a power of two */
	uint32_t n;
	_Atomic uint32_t recent; /* where units were freed last: their memory is in a cache */
};

FY_AT(fy_tier_shm, words, 0, 8);
FY_AT(fy_tier_shm, units, 8, 8);
FY_AT(fy_tier_shm, unit_bytes, 16, 8);
FY_AT(fy_tier_shm, n, 24, 4);
FY_AT(fy_tier_shm, recent, 28, 4);

/* The rings' hints and counters; the cells lie elsewhere. */
struct fy_ring_shm {
	alignas(2 * FY_LINE) _Atomic uint64_t tail;
	alignas(2 * FY_LINE) _Atomic uint64_t head;
	alignas(2 * FY_LINE) _Atomic uint64_t burned; /* positions that no message ever had */
	_Atomic uint64_t dropped;
	_Atomic uint64_t expired;
	_Atomic uint64_t redelivered;
};

FY_AT(fy_ring_shm, tail, 0, 8);
FY_AT(fy_ring_shm, head, 128, 8);
FY_AT(fy_ring_shm, burned, 256, 8);
FY_AT(fy_ring_shm, dropped, 264, 8);
FY_AT(fy_ring_shm, expired, 272, 8);
FY_AT(fy_ring_shm, redelivered, 280, 8);
static_assert(sizeof(struct fy_ring_shm) == 384, "a ring's header is six lines");

/* Who may do what in a one to one mailbox (role.h). */
enum fy_mailbox_role { FY_SENDER = 0, FY_RECEIVER = 1, FY_MAILBOX_ROLES = 2 };

struct fy_mailbox_shm {
	uint64_t max_size;
	uint64_t memory;
	uint64_t cells;  /* offset of the first ring's cells; the others follow */
	uint64_t origin; /* offset of the first ring's origins; the others follow */
	uint32_t capacity;
	uint32_t cells_log2; /* of each ring */
	uint32_t levels;
	uint32_t n_tiers;
	uint32_t drop_oldest;
	uint32_t one_to_one; /* 1: at most one sender and one receiver at a time */
	alignas(2 * FY_LINE) _Atomic uint64_t returned; /* generation << 1 | active */
	_Atomic uint64_t waiting_levels;                /* generation << 32 | one bit a level */
	_Atomic uint64_t
	    roles[FY_MAILBOX_ROLES]; /* one to one: the tag of who has each; 0 = nobody */
	_Atomic uint32_t fenced;     /* one to one, for whom publishers fence (bell.h): 1 = for all,
				      * FY_FENCE_FOR(role) = for who has that role and sleeps */
	alignas(2 * FY_LINE) struct fy_tier_shm tiers[FY_TIERS_MAX];
	struct fy_ring_shm rings[FY_LEVELS_MAX];
};

FY_AT(fy_mailbox_shm, max_size, 0, 8);
FY_AT(fy_mailbox_shm, memory, 8, 8);
FY_AT(fy_mailbox_shm, cells, 16, 8);
FY_AT(fy_mailbox_shm, origin, 24, 8);
FY_AT(fy_mailbox_shm, capacity, 32, 4);
FY_AT(fy_mailbox_shm, cells_log2, 36, 4);
FY_AT(fy_mailbox_shm, levels, 40, 4);
FY_AT(fy_mailbox_shm, n_tiers, 44, 4);
FY_AT(fy_mailbox_shm, drop_oldest, 48, 4);
FY_AT(fy_mailbox_shm, one_to_one, 52, 4);
FY_AT(fy_mailbox_shm, returned, 128, 8);
FY_AT(fy_mailbox_shm, waiting_levels, 136, 8);
FY_AT(fy_mailbox_shm, roles, 144, 16);
#define FY_FENCE_ALWAYS    1u
#define FY_FENCE_FOR(role) (2u << (role))

FY_AT(fy_mailbox_shm, fenced, 160, 4);
FY_AT(fy_mailbox_shm, tiers, 256, 32 * FY_TIERS_MAX);
FY_AT(fy_mailbox_shm, rings, 640, 384 * FY_LEVELS_MAX);

/* Where the payload is when it is not in the cell. */
struct fy_reference_shm {
	_Atomic uint64_t offset; /* in the file */
	_Atomic uint64_t size;
	_Atomic uint64_t expiry; /* CLOCK_MONOTONIC ns */
};

struct fy_cell_shm {
	alignas(2 * FY_LINE) _Atomic uint64_t word;
	_Atomic uint64_t meta;
	union {
		unsigned char bytes[FY_CELL_PAYLOAD];
		struct fy_reference_shm reference;
		struct {
			unsigned char before[FY_CELL_PAYLOAD - 8];
			_Atomic uint64_t expiry;
		} inlined;
	};
};

FY_AT(fy_cell_shm, word, 0, 8);
FY_AT(fy_cell_shm, meta, 8, 8);
FY_AT(fy_cell_shm, bytes, 16, FY_CELL_PAYLOAD);
FY_AT(fy_cell_shm, reference.offset, 16, 8);
FY_AT(fy_cell_shm, reference.size, 24, 8);
FY_AT(fy_cell_shm, reference.expiry, 32, 8);
FY_AT(fy_cell_shm, inlined.expiry, 120, 8);
static_assert(sizeof(struct fy_cell_shm) == 128, "a cell is two lines");

/* ---- the word of a cell: lap 40 | attempt 8 | owner 12 | state 4 ---- */

enum fy_cell_state {
	FY_EMPTY = 0,
	FY_CLAIMED = 1,
	FY_FULL = 2,
	FY_TAKEN = 3,
	FY_REVOKED = 4,
	FY_RETURNED = 5,
	FY_LATE = 8, /* a mark, with TAKEN and RETURNED */
};

static inline uint64_t fy_word(uint64_t lap, uint32_t attempt, uint32_t owner, uint32_t state)
{
	return lap << 24 | (uint64_t)(attempt & 0xff) << 16 | (uint64_t)owner << 4 | state;
}

static inline uint64_t fy_word_lap(uint64_t word)
{
	return word >> 24;
}

static inline uint32_t fy_word_attempt(uint64_t word)
{
	return (uint32_t)(word >> 16) & 0xff;
}

static inline uint32_t fy_word_owner(uint64_t word)
{
	return (uint32_t)(word >> 4) & 0xfff;
}

static inline uint32_t fy_word_state(uint64_t word)
{
	return (uint32_t)word & 7;
}

static inline uint32_t fy_word_late(uint64_t word)
{
	return (uint32_t)word & FY_LATE;
}

/* How many laps the word is ahead of lap (negative: behind), modulo 2^40. */
static inline int64_t fy_word_ahead(uint64_t word, uint64_t lap)
{
	return (int64_t)((fy_word_lap(word) - lap) << 24) >> 24;
}

/* The same message, one delivery later: 255 is followed by 240, so it never looks small again. */
static inline uint32_t fy_next_attempt(uint32_t attempt)
{
	return attempt >= 255 ? 240 : attempt + 1;
}

/* ---- meta: size 8 | flags 4 | lap 10 | cpu 10 | sent 32 ---- */

/* VOID: what is in the cell is of no message that came to its end here; only taps ask. */
enum { FY_META_REFERENCE = 1, FY_META_EXPIRES = 2, FY_META_VOID = 4 };

#define FY_SENT_SHIFT 24 /* time of sending counts in 2^24 ns, about 17 ms */

static inline uint64_t fy_meta(uint32_t size, uint32_t flags, uint32_t cpu, int64_t now)
{
	uint32_t sent = (uint32_t)((uint64_t)now >> FY_SENT_SHIFT);

	return (uint64_t)sent << 32 | (uint64_t)(cpu & 0x3ff) << 22 | (uint64_t)(flags << 8) | size;
}

/* The lap is known only when a cell has been claimed. */
static inline uint64_t fy_meta_of_lap(uint64_t meta, uint64_t lap)
{
	return meta | (lap & 0x3ff) << 12;
}

/* How many laps the bytes in a cell are ahead of lap (negative: behind), modulo 2^10. */
static inline int32_t fy_meta_ahead(uint64_t meta, uint64_t lap)
{
	return (int32_t)(((uint32_t)(meta >> 12) - (uint32_t)lap) << 22) >> 22;
}

static inline uint32_t fy_meta_size(uint64_t meta)
{
	return (uint32_t)meta & 0xff;
}

static inline uint32_t fy_meta_flags(uint64_t meta)
{
	return (uint32_t)(meta >> 8) & 0xf;
}

static inline uint32_t fy_meta_cpu(uint64_t meta)
{
	return (uint32_t)(meta >> 22) & 0x3ff;
}

static inline uint32_t fy_meta_sent(uint64_t meta)
{
	return (uint32_t)(meta >> 32);
}

#endif
