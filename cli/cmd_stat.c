/* SPDX-License-Identifier: MIT */
/*
 * cmd_stat.c - ferry stat: everything about one object, and who has it open.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "json.h"
#include "objects.h"
#include "table.h"

struct stat_command {
	const char *location;
	bool json;
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "Write a JSON object; times are nanoseconds, sizes bytes", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct stat_command *command = state->input;

	switch (key) {
	case 'j':
		command->json = true;
		return 0;
	default:
		return cli_one_location(key, argument, state, &command->location, "object",
					"to look at");
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION",
	.doc = "Show what is in an object, what went through it, and who has it open. Nobody is "
	       "disturbed, and nobody has to be running. Read permission is enough."
	       "\v"
	       "\nExamples:\n"
	       "  ferry stat orders\n"
	       "  ferry stat orders --json | jq .messages",
};

static const char *state_text(const struct ferry_member *member)
{
	if (member_is_stopped(member))
		return "stopped";
	if (member->same_namespace)
		return member->alive ? "alive" : "dead";
	return member->alive ? "alive, in another PID namespace" : "dead, in another PID namespace";
}

static void print_members(enum ferry_kind kind, const struct members *members)
{
	struct table table = { .columns = 4, .right = "rlll" };
	char waiting[64], text[PROCESS_COMMAND_TEXT];

	if (!members->n)
		return;
	table_add(&table, "PID");
	table_add(&table, "COMMAND");
	table_add(&table, "STATE");
	table_add(&table, "WAITING");
	for (size_t i = 0; i < members->n; i++) {
		const struct ferry_member *m = &members->member[i];
		struct process_command command = member_command(m);
		table_add(&table, "%d", (int)m->pid);
		table_add(&table, "%s", process_command_text(text, &command, m->program));
		process_command_free(&command);
		table_add(&table, "%s", state_text(m));
		table_add(&table, "%s",
			  describe_counts(waiting, kind, m->waiting_receivers, m->waiting_senders));
	}
	putchar('\n');
	table_print(&table, 2);
}

static void add_file(struct table *table, const char *location,
		     const struct ferry_object_stat *stat)
{
	char path[PATH_MAX], owner[64], group[64], size[CLI_HUMAN_BYTES];

	if (ferry_location_path(location, path, sizeof path) >= 0) {
		table_add(table, "file");
		table_add(table, "%s", path);
	}
	table_add(table, "access");
	table_add(table, "%04" PRIo32 ", owner %s, group %s", stat->mode,
		  user_name(owner, stat->uid), group_name(group, stat->gid));
	table_add(table, "reserved");
	table_add(table, "%s", cli_human_size(size, stat->file_bytes));
}

static void add_content(struct table *table, const struct description *d)
{
	const struct ferry_mailbox_stat *m = &d->mailbox;
	char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES];

	table_add(table, "messages");
	table_add(table, "%" PRIu64 " of %" PRIu64 " wait (%s), %" PRIu64 " taken", m->messages,
		  description_capacity(d), cli_human_size(a, m->bytes), m->taken);
	if (m->oldest_age >= 0) {
		table_add(table, "oldest");
		table_add(table, "%s", cli_human_duration(a, m->oldest_age));
	}
	table_add(table, "memory");
	table_add(table, "%s of %s free", cli_human_size(a, m->memory_free),
		  cli_human_size(b, m->memory));
	table_add(table, "limits");
	table_add(table,
		  "%s a message, %" PRIu32 " priorit%s of %" PRIu32 " messages, %s when full%s",
		  cli_human_size(a, m->max_size), m->priorities, m->priorities == 1 ? "y" : "ies",
		  m->capacity, m->drop_oldest ? "drops the oldest" : "senders wait",
		  m->one_to_one ? "; one sender and one receiver" : "");
}

static const char *role_text(char buffer[static 32], uint32_t pid)
{
	if (!pid)
		return "nobody";
	snprintf(buffer, 32, "process %" PRIu32, pid);
	return buffer;
}

static void add_roles(struct table *table, const struct ferry_mailbox_stat *m)
{
	char sender[32], receiver[32];

	if (!m->one_to_one)
		return;
	table_add(table, "roles");
	table_add(table, "%s sends, %s receives", role_text(sender, m->sender),
		  role_text(receiver, m->receiver));
}

static void add_segment(struct table *table, const struct ferry_segment_stat *s)
{
	char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES], c[CLI_HUMAN_BYTES];

	table_add(table, "memory");
	if (s->max_bytes > s->bytes)
		table_add(table, "%s, can grow to %s", cli_human_size(a, s->bytes),
			  cli_human_size(b, s->max_bytes));
	else
		table_add(table, "%s", cli_human_size(a, s->bytes));
	if (s->arena) {
		table_add(table, "blocks");
		table_add(table, "%" PRIu64 " (%s), of which %" PRIu64 " (%s) not published",
			  s->blocks, cli_human_size(a, s->block_bytes), s->unpublished,
			  cli_human_size(b, s->unpublished_bytes));
		table_add(table, "free");
		table_add(table, "%s, %s of it in whole pages; the largest piece has %s",
			  cli_human_size(a, s->free_bytes), cli_human_size(b, s->free_pages_bytes),
			  cli_human_size(c, s->largest_free));
	}
	table_add(table, "locks");
	table_add(table, "%" PRIu32 " and the like, held by %" PRIu32, s->locks, s->lock_holders);
	table_add(table, "recovery");
	table_add(table, "%" PRIu64 " dead members cleaned up after", s->recovered);
}

static void add_history(struct table *table, const struct ferry_mailbox_stat *m)
{
	table_add(table, "so far");
	table_add(table,
		  "%" PRIu64 " sent, %" PRIu64 " received, %" PRIu64 " dropped, %" PRIu64
		  " expired",
		  m->sent, m->received, m->dropped, m->expired);
	table_add(table, "recovery");
	table_add(table, "%" PRIu64 " redelivered, %" PRIu64 " dead members cleaned up after",
		  m->redelivered, m->recovered);
}

/* A forked child that has not called ferry yet has an end, but is not counted. */
static const char *ends_text(char buffer[static 64], const struct ferry_pipe_stat *p)
{
	int n = snprintf(buffer, 64, "%" PRIu32 " reader%s%s, ", p->readers, CLI_PLURAL(p->readers),
			 p->has_reader && !p->readers ? " known" : "");

	snprintf(buffer + n, 64 - (size_t)n, "%" PRIu32 " writer%s%s", p->writers,
		 CLI_PLURAL(p->writers), p->has_writer && !p->writers ? " known" : "");
	return buffer;
}

