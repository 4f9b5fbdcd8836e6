/* SPDX-License-Identifier: MIT */
/* What the survivors do with locks and the like after a strike, and what they must find. */
#include <errno.h>

#include "sync.h"

enum { ENTRIES = 32 };

static struct digger *survivor(struct scene *scene)
{
	return scene->survivor;
}

/* Does the (stopped) victim have what lies at place? Then nobody else can. */
static bool victim_has(struct scene *scene, const void *place)
{
	const struct digger *d = survivor(scene);
	const struct tale *tale = scene->record;
	struct ferry_sync_entry entries[ENTRIES];
	ferry_reference reference = 0;
	int n;

	if (scene_victim_is_over(scene))
		return false;
	n = ferry_sync_list(d->segment, entries, ENTRIES);
	ferry_segment_reference(d->segment, place, 64, &reference);
	for (int i = 0; i < n && i < ENTRIES; i++)
		if (entries[i].place == reference && entries[i].pid == atomic_load(&tale->victim) &&
		    (entries[i].role == FERRY_SYNC_HOLDS || entries[i].role == FERRY_SYNC_SHARES))
			return true;
	return false;
}

/* The survivor gives back what it has had from the beginning. */
static void let_go(struct digger *d)
{
	if (d->has_lock)
		dig_unlock(d);
	if (d->has_read || d->has_write)
		dig_leave(d);
	while (d->units)
		dig_post(d);
	/* One for all who wait: each passes it on. */
	dig_plain_post(d);
}

/* One call that must have what it asks for, unless the victim has it. */
static void must(struct scene *scene, const void *place, const char *what,
		 int (*call)(struct digger *, ferry_deadline))
{
	int64_t since = now_ns();
	bool had = victim_has(scene, place);
	int r = call(survivor(scene), had ? FERRY_NOW : ferry_in_ms(SCENE_PATIENCE));

	scene_phase(scene, what);
	if (!had)
		scene_took(scene, since);
	if (r < 0 && !had && !victim_has(scene, place))
		fault(scene->faults, "C5: %s: %s", what, ferry_error_name(r));
}

static int take_and_post(struct digger *d, ferry_deadline deadline)
{
	int r = dig_take(d, deadline);

	return r < 0 ? r : dig_post(d);
}

/* Whoever waits for a condition must wake once something is said. */
static void say(struct scene *scene)
{
	struct digger *d = survivor(scene);

	atomic_store(&d->pit->said, 1);
	dig_say(d, true);
}

/* What keeps sleepers asleep with good reason. */
static bool may_sleep(struct scene *scene)
{
	struct pit *pit = survivor(scene)->pit;

	if (scene_victim_is_over(scene))
		return false;
	return victim_has(scene, &pit->lock) || victim_has(scene, &pit->rwlock) ||
	       victim_has(scene, &pit->units) || victim_has(scene, &pit->once) ||
	       scene->operation->prepare != NULL;
}

/* Nobody does anything: those who sleep must learn by themselves of what there is for them. */
static void settle(struct scene *scene)
{
	int64_t since = now_ns();
	uint32_t before = scene_all_unfinished(scene);

	scene_phase(scene, "waking the sleepers");
	if (!before)
		return;
	while (scene_all_unfinished(scene)) {
		if (may_sleep(scene))
			return;
		if (scene_out_of_patience(since)) {
			fault(scene->faults, "C6: %u sleep for nothing",
			      scene_all_unfinished(scene));
			return;
		}
		scene_pause();
	}
	scene_recovered(scene);
}

/* A barrier whose sleeper nobody can come to any more, since nobody who died had joined. */
static void meet_the_lonely(struct scene *scene)
{
	/* A stopped victim that was to reset it does not come to it either. */
	bool nobody_comes = scene_victim_is_over(scene) || pit_setup(scene->operation)->resets;

	if (scene->operation->act && scene_all_unfinished(scene) && nobody_comes &&
	    !scene->operation->prepare)
		ferry_barrier_reset(survivor(scene)->segment, &survivor(scene)->pit->barrier);
}

