/* SPDX-License-Identifier: MIT */
/* When a receiver believes in a rhythm, how long it rests, and when it stops (src/wait/rhythm.h).
 */
#include "../../src/wait/rhythm.h"
#include "check.h"
#include "claim.h"

#define PAUSE FY_RHYTHM_UNIT
#define NEVER FY_RHYTHM_LOOKS

static void miss(struct fy_rhythm *rhythm, uint32_t times, uint32_t looks)
{
	for (uint32_t i = 0; i < times; i++)
		fy_rhythm_missed(rhythm, looks);
}

static void find(struct fy_rhythm *rhythm, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		fy_rhythm_found(rhythm);
}

/* A rhythm in which messages came after 20 looks. */
static struct fy_rhythm steady(void)
{
	struct fy_rhythm rhythm = { 0 };

	miss(&rhythm, 9, 20);
	check_eq(rhythm.rest, 21 * PAUSE);
	return rhythm;
}

static void nine_waits_alike_make_a_rhythm_eight_do_not(void)
{
	struct fy_rhythm rhythm = { 0 };
	const uint32_t waits[] = { 20, 22, 19, 23, 20, 20, 24, 21, 20 };

	for (uint32_t i = 0; i < 8; i++)
		fy_rhythm_missed(&rhythm, waits[i]);
	check_eq(rhythm.rest, 0);
	fy_rhythm_missed(&rhythm, waits[8]);
	check_eq(rhythm.rest, 21 * PAUSE);
}

static void waits_that_differ_make_none(void)
{
	struct fy_rhythm rhythm = { 0 };

	for (uint32_t i = 0; i < 1000; i++)
		fy_rhythm_missed(&rhythm, i % 5 * 10);
	check_eq(rhythm.rest, 0);
	/* Nor do those of a message that does not come. */
	miss(&rhythm, 1000, NEVER);
	check_eq(rhythm.rest, 0);
}

static void messages_that_need_no_waiting_make_none(void)
{
	struct fy_rhythm rhythm = { 0 };

	for (uint32_t i = 0; i < 1000; i++) {
		fy_rhythm_missed(&rhythm, 20);
		fy_rhythm_found(&rhythm);
	}
	check_eq(rhythm.rest, 0);
}

static void found_shortens_the_rest_until_there_is_none(void)
{
	struct fy_rhythm rhythm = steady();

	find(&rhythm, 8);
	check_eq(rhythm.rest, 20 * PAUSE);
	find(&rhythm, 8 * 17);
	check_eq(rhythm.rest, 3 * PAUSE);
	find(&rhythm, 1);
	check_eq(rhythm.rest, 0);
}

/* Two that each rested as long as the last wait took would drive each other ever further. */
static void missed_lengthens_the_rest_by_little_however_late(void)
{
	struct fy_rhythm rhythm = steady();

	miss(&rhythm, 1, 1);
	check_eq(rhythm.rest, 21 * PAUSE + PAUSE / 2);
	miss(&rhythm, 1, NEVER - 1);
	check_eq(rhythm.rest, 22 * PAUSE);
}

static void rest_is_bounded(void)
{
	struct fy_rhythm rhythm = steady();

	miss(&rhythm, 1000, 5);
	check_eq(rhythm.rest, FY_RHYTHM_LOOKS * PAUSE);
}

static void four_strays_in_a_row_end_it_three_do_not(void)
{
	struct fy_rhythm rhythm = steady();

	miss(&rhythm, 3, NEVER);
	check_eq(rhythm.rest, 21 * PAUSE);
	miss(&rhythm, 1, 3);
	miss(&rhythm, 3, NEVER);
	check(rhythm.rest > 0);
	miss(&rhythm, 1, NEVER);
	check_eq(rhythm.rest, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(nine_waits_alike_make_a_rhythm_eight_do_not),
		claim(waits_that_differ_make_none),
		claim(messages_that_need_no_waiting_make_none),
		claim(found_shortens_the_rest_until_there_is_none),
		claim(missed_lengthens_the_rest_by_little_however_late),
		claim(rest_is_bounded),
		claim(four_strays_in_a_row_end_it_three_do_not),
	};

	return claim_run_all(claims);
}
