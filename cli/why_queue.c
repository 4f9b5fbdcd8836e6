/* SPDX-License-Identifier: MIT */
/*
 * why_queue.c - who waits in a mailbox or pipe, for `ferry why`. Who could end that wait is not
 * known: whoever sends or receives next. So these waits are no part of a deadlock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "json.h"
#include "table.h"
#include "why.h"

static bool waits(const struct ferry_member *member)
{
	return member->alive && (member->waiting_receivers || member->waiting_senders);
}

static bool has_waiting(const struct members *members)
{
	for (size_t i = 0; i < members->n; i++)
		if (waits(&members->member[i]))
			return true;
	return false;
}

int why_look_at_queue(struct why *why, const char *location, struct ferry_why *cause)
{
	struct why_queue queue = { .location = location };
	int r = describe(location, &queue.description, cause);

	if (r == 0)
		r = members_of(location, &queue.members, cause);
	if (r < 0 || !has_waiting(&queue.members)) {
		free(queue.members.member);
		return r;
	}
	why->queue = reallocarray(why->queue, why->n_queues + 1, sizeof queue);
	if (!why->queue)
		cli_die(STATUS_FAILED, "out of memory");
	why->queue[why->n_queues++] = queue;
	return 0;
}

/* What is in it, since that is what they wait for. */
static const char *fill_text(char text[static 128], const struct description *d)
{
	char bytes[CLI_HUMAN_BYTES], capacity[CLI_HUMAN_BYTES];

	if (d->object.kind == FERRY_KIND_PIPE)
		snprintf(text, 128, "%s of %s", cli_human_size(bytes, d->pipe.bytes),
			 cli_human_size(capacity, d->pipe.capacity));
	else
		snprintf(text, 128, "%" PRIu64 " of %" PRIu64 " messages", d->mailbox.messages,
			 description_capacity(d));
	return text;
}

static const char *state_of(const struct ferry_member *member)
{
	struct process_look look = { 0 };

	if (!member->same_namespace)
		return "in another PID namespace";
	(void)process_look(member->pid, 0, &look);
	return process_state_word(look.state);
}

/* "waits to receive", "2 threads wait to write". */
static const char *wait_text(char text[static 64], uint32_t n, const char *to)
{
	if (n == 1)
		snprintf(text, 64, "waits to %s", to);
	else
		snprintf(text, 64, "%" PRIu32 " threads wait to %s", n, to);
	return text;
}

static void add_row(struct table *table, const struct ferry_member *member, uint32_t n,
		    const char *to)
{
	struct process_command command = member_command(member);
	char text[PROCESS_COMMAND_TEXT], wait[64];

	if (n) {
		table_add(table, "%d %s", (int)member->pid,
			  process_command_text(text, &command, member->program));
		table_add(table, "%s", wait_text(wait, n, to));
		table_add(table, "%s", state_of(member));
	}
	process_command_free(&command);
}

static void print_queue(const struct why_queue *queue)
{
	const struct description *d = &queue->description;
	bool pipe = d->object.kind == FERRY_KIND_PIPE;
	struct table table = { .columns = 3, .right = "lll" };
	char fill[128], line[512];

	snprintf(line, sizeof line, "%s, %s: %s; %" PRIu32 " process%s it open", queue->location,
		 ferry_kind_name(d->object.kind), fill_text(fill, d), d->object.members_alive,
		 d->object.members_alive == 1 ? " has" : "es have");
	puts(cli_printable(line));
	for (size_t i = 0; i < queue->members.n; i++) {
		const struct ferry_member *m = &queue->members.member[i];
		if (!waits(m))
			continue;
		add_row(&table, m, m->waiting_receivers, pipe ? "read" : "receive");
		add_row(&table, m, m->waiting_senders, pipe ? "write" : "send");
	}
	table_print(&table, 2);
	putchar('\n');
}

void why_print_queues(const struct why *why)
{
	for (size_t i = 0; i < why->n_queues; i++)
		print_queue(&why->queue[i]);
}

json_t *why_queues_json(const struct why *why)
{
	json_t *queues = json_array();

	for (size_t i = 0; i < why->n_queues; i++) {
		const struct why_queue *queue = &why->queue[i];
		json_t *object = json_object(), *who = json_array();

		json_put(object, "location", json_text(queue->location));
		describe_json(object, &queue->description);
		for (size_t k = 0; k < queue->members.n; k++)
			if (waits(&queue->members.member[k]))
				json_array_append_new(who, member_json(&queue->members.member[k]));
		json_put(object, "who", who);
		json_array_append_new(queues, object);
	}
	return queues;
}
