/* SPDX-License-Identifier: MIT */
/* How a pipe's actors play their parts, and what survivors do after a strike; see family.h. */
#include "pipe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static_assert(sizeof(struct pipe_ledger) <= SCENE_RECORD, "the ledger does not fit");

enum { A_LITTLE = 5 }; /* ms */

static struct pipe_actor *survivor_of(struct scene *scene)
{
	return scene->survivor;
}

static const struct pipe_setup *setup_of(struct scene *scene)
{
	return pipe_setup(scene->operation);
}

/* ---- actors ---- */

static int drained = -1; /* the file that is drained to */

static void *hire(struct scene *scene, uint32_t index)
{
	struct pipe_actor *actor = calloc(1, sizeof(*actor));

	if (!actor)
		abort();
	*actor = (struct pipe_actor){
		.ledger = scene->record,
		.setup = setup_of(scene),
		.index = index,
		.file = -1,
	};
	/* The scene's own comes first, before the players: they inherit the file. */
	if (index == ACTOR_SURVIVOR && actor->setup->drains)
		drained = pipe_new_file();
	if (actor->setup->drains)
		actor->file = drained;
	return actor;
}

/* The victim has one end; sleepers open theirs when they are told which. */
static void enter(void *it)
{
	struct pipe_actor *actor = it;

	if (actor->index < ACTOR_SLEEPER)
		pipe_actor_open(actor, actor->setup->end, FERRY_EXISTING);
}

static void leave(void *it)
{
	struct pipe_actor *actor = it;

	if (actor->tap)
		ferry_pipe_tap_close(actor->tap);
	ferry_pipe_close(actor->observer);
	ferry_pipe_close(actor->reader);
	ferry_pipe_close(actor->writer);
	actor->tap = NULL;
	actor->observer = actor->reader = actor->writer = NULL;
}

static bool reads(uint32_t kind)
{
	return kind == PIPE_READERS || kind == PIPE_READ_AWAITERS;
}

static void sleep_in_it(void *it, const struct operation *operation, uint32_t kind,
			ferry_deadline deadline)
{
	(void)operation;
	if (pipe_actor_open(it, reads(kind) ? FERRY_READ : FERRY_WRITE, FERRY_EXISTING) < 0)
		return;
	if (kind == PIPE_READERS)
		pipe_actor_read(it, SMALL, deadline);
	else if (kind == PIPE_WRITERS)
		pipe_actor_write(it, SMALL, deadline);
	else if (kind == PIPE_READ_AWAITERS)
		pipe_actor_await_read(it, SMALL, deadline);
	else
		pipe_actor_await_write(it, SMALL, deadline);
}

static void forked(void *it)
{
	struct pipe_actor *actor = it;

	actor->index = ACTOR_VICTIM;
}

/* ---- the scene's own ---- */

static struct ferry_pipe_stat look(struct scene *scene)
{
	struct pipe_actor *survivor = survivor_of(scene);
	struct ferry_pipe_stat stat = { 0 };
	int r = ferry_pipe_stat(survivor->reader ? survivor->reader : survivor->writer, &stat);

	if (r < 0)
		fault(scene->faults, "C5: stat returned %s", ferry_error_name(r));
	return stat;
}

static void open_both(struct scene *scene, uint32_t flags)
{
	struct pipe_actor *survivor = survivor_of(scene);

	if (!survivor->reader)
		pipe_actor_open(survivor, FERRY_READ, flags);
	if (!survivor->writer)
		pipe_actor_open(survivor, FERRY_WRITE, 0);
	if (!survivor->reader || !survivor->writer)
		_exit(1);
}

static void set_stage(struct scene *scene)
{
	struct pipe_actor *survivor = survivor_of(scene);
	struct pipe_ledger *ledger = scene->record;

	ledger->faults = scene->faults;
	if (setup_of(scene)->absent)
		return;
	open_both(scene, FERRY_EXCLUSIVE);
	for (uint32_t n = 0; n < setup_of(scene)->prefill; n += SMALL)
		pipe_actor_write(survivor, SMALL, FERRY_NOW);
	if (!setup_of(scene)->lonely)
		return;
	if (setup_of(scene)->end == FERRY_READ) {
		ferry_pipe_close(survivor->reader);
		survivor->reader = NULL;
	} else {
		ferry_pipe_close(survivor->writer);
		survivor->writer = NULL;
	}
}

