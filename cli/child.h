/* SPDX-License-Identifier: MIT */
/*
 * child.h - running a command from the tool: the options for how it starts, waiting for it while
 * signals are passed on to it, and the exit status that a shell would give.
 */
#ifndef FERRY_CLI_CHILD_H
#define FERRY_CLI_CHILD_H

#include <argp.h>

#include <ferry/ferry.h>

#define CHILD_LIMITS 16

struct child {
	char *const *command; /* with its arguments, NULL at the end */
	struct ferry_spawn_options options;
	struct ferry_spawn_limit limits[CHILD_LIMITS];
	char **environment; /* the tool's own, with what --env changed */
	struct ferry_why why;
};

/* argp for those options and the command, which is the first argument of cli_parse_in_order() with
 * all that follows; without one it is a usage error. Input: struct child. */
extern const struct argp child_argp;

/*
 * From now on the signals that ask a program for something (HUP, INT, QUIT, TERM, USR1, USR2, CONT,
 * WINCH, ALRM) are queued, unless they were ignored; child_await() passes them on.
 */
void child_catch_signals(void);

/* Start it. 0, or the exit status that says why not (126, 127 as a shell, or STATUS_FAILED). */
int child_start(struct child *child, const char *name, ferry_process **ret_process);

/*
 * Wait until it has ended, or until the deadline. Signals are passed on; *ret_asked becomes the
 * last one that asks to end (HUP, INT, QUIT, TERM), if any. process NULL: only wait and listen. 0;
 * -ETIMEDOUT; -EINTR: asked to end, and process is NULL.
 */
int child_await(ferry_process *process, struct ferry_process_end *ret_end, int *ret_asked,
		ferry_deadline deadline);

/* Nothing is started from it any more. */
void child_free(struct child *child);

/* What a shell's $? would be: the code, or 128 and the signal. */
int child_status(const struct ferry_process_end *end);

#endif
