/* SPDX-License-Identifier: MIT */
/*
 * why_graph.c - who waits for whom, and who waits in vain.
 *
 * Who waits for a lock, an rwlock, a once or a barrier needs all of those who hold it (or have not
 * arrived), so one that is stuck is enough to be stuck. Who waits for a semaphore needs one of
 * those who took its units. A process that waits for the end of a child, as `ferry lock` does, is
 * stuck if all of its children are. Whoever is called stuck here waits for others who are stuck,
 * all the way round.
 */
#include <stdlib.h>

#include "cli.h"
#include "why.h"

#define DEPTH_MAX                                                                                  \
	100 /* children of children of ...; a table read while it changed may have circles */

bool why_same_place(const struct why_entry *a, const struct why_entry *b)
{
	return a->object == b->object && a->sync.place == b->sync.place;
}

/* What somebody must have to do with a thing in order to keep others waiting for it. */
static bool is_in_the_way(enum ferry_sync_kind kind, enum ferry_sync_role role)
{
	switch (kind) {
	case FERRY_SYNC_LOCK:
	case FERRY_SYNC_ONCE:
		return role == FERRY_SYNC_HOLDS;
	case FERRY_SYNC_RWLOCK:
		return role == FERRY_SYNC_HOLDS || role == FERRY_SYNC_SHARES;
	case FERRY_SYNC_SEMAPHORE:
		return role == FERRY_SYNC_SHARES;
	case FERRY_SYNC_BARRIER:
		return role == FERRY_SYNC_TAKES_PART;
	case FERRY_SYNC_CONDITION:
	default:
		return false; /* nobody knows who is going to signal */
	}
}

bool why_blocks(const struct why_entry *waits, const struct why_entry *holds)
{
	return waits->sync.role == FERRY_SYNC_WAITS && why_same_place(waits, holds) &&
	       holds->actor != WHY_NONE && holds->actor != waits->actor && holds->sync.alive &&
	       is_in_the_way(waits->sync.kind, holds->sync.role);
}

/* A stuck thread of the process, if all of its threads are; or WHY_NONE. */
static size_t stuck_thread(const struct why *why, pid_t pid)
{
	size_t found = WHY_NONE, n = 0;

	for (size_t i = why->n_actors; i-- > 0;) {
		const struct why_actor *a = &why->actor[i];
		if (a->thread && a->stuck && a->same_namespace && a->pid == pid) {
			found = i;
			n++;
		}
	}
	return n && n >= process_threads(pid) ? found : WHY_NONE;
}

static size_t stuck_process(const struct why *why, pid_t pid, unsigned depth);

/* A stuck thread below a process all of whose children are stuck; or WHY_NONE. */
static size_t stuck_child(const struct why *why, pid_t parent, unsigned depth)
{
	size_t found = WHY_NONE;

	for (size_t i = 0; i < why->n_processes; i++) {
		const struct process_entry *p = &why->process[i];
		if (p->parent != parent || p->state == 'Z' || p->state == 'X')
			continue;
		found = stuck_process(why, p->pid, depth + 1);
		if (found == WHY_NONE)
			break; /* it may end, and its parent go on */
	}
	return found;
}

/* The stuck thread because of which a process cannot go on, its own or one below it. */
static size_t stuck_process(const struct why *why, pid_t pid, unsigned depth)
{
	size_t thread = stuck_thread(why, pid);

	if (thread != WHY_NONE || depth > DEPTH_MAX || !why->n_processes ||
	    !process_awaits_child(pid, 0))
		return thread;
	return stuck_child(why, pid, depth);
}

/* The stuck thread behind an actor: itself, or one of a process all of whose threads are stuck, or
 * of a child that it waits for; WHY_NONE if it may go on. */
static size_t stuck_behind(const struct why *why, size_t actor)
{
	const struct why_actor *a = &why->actor[actor];

	if (a->stuck)
		return actor;
	if (!a->same_namespace)
		return WHY_NONE;
	if (!a->thread)
		return stuck_process(why, a->pid, 0);
	return a->awaits_child ? stuck_child(why, a->pid, 0) : WHY_NONE;
}

/* Are there units, so that the wait is about to end? */
static bool has_units(const struct why *why, const struct why_entry *waits)
{
	for (size_t i = 0; i < why->n_entries; i++) {
		const struct why_entry *e = &why->entry[i];
		if (why_same_place(e, waits) && e->sync.role == FERRY_SYNC_IDLE)
			return e->sync.units > 0;
	}
	return false;
}

