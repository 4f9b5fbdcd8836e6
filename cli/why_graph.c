/* SPDX-License-Identifier: MIT */
/*
 * why_graph.c - who waits for whom, and who waits in vain.
 *
 * Who waits for a lock, an rwlock, a once or a barrier needs all of those who hold it (or have not
 * arrived), so one that is stuck is enough to be stuck. Who waits for a semaphore needs one of
 * those who took its units. Whoever is called stuck here waits for others who are stuck, all the
 * way round.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "why.h"

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

/* How many threads a process has; 0 = not known. */
static size_t count_threads(pid_t pid)
{
	char path[64];
	size_t n = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return 0;
	for (const struct dirent *d; (d = readdir(dir)) != NULL;)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static bool same_process(const struct why_actor *a, const struct why_actor *b)
{
	return a->pid == b->pid && a->started == b->started && a->same_namespace &&
	       b->same_namespace;
}

/* A thread of the process that is stuck, or WHY_NONE; and how many are. */
static size_t stuck_thread(const struct why *why, const struct why_actor *process, size_t *ret_n)
{
	size_t found = WHY_NONE;

	*ret_n = 0;
	for (size_t i = why->n_actors; i-- > 0;) {
		const struct why_actor *a = &why->actor[i];
		if (a->thread && a->stuck && same_process(a, process)) {
			found = i;
			++*ret_n;
		}
	}
	return found;
}

/* The stuck thread behind an actor, itself or one of a process all of whose threads are stuck;
 * WHY_NONE if it may go on. */
static size_t stuck_behind(const struct why *why, size_t actor)
{
	const struct why_actor *a = &why->actor[actor];
	size_t n;

	if (a->thread)
		return a->stuck ? actor : WHY_NONE;
	size_t thread = stuck_thread(why, a, &n);
	return n && n >= count_threads(a->pid) ? thread : WHY_NONE;
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

	return (struct why_step){
		.waits = waits,
		.holds = blocked_by(why, &why->entry[waits]),
		.deadlock = WHY_NONE,
	};
}

static size_t next_actor(const struct why *why, size_t actor)
{
	struct why_step step = step_from(why, actor);

	return stuck_behind(why, why->entry[step.holds].actor);
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

void why_work_out(struct why *why)
{
	if (why->n_entries)
		qsort(why->entry, why->n_entries, sizeof *why->entry, by_place);
	find_stuck(why);
	for (size_t i = 0; i < why->n_actors; i++)
		if (why->actor[i].stuck)
			follow(why, i);
}
