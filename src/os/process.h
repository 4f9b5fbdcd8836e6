/* SPDX-License-Identifier: MIT */
/* process.h - who a process is, such that it cannot be mistaken for another. */
#ifndef FY_PROCESS_H
#define FY_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#define FY_PROGRAM_BYTES 24

struct fy_process {
	uint64_t started;       /* clock ticks since boot (proc(5), field 22); 0 = not known */
	uint64_t pid_namespace; /* inode number; 0 = not known */
	pid_t pid;
	char program[FY_PROGRAM_BYTES]; /* zero-padded, not always terminated */
};

/* The calling process. Cheap after the first call, also in a child after fork. */
void fy_process_self(struct fy_process *ret_process);

/* The start time of the process that has this number at the moment; 0: not known, or /proc is that
 * of another PID namespace. */
uint64_t fy_process_started(pid_t pid);

/* 1 if the process with that pid and start time, in the caller's own PID namespace, is surely gone
 * (also: a zombie); 0 if it lives or cannot be told. */
int fy_process_gone(pid_t pid, uint64_t started);

#endif
