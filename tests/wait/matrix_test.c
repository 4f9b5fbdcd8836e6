/* SPDX-License-Identifier: MIT */
/* Everything that can be waited for, in every way in which one can wait, in every situation: it was
 * there already, it comes, the peer is killed, the object is removed, the deadline comes. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "limits.h"
#include "way.h"

enum { ROUNDS = 21, NAP_MS = 30 };

/* What happens to the scene while the main thread sleeps in its wait. */
struct event {
	void (*happens)(struct scene *scene);
	struct scene *scene;
	int64_t at; /* CLOCK_MONOTONIC: begun then */
};

static void *happen_to_sleeper(void *argument)
{
	struct event *event = argument;

	await(process_asleep(getpid()));
	event->at = clock_ns();
	event->happens(event->scene);
	return NULL;
}

/* All that was to come; that it failed only if it was removed; and what nobody asked for only if
 * the peer is gone. */
static void check_told(const struct scene *scene, const struct told *told, uint32_t want)
{
	uint32_t allowed =
	    want & (FERRY_AT_END | FERRY_FAILED) ? UINT32_MAX : scene->subject->events;

	check_eq(told->happened & want, want);
	check_eq(told->happened & ~allowed, 0);
	if (want & FERRY_FAILED)
		check_eq(told->error, -EIDRM);
	else if (told->happened & FERRY_FAILED)
		check(scene->subject->may_fail && told->error < 0);
	else
		check_eq(told->error, 0);
}

/* Sleep until it happens; how long it took to be told, in ns. */
static int64_t sleep_until(struct waiting *waiting, void (*happens)(struct scene *scene),
			   struct scene *scene, uint32_t want)
{
	struct event event = { .happens = happens, .scene = scene };
	struct told told = { 0 };
	pthread_t thread;
	int64_t woken;

	check_eq(pthread_create(&thread, NULL, happen_to_sleeper, &event), 0);
	check_eq(waiting_wait(waiting, box_patience(), &told), 1);
	woken = clock_ns();
	check_eq(pthread_join(thread, NULL), 0);
	check_told(waiting->scene, &told, want);
	return woken - event.at;
}

static void expect(struct waiting *waiting, ferry_deadline deadline, uint32_t want)
{
	struct told told = { 0 };

	check_eq(waiting_wait(waiting, deadline, &told), 1);
	check_told(waiting->scene, &told, want);
}

static void expect_nothing(struct waiting *waiting)
{
	struct told told;

	check_eq(waiting_wait(waiting, FERRY_NOW, &told), -EAGAIN);
}

/* ---- the situations ---- */

static void it_is_there_already(struct waiting *waiting, struct scene *scene)
{
	const struct subject *subject = scene->subject;

	expect_nothing(waiting);
	subject->give(scene);
	expect(waiting, box_patience(), subject->happened);
	expect(waiting, FERRY_NOW, subject->happened); /* as long as it is there */
	expect(waiting, FERRY_FOREVER, subject->happened);
	expect(waiting, ferry_in_ms(-1), subject->happened);
	if (!subject->take)
		return;
	subject->take(scene);
	expect_nothing(waiting);
}

static void it_comes(struct waiting *waiting, struct scene *scene)
{
	const struct subject *subject = scene->subject;

	sleep_until(waiting, subject->give, scene, subject->happened);
	expect(waiting, FERRY_NOW, subject->happened);
	if (subject->take) {
		subject->take(scene);
		expect_nothing(waiting);
	}
}

static void the_peer_is_killed(struct waiting *waiting, struct scene *scene)
{
	if (!scene->subject->killed)
		return;
	expect_nothing(waiting);
	sleep_until(waiting, scene_kill, scene, scene->subject->killed);
	expect(waiting, FERRY_NOW, scene->subject->killed);
}

static void the_peer_was_killed_before(struct waiting *waiting, struct scene *scene)
{
	if (!scene->subject->killed)
		return;
	scene_kill(scene);
	expect(waiting, box_patience(), scene->subject->killed);
}

static void it_is_removed(struct waiting *waiting, struct scene *scene)
{
	if (!scene->subject->removed)
		return;
	expect_nothing(waiting);
	sleep_until(waiting, scene_remove, scene, scene->subject->removed);
	expect(waiting, FERRY_NOW, scene->subject->removed);
}

static void it_was_removed_before(struct waiting *waiting, struct scene *scene)
{
	if (!scene->subject->removed)
		return;
	scene_remove(scene);
	expect(waiting, box_patience(), scene->subject->removed);
}

