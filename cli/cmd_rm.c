/* SPDX-License-Identifier: MIT */
/*
 * cmd_rm.c - ferry rm: remove objects.
 */
#include <errno.h>

#include "cli.h"

struct rm {
	bool force;
	char **locations;
	int n;
};

static const struct argp_option options[] = {
	{ "force", 'f', NULL, 0, "Say nothing about what does not exist", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct rm *rm = state->input;

	(void)argument;
	switch (key) {
	case 'f':
		rm->force = true;
		return 0;
	case ARGP_KEY_ARG:
		return ARGP_ERR_UNKNOWN; /* all of them come as ARGP_KEY_ARGS */
	case ARGP_KEY_ARGS:
		rm->locations = state->argv + state->next;
		rm->n = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say what to remove");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION...",
	.doc = "Remove objects. Their messages are lost; everybody who waits in one is woken and "
	       "told. "
	       "A file that is not a ferry object is left alone."
	       "\v"
	       "\nExamples:\n"
	       "  ferry rm orders\n"
	       "  ferry rm orders jobs /run/app/frames\n"
	       "  ferry ls --names | grep '^test-' | xargs -d '\\n' ferry rm",
};

/* Go on after a failure; the first one decides the exit status. */
int cmd_rm(int argc, char **argv)
{
	struct rm rm = { 0 };
	int status = STATUS_DONE;

	cli_parse(&argp, argc, argv, &rm);
	for (int i = 0; i < rm.n; i++) {
		struct ferry_why why = { 0 };
		int r = ferry_remove(rm.locations[i], &why);

		if (r >= 0 || (r == -ENOENT && rm.force))
			continue;
		int failure = cli_fail("rm", rm.locations[i], r, &why);
		status = status ? status : failure;
	}
	return status;
}
