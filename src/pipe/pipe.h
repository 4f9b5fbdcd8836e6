/* SPDX-License-Identifier: MIT */
/*
 * pipe.h - one end of a pipe as one handle sees it, and the checks at the door of every call.
 *
 * Sizes and offsets are copied and checked at open (open.c); the mapping is never asked for them
 * again.
 */
#ifndef FY_PIPE_H
#define FY_PIPE_H

#include <errno.h>
#include <ferry/error.h>
#include <ferry/pipe.h>

#include "../base/why.h"
#include "../object/member.h"
#include "../object/object.h"
#include "../wait/waiter.h"
#include "../wait/watch.h"
#include "pipe_format.h"

/* The bells' places in the object. */
enum { FY_BELL_BYTES = 0, FY_BELL_SPACE = 1, FY_BELL_TURN = 2, FY_PIPE_BELLS = 3 };

/* How we know whether anybody has the other end open, and keep our own open (presence.c). */
struct fy_presence {
	int fd; /* anonymous: our end of a kernel pipe; named: a description that locks our role */
	_Atomic int64_t due;           /* coarse time before which we need not ask again */
	_Atomic uint32_t departures;   /* of readers, when we asked last */
	struct fy_watch *hangup;       /* anonymous: the kernel pipe's */
	struct fy_watched *peers;      /* named: the processes of the other end */
	_Atomic uint64_t watched_upto; /* opened[other role] when the watches were made, plus 1 */
	_Atomic uint32_t watching;     /* 1: a thread is changing the watches */
};

enum fy_reserved { FY_NOT_RESERVED = 0, FY_RESERVED = 1, FY_RESERVED_OUTSIDE = 2 };

/* What the one who has the handle's turn knows; guarded by busy. */
struct fy_writing {
	uint64_t word;  /* turn as we left it ... */
	uint64_t tail;  /* ... its position ... */
	uint64_t head;  /* ... and where readers were at least, then */
	uint64_t stuck; /* somebody else's turn that does not move ... */
	uint32_t stuck_looks;
	int64_t stuck_at;       /* ... since */
	int64_t cared_at;       /* when we looked last whether the owners of holes are dead */
	uint64_t serial;        /* of reservations */
	struct fy_claim *claim; /* the one that is reserved */
	void *bounce; /* for a reservation that is not contiguous in the ring, or lost its turn */
	_Atomic uint32_t reserved; /* enum fy_reserved */
};

struct ferry_pipe {
	struct fy_object object; /* first: kind functions get it */
	struct fy_pipe_shm *shm;
	uint8_t *ring; /* mapped twice in a row */
	uint64_t ring_bytes;
	uint64_t capacity;
	uint64_t reserve_max;
	uint64_t chunk; /* a long write takes so much in one turn */
	uint32_t flags;
	uint32_t end; /* FERRY_READ, FERRY_WRITE or FERRY_OBSERVE */
	int anonymous;
	int export_fd;
	struct fy_presence presence;
	_Atomic uint64_t lap;       /* a whole position whose offset is 0: a hint */
	_Atomic uint64_t seen_tail; /* readers: there are bytes up to here, and no holes */
	_Atomic uint32_t empties;   /* readers: looks in vain since the last that found bytes */
	_Atomic uint32_t chases;    /* readers: looks in a row that found few bytes, soon */
	struct fy_spin spin;
	alignas(FY_LINE) _Atomic uint32_t busy; /* 1: a thread of this process writes, or has a
						   reservation */
	struct fy_writing writing;
};

extern const struct fy_kind fy_pipe_kind;

static inline enum fy_pipe_role fy_pipe_role(const struct ferry_pipe *pipe)
{
	return pipe->end == FERRY_WRITE ? FY_ROLE_WRITER : FY_ROLE_READER;
}

static inline enum fy_pipe_role fy_pipe_other(const struct ferry_pipe *pipe)
{
	return pipe->end == FERRY_WRITE ? FY_ROLE_READER : FY_ROLE_WRITER;
}

/* Our slot + 1, as owners are written. */
static inline uint32_t fy_pipe_me(const struct ferry_pipe *pipe)
{
	return pipe->object.slot + 1;
}

/* The memory of a position; contiguous for a whole ring from there. */
static inline uint8_t *fy_pipe_at(struct ferry_pipe *pipe, uint64_t position)
{
	/* RELAXED(a hint; any value gives an offset within the ring) */
	uint64_t lap = atomic_load_explicit(&pipe->lap, memory_order_relaxed);

	if (FY_UNLIKELY(position - lap >= pipe->ring_bytes)) {
		lap = position - position % pipe->ring_bytes;
		/* RELAXED(a hint) */
		atomic_store_explicit(&pipe->lap, lap, memory_order_relaxed);
	}
	return pipe->ring + (position - lap);
}

/* The handle is dead once a check has failed. Returns r. */
static inline int fy_pipe_judge(struct ferry_pipe *pipe, int r)
{
	if (FY_UNLIKELY(r == -FERRY_ECORRUPT))
		/* RELAXED(a flag of this process) */
		atomic_store_explicit(&pipe->object.broken, 1, memory_order_relaxed);
	return r;
}

/* ferry_object_repair() of a pipe. */
int fy_pipe_repair(const char *location, int dry_run, struct ferry_repair *result,
		   struct ferry_why *why);

/* In a child: join on our own behalf. 0 or an error. */
FY_COLD int fy_pipe_rejoin(struct ferry_pipe *pipe);

/* Why the pipe cannot be used: -EIDRM, -FERRY_ECORRUPT, or 0. */
static inline int fy_pipe_state(struct ferry_pipe *pipe)
{
	if (FY_UNLIKELY(fy_object_is_broken(&pipe->object)))
		return -FERRY_ECORRUPT;
	/* SYNC(header.state) acquire: pairs with the release in ferry_remove(). */
	uint32_t state = atomic_load_explicit(&pipe->object.header->state, memory_order_acquire);
	if (FY_UNLIKELY(state != FY_STATE_READY))
		return state == FY_STATE_REMOVED ? -EIDRM : -FERRY_ECORRUPT;
	return 0;
}

/* The door: may this handle do that now? end: the one that the call is for. */
static inline int fy_pipe_enter(struct ferry_pipe *pipe, uint32_t end)
{
	if (FY_UNLIKELY(pipe->end != end))
		return -EBADF;
	if (FY_UNLIKELY(!fy_object_is_ours(&pipe->object))) {
		int r = fy_pipe_rejoin(pipe);
		if (r < 0)
			return r;
	}
	return fy_pipe_state(pipe);
}

static inline struct fy_bell_shm *fy_pipe_bell(const struct ferry_pipe *pipe, int which)
{
	return &pipe->object.bells[which];
}

#endif