static uint64_t visible(struct scene *scene)
{
	struct ferry_pipe_stat stat = look(scene);

	return stat.written << 20 | stat.bytes;
}

static bool asleep(struct scene *scene)
{
	struct ferry_pipe_stat stat = look(scene);

	return stat.waiting_readers >= scene->operation->sleepers[PIPE_READERS] &&
	       stat.waiting_writers >= scene->operation->sleepers[PIPE_WRITERS];
}

static void died(struct scene *scene, uint32_t actor, bool dead)
{
	(void)scene;
	(void)actor;
	(void)dead;
}

/* ---- after the strike ---- */

/* That have not finished, however they wait. */
static uint32_t readers(struct scene *scene)
{
	return scene_unfinished(scene, PIPE_READERS) + scene_unfinished(scene, PIPE_READ_AWAITERS);
}

static uint32_t writers(struct scene *scene)
{
	return scene_unfinished(scene, PIPE_WRITERS) + scene_unfinished(scene, PIPE_WRITE_AWAITERS);
}

static const char *owed(struct scene *scene)
{
	struct ferry_pipe_stat stat;

	if (!scene_all_unfinished(scene))
		return NULL;
	stat = look(scene);
	if (stat.removed)
		return "somebody sleeps in a pipe that was removed";
	if (readers(scene) && (stat.bytes > 0 || !stat.has_writer))
		return "a reader sleeps, though there are bytes or no writers";
	if (writers(scene) && (stat.bytes + SMALL <= PIPE_CAPACITY || !stat.has_reader))
		return "a writer sleeps, though there is room or no reader";
	return NULL;
}

/* Nobody does anything: those who sleep must learn by themselves of what there is for them. */
static void settle(struct scene *scene)
{
	int64_t since = now_ns();
	const char *what = owed(scene);

	scene_phase(scene, "waking the sleepers");
	if (!what)
		return;
	for (; what; what = owed(scene)) {
		if (scene_out_of_patience(since)) {
			fault(scene->faults, "C6: %s", what);
			break;
		}
		scene_pause();
	}
	scene_recovered(scene);
}

/* As long as it takes, which must not be long. */
static ssize_t timed_write(struct scene *scene, uint32_t size)
{
	int64_t since = now_ns();
	ssize_t r = pipe_actor_write(scene->survivor, size, ferry_in_ms(SCENE_PATIENCE));

	scene_took(scene, since);
	return r;
}

static bool has_room(struct scene *scene)
{
	return look(scene).bytes + SMALL <= PIPE_CAPACITY;
}

/* A writer that slept may be faster and take the room that we saw; to wait for more would be to
 * wait for ever. True if that is so, or if we wrote. */
static bool write_or_lose_the_room(struct scene *scene)
{
	int64_t since = now_ns();

	while (has_room(scene)) {
		if (pipe_actor_write(scene->survivor, SMALL, ferry_in_ms(A_LITTLE)) == SMALL)
			break;
		if (scene_out_of_patience(since))
			return false;
	}
	scene_took(scene, since);
	return true;
}

/* False: there is no room, or, against the promise, no way to use it. */
static bool write_if_room(struct scene *scene)
{
	/* Before the look at the room: who is done by then has what it wanted. */
	bool contested = writers(scene) > 0;

	if (!has_room(scene))
		return false;
	bool can = contested ? write_or_lose_the_room(scene) : timed_write(scene, SMALL) == SMALL;
	if (!can)
		fault(scene->faults, "C5: no write, with %u bytes of %u",
		      (unsigned)look(scene).bytes, PIPE_CAPACITY);
	return can;
}

static void fill_up(struct scene *scene)
{
	scene_phase(scene, "filling");
	while (!readers(scene) && write_if_room(scene))
		;
}

