/* SPDX-License-Identifier: MIT */
/* torture_workers.c - see torture_workers.h. */
#include "torture_workers.h"

#include <stdio.h>
#include <sys/mman.h>

#include "cli.h"

#define WORKERS_MAX (ROLL_SEATS / 2) /* each may have a twin */

enum { OPTION_WORKERS = 256 };

const struct argp_option torture_workers_options[] = {
	{ "workers", OPTION_WORKERS, "N", 0, "Processes, 2 to 32 (default: 6)", 0 },
	{ 0 },
};

error_t torture_workers_parse(int key, char *argument, struct argp_state *state)
{
	struct workers_torture *t = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case OPTION_WORKERS:
		t->workers = cli_count_option(state, "--workers", argument, 2, WORKERS_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void seated(struct crew *crew, uint32_t seat)
{
	roll_seat(crew->account, seat);
}

static void condemned(struct crew *crew, uint32_t seat)
{
	roll_kill(crew->account, seat, now_ns());
}

int torture_workers_hire(struct torture *base, const char *const *call_names,
			 void (*work)(struct crew *crew, uint32_t seat, void *inherited))
{
	struct workers_torture *t = (struct workers_torture *)base;
	struct crew *crew = &base->crew;
	int status = torture_look(base);

	if (status != STATUS_DONE)
		return status;
	crew->n[0] = (uint32_t)t->workers;
	crew->role[0] = "worker";
	crew->call_names = call_names;
	crew->twins = true;
	crew->seated = seated;
	crew->condemned = condemned;
	crew->work = work;
	crew->account = roll_make();
	t->slowest = mmap(NULL, sizeof *t->slowest, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!crew->account || t->slowest == MAP_FAILED)
		cli_die(STATUS_FAILED, "torture: out of memory");
	return STATUS_DONE;
}

uint64_t torture_workers_done(const struct torture *base, uint32_t tally)
{
	return roll_sum(base->crew.account, tally).least;
}

void torture_workers_report(const struct torture *base, uint32_t told)
{
	const struct workers_torture *t = (const struct workers_torture *)base;
	char times[SHOW_NUMBER], slow[CLI_HUMAN_BYTES];

	printf("  repaired    %s times after a dead owner, the slowest %s after kill and call\n",
	       show_number(times, torture_workers_done(base, told)),
	       cli_human_duration(slow, (int64_t)atomic_load(t->slowest)));
}

void torture_workers_dismiss(struct torture *base)
{
	struct workers_torture *t = (struct workers_torture *)base;

	munmap(t->slowest, sizeof *t->slowest);
	roll_unmake(base->crew.account);
}
