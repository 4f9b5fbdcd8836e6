/* SPDX-License-Identifier: MIT */
/* How signals and children are attacked, and what survivors must find; see family.h. */
#include "signals.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static_assert(sizeof(struct signal_ledger) <= SCENE_RECORD, "the ledger does not fit");

static const struct signal_setup *setup_of(struct scene *scene)
{
	return signal_setup(scene->operation);
}

/* ---- actors ---- */

static void fail(const char *what)
{
	perror(what);
	_exit(2);
}

/* Before all others are there: pipes that they inherit, and a process whose end can be waited for.
 */
static void furnish(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;

	ledger->faults = scene->faults;
	ledger->scene = getpid();
	if (pipe2(ledger->to_child, O_CLOEXEC) != 0 || pipe2(ledger->from_child, O_CLOEXEC) != 0)
		fail("pipe");
	/* Whoever loses its parent becomes the scene's. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)signal(SIGPIPE, SIG_IGN);
	if (!setup_of(scene)->waits)
		return;
	pid_t target = fork();
	if (target < 0)
		fail("fork");
	if (target == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	ledger->target = target;
}

static void *hire(struct scene *scene, uint32_t index)
{
	struct signal_actor *actor = calloc(1, sizeof(*actor));
	struct signal_ledger *ledger = scene->record;

	if (!actor)
		abort();
	*actor = (struct signal_actor){
		.ledger = ledger,
		.setup = setup_of(scene),
		.index = index,
	};
	if (index == ACTOR_SURVIVOR) {
		furnish(scene);
		return actor;
	}
	/* The survivor's ends. */
	(void)close(ledger->to_child[1]);
	(void)close(ledger->from_child[0]);
	if (index == ACTOR_VICTIM)
		ledger->victim = getpid();
	return actor;
}

static int note(const struct ferry_signal_info *info, void *arg)
{
	struct signal_actor *actor = arg;

	if (info->signo == SIGNAL_RT && info->payload != actor->ledger->handled++)
		fault(actor->ledger->faults, "C4: signal %d came as number %u", (int)info->payload,
		      actor->ledger->handled);
	return 0;
}

static void enter(void *it)
{
	struct signal_actor *actor = it;
	const struct signal_setup *setup = actor->setup;
	sigset_t set;
	int r = 0;

	if (setup->blocks) {
		sigemptyset(&set);
		sigaddset(&set, SIGNAL_RT);
		sigprocmask(SIG_BLOCK, &set, NULL);
	}
	if (setup->catches)
		r = ferry_signal_catch(SIGNAL_RT, note, actor, NULL);
	if (r == 0 && setup->catches)
		r = ferry_signal_catch(SIGUSR1, note, actor, NULL);
	if (r == 0 && setup->sends)
		r = ferry_process_open(&actor->process, actor->ledger->scene, 0, NULL);
	if (r == 0 && setup->waits)
		r = ferry_process_open(&actor->process, actor->ledger->target, 0, NULL);
	if (r != 0)
		fault(actor->ledger->faults, "C5: preparing returned %s", ferry_error_name(r));
}

static void leave(void *it)
{
	struct signal_actor *actor = it;

	ferry_process_close(actor->process);
	actor->process = NULL;
}

/* ---- the scene's own ---- */

static int count(const struct ferry_signal_info *info, void *arg)
{
	struct signal_ledger *ledger = arg;

	if (info->payload != ++ledger->came)
		fault(ledger->faults, "C4: signal %d came as number %u", (int)info->payload,
		      ledger->came);
	return 0;
}

static void set_stage(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;

	/* The victim's ends. */
	(void)close(ledger->to_child[0]);
	(void)close(ledger->from_child[1]);
	if (setup_of(scene)->sends && ferry_signal_catch(SIGNAL_TO, count, ledger, NULL) < 0)
		fault(scene->faults, "C5: the survivor cannot catch");
}

static void send_batch(struct scene *scene)
{
	if (!setup_of(scene)->catches && !setup_of(scene)->blocks)
		return;
	for (int i = 0; i < SIGNAL_BATCH; i++) {
		struct signal_ledger *ledger = scene->record;
		ferry_process *victim;
		int64_t since = now_ns();
		int r = ferry_process_open(&victim, ledger->victim, 0, NULL);

		r = r < 0 ? r : ferry_signal_send(victim, SIGNAL_RT, ledger->sent);
		if (r == 0) {
			ledger->sent++;
			ferry_process_close(victim);
		} else {
			fault(scene->faults, "C5: sending to the victim returned %s",
			      ferry_error_name(r));
		}
		scene_took(scene, since);
	}
}

/* One that sleeps finds nothing before. */
static void complete_stage(struct scene *scene)
{
	if (!scene->operation->rouse)
		send_batch(scene);
}

/* ---- after the strike ---- */

/* What the victim sent has come, and no more. */
static void receive(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;
	int64_t since = now_ns();
	int r = 1;

	scene_phase(scene, "receiving what the victim sent");
	while (r > 0)
		r = ferry_signal_dispatch(
		    ledger->came < ledger->delivered ? ferry_in_ms(SCENE_PATIENCE) : FERRY_NOW);
	if (ledger->came < ledger->delivered || ledger->came > ledger->sending)
		fault(scene->faults,
		      "C2: %u signals came, of %u that were sent for sure and %u begun",
		      ledger->came, ledger->delivered, ledger->sending);
	scene_took(scene, since);
}

