/* SPDX-License-Identifier: MIT */
/*
 * cmd_write.c - ferry write: standard input into a pipe.
 *
 * Bytes are read into the pipe's own memory, and only when they are there already: a reservation
 * that waits for input would be passed over by other writers.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "flow.h"
#include "interrupt.h"
#include "progress.h"

static const struct argp_option options[] = { FLOW_OPTIONS, { 0 } };

static error_t parse(int key, char *argument, struct argp_state *state)
{
	if (key == ARGP_KEY_END && !((struct flow *)state->input)->location)
		argp_error(state, "say which pipe to write to");
	return flow_parse(key, argument, state);
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc = "Write standard input to a pipe until it ends. The pipe is made if it is not there. "
	       "As with a FIFO, it begins when somebody has the pipe open to read, and ends by "
	       "SIGPIPE when nobody has any more."
	       "\v"
	       "Sizes are bytes, or take K, M or G; TIME is seconds, or takes a unit (250ms, 2m).\n"
	       "\nExamples:\n"
	       "  tar c . | ferry write backup --progress\n"
	       "  ferry write frames < video.y4m\n"
	       "  make 2>&1 | ferry write log --timeout 10",
};

/* Wait until standard input has something, or has ended. 0, or -errno. */
static int wait_for_input(struct flow *flow)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	for (;;) {
		if (interrupt_seen())
			return -EINTR;
		int n = poll(&input, 1, flow->progress ? PROGRESS_MS : -1);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		progress_show(&flow->shown, flow->pipe, flow->moved);
	}
}

/* Room in the pipe, waited for in short steps. 0, or a negative result of ferry. */
static int reserve(struct flow *flow, size_t size, struct ferry_span *ret_span)
{
	ferry_deadline until = flow_deadline(flow);

	for (;;) {
		int r = ferry_pipe_reserve(flow->pipe, size, ret_span, flow_step(until));
		if (!flow_goes_on(flow, r, until))
			return r;
		progress_show(&flow->shown, flow->pipe, flow->moved);
	}
}

static int commit(struct flow *flow, struct ferry_span *span, size_t n)
{
	ferry_deadline until = flow_deadline(flow);
	int r;

	do {
		r = ferry_pipe_commit(flow->pipe, span, n, flow_step(until));
		/* Passed over, and a part is written: the rest is what span says now. */
		if (n > span->size)
			n = span->size;
	} while (flow_goes_on(flow, r, until));
	return r;
}

/* Move what is there, at most size bytes. 1; 0 at the end of input; a negative result. *ret_input:
 * the failure was reading. */
static int write_some(struct flow *flow, size_t size, int *ret_input)
{
	struct ferry_span span = { 0 };
	int r = wait_for_input(flow);

	*ret_input = r < 0;
	if (r == 0)
		r = reserve(flow, size, &span);
	if (r < 0)
		return r;
	ssize_t n = read(STDIN_FILENO, span.data, span.size);
	int error = n < 0 ? errno : 0;
	r = commit(flow, &span, n > 0 ? (size_t)n : 0);
	if (r < 0)
		return r;
	flow->moved += n > 0 ? (uint64_t)n : 0;
	*ret_input = 1;
	if (error == EAGAIN || error == EINTR)
		return 1;
	return error ? -error : n > 0;
}

static int input_failed(const struct flow *flow, int error)
{
	if (error != -EINTR)
		cli_complain("write %s: cannot read standard input: %s", flow->location,
			     strerror(-error));
	return STATUS_FAILED;
}

static int write_all(struct flow *flow)
{
	struct ferry_pipe_stat stat;
	int input = 0;
	int r = ferry_pipe_stat(flow->pipe, &stat);

	if (r < 0)
		return flow_failed(flow, r);
	size_t size = (size_t)stat.reserve_max;
	while ((r = write_some(flow, size, &input)) > 0)
		progress_show(&flow->shown, flow->pipe, flow->moved);
	progress_end(&flow->shown, flow->pipe, flow->moved);
	if (r == 0)
		return STATUS_DONE;
	return input ? input_failed(flow, r) : flow_failed(flow, r);
}

int cmd_write(int argc, char **argv)
{
	struct flow flow = { .command = "write", .end = FERRY_WRITE, .timeout = -1 };

	cli_parse(&argp, argc, argv, &flow);
	interrupt_catch();
	int status = flow_open(&flow);
	if (status == STATUS_DONE)
		status = write_all(&flow);
	ferry_pipe_close(flow.pipe);
	return interrupt_end(status);
}
