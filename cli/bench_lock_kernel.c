/* SPDX-License-Identifier: MIT */
/* bench_lock_kernel.c - what the kernel has: System V semaphores, and flock(2). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <unistd.h>

#include "bench_locks.h"
#include "bench_transports.h"

/* ---- System V semaphores ---- */

/* semctl(2) leaves its definition to the caller. */
union semun {
	int val;
};

static int make_set(struct bench_channel *c, int value)
{
	c->queue = semget(IPC_PRIVATE, BENCH_LOCKS, 0600);
	if (c->queue < 0)
		return -errno;
	for (int i = 0; i < BENCH_LOCKS; i++)
		if (semctl(c->queue, i, SETVAL, (union semun){ .val = value }) < 0)
			return -errno;
	return 0;
}

static int make_free(struct bench_channel *c)
{
	return make_set(c, 1);
}

static int make_empty(struct bench_channel *c)
{
	return make_set(c, 0);
}

static void remove_set(struct bench_channel *c)
{
	semctl(c->queue, 0, IPC_RMID);
}

static int operate(struct bench_channel *c, unsigned i, short change)
{
	struct sembuf operation = { .sem_num = (unsigned short)i, .sem_op = change };

	while (semop(c->queue, &operation, 1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int take(struct bench_channel *c, unsigned i)
{
	return operate(c, i, -1);
}

static int post(struct bench_channel *c, unsigned i)
{
	return operate(c, i, 1);
}

static const struct bench_lock sysv = {
	.make = make_free,
	.remove = remove_set,
	.acquire = take,
	.release = post,
};

static const struct bench_lock sysv_empty = {
	.make = make_empty,
	.remove = remove_set,
	.acquire = take,
	.release = post,
};

const struct bench_peer bench_section_sysv = {
	.name = "System V semaphore",
	.waits = "sleeps",
	BENCH_SECTION_PEER(sysv),
};

const struct bench_peer bench_baton_sysv = {
	.name = "System V semaphore",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_BATON_PEER(sysv),
};

const struct bench_peer bench_post_sysv = {
	.name = "System V semaphore",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_POST_PEER(sysv_empty),
};

/* ---- flock ---- */

struct files {
	int fd[BENCH_LOCKS];
};

static int make_files(struct bench_channel *c)
{
	static unsigned made;

	snprintf(c->name, sizeof c->name, "%s/flock-%u", bench_directory(), made++);
	return 0;
}

/* The files go with the directory. A lock belongs to an open file: each process opens its own. */
static int open_files(struct bench_channel *c)
{
	struct files *files = calloc(1, sizeof *files);
	char path[sizeof c->name + 4];

	if (!files)
		return -ENOMEM;
	c->handle = files;
	for (int i = 0; i < BENCH_LOCKS; i++) {
		snprintf(path, sizeof path, "%s.%d", c->name, i);
		files->fd[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (files->fd[i] < 0)
			return -errno;
	}
	return 0;
}

static int change_flock(struct bench_channel *c, unsigned i, int operation)
{
	const struct files *files = c->handle;

	while (flock(files->fd[i], operation) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int take_flock(struct bench_channel *c, unsigned i)
{
	return change_flock(c, i, LOCK_EX);
}

static int leave_flock(struct bench_channel *c, unsigned i)
{
	return change_flock(c, i, LOCK_UN);
}

static const struct bench_lock files = {
	.make = make_files,
	.open = open_files,
	.acquire = take_flock,
	.release = leave_flock,
};

const struct bench_peer bench_section_flock = {
	.name = "flock",
	.waits = "sleeps",
	BENCH_SECTION_PEER(files),
};

const struct bench_peer bench_baton_flock = {
	.name = "flock",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	BENCH_BATON_PEER(files),
};
