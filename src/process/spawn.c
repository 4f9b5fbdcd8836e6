/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - starting a program.
 *
 * The child shares the caller's memory until it runs the program (CLONE_VM | CLONE_VFORK), so its
 * making costs the same for a program of any size, and what went wrong is simply there when the
 * caller goes on. Until then the child may use nothing but system calls and what lies on its own
 * stack: errno and every lock are the caller's. So all that needs memory is made ready before.
 */
#include <errno.h>
#include <ferry/error.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/options.h"
#include "../base/sanitizer.h"
#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/fork.h"
#include "../os/pidfd.h"
#include "../os/signal.h"
#include "launch.h"
#include "process.h"
#include "stream.h"

#define STACK_BYTES ((size_t)64 * 1024)

/* The thread sanitizer takes clone() for a fork and, in the child, writes so into the memory that
 * the two share. libc's other name for it escapes that. */
#ifdef FY_THREAD_SANITIZER
int __clone(int (*function)(void *), void *stack, int flags, void *argument, ...);
#define clone __clone
#endif

const char *ferry_spawn_step_name(enum ferry_spawn_step step)
{
	switch (step) {
	case FERRY_SPAWN_STEP_OPTIONS:
		return "checking the options";
	case FERRY_SPAWN_STEP_CREATE:
		return "making the process";
	case FERRY_SPAWN_STEP_GROUP:
		return "joining the process group";
	case FERRY_SPAWN_STEP_PARENT:
		return "tying it to its parent";
	case FERRY_SPAWN_STEP_LIMITS:
		return "setting the limits";
	case FERRY_SPAWN_STEP_DIRECTORY:
		return "changing the directory";
	case FERRY_SPAWN_STEP_DESCRIPTORS:
		return "passing the descriptors";
	case FERRY_SPAWN_STEP_SIGNALS:
		return "setting the signals";
	case FERRY_SPAWN_STEP_EXECUTE:
		return "running the program";
	default:
		return "unknown";
	}
}

/* ---- checking and preparing ---- */

static int compare_numbers(const void *a, const void *b)
{
	int left = *(const int *)a;
	int right = *(const int *)b;

	return (left > right) - (left < right);
}

static int check_descriptors(const struct ferry_spawn_options *options)
{
	for (size_t i = 0; i < options->n_descriptors; i++) {
		const struct ferry_spawn_descriptor *d = &options->descriptors[i];
		if (d->to < 0 ||
		    (d->from < 0 && d->from != FERRY_SPAWN_NULL && d->from != FERRY_SPAWN_CLOSED))
			return fy_why(options->why, -EINVAL, "descriptor %d as %d makes no sense",
				      d->from, d->to);
	}
	return 0;
}

static int check(const struct ferry_spawn_options *options)
{
	if (!options->program || *options->program == '\0') {
		(void)fy_why(options->why, -EINVAL, "no program was given");
		return -EINVAL;
	}
	if ((options->n_descriptors > 0 && !options->descriptors) ||
	    options->n_descriptors > FY_LAUNCH_DESCRIPTORS ||
	    (options->n_streams > 0 && !options->streams) ||
	    options->n_streams > FY_LAUNCH_DESCRIPTORS ||
	    (options->n_limits > 0 && !options->limits))
		return fy_why(options->why, -EINVAL,
			      "the list of descriptors, streams or limits is wrong");
	if (options->group < FERRY_SPAWN_OWN_SESSION)
		return fy_why(options->why, -EINVAL, "%d is no process group", (int)options->group);
	if (options->die_with_parent != 0 && !fy_signal_valid(options->die_with_parent))
		return fy_why(options->why, -EINVAL, "die_with_parent: %d is not a signal",
			      options->die_with_parent);
	int r = check_descriptors(options);
	return r < 0 ? r : fy_streams_check(options);
}

static void list_descriptors(struct fy_launch *launch, const struct ferry_spawn_options *options,
			     const struct fy_streams *streams)
{
	size_t given = options->n_descriptors;

	for (size_t i = 0; i < given; i++)
		launch->descriptors[i] = options->descriptors[i];
	for (size_t i = 0; i < options->n_streams; i++)
		launch->descriptors[given + i] = streams->descriptors[i];
	launch->n_descriptors = given + options->n_streams;
}

/* The numbers that the child has in the end, in order and each once. */
static int prepare_descriptors(struct fy_launch *launch, const struct ferry_spawn_options *options,
			       const struct fy_streams *streams)
{
	size_t n = options->n_descriptors + options->n_streams;

	launch->descriptors = calloc(n + 1, sizeof(*launch->descriptors));
	launch->keep = calloc(n + 1, sizeof(*launch->keep));
	launch->moved = calloc(n + 1, sizeof(*launch->moved));
	if (!launch->descriptors || !launch->keep || !launch->moved)
		return -ENOMEM;
	list_descriptors(launch, options, streams);
	for (size_t i = 0; i < n; i++)
		launch->keep[i] = launch->descriptors[i].to;
	qsort(launch->keep, n, sizeof(*launch->keep), compare_numbers);
	for (size_t i = 1; i < n; i++)
		if (launch->keep[i] == launch->keep[i - 1])
			return fy_why(options->why, -EINVAL, "descriptor %d is given twice",
				      launch->keep[i]);
	launch->above = n > 0 && launch->keep[n - 1] >= 3 ? launch->keep[n - 1] + 1 : 3;
	return 0;
}

/* Where the child looks for the program: room for the longest directory of the path and the name.
 */
