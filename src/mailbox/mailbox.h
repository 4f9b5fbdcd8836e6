/* SPDX-License-Identifier: MIT */
/*
 * mailbox.h - a mailbox as one handle sees it, and the checks at the door of every call.
 *
 * Sizes and offsets are copied and checked at open (open.c); the mapping is never asked for them
 * again.
 */
#ifndef FY_MAILBOX_H
#define FY_MAILBOX_H

#include <errno.h>
#include <ferry/error.h>
#include <ferry/mailbox.h>

#include "../base/why.h"
#include "../object/member.h"
#include "../object/object.h"
#include "../os/fork.h"
#include "../wait/bell.h"
#include "../wait/nap.h"
#include "../wait/rhythm.h"
#include "mailbox_format.h"

/* One priority. The hints are this handle's own; its threads share them, and a stale one is only
 * slower. */
struct fy_ring {
	struct fy_ring_shm *shm;
	struct fy_cell_shm *cells;
	_Atomic uint64_t *origin;
	struct fy_bell_shm *room;
	_Atomic uint64_t tail;
	_Atomic uint64_t head;
	_Atomic uint64_t seen_head; /* for senders: where receivers were when we last looked */
	_Atomic uint64_t full_at;   /* tail at which a full count found no room ... */
	_Atomic uint64_t full_head; /* ... and head at that time */
	_Atomic uint32_t full_asked;
	_Atomic uint64_t cared_head; /* head when we last looked for dead owners */
	_Atomic uint64_t cared_tail;
	_Atomic uint32_t cared_held; /* 1: others held cells then */
};

struct fy_tier {
	struct fy_tier_shm *shm;
	_Atomic uint64_t *words;
	uint64_t units;
	uint64_t unit_bytes;
	uint32_t n;
	_Atomic uint32_t cursor;
};

struct ferry_mailbox {
	struct fy_object object; /* first: kind functions get it */
	struct fy_mailbox_shm *shm;
	struct fy_bell_shm *arrival;
	struct fy_bell_shm *memory_freed;
	uint32_t flags;
	uint32_t levels;
	uint32_t cells_log2;
	uint32_t capacity;
	uint32_t n_tiers;
	int drop_oldest;
	int one_to_one;
	_Atomic uint32_t lacks; /* one bit a role that is not ours yet and must be, to act in it */
	_Atomic uint32_t calm[FY_MAILBOX_ROLES]; /* messages without sleep until we ask no more for
						    fences (wait.h); 0 = we do not ask */
	uint64_t max_size;
	uint64_t memory;
	_Atomic uint32_t care_turn; /* the member that is asked after next, whatever it holds */
	_Atomic int64_t
	    look_due; /* coarse time before which a fruitless call need not look again */
	_Atomic int64_t care_due;  /* coarse time at which we should look after the others */
	_Atomic uint32_t last_cpu; /* where the sender of our last message ran */
	struct fy_rhythm rhythm;   /* in which messages come to us */
	int64_t sound_after;       /* ns without a message, then receivers sleep soundly ... */
	int64_t sound_for;         /* ... for so long */
	int64_t sound_every;       /* ns at least between two looks whether they may */
	_Atomic int64_t sound_due; /* coarse time of the next */
	_Atomic int64_t news_at;   /* coarse time at which one was woken last */
	struct fy_spin receive_spin;
	struct fy_spin send_spin;
	struct fy_tier tiers[FY_TIERS_MAX];
	struct fy_ring rings[FY_LEVELS_MAX];
};

/* The bells' places in the object: arrival, memory, then one room bell a level. */
enum { FY_BELL_ARRIVAL = 0, FY_BELL_MEMORY = 1, FY_BELL_ROOM = 2 };

extern const struct fy_kind fy_mailbox_kind;

static inline uint64_t fy_cells(const struct ferry_mailbox *box)
{
	return UINT64_C(1) << box->cells_log2;
}

/* The tag that our memory units carry. */
static inline uint64_t fy_tag(uint64_t incarnation, uint32_t slot)
{
	return incarnation << 12 | (slot + 1);
}

/* What a free unit says that held the message of that level and position. No owner's tag looks like
 * it, and it is not 0. */
static inline uint64_t fy_stamp(uint32_t level, uint64_t position)
{
	const uint64_t place = (position & ((UINT64_C(1) << 45) - 1)) + 1;

	return place << 17 | (uint64_t)level << 12;
}

/* Our slot + 1, as owners are written; 0 if we are no member. */
static inline uint32_t fy_me(const struct ferry_mailbox *box)
{
	return box->object.slot + 1;
}

/* The handle is dead once a check has failed. Returns r. */
static inline int fy_judge(struct ferry_mailbox *box, int r)
{
	if (FY_UNLIKELY(r == -FERRY_ECORRUPT))
		/* RELAXED(a flag of this process) */
		atomic_store_explicit(&box->object.broken, 1, memory_order_relaxed);
	return r;
}

/* Does a one to one mailbox's publisher have to fence (bell.h), for who has that role? */
static inline int fy_mailbox_fenced(const struct ferry_mailbox *box, enum fy_mailbox_role sleeper)
{
	/* SYNC(mailbox.fenced) acquire: pairs with ask() of wait.c: before the look at the bell.
	 * Who looked too early to see it was reached by the barrier that came after it. */
	return (atomic_load_explicit(&box->shm->fenced, memory_order_acquire) &
		(FY_FENCE_ALWAYS | FY_FENCE_FOR(sleeper))) != 0;
}

/* The same for one that makes a barrier itself each time, which may not reach everybody. */
static inline int fy_mailbox_fenced_always(const struct ferry_mailbox *box)
{
	/* RELAXED(a fact since somebody opened it who is not reached) */
	return (atomic_load_explicit(&box->shm->fenced, memory_order_relaxed) & FY_FENCE_ALWAYS) !=
	       0;
}

/* A handle that is no member, to repair with (writable) or to look. */
int fy_mailbox_open_unjoined(ferry_mailbox **ret_box, const char *location, int only_look,
			     struct ferry_why *why);

/* ferry_object_repair() of a mailbox. */
int fy_mailbox_repair(const char *location, int dry_run, struct ferry_repair *result,
		      struct ferry_why *why);

/* In a child: join on our own behalf. 0 or an error. */
FY_COLD int fy_mailbox_rejoin(struct ferry_mailbox *box);

/* The door: may this handle do that now? forbidden: the flags that rule it out. */
static inline int fy_mailbox_enter(struct ferry_mailbox *box, uint32_t forbidden)
{
	if (FY_UNLIKELY(box->flags & forbidden))
		return -EBADF;
	if (FY_UNLIKELY(!fy_object_is_ours(&box->object))) {
		int r = fy_mailbox_rejoin(box);
		if (r < 0)
			return r;
	}
	return fy_object_state(&box->object);
}

#define FY_NO_SENDING   ((uint32_t)(FERRY_RECEIVE_ONLY | FERRY_OBSERVE))
#define FY_NO_RECEIVING ((uint32_t)(FERRY_SEND_ONLY | FERRY_OBSERVE))

#endif
