/* SPDX-License-Identifier: MIT */
/*
 * ledger_inspect.c - what must be true of a mailbox when all who used it have gone.
 */
#include "ledger_inspect.h"

#include <inttypes.h>

#define PATIENCE_MS 2000 /* until what the dead held must be there for others */

/* Without cleaning by hand, the largest message must find room. */
static void borrow(struct faults *faults, ferry_mailbox *box, uint64_t max_size)
{
	struct ferry_message loan;
	int r = ferry_mailbox_loan(box, max_size, &loan, ferry_in_ms(PATIENCE_MS));

	if (r == 0)
		r = ferry_mailbox_cancel(box, &loan);
	if (r < 0)
		faults_report(faults, FAULT_BROKEN, "a loan at the end: %s", ferry_error_name(r));
}

/* Dead members that hold nothing anybody wants may be there until somebody cleans up. */
static void repair(struct faults *faults, const char *location)
{
	struct ferry_repair repair;
	struct ferry_why why = { 0 };
	int r = ferry_object_repair(location, 0, &repair, &why);

	if (r < 0)
		faults_report(faults, FAULT_BROKEN, "repair: %s %s", ferry_error_name(r), why.text);
}

static void check_empty(struct faults *faults, const struct ferry_mailbox_stat *s)
{
	if (s->messages || s->taken || s->memory_free != s->memory || s->members_dead ||
	    s->members_alive != 1)
		faults_report(faults, FAULT_BROKEN,
			      "left behind: %" PRIu64 " messages, %" PRIu64 " taken, %" PRIu64
			      " bytes, %u dead and %u live members",
			      s->messages, s->taken, s->memory - s->memory_free, s->members_dead,
			      s->members_alive - 1);
}

void ledger_inspect(struct faults *faults, ferry_mailbox *box, const char *location,
		    struct ferry_mailbox_stat *ret_stat)
{
	int r = ferry_mailbox_stat(box, ret_stat);

	if (r == 0) {
		if (!ret_stat->drop_oldest)
			borrow(faults, box, ret_stat->max_size);
		repair(faults, location);
		r = ferry_mailbox_stat(box, ret_stat);
	}
	if (r < 0)
		faults_report(faults, FAULT_BROKEN, "stat: %s", ferry_error_name(r));
	else
		check_empty(faults, ret_stat);
}
