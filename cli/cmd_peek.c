/* SPDX-License-Identifier: MIT */
/*
 * cmd_peek.c - ferry peek: show the next message and leave it there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "interrupt.h"
#include "output.h"

struct peek {
	const char *location;
	enum output_format format;
};

static const struct argp_option options[] = { OUTPUT_OPTIONS, { 0 } };

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct peek *peek = state->input;

	switch (key) {
	case 'r':
		output_choose(state, &peek->format, OUTPUT_RAW);
		return 0;
	case 'j':
		output_choose(state, &peek->format, OUTPUT_JSON);
		return 0;
	default:
		return cli_one_location(key, argument, state, &peek->location, "mailbox",
					"to look into");
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc = "Write the message that would be received next, and leave it where it is. Nobody "
	       "notices. Read permission is enough."
	       "\v"
	       "\nExamples:\n"
	       "  ferry peek orders\n"
	       "  ferry peek frames --raw | file -\n"
	       "  ferry peek orders --json",
};

/* Peek with a buffer that grows until the message fits. The caller frees *ret_buffer. */
static ssize_t peek_whole(ferry_mailbox *box, void **ret_buffer, struct ferry_message *ret)
{
	size_t room = 4096;
	ssize_t r;

	do {
		free(*ret_buffer);
		*ret_buffer = malloc(room);
		if (!*ret_buffer)
			return -ENOMEM;
		r = ferry_mailbox_peek(box, *ret_buffer, room, ret, FERRY_NOW);
		room = ret->size;
	} while (r == -EMSGSIZE);
	return r;
}

static int show(const struct peek *peek, ferry_mailbox *box)
{
	struct ferry_message message = { 0 };
	struct ferry_why why = { 0 };
	void *buffer = NULL;
	ssize_t r = peek_whole(box, &buffer, &message);
	int status = STATUS_DONE;

	if (r == -EAGAIN)
		snprintf(why.text, sizeof why.text, "no message is there");
	if (r < 0) {
		status = cli_fail("peek", peek->location, (int)r, &why);
	} else {
		int e = output_message(peek->format, &message);
		if (e < 0)
			status = output_failed("peek", peek->location, e);
	}
	free(buffer);
	return status;
}

int cmd_peek(int argc, char **argv)
{
	struct peek peek = { 0 };
	ferry_mailbox *box;

	cli_parse(&argp, argc, argv, &peek);
	int status = cli_open(&box, "peek", peek.location, FERRY_OBSERVE);
	if (status != STATUS_DONE)
		return status;
	interrupt_catch();
	status = show(&peek, box);
	ferry_mailbox_close(box);
	return interrupt_end(status);
}
