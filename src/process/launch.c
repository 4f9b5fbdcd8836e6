/* SPDX-License-Identifier: MIT */
/*
 * launch.c - see launch.h. Nothing but system calls: this runs in the caller's memory, with a stack
 * of 64 KiB, while the caller's other threads run.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../os/signal.h"

/* Each step: 0, or -1 with errno. */

static int join_group(const struct fy_launch *launch)
{
	pid_t group = launch->options->group;

	if (group == FERRY_SPAWN_OWN_SESSION)
		return setsid() < 0 ? -1 : 0;
	if (group == FERRY_SPAWN_OWN_GROUP)
		return setpgid(0, 0);
	return group > 0 ? setpgid(0, group) : 0;
}

static int tie_to_parent(const struct fy_launch *launch)
{
	int signo = launch->options->die_with_parent;

	if (signo == 0)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, signo) != 0)
		return -1;
	/* It died before it could be tied to: then nobody waits for this child. */
	errno = ESRCH;
	return getppid() == launch->parent ? 0 : -1;
}

static int set_limits(const struct fy_launch *launch)
{
	for (size_t i = 0; i < launch->options->n_limits; i++) {
		const struct ferry_spawn_limit *limit = &launch->options->limits[i];
		const struct rlimit wanted = { .rlim_cur = limit->soft, .rlim_max = limit->hard };
		if (prlimit(0, (__rlimit_resource_t)limit->resource, &wanted, NULL) != 0)
			return -1;
	}
	return 0;
}

static int change_directory(const struct fy_launch *launch)
{
	return launch->options->directory ? chdir(launch->options->directory) : 0;
}

/* ---- descriptors ---- */

/* A copy of what is to be passed, out of the way of all places where something is to be. */
static int move_away(int from, int above)
{
	if (from != FERRY_SPAWN_NULL)
		return fcntl(from, F_DUPFD_CLOEXEC, above);
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int moved = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, above);
	if (fd >= 0)
		(void)close(fd);
	return moved;
}

static int pass_descriptors(const struct fy_launch *launch)
{
	for (size_t i = 0; i < launch->n_descriptors; i++) {
		int from = launch->descriptors[i].from;
		launch->moved[i] = from == FERRY_SPAWN_CLOSED ? -1 : move_away(from, launch->above);
		if (launch->moved[i] < 0 && from != FERRY_SPAWN_CLOSED)
			return -1;
	}
	for (size_t i = 0; i < launch->n_descriptors; i++) {
		int to = launch->descriptors[i].to;
		if (launch->moved[i] < 0)
			(void)close(to);
		else if (dup2(launch->moved[i], to) < 0)
			return -1;
	}
	return 0;
}

static int close_range_of(unsigned first, unsigned last)
{
	return first > last ? 0 : (int)syscall(SYS_close_range, first, last, 0u);
}

/* Close what lies between those that are passed. */
static int close_others(const struct fy_launch *launch)
{
	unsigned first = 3;

	for (size_t i = 0; i < launch->n_descriptors; i++) {
		unsigned kept = (unsigned)launch->keep[i];
		if (kept < 3)
			continue;
		if (close_range_of(first, kept - 1) != 0)
			return -1;
		first = kept + 1;
	}
	return close_range_of(first, UINT_MAX);
}

static int set_descriptors(const struct fy_launch *launch)
{
	return pass_descriptors(launch) == 0 ? close_others(launch) : -1;
}

/* ---- signals ---- */

/* As the kernel wants it; in each architecture the handler is first. */
struct kernel_action {
	uintptr_t handler;
	uintptr_t others[3]; /* flags, restorer, mask: none */
};

/* First the actions, then the mask: a signal that waits must not find the caller's handler. The raw
 * call resets also those that libc keeps for itself. */
static int set_signals(const struct fy_launch *launch)
{
	for (int signo = 1; signo <= FY_SIGNALS; signo++) {
		int ignored = (launch->options->ignored & fy_signal_bit(signo)) != 0;
		const struct kernel_action action = {
			.handler = ignored ? (uintptr_t)SIG_IGN : (uintptr_t)SIG_DFL,
		};
		if (signo == SIGKILL || signo == SIGSTOP)
			continue;
		if (syscall(SYS_rt_sigaction, signo, &action, NULL, sizeof(uint64_t)) != 0)
			return -1;
	}
	(void)fy_mask_set(launch->options->blocked);
	return 0;
}

/* ---- the program ---- */

/* Copy the directory that begins at *search and the name; go on behind it. */
static void next_place(struct fy_launch *launch, const char **search)
{
	const char *end = strchrnul(*search, ':');
	size_t n = (size_t)(end - *search);

	memcpy(launch->found, *search, n);
	/* An empty entry is the current directory. */
	if (n > 0)
		launch->found[n++] = '/';
	memcpy(launch->found + n, launch->program, strlen(launch->program) + 1);
	*search = *end == ':' ? end + 1 : NULL;
}

/* Whoever is killed inside has run the program, as far as anybody can tell: it ended by that. */
static int run_program(struct fy_launch *launch, const char *path)
{
	launch->running = 1;
	int r = execve(path, launch->arguments, launch->environment);
	launch->running = 0;
	return r;
}

/* As execvp(3), but a file that is no program is an error and not a shell's script. */
static int execute(struct fy_launch *launch)
{
	int denied = 0;

	if (!launch->search)
		return run_program(launch, launch->program);
	for (const char *search = launch->search; search;) {
		next_place(launch, &search);
		(void)run_program(launch, launch->found);
		if (errno == EACCES)
			denied = 1;
		else if (errno != ENOENT && errno != ENOTDIR)
			return -1;
	}
	errno = denied ? EACCES : ENOENT;
	return -1;
}

static int run_steps(struct fy_launch *launch)
{
	static const struct {
		enum ferry_spawn_step step;
		int (*take)(const struct fy_launch *launch);
	} steps[] = {
		{ FERRY_SPAWN_STEP_GROUP, join_group },
		{ FERRY_SPAWN_STEP_PARENT, tie_to_parent },
		{ FERRY_SPAWN_STEP_DIRECTORY, change_directory },
		{ FERRY_SPAWN_STEP_DESCRIPTORS, set_descriptors },
		/* After what passing descriptors takes of them on its way. */
		{ FERRY_SPAWN_STEP_LIMITS, set_limits },
		{ FERRY_SPAWN_STEP_SIGNALS, set_signals },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		launch->step = steps[i].step;
		if (steps[i].take(launch) != 0)
			return -1;
	}
	launch->step = FERRY_SPAWN_STEP_EXECUTE;
	return execute(launch);
}

int fy_launch(void *argument)
{
	struct fy_launch *launch = argument;

	(void)run_steps(launch);
	launch->error = errno;
	/* clone() ends the child with this and runs nothing: no exit handlers, which are the
	 * caller's. */
	return 127;
}
