/* SPDX-License-Identifier: MIT */
/* The account sees who has what, forgives the dead, and knows how often something was done. */
#include "check.h"
#include "claim.h"
#include "roll.h"

static struct roll *a;

static void begin(void)
{
	a = roll_make();
	check(a);
}

static void two_who_have_it_are_seen(void)
{
	begin();
	check_eq(roll_have(a, 0, 0), 0);
	check_eq(roll_have(a, 0, 63), 1);
	check_eq(roll_have(a, 0, 7), 2);
	check_eq(roll_others(a, 0, 0), 2);
	check_eq(roll_others(a, 0, 9), 3);
	check_eq(roll_others(a, 1, 9), 0);
	roll_unmake(a);
}

static void what_was_given_back_is_nobodys(void)
{
	begin();
	check_eq(roll_have(a, 3, 5), 0);
	roll_give(a, 3, 5);
	check_eq(roll_have(a, 3, 6), 0);
	check_eq(roll_have(a, 3, 6), 0); /* its own does not count */
	roll_unmake(a);
}

static void the_condemned_do_not_count(void)
{
	begin();
	check_eq(roll_have(a, 0, 1), 0);
	roll_condemn(a, 1);
	check_eq(roll_have(a, 0, 2), 0);
	check_eq(roll_others(a, 0, 3), 1);
	/* What it takes before it dies does not count either. */
	check_eq(roll_have(a, 1, 1), 0);
	check_eq(roll_have(a, 1, 2), 0);
	roll_unmake(a);
}

static void a_death_is_told_once(void)
{
	begin();
	check_eq(roll_have(a, 0, 1), 0);
	roll_kill(a, 1, 77);
	check_eq(roll_have(a, 0, 2), 0); /* the condemned does not count */
	check_eq(roll_death(a, 1), 0);
	check_eq(roll_death(a, 0), 77);
	check_eq(roll_death(a, 0), 0);
	/* What is given back was not the dead one's. */
	roll_kill(a, 2, 78);
	roll_give(a, 0, 2);
	check_eq(roll_death(a, 0), 0);
	roll_unmake(a);
}

static void who_comes_after_it_begins_with_nothing(void)
{
	begin();
	check_eq(roll_have(a, 0, 1), 0);
	roll_condemn(a, 1);
	roll_seat(a, 1);
	check_eq(roll_others(a, 0, 2), 0);
	check_eq(roll_have(a, 0, 1), 0);
	check_eq(roll_have(a, 0, 2), 1);
	roll_unmake(a);
}

static void what_was_cut_short_is_in_doubt(void)
{
	begin();
	roll_begin(a, 4, 0);
	roll_done(a, 4, 0);
	roll_begin(a, 4, 9); /* and died */
	roll_begin(a, 4, 1);
	roll_undo(a, 4, 1);
	const struct roll_sum sum = roll_sum(a, 4);
	check_eq(sum.least, 1);
	check_eq(sum.most, 2);
	check_eq(roll_sum(a, 5).most, 0);
	roll_unmake(a);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(two_who_have_it_are_seen),
		claim(what_was_given_back_is_nobodys),
		claim(the_condemned_do_not_count),
		claim(a_death_is_told_once),
		claim(who_comes_after_it_begins_with_nothing),
		claim(what_was_cut_short_is_in_doubt),
	};

	return claim_run_all(claims);
}
