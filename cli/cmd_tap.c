/* SPDX-License-Identifier: MIT */
/*
 * cmd_tap.c - ferry tap: watch what passes through a mailbox or pipe, from now on.
 *
 * Nothing is taken and nobody waits for us, so what we do not look at in time is missed, and
 * counted. Standard output must therefore be somebody fast.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "interrupt.h"
#include "output.h"

#define LOOK_AROUND_MS 500
#define FIRST_ROOM     ((size_t)65536)

struct tap {
	const char *location;
	enum output_format format;
	uint64_t count; /* messages wanted */
	bool counted;
	int64_t timeout; /* ns; negative: wait for ever */

	/* The one or the other: */
	ferry_mailbox *box;
	ferry_mailbox_tap *messages;
	ferry_pipe *pipe;
	ferry_pipe_tap *bytes;

	char *buffer;
	size_t room;
	struct ferry_message message;
	uint64_t missed;
	uint64_t told; /* of those, in the output */
};

static const struct argp_option options[] = {
	{ "number", 'n', "COUNT", 0, "End after so many messages", 0 },
	{ "timeout", 't', "TIME", 0, "End when nothing passes for so long", 0 },
	OUTPUT_OPTIONS,
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct tap *tap = state->input;

	switch (key) {
	case 'n':
		tap->count = cli_count_option(state, "--number", argument, 1, UINT64_MAX);
		tap->counted = true;
		return 0;
	case 't':
		tap->timeout = cli_duration_option(state, "--timeout", argument);
		return 0;
	case 'r':
		output_choose(state, &tap->format, OUTPUT_RAW);
		return 0;
	case 'j':
		output_choose(state, &tap->format, OUTPUT_JSON);
		return 0;
	default:
		return cli_one_location(key, argument, state, &tap->location, "mailbox or pipe",
					"to watch");
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc = "Write what passes through a mailbox or a pipe from now on, and leave it there. "
	       "Senders and writers are not slowed down, so some may be missed; at the end it says "
	       "how much. Read permission is enough."
	       "\v"
	       "Of a mailbox each message is a line, or what --raw and --json say; of a pipe all "
	       "bytes are written as they are. TIME is seconds, or takes a unit (250ms, 2m).\n"
	       "\nExamples:\n"
	       "  ferry tap orders\n"
	       "  ferry tap orders --json --number 100 | jq .size\n"
	       "  ferry tap backup | tar t",
};

/* ---- opening ---- */

static int begin_messages(struct tap *tap, struct ferry_why *why)
{
	int r = ferry_mailbox_open(
	    &tap->box, tap->location,
	    FERRY_MAILBOX_OPTIONS(.flags = FERRY_OBSERVE | FERRY_INTERRUPTIBLE, .why = why));

	return r < 0 ? r : ferry_mailbox_tap_open(&tap->messages, tap->box);
}

static int begin_bytes(struct tap *tap, struct ferry_why *why)
{
	int r = ferry_pipe_open(&tap->pipe, tap->location, FERRY_OBSERVE,
				FERRY_PIPE_OPTIONS(.flags = FERRY_INTERRUPTIBLE, .why = why),
				FERRY_NOW);

	return r < 0 ? r : ferry_pipe_tap_open(&tap->bytes, tap->pipe);
}

static int begin(struct tap *tap)
{
	struct ferry_why why = { 0 };
	struct ferry_object_stat stat;
	int r = ferry_object_stat(tap->location, &stat, &why);

	if (r >= 0 && stat.kind != FERRY_KIND_MAILBOX && stat.kind != FERRY_KIND_PIPE) {
		snprintf(why.text, sizeof why.text,
			 "it is a %s; only mailboxes and pipes can be watched",
			 ferry_kind_name(stat.kind));
		r = -FERRY_EKIND;
	}
	if (r >= 0)
		r = stat.kind == FERRY_KIND_PIPE ? begin_bytes(tap, &why)
						 : begin_messages(tap, &why);
	if (r < 0)
		return cli_fail("tap", tap->location, r, &why);
	if (tap->pipe && (tap->counted || tap->format == OUTPUT_JSON)) {
		cli_complain(
		    "tap %s: it is a pipe, which has no messages: leave out --number and --json",
		    tap->location);
		return STATUS_USAGE;
	}
	tap->room = FIRST_ROOM;
	tap->buffer = malloc(tap->room);
	if (!tap->buffer)
		cli_die(STATUS_FAILED, "out of memory");
	return STATUS_DONE;
}

static void end(struct tap *tap)
{
	ferry_mailbox_tap_close(tap->messages);
	ferry_mailbox_close(tap->box);
	ferry_pipe_tap_close(tap->bytes);
	ferry_pipe_close(tap->pipe);
	free(tap->buffer);
}

/* ---- watching ---- */

static ssize_t look(struct tap *tap, ferry_deadline until)
{
	if (tap->pipe)
		return ferry_pipe_tap_read(tap->bytes, tap->buffer, tap->room, &tap->missed, until);
	return ferry_mailbox_tap_next(tap->messages, tap->buffer, tap->room, &tap->message,
				      &tap->missed, until);
}

/* The buffer for a message that is larger than it. */
static int grow(struct tap *tap)
{
	char *grown = realloc(tap->buffer, tap->message.size);

	if (!grown)
		return -ENOMEM;
	tap->buffer = grown;
	tap->room = tap->message.size;
	return 0;
}

/* The next message or bytes; look now and then whether somebody still reads our output. */
static ssize_t next(struct tap *tap)
{
	ferry_deadline until = tap->timeout < 0 ? FERRY_FOREVER : ferry_in_ns(tap->timeout);

	for (;;) {
		ferry_deadline step = ferry_in_ms(LOOK_AROUND_MS);
		ssize_t r = look(tap, step < until ? step : until);

		if (r == -EMSGSIZE)
			r = grow(tap) < 0 ? -ENOMEM : -EINTR;
		if (r >= 0)
			return r;
		if (interrupt_seen())
			return -EINTR;
		if (output_closed())
			return -EPIPE;
		if (r != -EINTR && (r != -ETIMEDOUT || step >= until))
			return r;
	}
}

/* In JSON a gap has a line of its own, where it is. */
static int write_gap(struct tap *tap)
{
	char line[64];

	if (tap->format != OUTPUT_JSON || tap->missed == tap->told)
		return 0;
	int n = snprintf(line, sizeof line, "{\"missed\": %" PRIu64 "}\n", tap->missed - tap->told);
	tap->told = tap->missed;
	return output_bytes(line, (size_t)n);
}

static int write_out(struct tap *tap, size_t size)
{
	int r = write_gap(tap);

	if (r < 0)
		return r;
	return tap->pipe ? output_bytes(tap->buffer, size)
			 : output_message(tap->format, &tap->message);
}

/* Writing to standard output failed. */
static int output_broke(const struct tap *tap, int error)
{
	if (error == -EPIPE)
		interrupt_note(SIGPIPE);
	else if (error != -EINTR)
		cli_complain("tap %s: cannot write to standard output: %s", tap->location,
			     strerror(-error));
	return STATUS_FAILED;
}

static int watch(struct tap *tap)
{
	for (uint64_t i = 0; i < tap->count; i++) {
		ssize_t size = next(tap);

		if (size == -ETIMEDOUT)
			return STATUS_DONE;
		if (size == -EINTR || size == -EPIPE)
			return output_broke(tap, (int)size);
		if (size < 0)
			return cli_fail("tap", tap->location, (int)size, NULL);
		int r = write_out(tap, (size_t)size);
		if (r < 0)
			return output_broke(tap, r);
	}
	return STATUS_DONE;
}

static void tell_missed(const struct tap *tap)
{
	char human[CLI_HUMAN_BYTES];

	if (tap->missed && tap->pipe)
		cli_complain("tap %s: missed %" PRIu64 " byte%s (%s)", tap->location, tap->missed,
			     CLI_PLURAL(tap->missed), cli_human_size(human, tap->missed));
	else if (tap->missed)
		cli_complain("tap %s: missed %" PRIu64 " message%s", tap->location, tap->missed,
			     CLI_PLURAL(tap->missed));
}

int cmd_tap(int argc, char **argv)
{
	struct tap tap = { .count = UINT64_MAX, .timeout = -1 };

	cli_parse(&argp, argc, argv, &tap);
	interrupt_catch();
	int status = begin(&tap);
	if (status == STATUS_DONE) {
		status = watch(&tap);
		tell_missed(&tap);
	}
	end(&tap);
	return interrupt_end(status);
}
