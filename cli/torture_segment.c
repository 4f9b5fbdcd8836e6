/* SPDX-License-Identifier: MIT */
/* torture_segment.c - ferry torture segment: its options, its segment, its figures. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "torture_segment.h"

static const struct argp argp = {
	.options = torture_workers_options,
	.parser = torture_workers_parse,
	.args_doc = "segment [LOCATION]",
	.doc =
	    "Kill and stop processes at random, and check every promise of a segment."
	    "\v"
	    "Many processes allocate, publish, take and free blocks of one segment, push them on a "
	    "list, make it grow, and make and remove other segments, while others of them are "
	    "killed, stopped, resumed, replaced and forked at random. The bytes of every block are "
	    "checked, and an account is kept of what must be there. The segment is made for it and "
	    "removed in the end; nothing may be at LOCATION before.\n"
	    "\nThe exit status is 1 if a published block was lost, if bytes were not those that "
	    "were written, if memory leaked, if two had what only one may have, or if nothing "
	    "moved for 2 seconds.\n"
	    "\nExamples:\n"
	    "  ferry torture segment\n"
	    "  ferry torture segment --seed 42 --workers 16 --seconds 600\n",
	.children = (const struct argp_child[]){ { .argp = &torture_argp }, { 0 } },
	.help_filter = torture_help,
};

static const char *const call_names[] = {
	[GROUND_AT_OPEN - CREW_OWN] = "open",
	[GROUND_AT_CLOSE - CREW_OWN] = "close",
	[GROUND_AT_ALLOCATE - CREW_OWN] = "allocate",
	[GROUND_AT_FREE - CREW_OWN] = "free",
	[GROUND_AT_PUBLISH - CREW_OWN] = "publish",
	[GROUND_AT_TAKE - CREW_OWN] = "take",
	[GROUND_AT_ROOT - CREW_OWN] = "root",
	[GROUND_AT_GROW - CREW_OWN] = "grow",
	[GROUND_AT_LOOK - CREW_OWN] = "look",
	[GROUND_AT_LOCK - CREW_OWN] = "lock",
	[GROUND_AT_SECTION - CREW_OWN] = "holding a lock",
	[GROUND_AT_SIDE - CREW_OWN] = "another segment",
	NULL,
};

bool torture_side_name(const struct segment_torture *t, uint32_t i, char name[static 128])
{
	if (strpbrk(t->all.base.location, "/:"))
		return false;
	int n = snprintf(name, 128, "%s-side-%u", t->all.base.location, i);
	return n > 0 && n < 128;
}

static int furnish(ferry_segment *segment)
{
	ferry_reference *root, block;
	struct ground *ground;
	int r = ferry_segment_root(segment, GROUND_ROOT, &root);

	r = r < 0 ? r : ferry_segment_allocate(segment, sizeof *ground, &block);
	if (r < 0)
		return r;
	ground = ferry_segment_pointer(segment, block, sizeof *ground, 64);
	memset(ground, 0, sizeof *ground);
	r = ferry_lock_init(segment, &ground->lock);
	r = r < 0 ? r : ferry_rwlock_init(segment, &ground->list_lock);
	for (uint32_t i = 0; r == 0 && i < GROUND_STALLS; i++)
		r = ferry_lock_init(segment, &ground->stalls[i].lock);
	return r < 0 ? r : ferry_segment_publish(segment, block, root, 0);
}

static int make_ground(struct segment_torture *t)
{
	struct ferry_segment_stat stat = { 0 };
	struct ferry_why why = { 0 };
	ferry_segment *segment;
	int r = ferry_segment_open(
	    &segment, t->all.base.location,
	    FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXCLUSIVE, .bytes = GROUND_BYTES,
				  .max_bytes = GROUND_MOST, .arena = 1, .why = &why));

	t->all.base.made = r == 0;
	if (r == 0) {
		r = furnish(segment);
		r = r < 0 ? r : ferry_segment_stat(segment, &stat);
		t->blocks = stat.blocks;
		ferry_segment_close(segment);
	}
	return r < 0 ? cli_fail("torture", t->all.base.location, r, &why) : STATUS_DONE;
}

static int prepare(struct torture *base)
{
	int status = make_ground((struct segment_torture *)base);

	return status == STATUS_DONE ? torture_workers_hire(base, call_names, torture_segment_work)
				     : status;
}

static void report(const struct torture *base)
{
	const struct segment_torture *t = (const struct segment_torture *)base;
	char a[SHOW_NUMBER], b[SHOW_NUMBER], c[SHOW_NUMBER], d[SHOW_NUMBER];
	char size[CLI_HUMAN_BYTES];

	printf("  blocks      %s allocated, %s freed, %s published, %s taken\n",
	       show_number(a, torture_workers_done(base, GROUND_ALLOCATED)),
	       show_number(b, torture_workers_done(base, GROUND_FREED)),
	       show_number(c, torture_workers_done(base, GROUND_PUBLISHED)),
	       show_number(d, torture_workers_done(base, GROUND_TAKEN)));
	printf("  list        %s pushed, %s taken off; the segment has grown to %s\n",
	       show_number(a, torture_workers_done(base, GROUND_PUSHED)),
	       show_number(b, torture_workers_done(base, GROUND_DRAINED)),
	       cli_human_size(size, t->stat.bytes));
	printf("  and         %s turns at the vault, %s other segments made and removed\n",
	       show_number(a, torture_workers_done(base, GROUND_TURNS)),
	       show_number(b, torture_workers_done(base, GROUND_SIDE)));
	torture_workers_report(base, GROUND_TOLD);
}

static struct segment_torture options = { .all.workers = 6 };

const struct torture_family torture_segment = {
	.name = "segment",
	.thing = "turn",
	.things = "turns",
	.may_find = 1 << FAULT_LOST | 1 << FAULT_TORN | 1 << FAULT_STRAY | 1 << FAULT_SHARED |
		    1 << FAULT_JAMMED | 1 << FAULT_BROKEN,
	.argp = &argp,
	.torture = &options.all.base,
	.prepare = prepare,
	.inspect = torture_segment_inspect,
	.report = report,
	.clean_up = torture_workers_dismiss,
};
