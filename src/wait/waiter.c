/* SPDX-License-Identifier: MIT */
/* waiter.c - see waiter.h; the protocol of bells: docs/formats/mailbox.md, "Waiting". */
#include "waiter.h"

#include <errno.h>
#include <ferry/error.h>

enum why_prepared { IN_VAIN, RUNG, AT_THE_END };

static int prepare(struct fy_waiter *waiter, enum why_prepared why)
{
	const struct fy_waiter_host *host = waiter->host;

	if (!waiter->counted && waiter->count) {
		waiter->counted = 1;
		/* RELAXED(to look at) */
		(void)atomic_fetch_add_explicit(waiter->count, 1, memory_order_relaxed);
	}
	waiter->seen = fy_bell_word_prepare(waiter->bell);
	if (host->prepared)
		host->prepared(waiter);
	waiter->sound = host->sound && why != AT_THE_END ? host->sound(waiter, why == RUNG) : 0;
	waiter->phase = FY_WAITER_PREPARED;
	return 0;
}

static int look_after_others(struct fy_waiter *waiter)
{
	waiter->look = 1;
	return waiter->host->care ? waiter->host->care(waiter) : 0;
}

/* The caller will not wait. Without care, it is the attempt that looks. */
static int last_look(struct fy_waiter *waiter)
{
	const struct fy_waiter_host *host = waiter->host;

	if (waiter->look || !host->may_look || !host->may_look(waiter->object))
		return -EAGAIN;
	int found = look_after_others(waiter);
	return found > 0 || !host->care ? 0 : found == 0 ? -EAGAIN : found;
}

static int sleep_a_nap(struct fy_waiter *waiter, int64_t now)
{
	int64_t until = waiter->sound > 0 ? now + waiter->sound
					  : fy_nap_end(now, waiter->turn, waiter->sleepers);

	if (waiter->look_by && until > waiter->look_by)
		until = waiter->look_by;
	if (until > waiter->deadline)
		until = waiter->deadline;
	int r = fy_bell_word_sleep(waiter->bell, waiter->seen, until);

	waiter->slept = 1;
	waiter->look = 0;
	if (r == -EINTR && waiter->interruptible)
		return -EINTR;
	if (r == -ETIMEDOUT) {
		int found = look_after_others(waiter);
		if (found < 0)
			return found;
	} else if (r < 0 && r != -EINTR) {
		return -FERRY_ECORRUPT; /* the page with the bell is gone */
	}
	/* Set bit 0 again before looking: others may sleep, and we may have to. */
	return prepare(waiter, r == 0 ? RUNG : until == waiter->deadline ? AT_THE_END : IN_VAIN);
}

static int start_spinning(struct fy_waiter *waiter, int64_t now)
{
	int64_t budget = fy_spin_budget(waiter->spin, waiter->same_core);
	int64_t reach = waiter->same_core ? 0 : fy_spin_reach(waiter->spin, now);

	waiter->began = now;
	waiter->reaching = reach > budget;
	if (waiter->reaching)
		budget = reach;
	if (budget == 0)
		return prepare(waiter, IN_VAIN);
	waiter->spin_until = budget < waiter->deadline - now ? now + budget : waiter->deadline;
	waiter->phase = FY_WAITER_SPINNING;
	return 0;
}

int fy_waiter_again_slow(struct fy_waiter *waiter)
{
	int r = waiter->host->state(waiter->object);

	if (r < 0)
		return r;
	if (waiter->deadline == FERRY_NOW)
		return last_look(waiter);
	int64_t now = fy_now();
	if (now >= waiter->deadline)
		return -ETIMEDOUT;
	if (waiter->phase == FY_WAITER_NEW)
		return start_spinning(waiter, now);
	if (waiter->phase == FY_WAITER_PREPARED)
		return sleep_a_nap(waiter, now);
	if (now < waiter->spin_until)
		return 0;
	if (waiter->reaching)
		fy_spin_reached(waiter->spin, now, now - waiter->began, 0);
	else
		fy_spin_failed(waiter->spin);
	waiter->reaching = 0;
	return prepare(waiter, IN_VAIN);
}

void fy_waiter_learn(struct fy_waiter *waiter)
{
	int64_t now = fy_now();

	if (waiter->slept)
		fy_spin_slept(waiter->spin, now, now - waiter->began);
	else if (waiter->phase == FY_WAITER_SPINNING)
		fy_spin_reached(waiter->spin, now, now - waiter->began, 1);
}

void fy_waiter_over(struct fy_waiter *waiter, int succeeded, int more)
{
	if (succeeded)
		fy_waiter_succeeded(waiter);
	if (waiter->counted)
		/* RELAXED(to look at) */
		(void)atomic_fetch_sub_explicit(waiter->count, 1, memory_order_relaxed);
	/* A ring that woke us may have been meant for several. */
	if (waiter->slept && (more || !succeeded))
		fy_bell_word_ring(waiter->bell, FY_BELL_ONE, waiter->fd);
}
