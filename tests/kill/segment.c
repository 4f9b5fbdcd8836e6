/* SPDX-License-Identifier: MIT */
/*
 * Segments under attack; see family.h. A list whose head is a root, a place that a block is
 * published into and taken out of, a size that grows.
 *
 * The promises: a call of the others does what it would have done (C5), what a push that returned
 * put on the list is there and whole (C1, C2), nothing that a dead member held alone is lost (C5),
 * nothing is left behind when the segment is removed (C8).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "scene.h"

#define NAME   "ground"
#define UNUSED __attribute__((unused))

enum {
	BYTES = 1 << 20,
	MOST = 2 << 20,
	GROWN = BYTES + 8 * 4096,
	SMALL = 64,
	LARGE = 20000,
	NEARLY_ALL = 600000,
	PUSHED_FIRST = 3,
	LIST_MOST = 1000,
};

/* What the processes of a run tell each other. */
struct record {
	uint32_t pushing, pushed; /* links that were begun, and that are on the list for certain */
	bool may_be_absent;       /* the victim makes, or removes, the segment */
	bool victim_dead;
};

struct part {
	struct scene *scene;
	struct record *record;
	uint32_t index;
	ferry_segment *segment;
	ferry_reference block; /* one of its own */
};

struct link {
	ferry_reference next;
	uint64_t number, again;
	char more[SMALL - 24];
};

/* How an operation differs from others. */
struct ground {
	size_t size; /* of the blocks */
	bool absent; /* there is no segment at first */
	bool removes;
	bool published; /* the place holds a block of that size at first */
};

static const struct ground *ground_of(const struct operation *operation)
{
	return operation->with;
}

static int plausible(struct part *part, const char *call, int result)
{
	if (result < 0 && !(result == -EIDRM && part->record->may_be_absent))
		fault(part->scene->faults, "C5: %s by actor %u returned %s", call, part->index,
		      ferry_error_name(result));
	return result;
}

/* ---- calls under attack ---- */

static int open_ground(struct part *part, uint32_t flags)
{
	int result;

	part->segment = NULL;
	ATTACKED(result = ferry_segment_open(&part->segment, NAME,
					     FERRY_SEGMENT_OPTIONS(.flags = flags, .bytes = BYTES,
								   .max_bytes = MOST, .members = 16,
								   .arena = 1)));
	return plausible(part, "open", result);
}

static void close_ground(struct part *part)
{
	if (!part->segment)
		return;
	ATTACKED(ferry_segment_close(part->segment));
	part->segment = NULL;
	part->block = 0;
}

static ferry_reference allocate(struct part *part, size_t size)
{
	ferry_reference reference = 0;
	int result;

	ATTACKED(result = ferry_segment_allocate(part->segment, size, &reference));
	return plausible(part, "allocate", result) == 0 ? reference : 0;
}

static void release(struct part *part, ferry_reference reference)
{
	int result;

	ATTACKED(result = ferry_segment_free(part->segment, reference));
	plausible(part, "free", result);
}

static ferry_reference *root(struct part *part, const char *name)
{
	ferry_reference *place = NULL;
	int result;

	ATTACKED(result = ferry_segment_root(part->segment, name, &place));
	plausible(part, "root", result);
	return place;
}

static void push(struct part *part)
{
	ferry_reference *head = root(part, "list");
	ferry_reference block = allocate(part, sizeof(struct link));
	struct link *link = ferry_segment_pointer(part->segment, block, sizeof(*link), 8);
	int result;

	if (!head || !link)
		return;
	part->record->pushing++;
	link->number = link->again = part->record->pushing;
	do {
		ferry_reference first = ferry_reference_load(head);
		link->next = first;
		ATTACKED(result = ferry_segment_publish(part->segment, block, head, first));
	} while (result == -EAGAIN);
	if (plausible(part, "publish", result) == 0)
		part->record->pushed++;
}

static void publish(struct part *part, const char *name)
{
	ferry_reference *place = root(part, name);
	int result;

	if (!place)
		return;
	ATTACKED(result = ferry_segment_publish(part->segment, part->block, place, 0));
	if (plausible(part, "publish", result) == 0)
		part->block = 0;
}

