/* SPDX-License-Identifier: MIT */
/* Sets the stage of a run and brings the victim to its point; see scene.h. */
#include "scene.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <unistd.h>

#include "clock.h"

/* Who waits at which gate. */
enum { ROLE_VICTIM, ROLE_FIRST, ROLE_SLEEPERS, ROLE_BYSTANDER, ROLES };

static _Noreturn void fail(const char *what)
{
	perror(what);
	_exit(2);
}

static void gate_pass(int gate, uint64_t n)
{
	if (write(gate, &n, sizeof(n)) != sizeof(n))
		fail("eventfd");
}

static void gate_wait(int gate)
{
	uint64_t n;

	while (read(gate, &n, sizeof(n)) != sizeof(n))
		if (errno != EINTR)
			fail("eventfd");
}

static void make_gates(struct scene *scene)
{
	for (int role = 0; role < ROLES; role++) {
		scene->gate_open[role] = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
		scene->gate_ready[role] = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
		scene->gate_act[role] = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
		if (scene->gate_act[role] < 0)
			fail("eventfd");
	}
}

static void look_after(const struct scene *scene, void *actor)
{
	if (scene->family->look_after)
		scene->family->look_after(actor);
}

/* Tell that everything is prepared, wait for the tracer, and do it. */
static void act(struct scene *scene, void *actor, int role,
		void (*what)(void *, const struct operation *))
{
	gate_pass(scene->gate_ready[role], 1);
	gate_wait(scene->gate_act[role]);
	mark_arm(true);
	what(actor, scene->operation);
	mark_arm(false);
	clock_release();
	scene->family->leave(actor);
}

/* The parent of a forked victim: what it holds must stay its own. */
static void stand_by(struct scene *scene, void *actor)
{
	clock_release();
	gate_wait(scene->gate_act[ROLE_BYSTANDER]);
	if (scene->family->finish)
		scene->family->finish(actor);
	scene->family->leave(actor);
	wait(NULL);
}

/* True in the child, which is the victim from now on. */
static bool fork_victim(struct scene *scene, void *actor)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid > 0)
		return false;
	if (scene->family->forked)
		scene->family->forked(actor);
	scene->outcome->forked = getpid();
	return true;
}

static void play_victim(struct scene *scene)
{
	const struct operation *operation = scene->operation;
	void *actor = scene->family->hire(scene, operation->forks ? ACTOR_FIRST : ACTOR_VICTIM);

	gate_wait(scene->gate_open[ROLE_VICTIM]);
	clock_hold();
	if (!operation->unopened)
		scene->family->enter(actor);
	if (operation->prepare)
		operation->prepare(actor, operation);
	/* Later than anybody looked after the others: so the victim does now, so that it will not
	 * be due again while the clock stands still; or in its act. */
	clock_advance(1000000000);
	if (!operation->due)
		look_after(scene, actor);
	if (operation->forks && !fork_victim(scene, actor))
		stand_by(scene, actor);
	else
		act(scene, actor, ROLE_VICTIM, operation->act);
}

/* How many processes are killed before the victim acts. */
static uint32_t first_victims(const struct operation *operation)
{
	if (!operation->first_act)
		return 0;
	return operation->first_times ? operation->first_times : 1;
}

static void play_first(struct scene *scene)
{
	void *actor = scene->family->hire(scene, ACTOR_FIRST);

	gate_wait(scene->gate_open[ROLE_FIRST]);
	clock_hold();
	scene->family->enter(actor);
	if (scene->operation->first)
		scene->operation->first(actor, scene->operation);
	clock_advance(1000000000);
	look_after(scene, actor);
	scene->outcome->forked = getpid();
	act(scene, actor, ROLE_FIRST, scene->operation->first_act);
}

