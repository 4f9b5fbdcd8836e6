/* SPDX-License-Identifier: MIT */
/*
 * torture_mailbox.c - ferry torture mailbox: its options, its account, its figures.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli.h"
#include "torture_mailbox.h"

#define WINDOW     16384
#define SLOTS_MAX  (UINT64_C(1) << 22) /* of all streams */
#define SIZE_LIMIT (UINT64_C(1) << 30)

enum {
	OPTION_SENDERS = 256,
	OPTION_RECEIVERS,
	OPTION_SIZE,
	OPTION_CAPACITY,
	OPTION_PRIORITIES,
	OPTION_DROP,
	OPTION_ONE_TO_ONE,
};

static const struct argp_option argp_options[] = {
	{ "senders", OPTION_SENDERS, "N", 0, "Sending processes, 1 to 64 (default: 4)", 0 },
	{ "receivers", OPTION_RECEIVERS, "N", 0, "Receiving processes, 1 to 64 (default: 4)", 0 },
	{ "size", OPTION_SIZE, "MIN-MAX", 0, "Bytes of a message, from 16 (default: 16-4096)", 0 },
	{ "capacity", OPTION_CAPACITY, "N", 0, "Room at each priority (default: 64)", 0 },
	{ "priorities", OPTION_PRIORITIES, "N", 0, "1 to 32 (default: 3)", 0 },
	{ "one-to-one", OPTION_ONE_TO_ONE, NULL, 0,
	  "A mailbox for one sender and one receiver, which have one priority", 0 },
	{ "drop", OPTION_DROP, NULL, 0, "A mailbox that drops its oldest messages when full", 0 },
	{ 0 },
};

static void size_option(struct argp_state *state, struct box_torture *t, const char *text)
{
	char *both = strdup(text), *dash = both ? strchr(both, '-') : NULL;

	if (dash)
		*dash++ = '\0';
	if (!both || !cli_parse_size(both, &t->size_min) ||
	    !cli_parse_size(dash ? dash : both, &t->size_max) ||
	    t->size_min < sizeof(struct torture_head) || t->size_max < t->size_min ||
	    t->size_max > SIZE_LIMIT)
		argp_error(state, "--size: '%s' is not a range of sizes from 16 to 1G", text);
	free(both);
}

static void check_one_to_one(struct argp_state *state, const struct box_torture *t)
{
	if (t->one_to_one && (t->senders > 1 || t->receivers > 1 || t->priorities > 1 || t->drop))
		argp_error(state, "--one-to-one has one sender, one receiver, one priority, and "
				  "does not go with --drop");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct box_torture *t = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case OPTION_SENDERS:
		t->senders = cli_count_option(state, "--senders", argument, 1, CREW_MAX);
		return 0;
	case OPTION_RECEIVERS:
		t->receivers = cli_count_option(state, "--receivers", argument, 1, CREW_MAX);
		return 0;
	case OPTION_SIZE:
		size_option(state, t, argument);
		return 0;
	case OPTION_CAPACITY:
		t->capacity = (uint32_t)cli_count_option(state, "--capacity", argument, 1, 65536);
		return 0;
	case OPTION_PRIORITIES:
		t->priorities = (uint32_t)cli_count_option(state, "--priorities", argument, 1,
							   LEDGER_PRIORITIES_MAX);
		return 0;
	case OPTION_DROP:
		t->drop = true;
		return 0;
	case OPTION_ONE_TO_ONE:
		t->one_to_one = true;
		t->senders = t->receivers = t->priorities = 1;
		return 0;
	case ARGP_KEY_END:
		check_one_to_one(state, t);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.args_doc = "[mailbox] [LOCATION]",
	.doc = "Kill and stop processes at random, and check every promise of a mailbox."
	       "\v"
	       "Many processes send and receive in every way there is, while others of them are "
	       "killed, stopped, resumed, replaced and forked at random. Every message is kept "
	       "account of. Without LOCATION a mailbox is made for it and removed in the end; "
	       "the mailbox at LOCATION is made if it is not there, and must have nobody and "
	       "nothing in it.\n"
	       "\nThe exit status is 1 if a message was lost, torn, doubled or out of order, or if "
	       "nothing moved for 2 seconds.\n"
	       "\nExamples:\n"
	       "  ferry torture\n"
	       "  ferry torture --seconds 600\n"
	       "  ferry torture --seed 42 --senders 16 --receivers 16 --size 16-1M\n",
	.children = (const struct argp_child[]){ { .argp = &torture_argp }, { 0 } },
	.help_filter = torture_help,
};