static void add_pipe(struct table *table, const struct ferry_pipe_stat *p)
{
	char a[CLI_HUMAN_BYTES], b[CLI_HUMAN_BYTES], ends[64];

	table_add(table, "fill");
	table_add(table, "%s of %s (%.0f %%)", cli_human_size(a, p->bytes),
		  cli_human_size(b, p->capacity),
		  p->capacity ? (double)p->bytes * 100 / (double)p->capacity : 0);
	table_add(table, "open");
	table_add(table, "%s", ends_text(ends, p));
	table_add(table, "so far");
	table_add(table, "%s written, %s read", cli_human_size(a, p->written),
		  cli_human_size(b, p->read));
	table_add(table, "recovery");
	table_add(table, "%" PRIu64 " stopped writer%s passed over, %s out of use", p->passed_over,
		  CLI_PLURAL(p->passed_over), cli_human_size(a, p->quarantined));
}

static void print_text(const char *location, const struct description *d,
		       const struct members *members)
{
	struct table table = { .columns = 2, .right = "ll" };
	char waiting[64];

	printf("%s: %s, layout %" PRIu32 "%s\n", location, ferry_kind_name(d->object.kind),
	       d->object.layout, d->object.removed ? ", removed" : "");
	add_file(&table, location, &d->object);
	if (description_is(d, FERRY_KIND_MAILBOX)) {
		add_content(&table, d);
		add_roles(&table, &d->mailbox);
		add_history(&table, &d->mailbox);
	}
	if (description_is(d, FERRY_KIND_SEGMENT))
		add_segment(&table, &d->segment);
	if (description_is(d, FERRY_KIND_PIPE))
		add_pipe(&table, &d->pipe);
	table_add(&table, "members");
	table_add(&table, "%" PRIu32 " alive, %" PRIu32 " dead", d->object.members_alive,
		  d->object.members_dead);
	table_add(&table, "waiting");
	table_add(&table, "%s", describe_waiting(waiting, d));
	table_print(&table, 2);
	print_members(d->object.kind, members);
}

static json_t *members_json(const struct members *members)
{
	json_t *array = json_array();

	for (size_t i = 0; i < members->n; i++)
		json_array_append_new(array, member_json(&members->member[i]));
	return array;
}

static void print_json(const char *location, const struct description *d,
		       const struct members *members)
{
	json_t *object = json_object();
	char path[PATH_MAX];

	json_put(object, "location", json_text(location));
	if (ferry_location_path(location, path, sizeof path) >= 0)
		json_put(object, "file", json_text(path));
	describe_json(object, d);
	json_put(object, "members", members_json(members));
	json_print(object);
}

int cmd_stat(int argc, char **argv)
{
	struct stat_command command = { 0 };
	struct description d;
	struct members members = { 0 };
	struct ferry_why why = { 0 };

	cli_parse(&argp, argc, argv, &command);
	int r = describe(command.location, &d, &why);
	if (r >= 0)
		r = members_of(command.location, &members, &why);
	if (r < 0) {
		free(members.member);
		return cli_fail("stat", command.location, r, &why);
	}
	if (command.json)
		print_json(command.location, &d, &members);
	else
		print_text(command.location, &d, &members);
	free(members.member);
	return STATUS_DONE;
}