/* An entry of one who is stuck and so keeps this wait from ending; or WHY_NONE. */
static size_t blocked_by(const struct why *why, const struct why_entry *waits)
{
	bool any_will_do = waits->sync.kind == FERRY_SYNC_SEMAPHORE;
	size_t found = WHY_NONE;

	if (any_will_do && has_units(why, waits))
		return WHY_NONE;
	for (size_t i = why->n_entries; i-- > 0;) {
		if (!why_blocks(waits, &why->entry[i]))
			continue;
		if (stuck_behind(why, why->entry[i].actor) != WHY_NONE)
			found = i;
		else if (any_will_do)
			return WHY_NONE;
	}
	return found;
}

/* The wait of an actor that will not end; or WHY_NONE. */
static size_t wait_in_vain(const struct why *why, size_t actor)
{
	for (size_t i = 0; i < why->n_entries; i++) {
		const struct why_entry *e = &why->entry[i];
		if (e->actor == actor && e->sync.role == FERRY_SYNC_WAITS && e->steady &&
		    blocked_by(why, e) != WHY_NONE)
			return i;
	}
	return WHY_NONE;
}

/* All who wait are suspects; who turns out to wait for somebody who can go on is none. */
static void find_stuck(struct why *why)
{
	bool changed = true;

	for (size_t i = 0; i < why->n_entries; i++)
		if (why->entry[i].steady && why->entry[i].actor != WHY_NONE)
			why->actor[why->entry[i].actor].stuck = true;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < why->n_actors; i++) {
			if (!why->actor[i].stuck || wait_in_vain(why, i) != WHY_NONE)
				continue;
			why->actor[i].stuck = false;
			changed = true;
		}
	}
}

/* The step from one who is stuck to the next. */
static struct why_step step_from(const struct why *why, size_t actor)
{
	size_t waits = wait_in_vain(why, actor);
	size_t holds = blocked_by(why, &why->entry[waits]);
	size_t holder = why->entry[holds].actor;
	size_t next = stuck_behind(why, holder);
	bool is_child = why->actor[next].pid != why->actor[holder].pid;

	return (struct why_step){
		.waits = waits,
		.holds = holds,
		.through = is_child ? next : WHY_NONE,
		.deadlock = WHY_NONE,
	};
}

static size_t next_actor(const struct why *why, size_t actor)
{
	struct why_step step = step_from(why, actor);

	return stuck_behind(why, why->entry[step.holds].actor);
}

/* Who holds and waits for a child that is in the cycle, is in it too. */
static void mark_parent(struct why *why, const struct why_step *step)
{
	struct why_actor *holder = &why->actor[why->entry[step->holds].actor];

	if (step->through != WHY_NONE && holder->deadlock == WHY_NONE)
		holder->deadlock = step->deadlock;
}

static void add_cycle(struct why *why, size_t first)
{
	size_t actor = first;

	do {
		struct why_step step = step_from(why, actor);
		step.deadlock = why->n_deadlocks;
		why->step = reallocarray(why->step, why->n_steps + 1, sizeof *why->step);
		if (!why->step)
			cli_die(STATUS_FAILED, "out of memory");
		why->step[why->n_steps++] = step;
		mark_parent(why, &step);
		why->actor[actor].deadlock = why->n_deadlocks;
		actor = next_actor(why, actor);
	} while (actor != first);
	why->n_deadlocks++;
}

/* Go on from an actor until one whose deadlock is known, or until a cycle has closed; then all on
 * the way wait for it. */
static void follow(struct why *why, size_t start)
{
	size_t actor = start;

	for (size_t i = 0; i < why->n_actors && why->actor[actor].deadlock == WHY_NONE; i++)
		actor = next_actor(why, actor);
	if (why->actor[actor].deadlock == WHY_NONE) /* after that many steps we are in it */
		add_cycle(why, actor);
	size_t deadlock = why->actor[actor].deadlock;
	for (actor = start; why->actor[actor].deadlock == WHY_NONE; actor = next_actor(why, actor))
		why->actor[actor].deadlock = deadlock;
}

static int by_place(const void *a, const void *b)
{
	const struct why_entry *x = a, *y = b;
	int order = (x->object > y->object) - (x->object < y->object);

	if (!order)
		order = (x->sync.place > y->sync.place) - (x->sync.place < y->sync.place);
	if (!order)
		order = (x->sync.role == FERRY_SYNC_WAITS) - (y->sync.role == FERRY_SYNC_WAITS);
	if (!order)
		order = (x->sync.since > y->sync.since) - (x->sync.since < y->sync.since);
	return order;
}

/* Needed only to find the children of those who wait for them. */
static void list_processes(struct why *why)
{
	for (size_t i = 0; i < why->n_actors && !why->process; i++)
		if (why->actor[i].awaits_child)
			why->process = process_list(&why->n_processes);
}

void why_work_out(struct why *why)
{
	if (why->n_entries)
		qsort(why->entry, why->n_entries, sizeof *why->entry, by_place);
	list_processes(why);
	find_stuck(why);
	for (size_t i = 0; i < why->n_actors; i++)
		if (why->actor[i].stuck)
			follow(why, i);
}
