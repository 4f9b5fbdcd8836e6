/* SPDX-License-Identifier: MIT */
/* How the users of locks and the like play their parts; see family.h and sync.h. */
#include "sync.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static_assert(sizeof(struct tale) <= SCENE_RECORD, "the tale does not fit");

/* Results that no contract explains. */
static int expected(struct digger *d, const char *what, int r)
{
	if (r >= 0 || r == -EAGAIN || r == -ETIMEDOUT)
		return r;
	fault(d->tale->faults, "C5: %s says %s", what, ferry_error_name(r));
	return r;
}

/* ---- the lock ---- */

static void see_data(struct digger *d, int r)
{
	if (r == FERRY_OWNER_DIED) {
		atomic_store(&d->tale->inside, 0);
		atomic_store(&d->pit->y, atomic_load(&d->pit->x));
		ATTACKED(r = ferry_lock_repaired(d->segment, &d->pit->lock));
		if (r < 0)
			fault(d->tale->faults, "C5: repaired says %s", ferry_error_name(r));
	} else if (atomic_load(&d->pit->x) != atomic_load(&d->pit->y)) {
		fault(d->tale->faults, "C5: half a change behind the lock, and nobody was told");
	}
}

int dig_lock(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_lock_acquire(d->segment, &d->pit->lock, deadline));
	if (expected(d, "acquire", r) < 0)
		return r;
	see_data(d, r);
	if (atomic_exchange(&d->tale->inside, 1))
		fault(d->tale->faults, "C5: two have the lock");
	d->has_lock = true;
	atomic_fetch_add(&d->pit->x, 1);
	return r;
}

int dig_unlock(struct digger *d)
{
	int r;

	atomic_fetch_add(&d->pit->y, 1);
	atomic_store(&d->tale->inside, 0);
	d->has_lock = false;
	ATTACKED(r = ferry_lock_release(d->segment, &d->pit->lock));
	return expected(d, "release", r);
}

int dig_turn(struct digger *d, ferry_deadline deadline)
{
	int r = dig_lock(d, deadline);

	return r < 0 ? r : dig_unlock(d);
}

/* ---- the rwlock ---- */

static void begin_writing(struct digger *d, int r)
{
	if (r == FERRY_OWNER_DIED) {
		atomic_store(&d->tale->writing, 0);
		atomic_store(&d->pit->b, atomic_load(&d->pit->a));
		ATTACKED(r = ferry_rwlock_repaired(d->segment, &d->pit->rwlock));
		if (r < 0)
			fault(d->tale->faults, "C5: repaired says %s", ferry_error_name(r));
	} else if (atomic_load(&d->pit->a) != atomic_load(&d->pit->b)) {
		fault(d->tale->faults, "C5: half a change behind the rwlock, and nobody was told");
	}
	if (atomic_exchange(&d->tale->writing, 1) || atomic_load(&d->tale->reading))
		fault(d->tale->faults, "C5: a writer is not alone");
	d->has_write = true;
	atomic_fetch_add(&d->pit->a, 1);
}

int dig_write(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_rwlock_write(d->segment, &d->pit->rwlock, deadline));
	if (expected(d, "write", r) >= 0)
		begin_writing(d, r);
	return r;
}

int dig_read(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_rwlock_read(d->segment, &d->pit->rwlock, deadline));
	if (expected(d, "read", r) < 0)
		return r;
	if (r == FERRY_OWNER_DIED) {
		begin_writing(d, r);
		return r;
	}
	if (atomic_load(&d->pit->a) != atomic_load(&d->pit->b))
		fault(d->tale->faults, "C5: a reader sees half a change");
	/* One that may be killed in the middle does not count: nobody could take it back. */
	d->has_read = true;
	if (d->index != ACTOR_VICTIM && d->index != ACTOR_FIRST)
		atomic_fetch_add(&d->tale->reading, 1);
	return r;
}

int dig_leave(struct digger *d)
{
	int r;

	if (d->has_write) {
		atomic_fetch_add(&d->pit->b, 1);
		atomic_store(&d->tale->writing, 0);
	} else if (d->index != ACTOR_VICTIM && d->index != ACTOR_FIRST) {
		atomic_fetch_sub(&d->tale->reading, 1);
	}
	d->has_write = d->has_read = false;
	ATTACKED(r = ferry_rwlock_release(d->segment, &d->pit->rwlock));
	return expected(d, "release", r);
}

int dig_read_turn(struct digger *d, ferry_deadline deadline)
{
	int r = dig_read(d, deadline);

	return r < 0 ? r : dig_leave(d);
}

int dig_write_turn(struct digger *d, ferry_deadline deadline)
{
	int r = dig_write(d, deadline);

	return r < 0 ? r : dig_leave(d);
}

/* ---- the others ---- */

int dig_take(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_semaphore_wait(d->segment, &d->pit->units, deadline));
	d->units += r == 0;
	return expected(d, "semaphore wait", r);
}