static void play_sleeper(struct scene *scene, uint32_t i)
{
	void *actor = scene->family->hire(scene, ACTOR_SLEEPER + i);
	ferry_deadline deadline;

	gate_wait(scene->gate_open[ROLE_SLEEPERS]);
	scene->family->enter(actor);
	deadline = ferry_in_ms(SCENE_ALARM * 2000);
	atomic_fetch_add(&scene->outcome->calling, 1);
	scene->family->sleep(actor, scene->operation, scene->sleepers[i].kind, deadline);
	scene->family->leave(actor);
}

/* Fork a player, which dies with the scene. Returns its pid in the scene, 0 in the player. */
static pid_t enter(void)
{
	pid_t scene = getpid(), pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != scene)
			_exit(2);
	}
	return pid;
}

static void cast_sleepers(struct scene *scene)
{
	for (uint32_t kind = 0; kind < SLEEPER_KINDS; kind++)
		for (uint32_t n = scene->operation->sleepers[kind]; n > 0; n--) {
			uint32_t i = scene->n_sleepers++;

			if (i == SCENE_SLEEPERS) {
				fputs("ferry-kill: too many sleepers\n", stderr);
				_exit(2);
			}
			scene->sleepers[i].kind = kind;
			scene->sleepers[i].pid = enter();
			if (scene->sleepers[i].pid == 0) {
				play_sleeper(scene, i);
				_exit(0);
			}
		}
}

/* All players enter before the scene opens anything, so that none inherits its handle. */
static void cast(struct scene *scene)
{
	scene->victim.pid = enter();
	if (scene->victim.pid == 0) {
		play_victim(scene);
		_exit(0);
	}
	for (uint32_t i = 0; i < first_victims(scene->operation); i++)
		if (enter() == 0) {
			play_first(scene);
			_exit(0);
		}
	cast_sleepers(scene);
}

/* Have a player open and prepare, take it under ptrace, and bring it to its first point. */
static void summon(struct scene *scene, struct victim *victim, int role)
{
	int result;

	gate_pass(scene->gate_open[role], 1);
	gate_wait(scene->gate_ready[role]);
	if (role == ROLE_VICTIM && scene->operation->forks)
		scene->bystander = victim->pid;
	if (role == ROLE_FIRST || scene->operation->forks)
		victim->pid = scene->outcome->forked;
	result = victim_seize(victim, victim->pid, role == ROLE_VICTIM && scene->operation->child,
			      scene->operation->text ? scene->operation->text : libferry_text);
	if (result == -EPERM || result == -ENOSYS) {
		scene->outcome->not_allowed = true;
		_exit(2);
	}
	if (result < 0)
		fail("PTRACE_SEIZE");
}

static void raise_curtain(struct scene *scene, struct victim *victim, int role)
{
	gate_pass(scene->gate_act[role], 1);
	victim_start(victim);
}

static bool all_asleep(struct scene *scene)
{
	if (atomic_load(&scene->outcome->calling) < scene->n_sleepers ||
	    (scene->family->asleep && !scene->family->asleep(scene)))
		return false;
	for (uint32_t i = 0; i < scene->n_sleepers; i++)
		if (!process_sleeps(scene->sleepers[i].pid))
			return false;
	return true;
}

static void start_sleepers(struct scene *scene)
{
	if (scene->sleepers_started || !scene->n_sleepers)
		return;
	scene->sleepers_started = true;
	if (scene->family->before_sleep)
		scene->family->before_sleep(scene);
	gate_pass(scene->gate_open[ROLE_SLEEPERS], scene->n_sleepers);
	/* A strike may have given them what they want before: then they need not sleep. Those who
	 * begin after it have waited for nothing until then. */
	while (!all_asleep(scene)) {
		if (atomic_load(&scene->outcome->calling) < scene->n_sleepers)
			scene->struck_at = now_ns();
		if (scene_all_unfinished(scene) < scene->n_sleepers)
			return;
		sched_yield();
	}
}

static void note_path(struct scene *scene, const struct victim *victim)
{
	bool noted = scene->run->strike == STRIKE_NONE || scene->run->strike == STRIKE_PROBE;

	if (noted && victim->points < SCENE_PATH)
		scene->outcome->path[victim->points] = victim->in_text ? victim->address : 0;
}

