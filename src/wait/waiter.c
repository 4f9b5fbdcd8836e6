/* SPDX-License-Identifier: MIT */
/* waiter.c - see waiter.h; the protocol of bells: docs/formats/mailbox.md, "Waiting". */
#include "waiter.h"

#include <errno.h>
#include <ferry/error.h>

#include "../os/pause.h"

#define LOOKS_A_TIME 16u  /* attempts between two looks at the clock */
#define EAGER_LOOKS  128u /* an answer that comes this soon shall not wait for a pause */

static int prepare(struct fy_waiter *waiter)
{
	if (!waiter->counted && waiter->count) {
		waiter->counted = 1;
		/* RELAXED(to look at) */
		(void)atomic_fetch_add_explicit(waiter->count, 1, memory_order_relaxed);
	}
	waiter->seen = fy_bell_prepare(waiter->bell);
	waiter->phase = FY_WAITER_PREPARED;
	return 0;
}

static int sleep_a_nap(struct fy_waiter *waiter, int64_t now)
{
	int64_t until = fy_nap_end(now, 0, 1);
	int r = fy_bell_sleep(waiter->bell, waiter->seen,
			      until < waiter->deadline ? until : waiter->deadline);

	waiter->slept = 1;
	if (r == -EINTR && waiter->interruptible)
		return -EINTR;
	if (r == -ETIMEDOUT) {
		int found = waiter->host->care(waiter->object);
		if (found < 0)
			return found;
	} else if (r < 0 && r != -EINTR) {
		return -FERRY_ECORRUPT; /* the page with the bell is gone */
	}
	/* Set bit 0 again before looking: others may sleep, and we may have to. */
	return prepare(waiter);
}

static int start_spinning(struct fy_waiter *waiter, int64_t now)
{
	int64_t budget = fy_spin_budget(waiter->spin, waiter->same_core);

	if (budget == 0)
		return prepare(waiter);
	waiter->spin_until = budget < waiter->deadline - now ? now + budget : waiter->deadline;
	waiter->phase = FY_WAITER_SPINNING;
	return 0;
}

int fy_waiter_again(struct fy_waiter *waiter)
{
	int r = waiter->host->state(waiter->object);

	if (r < 0)
		return r;
	if (waiter->deadline == FERRY_NOW)
		return -EAGAIN;
	if (waiter->phase == FY_WAITER_SPINNING && ++waiter->spins % LOOKS_A_TIME != 0) {
		if (waiter->spins > EAGER_LOOKS)
			fy_pause();
		return 0;
	}
	int64_t now = fy_now();
	if (now >= waiter->deadline)
		return -ETIMEDOUT;
	if (waiter->phase == FY_WAITER_NEW)
		return start_spinning(waiter, now);
	if (waiter->phase == FY_WAITER_PREPARED)
		return sleep_a_nap(waiter, now);
	if (now < waiter->spin_until)
		return 0;
	fy_spin_failed(waiter->spin);
	return prepare(waiter);
}

void fy_waiter_over(struct fy_waiter *waiter, int succeeded, int more)
{
	if (waiter->phase == FY_WAITER_SPINNING && succeeded)
		fy_spin_paid(waiter->spin);
	if (waiter->counted)
		/* RELAXED(to look at) */
		(void)atomic_fetch_sub_explicit(waiter->count, 1, memory_order_relaxed);
	/* A ring that woke us may have been meant for several. */
	if (waiter->slept && (more || !succeeded))
		fy_bell_ring(waiter->bell, FY_BELL_ONE);
}