static void report(const struct torture *base)
{
	const struct ledger_sum *sum = &((const struct box_torture *)base)->sum;
	char a[SHOW_NUMBER], b[SHOW_NUMBER], c[SHOW_NUMBER], d[SHOW_NUMBER];

	printf("  messages    %s sent, %s received, %s redelivered, %s expired or dropped\n",
	       show_number(a, sum->begun - sum->absent), show_number(b, sum->arrived),
	       show_number(c, sum->redelivered), show_number(d, sum->gone));
	printf("  in doubt    %s sends were cut short by death: %s came, %s did not\n",
	       show_number(a, sum->doubtful + sum->absent), show_number(b, sum->doubtful),
	       show_number(c, sum->absent));
}

static void introduce(const struct torture *base)
{
	const struct box_torture *t = (const struct box_torture *)base;
	char min[CLI_HUMAN_BYTES], max[CLI_HUMAN_BYTES];

	printf("  %u at %u priorit%s, messages of %s to %s%s\n", t->capacity, t->priorities,
	       t->priorities == 1 ? "y" : "ies", cli_human_size(min, t->size_min),
	       cli_human_size(max, t->size_max),
	       t->drop         ? ", oldest dropped when full"
	       : t->one_to_one ? ", declared one to one"
			       : "");
}

static uint32_t power_of_two(uint64_t at_least)
{
	uint32_t n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

/*
 * How many messages of a stream may be unsettled. A slot is kept for ever after a kill (the message
 * may come, or not), and for a while when messages may be dropped: there must be many more.
 */
static uint32_t window(const struct box_torture *t, uint32_t streams)
{
	double kills = t->base.kills * (double)t->base.duration / 1e9;
	uint64_t most = (uint64_t)(8 * LEDGER_BATCH * kills) / (t->senders + t->receivers) +
			8 * (uint64_t)t->capacity * t->priorities;

	if (most < WINDOW)
		most = WINDOW;
	if (t->drop)
		most *= 16;
	return power_of_two(most < SLOTS_MAX / streams ? most : SLOTS_MAX / streams);
}

/* One to one, who is stopped is not dead: nobody else can send, or receive. */
static bool keeps_its_role(struct crew *crew, uint32_t seat)
{
	(void)crew;
	(void)seat;
	return true;
}

static int prepare(struct torture *base)
{
	struct box_torture *t = (struct box_torture *)base;
	struct crew *crew = &base->crew;
	uint32_t seats;
	int status;

	crew_mailbox_init(crew, (uint32_t)t->senders, (uint32_t)t->receivers);
	/* A twin could not have the role that its parent has. */
	crew->twins = !t->one_to_one;
	crew->stops_lone = t->one_to_one;
	if (t->one_to_one)
		crew->hinders = keeps_its_role;
	crew->work = torture_work;
	crew->dead = torture_dead;
	seats = crew_seats(crew);
	status = torture_make_box(t, seats);
	if (status != STATUS_DONE)
		return status;
	crew->account =
	    ledger_make(&(struct ledger_plan){ .faults = base->faults,
					       .streams = crew_streams(crew),
					       .seats = seats + 1,
					       .priorities = t->priorities,
					       .window = window(t, crew_streams(crew)) });
	t->buffers_bytes = (size_t)seats * t->batch * t->size_max;
	t->buffers = mmap(NULL, t->buffers_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!crew->account || t->buffers == MAP_FAILED)
		cli_die(STATUS_FAILED, "torture: out of memory");
	return STATUS_DONE;
}

static void clean_up(struct torture *base)
{
	struct box_torture *t = (struct box_torture *)base;

	munmap(t->buffers, t->buffers_bytes);
	ledger_unmake(base->crew.account);
}

static struct box_torture options = {
	.senders = 4,
	.receivers = 4,
	.size_min = 16,
	.size_max = 4096,
	.priorities = 3,
	.capacity = 64,
};

const struct torture_family torture_mailbox = {
	.name = "mailbox",
	.thing = "message",
	.things = "messages",
	.may_find = 1 << FAULT_LOST | 1 << FAULT_DUPLICATE | 1 << FAULT_TORN |
		    1 << FAULT_REORDERED | 1 << FAULT_STRAY | 1 << FAULT_JAMMED | 1 << FAULT_BROKEN,
	.argp = &argp,
	.torture = &options.base,
	.prepare = prepare,
	.introduce = introduce,
	.inspect = torture_inspect,
	.report = report,
	.clean_up = clean_up,
};