static void drain(struct scene *scene)
{
	int64_t since = now_ns();

	scene_phase(scene, "draining");
	while (look(scene).bytes > 0) {
		int64_t began = now_ns();
		if (pipe_actor_read(scene->survivor, ATOMIC, FERRY_NOW) < 0 &&
		    scene_out_of_patience(since)) {
			fault(scene->faults, "C5: bytes that are there cannot be read");
			return;
		}
		scene_took(scene, began);
	}
}

/* The last reader leaves. */
static void desert(struct scene *scene)
{
	struct pipe_actor *survivor = survivor_of(scene);

	scene_phase(scene, "the last reader leaves");
	ferry_pipe_close(survivor->reader);
	survivor->reader = NULL;
}

static void survive(struct scene *scene)
{
	const struct pipe_setup *setup = setup_of(scene);

	if (setup->absent)
		open_both(scene, 0);
	settle(scene);
	if (look(scene).removed)
		return;
	if (setup->lonely) {
		if (!scene_victim_is_over(scene))
			return;
		open_both(scene, 0);
	}
	if (setup->deserted && !scene_victim_is_over(scene)) {
		desert(scene);
		return;
	}
	if (setup->deserted)
		open_both(scene, 0);
	scene_phase(scene, "reading and writing");
	if (!readers(scene))
		pipe_actor_read(scene->survivor, SMALL, FERRY_NOW);
	(void)write_if_room(scene);
	fill_up(scene);
	if (!readers(scene))
		drain(scene);
}

/* ---- the end ---- */

/* Give those who still sleep what they sleep for. */
static void dismiss_sleepers(struct scene *scene)
{
	int64_t since = now_ns();

	scene_phase(scene, "dismissing the sleepers");
	while (scene_all_unfinished(scene) && !scene_out_of_patience(since)) {
		if (readers(scene) && look(scene).bytes == 0)
			timed_write(scene, SMALL);
		if (writers(scene))
			pipe_actor_read(scene->survivor, ATOMIC, FERRY_NOW);
		scene_pause();
	}
	if (scene_all_unfinished(scene))
		fault(scene->faults, "C6: a sleeper does not wake");
}

/* With everybody else gone, all of it can be used, and nothing is out of use. */
static void expect_as_new(struct scene *scene)
{
	struct ferry_pipe_stat stat;

	scene_phase(scene, "as good as new");
	drain(scene);
	fill_up(scene);
	drain(scene);
	timed_write(scene, SMALL);
	drain(scene);
	stat = look(scene);
	if (stat.bytes != 0 || stat.quarantined != 0 || stat.readers != 1 || stat.writers != 1)
		fault(scene->faults, "C5: left: %u bytes, %u quarantined, %u readers, %u writers",
		      (unsigned)stat.bytes, (unsigned)stat.quarantined, stat.readers, stat.writers);
}

/* A remover that was killed may have left a hidden name; the next removal in the directory clears
 * it away (ferry/object.h). */
static void make_another(struct scene *scene)
{
	struct pipe_actor *survivor = survivor_of(scene);

	leave(survivor);
	if (pipe_actor_open(survivor, FERRY_READ, 0) < 0)
		fault(scene->faults, "C5: no new pipe where one was removed");
}

static void end(struct scene *scene)
{
	struct pipe_actor *survivor = survivor_of(scene);
	bool removed = look(scene).removed;

	if (removed) {
		make_another(scene);
	} else {
		if (setup_of(scene)->lonely || setup_of(scene)->deserted)
			open_both(scene, 0);
		dismiss_sleepers(scene);
		expect_as_new(scene);
	}
	leave(survivor);
	int r = ferry_remove(PIPE_NAME, NULL);
	if (r < 0)
		fault(scene->faults, "C5: the pipe cannot be removed: %s", ferry_error_name(r));
	if (setup_of(scene)->drains)
		pipe_ledger_look_aside(scene->record, drained);
	if (!removed)
		pipe_ledger_judge(scene->record, scene_victim_is_over(scene));
	scene_expect_no_litter(scene);
}

const struct family family_pipe = {
	.name = "pipe",
	.operations = pipe_operations,
	.hire = hire,
	.enter = enter,
	.leave = leave,
	.sleep = sleep_in_it,
	.forked = forked,
	.set_stage = set_stage,
	.visible = visible,
	.asleep = asleep,
	.died = died,
	.survive = survive,
	.end = end,
};
