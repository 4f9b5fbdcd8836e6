/* SPDX-License-Identifier: MIT */
/*
 * cmd_why.c - ferry why: who waits for what, who holds it, since when, and who waits in a circle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli.h"
#include "json.h"
#include "objects.h"
#include "table.h"
#include "why.h"

/* Something was found that will not end by itself. */
enum { STATUS_DEADLOCK = 5 };

#define ROOM 320

struct why_command {
	char **location; /* the first n */
	size_t n;
	bool json, all;
};

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "Also what nobody waits for", 0 },
	{ "json", 'j', NULL, 0, "Write a JSON object; times are nanoseconds", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct why_command *command = state->input;

	switch (key) {
	case 'a':
		command->all = true;
		return 0;
	case 'j':
		command->json = true;
		return 0;
	case ARGP_KEY_ARG:
		command->location =
		    reallocarray(command->location, command->n + 1, sizeof *command->location);
		if (!command->location)
			cli_die(STATUS_FAILED, "out of memory");
		command->location[command->n++] = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[LOCATION...]",
	.doc =
	    "Show who waits for which lock, rwlock, semaphore, condition, barrier or once, who "
	    "holds it, and since when; deadlocks, also across segments; and who waits in mailboxes "
	    "and pipes. Without a location: in all your own objects. Nobody is disturbed, and "
	    "nobody has to be running: it works while everybody is stuck. Read permission is "
	    "enough."
	    "\v"
	    "The exit status is 5 if there is a deadlock.\n"
	    "\nExamples:\n"
	    "  ferry why\n"
	    "  ferry why --all accounts\n"
	    "  ferry why --json /run/app/* | jq .deadlocks",
};

/* ---- words ---- */

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How long it has been so; -1: not known (a time ahead of now is from before a reboot). */
static int64_t age(const struct why_entry *entry)
{
	int64_t ns = now() - entry->sync.since;

	return entry->sync.since > 0 && ns >= 0 ? ns : -1;
}

static const char *age_text(char text[ROOM], const struct why_entry *entry)
{
	int64_t ns = age(entry);
	char duration[CLI_HUMAN_BYTES];
	bool at_least = entry->sync.role == FERRY_SYNC_HOLDS;

	if (ns < 0)
		return "";
	snprintf(text, ROOM, "%s%s", cli_human_duration(duration, ns), at_least ? " or more" : "");
	return text;
}

static char *place_text(char text[ROOM], const struct why *why, const struct why_entry *entry)
{
	snprintf(text, ROOM, "%s, %s at %llu", why->location[entry->object],
		 ferry_sync_kind_name(entry->sync.kind), (unsigned long long)entry->sync.place);
	return text;
}

/* "4711 bank", or "4711/4713 bank" for another thread than the first. */
static const char *actor_text(char text[ROOM], const struct why_actor *actor)
{
	char command[PROCESS_COMMAND_TEXT];

	process_command_text(command, &actor->command, actor->program);
	if (actor->thread && actor->thread != actor->pid)
		snprintf(text, ROOM, "%d/%d %s", (int)actor->pid, (int)actor->thread, command);
	else
		snprintf(text, ROOM, "%d %s", (int)actor->pid, command);
	return text;
}

static const char *state_word(const struct why_entry *entry, const struct why_actor *actor)
{
	if (!entry->sync.alive)
		return "dead";
	if (!actor->same_namespace)
		return "in another PID namespace";
	return process_state_word(actor->state);
}

static const char *role_word(enum ferry_sync_role role)
{
	switch (role) {
	case FERRY_SYNC_HOLDS:
		return "holds";
	case FERRY_SYNC_SHARES:
		return "shares";
	case FERRY_SYNC_WAITS:
		return "waits";
	case FERRY_SYNC_TAKES_PART:
		return "has not arrived";
	case FERRY_SYNC_IDLE:
		return "free";
	case FERRY_SYNC_DIED:
		return "owner died";
	case FERRY_SYNC_LOST:
		return "lost";
	default:
		return "unknown";
	}
}

/* ---- what is worth showing ---- */

/* How many entries from the first on are of the same place. */
static size_t count_entries(const struct why *why, size_t first)
{
	size_t n = 1;

	while (first + n < why->n_entries &&
	       why_same_place(&why->entry[first], &why->entry[first + n]))
		n++;
	return n;
}

static bool has_role(const struct why *why, size_t first, size_t n, enum ferry_sync_role role)
{
	for (size_t i = first; i < first + n; i++)
		if (why->entry[i].sync.role == role)
			return true;
	return false;
}

static bool is_shown(const struct why *why, size_t first, size_t n, bool all)
{
	return all || has_role(why, first, n, FERRY_SYNC_WAITS) ||
	       has_role(why, first, n, FERRY_SYNC_DIED) || has_role(why, first, n, FERRY_SYNC_LOST);
}

/* A writer that waits for the readers to leave is listed as the holder too. */
static bool is_said_otherwise(const struct why *why, size_t first, size_t n, size_t i)
{
	const struct why_entry *e = &why->entry[i];

	if (e->sync.role != FERRY_SYNC_HOLDS)
		return false;
	for (size_t k = first; k < first + n; k++)
		if (why->entry[k].sync.role == FERRY_SYNC_WAITS && why->entry[k].actor == e->actor)
			return true;
	return false;
}

/* ---- for people ---- */

static const char *deadlock_text(char text[ROOM], const struct why *why,
				 const struct why_entry *entry)
{
	const struct why_actor *actor = &why->actor[entry->actor];

	if (actor->deadlock == WHY_NONE)
		return "";
	for (size_t i = 0; i < why->n_steps; i++) {
		const struct why_step *step = &why->step[i];
		bool waits = why->entry[step->waits].actor == entry->actor;
		bool holds = why->entry[step->holds].actor == entry->actor;
		if (!waits && !(holds && step->through != WHY_NONE))
			continue;
		snprintf(text, ROOM, "deadlock %zu", actor->deadlock + 1);
		return text;
	}
	snprintf(text, ROOM, "behind deadlock %zu", actor->deadlock + 1);
	return text;
}

static void add_row(struct table *table, const struct why *why, const struct why_entry *entry)
{
	const struct why_actor *actor = &why->actor[entry->actor];
	char text[ROOM];

	table_add(table, "%s", actor_text(text, actor));
	if (entry->sync.role == FERRY_SYNC_SHARES && entry->sync.kind == FERRY_SYNC_SEMAPHORE)
		table_add(table, "has %u", (unsigned)entry->sync.units);
	else
		table_add(table, "%s", role_word(entry->sync.role));
	table_add(table, "%s", age_text(text, entry));
	table_add(table, "%s", state_word(entry, actor));
	if (why->n_deadlocks)
		table_add(table, "%s", deadlock_text(text, why, entry));
}

/* What can be said of a thing by itself. */
static void print_condition(const struct why_entry *entry)
{
	if (entry->sync.role == FERRY_SYNC_DIED)
		puts("  an owner died in it; the next one will be told");
	else if (entry->sync.role == FERRY_SYNC_LOST)
		puts("  lost: it was released and not repaired after an owner died");
	else if (entry->sync.kind == FERRY_SYNC_SEMAPHORE)
		printf("  value %u\n", (unsigned)entry->sync.units);
	else if (entry->sync.kind == FERRY_SYNC_LOCK || entry->sync.kind == FERRY_SYNC_RWLOCK)
		puts("  nobody holds it");
}

static void print_place(const struct why *why, size_t first, size_t n)
{
	struct table table = { .columns = why->n_deadlocks ? 5 : 4, .right = "lllll" };
	char text[ROOM];

	place_text(text, why, &why->entry[first]);
	puts(cli_printable(text));
	for (size_t i = first; i < first + n; i++)
		if (why->entry[i].actor == WHY_NONE)
			print_condition(&why->entry[i]);
	for (size_t i = first; i < first + n; i++)
		if (why->entry[i].actor != WHY_NONE && !is_said_otherwise(why, first, n, i))
			add_row(&table, why, &why->entry[i]);
	table_print(&table, 2);
	putchar('\n');
}

/* ", through its child 4711 (ferry lock a true)"; or nothing. */
static const char *through_text(char text[ROOM], const struct why *why, const struct why_step *step)
{
	char command[PROCESS_COMMAND_TEXT];

	if (step->through == WHY_NONE)
		return "";
	const struct why_actor *child = &why->actor[step->through];
	snprintf(text, ROOM, ", through its child %d (%s)", (int)child->pid,
		 process_command_text(command, &child->command, child->program));
	return text;
}

static void print_step(const struct why *why, const struct why_step *step)
{
	const struct why_entry *waits = &why->entry[step->waits];
	const struct why_entry *holds = &why->entry[step->holds];
	char waiter[ROOM], holder[ROOM], place[ROOM], through[ROOM], line[5 * ROOM];

	snprintf(line, sizeof line, "  %s waits for %s: %s %s%s",
		 actor_text(waiter, &why->actor[waits->actor]), place_text(place, why, waits),
		 actor_text(holder, &why->actor[holds->actor]),
		 holds->sync.role == FERRY_SYNC_TAKES_PART ? "has not arrived" : "has it",
		 through_text(through, why, step));
	puts(cli_printable(line));
}

static void print_deadlocks(const struct why *why)
{
	for (size_t i = 0; i < why->n_steps; i++) {
		if (i == 0 || why->step[i].deadlock != why->step[i - 1].deadlock)
			printf("Deadlock %zu:\n", why->step[i].deadlock + 1);
		print_step(why, &why->step[i]);
	}
}

static size_t count_waits(const struct why *why)
{
	size_t n = 0;

	for (size_t i = 0; i < why->n_entries; i++)
		n += why->entry[i].sync.role == FERRY_SYNC_WAITS;
	return n;
}

static void print_text(const struct why *why, bool all)
{
	size_t left_out = 0, n;

	for (size_t i = 0; i < why->n_entries; i += n) {
		n = count_entries(why, i);
		if (is_shown(why, i, n, all))
			print_place(why, i, n);
		else
			left_out += has_role(why, i, n, FERRY_SYNC_HOLDS) ||
				    has_role(why, i, n, FERRY_SYNC_SHARES);
	}
	why_print_queues(why);
	if (!count_waits(why) && !why->n_queues)
		puts("Nobody waits.");
	if (left_out)
		printf("%zu held, and nobody waits for %s; --all shows %s.\n", left_out,
		       left_out == 1 ? "it" : "them", left_out == 1 ? "it" : "them");
	print_deadlocks(why);
}

/* ---- for programs ---- */

static void put_actor(json_t *object, const struct why_actor *actor)
{
	json_put(object, "pid", json_integer(actor->pid));
	json_put(object, "thread", actor->thread ? json_integer(actor->thread) : json_null());
	json_put(object, "program", json_text(actor->program));
	json_put(object, "command", process_command_json(&actor->command));
	json_put(object, "same_namespace", json_boolean(actor->same_namespace));
}

static json_t *entry_json(const struct why *why, const struct why_entry *entry)
{
	const struct why_actor *actor = &why->actor[entry->actor];
	json_t *object = json_object();

	put_actor(object, actor);
	json_put(object, "role", json_string(role_word(entry->sync.role)));
	json_put(object, "state", json_string(state_word(entry, actor)));
	json_put(object, "alive", json_boolean(entry->sync.alive));
	json_put(object, "since_ns",
		 entry->sync.since > 0 ? json_integer(entry->sync.since) : json_null());
	json_put(object, "for_ns", age(entry) >= 0 ? json_integer(age(entry)) : json_null());
	if (entry->sync.kind == FERRY_SYNC_SEMAPHORE && entry->sync.role == FERRY_SYNC_SHARES)
		json_put_number(object, "units", entry->sync.units);
	json_put(object, "deadlock",
		 actor->deadlock == WHY_NONE ? json_null()
					     : json_integer((json_int_t)actor->deadlock + 1));
	return object;
}

static void put_place(json_t *object, const struct why *why, const struct why_entry *entry)
{
	json_put(object, "location", json_text(why->location[entry->object]));
	json_put_number(object, "place", entry->sync.place);
	json_put(object, "kind", json_string(ferry_sync_kind_name(entry->sync.kind)));
}

static json_t *place_json(const struct why *why, size_t first, size_t n)
{
	json_t *object = json_object(), *who = json_array();

	put_place(object, why, &why->entry[first]);
	for (size_t i = first; i < first + n; i++) {
		const struct why_entry *e = &why->entry[i];
		if (e->actor != WHY_NONE) {
			json_array_append_new(who, entry_json(why, e));
			continue;
		}
		json_put(object, "owner_died", json_boolean(e->sync.role == FERRY_SYNC_DIED));
		json_put(object, "lost", json_boolean(e->sync.role == FERRY_SYNC_LOST));
		if (e->sync.kind == FERRY_SYNC_SEMAPHORE)
			json_put_number(object, "value", e->sync.units);
	}
	json_put(object, "who", who);
	return object;
}

static json_t *through_json(const struct why *why, const struct why_step *step)
{
	if (step->through == WHY_NONE)
		return json_null();
	json_t *child = json_object();
	put_actor(child, &why->actor[step->through]);
	return child;
}

static json_t *step_json(const struct why *why, const struct why_step *step)
{
	const struct why_entry *waits = &why->entry[step->waits];
	json_t *object = json_object(), *holder = json_object();

	put_actor(object, &why->actor[waits->actor]);
	put_place(object, why, waits);
	put_actor(holder, &why->actor[why->entry[step->holds].actor]);
	json_put(object, "held_by", holder);
	json_put(object, "through", through_json(why, step));
	return object;
}

static void print_json(const struct why *why, bool all)
{
	json_t *object = json_object(), *places = json_array(), *deadlocks = json_array();
	size_t n;

	for (size_t i = 0; i < why->n_entries; i += n) {
		n = count_entries(why, i);
		if (is_shown(why, i, n, all))
			json_array_append_new(places, place_json(why, i, n));
	}
	for (size_t i = 0; i < why->n_steps; i++) {
		if (i == 0 || why->step[i].deadlock != why->step[i - 1].deadlock)
			json_array_append_new(deadlocks, json_array());
		json_array_append_new(json_array_get(deadlocks, why->step[i].deadlock),
				      step_json(why, &why->step[i]));
	}
	json_put_number(object, "waiting", count_waits(why));
	json_put(object, "places", places);
	json_put(object, "deadlocks", deadlocks);
	json_put(object, "queues", why_queues_json(why));
	json_print(object);
}

/* ---- the command ---- */

static int look_at_all(struct why *why, const struct entries *entries)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < entries->n; i++) {
		int failure = why_look(why, entries->entry[i].location, false);
		status = status ? status : failure;
	}
	return status;
}

static int look_at_named(struct why *why, const struct why_command *command)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < command->n; i++) {
		int failure = why_look(why, command->location[i], true);
		status = status ? status : failure;
	}
	return status;
}

int cmd_why(int argc, char **argv)
{
	struct why_command command = { 0 };
	struct entries entries = { 0 };
	struct why why = { 0 };
	int status;

	cli_parse(&argp, argc, argv, &command);
	if (command.n) {
		status = look_at_named(&why, &command);
	} else {
		status = list_entries(&entries, "why", NULL, 0);
		if (status == STATUS_DONE)
			status = look_at_all(&why, &entries);
	}
	why_work_out(&why);
	if (why.n_locations || why.n_queues || status == STATUS_DONE)
		(command.json ? print_json : print_text)(&why, command.all);
	if (status == STATUS_DONE && why.n_deadlocks)
		status = STATUS_DEADLOCK;
	why_free(&why);
	free_entries(&entries);
	free(command.location);
	return status;
}
