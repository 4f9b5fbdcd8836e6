/* SPDX-License-Identifier: MIT */
/* nap.c - see nap.h. */
#include "nap.h"

#include <errno.h>
#include <stdlib.h>

int64_t fy_nap_end(int64_t now, uint32_t turn, uint32_t sleepers)
{
	int64_t groups = sleepers == 0 ? 1 : (sleepers - 1) / FY_NAP_AWAKE + 1;
	int64_t next = now / FY_NAP + 1;
	int64_t wait = ((int64_t)turn - next) % groups;

	/* Each group has one nap boundary in `groups` for itself; without crowding, every one. */
	if (wait < 0)
		wait += groups;
	return (next + wait) * FY_NAP;
}

#define SPIN_LEAST (2 * INT64_C(1000)) /* ns */
#define SPIN_RETRY 32                  /* after so many waits without spinning, try again */

#define DEFAULT_SPIN INT64_C(50000) /* ns */

/* A whole number from the environment; or otherwise. */
static int64_t from_environment(const char *name, int64_t otherwise)
{
	const char *set = getenv(name);
	char *end;

	if (!set || *set == '\0')
		return otherwise;
	errno = 0;
	long long n = strtoll(set, &end, 10);
	return errno == 0 && *end == '\0' ? n : otherwise;
}

int64_t fy_spin_wish(int64_t wish)
{
	if (wish != 0)
		return wish > 0 ? wish : 0;
	int64_t ns = from_environment("FERRY_SPIN_NS", DEFAULT_SPIN);
	return ns >= 0 ? ns : DEFAULT_SPIN;
}

int64_t fy_sound_wish(void)
{
	int64_t ms = from_environment("FERRY_SOUND_MS", FY_SOUND / FY_MS);

	return ms < 0 || ms > INT64_MAX / FY_MS / 2 ? INT64_MAX : ms * FY_MS;
}

void fy_spin_init(struct fy_spin *spin, int64_t limit)
{
	spin->limit = limit;
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&spin->budget, limit);
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&spin->skipped, 0);
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&spin->near_until, 0);
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&spin->reach_from, 0);
}

int64_t fy_spin_budget(struct fy_spin *spin, int same_core)
{
	if (spin->limit == 0 || same_core)
		return 0;
	/* RELAXED(a guess) */
	int64_t budget = atomic_load_explicit(&spin->budget, memory_order_relaxed);
	if (budget >= SPIN_LEAST)
		return budget;
	/* RELAXED(a guess) */
	if (atomic_fetch_add_explicit(&spin->skipped, 1, memory_order_relaxed) % SPIN_RETRY !=
	    SPIN_RETRY - 1)
		return 0;
	return spin->limit;
}

void fy_spin_paid(struct fy_spin *spin)
{
	/* RELAXED(a guess) */
	atomic_store_explicit(&spin->budget, spin->limit, memory_order_relaxed);
}

void fy_spin_failed(struct fy_spin *spin)
{
	/* RELAXED(a guess) */
	int64_t budget = atomic_load_explicit(&spin->budget, memory_order_relaxed);

	/* RELAXED(a guess) */
	atomic_store_explicit(&spin->budget, budget / 2, memory_order_relaxed);
}

/* ---- reaching ---- */

#define REACH_MOST (400 * INT64_C(1000)) /* ns: a wake that takes longer is for another reason */

static int64_t reach_of(const struct fy_spin *spin)
{
	return spin->limit < REACH_MOST / FY_SPIN_REACH ? spin->limit * FY_SPIN_REACH : REACH_MOST;
}

/* The other side answers soon, but is not found awake. Whoever reaches does so in the next wait,
 * not in one that comes much later. */
static void set_near(struct fy_spin *spin, int64_t now)
{
	/* RELAXED(a guess) */
	atomic_store_explicit(&spin->near_until, now + reach_of(spin), memory_order_relaxed);
}

int64_t fy_spin_reach(const struct fy_spin *spin, int64_t now)
{
	/* RELAXED(a guess) */
	if (now >= atomic_load_explicit(&spin->near_until, memory_order_relaxed))
		return 0;
	/* RELAXED(a guess) */
	return now >= atomic_load_explicit(&spin->reach_from, memory_order_relaxed) ? reach_of(spin)
										    : 0;
}

void fy_spin_reached(struct fy_spin *spin, int64_t now, int64_t took, int answered)
{
	if (answered && took <= spin->limit) {
		fy_spin_paid(spin);
		return;
	}
	if (answered)
		set_near(spin, now);
	/* RELAXED(a guess) */
	atomic_store_explicit(&spin->reach_from,
			      now + took * (answered ? FY_SPIN_SHARE : FY_SPIN_VAIN),
			      memory_order_relaxed);
	fy_spin_failed(spin);
}

void fy_spin_slept(struct fy_spin *spin, int64_t now, int64_t took)
{
	if (spin->limit > 0 && took <= reach_of(spin))
		set_near(spin, now);
}
