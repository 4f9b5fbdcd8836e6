/* SPDX-License-Identifier: MIT */
/*
 * torture_mailbox_make.c - the mailbox for `ferry torture`: a new one as asked, or the one that is
 * there.
 */
#include <errno.h>

#include "cli.h"
#include "torture_mailbox.h"

#define CALL_BYTES (UINT64_C(1) << 20) /* of all messages in one call, at most */
#define SPARE      8                   /* largest messages for which there is always memory */

static void choose_batch(struct box_torture *t)
{
	uint64_t fit = CALL_BYTES / t->size_max;

	t->batch = fit < 1 ? 1 : fit > LEDGER_BATCH ? LEDGER_BATCH : (uint32_t)fit;
	t->hold = t->batch < TORTURE_HOLD ? 1 : TORTURE_HOLD;
}

/* What is there is used as it is. Messages must not be larger than it has memory for when all that
 * can be stopped are, with as much in their hands as they ever have. */
static void adapt(struct box_torture *t, uint32_t seats, const struct ferry_mailbox_stat *stat)
{
	t->priorities = stat->priorities;
	t->capacity = stat->capacity;
	t->drop = stat->drop_oldest;
	t->at_first = *stat;
	if (t->size_max > stat->max_size)
		t->size_max = stat->max_size;
	for (choose_batch(t); t->size_max > FERRY_MAILBOX_INLINE; choose_batch(t)) {
		if (t->size_max * ((uint64_t)seats * t->hold + SPARE) <= stat->memory)
			break;
		t->size_max =
		    t->size_max / 2 > FERRY_MAILBOX_INLINE ? t->size_max / 2 : FERRY_MAILBOX_INLINE;
	}
	if (t->size_min > t->size_max)
		t->size_min = t->size_max;
}

/* Use a mailbox that exists, if nobody else does. A negative error, or the exit status. */
static int use(struct box_torture *t, uint32_t seats, struct ferry_why *why)
{
	struct ferry_mailbox_stat stat;
	ferry_mailbox *box;
	int status = STATUS_DONE;
	int r = ferry_mailbox_open(&box, t->base.location,
				   FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING, .why = why));

	if (r < 0)
		return r;
	r = ferry_mailbox_stat(box, &stat);
	if (r == 0 && (stat.messages || stat.taken || stat.members_alive > 1)) {
		cli_complain("torture %s: somebody has it open, or there are messages in it; "
			     "choose another one",
			     t->base.location);
		status = STATUS_FAILED;
	} else if (r == 0 && stat.one_to_one && !t->one_to_one) {
		cli_complain("torture %s: it is declared one to one; say --one-to-one",
			     t->base.location);
		status = STATUS_FAILED;
	} else if (r == 0 && stat.max_size < sizeof(struct torture_head)) {
		cli_complain("torture %s: its messages are too small; choose another one",
			     t->base.location);
		status = STATUS_FAILED;
	} else if (r == 0) {
		adapt(t, seats, &stat);
	}
	ferry_mailbox_close(box);
	return r < 0 ? r : status;
}

int torture_make_box(struct box_torture *t, uint32_t seats)
{
	struct ferry_why why = { 0 };
	ferry_mailbox *box;

	choose_batch(t);
	int r = ferry_mailbox_open(
	    &box, t->base.location,
	    FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXCLUSIVE | (t->drop ? FERRY_DROP_OLDEST : 0) |
					   (t->one_to_one ? FERRY_ONE_TO_ONE : 0),
				  .max_size = t->size_max, .messages = t->capacity,
				  .priorities = t->priorities,
				  .memory = t->size_max * ((uint64_t)seats * t->hold + SPARE),
				  .why = &why));
	t->base.made = r == 0;
	if (r == 0)
		ferry_mailbox_close(box);
	else if (r == -EEXIST)
		r = use(t, seats, &why);
	return r < 0 ? cli_fail("torture", t->base.location, r, &why) : r;
}
