/* SPDX-License-Identifier: MIT */
/*
 * processes.h - what proc(5) says of other processes: what a thread is doing, what command a
 * process runs, and whose child it is. All of it may be gone, or another's, a moment later.
 */
#ifndef FERRY_CLI_PROCESSES_H
#define FERRY_CLI_PROCESSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A thread as /proc/PID/task/TID/stat shows it. */
struct process_look {
	char state; /* R, S, D, T, Z ...; 0 = not known */
	pid_t parent;
	uint64_t started; /* clock ticks since boot */
};

/* Look at a thread; 0: the first of its process. False if there is none. */
bool process_look(pid_t pid, pid_t thread, struct process_look *ret);

/* How many threads a process has; 0 = not known. */
size_t process_threads(pid_t pid);

/*
 * Does the thread (0: all of the process) sleep until a child of its process has ended? A `ferry
 * lock` does from the moment when it has a child.
 */
bool process_awaits_child(pid_t pid, pid_t thread);

/* A process in the table of all. */
struct process_entry {
	pid_t pid, parent;
	char state;
};

/* All processes. Allocated. */
struct process_entry *process_list(size_t *ret_n);

/* "running", "stopped" ... for such a state; "" = not known. */
const char *process_state_word(char state);

/* The words of a command, each with its NUL; the last may be cut off. */
struct process_command {
	char *words; /* NULL = not known */
	size_t bytes;
};

/* The command of a process that started then (0: whenever it did). */
struct process_command process_command(pid_t pid, uint64_t started);
void process_command_free(struct process_command *command);

/* Room for a command as people see it. */
#define PROCESS_COMMAND_TEXT 64

/* The command as a shell would read it, without the directory of its program, cut to fit; program,
 * if the command is not known. Gives text. */
const char *process_command_text(char text[static PROCESS_COMMAND_TEXT],
				 const struct process_command *command, const char *program);

/* An array of its words, or null. */
json_t *process_command_json(const struct process_command *command);

#endif
