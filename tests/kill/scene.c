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

void scene_phase(struct scene *scene, const char *phase)
{
	snprintf(scene->outcome->phase, sizeof(scene->outcome->phase), "%s", phase);
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

static struct actor make_actor(const struct scene *scene, uint32_t index)
{
	return (struct actor){
		.subject = operation_subject(scene->operation),
		.ledger = scene->ledger,
		.index = index,
		.box_flags = scene->operation->box_flags,
		.spin = index == ACTOR_SURVIVOR ? 0 : -1,
	};
}

/* Tell that everything is prepared, wait for the tracer, and do it. */
static void act(struct scene *scene, struct actor *actor, int role,
		void (*what)(struct actor *, const struct operation *))
{
	gate_pass(scene->gate_ready[role], 1);
	gate_wait(scene->gate_act[role]);
	mark_arm(true);
	what(actor, scene->operation);
	mark_arm(false);
	clock_release();
	actor_close(actor);
}

/* Look after the others now, so that it will not be due again while the clock stands still. */
static void warm_up(struct actor *actor)
{
	if (actor->box && actor->subject == &subject_ferry)
		ferry_mailbox_receive(actor->box, NULL, 0, FERRY_NOW);
}

/* The parent of a forked victim: what it holds must stay its own. */
static void stand_by(struct scene *scene, struct actor *actor)
{
	clock_release();
	gate_wait(scene->gate_act[ROLE_BYSTANDER]);
	if (actor->n_taken)
		actor_done(actor);
	if (actor->loan.data)
		actor_cancel(actor);
	actor_close(actor);
	wait(NULL);
}

static void play_victim(struct scene *scene)
{
	const struct operation *operation = scene->operation;
	struct actor actor = make_actor(scene, operation->forks ? ACTOR_FIRST : ACTOR_VICTIM);

	gate_wait(scene->gate_open[ROLE_VICTIM]);
	clock_hold();
	if (!operation->unopened)
		actor_open(&actor, FERRY_EXISTING);
	if (operation->prepare)
		operation->prepare(&actor, operation);
	/* Later than anybody looked after the others: so the victim does now, or in its act. */
	clock_advance(1000000000);
	if (!operation->due)
		warm_up(&actor);
	if (operation->forks) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid > 0) {
			stand_by(scene, &actor);
			return;
		}
		actor.index = ACTOR_VICTIM;
		actor.n_taken = 0;
		scene->outcome->forked = getpid();
	}
	act(scene, &actor, ROLE_VICTIM, operation->act);
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
	struct actor actor = make_actor(scene, ACTOR_FIRST);

	gate_wait(scene->gate_open[ROLE_FIRST]);
	clock_hold();
	actor_open(&actor, FERRY_EXISTING);
	if (scene->operation->first)
		scene->operation->first(&actor, scene->operation);
	clock_advance(1000000000);
	warm_up(&actor);
	scene->outcome->forked = getpid();
	act(scene, &actor, ROLE_FIRST, scene->operation->first_act);
}

static void play_sleeper(struct scene *scene, uint32_t i)
{
	struct actor actor = make_actor(scene, ACTOR_SLEEPER + i);
	ferry_deadline deadline;

	gate_wait(scene->gate_open[ROLE_SLEEPERS]);
	actor_open(&actor, FERRY_EXISTING);
	deadline = ferry_in_ms(SCENE_ALARM * 2000);
	atomic_store(&scene->ledger->actors[actor.index].calling, 1);
	if (scene->sleepers[i].sends)
		actor_send_new(&actor, scene->operation->size, deadline);
	else
		actor_receive(&actor, deadline);
	actor_close(&actor);
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

/* All players enter before the scene opens the mailbox, so that none inherits its handle. */
static void cast(struct scene *scene)
{
	const struct operation *operation = scene->operation;

	scene->victim.pid = enter();
	if (scene->victim.pid == 0) {
		play_victim(scene);
		_exit(0);
	}
	for (uint32_t i = 0; i < first_victims(operation); i++)
		if (enter() == 0) {
			play_first(scene);
			_exit(0);
		}
	scene->n_sleepers = operation->sleeping_receivers + operation->sleeping_senders;
	for (uint32_t i = 0; i < scene->n_sleepers; i++) {
		scene->sleepers[i].sends = i >= operation->sleeping_receivers;
		scene->sleepers[i].pid = enter();
		if (scene->sleepers[i].pid == 0) {
			play_sleeper(scene, i);
			_exit(0);
		}
	}
}

static void prefill(struct scene *scene, uint32_t n, uint32_t priority, int64_t ttl)
{
	struct ledger *ledger = scene->ledger;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = ledger_new(ledger, scene->operation->size, priority, ttl);

		if (actor_send(&scene->survivor, id, FERRY_NOW) < 0)
			break;
	}
}

