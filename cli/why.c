/* SPDX-License-Identifier: MIT */
/*
 * why.c - looking at objects for `ferry why`. Nothing here joins an object or waits for anybody.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "why.h"

/* One look at one segment. */
struct look {
	struct ferry_sync_entry *entry;
	size_t n;
	struct members members;
};

static void *grown(void *memory, size_t n, size_t size)
{
	memory = reallocarray(memory, n, size);
	if (!memory)
		cli_die(STATUS_FAILED, "out of memory");
	return memory;
}

/* More may come between asking how many there are and reading them: then ask again. */
static int look_at_entries(struct look *look, ferry_segment *segment)
{
	int n = ferry_sync_list(segment, NULL, 0);

	for (;;) {
		if (n < 0)
			return n;
		size_t room = (size_t)n + 1;
		look->entry = grown(look->entry, room, sizeof *look->entry);
		n = ferry_sync_list(segment, look->entry, room);
		if (n >= 0 && (size_t)n <= room) {
			look->n = (size_t)n;
			return 0;
		}
	}
}

static bool same_wait(const struct ferry_sync_entry *a, const struct ferry_sync_entry *b)
{
	return a->role == FERRY_SYNC_WAITS && b->role == FERRY_SYNC_WAITS && a->place == b->place &&
	       a->kind == b->kind && a->member == b->member && a->pid == b->pid &&
	       a->thread == b->thread && a->since == b->since;
}

static bool was_there(const struct look *before, const struct ferry_sync_entry *entry)
{
	for (size_t i = 0; i < before->n; i++)
		if (same_wait(&before->entry[i], entry))
			return true;
	return false;
}

static bool same_actor(const struct why_actor *a, const struct why_actor *b)
{
	return a->pid == b->pid && a->thread == b->thread && a->started == b->started &&
	       a->same_namespace == b->same_namespace &&
	       (a->same_namespace || a->object == b->object);
}

static void look_at_process(struct why_actor *actor)
{
	struct process_look look;

	if (process_look(actor->pid, actor->thread, &look))
		actor->state = look.state;
	actor->command = process_command(actor->pid, actor->started);
	actor->awaits_child = process_awaits_child(actor->pid, actor->thread);
}

static size_t add_actor(struct why *why, struct why_actor actor)
{
	for (size_t i = 0; i < why->n_actors; i++)
		if (same_actor(&why->actor[i], &actor))
			return i;
	if (actor.same_namespace)
		look_at_process(&actor);
	why->actor = grown(why->actor, why->n_actors + 1, sizeof actor);
	why->actor[why->n_actors] = actor;
	return why->n_actors++;
}

static size_t actor_of(struct why *why, size_t object, const struct look *look,
		       const struct ferry_sync_entry *entry)
{
	struct why_actor actor = {
		.pid = entry->pid,
		.thread = entry->thread,
		.object = object,
		.deadlock = WHY_NONE,
	};

	if (entry->pid == 0)
		return WHY_NONE;
	for (size_t i = 0; i < look->members.n; i++) {
		const struct ferry_member *m = &look->members.member[i];
		if (m->number != entry->member || m->pid != entry->pid)
			continue;
		actor.started = m->started;
		actor.same_namespace = m->same_namespace;
		memcpy(actor.program, m->program, sizeof actor.program);
	}
	return add_actor(why, actor);
}

static void add_look(struct why *why, const char *location, const struct look *before,
		     const struct look *look)
{
	size_t object = why->n_locations;

	why->location = grown(why->location, object + 1, sizeof *why->location);
	why->location[why->n_locations++] = location;
	why->entry = grown(why->entry, why->n_entries + look->n + 1, sizeof *why->entry);
	for (size_t i = 0; i < look->n; i++) {
		const struct ferry_sync_entry *entry = &look->entry[i];
		if (entry->role == FERRY_SYNC_WAITS && !entry->alive)
			continue; /* the dead wait for nothing */
		why->entry[why->n_entries++] = (struct why_entry){
			.object = object,
			.sync = *entry,
			.actor = actor_of(why, object, look, entry),
			.steady = was_there(before, entry),
		};
	}
}

static int look_twice(struct why *why, const char *location, struct ferry_why *cause)
{
	struct look before = { 0 }, look = { 0 };
	ferry_segment *segment;
	int r = ferry_segment_open(&segment, location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY, .why = cause));

	if (r < 0)
		return r;
	r = look_at_entries(&before, segment);
	if (r == 0)
		r = look_at_entries(&look, segment);
	if (r == 0)
		r = members_of(location, &look.members, cause);
	if (r == 0)
		add_look(why, location, &before, &look);
	ferry_segment_close(segment);
	free(before.entry);
	free(look.entry);
	free(look.members.member);
	return r;
}

int why_look(struct why *why, const char *location, bool named)
{
	struct ferry_object_stat stat;
	struct ferry_why cause = { 0 };
	int r = ferry_object_stat(location, &stat, &cause);

	if (r == 0 && stat.removed)
		r = -EIDRM;
	if (r == 0)
		r = stat.kind == FERRY_KIND_SEGMENT ? look_twice(why, location, &cause)
						    : why_look_at_queue(why, location, &cause);
	if (r == 0 || (!named && is_no_object(r)))
		return STATUS_DONE;
	return cli_fail("why", location, r, &cause);
}

void why_free(struct why *why)
{
	for (size_t i = 0; i < why->n_actors; i++)
		process_command_free(&why->actor[i].command);
	for (size_t i = 0; i < why->n_queues; i++)
		free(why->queue[i].members.member);
	free(why->location);
	free(why->entry);
	free(why->actor);
	free(why->step);
	free(why->queue);
	free(why->process);
	*why = (struct why){ 0 };
}
