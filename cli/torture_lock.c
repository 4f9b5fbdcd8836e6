/* SPDX-License-Identifier: MIT */
/* torture_lock.c - ferry torture lock: its options, its segment, its figures. */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "torture_lock.h"

static const struct argp argp = {
	.options = torture_workers_options,
	.parser = torture_workers_parse,
	.args_doc = "lock [LOCATION]",
	.doc = "Kill and stop processes at random, and check every promise of locks and the like."
	       "\v"
	       "Many processes use a lock, an rwlock, two semaphores, conditions, a barrier and a "
	       "once in one segment, while others of them are killed, stopped, resumed, replaced "
	       "and forked at random. Each lock guards several words that belong together, and an "
	       "account is kept of who has what and how often. The segment is made for it and "
	       "removed in the end; nothing may be at LOCATION before.\n"
	       "\nThe exit status is 1 if two had what only one may have, if half a change was "
	       "seen, if a death was not told, if a count is wrong, or if nothing moved for 2 "
	       "seconds.\n"
	       "\nExamples:\n"
	       "  ferry torture lock\n"
	       "  ferry torture lock --seed 42 --workers 16 --seconds 600\n",
	.children = (const struct argp_child[]){ { .argp = &torture_argp }, { 0 } },
	.help_filter = torture_help,
};

static const char *const call_names[] = {
	[PIT_AT_OPEN - CREW_OWN] = "open",
	[PIT_AT_CLOSE - CREW_OWN] = "close",
	[PIT_AT_ACQUIRE - CREW_OWN] = "acquire",
	[PIT_AT_SECTION - CREW_OWN] = "holding the lock",
	[PIT_AT_REPAIRED - CREW_OWN] = "repaired",
	[PIT_AT_RELEASE - CREW_OWN] = "release",
	[PIT_AT_READ - CREW_OWN] = "read",
	[PIT_AT_WRITE - CREW_OWN] = "write",
	[PIT_AT_READING - CREW_OWN] = "reading",
	[PIT_AT_WRITING - CREW_OWN] = "writing",
	[PIT_AT_LEAVE - CREW_OWN] = "leave",
	[PIT_AT_UNITS - CREW_OWN] = "semaphore",
	[PIT_AT_UNIT - CREW_OWN] = "holding a unit",
	[PIT_AT_POST - CREW_OWN] = "post",
	[PIT_AT_STORE - CREW_OWN] = "in the store",
	[PIT_AT_CONDITION - CREW_OWN] = "condition",
	[PIT_AT_SIGNAL - CREW_OWN] = "signal",
	[PIT_AT_BARRIER - CREW_OWN] = "barrier",
	[PIT_AT_ONCE - CREW_OWN] = "once",
	[PIT_AT_LOOK - CREW_OWN] = "look",
	NULL,
};

static int furnish(ferry_segment *segment)
{
	struct pit *pit = ferry_segment_address(segment);
	int r = ferry_lock_init(segment, &pit->lock);

	r = r < 0 ? r : ferry_rwlock_init(segment, &pit->rwlock);
	r = r < 0 ? r : ferry_semaphore_init(segment, &pit->units, PIT_UNITS, FERRY_GIVE_BACK);
	r = r < 0 ? r : ferry_semaphore_init(segment, &pit->tokens, 0, 0);
	r = r < 0 ? r : ferry_lock_init(segment, &pit->store);
	r = r < 0 ? r : ferry_condition_init(segment, &pit->filled);
	r = r < 0 ? r : ferry_condition_init(segment, &pit->drained);
	r = r < 0 ? r : ferry_barrier_init(segment, &pit->barrier, PIT_PARTIES);
	return r < 0 ? r : ferry_once_init(segment, &pit->once);
}

static int make_pit(struct torture *t)
{
	struct ferry_why why = { 0 };
	ferry_segment *segment;
	int r = ferry_segment_open(&segment, t->location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXCLUSIVE,
							 .bytes = sizeof(struct pit), .why = &why));

	t->made = r == 0;
	if (r == 0) {
		r = furnish(segment);
		ferry_segment_close(segment);
	}
	return r < 0 ? cli_fail("torture", t->location, r, &why) : STATUS_DONE;
}

static int prepare(struct torture *base)
{
	int status = make_pit(base);

	return status == STATUS_DONE ? torture_workers_hire(base, call_names, torture_lock_work)
				     : status;
}

static void report(const struct torture *base)
{
	char a[SHOW_NUMBER], b[SHOW_NUMBER], c[SHOW_NUMBER], d[SHOW_NUMBER];

	printf("  turns       %s at the lock, %s reads and %s writes, %s units\n",
	       show_number(a, torture_workers_done(base, PIT_LOCK_TURNS)),
	       show_number(b, torture_workers_done(base, PIT_READS)),
	       show_number(c, torture_workers_done(base, PIT_WRITES)),
	       show_number(d, torture_workers_done(base, PIT_UNIT_TURNS)));
	printf("  and         %s pieces through the store, %s tokens, %s meetings, %s onces\n",
	       show_number(a, torture_workers_done(base, PIT_TAKES)),
	       show_number(b, torture_workers_done(base, PIT_WAITS)),
	       show_number(c, torture_workers_done(base, PIT_LASTS)),
	       show_number(d, torture_workers_done(base, PIT_ONCES)));
	torture_workers_report(base, PIT_TOLD);
}

static struct workers_torture options = { .workers = 6 };

const struct torture_family torture_lock = {
	.name = "lock",
	.thing = "turn",
	.things = "turns",
	.may_find = 1 << FAULT_LOST | 1 << FAULT_TORN | 1 << FAULT_STRAY | 1 << FAULT_SHARED |
		    1 << FAULT_JAMMED | 1 << FAULT_BROKEN,
	.argp = &argp,
	.torture = &options.base,
	.prepare = prepare,
	.inspect = torture_lock_inspect,
	.report = report,
	.clean_up = torture_workers_dismiss,
};