static void set_stage(struct scene *scene)
{
	const struct operation *operation = scene->operation;

	if (operation->absent)
		return;
	scene_phase(scene, "setting the stage");
	actor_open(&scene->survivor, FERRY_EXCLUSIVE);
	prefill(scene, operation->prefill_expiring, 0, 1);
	prefill(scene, operation->prefill, 0, 0);
	prefill(scene, operation->prefill_priority, 1, 0);
	/* The roles shall be the victim's. */
	if (operation->box_flags & FERRY_ONE_TO_ONE) {
		actor_close(&scene->survivor);
		actor_open(&scene->survivor, FERRY_EXISTING);
	}
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
	result = victim_seize(victim, victim->pid, scene->survivor.subject->text);
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

uint32_t scene_unfinished(struct scene *scene, bool senders)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < scene->n_sleepers; i++) {
		int status = 0;

		if (scene->sleepers[i].pid &&
		    waitpid(scene->sleepers[i].pid, &status, WNOHANG) > 0) {
			scene->sleepers[i].pid = 0;
			if (status)
				ledger_fault(scene->ledger, "C5: a sleeper ended with status %#x",
					     (unsigned)status);
		}
		n += scene->sleepers[i].pid && scene->sleepers[i].sends == senders;
	}
	return n;
}

static bool all_asleep(struct scene *scene)
{
	struct ferry_mailbox_stat stat = actor_look(&scene->survivor);

	if (stat.waiting_receivers < scene->operation->sleeping_receivers ||
	    stat.waiting_senders < scene->operation->sleeping_senders)
		return false;
	for (uint32_t i = 0; i < scene->n_sleepers; i++)
		if (!atomic_load(&scene->ledger->actors[ACTOR_SLEEPER + i].calling) ||
		    !process_sleeps(scene->sleepers[i].pid))
			return false;
	return true;
}

