/* SPDX-License-Identifier: MIT */
/*
 * cmd_create.c - ferry create: make an object.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum {
	OPTION_ARENA = 256,
	OPTION_BYTES,
	OPTION_CAPACITY,
	OPTION_DROP_OLDEST,
	OPTION_MAX_BYTES,
	OPTION_MEMBERS,
	OPTION_MEMORY,
	OPTION_ONE_TO_ONE,
	OPTION_PRIORITIES,
};

struct create {
	enum ferry_kind kind;
	const char *location;
	uint32_t flags, mode, members;
	struct ferry_mailbox_options mailbox;
	struct ferry_segment_options segment;
	struct ferry_pipe_options pipe;
	/* The last option that was given of those which only that kind has. */
	const char *only[FERRY_KIND_PIPE + 1];
	struct ferry_why why;
};

static const struct argp_option options[] = {
	{ "members", OPTION_MEMBERS, "COUNT", 0,
	  "How many processes can have it open at once, up to 4094 (mailbox 1024, others 256)", 0 },
	{ "mode", 'm', "MODE", 0, "Who may open it, as for chmod, in octal (0600)", 0 },
	{ "exclusive", 'x', NULL, 0, "Fail if it exists already", 0 },
	{ NULL, 0, NULL, 0, "Mailbox:", 1 },
	{ "max-size", 's', "SIZE", 0, "Bytes of the largest message (64K)", 1 },
	{ "messages", 'n', "COUNT", 0, "Room for so many messages at each priority (256)", 1 },
	{ "priorities", OPTION_PRIORITIES, "COUNT", 0, "Priorities, up to 32 (1)", 1 },
	{ "memory", OPTION_MEMORY, "SIZE", 0,
	  "Memory for the contents of all messages longer than 112 bytes (8 times --max-size)", 1 },
	{ "drop-oldest", OPTION_DROP_OLDEST, NULL, 0,
	  "When full, a message that is sent pushes out the oldest one of its priority", 1 },
	{ "one-to-one", OPTION_ONE_TO_ONE, NULL, 0,
	  "At most one sender and one receiver at a time, which are faster for it", 1 },
	{ NULL, 0, NULL, 0, "Segment:", 2 },
	{ "bytes", OPTION_BYTES, "SIZE", 0, "Bytes of memory", 2 },
	{ "max-bytes", OPTION_MAX_BYTES, "SIZE", 0, "Up to which it can grow (it cannot)", 2 },
	{ "arena", OPTION_ARENA, NULL, 0, "Ferry allocates in it", 2 },
	{ NULL, 0, NULL, 0, "Pipe:", 3 },
	{ "capacity", OPTION_CAPACITY, "SIZE", 0, "Bytes that can wait to be read (64K)", 3 },
	{ NULL, 0, NULL, 0, "Help:", -1 },
	{ 0 },
};

static uint64_t positive_size(struct argp_state *state, const char *option, const char *text)
{
	uint64_t size = cli_size_option(state, option, text);

	if (!size)
		argp_error(state, "%s: must be more than 0", option);
	return size;
}

static uint32_t positive_count(struct argp_state *state, const char *option, const char *text)
{
	return (uint32_t)cli_count_option(state, option, text, 1, UINT32_MAX);
}

static enum ferry_kind kind_of(struct argp_state *state, const char *word)
{
	static const enum ferry_kind kinds[] = { FERRY_KIND_MAILBOX, FERRY_KIND_SEGMENT,
						 FERRY_KIND_PIPE };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(word, ferry_kind_name(kinds[i])) == 0)
			return kinds[i];
	argp_error(state, "'%s' is not a kind of object; there are: mailbox, segment, pipe", word);
	return FERRY_KIND_MAILBOX;
}

