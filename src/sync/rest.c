/* SPDX-License-Identifier: MIT */
/* rest.c - see rest.h. */
#include "rest.h"

#include <errno.h>
#include <ferry/error.h>

#include "../os/pause.h"

#define LOOKS_A_TIME 16u /* attempts between two looks at the clock */

enum phase { NEW, SPINNING, PREPARED };

static int prepare(struct fy_rest *rest)
{
	rest->seen = fy_bell_word_prepare(rest->bell);
	rest->phase = PREPARED;
	return 0;
}

static int last_look(struct fy_rest *rest)
{
	if (rest->look || !fy_sync_may_look(rest->sync))
		return -EAGAIN;
	rest->look = 1;
	return 0;
}

static int nap(struct fy_rest *rest, int64_t now)
{
	int64_t until = fy_nap_end(now, 0, 1);
	int r = fy_bell_word_sleep(rest->bell, rest->seen,
				   until < rest->deadline ? until : rest->deadline);

	rest->slept = 1;
	rest->look = r == -ETIMEDOUT;
	if (r == -EINTR && rest->sync->interruptible)
		return -EINTR;
	if (r < 0 && r != -EINTR && r != -ETIMEDOUT)
		return -FERRY_ECORRUPT; /* the page with the bell is gone */
	/* Say that we may sleep again before looking: others may, and we may have to. */
	return prepare(rest);
}

int fy_rest(struct fy_rest *rest)
{
	int r = fy_object_state(rest->sync->object);

	if (r < 0)
		return r;
	if (rest->deadline == FERRY_NOW)
		return last_look(rest);
	if (rest->phase == SPINNING && ++rest->spins % LOOKS_A_TIME != 0) {
		fy_pause();
		return 0;
	}
	int64_t now = fy_now();
	if (now >= rest->deadline)
		return -ETIMEDOUT;
	if (rest->phase == PREPARED)
		return nap(rest, now);
	if (rest->phase == NEW) {
		int64_t budget = fy_spin_budget(&rest->sync->spin, 0);
		if (budget == 0)
			return prepare(rest);
		rest->phase = SPINNING;
		rest->spin_until = budget < rest->deadline - now ? now + budget : rest->deadline;
		return 0;
	}
	if (now < rest->spin_until)
		return 0;
	fy_spin_failed(&rest->sync->spin);
	return prepare(rest);
}

int fy_rest_sleeps(const struct fy_rest *rest)
{
	return rest->phase == PREPARED;
}

void fy_rest_over(struct fy_rest *rest)
{
	if (rest->phase == SPINNING)
		fy_spin_paid(&rest->sync->spin);
}
