/* SPDX-License-Identifier: MIT */
/*
 * cmd_gc.c - ferry gc: clean up what dead processes left.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "objects.h"

struct gc {
	const char *directory;
	bool dry_run;
};

static const struct argp_option options[] = {
	{ "dry-run", 'n', NULL, 0, "Say what would be done, and change nothing", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct gc *gc = state->input;

	switch (key) {
	case 'n':
		gc->dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one directory at a time");
		gc->directory = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[DIRECTORY]",
	.doc =
	    "Clean up after processes that died with an object of DIRECTORY open; without one, "
	    "your "
	    "own objects. Those who use an object do this as they go, so this is for objects that "
	    "nobody uses just now. Living processes are not disturbed."
	    "\v"
	    "\nExamples:\n"
	    "  ferry gc --dry-run\n"
	    "  ferry gc /run/app",
};

/* One line about what was found. False if it was nothing. */
static bool report(const char *name, const struct ferry_repair *repair, bool dry_run)
{
	const char *would = dry_run ? "would clean up: " : "";
	char size[CLI_HUMAN_BYTES];

	if (repair->unlinked) {
		printf("%s: %sthe name that a removed object left\n", name,
		       dry_run ? would : "cleaned up ");
		return true;
	}
	if (!repair->members && !repair->messages && !repair->bytes)
		return false;
	printf("%s: %s%" PRIu32 " dead member%s", name, would, repair->members,
	       CLI_PLURAL(repair->members));
	if (repair->messages)
		printf(", %" PRIu32 " message%s wait%s again", repair->messages,
		       CLI_PLURAL(repair->messages), repair->messages == 1 ? "s" : "");
	if (repair->blocks)
		printf(", %" PRIu32 " block%s", repair->blocks, CLI_PLURAL(repair->blocks));
	printf(", %s freed\n", cli_human_size(size, repair->bytes));
	return true;
}

static int repair_all(const struct gc *gc, const struct entries *entries)
{
	int status = STATUS_DONE;
	bool found = false;

	for (size_t i = 0; i < entries->n; i++) {
		const struct entry *entry = &entries->entry[i];
		struct ferry_repair repair;
		struct ferry_why why = { 0 };
		int r = ferry_object_repair(entry->location, gc->dry_run, &repair, &why);

		if (r >= 0) {
			found |= report(entry->name, &repair, gc->dry_run);
		} else if (!is_no_object(r)) {
			int failure = cli_fail("gc", entry->location, r, &why);
			status = status ? status : failure;
		}
	}
	if (!found && status == STATUS_DONE)
		puts("nothing to clean up");
	return status;
}

int cmd_gc(int argc, char **argv)
{
	struct gc gc = { 0 };
	struct entries entries;

	cli_parse(&argp, argc, argv, &gc);
	int status = list_entries(&entries, "gc", gc.directory, 0);
	if (status == STATUS_DONE)
		status = repair_all(&gc, &entries);
	free_entries(&entries);
	return status;
}
