/* SPDX-License-Identifier: MIT */
/*
 * lane.h - one direction of a connection that may run through shared memory.
 *
 * Its bytes go in stretches: over the socket at first, through the ring when the reader has said
 * that it looks there, over the socket again for descriptors or when the ring is full. Protocol:
 * docs/formats/connection.md; model: models/lane.pml.
 *
 * Every function here is a try that never waits. The caller sees to it that one thread at a time
 * writes, and one reads.
 */
#ifndef FY_LANE_H
#define FY_LANE_H

#include <sys/socket.h>
#include <sys/types.h>

#include "../base/why.h"
#include "lane_format.h"

/* What our end knows of a lane. It lies in memory that only we and our forked children have. */
struct fy_lane_side {
	alignas(FY_LINE) uint64_t position; /* ours in the ring: tail, or head */
	uint64_t seen;                      /* the other end's, when we looked last */
	uint64_t count;                     /* bytes that went over the socket, bells included */
	uint64_t from;         /* where the last stretch began; those before this were bells */
	uint32_t stretches;    /* writing: begun; reading: finished */
	int in_ring;           /* 1: the next byte goes, or comes, through the ring */
	int over;              /* reading: the socket has ended ... */
	int broken;            /* ... with -ECONNRESET */
	int told;              /* reading: 1: our caller has been told -ECONNRESET */
	_Atomic uint32_t shut; /* we have shut our end down */
};

struct fy_lane {
	struct fy_lane_shm *shm;
	uint8_t *ring;
	struct fy_lane_side *side;
	int fd;
	int fences; /* reading: barriers of others do not reach this process */
};

/* How a try to write may go about a full ring. */
enum fy_lane_full { FY_LANE_WAITS, FY_LANE_OVERFLOWS };

/* Write what fits of the message's size bytes. With control data: over the socket. > 0; -EAGAIN: no
 * room, where the next byte goes (in_ring says); -EPIPE; -FERRY_ECORRUPT; what sendmsg(2) says. */
ssize_t fy_lane_write(struct fy_lane *lane, const struct msghdr *message, size_t size,
		      enum fy_lane_full full);

/* What else than bytes a try to read can find. */
#define FY_LANE_AT_END ((ssize_t)INTPTR_MIN)

/* What a try to read does besides: when the ring is empty, ask the socket whether the other end
 * lives; and for those who wait for the descriptor, keep to their rules (arm() in lane.c). Or does
 * not: look whether there is more than what came first, which takes the line of the next write from
 * a writer who is just waiting for our answer to this one. */
enum fy_lane_look { FY_LANE_ASKS = 1, FY_LANE_POLLED = 2, FY_LANE_ONCE = 4 };

/* Read what there is, at most size bytes.
 * > 0; -EAGAIN; FY_LANE_AT_END; -FERRY_ECORRUPT; what recvmsg(2) says. */
ssize_t fy_lane_read(struct fy_lane *lane, struct msghdr *message, size_t size, unsigned look);

/* After a read, for those who wait for the descriptor, if it emptied the ring. 0, or an error. */
int fy_lane_arm(struct fy_lane *lane);

/* Reading: spin until there seems to be something in the ring. How many looks it took, or `looks`.
 * May be called by any thread. */
uint32_t fy_lane_watch(const struct fy_lane *lane, uint32_t looks);

/* Writing, and about to sleep for room: we cannot make the barrier that spares the reader a fence.
 */
void fy_lane_ask_for_fences(struct fy_lane *lane);

/* Writing: send a byte that says nothing. If nobody is there any more, TCP tells so afterwards. */
void fy_lane_probe(struct fy_lane *lane);

/* Do the bytes written last go over the socket? */
int fy_lane_is_plain(const struct fy_lane *lane);

/* Bytes that wait in the ring. */
uint64_t fy_lane_waiting(const struct fy_lane *lane);

/* Reading: does the other end say that it has ended the lane, and how? Writing: has the reader gone
 * away, and how? */
static inline uint32_t fy_lane_ended(const struct fy_lane *lane)
{
	/* SYNC(lane.end) acquire: pairs with fy_lane_end(): all that was written before is seen. */
	return atomic_load_explicit(&lane->shm->ended, memory_order_acquire);
}

static inline uint32_t fy_lane_gone(const struct fy_lane *lane)
{
	/* SYNC(lane.end) acquire: pairs with fy_lane_leave(). */
	return atomic_load_explicit(&lane->shm->gone, memory_order_acquire);
}

/* Has its reader said that it reads by these calls? */
static inline int fy_lane_has_reader(const struct fy_lane *lane)
{
	/* SYNC(lane.ready) acquire: pairs with fy_lane_is_ready(). */
	return atomic_load_explicit(&lane->shm->ready, memory_order_acquire) == 1;
}

/* Say that we write no more, or read no more, and wake whoever waits for it. */
void fy_lane_end(struct fy_lane *lane, enum fy_lane_end how);
void fy_lane_leave(struct fy_lane *lane, enum fy_lane_end how);

/* Reading: say that we read by these calls. */
static inline void fy_lane_is_ready(struct fy_lane *lane)
{
	/* SYNC(lane.ready) release: pairs with fy_lane_has_reader(). */
	atomic_store_explicit(&lane->shm->ready, 1, memory_order_release);
}

#endif
