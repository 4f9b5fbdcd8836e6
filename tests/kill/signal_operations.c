/* SPDX-License-Identifier: MIT */
/* The table of operations on signals and children; see docs/testing-kill.md. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "signals.h"

typedef const struct operation op;

#define UNUSED __attribute__((unused))

static ferry_deadline patience(op *o)
{
	return o->wait_ms ? ferry_in_ms(o->wait_ms) : FERRY_NOW;
}

static void expect(struct signal_actor *actor, const char *what, int r, bool is_right)
{
	if (!is_right)
		fault(actor->ledger->faults, "C5: %s returned %s", what, ferry_error_name(r));
}

/* ---- sending ---- */

static void do_send(void *a, op *o UNUSED)
{
	struct signal_actor *actor = a;
	struct signal_ledger *ledger = actor->ledger;
	int r;

	for (int i = 0; i < SIGNAL_BATCH; i++) {
		ledger->sending++;
		ATTACKED(
		    r = ferry_signal_send(actor->process, SIGNAL_TO, (int64_t)ledger->sending));
		expect(actor, "send", r, r == 0);
		ledger->delivered++;
	}
}

/* ---- receiving ---- */

/* All that was sent, in whatever calls it comes: it must be there. */
static void receive_rest(struct signal_actor *actor, op *o)
{
	struct signal_ledger *ledger = actor->ledger;
	struct ferry_signal_info info;

	while (ledger->handled < ledger->sent) {
		int r = actor->setup->catches && !strstr(o->name, "wait")
			    ? ferry_signal_dispatch(ferry_in_ms(SCENE_PATIENCE))
			    : ferry_signal_wait(&info, FERRY_SIGNAL(SIGNAL_RT),
						ferry_in_ms(SCENE_PATIENCE));
		if (r < 0) {
			fault(ledger->faults, "C2: %u signals of %u came, then %s", ledger->handled,
			      ledger->sent, ferry_error_name(r));
			return;
		}
		if (strstr(o->name, "wait") && info.payload != ledger->handled++)
			fault(ledger->faults, "C4: signal %d came as number %u", (int)info.payload,
			      ledger->handled);
	}
}

static void do_dispatch(void *a, op *o)
{
	int r;

	ATTACKED(r = ferry_signal_dispatch(patience(o)));
	expect(a, "dispatch", r, r == SIGNAL_RT || r == SIGUSR1 || r == -ETIMEDOUT);
	receive_rest(a, o);
}

static void do_wait(void *a, op *o)
{
	struct signal_actor *actor = a;
	struct ferry_signal_info info = { 0 };
	int r;

	ATTACKED(r = ferry_signal_wait(&info, FERRY_SIGNAL(SIGNAL_RT), patience(o)));
	expect(actor, "wait", r, r == SIGNAL_RT || r == -ETIMEDOUT);
	if (r > 0 && info.payload != actor->ledger->handled++)
		fault(actor->ledger->faults, "C4: signal %d came first", (int)info.payload);
	receive_rest(actor, o);
}

/* Send a signal to this very thread, with a system call that is no function's: the handler is then
 * stepped through from its first instruction. */
__attribute__((noinline)) static void signal_thread(long pid, long tid, long signo)
{
	long r = SYS_tgkill;

	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"(pid), "S"(tid), "d"(signo)
			 : "rcx", "r11", "memory");
}

/* Dispatched at the end, so that its handler is not called in between. */
static void do_arrive(void *a, op *o)
{
	const long pid = getpid(), tid = syscall(SYS_gettid);
	struct signal_actor *actor = a;
	int r;

	ATTACKED(signal_thread(pid, tid, SIGUSR1));
	r = ferry_signal_dispatch(FERRY_NOW);
	expect(actor, "dispatch of what arrived", r, r == SIGUSR1);
	receive_rest(actor, o);
}

static int nothing(const struct ferry_signal_info *info UNUSED, void *arg UNUSED)
{
	return 0;
}

static void do_catch(void *a, op *o)
{
	int r;

	ATTACKED(r = ferry_signal_catch(SIGUSR2, nothing, NULL, NULL));
	expect(a, "catch", r, r == 0);
	ATTACKED(r = ferry_signal_restore(SIGUSR2, NULL));
	expect(a, "restore", r, r == 0);
	receive_rest(a, o);
}

static void send_one(void *survivor, op *o UNUSED)
{
	struct signal_actor *actor = survivor;
	ferry_process *victim;

	if (ferry_process_open(&victim, actor->ledger->victim, 0, NULL) < 0)
		return;
	if (ferry_signal_send(victim, SIGNAL_RT, actor->ledger->sent) == 0)
		actor->ledger->sent++;
	ferry_process_close(victim);
}

/* ---- processes ---- */

