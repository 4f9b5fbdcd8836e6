/* SPDX-License-Identifier: MIT */
/* See companions.h. */
#include "companions.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

static void forget(struct victim *victim, uint32_t i)
{
	victim->companions[i] = victim->companions[--victim->n_companions];
}

static void resume(struct companion *companion, int signal)
{
	if (ptrace(PTRACE_CONT, companion->thread, 0, signal) && errno != ESRCH)
		harness_broken("companion: PTRACE_CONT");
	companion->runs = true;
}

/* Its status, if it has stopped or ended; wait for that, if need be. */
static bool has_stopped(const struct companion *companion, int *ret_status, bool wait)
{
	pid_t pid;

	do
		pid = waitpid(companion->thread, ret_status, __WALL | (wait ? 0 : WNOHANG));
	while (pid < 0 && errno == EINTR);
	if (pid < 0)
		harness_broken("companion: waitpid");
	return pid == companion->thread;
}

/* It is at a breakpoint: as if it had not come there yet. */
static bool step_back(const struct victim *victim, const struct companion *companion)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, companion->thread, 0, &regs) ||
	    regs.rip != victim->breakpoint.address + 1 || !victim->breakpoint.address)
		return false;
	regs.rip--;
	if (ptrace(PTRACE_SETREGS, companion->thread, 0, &regs))
		harness_broken("companion: PTRACE_SETREGS");
	return true;
}

/* Do what is behind the breakpoint. The victim sleeps; if it should wake just now it may miss its
 * point, and the run is counted so. True: it has done that; else *ret_status says what came
 * instead. */
static bool pass(const struct victim *victim, const struct companion *companion, int *ret_status)
{
	const uintptr_t address = victim->breakpoint.address;
	const long word = victim->breakpoint.word;

	if (ptrace(PTRACE_POKEDATA, companion->thread, address, word) ||
	    ptrace(PTRACE_SINGLESTEP, companion->thread, 0, 0))
		harness_broken("companion: step");
	(void)has_stopped(companion, ret_status, true);
	if (!WIFSTOPPED(*ret_status))
		return false;
	if (ptrace(PTRACE_POKEDATA, companion->thread, address, (word & ~0xffL) | 0xcc))
		harness_broken("companion: PTRACE_POKEDATA");
	return *ret_status >> 8 == SIGTRAP;
}

/* It has stopped: the signal that it is to go on with. */
static int signal_of(const struct victim *victim, const struct companion *companion, int status)
{
	if (status >> 16)
		return 0; /* an event of ptrace */
	if (WSTOPSIG(status) != SIGTRAP)
		return WSTOPSIG(status);
	(void)step_back(victim, companion);
	return 0;
}

void companions_add(struct victim *victim, pid_t thread)
{
	struct companion new = { .thread = thread };
	int status;

	if (victim->n_companions == COMPANIONS)
		harness_broken("too many threads");
	if (has_stopped(&new, &status, true) && WIFSTOPPED(status))
		victim->companions[victim->n_companions++] = new;
}

/* False: it has ended. */
static bool tend(const struct victim *victim, struct companion *companion, int status)
{
	bool passed = WIFSTOPPED(status) && status >> 8 == SIGTRAP &&
		      step_back(victim, companion) && pass(victim, companion, &status);

	if (!WIFSTOPPED(status))
		return false;
	if (status >> 8 == (SIGTRAP | PTRACE_EVENT_CLONE << 8))
		harness_broken("a thread of ferry's makes another");
	resume(companion, passed ? 0 : signal_of(victim, companion, status));
	return true;
}

void companions_tend(struct victim *victim)
{
	int status;

	for (uint32_t i = victim->n_companions; i-- > 0;)
		if (has_stopped(&victim->companions[i], &status, false) &&
		    !tend(victim, &victim->companions[i], status))
			forget(victim, i);
}

void companions_let_go(struct victim *victim)
{
	for (uint32_t i = 0; i < victim->n_companions; i++) {
		struct companion *companion = &victim->companions[i];

		if (!companion->runs)
			resume(companion, companion->signal);
		companion->signal = 0;
	}
}

bool companions_sleep(const struct victim *victim)
{
	for (uint32_t i = 0; i < victim->n_companions; i++)
		if (!process_sleeps(victim->companions[i].thread))
			return false;
	return true;
}

void companions_hold(struct victim *victim)
{
	for (uint32_t i = victim->n_companions; i-- > 0;) {
		struct companion *companion = &victim->companions[i];
		int status;

		if (!companion->runs)
			continue;
		/* It may be dead already, or stopped for another reason; then the stop that is
		 * asked for here comes when it goes on. */
		if (ptrace(PTRACE_INTERRUPT, companion->thread, 0, 0) && errno != ESRCH)
			harness_broken("companion: PTRACE_INTERRUPT");
		(void)has_stopped(companion, &status, true);
		if (!WIFSTOPPED(status)) {
			forget(victim, i);
			continue;
		}
		companion->signal = signal_of(victim, companion, status);
		companion->runs = false;
	}
}

void companions_dismiss(struct victim *victim)
{
	companions_hold(victim);
	for (uint32_t i = 0; i < victim->n_companions; i++)
		if (ptrace(PTRACE_DETACH, victim->companions[i].thread, 0,
			   victim->companions[i].signal) &&
		    errno != ESRCH)
			harness_broken("companion: PTRACE_DETACH");
	victim->n_companions = 0;
}

void companions_bury(struct victim *victim)
{
	int status;

	while (victim->n_companions > 0) {
		struct companion *companion = &victim->companions[victim->n_companions - 1];

		(void)has_stopped(companion, &status, true);
		if (!WIFSTOPPED(status))
			victim->n_companions--;
	}
}
