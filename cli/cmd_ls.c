/* SPDX-License-Identifier: MIT */
/*
 * cmd_ls.c - ferry ls: list the objects in a directory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "objects.h"
#include "sockets.h"
#include "table.h"

enum { OPTION_NAMES = 256, OPTION_KIND };

struct ls {
	const char *directory;
	enum ferry_kind kind; /* 0: all */
	bool json;
	bool names;
	bool sockets;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Write a JSON array with one object for each", 0 },
	{ "names", OPTION_NAMES, NULL, 0, "Write only the names, one on a line", 0 },
	{ "kind", OPTION_KIND, "KIND", 0, "Only those: mailbox, pipe or segment", 0 },
	{ "sockets", 's', NULL, 0,
	  "List ferry's listeners, and its connections through shared memory, instead", 0 },
	{ 0 },
};

static enum ferry_kind parse_kind(struct argp_state *state, const char *text)
{
	static const enum ferry_kind kinds[] = { FERRY_KIND_MAILBOX, FERRY_KIND_PIPE,
						 FERRY_KIND_SEGMENT };

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(text, ferry_kind_name(kinds[i])) == 0)
			return kinds[i];
	argp_error(state, "--kind takes mailbox, pipe or segment, not '%s'", text);
	return kinds[0];
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct ls *ls = state->input;

	switch (key) {
	case 'j':
		ls->json = true;
		return 0;
	case OPTION_NAMES:
		ls->names = true;
		return 0;
	case OPTION_KIND:
		ls->kind = parse_kind(state, argument);
		return 0;
	case 's':
		ls->sockets = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one directory at a time");
		ls->directory = argument;
		return 0;
	case ARGP_KEY_END:
		if (ls->json && ls->names)
			argp_error(state, "--json and --names exclude each other");
		if (ls->sockets && (ls->names || ls->directory || ls->kind))
			argp_error(state, "--sockets: no DIRECTORY, no --names, no --kind");
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
	    "List the ferry objects in DIRECTORY; without one, your own. Nobody is disturbed."
	    "\v"
	    "MESSAGES are those that wait, of those that fit; BYTES is their size, for a pipe what "
	    "waits to be read, of what fits, and for a segment its memory; FILE is what the object "
	    "takes; ALIVE and DEAD count its members.\n"
	    "\nExamples:\n"
	    "  ferry ls\n"
	    "  ferry ls /run/app\n"
	    "  ferry ls --json | jq '.[] | select(.messages > 0) | .name'",
};

static void mode_text(char text[static 10], uint32_t mode)
{
	for (int i = 0; i < 9; i++)
		text[i] = mode & (0400u >> i) ? "rwx"[i % 3] : '-';
	text[9] = '\0';
}

/* How full it is: two cells. */
static void add_content(struct table *table, const struct description *d)
{
	char bytes[CLI_HUMAN_BYTES], capacity[CLI_HUMAN_BYTES];

	if (description_is(d, FERRY_KIND_MAILBOX)) {
		table_add(table, "%" PRIu64 "/%" PRIu64, d->mailbox.messages,
			  description_capacity(d));
		table_add(table, "%s", cli_human_size(bytes, d->mailbox.bytes));
	} else if (description_is(d, FERRY_KIND_PIPE)) {
		table_add(table, "-");
		table_add(table, "%s/%s", cli_human_size(bytes, d->pipe.bytes),
			  cli_human_size(capacity, d->pipe.capacity));
	} else if (description_is(d, FERRY_KIND_SEGMENT)) {
		table_add(table, "-");
		table_add(table, "%s", cli_human_size(bytes, d->segment.bytes));
	} else {
		table_add(table, "-");
		table_add(table, "-");
	}
}

static void add_row(struct table *table, const struct entry *entry, const struct description *d)
{
	char mode[10], owner[64], file[CLI_HUMAN_BYTES], waiting[64];

	mode_text(mode, d->object.mode);
	table_add(table, "%s", entry->name);
	table_add(table, "%s", ferry_kind_name(d->object.kind));
	table_add(table, "%s", mode);
	table_add(table, "%s", user_name(owner, d->object.uid));
	add_content(table, d);
	table_add(table, "%s", cli_human_size(file, d->object.file_bytes));
	table_add(table, "%" PRIu32, d->object.members_alive);
	table_add(table, "%" PRIu32, d->object.members_dead);
	table_add(table, "%s",
		  d->object.removed ? "removed: `ferry gc` clears its name away"
				    : describe_waiting(waiting, d));
}

/* An object that cannot be looked into has a row too, with the reason. */
static void add_failed_row(struct table *table, const struct entry *entry, int error)
{
	table_add(table, "%s", entry->name);
	for (int i = 0; i < 8; i++)
		table_add(table, "-");
	table_add(table, "%s", ferry_strerror(error));
}

static json_t *entry_json(const struct entry *entry, const struct description *d, int error,
			  const struct ferry_why *why)
{
	json_t *object = json_object();

	json_put(object, "name", json_text(entry->name));
	json_put(object, "location", json_text(entry->location));
	if (error < 0) {
		json_put(object, "error", json_text(ferry_error_name(error)));
		json_put(object, "why",
			 json_text(why->text[0] ? why->text : ferry_strerror(error)));
	} else {
		describe_json(object, d);
	}
	return object;
}

static void list_json(const struct entries *entries)
{
	json_t *array = json_array();

	for (size_t i = 0; i < entries->n; i++) {
		struct description d;
		struct ferry_why why = { 0 };
		int r = describe(entries->entry[i].location, &d, &why);

		if (!is_no_object(r))
			json_array_append_new(array, entry_json(&entries->entry[i], &d, r, &why));
	}
	json_print(array);
}

static void add_header(struct table *table)
{
	static const char *const header[] = { "NAME",  "KIND", "MODE",  "OWNER", "MESSAGES",
					      "BYTES", "FILE", "ALIVE", "DEAD",  "WAITING" };

	for (size_t i = 0; i < table->columns; i++)
		table_add(table, "%s", header[i]);
}

/* Nothing to list: nothing is written, no header either. */
static void list_table(const struct entries *entries)
{
	struct table table = { .columns = 10, .right = "llllrrrrrl" };

	for (size_t i = 0; i < entries->n; i++) {
		struct description d;
		int r = describe(entries->entry[i].location, &d, NULL);

		if (is_no_object(r))
			continue;
		if (!table.used)
			add_header(&table);
		if (r < 0)
			add_failed_row(&table, &entries->entry[i], r);
		else
			add_row(&table, &entries->entry[i], &d);
	}
	table_print(&table, 0);
}

static void list_names(const struct entries *entries)
{
	struct ferry_object_stat stat;

	for (size_t i = 0; i < entries->n; i++)
		if (ferry_object_stat(entries->entry[i].location, &stat, NULL) == 0 &&
		    !stat.removed)
			puts(entries->entry[i].name);
}

int cmd_ls(int argc, char **argv)
{
	struct ls ls = { 0 };
	struct entries entries;

	cli_parse(&argp, argc, argv, &ls);
	if (ls.sockets)
		return list_sockets(ls.json);
	int status = list_entries(&entries, "ls", ls.directory, ls.kind);
	if (status == STATUS_DONE)
		(ls.json ? list_json : ls.names ? list_names : list_table)(&entries);
	free_entries(&entries);
	return status;
}
