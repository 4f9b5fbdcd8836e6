/* SPDX-License-Identifier: MIT */
/*
 * How long two who answer each other spin before they sleep (src/wait/nap.h), in a time of our own:
 * what a wake takes, and when somebody is held up, is up to the test. So nothing here depends on
 * how fast or busy the machine is.
 */
#include <string.h>

#include "../../src/wait/nap.h"
#include "check.h"
#include "claim.h"

#define US        INT64_C(1000)
#define LIMIT     (50 * US)
#define HAND_OVER 200  /* ns from a message to who waits awake */
#define FIRST     1500 /* ns for which one looks before a wait begins (receive.c) */
#define ROUNDS    20000

struct side {
	struct fy_spin spin;
	int64_t waits_since;
	int64_t spun; /* ns, beyond the first looks */
};

struct world {
	struct side sides[2];
	int64_t wake;    /* ns that being woken takes */
	int64_t service; /* ns of work before an answer */
	int64_t now;
	int reaches;   /* 0: as if there were no reaching */
	uint32_t slow; /* rounds in which somebody slept */
};

static struct world world_with(int64_t limit, int64_t wake, int64_t service)
{
	struct world w = { .wake = wake, .service = service, .now = FY_MS, .reaches = 1 };

	for (int i = 0; i < 2; i++) {
		fy_spin_init(&w.sides[i].spin, limit);
		w.sides[i].waits_since = w.now;
	}
	return w;
}

/* A message for that side is there at w->now. Moves the time on to when it has it. 1: it slept. */
static int arrives(struct world *w, struct side *side)
{
	int64_t since = side->waits_since;
	int64_t budget = fy_spin_budget(&side->spin, 0);
	int64_t reach = w->reaches ? fy_spin_reach(&side->spin, since) : 0;
	int reaching = reach > budget;
	int64_t spins = reaching ? reach : budget;

	if (w->now <= since + spins) {
		side->spun += w->now - since;
		if (reaching)
			fy_spin_reached(&side->spin, w->now, w->now - since, 1);
		else
			fy_spin_paid(&side->spin);
		return 0;
	}
	side->spun += spins;
	if (reaching)
		fy_spin_reached(&side->spin, since + spins, spins, 0);
	else if (spins > 0)
		fy_spin_failed(&side->spin);
	w->now += w->wake;
	fy_spin_slept(&side->spin, w->now, w->now - since);
	return 1;
}

/* One side sends, the other one has it. */
static int passes(struct world *w, int to, int64_t work)
{
	struct side *side = &w->sides[to];
	int slept = 0;

	w->now += HAND_OVER;
	if (w->now > side->waits_since + FIRST)
		slept = arrives(w, side);
	else
		fy_spin_paid(&side->spin);
	w->now += work;
	side->waits_since = w->now;
	return slept;
}

static void play(struct world *w, uint32_t rounds)
{
	for (uint32_t i = 0; i < rounds; i++) {
		int slept = passes(w, 1, w->service);
		slept |= passes(w, 0, 0);
		w->slow += (uint32_t)slept;
	}
}

/* Both sleep, and have not found spinning worth it for a while. */
static void lull(struct world *w)
{
	for (int i = 0; i < 2; i++)
		for (int n = 0; n < 8; n++)
			fy_spin_failed(&w->sides[i].spin);
	w->now += 100 * FY_MS;
	w->slow = 0;
}

static void both_stay_awake_once_they_are(void)
{
	struct world w = world_with(LIMIT, 66 * US, 0);

	play(&w, ROUNDS);
	check(w.slow <= 5);
}

/* The trap, and so what reaching is for: without it they sleep by turns for ever. */
static void sleeping_by_turns_ends_though_a_wake_takes_longer_than_one_spins(void)
{
	for (int64_t wake = 10 * US; wake < 190 * US; wake += 20 * US) {
		struct world w = world_with(LIMIT, wake, 0);
		lull(&w);
		play(&w, ROUNDS);
		check(w.slow <= 40);
		w = world_with(LIMIT, wake, 0);
		w.reaches = 0;
		lull(&w);
		play(&w, ROUNDS);
		check(wake < LIMIT || w.slow == ROUNDS);
	}
}

/* One of them is held up for 2 ms, a hundred times a second. */
static void who_are_held_up_now_and_then_are_awake_again_soon(void)
{
	struct world w = world_with(LIMIT, 66 * US, 0);
	int64_t held_up = 0;

	lull(&w);
	int64_t start = w.now;
	for (int i = 0; i < 200; i++) {
		int64_t until = w.now + 8 * FY_MS;
		while (w.now < until)
			play(&w, 1);
		w.now += 2 * FY_MS;
		held_up += 2 * FY_MS;
		(void)passes(&w, i % 2, 0);
	}
	/* Asleep for less than a tenth of the time in which nobody was held up. */
	check(w.slow * 2 * w.wake < (w.now - start - held_up) / 10);
}

static int64_t share_of_spinning(struct world *w)
{
	int64_t start = w->now, spun = w->sides[0].spun;

	play(w, ROUNDS);
	return (w->sides[0].spun - spun) * 1000 / (w->now - start);
}

/* An answer takes its time: then spinning brings little, and must cost little. */
static void who_answers_slowly_is_spun_for_rarely(void)
{
	for (int64_t service = 60 * US; service < 2000 * US; service += 47 * US) {
		struct world w = world_with(LIMIT, 20 * US, service);
		play(&w, 1000);
		/* One try in 32, and reaching: 1/32 + 1/16 of the time. */
		check(share_of_spinning(&w) < 100);
	}
}

static void who_is_not_answered_soon_does_not_reach(void)
{
	struct fy_spin spin;

	fy_spin_init(&spin, LIMIT);
	fy_spin_slept(&spin, 5 * FY_MS, 2 * FY_MS);
	check_eq(fy_spin_reach(&spin, 5 * FY_MS), 0);
	fy_spin_slept(&spin, 5 * FY_MS, 80 * US);
	check_eq(fy_spin_reach(&spin, 5 * FY_MS), FY_SPIN_REACH * LIMIT);
	/* Much later it means nothing. */
	check_eq(fy_spin_reach(&spin, 6 * FY_MS), 0);
	/* In vain: not again soon, though again an answer came soon after. */
	fy_spin_reached(&spin, 5 * FY_MS, FY_SPIN_REACH * LIMIT, 0);
	fy_spin_slept(&spin, 6 * FY_MS, 80 * US);
	check_eq(fy_spin_reach(&spin, 6 * FY_MS), 0);
	int64_t later = 5 * FY_MS + FY_SPIN_VAIN * FY_SPIN_REACH * LIMIT;
	fy_spin_slept(&spin, later, 80 * US);
	check_eq(fy_spin_reach(&spin, later), FY_SPIN_REACH * LIMIT);
}

static void who_never_spins_never_reaches(void)
{
	struct fy_spin spin;

	fy_spin_init(&spin, 0);
	fy_spin_slept(&spin, FY_MS, 10 * US);
	check_eq(fy_spin_reach(&spin, FY_MS), 0);
	check_eq(fy_spin_budget(&spin, 0), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(both_stay_awake_once_they_are),
		claim(sleeping_by_turns_ends_though_a_wake_takes_longer_than_one_spins),
		claim(who_are_held_up_now_and_then_are_awake_again_soon),
		claim(who_answers_slowly_is_spun_for_rarely),
		claim(who_is_not_answered_soon_does_not_reach),
		claim(who_never_spins_never_reaches),
	};

	return claim_run_all(claims);
}