static void the_deadline_comes(struct waiting *waiting, struct scene *scene)
{
	struct told told;

	(void)scene;
	/* What is made once, by who waits first, is no part of what waiting costs. */
	check_eq(waiting_wait(waiting, ferry_in_ms(NAP_MS), &told), -ETIMEDOUT);
	const struct usage before = usage_now();
	ferry_deadline deadline;
	do {
		deadline = ferry_in_ms(6 * NAP_MS + 7);
		check_eq(waiting_wait(waiting, deadline, &told), -ETIMEDOUT);
		check(ferry_in_ns(0) >= deadline);
	} while (usage_is_doubtful(&before));
	usage_check_blocked(&before);
	check_eq(waiting_wait(waiting, deadline, &told), -ETIMEDOUT); /* it has passed */
	expect_nothing(waiting);
}

/* A lost wake-up costs a nap; so half of many must take much less. */
static void c6_it_is_told_and_not_found_by_a_nap(struct waiting *waiting, struct scene *scene)
{
	const struct subject *subject = scene->subject;
	int64_t took[ROUNDS];

	if (!subject->again)
		return;
	for (int i = 0; i < ROUNDS; i++) {
		took[i] = sleep_until(waiting, subject->give, scene, subject->happened);
		subject->take(scene);
		expect_nothing(waiting);
	}
	check_median(took, ROUNDS, NAP_MS * 1000000 / 3);
}

/* ---- each situation in each way, for all subjects ---- */

struct situation {
	const char *name;
	void (*play)(struct waiting *waiting, struct scene *scene);
};

static const struct situation situations[] = {
	{ "it is there already", it_is_there_already },
	{ "it comes", it_comes },
	{ "the peer is killed", the_peer_is_killed },
	{ "the peer was killed before", the_peer_was_killed_before },
	{ "it is removed", it_is_removed },
	{ "it was removed before", it_was_removed_before },
	{ "the deadline comes", the_deadline_comes },
	{ "it is told and not found by a nap", c6_it_is_told_and_not_found_by_a_nap },
};

static void play(const struct way *way, const struct situation *situation,
		 const struct subject *subject)
{
	struct waiting waiting;
	struct scene scene;

	check_about("%s, by %s: %s", subject->name, way->name, situation->name);
	scene_make(&scene, subject);
	waiting_begin(&waiting, way, &scene);
	situation->play(&waiting, &scene);
	waiting_end(&waiting);
	scene_end(&scene);
}

/* FERRY_SUBJECT in the environment: only this one. */
static void play_all(const struct way *way, const struct situation *situation)
{
	const char *only = getenv("FERRY_SUBJECT");

	limits_apply();
	for (const struct subject *s = subjects; s->name; s++)
		if ((!only || !strcmp(only, s->name)) && !(way->needs_fd && s->is_fd))
			play(way, situation, s);
}

/* A function for each pair, since a claim is one. */
#define EACH_SITUATION(way, n)                                                                     \
	static void way_##way##_situation_##n(void)                                                \
	{                                                                                          \
		play_all(&ways[way], &situations[n]);                                              \
	}
#define EACH_WAY(way)                                                                              \
	EACH_SITUATION(way, 0)                                                                     \
	EACH_SITUATION(way, 1)                                                                     \
	EACH_SITUATION(way, 2)                                                                     \
	EACH_SITUATION(way, 3)                                                                     \
	EACH_SITUATION(way, 4)                                                                     \
	EACH_SITUATION(way, 5)                                                                     \
	EACH_SITUATION(way, 6)                                                                     \
	EACH_SITUATION(way, 7)
EACH_WAY(0)
EACH_WAY(1)
EACH_WAY(2)
EACH_WAY(3)
EACH_WAY(4)
EACH_WAY(5)

#define SITUATIONS_OF(way)                                                                         \
	{                                                                                          \
		way_##way##_situation_0, way_##way##_situation_1, way_##way##_situation_2,         \
		    way_##way##_situation_3, way_##way##_situation_4, way_##way##_situation_5,     \
		    way_##way##_situation_6, way_##way##_situation_7                               \
	}

enum { WAYS = 6, SITUATIONS = sizeof situations / sizeof *situations };

int main(void)
{
	static void (*const body[WAYS][SITUATIONS])(void) = {
		SITUATIONS_OF(0), SITUATIONS_OF(1), SITUATIONS_OF(2),
		SITUATIONS_OF(3), SITUATIONS_OF(4), SITUATIONS_OF(5),
	};
	static char name[WAYS * SITUATIONS][128];
	static struct claim claim[WAYS * SITUATIONS];
	struct CMUnitTest claims[WAYS * SITUATIONS];

	for (int i = 0; i < WAYS * SITUATIONS; i++) {
		const struct way *way = &ways[i / SITUATIONS];

		check(way->name);
		snprintf(name[i], sizeof name[i], "%s: %s", way->name,
			 situations[i % SITUATIONS].name);
		claim[i].body = body[i / SITUATIONS][i % SITUATIONS];
		claims[i] = (struct CMUnitTest){ name[i], claim_run, NULL, NULL, &claim[i] };
	}
	return claim_run_all(claims);
}
