/* SPDX-License-Identifier: MIT */
/*
 * core.h - the lock inside ferry_lock, ferry_rwlock (its writer) and ferry_once: hot path.
 *
 * Taking and leaving a lock that nobody else wants is one compare-and-swap each; everything else is
 * in core.c. Protocol: docs/formats/lock.md; model: models/lock.pml.
 */
#ifndef FY_CORE_H
#define FY_CORE_H

#include <ferry/base.h>

#include "../base/why.h"
#include "../os/cpu.h"
#include "sync.h"
#include "thread.h"

/* One attempt to get it. */
struct fy_core_call {
	struct fy_sync *sync;
	struct fy_core_shm *core;
	uint64_t who;
	uint64_t offset; /* of the primitive, for those who look */
	ferry_deadline deadline;
	int64_t began; /* when we first had to wait */
	int64_t spin_until;
	uint32_t phase;
	uint32_t pauses;
	uint32_t ticket;
	uint32_t seat;
	int summoned; /* we were called */
	int lost;     /* we were called before, and came too late */
	int slept;    /* so others may be asleep whom nobody else knows of */
	int ask;      /* find out whether the owner lives */
};

/* 0; 1 (FERRY_OWNER_DIED): ours, and an owner died in it; -EAGAIN, -ETIMEDOUT, -EINTR, -EDEADLK,
 * -ENOTRECOVERABLE, -EIDRM, -FERRY_ECORRUPT. */
FY_COLD int fy_core_acquire_slow(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who,
				 uint64_t offset, ferry_deadline deadline);

/* Leave it although it is wanted, or was not repaired, or not ours: -EPERM. died: leave it as a
 * dead owner would. */
FY_COLD int fy_core_release_slow(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who,
				 int died);

/* The segment was removed: whoever sleeps on it need not any more. */
void fy_core_wake_all(struct fy_core_shm *core);

/* For those who wait for several things at once (src/waiting/). Could a newcomer take it? 1, 0, or
 * -ENOTRECOVERABLE, -FERRY_ECORRUPT. ask: find out whether the owner lives. */
int fy_core_ready(struct fy_sync *sync, const struct fy_core_shm *core, int ask);

/* Have the owner, or the next one, leave it the long way, which rings the bell of a ferry_lock. */
void fy_core_want(struct fy_core_shm *core);

/* The data are right again. 0; -EPERM: not ours; -EINVAL: nobody had died. */
int fy_core_repaired(struct fy_core_shm *core, uint64_t who);

static inline int fy_once_is_done(const struct fy_once_shm *once)
{
	/* SYNC(once.done) acquire: pairs with the release in ferry_once_done(): what was done is
	 * ours to read. */
	return atomic_load_explicit(&once->done, memory_order_acquire) != 0;
}

/* The core of the primitive at a checked offset; NULL if that kind has none. */
struct fy_core_shm *fy_core_at(const struct fy_sync *sync, uint64_t offset, uint32_t magic);

static inline uint64_t fy_core_load(const struct fy_core_shm *core)
{
	/* SYNC(core.word) acquire: pairs with the release in fy_core_release() and swap(). */
	return atomic_load_explicit(&core->word, memory_order_acquire);
}

static inline uint64_t fy_core_owner(uint64_t word)
{
	return word & ~FY_WHO_MARKS;
}

/* Take it if nobody has it and wants it, as far as we can guess. 1: ours. */
static inline int fy_core_take(struct fy_core_shm *core, uint64_t who)
{
	/* With others about, a free lock has marks most of the time: the same as before, if we
	 * guess well. A newcomer leaves them as they are. */
	uint64_t marks = fy_thread.marks;
	uint64_t free = marks;

	/* SYNC(core.word) acquire: pairs with the release in fy_core_release(): what the last owner
	 * wrote is ours to read. */
	if (FY_UNLIKELY(!atomic_compare_exchange_strong_explicit(
		&core->word, &free, who | marks, memory_order_acquire, memory_order_relaxed)))
		return 0;
	/* RELAXED(a hint for those who spin) */
	atomic_store_explicit(&core->cpu, fy_cpu() + 1, memory_order_relaxed);
	return 1;
}

static inline int fy_core_acquire(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who,
				  uint64_t offset, ferry_deadline deadline)
{
	return FY_LIKELY(fy_core_take(core, who))
		   ? 0
		   : fy_core_acquire_slow(sync, core, who, offset, deadline);
}

static inline int fy_core_release(struct fy_sync *sync, struct fy_core_shm *core, uint64_t who)
{
	uint64_t ours = who;

	/* RELAXED(a time; no release may leave an old one behind) */
	if (FY_UNLIKELY(
		(atomic_load_explicit(&core->since, memory_order_relaxed) | fy_thread.marks) != 0))
		return fy_core_release_slow(sync, core, who, 0);
	/* SYNC(core.word) release: pairs with the acquire in fy_core_acquire() and fy_core_load():
	 * what we wrote inside is the next owner's to read. */
	if (FY_LIKELY(atomic_compare_exchange_strong_explicit(
		&core->word, &ours, 0, memory_order_release, memory_order_relaxed)))
		return 0;
	return fy_core_release_slow(sync, core, who, 0);
}

#endif
