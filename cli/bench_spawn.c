/* SPDX-License-Identifier: MIT */
/* bench_spawn.c - starting a program and waiting for its end, in ferry's and in other ways. */
#include "bench_spawn.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/ferry.h>

static char program[] = "/bin/true";
static char *const arguments[] = { program, NULL };

static int create(struct bench_channel *c, const struct bench_channel *there)
{
	(void)c;
	(void)there;
	return 0;
}

static void remove_nothing(struct bench_channel *c)
{
	(void)c;
}

/* ---- ferry ---- */

static int spawn_by_ferry(struct bench_channel *c, const void *data)
{
	ferry_process *process;
	struct ferry_process_end end;
	int e =
	    ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = program, .arguments = arguments));

	(void)c;
	(void)data;
	if (e < 0)
		return e;
	e = ferry_process_wait(process, &end, FERRY_FOREVER);
	ferry_process_close(process);
	return e < 0 ? e : end.exited && end.code == 0 ? 0 : -ECHILD;
}

/* ---- the others ---- */

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return status == 0 ? 0 : -ECHILD;
}

static int spawn_by_posix(struct bench_channel *c, const void *data)
{
	pid_t pid;
	int e = posix_spawn(&pid, program, NULL, NULL, arguments, environ);

	(void)c;
	(void)data;
	return e ? -e : wait_for(pid);
}

/* What ferry does unasked: default actions, nothing blocked, no descriptor from 3 on. */
struct clean {
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_t files;
};

static int prepare_clean(struct bench_channel *c)
{
	static struct clean clean;
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	c->handle = &clean;
	int e = posix_spawnattr_init(&clean.attributes);
	if (!e)
		e = posix_spawn_file_actions_init(&clean.files);
	if (!e)
		e = posix_spawnattr_setsigdefault(&clean.attributes, &all);
	if (!e)
		e = posix_spawnattr_setsigmask(&clean.attributes, &none);
	if (!e)
		e = posix_spawnattr_setflags(&clean.attributes,
					     POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	if (!e)
		e = posix_spawn_file_actions_addclosefrom_np(&clean.files, 3);
	return -e;
}

static int spawn_clean(struct bench_channel *c, const void *data)
{
	struct clean *clean = c->handle;
	pid_t pid;
	int e = posix_spawn(&pid, program, &clean->files, &clean->attributes, arguments, environ);

	(void)data;
	return e ? -e : wait_for(pid);
}

static int spawn_by_fork(struct bench_channel *c, const void *data)
{
	pid_t pid = fork();

	(void)c;
	(void)data;
	if (pid == 0) {
		(void)execve(program, arguments, environ);
		_exit(127);
	}
	return wait_for(pid);
}

#define CALL .abilities = BENCH_CALL, .create = create, .remove = remove_nothing

static const struct bench_peer by_ferry = {
	.name = "ferry",
	CALL,
	.send = spawn_by_ferry,
};
static const struct bench_peer by_posix = {
	.name = "posix_spawn",
	CALL,
	.send = spawn_by_posix,
};
static const struct bench_peer by_posix_clean = {
	.name = "posix_spawn clean",
	CALL,
	.attach = prepare_clean,
	.send = spawn_clean,
};
static const struct bench_peer by_fork = {
	.name = "fork and exec",
	CALL,
	.send = spawn_by_fork,
};

const struct bench_peer *const bench_spawns[] = {
	&by_ferry, &by_posix, &by_posix_clean, &by_fork, NULL,
};
