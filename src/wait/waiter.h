/* SPDX-License-Identifier: MIT */
/*
 * waiter.h - waiting for an attempt to succeed: try, spin a little, then sleep in naps.
 *
 * Use: while ((r = try()) == -EAGAIN && (r = fy_waiter_again(&waiter)) == 0) ; fy_waiter_over().
 * Between bell and sleep the attempt is made once more, so no ring is missed.
 */
#ifndef FY_WAITER_H
#define FY_WAITER_H

#include <ferry/base.h>

#include "bell.h"
#include "nap.h"

enum fy_waiter_phase { FY_WAITER_NEW, FY_WAITER_SPINNING, FY_WAITER_PREPARED };

/* What the waiter asks of the object that it waits in. */
struct fy_waiter_host {
	/* 0, or why there is no point in waiting (-EIDRM, ...). */
	int (*state)(void *object);
	/* A nap is over: look after the others. 1: something came of it, try again; 0; an error. */
	int (*care)(void *object);
};

struct fy_waiter {
	const struct fy_waiter_host *host;
	void *object;
	ferry_deadline deadline;
	struct fy_bell_shm *bell;
	struct fy_spin *spin;
	_Atomic uint32_t *count; /* of those who sleep as we do, to look at; or NULL */
	int interruptible;
	int same_core; /* the other side was last seen on our core: do not spin */
	enum fy_waiter_phase phase;
	uint32_t spins;
	uint32_t seen; /* bell's word, when prepared */
	int counted;
	int slept;
	int64_t spin_until;
};

/* The attempt failed. 0: waiting is over for now, try again; else why there is no point: -EAGAIN,
 * -ETIMEDOUT, -EINTR, -FERRY_ECORRUPT, or what the host said. */
int fy_waiter_again(struct fy_waiter *waiter);

/* 1 if the next fy_waiter_again() would sleep, or give up: time to ask the kernel what is asked
 * only before that. */
static inline int fy_waiter_is_about_to_sleep(const struct fy_waiter *waiter)
{
	return waiter->phase == FY_WAITER_PREPARED || waiter->deadline == FERRY_NOW;
}

/* Whatever happened, the waiting is over. more: we were woken, and leave work for one more. */
void fy_waiter_over(struct fy_waiter *waiter, int succeeded, int more);

#endif