static int prepare_search(struct fy_launch *launch, const char *program)
{
	launch->program = program;
	if (strchr(program, '/'))
		return 0;
	const char *search = getenv("PATH");
	launch->search = search ? search : "/usr/local/bin:/bin:/usr/bin";
	launch->found = malloc(strlen(launch->search) + strlen(program) + 2);
	return launch->found ? 0 : -ENOMEM;
}

static int prepare(struct fy_launch *launch, const struct ferry_spawn_options *options,
		   const struct fy_streams *streams)
{
	launch->options = options;
	launch->alone[0] = (char *)(uintptr_t)options->program;
	launch->arguments = options->arguments ? options->arguments : launch->alone;
	launch->environment = options->environment ? options->environment : environ;
	launch->parent = getpid();
	int r = prepare_descriptors(launch, options, streams);
	return r != 0 ? r : prepare_search(launch, options->program);
}

static void end_preparation(struct fy_launch *launch)
{
	free(launch->descriptors);
	free(launch->keep);
	free(launch->moved);
	free(launch->found);
}

/* ---- making it ---- */

/* Make the child and wait until it runs the program or has failed. Its pid, or -errno. */
static pid_t launch_child(struct fy_launch *launch, int *ret_pidfd)
{
	size_t guard = (size_t)sysconf(_SC_PAGESIZE);
	char *stack = mmap(NULL, STACK_BYTES + guard, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -ENOMEM;
	pid_t pid = -ENOMEM;
	if (mprotect(stack + guard, STACK_BYTES, PROT_READ | PROT_WRITE) == 0) {
		/* A handler of the caller must not run in the child, in the caller's memory. */
		uint64_t mask = fy_mask_block(~UINT64_C(0));
		pid = clone(fy_launch, stack + guard + STACK_BYTES,
			    CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, launch, ret_pidfd);
		pid = pid < 0 ? -errno : pid;
		(void)fy_mask_set(mask);
	}
	(void)munmap(stack, STACK_BYTES + guard);
	return pid;
}

/* A child that failed ends by itself; nobody but us knows of it. */
static void reap_failed(int pidfd)
{
	siginfo_t info;

	(void)fy_waitid(P_PIDFD, (id_t)pidfd, WEXITED | __WALL, &info, NULL);
	(void)close(pidfd);
}

static int create(ferry_process **ret_process, struct fy_launch *launch)
{
	/* Had first: a child that we could not keep a handle on would be nobody's. */
	struct ferry_process *process = fy_process_new(0, -1);

	launch->step = FERRY_SPAWN_STEP_CREATE;
	if (!process)
		return -ENOMEM;
	fy_child_begin();
	int pidfd = -1;
	pid_t pid = launch_child(launch, &pidfd);
	/* No error, but no program either: somebody killed it on its way. */
	if (pid > 0 && launch->error == 0 && !launch->running)
		launch->error = ECHILD;
	if (pid > 0 && launch->error == 0) {
		process->pid = pid;
		process->fd = pidfd;
		fy_child_add(process);
		*ret_process = process;
	} else if (pid > 0) {
		reap_failed(pidfd);
	}
	fy_child_end();
	if (pid > 0 && launch->error == 0)
		return 0;
	fy_process_free(process);
	return pid < 0 ? pid : -launch->error;
}

static int explain(int r, const struct fy_launch *launch)
{
	const struct ferry_spawn_options *options = launch->options;
	const char *step = ferry_spawn_step_name(launch->step);

	if (r == -ECHILD)
		return fy_why(options->why, r, "%s of %.150s: the child was killed", step,
			      options->program);
	if (launch->step == FERRY_SPAWN_STEP_DIRECTORY)
		return fy_why(options->why, r, "%s to %.150s: %s", step, options->directory,
			      ferry_strerror(r));
	if (launch->step == FERRY_SPAWN_STEP_EXECUTE)
		return fy_why(options->why, r, "%s %.150s: %s", step, options->program,
			      ferry_strerror(r));
	return fy_why(options->why, r, "%s of %.150s: %s", step, options->program,
		      ferry_strerror(r));
}

static int spawn(ferry_process **ret_process, const struct ferry_spawn_options *options)
{
	struct fy_launch launch = { .step = FERRY_SPAWN_STEP_OPTIONS };
	struct fy_streams streams = { 0 };
	int r = check(options);

	if (r == 0) {
		launch.step = FERRY_SPAWN_STEP_CREATE;
		r = fy_streams_prepare(&streams, options);
	}
	if (r == 0) {
		launch.step = FERRY_SPAWN_STEP_OPTIONS;
		r = prepare(&launch, options, &streams);
	}
	int saved = errno; /* the child's system calls leave theirs in it */
	if (r == 0) {
		r = create(ret_process, &launch);
		if (r < 0)
			r = explain(r, &launch);
	}
	errno = saved;
	if (r < 0)
		fy_streams_abandon(&streams);
	else
		fy_streams_start(&streams);
	if (r < 0 && options->ret_step)
		*options->ret_step = launch.step;
	end_preparation(&launch);
	return r;
}

int ferry_spawn(ferry_process **ret_process, const struct ferry_spawn_options *options)
{
	struct ferry_spawn_options known = { 0 };
	int r = fy_options_copy(&known, sizeof(known), options);

	if (r == 0)
		r = ret_process ? fy_fork_init() : -EINVAL;
	if (r < 0)
		return r;
	int cancel = fy_cancel_off();
	fy_child_reap_closed();
	r = spawn(ret_process, &known);
	fy_cancel_restore(cancel);
	return r;
}