static void take(struct part *part, const char *name)
{
	ferry_reference *place = root(part, name);
	int result;

	if (!place || *place == 0)
		return;
	ferry_reference block = *place;
	ATTACKED(result = ferry_segment_take(part->segment, place, block, 0));
	if (plausible(part, "take", result) == 0)
		part->block = block;
}

static void grow(struct part *part, uint64_t bytes)
{
	int result;

	ATTACKED(result = ferry_segment_grow(part->segment, bytes));
	plausible(part, "grow", result);
}

static void repair(struct part *part)
{
	struct ferry_repair found;
	int result;

	ATTACKED(result = ferry_object_repair(NAME, 0, &found, NULL));
	plausible(part, "repair", result);
}

/* ---- the acts ---- */

typedef const struct operation op;

static void do_allocate(void *a, op *o)
{
	struct part *part = a;

	part->block = allocate(part, ground_of(o)->size);
}

static void do_free(void *a, op *o UNUSED)
{
	struct part *part = a;

	release(part, part->block);
	part->block = 0;
}

static void do_allocate_free(void *a, op *o)
{
	do_allocate(a, o);
	do_free(a, o);
}

static void do_publish(void *a, op *o UNUSED)
{
	publish(a, "place");
}

static void do_take(void *a, op *o UNUSED)
{
	take(a, "place");
}

static void do_take_free(void *a, op *o)
{
	do_take(a, o);
	do_free(a, o);
}

static void do_push(void *a, op *o UNUSED)
{
	push(a);
}

static void do_root(void *a, op *o UNUSED)
{
	root(a, "new");
}

static void do_grow(void *a, op *o UNUSED)
{
	grow(a, GROWN);
}

static void do_open(void *a, op *o UNUSED)
{
	open_ground(a, 0);
}

static void do_close(void *a, op *o UNUSED)
{
	close_ground(a);
}

static void do_repair(void *a, op *o UNUSED)
{
	repair(a);
}

static void do_remove(void *a UNUSED, op *o UNUSED)
{
	ATTACKED(ferry_remove(NAME, NULL));
}

static void do_stat(void *a, op *o UNUSED)
{
	struct part *part = a;
	struct ferry_segment_stat stat;
	int result;

	ATTACKED(result = ferry_segment_stat(part->segment, &stat));
	plausible(part, "stat", result);
}

/* Hold blocks of every sort. */
static void hold_much(void *a, op *o)
{
	struct part *part = a;

	allocate(part, SMALL);
	allocate(part, LARGE);
	do_allocate(a, o);
}

/* So much that nobody else finds as much again. */
static void hold_nearly_all(void *a, op *o UNUSED)
{
	allocate(a, NEARLY_ALL);
}

