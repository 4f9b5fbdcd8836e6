/* SPDX-License-Identifier: MIT */
/*
 * process.h - a process as its handle knows it, and the children of ferry_spawn().
 *
 * Who makes or reaps a child of a known handle holds the registry for reading; who reaps children
 * and then finds out whose they are (ferry_reap_orphans()) holds it for writing. So no child is
 * between its making and its registration, or between its reaping and the storing of its end, when
 * that matters.
 */
#ifndef FY_PROCESS_HANDLE_H
#define FY_PROCESS_HANDLE_H

#include <ferry/process.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../os/fork.h"

struct ferry_process {
	struct fy_inherited inherited;
	pid_t pid;
	int fd;            /* pidfd */
	uint32_t child_of; /* generation (os/fork.h) of the process that spawned it; 0: none */
	_Atomic uint64_t started; /* 0: not asked yet, or not known */
	pthread_mutex_t mutex;    /* over the two below, and over reaping */
	int ended;
	struct ferry_process_end end;
	struct ferry_process *next; /* children of this process, in the registry */
	struct ferry_process *previous;
	struct ferry_process *next_closed; /* those whose handle was closed while they lived */
};

/* A handle on pidfd, which becomes its own. NULL: no memory; the descriptor is left alone. */
struct ferry_process *fy_process_new(pid_t pid, int pidfd);
void fy_process_free(struct ferry_process *process);

/* 1 if it is a child that we are to reap. */
int fy_process_is_ours(const struct ferry_process *process);

/* Has it ended? Reaps a child of ours, and stores how. 1 or 0. */
int fy_process_collect(struct ferry_process *process);

/* What a siginfo of waitid(2) says, in our words. usage may be NULL. */
struct rusage;
void fy_process_describe(struct ferry_process_end *ret_end, int code, int status,
			 const struct rusage *usage);

/* ---- the registry ---- */

/* Around making a child, up to fy_child_add(). */
void fy_child_begin(void);
void fy_child_add(struct ferry_process *process);
void fy_child_end(void);

/* Its handle is closed: freed, now or when it has ended. */
void fy_child_close(struct ferry_process *process);

/* Reap some of those whose handles were closed. */
void fy_child_reap_closed(void);

#endif
