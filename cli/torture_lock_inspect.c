/* SPDX-License-Identifier: MIT */
/*
 * torture_lock_inspect.c - what must be true of the locks and the like when all who used them have
 * gone, however they went.
 */
#include <errno.h>
#include <inttypes.h>

#include "torture_lock.h"

struct inspection {
	struct workers_torture *torture;
	struct crew *crew;
	ferry_segment *segment;
	struct pit *pit;
};

static void fault(struct inspection *i, const char *what, int result)
{
	faults_report(i->crew->faults, hand_is_no(result) ? FAULT_JAMMED : FAULT_BROKEN,
		      "%s at the end: %s", what, ferry_error_name(result));
}

static struct roll_sum sum(struct inspection *i, enum pit_tally tally)
{
	return roll_sum(i->crew->account, tally);
}

static void between(struct inspection *i, const char *what, uint64_t least, uint64_t n,
		    uint64_t most)
{
	if (n < least)
		faults_report(i->crew->faults, FAULT_LOST,
			      "%s: %" PRIu64 ", but %" PRIu64 " were done", what, n, least);
	if (n > most)
		faults_report(i->crew->faults, FAULT_STRAY,
			      "%s: %" PRIu64 ", but only %" PRIu64 " were begun", what, n, most);
}

static void check_vault(struct inspection *i, const char *what, struct vault *vault, int told,
			struct roll_sum turns)
{
	if (told)
		vault_repair(vault);
	else if (!vault_is_whole(vault))
		faults_report(i->crew->faults, FAULT_TORN, "half a change behind the %s", what);
	between(i, what, turns.least, vault_changes(vault), turns.most);
}

static void check_lock(struct inspection *i)
{
	int r = ferry_lock_acquire(i->segment, &i->pit->lock, ferry_in_ms(PIT_PATIENCE));

	if (r < 0) {
		fault(i, "lock", r);
		return;
	}
	check_vault(i, "lock", &i->pit->behind_lock, r, sum(i, PIT_LOCK_TURNS));
	if (r > 0)
		(void)ferry_lock_repaired(i->segment, &i->pit->lock);
	(void)ferry_lock_release(i->segment, &i->pit->lock);
}

static void check_rwlock(struct inspection *i)
{
	int r = ferry_rwlock_write(i->segment, &i->pit->rwlock, ferry_in_ms(PIT_PATIENCE));

	if (r < 0) {
		fault(i, "rwlock", r);
		return;
	}
	check_vault(i, "rwlock", &i->pit->behind_rwlock, r, sum(i, PIT_WRITES));
	if (r > 0)
		(void)ferry_rwlock_repaired(i->segment, &i->pit->rwlock);
	(void)ferry_rwlock_release(i->segment, &i->pit->rwlock);
}

static void check_store(struct inspection *i)
{
	struct roll_sum puts = sum(i, PIT_PUTS), takes = sum(i, PIT_TAKES);
	int r = ferry_lock_acquire(i->segment, &i->pit->store, ferry_in_ms(PIT_PATIENCE));

	if (r < 0) {
		fault(i, "store", r);
		return;
	}
	between(i, "pieces put", puts.least, i->pit->put, puts.most);
	between(i, "pieces taken", takes.least, i->pit->taken, takes.most);
	if (i->pit->put - i->pit->taken > PIT_ROOM)
		faults_report(i->crew->faults, FAULT_SHARED, "%" PRIu64 " pieces in the store",
			      i->pit->put - i->pit->taken);
	if (r > 0)
		(void)ferry_lock_repaired(i->segment, &i->pit->store);
	(void)ferry_lock_release(i->segment, &i->pit->store);
}

/* All units are there and can be had, those of the dead too. */
static void check_units(struct inspection *i)
{
	int64_t value;

	for (uint32_t n = 0; n < PIT_UNITS; n++) {
		int r = ferry_semaphore_wait(i->segment, &i->pit->units, ferry_in_ms(PIT_PATIENCE));
		if (r < 0)
			fault(i, "semaphore", r);
	}
	(void)ferry_semaphore_post(i->segment, &i->pit->units, PIT_UNITS);
	value = ferry_semaphore_value(i->segment, &i->pit->units);
	if (value != PIT_UNITS)
		faults_report(i->crew->faults, FAULT_BROKEN, "%" PRId64 " units, not %u", value,
			      PIT_UNITS);
}