#define GROUND(...)                                                                                \
	.with = &(const struct ground)                                                             \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static const struct operation operations[] = {
	{ "segment-allocate-small", "allocate 64 B", GROUND(.size = SMALL), .act = do_allocate },
	{ "segment-allocate-large", "allocate 20000 B", GROUND(.size = LARGE), .act = do_allocate },
	{ "segment-allocate-most", "allocate more than half of it", GROUND(.size = NEARLY_ALL),
	  .act = do_allocate, .rarely = 7 },
	{ "segment-free-small", "free 64 B of one's own", GROUND(.size = SMALL),
	  .prepare = do_allocate, .act = do_free },
	{ "segment-free-large", "free 20000 B of one's own", GROUND(.size = LARGE),
	  .prepare = do_allocate, .act = do_free },
	{ "segment-allocate-free", "allocate 3000 B and free them", GROUND(.size = 3000),
	  .act = do_allocate_free },
	{ "segment-publish-small", "publish 64 B into a place", GROUND(.size = SMALL),
	  .prepare = do_allocate, .act = do_publish },
	{ "segment-publish-large", "publish 20000 B into a place", GROUND(.size = LARGE),
	  .prepare = do_allocate, .act = do_publish },
	{ "segment-push", "allocate 64 B and push them on a list", GROUND(.size = SMALL),
	  .act = do_push },
	{ "segment-take-small", "take 64 B out of a place",
	  GROUND(.size = SMALL, .published = true), .act = do_take },
	{ "segment-take-free", "take 20000 B out of a place and free them",
	  GROUND(.size = LARGE, .published = true), .act = do_take_free },
	{ "segment-root", "give a new name a place", GROUND(.size = SMALL), .act = do_root },
	{ "segment-grow", "make it larger", GROUND(.size = SMALL), .act = do_grow },
	{ "segment-open", "open it", GROUND(.size = SMALL), .unopened = true, .act = do_open },
	{ "segment-create", "make it", GROUND(.size = SMALL, .absent = true), .unopened = true,
	  .act = do_open },
	{ "segment-close", "close it, with blocks of all sorts", GROUND(.size = SMALL),
	  .prepare = hold_much, .act = do_close, .rarely = 7 },
	{ "segment-stat", "look at it", GROUND(.size = SMALL), .act = do_stat, .rarely = 7 },
	{ "segment-remove", "remove it", GROUND(.size = SMALL, .removes = true), .act = do_remove },
	{ "segment-forked", "allocate in a child", GROUND(.size = LARGE), .forks = true,
	  .act = do_allocate },
	{ "segment-recover", "clean up after one that died with blocks of all sorts",
	  GROUND(.size = LARGE), .first = hold_much, .first_act = do_allocate, .act = do_repair,
	  .rarely = 7 },
	{ "segment-recover-publish", "clean up after one that died publishing",
	  GROUND(.size = LARGE), .first = do_allocate, .first_act = do_publish, .act = do_repair,
	  .rarely = 7 },
	{ "segment-recover-short", "run out of room that a dead member has",
	  GROUND(.size = NEARLY_ALL), .first = hold_nearly_all, .first_act = do_root,
	  .act = do_allocate, .rarely = 7 },
	{ 0 },
};

/* ---- the family ---- */

static struct part *survivor_of(struct scene *scene)
{
	return scene->survivor;
}

static void *hire(struct scene *scene, uint32_t index)
{
	struct part *part = calloc(1, sizeof(*part));

	if (!part)
		abort();
	*part = (struct part){ .scene = scene, .record = scene->record, .index = index };
	return part;
}

static void enter(void *part)
{
	open_ground(part, FERRY_EXISTING);
}

static void leave(void *part)
{
	close_ground(part);
}

static void finish(void *it)
{
	struct part *part = it;

	part->block = 0;
}

static void forked(void *it)
{
	struct part *part = it;

	part->index = ACTOR_VICTIM;
	part->block = 0;
}

static void set_stage(struct scene *scene)
{
	const struct ground *ground = ground_of(scene->operation);
	struct part *part = survivor_of(scene);

	part->record->may_be_absent = ground->removes;
	if (ground->absent)
		return;
	open_ground(part, FERRY_EXCLUSIVE);
	for (int i = 0; i < PUSHED_FIRST; i++)
		push(part);
	(void)root(part, "place");
	(void)root(part, "mine");
	if (!ground->published)
		return;
	part->block = allocate(part, ground->size);
	publish(part, "place");
}

static uint64_t visible(struct scene *scene)
{
	struct ferry_segment_stat stat = { 0 };

	(void)ferry_segment_stat(survivor_of(scene)->segment, &stat);
	return stat.blocks << 32 | stat.unpublished;
}

static void died(struct scene *scene, uint32_t actor, bool dead)
{
	if (actor == ACTOR_VICTIM)
		((struct record *)scene->record)->victim_dead = dead;
}

/* Everything that the victim might have been doing, for oneself; nothing of it may fail or wait. */
static void work(struct scene *scene)
{
	struct part *part = survivor_of(scene);
	int64_t since = now_ns();

	release(part, allocate(part, SMALL));
	release(part, allocate(part, LARGE));
	push(part);
	part->block = allocate(part, SMALL);
	publish(part, "mine");
	take(part, "mine");
	release(part, part->block);
	part->block = 0;
	grow(part, ferry_segment_size(part->segment) + 4096);
	scene_took(scene, since);
}

