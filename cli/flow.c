/* SPDX-License-Identifier: MIT */
/*
 * flow.c - what `ferry write` and `ferry read` share.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "flow.h"
#include "interrupt.h"

#define USUAL_CAPACITY ((uint64_t)1 << 20)
#define PIPE_BYTES     (1 << 20)

error_t flow_parse(int key, char *argument, struct argp_state *state)
{
	struct flow *flow = state->input;

	switch (key) {
	case 'p':
		flow->progress = true;
		return 0;
	case 't':
		flow->timeout = cli_duration_option(state, "--timeout", argument);
		return 0;
	case FLOW_CAPACITY:
		flow->capacity = cli_size_option(state, "--capacity", argument);
		if (!flow->capacity)
			argp_error(state, "--capacity: must be more than 0");
		return 0;
	case FLOW_EXISTING:
		flow->existing = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one pipe at a time");
		flow->location = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

ferry_deadline flow_deadline(const struct flow *flow)
{
	return flow->timeout < 0 ? FERRY_FOREVER : ferry_in_ns(flow->timeout);
}

ferry_deadline flow_step(ferry_deadline until)
{
	ferry_deadline next = ferry_in_ms(PROGRESS_MS);

	return next < until ? next : until;
}

bool flow_goes_on(const struct flow *flow, int r, ferry_deadline until)
{
	(void)flow;
	if (interrupt_seen())
		return false;
	return r == -EINTR || (r == -ETIMEDOUT && ferry_in_ns(0) < until);
}

/* What exists is used as it is: the usual capacity is no wish. No spinning: the time is better
 * spent by the programs before and behind us. */
static int open_as(struct flow *flow, uint32_t flags, uint64_t capacity, ferry_deadline until,
		   struct ferry_why *why)
{
	return ferry_pipe_open(&flow->pipe, flow->location, flow->end,
			       FERRY_PIPE_OPTIONS(.flags = flags | FERRY_INTERRUPTIBLE,
						  .capacity = capacity, .spin = -1, .why = why),
			       until);
}

static int open_or_make(struct flow *flow, ferry_deadline until, struct ferry_why *why)
{
	int r;

	if (flow->capacity || flow->existing)
		return open_as(flow, flow->existing ? FERRY_EXISTING : 0, flow->capacity, until,
			       why);
	do {
		r = open_as(flow, FERRY_EXISTING, 0, until, why);
		if (r == -ENOENT)
			r = open_as(flow, FERRY_EXCLUSIVE, USUAL_CAPACITY, until, why);
	} while (r == -EEXIST);
	return r;
}

static int open_failed(const struct flow *flow, int error, struct ferry_why *why)
{
	char human[CLI_HUMAN_BYTES];

	if (error == -EINTR)
		return STATUS_FAILED;
	if (error == -ETIMEDOUT)
		snprintf(why->text, sizeof why->text, "nobody opened it to %s within %s",
			 flow->end == FERRY_WRITE ? "read" : "write",
			 cli_human_duration(human, flow->timeout));
	return cli_fail(flow->command, flow->location, error, why);
}

/* If it is a pipe: let more bytes wait in it, so that we and the program at its other end need not
 * change places for every 64 KiB. Where that is not allowed, it stays as it is. */
static void widen(int fd)
{
	int bytes = fcntl(fd, F_GETPIPE_SZ);

	if (bytes >= 0 && bytes < PIPE_BYTES)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

/* We move what others make and use. On a core that we share with them we had better not come before
 * them each time a few bytes wait: then more has come together when it is our turn, and the core
 * changes hands less often. Whoever was given a policy keeps it. */
static void be_patient(void)
{
	const struct sched_param none = { 0 };

	if (sched_getscheduler(0) == SCHED_OTHER)
		(void)sched_setscheduler(0, SCHED_BATCH, &none);
}

int flow_open(struct flow *flow)
{
	struct ferry_why why = { 0 };
	ferry_deadline until = flow->at_once ? FERRY_NOW : flow_deadline(flow);
	int r;

	do
		r = open_or_make(flow, until, &why);
	while (r == -EINTR && !interrupt_seen());
	if (r < 0)
		return open_failed(flow, r, &why);
	be_patient();
	widen(flow->end == FERRY_WRITE ? STDIN_FILENO : STDOUT_FILENO);
	if (flow->progress)
		progress_begin(&flow->shown);
	return STATUS_DONE;
}

int flow_failed(const struct flow *flow, int error)
{
	struct ferry_why why = { 0 };
	char human[CLI_HUMAN_BYTES];

	if (error == -EINTR)
		return STATUS_FAILED;
	if (error == -EPIPE) {
		interrupt_note(SIGPIPE);
		return STATUS_FAILED;
	}
	if (error == -ETIMEDOUT)
		snprintf(why.text, sizeof why.text, "%s within %s",
			 flow->end == FERRY_WRITE ? "nobody made room" : "nothing came",
			 cli_human_duration(human, flow->timeout));
	return cli_fail(flow->command, flow->location, error, &why);
}
