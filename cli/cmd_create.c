/* SPDX-License-Identifier: MIT */
/*
 * cmd_create.c - ferry create: make an object.
 */
#include <string.h>

#include "cli.h"

enum {
	OPTION_DROP_OLDEST = 256,
	OPTION_MEMBERS,
	OPTION_MEMORY,
	OPTION_PRIORITIES,
};

struct create {
	const char *kind;
	const char *location;
	struct ferry_mailbox_options options;
	struct ferry_why why;
};

static const struct argp_option options[] = {
	{ "max-size", 's', "SIZE", 0, "Bytes of the largest message (64K)", 0 },
	{ "messages", 'n', "COUNT", 0, "Room for so many messages at each priority (256)", 0 },
	{ "priorities", OPTION_PRIORITIES, "COUNT", 0, "Priorities, up to 32 (1)", 0 },
	{ "memory", OPTION_MEMORY, "SIZE", 0,
	  "Memory for the contents of all messages longer than 112 bytes (8 times --max-size)", 0 },
	{ "members", OPTION_MEMBERS, "COUNT", 0,
	  "How many processes can have it open at once, up to 4094 (1024)", 0 },
	{ "mode", 'm', "MODE", 0, "Who may open it, as for chmod, in octal (0600)", 0 },
	{ "exclusive", 'x', NULL, 0, "Fail if it exists already", 0 },
	{ "drop-oldest", OPTION_DROP_OLDEST, NULL, 0,
	  "When full, a message that is sent pushes out the oldest one of its priority", 0 },
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

static error_t parse_argument(struct create *create, char *argument, struct argp_state *state)
{
	switch (state->arg_num) {
	case 0:
		create->kind = argument;
		if (strcmp(argument, "mailbox") != 0)
			argp_error(state, "'%s' is not a kind of object; there is: mailbox",
				   argument);
		return 0;
	case 1:
		create->location = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct create *create = state->input;
	struct ferry_mailbox_options *box = &create->options;

	switch (key) {
	case 's':
		box->max_size = positive_size(state, "--max-size", argument);
		return 0;
	case 'n':
		box->messages = positive_count(state, "--messages", argument);
		return 0;
	case OPTION_PRIORITIES:
		box->priorities = positive_count(state, "--priorities", argument);
		return 0;
	case OPTION_MEMORY:
		box->memory = positive_size(state, "--memory", argument);
		return 0;
	case OPTION_MEMBERS:
		box->members = positive_count(state, "--members", argument);
		return 0;
	case 'm':
		box->mode = cli_mode_option(state, argument);
		return 0;
	case 'x':
		box->flags |= FERRY_EXCLUSIVE;
		return 0;
	case OPTION_DROP_OLDEST:
		box->flags |= FERRY_DROP_OLDEST;
		return 0;
	case ARGP_KEY_ARG:
		return parse_argument(create, argument, state);
	case ARGP_KEY_END:
		if (!create->location)
			argp_error(state, "say what to create and where, such as: mailbox orders");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "mailbox LOCATION",
	.doc = "Make a mailbox. One that exists already is left as it is; it is an error if it is "
	       "smaller than what is asked for. All its memory is reserved at once."
	       "\v"
	       "Sizes are bytes, or take K, M or G (64K, 1.5M).\n"
	       "\nExamples:\n"
	       "  ferry create mailbox orders\n"
	       "  ferry create mailbox frames --max-size 16M --messages 32\n"
	       "  ferry create mailbox /run/app/jobs --priorities 4 --mode 0660\n"
	       "  ferry create mailbox latest --messages 1 --drop-oldest",
};

int cmd_create(int argc, char **argv)
{
	struct create create = { .options = { .size = sizeof create.options } };
	ferry_mailbox *box;

	create.options.why = &create.why;
	cli_parse(&argp, argc, argv, &create);
	int r = ferry_mailbox_open(&box, create.location, &create.options);
	if (r < 0)
		return cli_fail("create mailbox", create.location, r, &create.why);
	ferry_mailbox_close(box);
	return STATUS_DONE;
}