/* What a dead member held must be there for whoever needs it. */
static void need_much(struct scene *scene)
{
	struct part *part = survivor_of(scene);
	ferry_reference all = 0;
	int64_t since = now_ns();

	while (ferry_segment_allocate(part->segment, NEARLY_ALL, &all) == -ENOSPC) {
		if (scene_out_of_patience(since)) {
			fault(scene->faults, "C5: a dead member's memory does not come back");
			return;
		}
		scene_pause();
	}
	scene_took(scene, since);
	if (all)
		release(part, all);
}

static void survive(struct scene *scene)
{
	const struct ground *ground = ground_of(scene->operation);
	struct part *part = survivor_of(scene);

	scene_phase(scene, "going on");
	if (ground->absent && !part->segment)
		open_ground(part, 0);
	if (!part->segment || ground->removes)
		return;
	work(scene);
	if (part->record->victim_dead)
		need_much(scene);
	scene_recovered(scene);
}

/* ---- judging ---- */

static uint32_t list_length(struct part *part, const ferry_reference *head)
{
	uint32_t n = 0;

	for (ferry_reference r = *head; r != 0; n++) {
		const struct link *link = ferry_segment_pointer(part->segment, r, sizeof(*link), 8);
		if (!link || n > LIST_MOST || link->number != link->again) {
			fault(part->scene->faults, "C1: the list is torn at its link %u", n);
			break;
		}
		r = link->next;
	}
	return n;
}

/* Blocks that can be reached: roots, what they hold, the list. */
static uint32_t reachable(struct part *part)
{
	static const char *const names[] = { "list", "place", "mine", "new" };
	ferry_segment *look = NULL;
	uint32_t n = 0;

	if (ferry_segment_open(&look, NAME, FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY)) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ferry_reference *place;
		if (ferry_segment_root(look, names[i], &place) < 0)
			continue;
		n++;
		if (i > 0)
			n += *place != 0;
		else
			n += list_length(part, place);
	}
	ferry_segment_close(look);
	return n;
}

static void judge_list(struct part *part)
{
	struct record *record = part->record;
	uint32_t n = list_length(part, root(part, "list"));

	if (n < record->pushed)
		fault(part->scene->faults, "C2: %u links were pushed, %u are there", record->pushed,
		      n);
	if (n > record->pushing)
		fault(part->scene->faults, "C3: %u links were made, %u are there", record->pushing,
		      n);
}

static void judge(struct part *part)
{
	struct ferry_segment_stat stat = { 0 };

	judge_list(part);
	plausible(part, "stat", ferry_segment_stat(part->segment, &stat));
	uint32_t n = reachable(part);
	if (stat.blocks != n)
		fault(part->scene->faults, "C5: %u blocks are in use, %u can be reached",
		      (unsigned)stat.blocks, n);
	if (stat.unpublished != 0)
		fault(part->scene->faults, "C5: %u blocks are nobody's and not free",
		      (unsigned)stat.unpublished);
	if (stat.members_alive != 1 || stat.members_dead != 0)
		fault(part->scene->faults, "C5: %u members live, %u are dead, and there is one",
		      stat.members_alive, stat.members_dead);
}

static void end(struct scene *scene)
{
	struct part *part = survivor_of(scene);

	scene_phase(scene, "repairing");
	close_ground(part);
	if (!ground_of(scene->operation)->removes) {
		repair(part);
		if (open_ground(part, FERRY_EXISTING) == 0)
			judge(part);
		close_ground(part);
	} else if (open_ground(part, 0) == 0) {
		/* The next one who removes sweeps up what the dead one left of the name. */
		close_ground(part);
	}
	int result = ferry_remove(NAME, NULL);
	if (result < 0)
		fault(scene->faults, "C5: the segment cannot be removed: %s",
		      ferry_error_name(result));
}

const struct family family_segment = {
	.name = "segment",
	.operations = operations,
	.hire = hire,
	.enter = enter,
	.leave = leave,
	.forked = forked,
	.finish = finish,
	.set_stage = set_stage,
	.visible = visible,
	.died = died,
	.survive = survive,
	.end = end,
};