int dig_post(struct digger *d)
{
	int r;

	d->units--;
	ATTACKED(r = ferry_semaphore_post(d->segment, &d->pit->units, 1));
	return expected(d, "post", r);
}

int dig_wait(struct digger *d, ferry_deadline deadline)
{
	int r = dig_lock(d, deadline);

	while (r >= 0 && atomic_load(&d->pit->said) == 0) {
		atomic_fetch_add(&d->pit->y, 1);
		atomic_store(&d->tale->inside, 0);
		ATTACKED(r = ferry_condition_wait(d->segment, &d->pit->condition, &d->pit->lock,
						  deadline));
		if (r == -ETIMEDOUT)
			fault(d->tale->faults, "C6: nobody wakes who waits for a condition");
		if (expected(d, "condition wait", r) < 0)
			return r;
		see_data(d, r);
		if (atomic_exchange(&d->tale->inside, 1))
			fault(d->tale->faults, "C5: two have the lock");
		atomic_fetch_add(&d->pit->x, 1);
	}
	return r < 0 ? r : dig_unlock(d);
}

int dig_say(struct digger *d, bool all)
{
	int r;

	if (all)
		ATTACKED(r = ferry_condition_broadcast(d->segment, &d->pit->condition));
	else
		ATTACKED(r = ferry_condition_signal(d->segment, &d->pit->condition));
	return expected(d, "signal", r);
}

int dig_meet(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_barrier_wait(d->segment, &d->pit->barrier, deadline));
	if (r == -EOWNERDEAD && (atomic_load(&d->tale->doomed) || atomic_load(&d->tale->may_reset)))
		return atomic_fetch_add(&d->tale->missed, 1), 0;
	return expected(d, "barrier wait", r);
}

int dig_once(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_once_begin(d->segment, &d->pit->once, deadline));
	if (expected(d, "once", r) < 0)
		return r;
	if (r > 0) {
		if (r == FERRY_ONCE_YOURS && atomic_load(&d->pit->half))
			fault(d->tale->faults, "C5: an initializer died, and nobody was told");
		atomic_store(&d->pit->half, 1);
		atomic_store(&d->pit->full, 1);
		ATTACKED(r = ferry_once_done(d->segment, &d->pit->once));
		return expected(d, "done", r);
	}
	if (!atomic_load(&d->pit->full))
		fault(d->tale->faults, "C5: a once that is not done counts as done");
	return r;
}

int dig_spare(struct digger *d, ferry_deadline deadline)
{
	int r;

	ATTACKED(r = ferry_lock_acquire(d->segment, &d->pit->spare, deadline));
	if (r == -ENOTRECOVERABLE || expected(d, "acquire", r) < 0)
		return r;
	if (r == FERRY_OWNER_DIED) {
		ATTACKED(r = ferry_lock_repaired(d->segment, &d->pit->spare));
		atomic_store(&d->tale->mended, 1);
	} else if (!atomic_load(&d->tale->mended)) {
		fault(d->tale->faults, "C5: an owner died, nobody repaired, and nobody is told");
	}
	ATTACKED(r = ferry_lock_release(d->segment, &d->pit->spare));
	return expected(d, "release", r);
}

int dig_plain_wait(struct digger *d, ferry_deadline deadline)
{
	int r;

	atomic_fetch_add(&d->tale->waits_begun, 1);
	ATTACKED(r = ferry_semaphore_wait(d->segment, &d->pit->plain, deadline));
	if (r == 0)
		atomic_fetch_add(&d->tale->waits_done, 1);
	else
		atomic_fetch_sub(&d->tale->waits_begun, 1);
	return expected(d, "semaphore wait", r);
}

int dig_plain_post(struct digger *d)
{
	int r;

	atomic_fetch_add(&d->tale->posts_begun, 1);
	ATTACKED(r = ferry_semaphore_post(d->segment, &d->pit->plain, 1));
	atomic_fetch_add(&d->tale->posts_done, 1);
	return expected(d, "post", r);
}

/* ---- among other things ---- */

static int await(struct digger *d, struct ferry_item item, ferry_deadline deadline)
{
	int r = expected(d, "a wait", await_item(d->way, &item, deadline));

	if (r > 0 && item.happened != FERRY_CAN_READ)
		fault(d->tale->faults, "C6: a wait tells %#x", item.happened);
	if (r == -ETIMEDOUT)
		fault(d->tale->faults, "C6: nobody wakes who waits among other things");
	return r;
}

/* Others may have come first: then wait once more. */
int dig_await_turn(struct digger *d, ferry_deadline deadline)
{
	int r;

	do {
		r = await(d, ferry_on_lock(d->segment, &d->pit->lock), deadline);
		if (r > 0)
			r = dig_turn(d, FERRY_NOW);
	} while (r == -EAGAIN);
	return r;
}

