/* SPDX-License-Identifier: MIT */
/*
 * pace.h - waiting for what nobody tells: looking again and again, the less often the longer
 * nothing comes.
 *
 * For taps only. They may not write into the object, so they cannot set a bell's bit 0, and those
 * who ring must not pay for them. Whoever can be rung waits at a bell (bell.h).
 */
#ifndef FY_PACE_H
#define FY_PACE_H

#include <ferry/base.h>

#include "../os/clock.h"

#define FY_PACE_FIRST (FY_MS / 20) /* ns until the second look */
#define FY_PACE_MOST  (10 * FY_MS)

struct fy_pace {
	int64_t pause; /* ns slept last; 0 at first */
};

/* Something was there: look soon next time. */
static inline void fy_pace_found(struct fy_pace *pace)
{
	pace->pause = 0;
}

/* Nothing was there. 0: look again; -EAGAIN, -ETIMEDOUT, or -EINTR if a handler ran meanwhile. */
int fy_pace_wait(struct fy_pace *pace, ferry_deadline deadline);

#endif