static error_t parse_mailbox(int key, char *argument, struct argp_state *state)
{
	struct create *create = state->input;
	struct ferry_mailbox_options *box = &create->mailbox;
	const char *option;

	switch (key) {
	case 's':
		option = "--max-size";
		box->max_size = positive_size(state, option, argument);
		break;
	case 'n':
		option = "--messages";
		box->messages = positive_count(state, option, argument);
		break;
	case OPTION_PRIORITIES:
		option = "--priorities";
		box->priorities = positive_count(state, option, argument);
		break;
	case OPTION_MEMORY:
		option = "--memory";
		box->memory = positive_size(state, option, argument);
		break;
	case OPTION_DROP_OLDEST:
		option = "--drop-oldest";
		box->flags |= FERRY_DROP_OLDEST;
		break;
	case OPTION_ONE_TO_ONE:
		option = "--one-to-one";
		box->flags |= FERRY_ONE_TO_ONE;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	create->only[FERRY_KIND_MAILBOX] = option;
	return 0;
}

static error_t parse_segment(int key, char *argument, struct argp_state *state)
{
	struct create *create = state->input;
	struct ferry_segment_options *segment = &create->segment;
	const char *option;

	switch (key) {
	case OPTION_BYTES:
		option = "--bytes";
		segment->bytes = positive_size(state, option, argument);
		break;
	case OPTION_MAX_BYTES:
		option = "--max-bytes";
		segment->max_bytes = positive_size(state, option, argument);
		break;
	case OPTION_ARENA:
		option = "--arena";
		segment->arena = 1;
		break;
	default:
		return parse_mailbox(key, argument, state);
	}
	create->only[FERRY_KIND_SEGMENT] = option;
	return 0;
}

static void check(const struct create *create, struct argp_state *state)
{
	if (!create->location)
		argp_error(state, "say what to create and where, such as: mailbox orders");
	for (enum ferry_kind kind = FERRY_KIND_MAILBOX; kind <= FERRY_KIND_PIPE; kind++)
		if (kind != create->kind && create->only[kind])
			argp_error(state, "%s is for %s%s", create->only[kind],
				   ferry_kind_name(kind), kind == FERRY_KIND_MAILBOX ? "es" : "s");
	if (create->kind == FERRY_KIND_SEGMENT && !create->segment.bytes)
		argp_error(state, "say how large the segment is to be, such as: --bytes 1M");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct create *create = state->input;

	switch (key) {
	case OPTION_MEMBERS:
		create->members = positive_count(state, "--members", argument);
		return 0;
	case 'm':
		create->mode = cli_mode_option(state, argument);
		return 0;
	case 'x':
		create->flags |= FERRY_EXCLUSIVE;
		return 0;
	case OPTION_CAPACITY:
		create->pipe.capacity = positive_size(state, "--capacity", argument);
		create->only[FERRY_KIND_PIPE] = "--capacity";
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			return ARGP_ERR_UNKNOWN;
		if (state->arg_num == 0)
			create->kind = kind_of(state, argument);
		else
			create->location = argument;
		return 0;
	case ARGP_KEY_END:
		check(create, state);
		return 0;
	default:
		return parse_segment(key, argument, state);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "mailbox LOCATION\nsegment LOCATION --bytes SIZE\npipe LOCATION",
	.doc =
	    "Make a mailbox, a segment or a pipe. One that exists already is left as it is; it is "
	    "an error if it is smaller than what is asked for. All its memory is reserved at once."
	    "\v"
	    "Sizes are bytes, or take K, M or G (64K, 1.5M).\n"
	    "\nExamples:\n"
	    "  ferry create mailbox orders\n"
	    "  ferry create mailbox frames --max-size 16M --messages 32\n"
	    "  ferry create mailbox /run/app/jobs --priorities 4 --mode 0660\n"
	    "  ferry create mailbox latest --messages 1 --drop-oldest\n"
	    "  ferry create segment table --bytes 1M --max-bytes 1G --arena\n"
	    "  ferry create pipe backup --capacity 1M",
};

static int create_mailbox(struct create *create)
{
	struct ferry_mailbox_options *o = &create->mailbox;
	ferry_mailbox *box;

	o->size = sizeof *o;
	o->flags |= create->flags;
	o->mode = create->mode;
	o->members = create->members;
	o->why = &create->why;
	int r = ferry_mailbox_open(&box, create->location, o);
	if (r == 0)
		ferry_mailbox_close(box);
	return r;
}

static int create_segment(struct create *create)
{
	struct ferry_segment_options *o = &create->segment;
	ferry_segment *segment;

	o->size = sizeof *o;
	o->flags = create->flags;
	o->mode = create->mode;
	o->members = create->members;
	o->why = &create->why;
	int r = ferry_segment_open(&segment, create->location, o);
	if (r == 0)
		ferry_segment_close(segment);
	return r;
}

/* Open an end of a pipe that nobody can have been waiting for, and so disturb nobody. */
static int make_pipe(const struct create *create, ferry_pipe **ret_pipe)
{
	struct ferry_pipe_options o = create->pipe;

	o.flags = FERRY_EXCLUSIVE;
	o.mode = create->mode;
	o.members = create->members;
	return ferry_pipe_open(ret_pipe, create->location, FERRY_READ, &o, FERRY_NOW);
}

/* A pipe that exists: as an end we would be the one that others wait for, so only look. */
static int create_pipe(struct create *create)
{
	ferry_pipe *pipe = NULL;
	int r, looked;

	create->pipe.size = sizeof create->pipe;
	create->pipe.why = &create->why;
	do {
		r = make_pipe(create, &pipe);
		looked = r == -EEXIST && !(create->flags & FERRY_EXCLUSIVE);
		if (looked)
			r = ferry_pipe_open(&pipe, create->location, FERRY_OBSERVE, &create->pipe,
					    FERRY_NOW);
	} while (looked && r == -ENOENT); /* it went just then */
	if (r == 0)
		ferry_pipe_close(pipe);
	return r;
}

int cmd_create(int argc, char **argv)
{
	struct create create = { 0 };
	char what[32];

	cli_parse(&argp, argc, argv, &create);
	int r = create.kind == FERRY_KIND_PIPE      ? create_pipe(&create)
		: create.kind == FERRY_KIND_SEGMENT ? create_segment(&create)
						    : create_mailbox(&create);
	snprintf(what, sizeof what, "create %s", ferry_kind_name(create.kind));
	return r < 0 ? cli_fail(what, create.location, r, &create.why) : STATUS_DONE;
}
