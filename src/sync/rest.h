/* SPDX-License-Identifier: MIT */
/*
 * rest.h - waiting on a bell in a segment: try, spin a little, then sleep in naps.
 *
 * Use: while ((r = try()) == -EAGAIN && (r = fy_rest(&rest)) == 0) ; The try that follows with
 * rest.look set is to look after the dead first.
 */
#ifndef FY_REST_H
#define FY_REST_H

#include <ferry/base.h>

#include "sync.h"

struct fy_rest {
	struct fy_sync *sync;
	_Atomic uint32_t *bell;
	ferry_deadline deadline;
	int64_t spin_until;
	uint32_t phase;
	uint32_t spins;
	uint32_t seen; /* the bell, when prepared */
	int look;      /* look for the dead, and for those who do not come */
	int slept;
};

static inline struct fy_rest fy_rest_on(struct fy_sync *sync, _Atomic uint32_t *bell,
					ferry_deadline deadline)
{
	return (struct fy_rest){ .sync = sync, .bell = bell, .deadline = deadline };
}

/* The attempt failed. 0: it is time for another; else why there is no point: -EAGAIN, -ETIMEDOUT,
 * -EINTR, -EIDRM, -FERRY_ECORRUPT. */
int fy_rest(struct fy_rest *rest);

/* Will the next fy_rest() sleep? */
int fy_rest_sleeps(const struct fy_rest *rest);

/* It succeeded: was it worth spinning? */
void fy_rest_over(struct fy_rest *rest);

#endif
