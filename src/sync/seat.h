/* SPDX-License-Identifier: MIT */
/*
 * seat.h - the table of who waits for, or shares, what.
 *
 * A seat belongs to the thread (or member) named in it, and is worth what its owner is worth: that
 * of a dead one counts for nothing, once the duties that it left have been done
 * (docs/formats/lock.md, "Seats").
 */
#ifndef FY_SEAT_H
#define FY_SEAT_H

#include "sync.h"

/* The word that says what a seat is for. The fold of its owner in it tells a word that an earlier
 * owner left from one of this owner's. */
static inline uint64_t fy_seat_what(uint64_t offset, enum fy_seat_role role, uint64_t who)
{
	uint64_t fold = (who ^ who >> 20 ^ who >> 40) & 0xfffff;

	return offset / FY_LINE << 26 | fold << 6 | (uint64_t)role;
}

static inline enum fy_seat_role fy_seat_role(uint64_t what)
{
	return (enum fy_seat_role)(what & 63);
}

static inline uint64_t fy_seat_offset(uint64_t what)
{
	return (what >> 26) * FY_LINE;
}

/* What was read from one seat, consistently. */
struct fy_seat {
	uint32_t i;
	uint64_t who;
	uint64_t what;
	enum fy_seat_role role; /* FY_SEAT_NONE: nothing to see */
	uint64_t offset;
};

/* Take a seat, for nothing yet. Its number, or FY_NO_SEAT if all are taken by the living. */
uint32_t fy_seat_take(struct fy_sync *sync, uint64_t who);

/* Say what it is for. Sequentially consistent. */
void fy_seat_set(struct fy_sync *sync, uint32_t i, uint64_t offset, enum fy_seat_role role);

/* Give it back. */
void fy_seat_leave(struct fy_sync *sync, uint32_t i);

/* Change what seat->what says to another role, if it has not changed. */
int fy_seat_move(struct fy_sync *sync, const struct fy_seat *seat, enum fy_seat_role to);

/* Read seat i. 0 if it says nothing: then only i and who are set. */
int fy_seat_read(const struct fy_sync *sync, uint32_t i, struct fy_seat *ret_seat);

/* The seat of a dead owner is free. Only after its duties are done. */
void fy_seat_clear(struct fy_sync *sync, const struct fy_seat *seat);

/* How many seats need be looked at. */
uint32_t fy_seats_used(const struct fy_sync *sync);

static inline struct fy_seat_shm *fy_seat_at(const struct fy_sync *sync, uint32_t i)
{
	return &sync->shm->seats[i];
}

/* When the first of those who were granted entry or signalled at offset, and have not come, is to
 * be passed by; 0: nobody is, or it is past already. */
int64_t fy_seats_stale_at(const struct fy_sync *sync, uint64_t offset, int64_t now);

/* When it took on what it is for now; ns. */
int64_t fy_seat_since(const struct fy_sync *sync, uint32_t i);
void fy_seat_begin(struct fy_sync *sync, uint32_t i, int64_t now);

#endif
