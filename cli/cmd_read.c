/* SPDX-License-Identifier: MIT */
/*
 * cmd_read.c - ferry read: what comes through a pipe, to standard output.
 *
 * Bytes go from the pipe's own memory to standard output, and leave the pipe only when they were
 * taken there. So what could not be written stays for the next reader.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "flow.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

#define OPTION_REMOVE 300

struct read_command {
	struct flow flow; /* first: flow_parse() gets it */
	bool remove;
	bool all;
};

static const struct argp_option options[] = {
	FLOW_OPTIONS,
	{ "all", 'a', NULL, 0, "Read what is there, and do not wait for anybody", 0 },
	{ "remove", OPTION_REMOVE, NULL, 0, "Remove the pipe at its end", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct read_command *command = state->input;

	switch (key) {
	case 'a':
		command->all = true;
		return 0;
	case OPTION_REMOVE:
		command->remove = true;
		return 0;
	case ARGP_KEY_END:
		if (!command->flow.location)
			argp_error(state, "say which pipe to read from");
		if (command->all && command->flow.timeout >= 0)
			argp_error(state, "--all does not wait: leave out --timeout");
		return 0;
	default:
		return flow_parse(key, argument, state);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc =
	    "Read a pipe and write it to standard output, until the last writer has gone and all "
	    "is read. The pipe is made if it is not there, and stays. As with a FIFO, it begins "
	    "when somebody has the pipe open to write. What could not be written stays in the "
	    "pipe."
	    "\v"
	    "Sizes are bytes, or take K, M or G; TIME is seconds, or takes a unit (250ms, 2m).\n"
	    "\nExamples:\n"
	    "  ferry read backup | tar x\n"
	    "  ferry read frames --progress > video.y4m\n"
	    "  ferry read log --all",
};

/* Wait for bytes; look now and then whether somebody still reads our output. 1; 0 at the end; or a
 * negative result. */
static int wait_for_bytes(struct flow *flow, bool all, struct ferry_span *ret_span)
{
	ferry_deadline until = all ? FERRY_NOW : flow_deadline(flow);
	int r = ferry_pipe_peek(flow->pipe, ret_span, FERRY_NOW);

	if (all && r == -EAGAIN)
		return 0;
	while (r == -EAGAIN || flow_goes_on(flow, r, until)) {
		if (output_closed())
			return -EPIPE;
		progress_show(&flow->shown, flow->pipe, flow->moved);
		r = ferry_pipe_peek(flow->pipe, ret_span, flow_step(until));
	}
	return r;
}

/* Move what is there. 1; 0 at the end; a negative result. *ret_output: the failure was writing. */
static int read_some(struct flow *flow, bool all, int *ret_output)
{
	struct ferry_span span;
	uint64_t moved = 0;
	int r = wait_for_bytes(flow, all, &span);

	*ret_output = r == -EPIPE;
	if (r <= 0)
		return r;
	r = ferry_pipe_drain(flow->pipe, STDOUT_FILENO, span.size, &moved, FERRY_FOREVER);
	flow->moved += moved;
	*ret_output = 1;
	if (r == -EINTR && !interrupt_seen())
		return 1;
	/* Another reader was faster: look again. */
	return r < 0 && r != -FERRY_ESTALE ? r : 1;
}

static int output_broke(const struct flow *flow, int error)
{
	if (error == -EPIPE)
		interrupt_note(SIGPIPE);
	else if (error != -EINTR)
		cli_complain("read %s: cannot write to standard output: %s; the rest is still in "
			     "the pipe",
			     flow->location, strerror(-error));
	return STATUS_FAILED;
}

static int read_all(struct flow *flow, bool all)
{
	int output = 0;
	int r;

	while ((r = interrupt_seen() ? -EINTR : read_some(flow, all, &output)) > 0)
		progress_show(&flow->shown, flow->pipe, flow->moved);
	progress_end(&flow->shown, flow->pipe, flow->moved);
	if (r == 0)
		return STATUS_DONE;
	/* What only a pipe of ferry can say is not of the output. */
	if (output && r > -FERRY_ECORRUPT && r != -EIDRM)
		return output_broke(flow, r);
	return flow_failed(flow, r);
}

static int remove_pipe(const struct flow *flow)
{
	struct ferry_why why = { 0 };
	int r = ferry_remove(flow->location, &why);

	return r < 0 && r != -ENOENT ? cli_fail("read", flow->location, r, &why) : STATUS_DONE;
}

int cmd_read(int argc, char **argv)
{
	struct read_command command = {
		.flow = { .command = "read", .end = FERRY_READ, .timeout = -1 },
	};
	struct flow *flow = &command.flow;

	cli_parse(&argp, argc, argv, &command);
	flow->at_once = command.all;
	interrupt_catch();
	int status = flow_open(flow);
	if (status == STATUS_DONE)
		status = read_all(flow, command.all);
	ferry_pipe_close(flow->pipe);
	if (status == STATUS_DONE && command.remove)
		status = remove_pipe(flow);
	return interrupt_end(status);
}