/* It has been repaired, or is lost; but no longer a dead owner's. */
static void try_spare(struct scene *scene)
{
	struct digger *d = survivor(scene);
	int64_t since = now_ns();

	if (!pit_setup(scene->operation)->loses || victim_has(scene, &d->pit->spare))
		return;
	scene_phase(scene, "taking the spare lock");
	int r = dig_spare(d, ferry_in_ms(SCENE_PATIENCE));
	scene_took(scene, since);
	if (r < 0 && r != -ENOTRECOVERABLE)
		fault(scene->faults, "C5: taking the spare lock: %s", ferry_error_name(r));
}

/* Units that nobody keeps account of: as many as were posted and not taken, give or take those
 * whose call was cut short. */
static void count_plain(struct scene *scene)
{
	const struct tale *tale = scene->record;
	struct digger *d = survivor(scene);
	int64_t value = ferry_semaphore_value(d->segment, &d->pit->plain);
	int64_t most = (int64_t)atomic_load(&tale->posts_begun) - atomic_load(&tale->waits_done);
	int64_t least = (int64_t)atomic_load(&tale->posts_done) - atomic_load(&tale->waits_begun);

	if (value > most)
		fault(scene->faults, "C3: %d plain units, at most %d were posted", (int)value,
		      (int)most);
	if (value < least)
		fault(scene->faults, "C2: %d plain units, at least %d were posted", (int)value,
		      (int)least);
	if (value > 0 && dig_plain_wait(d, FERRY_NOW) < 0)
		fault(scene->faults, "C5: a unit that is there cannot be taken");
}

void sync_survive(struct scene *scene)
{
	struct pit *pit = survivor(scene)->pit;

	scene_phase(scene, "letting go");
	let_go(survivor(scene));
	say(scene);
	meet_the_lonely(scene);
	settle(scene);
	must(scene, &pit->lock, "taking the lock", dig_turn);
	must(scene, &pit->rwlock, "writing", dig_write_turn);
	must(scene, &pit->rwlock, "reading", dig_read_turn);
	if (!victim_has(scene, &pit->once))
		must(scene, &pit->once, "doing it once", dig_once);
	try_spare(scene);
	if (scene_victim_is_over(scene))
		must(scene, &pit->units, "taking a unit", take_and_post);
}

/* All units are there, and not one more. */
static void count_units(struct scene *scene)
{
	struct digger *d = survivor(scene);
	int64_t value;

	for (int i = 0; i < PIT_UNITS; i++)
		if (dig_take(d, ferry_in_ms(SCENE_PATIENCE)) < 0)
			fault(scene->faults, "C2: a unit is lost");
	value = ferry_semaphore_value(d->segment, &d->pit->units);
	if (value != 0)
		fault(scene->faults, "C3: there are %d units too many", (int)value);
	while (d->units)
		dig_post(d);
}

static void expect_nobody(struct scene *scene)
{
	struct ferry_sync_entry entries[ENTRIES];
	int n = ferry_sync_list(survivor(scene)->segment, entries, ENTRIES);

	for (int i = 0; i < n && i < ENTRIES; i++)
		if (entries[i].role == FERRY_SYNC_HOLDS || entries[i].role == FERRY_SYNC_WAITS ||
		    entries[i].role == FERRY_SYNC_LOST)
			fault(scene->faults, "C5: a %s has somebody still",
			      ferry_sync_kind_name(entries[i].kind));
}

static void use_barrier(struct scene *scene)
{
	struct digger *d = survivor(scene);
	int r = ferry_barrier_reset(d->segment, &d->pit->barrier);

	if (r == 0)
		r = ferry_barrier_wait(d->segment, &d->pit->barrier, ferry_in_ms(1));
	if (r != -ETIMEDOUT)
		fault(scene->faults, "C5: a barrier that was reset says %s", ferry_error_name(r));
}

void sync_end(struct scene *scene)
{
	struct digger *d = survivor(scene);
	int r;

	scene_phase(scene, "the end");
	count_units(scene);
	count_plain(scene);
	if (pit_setup(scene->operation)->loses)
		(void)ferry_lock_init(d->segment, &d->pit->spare);
	expect_nobody(scene);
	use_barrier(scene);
	ferry_segment_close(d->segment);
	d->segment = NULL;
	(void)ferry_remove("alone", NULL);
	r = ferry_remove(PIT_NAME, NULL);
	if (r < 0)
		fault(scene->faults, "C8: removing says %s", ferry_error_name(r));
}
