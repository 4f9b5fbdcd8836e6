/* SPDX-License-Identifier: MIT */
/*
 * cmd_receive.c - ferry receive: write messages to standard output.
 *
 * A message is taken, written, and only then finished. So one that could not be written, because
 * the reader went away, the disk is full or a signal came, goes back into the mailbox.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "interrupt.h"
#include "output.h"

#define LOOK_AROUND_MS 500

enum {
	OPTION_CREATE = 256,
	OPTION_TRY,
};

struct receive {
	const char *location;
	enum output_format format;
	uint64_t count; /* messages wanted */
	bool counted;   /* count was given */
	bool follow;
	bool all;
	bool try;
	bool create;
	int64_t timeout; /* ns; negative: wait for ever */

	ferry_mailbox *box;
};

static const struct argp_option options[] = {
	{ "number", 'n', "COUNT", 0, "Receive so many (1)", 0 },
	{ "follow", 'f', NULL, 0, "Receive for ever", 0 },
	{ "all", 'a', NULL, 0, "Receive what is there, until it is empty; do not wait", 0 },
	OUTPUT_OPTIONS,
	{ "timeout", 't', "TIME", 0, "Wait so long at most, for each message", 0 },
	{ "try", OPTION_TRY, NULL, 0, "Do not wait", 0 },
	{ "create", OPTION_CREATE, NULL, 0, "Make the mailbox if it does not exist", 0 },
	{ 0 },
};

static void check(struct receive *receive, struct argp_state *state)
{
	bool bounded = receive->try || receive->timeout >= 0;

	if (!receive->location)
		argp_error(state, "say which mailbox to receive from");
	if (receive->counted + receive->follow + receive->all > 1)
		argp_error(state, "--number, --follow and --all exclude each other");
	if (receive->try && receive->timeout >= 0)
		argp_error(state, "--try and --timeout exclude each other");
	if (receive->all && bounded)
		argp_error(state, "--all does not wait: leave out --try and --timeout");
	if (receive->follow && receive->try)
		argp_error(state, "--follow waits: leave out --try, or use --all");
	if (receive->follow || receive->all)
		receive->count = UINT64_MAX;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct receive *receive = state->input;

	switch (key) {
	case 'n':
		receive->count = cli_count_option(state, "--number", argument, 1, UINT64_MAX);
		receive->counted = true;
		return 0;
	case 'f':
		receive->follow = true;
		return 0;
	case 'a':
		receive->all = true;
		return 0;
	case 'r':
		output_choose(state, &receive->format, OUTPUT_RAW);
		return 0;
	case 'j':
		output_choose(state, &receive->format, OUTPUT_JSON);
		return 0;
	case 't':
		receive->timeout = cli_duration_option(state, "--timeout", argument);
		return 0;
	case OPTION_TRY:
		receive->try = true;
		return 0;
	case OPTION_CREATE:
		receive->create = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one mailbox at a time");
		receive->location = argument;
		return 0;
	case ARGP_KEY_END:
		check(receive, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc =
	    "Receive messages and write each on a line. A message that could not be written stays "
	    "in the mailbox."
	    "\v"
	    "TIME is seconds, or takes a unit (250ms, 1.5s, 2m, 1h).\n"
	    "\nExamples:\n"
	    "  ferry receive orders\n"
	    "  ferry receive orders --follow | while read -r order; do brew \"$order\"; done\n"
	    "  ferry receive frames --raw --timeout 2 > picture.jpg\n"
	    "  ferry receive orders --all --json | jq .data",
};

static ferry_deadline deadline(const struct receive *receive)
{
	if (receive->try || receive->all)
		return FERRY_NOW;
	return receive->timeout < 0 ? FERRY_FOREVER : ferry_in_ns(receive->timeout);
}

/* Take the next message; while waiting, look now and then whether somebody still reads our output.
 */
static int take(const struct receive *receive, struct ferry_message *ret_message)
{
	ferry_deadline until = deadline(receive), next;
	int r;

	do {
		if (interrupt_seen())
			return -EINTR;
		if (output_closed())
			return -EPIPE;
		next = ferry_in_ms(LOOK_AROUND_MS);
		if (next > until)
			next = until;
		r = ferry_mailbox_take(receive->box, ret_message, next);
	} while (r == -EINTR || (r == -ETIMEDOUT && next != until));
	return r;
}

/* No message could be taken. */
static int failed(const struct receive *receive, int error)
{
	struct ferry_why why = { 0 };
	char human[CLI_HUMAN_BYTES];

	if (error == -EINTR || error == -EPIPE)
		return output_failed("receive", receive->location, error);
	if (error == -EAGAIN)
		snprintf(why.text, sizeof why.text,
			 "no message is there; wait with --timeout, or without --try");
	else if (error == -ETIMEDOUT)
		snprintf(why.text, sizeof why.text, "no message came within %s",
			 cli_human_duration(human, receive->timeout));
	return cli_fail("receive", receive->location, error, &why);
}

/* Write a message that was taken, then finish it; or give it back. */
static int pass_on(const struct receive *receive, struct ferry_message *message)
{
	int r = output_message(receive->format, message);

	if (r < 0) {
		ferry_mailbox_return(receive->box, message);
		return output_failed("receive", receive->location, r);
	}
	r = ferry_mailbox_done(receive->box, message);
	return r < 0 ? cli_fail("receive", receive->location, r, NULL) : STATUS_DONE;
}

static int receive_all(const struct receive *receive)
{
	int status = STATUS_DONE;

	for (uint64_t i = 0; i < receive->count && status == STATUS_DONE; i++) {
		struct ferry_message message;
		int r = take(receive, &message);

		if (r == -EAGAIN && receive->all)
			break;
		status = r < 0 ? failed(receive, r) : pass_on(receive, &message);
	}
	return status;
}

int cmd_receive(int argc, char **argv)
{
	struct receive receive = { .count = 1, .timeout = -1 };

	cli_parse(&argp, argc, argv, &receive);
	uint32_t flags =
	    FERRY_RECEIVE_ONLY | FERRY_INTERRUPTIBLE | (receive.create ? 0 : FERRY_EXISTING);
	int status = cli_open(&receive.box, "receive", receive.location, flags);
	if (status != STATUS_DONE)
		return status;
	interrupt_catch();
	status = receive_all(&receive);
	ferry_mailbox_close(receive.box);
	return interrupt_end(status);
}
