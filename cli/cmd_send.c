/* SPDX-License-Identifier: MIT */
/*
 * cmd_send.c - ferry send: messages from arguments, standard input or a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "input.h"
#include "interrupt.h"

enum split { SPLIT_DEFAULT, SPLIT_LINES, SPLIT_WHOLE };

enum {
	OPTION_CREATE = 256,
	OPTION_TRY,
	OPTION_TTL,
};

struct send {
	const char *location;
	char **messages; /* the arguments, NULL for none */
	int n_messages;
	const char *file;
	enum split split;
	bool create;
	bool try;
	int64_t timeout; /* ns; negative: wait for ever */
	struct ferry_send_options options;

	ferry_mailbox *box;
	struct ferry_mailbox_stat stat;
};

static const struct argp_option options[] = {
	{ "lines", 'l', NULL, 0,
	  "Each line is a message, without its newline (for standard input, "
	  "this is how it is anyway)",
	  0 },
	{ "whole", 'w', NULL, 0, "Everything up to the end is one message", 0 },
	{ "file", 'f', "FILE", 0, "Send what is in FILE, whole unless --lines is given", 0 },
	{ "priority", 'p', "NUMBER", 0, "From 0, received last (0)", 0 },
	{ "ttl", OPTION_TTL, "TIME", 0, "Nobody receives it any more after TIME", 0 },
	{ "timeout", 't', "TIME", 0, "Wait for room so long at most, for each message", 0 },
	{ "try", OPTION_TRY, NULL, 0, "Do not wait for room", 0 },
	{ "create", OPTION_CREATE, NULL, 0, "Make the mailbox if it does not exist", 0 },
	{ 0 },
};

static void check(struct send *send, struct argp_state *state)
{
	if (!send->location)
		argp_error(state, "say which mailbox to send to");
	if (send->n_messages && (send->file || send->split))
		argp_error(state,
			   "messages are given as arguments or read from elsewhere, not both");
	if (send->try && send->timeout >= 0)
		argp_error(state, "--try and --timeout exclude each other");
}

static void choose_split(struct argp_state *state, struct send *send, enum split chosen)
{
	if (send->split != SPLIT_DEFAULT && send->split != chosen)
		argp_error(state, "--lines and --whole exclude each other");
	send->split = chosen;
}

