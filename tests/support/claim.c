/* SPDX-License-Identifier: MIT */
/* Runs a claim in a process and process group of its own, and cleans up after it whatever happens.
 * The runner itself never opens a ferry object, so each claim meets the library as a new program
 * does. */
#include "claim.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "leftover.h"
#include "scratch.h"

static _Atomic pid_t current; /* the claim that runs just now */

/* Told to end: take the claim and its folder along. AS-safe calls only but for the removal, which
 * is safe here because the runner does nothing meanwhile but wait. */
static void interrupted(int signal_number)
{
	const pid_t claim = atomic_load(&current);

	if (claim > 0)
		kill(-claim, SIGKILL);
	scratch_remove();
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

void claim_begin(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		signal(signals[i], interrupted);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (getenv("FERRY_CLAIM"))
		cmocka_set_test_filter(getenv("FERRY_CLAIM"));
}

static void reset_signals(void)
{
	for (int i = 1; i < SIGRTMIN; i++)
		signal(i, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}

static _Noreturn void run_body(const struct claim *claim)
{
	struct leftover before;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	reset_signals();
	leftover_note(&before);
	claim->body();
	leftover_check(&before);
	exit(0); /* not _exit: sanitizers report at exit */
}

static bool ends_in_time(pid_t pid)
{
	const int limit_ms = (check_is_long() ? 3600 : 240) * 1000;
	struct pollfd end = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int n;

	do
		n = poll(&end, 1, limit_ms);
	while (n < 0 && errno == EINTR);
	close(end.fd);
	return n == 1;
}

/* The claim's process stays a zombie until its group is killed, so that the group's number cannot
 * be somebody else's. */
static int finish(pid_t pid)
{
	int status = 0;

	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	atomic_store(&current, 0);
	while (waitpid(-1, NULL, 0) > 0)
		;
	scratch_remove();
	return status;
}

void claim_run(void **state)
{
	bool in_time;
	int status;
	pid_t pid;

	fflush(NULL);
	scratch_make();
	pid = fork();
	if (pid == 0)
		run_body(*state);
	setpgid(pid, pid);
	atomic_store(&current, pid);
	in_time = ends_in_time(pid);
	status = finish(pid);
	if (!in_time)
		fail_msg("it hangs");
	if (WIFSIGNALED(status))
		fail_msg("it was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == CLAIM_SKIPPED)
		skip();
	if (WEXITSTATUS(status))
		fail_msg("it failed, see above");
}