/* Does the program run? Its echo says so; the end of its output says that there is none. */
enum verdict { RUNS, IS_NOT, HANGS };

static enum verdict ask_child(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;
	struct pollfd answer = { .fd = ledger->from_child[0], .events = POLLIN };
	char byte = '?';
	enum verdict verdict = HANGS;

	scene_phase(scene, "asking the child");
	(void)!write(ledger->to_child[1], &byte, 1);
	if (poll(&answer, 1, SCENE_PATIENCE) == 1)
		verdict = read(ledger->from_child[0], &byte, 1) == 1 ? RUNS : IS_NOT;
	return verdict;
}

/* A child that is tied may still run when it is asked; but soon it has ended by itself. */
static bool ends_by_itself(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;
	struct pollfd answer = { .fd = ledger->from_child[0], .events = POLLIN };
	char byte;

	while (poll(&answer, 1, SCENE_PATIENCE) == 1)
		if (read(ledger->from_child[0], &byte, 1) <= 0)
			return true;
	return false;
}

static bool parent_was_killed(struct scene *scene)
{
	const struct operation *operation = scene->operation;

	return scene->run->strike == STRIKE_KILL && scene->outcome->struck &&
	       (!operation->child || operation->orphan);
}

/* A child that is killed around execve(2) has run the program as far as anybody can tell: it may
 * have been inside. That is the end of its way, and of the few points after an execve that failed.
 */
static bool may_have_run(const struct scene *scene)
{
	enum { AROUND_EXECVE = 24 };

	return scene->run->at + AROUND_EXECVE >= scene->run->points;
}

/* What must have become of the spawn, given who was killed. */
static void judge_spawn(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;
	const struct signal_setup *setup = setup_of(scene);
	bool child_was_killed = scene->operation->child && !scene->operation->orphan &&
				scene->run->strike == STRIKE_KILL && scene->outcome->struck;
	int64_t since = now_ns();

	/* The parent is over in any case, killed or not. */
	if (setup->tied && !ends_by_itself(scene))
		fault(scene->faults, "C5: a child outlives the parent that it is tied to");
	if (setup->tied && !parent_was_killed(scene) &&
	    (!ledger->spawn_returned || ledger->spawn_result != 0))
		fault(scene->faults, "C5: the spawn returned %s",
		      ferry_error_name(ledger->spawn_result));
	if (setup->tied)
		return;
	enum verdict verdict = ask_child(scene);
	scene_took(scene, since);
	if (verdict == HANGS)
		fault(scene->faults, "C5: a child that neither runs its program nor ends");
	if (verdict == RUNS && (setup->no_program || child_was_killed))
		fault(scene->faults, "C5: a program runs that cannot");
	if (parent_was_killed(scene))
		return;
	if (!ledger->spawn_returned)
		fault(scene->faults, "C5: the spawn did not return");
	else if ((ledger->spawn_result == 0) != (verdict == RUNS) &&
		 !(child_was_killed && may_have_run(scene)))
		fault(scene->faults, "C5: the spawn returned %s at step %d, but the program %s",
		      ferry_error_name(ledger->spawn_result), (int)ledger->spawn_step,
		      verdict == RUNS ? "runs" : "does not run");
}

static void survive(struct scene *scene)
{
	const struct signal_setup *setup = setup_of(scene);
	struct signal_ledger *ledger = scene->record;

	scene_phase(scene, "going on");
	if (setup->sends)
		receive(scene);
	if (!scene_victim_is_over(scene)) {
		send_batch(scene);
		return;
	}
	bool killed = scene->run->strike == STRIKE_KILL && scene->outcome->struck;
	if (setup->spawns)
		judge_spawn(scene);
	if (!killed && ledger->handled != ledger->sent)
		fault(scene->faults, "C2: %u signals of %u were handled", ledger->handled,
		      ledger->sent);
	if (!killed && setup->waits && !ledger->target_seen)
		fault(scene->faults, "C6: the end of a process was not told");
}

/* ---- the end ---- */

/* Everybody who is left has nothing to wait for: all end, and the scene reaps the orphans. */
static void end(struct scene *scene)
{
	struct signal_ledger *ledger = scene->record;
	int64_t since = now_ns();
	pid_t pid;

	scene_phase(scene, "the end of all children");
	if (setup_of(scene)->waits)
		kill(ledger->target, SIGKILL);
	(void)close(ledger->to_child[1]);
	while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) >= 0) {
		if (pid == 0 && scene_out_of_patience(since)) {
			fault(scene->faults, "C5: a child is left");
			return;
		}
		if (pid == 0)
			scene_pause();
	}
	(void)close(ledger->from_child[0]);
	if (setup_of(scene)->sends)
		(void)ferry_signal_restore(SIGNAL_TO, NULL);
}

const struct family family_signal = {
	.name = "signal",
	.operations = signal_operations,
	.hire = hire,
	.enter = enter,
	.leave = leave,
	.set_stage = set_stage,
	.complete_stage = complete_stage,
	.survive = survive,
	.end = end,
};