int dig_await_unit(struct digger *d, ferry_deadline deadline)
{
	int r;

	do {
		r = await(d, ferry_on_semaphore(d->segment, &d->pit->units), deadline);
		if (r > 0)
			r = dig_take(d, FERRY_NOW);
	} while (r == -EAGAIN);
	return r < 0 ? r : dig_post(d);
}

int dig_await_said(struct digger *d, ferry_deadline deadline)
{
	uint32_t seen = 0;
	uint64_t said = 0;
	int r = 1;

	while (r > 0 && !said) {
		r = dig_lock(d, deadline);
		if (r < 0)
			return r;
		ATTACKED(r = ferry_condition_watch(d->segment, &d->pit->condition, &seen));
		said = atomic_load(&d->pit->said);
		(void)dig_unlock(d);
		if (expected(d, "watch", r) == 0 && !said)
			r = await(d, ferry_on_condition(d->segment, &d->pit->condition, &seen),
				  deadline);
	}
	return r;
}

/* ---- the family ---- */

static void *hire(struct scene *scene, uint32_t index)
{
	struct digger *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	/* The victim's clock stands still: it would spin for ever. */
	if (index != ACTOR_SURVIVOR)
		setenv("FERRY_SPIN_NS", "0", 1);
	d->tale = scene->record;
	d->index = index;
	d->way = pit_setup(scene->operation)->way;
	return d;
}

static void enter(void *actor)
{
	struct digger *d = actor;
	int r;

	ATTACKED(r = ferry_segment_open(
		     &d->segment, PIT_NAME,
		     FERRY_SEGMENT_OPTIONS(.bytes = sizeof(struct pit), .members = PIT_MEMBERS)));
	if (expected(d, "open", r) < 0)
		_exit(2);
	d->pit = ferry_segment_address(d->segment);
	if (d->index == ACTOR_VICTIM)
		atomic_store(&d->tale->victim, getpid());
}

static void leave(void *actor)
{
	struct digger *d = actor;

	if (d->segment)
		ferry_segment_close(d->segment);
	d->segment = NULL;
}

static void look_after(void *actor)
{
	struct digger *d = actor;

	/* The first fruitless call after a while asks for the dead. */
	if (d->segment && ferry_semaphore_wait(d->segment, &d->pit->units, FERRY_NOW) == 0)
		ferry_semaphore_post(d->segment, &d->pit->units, 1);
}

static void sleep_in_it(void *actor, const struct operation *operation, uint32_t kind,
			ferry_deadline deadline)
{
	pit_setup(operation)->sleep[kind](actor, deadline);
}

static void furnish(struct digger *d)
{
	int bad = ferry_lock_init(d->segment, &d->pit->lock);

	bad |= ferry_lock_init(d->segment, &d->pit->spare);
	bad |= ferry_rwlock_init(d->segment, &d->pit->rwlock);
	bad |= ferry_semaphore_init(d->segment, &d->pit->units, PIT_UNITS, FERRY_GIVE_BACK);
	bad |= ferry_semaphore_init(d->segment, &d->pit->plain, 0, 0);
	bad |= ferry_condition_init(d->segment, &d->pit->condition);
	bad |= ferry_barrier_init(d->segment, &d->pit->barrier, PIT_PARTIES);
	bad |= ferry_once_init(d->segment, &d->pit->once);
	if (bad)
		fault(d->tale->faults, "C5: something cannot be initialized");
}

static void set_stage(struct scene *scene)
{
	struct digger *survivor = scene->survivor;
	struct tale *tale = scene->record;

	tale->faults = scene->faults;
	atomic_store(&tale->may_reset, pit_setup(scene->operation)->resets);
	enter(survivor);
	furnish(survivor);
	if (pit_setup(scene->operation)->survivor)
		pit_setup(scene->operation)->survivor(survivor);
}

static bool asleep(struct scene *scene)
{
	const struct digger *survivor = scene->survivor;
	struct ferry_sync_entry entries[32];
	int n = ferry_sync_list(survivor->segment, entries, 32);
	uint32_t waiting = 0, seated = 0;

	for (int i = 0; i < n && i < 32; i++)
		waiting += entries[i].role == FERRY_SYNC_WAITS;
	for (uint32_t i = 0; i < scene->n_sleepers; i++)
		seated += !pit_setup(scene->operation)->unseated[scene->sleepers[i].kind];
	return waiting >= seated;
}

static void doom(struct scene *scene, uint32_t actor)
{
	struct tale *tale = scene->record;

	atomic_fetch_or(&tale->doomed, 1u << actor);
}

static void died(struct scene *scene, uint32_t actor, bool dead)
{
	if (dead)
		doom(scene, actor);
}

const struct family family_sync = {
	.name = "sync",
	.operations = sync_operations,
	.hire = hire,
	.enter = enter,
	.leave = leave,
	.look_after = look_after,
	.sleep = sleep_in_it,
	.set_stage = set_stage,
	.asleep = asleep,
	.doom = doom,
	.died = died,
	.survive = sync_survive,
	.end = sync_end,
};