/* The options that say how to send, not what. */
static error_t parse_how(int key, char *argument, struct argp_state *state)
{
	struct send *send = state->input;

	switch (key) {
	case 'p':
		send->options.priority = (uint32_t)cli_count_option(
		    state, "--priority", argument, 0, FERRY_MAILBOX_PRIORITIES_MAX - 1);
		return 0;
	case OPTION_TTL:
		send->options.ttl = cli_duration_option(state, "--ttl", argument);
		if (!send->options.ttl)
			argp_error(state, "--ttl: must be more than 0");
		return 0;
	case 't':
		send->timeout = cli_duration_option(state, "--timeout", argument);
		return 0;
	case OPTION_TRY:
		send->try = true;
		return 0;
	case OPTION_CREATE:
		send->create = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct send *send = state->input;

	switch (key) {
	case 'l':
		choose_split(state, send, SPLIT_LINES);
		return 0;
	case 'w':
		choose_split(state, send, SPLIT_WHOLE);
		return 0;
	case 'f':
		send->file = argument;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			return ARGP_ERR_UNKNOWN; /* the messages come as ARGP_KEY_ARGS */
		send->location = argument;
		return 0;
	case ARGP_KEY_ARGS:
		send->messages = state->argv + state->next;
		send->n_messages = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		check(send, state);
		return 0;
	default:
		return parse_how(key, argument, state);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION [MESSAGE...]",
	.doc =
	    "Send each MESSAGE; without any, each line of standard input. Waits while the mailbox "
	    "is full. What was sent stays until it is received."
	    "\v"
	    "TIME is seconds, or takes a unit (250ms, 1.5s, 2m, 1h).\n"
	    "\nExamples:\n"
	    "  ferry send orders 'two teas' 'one coffee'\n"
	    "  tail -f access.log | ferry send lines --create\n"
	    "  ferry send frames --file picture.jpg --timeout 2\n"
	    "  ferry send jobs --priority 3 --ttl 1m -- --not-an-option",
};

static ferry_deadline deadline(const struct send *send)
{
	if (send->try)
		return FERRY_NOW;
	return send->timeout < 0 ? FERRY_FOREVER : ferry_in_ns(send->timeout);
}

/* No room in the time that was given. Say what ran out: places or memory. */
static void explain_full(const struct send *send, size_t size, struct ferry_why *why)
{
	const char *todo = send->try ? "wait with --timeout, or receive some" : "receive some";
	struct ferry_mailbox_stat stat;
	char free[CLI_HUMAN_BYTES], wanted[CLI_HUMAN_BYTES];

	if (ferry_mailbox_stat(send->box, &stat) < 0)
		return;
	if (size <= FERRY_MAILBOX_INLINE || stat.messages >= stat.capacity)
		snprintf(why->text, sizeof why->text,
			 "the mailbox is full (%" PRIu64 " message%s); %s", stat.messages,
			 CLI_PLURAL(stat.messages), todo);
	else
		snprintf(why->text, sizeof why->text,
			 "the mailbox has no memory for a message of %s (%s free); %s",
			 cli_human_size(wanted, size), cli_human_size(free, stat.memory_free),
			 todo);
}

static int failed(const struct send *send, size_t size, int error)
{
	struct ferry_why why = { 0 };

	if (error == -EINTR)
		return STATUS_FAILED;
	if (error == -EAGAIN || error == -ETIMEDOUT)
		explain_full(send, size, &why);
	else if (error == -EMSGSIZE)
		snprintf(why.text, sizeof why.text,
			 "a message of %zu bytes is too large, it takes up to %" PRIu64, size,
			 send->stat.max_size);
	else if (error == -EINVAL)
		snprintf(why.text, sizeof why.text,
			 "there is no priority %" PRIu32 ", the highest is %" PRIu32,
			 send->options.priority, send->stat.priorities - 1);
	return cli_fail("send", send->location, error, &why);
}

static int send_one(const struct send *send, const void *data, size_t size)
{
	ferry_deadline until = deadline(send);
	int r;

	do
		r = ferry_mailbox_send_with(send->box, data, size, &send->options, until);
	while (r == -EINTR && !interrupt_seen());
	return r < 0 ? failed(send, size, r) : STATUS_DONE;
}

static int send_arguments(const struct send *send)
{
	int status = STATUS_DONE;

	for (int i = 0; i < send->n_messages && status == STATUS_DONE; i++)
		status = send_one(send, send->messages[i], strlen(send->messages[i]));
	return status;
}

/* Reading stopped at message number n. */
static int input_failed(const struct send *send, const struct input *input, uint64_t n, int error)
{
	const char *source = send->file ? send->file : "standard input";

	if (error == -EINTR)
		return STATUS_FAILED;
	if (error != -EMSGSIZE)
		cli_complain("send %s: cannot read %s: %s", send->location, source,
			     strerror(-error));
	else if (input->whole)
		cli_complain(
		    "send %s: %s is larger than a message can be (%zu bytes); create a mailbox "
		    "with a larger --max-size",
		    send->location, source, input->limit);
	else
		cli_complain(
		    "send %s: line %" PRIu64
		    " of %s is larger than a message can be (%zu bytes); create a mailbox with "
		    "a larger --max-size, or send it --whole",
		    send->location, n, source, input->limit);
	return STATUS_FAILED;
}

static int send_input(const struct send *send, int fd)
{
	bool whole = send->split == SPLIT_WHOLE || (send->split == SPLIT_DEFAULT && send->file);
	struct input input = { .fd = fd, .whole = whole, .limit = send->stat.max_size };
	const void *data;
	size_t size;
	int r, status = STATUS_DONE;

	for (uint64_t n = 1; status == STATUS_DONE; n++) {
		r = input_next(&input, &data, &size);
		if (r == 0)
			break;
		status = r < 0 ? input_failed(send, &input, n, r) : send_one(send, data, size);
	}
	input_free(&input);
	return status;
}

static int send_file(const struct send *send)
{
	int fd = open(send->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		cli_complain("send %s: cannot open %s: %s", send->location, send->file,
			     strerror(errno));
		return STATUS_FAILED;
	}
	int status = send_input(send, fd);
	close(fd);
	return status;
}

static int send_all(struct send *send)
{
	int r = ferry_mailbox_stat(send->box, &send->stat);

	if (r < 0)
		return cli_fail("send", send->location, r, NULL);
	if (send->n_messages)
		return send_arguments(send);
	return send->file ? send_file(send) : send_input(send, STDIN_FILENO);
}

int cmd_send(int argc, char **argv)
{
	struct send send = { .timeout = -1, .options = { .size = sizeof send.options } };

	cli_parse(&argp, argc, argv, &send);
	uint32_t flags = FERRY_SEND_ONLY | FERRY_INTERRUPTIBLE | (send.create ? 0 : FERRY_EXISTING);
	int status = cli_open(&send.box, "send", send.location, flags);
	if (status != STATUS_DONE)
		return status;
	interrupt_catch();
	status = send_all(&send);
	ferry_mailbox_close(send.box);
	return interrupt_end(status);
}