static void do_process_wait(void *a, op *o)
{
	struct signal_actor *actor = a;
	struct ferry_process_end end;
	int r;

	ATTACKED(r = ferry_process_wait(actor->process, &end, patience(o)));
	expect(actor, "process_wait", r, r == 0 || r == -ETIMEDOUT);
	if (r == -ETIMEDOUT)
		r = ferry_process_wait(actor->process, &end, ferry_in_ms(SCENE_PATIENCE));
	actor->ledger->target_seen = r == 0;
}

static void end_target(void *survivor, op *o UNUSED)
{
	struct signal_actor *actor = survivor;

	actor->ledger->target_killed = true;
	kill(actor->ledger->target, SIGKILL);
}

static void do_spawn(void *a, op *o UNUSED)
{
	static char cat[] = "/bin/cat", unbuffered[] = "-u";
	static char *const arguments[] = { cat, unbuffered, NULL };
	struct signal_actor *actor = a;
	struct signal_ledger *ledger = actor->ledger;
	const struct ferry_spawn_descriptor ends[] = { { ledger->to_child[0], 0 },
						       { ledger->from_child[1], 1 } };
	const struct ferry_spawn_options *options =
	    FERRY_SPAWN_OPTIONS(.program = actor->setup->no_program ? "/bin/no-such-cat" : cat,
				.arguments = arguments, .descriptors = ends, .n_descriptors = 2,
				.die_with_parent = actor->setup->tied ? SIGKILL : 0,
				.ret_step = &ledger->spawn_step);
	ferry_process *process = NULL;
	int r;

	ledger->spawn_begun = true;
	ATTACKED(r = ferry_spawn(&process, options));
	ledger->spawn_result = r;
	ledger->spawn_returned = true;
	if (r == 0)
		ferry_process_close(process);
}

#define WITH(...) (&(const struct signal_setup){ __VA_ARGS__ })

const struct operation signal_operations[] = {
	{ .name = "signal-send",
	  .what = "three real-time signals to another process",
	  .with = WITH(.sends = true),
	  .act = do_send },
	{ .name = "signal-arrive",
	  .what = "a signal arrives, and its handler puts it into the queue",
	  .with = WITH(.catches = true),
	  .act = do_arrive },
	{ .name = "signal-dispatch",
	  .what = "the handler of a signal that waits in the queue",
	  .with = WITH(.catches = true),
	  .act = do_dispatch },
	{ .name = "signal-dispatch-kernel",
	  .what = "the handler of a signal that waits in the kernel",
	  .with = WITH(.catches = true, .blocks = true),
	  .act = do_dispatch },
	{ .name = "signal-wait",
	  .what = "wait for a signal that waits in the queue",
	  .with = WITH(.catches = true),
	  .act = do_wait },
	{ .name = "signal-wait-kernel",
	  .what = "wait for a signal that waits in the kernel, without catching it",
	  .with = WITH(.blocks = true),
	  .act = do_wait },
	{ .name = "signal-wait-sleeps",
	  .what = "wait for a signal until it is sent",
	  .with = WITH(.catches = true),
	  .act = do_wait,
	  .wait_ms = 2000,
	  .rouse = send_one },
	{ .name = "signal-catch",
	  .what = "catch a signal, and take that back",
	  .with = WITH(.catches = true),
	  .act = do_catch },
	{ .name = "process-wait",
	  .what = "wait for the end of a process",
	  .with = WITH(.waits = true),
	  .act = do_process_wait,
	  .wait_ms = 2000,
	  .rouse = end_target },
	{ .name = "spawn",
	  .what = "start a program",
	  .with = WITH(.spawns = true),
	  .act = do_spawn,
	  .rarely = 2 },
	{ .name = "spawn-tied",
	  .what = "start a program that shall die with its parent",
	  .with = WITH(.spawns = true, .tied = true),
	  .act = do_spawn,
	  .rarely = 2 },
	{ .name = "spawn-fails",
	  .what = "start a program that does not exist",
	  .with = WITH(.spawns = true, .no_program = true),
	  .act = do_spawn,
	  .rarely = 2 },
	{ .name = "spawn-child",
	  .what = "be started: what is struck is the child before it runs its program",
	  .with = WITH(.spawns = true),
	  .act = do_spawn,
	  .child = true },
	{ .name = "spawn-child-fails",
	  .what = "be started, as a program that does not exist",
	  .with = WITH(.spawns = true, .no_program = true),
	  .act = do_spawn,
	  .child = true },
	{ .name = "spawn-orphan",
	  .what = "be started, while the parent is killed",
	  .with = WITH(.spawns = true),
	  .act = do_spawn,
	  .child = true,
	  .orphan = true,
	  .kills = true },
	{ .name = "spawn-orphan-tied",
	  .what = "the same, of a child that shall die with its parent",
	  .with = WITH(.spawns = true, .tied = true),
	  .act = do_spawn,
	  .child = true,
	  .orphan = true,
	  .kills = true },
	{ .name = NULL },
};
