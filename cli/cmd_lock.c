/* SPDX-License-Identifier: MIT */
/*
 * cmd_lock.c - ferry lock: run a command in a critical section, as flock(1) does.
 *
 * This process has the lock, the command is its child. So the child must not outlive it (the lock
 * would be another's while the command goes on), and a child that was killed leaves the lock as a
 * dead owner's: what it was at may be half done.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

/* What other tools that run a command use too: env(1), timeout(1). */
enum { STATUS_OWN_FAILURE = 125, STATUS_CANNOT_RUN = 126, STATUS_NO_COMMAND = 127 };

enum { OPTION_ON_OWNER_DIED = 256 };

struct lock_command {
	const char *location;
	char **command; /* ends with NULL */
	const char *on_owner_died;
	int64_t timeout; /* ns; -1: for ever */
	int unavailable; /* the exit status */
	uint32_t mode;
	bool try;
};

/* What happened to a command. */
struct outcome {
	int status; /* what it exited with */
	int signal; /* what killed it, or 0 */
};

static const struct argp_option options[] = {
	{ "timeout", 't', "TIME", 0, "Wait for the lock at most so long", 0 },
	{ "try", 'n', NULL, 0, "Do not wait for it", 0 },
	{ "exit-code", 'E', "NUMBER", 0, "Exit status if the lock cannot be had in time (3)", 0 },
	{ "on-owner-died", OPTION_ON_OWNER_DIED, "COMMAND", 0,
	  "If the last owner died in the section, run this with sh first, in the section, to "
	  "repair",
	  0 },
	{ "mode", 'm', "MODE", 0, "Who may use it, if it is made now, in octal (0600)", 0 },
	{ 0 },
};

/* The words after the location are the command's, whatever they look like. */
static void take_words(struct lock_command *lock, char *argument, struct argp_state *state)
{
	if (state->arg_num == 0) {
		lock->location = argument;
		return;
	}
	lock->command = state->argv + state->next - 1;
	state->next = state->argc;
}