static uint64_t visible(struct scene *scene)
{
	return scene->family->visible ? scene->family->visible(scene) : 0;
}

/* Step the first victim through its act, and find the last point before what it does becomes
 * visible to others: there it holds the most. */
static void probe_first(struct scene *scene)
{
	struct victim *first = &scene->first;
	uint64_t before = visible(scene);

	while (first->state == VICTIM_POINT) {
		uint32_t point = first->points;
		uint64_t now;

		note_path(scene, first);
		victim_step(first);
		now = visible(scene);
		if (now != before)
			scene->outcome->first_at = point;
		before = now;
	}
	scene->outcome->points = first->points;
}

static void doom(struct scene *scene, uint32_t actor)
{
	if (scene->family->doom)
		scene->family->doom(scene, actor);
}

static void note_death(struct scene *scene, uint32_t actor, bool dead)
{
	if (scene->family->died)
		scene->family->died(scene, actor, dead);
}

static void kill_first(struct scene *scene)
{
	struct victim *first = &scene->first;
	struct place place = scene->run->first_place;

	if (place.address)
		victim_run_to(first, &place);
	while (first->state == VICTIM_POINT && first->points < scene->run->first_at)
		victim_step(first);
	doom(scene, ACTOR_FIRST);
	if (first->state == VICTIM_POINT)
		victim_kill(first);
	/* Of many, some may find others' remains in their way, and go another. */
	else if (first_victims(scene->operation) == 1)
		fault(scene->faults, "harness: the first victim did not reach its point");
	note_death(scene, ACTOR_FIRST, true);
}

/* The first victims, one after the other. */
static void sacrifice(struct scene *scene)
{
	scene_phase(scene, "the first victim");
	for (uint32_t i = 0; i < first_victims(scene->operation); i++) {
		note_death(scene, ACTOR_FIRST, false);
		summon(scene, &scene->first, ROLE_FIRST);
		raise_curtain(scene, &scene->first, ROLE_FIRST);
		if (scene->run->strike == STRIKE_PROBE) {
			probe_first(scene);
			_exit(0);
		}
		kill_first(scene);
	}
}

/* The victim sleeps: now others fall asleep behind it, and somebody wakes one. */
static void rouse(struct scene *scene)
{
	if (!scene->operation->rouse)
		return;
	/* While the path is noted, in slow steps, the others would be faster. */
	if (scene->run->strike != STRIKE_NONE)
		start_sleepers(scene);
	scene->operation->rouse(scene->survivor, scene->operation);
}

/* Take the short cut. It may lead through a sleep. */
static void skip_ahead(struct scene *scene)
{
	struct place place = scene->run->place;

	do {
		if (scene->victim.state == VICTIM_ASLEEP)
			rouse(scene);
		victim_run_to(&scene->victim, &place);
	} while (scene->victim.state == VICTIM_ASLEEP);
}

static void advance(struct scene *scene)
{
	struct victim *victim = &scene->victim;

	scene_phase(scene, "stepping");
	if (scene->run->place.address)
		skip_ahead(scene);
	note_path(scene, victim);
	while (victim->points < scene->run->at) {
		if (victim->state == VICTIM_ASLEEP)
			rouse(scene);
		if (victim->state != VICTIM_POINT && victim->state != VICTIM_ASLEEP)
			break;
		victim_step(victim);
		note_path(scene, victim);
	}
	scene->outcome->points = victim->points;
	scene->outcome->address = victim->address;
}

/* Of a parent and its child, who is left goes on by himself. */
static void strike_dead(struct scene *scene)
{
	struct victim *victim = &scene->victim;

	doom(scene, ACTOR_VICTIM);
	if (!scene->operation->child) {
		victim_kill(victim);
		return;
	}
	scene_phase(scene, "one of parent and child goes on");
	if (scene->operation->orphan && victim->parent)
		victim_kill_parent(victim);
	else
		victim_kill(victim);
	while (!victim_finish(victim))
		sched_yield();
}