static void start_sleepers(struct scene *scene)
{
	struct ferry_mailbox_stat stat;

	if (scene->sleepers_started || !scene->n_sleepers)
		return;
	scene->sleepers_started = true;
	stat = actor_look(&scene->survivor);
	scene->full = (uint32_t)(stat.messages + stat.taken) + scene->operation->loans;
	gate_pass(scene->gate_open[ROLE_SLEEPERS], scene->n_sleepers);
	/* A strike may have made room before: then they need not sleep. */
	while (!all_asleep(scene)) {
		if (scene_unfinished(scene, true) + scene_unfinished(scene, false) <
		    scene->n_sleepers)
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

/* Step the first victim through its act, and find the last point before what it does becomes
 * visible to others: there it holds the most. */
static void probe_first(struct scene *scene)
{
	struct victim *first = &scene->first;
	struct ferry_mailbox_stat before = actor_look(&scene->survivor);

	while (first->state == VICTIM_POINT) {
		uint32_t point = first->points;
		struct ferry_mailbox_stat now;

		note_path(scene, first);
		victim_step(first);
		now = actor_look(&scene->survivor);
		if (now.messages != before.messages || now.taken != before.taken)
			scene->outcome->first_at = point;
		before = now;
	}
	scene->outcome->points = first->points;
}

static void kill_first(struct scene *scene)
{
	struct victim *first = &scene->first;
	struct place place = scene->run->first_place;

	if (place.address)
		victim_run_to(first, &place);
	while (first->state == VICTIM_POINT && first->points < scene->run->first_at)
		victim_step(first);
	if (first->state == VICTIM_POINT)
		victim_kill(first);
	/* Of many, some may find others' remains in their way, and go another. */
	else if (first_victims(scene->operation) == 1)
		ledger_fault(scene->ledger, "harness: the first victim did not reach its point");
	scene->ledger->actors[ACTOR_FIRST].dead = true;
}

/* The first victims, one after the other. */
static void sacrifice(struct scene *scene)
{
	scene_phase(scene, "the first victim");
	for (uint32_t i = 0; i < first_victims(scene->operation); i++) {
		scene->ledger->actors[ACTOR_FIRST].dead = false;
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
	scene->operation->rouse(&scene->survivor, scene->operation);
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

static void strike(struct scene *scene)
{
	struct victim *victim = &scene->victim;
	struct outcome *outcome = scene->outcome;

	/* In some runs the survivor has looked after the others just before, and will not soon
	 * again. */
	if (scene->run->at % 8 == 7)
		warm_up(&scene->survivor);
	scene->struck_at = now_ns();
	if (victim->state == VICTIM_BROKEN)
		ledger_fault(scene->ledger, "C5: the victim crashed with signal %d",
			     WTERMSIG(victim->status));
	outcome->struck = victim->state == VICTIM_POINT || victim->state == VICTIM_ASLEEP;
	if (outcome->struck && scene->run->strike == STRIKE_KILL)
		victim_kill(victim);
	else if (outcome->struck)
		victim_hold(victim);
	if (!outcome->struck || scene->run->strike == STRIKE_KILL)
		scene->ledger->actors[ACTOR_VICTIM].dead = true;
	alarm(SCENE_ALARM);
}

/* A stopped victim goes on to its end. If it sleeps on the way, others give it what it waits for.
 */
static void go_on(struct scene *scene)
{
	struct victim *victim = &scene->victim;

	scene_phase(scene, "letting the victim go on");
	while (!victim_finish(victim)) {
		if (scene->operation->rouse && !ledger_certain(scene->ledger))
			scene->operation->rouse(&scene->survivor, scene->operation);
		sched_yield();
	}
	if (victim->state == VICTIM_BROKEN)
		ledger_fault(scene->ledger, "C5: the victim crashed with signal %d when it went on",
			     WTERMSIG(victim->status));
	scene->ledger->actors[ACTOR_VICTIM].dead = true;
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
		ledger_fault(scene->ledger, "C5: the forked victim's parent ended with %#x",
			     (unsigned)status);
	scene->ledger->actors[ACTOR_FIRST].dead = true;
}

static void prepare(struct scene *scene)
{
	struct ledger *ledger = scene->ledger;

	ledger->drops = scene->operation->box_flags & FERRY_DROP_OLDEST;
	ledger->may_remove = scene->operation->removes;
	set_stage(scene);
	scene_phase(scene, "preparing the victim");
	summon(scene, &scene->victim, ROLE_VICTIM);
	prefill(scene, scene->operation->prefill_after, 0, 0);
}

_Noreturn void scene_run(const struct run *run, struct outcome *outcome)
{
	static struct scene scene;

	alarm(SCENE_ALARM * 4);
	setenv("FERRY_DIR", run->directory, 1);
	scene = (struct scene){
		.run = run,
		.operation = run->operation,
		.outcome = outcome,
		.ledger = &outcome->ledger,
	};
	scene.survivor = make_actor(&scene, ACTOR_SURVIVOR);
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
	if (!run->operation->absent)
		start_sleepers(&scene);
	survive(&scene);
	if (outcome->struck && run->strike == STRIKE_STOP) {
		go_on(&scene);
		survive(&scene);
	}
	dismiss_bystander(&scene);
	survive_end(&scene);
	_exit(0);
}