static void check_tokens(struct inspection *i)
{
	struct roll_sum posts = sum(i, PIT_POSTS), waits = sum(i, PIT_WAITS);
	int64_t value = ferry_semaphore_value(i->segment, &i->pit->tokens);
	uint64_t least = posts.least > waits.most ? posts.least - waits.most : 0;

	if (value < 0)
		fault(i, "tokens", (int)value);
	else
		between(i, "tokens", least, (uint64_t)value, posts.most - waits.least);
}

/* Each round of the barrier has one who is the last, and one who is not. A death or a reset may
 * keep one of the two from hearing of it. */
static void check_meetings(struct inspection *i)
{
	uint64_t lasts = sum(i, PIT_LASTS).least, others = sum(i, PIT_OTHERS).least;
	uint64_t excuse = sum(i, PIT_RESETS).most + i->crew->figures.kills_in[PIT_AT_BARRIER];
	uint64_t apart = lasts > others ? lasts - others : others - lasts;

	if (apart > excuse)
		faults_report(i->crew->faults, FAULT_STRAY,
			      "%" PRIu64 " were the last at the barrier, %" PRIu64 " were not",
			      lasts, others);
}

/* Nobody is told of a dead owner who did not die, or twice of the same. */
static void check_told(struct inspection *i)
{
	uint64_t deaths = i->crew->figures.kills[0] + sum(i, PIT_LEFT).most;

	if (sum(i, PIT_TOLD).most > deaths)
		faults_report(i->crew->faults, FAULT_STRAY,
			      "%" PRIu64 " were told of a dead owner, but only %" PRIu64 " died",
			      sum(i, PIT_TOLD).most, deaths);
}

static void check_nobody_left(struct inspection *i)
{
	struct ferry_sync_entry entries[64];
	struct ferry_segment_stat stat = { 0 };
	struct ferry_repair repair;
	int r = ferry_object_repair(i->torture->base.location, 0, &repair, NULL);

	r = r < 0 ? r : ferry_segment_stat(i->segment, &stat);
	if (r < 0) {
		fault(i, "repair", r);
		return;
	}
	i->torture->base.recovered = stat.recovered;
	if (stat.members_dead || stat.members_alive != 1 || stat.lock_holders || stat.lock_waiters)
		faults_report(i->crew->faults, FAULT_BROKEN,
			      "left behind: %u dead and %u live members, %u holders, %u waiters",
			      stat.members_dead, stat.members_alive - 1, stat.lock_holders,
			      stat.lock_waiters);
	r = ferry_sync_list(i->segment, entries, 64);
	for (int n = 0; n < r && n < 64; n++)
		if (entries[n].role != FERRY_SYNC_IDLE && entries[n].role != FERRY_SYNC_DIED)
			faults_report(i->crew->faults, FAULT_BROKEN,
				      "left behind: a %s in the role %d",
				      ferry_sync_kind_name(entries[n].kind), entries[n].role);
}

void torture_lock_inspect(struct torture *base)
{
	struct inspection i = { .torture = (struct workers_torture *)base, .crew = &base->crew };
	struct ferry_why why = { 0 };
	int r = ferry_segment_open(&i.segment, base->location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING, .why = &why));

	if (r < 0) {
		faults_report(base->faults, FAULT_BROKEN, "open at the end: %s %s",
			      ferry_error_name(r), why.text);
		return;
	}
	i.pit = ferry_segment_address(i.segment);
	check_lock(&i);
	check_rwlock(&i);
	check_store(&i);
	check_units(&i);
	check_tokens(&i);
	check_meetings(&i);
	check_told(&i);
	check_nobody_left(&i);
	ferry_segment_close(i.segment);
}