static void strike(struct scene *scene)
{
	struct victim *victim = &scene->victim;
	struct outcome *outcome = scene->outcome;

	/* In some runs the survivor has looked after the others just before, and will not soon
	 * again. */
	if (scene->run->at % 8 == 7)
		look_after(scene, scene->survivor);
	scene->struck_at = now_ns();
	if (victim->state == VICTIM_BROKEN)
		fault(scene->faults, "C5: the victim crashed with signal %d",
		      WTERMSIG(victim->status));
	outcome->struck = victim->state == VICTIM_POINT || victim->state == VICTIM_ASLEEP;
	alarm(SCENE_ALARM);
	if (outcome->struck && scene->run->strike == STRIKE_KILL)
		strike_dead(scene);
	else if (outcome->struck)
		victim_hold(victim);
	if (!outcome->struck || scene->run->strike == STRIKE_KILL)
		note_death(scene, ACTOR_VICTIM, true);
	alarm(SCENE_ALARM);
}

/* A stopped victim goes on to its end. If it sleeps on the way, others give it what it waits for.
 */
static void go_on(struct scene *scene)
{
	struct victim *victim = &scene->victim;

	scene_phase(scene, "letting the victim go on");
	while (!victim_finish(victim)) {
		if (scene->family->feed)
			scene->family->feed(scene);
		else if (scene->operation->rouse)
			scene->operation->rouse(scene->survivor, scene->operation);
		sched_yield();
	}
	if (victim->state == VICTIM_BROKEN)
		fault(scene->faults, "C5: the victim crashed with signal %d when it went on",
		      WTERMSIG(victim->status));
	note_death(scene, ACTOR_VICTIM, true);
	scene->struck_at = now_ns();
	alarm(SCENE_ALARM);
}

static void dismiss_bystander(struct scene *scene)
{
	int status = 0;

	if (!scene->bystander)
		return;
	scene_phase(scene, "the forked victim's parent");
	gate_pass(scene->gate_act[ROLE_BYSTANDER], 1);
	waitpid(scene->bystander, &status, 0);
	if (status)
		fault(scene->faults, "C5: the forked victim's parent ended with %#x",
		      (unsigned)status);
	note_death(scene, ACTOR_FIRST, true);
}

static void prepare(struct scene *scene)
{
	scene_phase(scene, "setting the stage");
	scene->family->set_stage(scene);
	scene_phase(scene, "preparing the victim");
	summon(scene, &scene->victim, ROLE_VICTIM);
	if (scene->family->complete_stage)
		scene->family->complete_stage(scene);
}

static void end(struct scene *scene)
{
	int64_t slowest = scene->outcome->slowest;

	scene->family->end(scene);
	scene_expect_no_litter(scene);
	/* Only what came before the end counts as recovery. */
	scene->outcome->slowest = slowest;
}

_Noreturn void scene_run(const struct run *run, struct outcome *outcome)
{
	static struct scene scene;

	alarm(SCENE_ALARM * 4);
	setenv("FERRY_DIR", run->directory, 1);
	scene = (struct scene){
		.run = run,
		.family = run->family,
		.operation = run->operation,
		.outcome = outcome,
		.faults = &outcome->faults,
		.record = outcome->record,
	};
	scene.survivor = run->family->hire(&scene, ACTOR_SURVIVOR);
	make_gates(&scene);
	cast(&scene);
	prepare(&scene);
	sacrifice(&scene);
	if (!run->operation->rouse) {
		scene_phase(&scene, "waiting for the sleepers");
		start_sleepers(&scene);
	}
	raise_curtain(&scene, &scene.victim, ROLE_VICTIM);
	advance(&scene);
	strike(&scene);
	start_sleepers(&scene);
	run->family->survive(&scene);
	if (outcome->struck && run->strike == STRIKE_STOP) {
		go_on(&scene);
		run->family->survive(&scene);
	}
	dismiss_bystander(&scene);
	end(&scene);
	_exit(0);
}