static void check(const struct lock_command *lock, struct argp_state *state)
{
	if (!lock->location || !lock->command)
		argp_error(state, "say where the lock is and what to run, such as: jobs -- make");
	if (lock->try && lock->timeout >= 0)
		argp_error(state, "--try and --timeout exclude each other");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct lock_command *lock = state->input;

	switch (key) {
	case 't':
		lock->timeout = cli_duration_option(state, "--timeout", argument);
		return 0;
	case 'n':
		lock->try = true;
		return 0;
	case 'E':
		lock->unavailable =
		    (int)cli_count_option(state, "--exit-code", argument, 0, UINT8_MAX);
		return 0;
	case OPTION_ON_OWNER_DIED:
		lock->on_owner_died = argument;
		return 0;
	case 'm':
		lock->mode = cli_mode_option(state, argument);
		return 0;
	case ARGP_KEY_ARG:
		take_words(lock, argument, state);
		return 0;
	case ARGP_KEY_END:
		check(lock, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "LOCATION [--] COMMAND [ARGUMENT...]",
	.doc = "Run COMMAND while nobody else runs one under the lock at LOCATION, which is made "
	       "if it is not there. The exit status is the command's."
	       "\v"
	       "If an owner was killed in the section, the next one is told so on standard error, "
	       "and can repair with --on-owner-died. A command that is killed counts as a killed "
	       "owner; one whose ferry is killed is killed too.\n"
	       "\nExamples:\n"
	       "  ferry lock backup -- rsync -a /home /mnt\n"
	       "  ferry lock --try nightly -- ./nightly.sh\n"
	       "  ferry lock --timeout 10 -E 75 /run/app/db.lock -- ./migrate\n"
	       "  ferry lock db --on-owner-died './check --repair' -- ./load",
};

/* ---- running a command ---- */

/* Signals that are passed on to the command, or wake us for it. */
static void watched(sigset_t *ret_set)
{
	static const int signals[] = { SIGCHLD, SIGINT,  SIGTERM, SIGHUP,
				       SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM };

	sigemptyset(ret_set);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(ret_set, signals[i]);
}

static _Noreturn void become(char **command, pid_t parent, const sigset_t *mask)
{
	/* Without its lock the command must not go on. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_OWN_FAILURE);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	int status = errno == ENOENT ? STATUS_NO_COMMAND : STATUS_CANNOT_RUN;
	cli_complain("lock: cannot run %s: %s", command[0], strerror(errno));
	_exit(status);
}

/* Wait for the child. A signal that somebody sent to this process is meant for the command; one
 * that the kernel sent (Ctrl-C at a terminal) has gone to both of us already. */
static int wait_for(pid_t child, const sigset_t *signals)
{
	siginfo_t got;
	int status;

	for (;;) {
		pid_t ended = waitpid(child, &status, WNOHANG);
		if (ended == child)
			return status;
		if (sigwaitinfo(signals, &got) > 0 && got.si_signo != SIGCHLD && got.si_code <= 0)
			kill(child, got.si_signo);
	}
}

/* 0, or -errno if there can be no child. */
static int run(char **command, struct outcome *ret)
{
	pid_t parent = getpid();
	sigset_t signals, before;

	watched(&signals);
	signal(SIGCHLD, SIG_DFL); /* if it was ignored, there would be nothing to wait for */
	sigprocmask(SIG_BLOCK, &signals, &before);
	pid_t child = fork();
	if (child == 0)
		become(command, parent, &before);
	int error = child < 0 ? -errno : 0;
	int status = child < 0 ? 0 : wait_for(child, &signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	*ret = (struct outcome){
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_OWN_FAILURE,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};
	return error;
}

/* End as the command did, so that a shell sees what happened. No core: that is the command's. */
static int end_as(const struct outcome *outcome)
{
	const struct rlimit none = { 0, 0 };
	sigset_t only;

	if (!outcome->signal)
		return outcome->status;
	setrlimit(RLIMIT_CORE, &none);
	signal(outcome->signal, SIG_DFL);
	sigemptyset(&only);
	sigaddset(&only, outcome->signal);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	raise(outcome->signal);
	return 128 + outcome->signal;
}

/* ---- the section ---- */

static int fail(const struct lock_command *lock, int error, const struct ferry_why *why)
{
	if (error == -ENOTRECOVERABLE)
		cli_complain("lock %s: an owner died in the section, and the next one gave up "
			     "repairing; repair by hand, then remove the lock with `ferry rm`",
			     lock->location);
	else
		cli_fail("lock", lock->location, error, why);
	return STATUS_OWN_FAILURE;
}

static int unavailable(const struct lock_command *lock)
{
	char time[CLI_HUMAN_BYTES];

	if (lock->try)
		cli_complain("lock %s: somebody has it; `ferry why %s` tells who", lock->location,
			     lock->location);
	else
		cli_complain("lock %s: it could not be had within %s; `ferry why %s` tells who "
			     "has it",
			     lock->location, cli_human_duration(time, lock->timeout),
			     lock->location);
	return lock->unavailable;
}

/* The last owner died in the section. True if the command may run now; otherwise *ret_failure says
 * how it failed. */
static bool repair(const struct lock_command *lock, struct outcome *ret_failure)
{
	char shell[] = "sh", option[] = "-c";
	char *words[] = { shell, option, (char *)(uintptr_t)lock->on_owner_died, NULL };

	cli_complain("lock %s: the last owner died in the section%s", lock->location,
		     lock->on_owner_died ? "; repairing" : "");
	if (!lock->on_owner_died)
		return true;
	int error = run(words, ret_failure);
	if (error == 0 && ret_failure->status == 0 && ret_failure->signal == 0)
		return true;
	if (error < 0)
		cli_complain("lock %s: cannot start the repair: %s", lock->location,
			     strerror(-error));
	else
		cli_complain("lock %s: the repair failed; the next owner is told again",
			     lock->location);
	ret_failure->status = STATUS_OWN_FAILURE;
	return false;
}

/*
 * Take the lock, run the command, give it back: what came of it. Where the section was left half
 * done the lock is not released: the handle is closed with it, which is a death, and the next owner
 * is told.
 */
static struct outcome execute(const struct lock_command *lock, ferry_segment *segment,
			      ferry_lock *it)
{
	struct outcome outcome = { .status = STATUS_OWN_FAILURE };
	ferry_deadline deadline = lock->try            ? FERRY_NOW
				  : lock->timeout >= 0 ? ferry_in_ns(lock->timeout)
						       : FERRY_FOREVER;
	int r = ferry_lock_acquire(segment, it, deadline);

	if (r == -EAGAIN || r == -ETIMEDOUT)
		return (struct outcome){ .status = unavailable(lock) };
	if (r == FERRY_OWNER_DIED && !repair(lock, &outcome))
		return outcome;
	if (r == FERRY_OWNER_DIED)
		r = ferry_lock_repaired(segment, it);
	if (r == 0)
		r = run(lock->command, &outcome);
	if (r == 0 && outcome.signal == 0)
		r = ferry_lock_release(segment, it);
	return r < 0 ? (struct outcome){ .status = fail(lock, r, NULL) } : outcome;
}

int cmd_lock(int argc, char **argv)
{
	struct lock_command lock = { .timeout = -1, .unavailable = STATUS_NOTHING };
	struct ferry_why why = { 0 };
	ferry_segment *segment;
	ferry_lock *it;

	cli_parse_in_order(&argp, argc, argv, &lock);
	int r = ferry_lock_open(&segment, &it, lock.location,
				FERRY_SEGMENT_OPTIONS(.mode = lock.mode, .why = &why));
	if (r < 0)
		return fail(&lock, r, &why);
	cli_restore_umask();
	struct outcome outcome = execute(&lock, segment, it);
	ferry_segment_close(segment); /* or this process would be a dead member */
	return end_as(&outcome);
}
