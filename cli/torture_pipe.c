/* SPDX-License-Identifier: MIT */
/* torture_pipe.c - ferry torture pipe: its options, its pipe and account, its figures. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli.h"
#include "torture_pipe.h"

#define UNIT       sizeof(struct pipe_account_unit)
#define WINDOW     4096
#define SLOTS_MAX  (UINT64_C(1) << 21) /* of all streams */
#define SIZE_LIMIT ((uint64_t)PIPE_ACCOUNT_UNITS_MAX * UNIT)

enum { OPTION_WRITERS = 256, OPTION_READERS, OPTION_SIZE, OPTION_CAPACITY };

static const struct argp_option argp_options[] = {
	{ "writers", OPTION_WRITERS, "N", 0, "Writing processes, 1 to 64 (default: 4)", 0 },
	{ "readers", OPTION_READERS, "N", 0, "Reading processes, 1 to 64 (default: 3)", 0 },
	{ "size", OPTION_SIZE, "MIN-MAX", 0, "Bytes of a record, in steps of 16 (default: 16-32K)",
	  0 },
	{ "capacity", OPTION_CAPACITY, "SIZE", 0, "Bytes that can wait (default: 64K)", 0 },
	{ 0 },
};

static void size_option(struct argp_state *state, struct pipe_torture *t, const char *text)
{
	char *both = strdup(text), *dash = both ? strchr(both, '-') : NULL;

	if (dash)
		*dash++ = '\0';
	if (!both || !cli_parse_size(both, &t->size_min) ||
	    !cli_parse_size(dash ? dash : both, &t->size_max) || t->size_min < UNIT ||
	    t->size_max < t->size_min || t->size_max > SIZE_LIMIT)
		argp_error(state, "--size: '%s' is not a range of sizes from 16 to %" PRIu64, text,
			   SIZE_LIMIT);
	t->size_min -= t->size_min % UNIT;
	t->size_max -= t->size_max % UNIT;
	free(both);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct pipe_torture *t = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case OPTION_WRITERS:
		t->writers = cli_count_option(state, "--writers", argument, 1, CREW_MAX);
		return 0;
	case OPTION_READERS:
		t->readers = cli_count_option(state, "--readers", argument, 1, CREW_MAX);
		return 0;
	case OPTION_SIZE:
		size_option(state, t, argument);
		return 0;
	case OPTION_CAPACITY:
		if (!cli_parse_size(argument, &t->capacity) || t->capacity < 4096 ||
		    t->capacity > UINT64_C(1) << 40)
			argp_error(state, "--capacity: '%s' is not a size from 4096 to 1T",
				   argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.args_doc = "pipe [LOCATION]",
	.doc =
	    "Kill and stop processes at random, and check every promise of a pipe."
	    "\v"
	    "Many processes write records into a pipe and read them in every way there is, "
	    "while others of them are killed, stopped, resumed, replaced and forked at random. "
	    "Every 16 bytes are kept account of. Without LOCATION a pipe is made for it and "
	    "removed in the end; the pipe at LOCATION is made if it is not there, and must have "
	    "nobody and nothing in it.\n"
	    "\nThe exit status is 1 if bytes were lost, torn, mixed, doubled or out of order, if "
	    "an end was said to be gone that was not, or if nothing moved for 2 seconds.\n"
	    "\nExamples:\n"
	    "  ferry torture pipe\n"
	    "  ferry torture pipe --seconds 600 --capacity 4096\n"
	    "  ferry torture pipe --seed 42 --writers 16 --readers 1 --size 16-4096\n",
	.children = (const struct argp_child[]){ { .argp = &torture_argp }, { 0 } },
	.help_filter = torture_help,
};

static void introduce(const struct torture *base)
{
	const struct pipe_torture *t = (const struct pipe_torture *)base;
	char min[CLI_HUMAN_BYTES], max[CLI_HUMAN_BYTES], room[CLI_HUMAN_BYTES];

	printf("  room for %s, records of %s to %s\n", cli_human_size(room, t->capacity),
	       cli_human_size(min, t->size_min), cli_human_size(max, t->size_max));
}

static void report(const struct torture *base)
{
	const struct pipe_torture *t = (const struct pipe_torture *)base;
	const struct pipe_account_sum *sum = &t->sum;
	char a[SHOW_NUMBER], b[SHOW_NUMBER], c[SHOW_NUMBER], d[SHOW_NUMBER];

	printf("  records     %s written, %s bytes read; %s writers passed over\n",
	       show_number(a, sum->records - sum->absent), show_number(b, sum->units * UNIT),
	       show_number(c, t->stat.passed_over - t->passed_over));
	printf(
	    "  in doubt    %s writes were cut short by death: %s came, %s did not; %s bytes went "
	    "with dead readers\n",
	    show_number(a, sum->doubtful + sum->absent), show_number(b, sum->doubtful),
	    show_number(c, sum->absent), show_number(d, sum->taken * UNIT));
}

/* ---- the crew ---- */

static const char *const call_names[] = {
	[PIPE_OPEN - CREW_OWN] = "open",
	[PIPE_CLOSE - CREW_OWN] = "close",
	[PIPE_WRITE - CREW_OWN] = "write",
	[PIPE_RESERVE - CREW_OWN] = "reserve",
	[PIPE_HOLD - CREW_OWN] = "writing into a reservation",
	[PIPE_COMMIT - CREW_OWN] = "commit",
	[PIPE_READ - CREW_OWN] = "read",
	[PIPE_PEEK - CREW_OWN] = "peek",
	[PIPE_CONSUME - CREW_OWN] = "consume",
	[PIPE_TAP - CREW_OWN] = "reading along",
	[PIPE_STAT - CREW_OWN] = "stat",
	NULL,
};

uint32_t torture_pipe_stream(const struct crew *crew, uint32_t seat)
{
	return crew_is_twin(crew, seat) ? seat - crew->n[PIPE_READERS] : seat;
}

static void seated(struct crew *crew, uint32_t seat)
{
	pipe_account_seat(crew_pipe_account(crew), seat);
}

static void condemned(struct crew *crew, uint32_t seat)
{
	pipe_account_condemn(crew_pipe_account(crew), seat);
}

/* What a dead reader has in its buffer it may have read, and could not report any more. */
static void dead(struct crew *crew, uint32_t seat)
{
	const struct pipe_torture *t = crew->context;

	pipe_account_condemn(crew_pipe_account(crew), seat);
	if (crew_is_writer(crew, seat)) {
		pipe_account_bury_writer(crew_pipe_account(crew), torture_pipe_stream(crew, seat));
		return;
	}
	pipe_account_found(crew_pipe_account(crew), torture_pipe_buffer(t, seat), TORTURE_ROOM);
	memset(torture_pipe_buffer(t, seat), 0, TORTURE_ROOM);
}

static void set_crew(struct pipe_torture *t)
{
	struct crew *crew = &t->base.crew;

	crew->n[PIPE_WRITERS] = (uint32_t)t->writers;
	crew->n[PIPE_READERS] = (uint32_t)t->readers;
	crew->role[PIPE_WRITERS] = "writer";
	crew->role[PIPE_READERS] = "reader";
	crew->call_names = call_names;
	crew->twins = true;
	crew->work = torture_pipe_work;
	crew->seated = seated;
	crew->condemned = condemned;
	crew->dead = dead;
}

/* ---- the pipe ---- */

/* What is there is used as it is, if nobody else uses it. STATUS_DONE or STATUS_FAILED. */
static int adopt(struct pipe_torture *t, const struct ferry_pipe_stat *stat)
{
	if (!t->base.made && (stat->bytes || stat->has_reader || stat->has_writer)) {
		cli_complain("torture %s: somebody has it open, or there are bytes in it; choose "
			     "another one",
			     t->base.location);
		return STATUS_FAILED;
	}
	t->capacity = stat->capacity;
	t->reserve_max = stat->reserve_max;
	t->passed_over = stat->passed_over;
	return STATUS_DONE;
}

static int look_at_pipe(struct pipe_torture *t, struct ferry_why *why)
{
	struct ferry_pipe_stat stat;
	ferry_pipe *pipe;
	int r = ferry_pipe_open(&pipe, t->base.location, FERRY_OBSERVE,
				FERRY_PIPE_OPTIONS(.why = why), FERRY_NOW);

	if (r < 0)
		return r;
	r = ferry_pipe_stat(pipe, &stat);
	ferry_pipe_close(pipe);
	return r < 0 ? r : adopt(t, &stat);
}

static int make_pipe(struct pipe_torture *t)
{
	struct ferry_why why = { 0 };
	ferry_pipe *pipe;
	int r =
	    ferry_pipe_open(&pipe, t->base.location, FERRY_READ,
			    FERRY_PIPE_OPTIONS(.flags = FERRY_EXCLUSIVE, .capacity = t->capacity,
					       .members = t->members, .why = &why),
			    FERRY_NOW);

	t->base.made = r == 0;
	if (r == 0)
		ferry_pipe_close(pipe);
	if (r == 0 || r == -EEXIST)
		r = look_at_pipe(t, &why);
	return r < 0 ? cli_fail("torture", t->base.location, r, &why) : r;
}

/* How many records of a writer may be unsettled: each kill of it, or of a reader, keeps some for
 * ever, and what fills the pipe some for a while. A power of two. */
static uint32_t window(const struct pipe_torture *t, uint32_t streams)
{
	double kills = t->base.kills * (double)t->base.duration / 1e9;
	uint64_t most = WINDOW + 2 * t->capacity / UNIT + (uint64_t)(64 * kills);
	uint32_t n = WINDOW;

	while (n < most && 2 * (uint64_t)n * streams <= SLOTS_MAX)
		n *= 2;
	return n;
}

static int prepare(struct torture *base)
{
	struct pipe_torture *t = (struct pipe_torture *)base;
	struct crew *crew = &base->crew;

	set_crew(t);
	uint32_t seats = crew_seats(crew), streams = 2 * crew->n[PIPE_WRITERS];
	t->members = 4 * seats + 16 > 4094 ? 4094 : 4 * seats + 16;
	int status = make_pipe(t);
	if (status != STATUS_DONE)
		return status;
	crew->account =
	    pipe_account_make(&(struct pipe_account_plan){ .faults = base->faults,
							   .streams = streams,
							   .seats = seats,
							   .window = window(t, streams) });
	t->buffers_bytes = (size_t)seats * TORTURE_ROOM;
	t->buffers = mmap(NULL, t->buffers_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!crew->account || t->buffers == MAP_FAILED)
		cli_die(STATUS_FAILED, "torture: out of memory");
	return STATUS_DONE;
}

static void clean_up(struct torture *base)
{
	struct pipe_torture *t = (struct pipe_torture *)base;

	munmap(t->buffers, t->buffers_bytes);
	pipe_account_unmake(base->crew.account);
}

static struct pipe_torture options = {
	.writers = 4,
	.readers = 3,
	.size_min = UNIT,
	.size_max = 32768,
	.capacity = 65536,
};

const struct torture_family torture_pipe = {
	.name = "pipe",
	.thing = "byte",
	.things = "bytes",
	.may_find = 1 << FAULT_LOST | 1 << FAULT_DUPLICATE | 1 << FAULT_TORN |
		    1 << FAULT_REORDERED | 1 << FAULT_STRAY | 1 << FAULT_JAMMED | 1 << FAULT_BROKEN,
	.argp = &argp,
	.torture = &options.base,
	.prepare = prepare,
	.introduce = introduce,
	.inspect = torture_pipe_inspect,
	.report = report,
	.clean_up = clean_up,
};
