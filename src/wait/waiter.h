/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - waiting for an attempt to succeed: try, spin a little, then sleep in naps.
 *
 * Use: while ((r = try()) == -EAGAIN && (r = fy_waiter_again(&waiter)) == 0) ; fy_waiter_over().
 * Between bell and sleep the attempt is made once more, so no ring is missed. Every call of ferry's
 * that sleeps at a bell waits like this; what differs between the families is in the host.
 */
#ifndef FY_WAITER_H
#define FY_WAITER_H

#include <ferry/base.h>

#include "../os/pause.h"
#include "bell.h"
#include "nap.h"

enum fy_waiter_phase { FY_WAITER_NEW, FY_WAITER_SPINNING, FY_WAITER_PREPARED };

#define FY_WAITER_LOOKS 16u /* attempts between two looks at the clock */
#define FY_WAITER_EAGER                                                                            \
	128u /* about 2 us: an answer that comes this soon shall not wait for a pause */

struct fy_waiter;

/* What the waiter asks of the object that it waits in. NULL: nothing to do. */
struct fy_waiter_host {
	/* 0, or why there is no point in waiting (-EIDRM, ...). */
	int (*state)(void *object);
	/* The deadline is FERRY_NOW: may this call look after the others all the same? One that
	 * polls must see what the dead left, but need not look each time. */
	int (*may_look)(void *object);
	/* It is time to look after the others: waiter->look is set. 1: something came of it; 0; an
	 * error. May set turn and sleepers, for the next nap. */
	int (*care)(struct fy_waiter *waiter);
	/* The bell is prepared; the attempt comes next. */
	void (*prepared)(struct fy_waiter *waiter);
	/* After that: how long it may sleep without naps, if the attempt fails once more; 0: not at
	 * all. rung: something has happened since it was asked last. */
	int64_t (*sound)(const struct fy_waiter *waiter, int rung);
};

struct fy_waiter {
	const struct fy_waiter_host *host;
	void *object;
	ferry_deadline deadline;
	_Atomic uint32_t *bell;
	int fd; /* of the file that the bell lies in (bell.h), or FY_BELL_UNWATCHED */
	struct fy_spin *spin;
	_Atomic uint32_t *count; /* of those who sleep as we do, to look at; or NULL */
	int interruptible;
	int same_core;  /* the other side was last seen on our core: do not spin */
	uint32_t eager; /* looks while spinning before the first pause */
	enum fy_waiter_phase phase;
	uint32_t spins;
	uint32_t seen;     /* the bell's word, when prepared */
	uint32_t sleepers; /* about how many sleep as we do (0: as 1) ... */
	uint32_t turn;     /* ... and how many of them before us */
	int64_t
	    look_by;   /* when it is time to look, if that is before the nap's end; 0 = it is not */
	int64_t sound; /* ns that it may sleep now without naps; 0 = it may not */
	int look; /* no ring brought the next attempt: it looks after the dead too, where attempts
		     do */
	int counted;
	int slept;
	int reaching; /* it spins longer than usual (nap.h) */
	int64_t began;
	int64_t spin_until;
};

/* The same, when it is time to look at more than the attempt. */
int fy_waiter_again_slow(struct fy_waiter *waiter);

/* The attempt failed. 0: waiting is over for now, try again; else why there is no point: -EAGAIN,
 * -ETIMEDOUT, -EINTR, -FERRY_ECORRUPT, or what the host said. */
static inline int fy_waiter_again(struct fy_waiter *waiter)
{
	if (waiter->phase != FY_WAITER_SPINNING || ++waiter->spins % FY_WAITER_LOOKS == 0)
		return fy_waiter_again_slow(waiter);
	if (waiter->spins > waiter->eager)
		fy_pause();
	return 0;
}

/* 1 if the next fy_waiter_again() would sleep, or give up: time to ask the kernel what is asked
 * only before that. */
static inline int fy_waiter_is_about_to_sleep(const struct fy_waiter *waiter)
{
	return waiter->phase == FY_WAITER_PREPARED || waiter->deadline == FERRY_NOW;
}

/* Learn from an attempt that succeeded while we reached, or after we slept. */
__attribute__((cold, noinline)) void fy_waiter_learn(struct fy_waiter *waiter);

/* The attempt succeeded: if that was while we span, it was worth it. */
static inline void fy_waiter_succeeded(struct fy_waiter *waiter)
{
	if (waiter->reaching || waiter->slept)
		fy_waiter_learn(waiter);
	else if (waiter->phase == FY_WAITER_SPINNING)
		fy_spin_paid(waiter->spin);
}

/* Whatever happened, the waiting is over; for those who count, or share a bell with others who want
 * the same. more: we were woken, and leave work for one more. */
void fy_waiter_over(struct fy_waiter *waiter, int succeeded, int more);

#endif
