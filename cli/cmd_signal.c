/* SPDX-License-Identifier: MIT */
/*
 * cmd_signal.c - ferry signal: send a signal, with a payload, to a process that cannot be mistaken
 * for another, to every member of an object, or to a process group.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct send_signal {
	const char *target;
	int signo;
	int64_t payload;
	bool verbose;
};

static const struct argp_option options[] = {
	{ "payload", 'p', "NUMBER", 0, "Send this number with it, as sigqueue(3) does (0)", 0 },
	{ "verbose", 'v', NULL, 0, "Say for each process what became of it", 0 },
	{ 0 },
};

static int64_t parse_payload(struct argp_state *state, const char *text)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 0);
	if (end == text || *end || errno)
		argp_error(state, "--payload: '%s' is not a whole number of 64 bits", text);
	return value;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct send_signal *command = state->input;

	switch (key) {
	case 'p':
		command->payload = parse_payload(state, argument);
		return 0;
	case 'v':
		command->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0) {
			command->target = argument;
		} else if (state->arg_num == 1) {
			command->signo =
			    strcmp(argument, "0") == 0 ? 0 : ferry_signal_number(argument);
			if (command->signo < 0)
				argp_error(state,
					   "'%s' is no signal; write a name such as TERM or "
					   "RTMIN+1, or a number from 0 to 64",
					   argument);
		} else {
			argp_error(state, "one target and one signal at a time");
		}
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "say which process or object, and which signal");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "TARGET SIGNAL",
	.doc = "Send a signal. TARGET is a process (PID, or PID:STARTED with the start time that "
	       "ferry stat --json shows, so that another process that got the number later is not "
	       "hit), every member of an object (@LOCATION), or a process group (group:PGID). "
	       "SIGNAL is a name, with or without SIG, or a number; 0 only tests."
	       "\v"
	       "\nExamples:\n"
	       "  ferry signal 4711 HUP\n"
	       "  ferry signal @orders USR1 --payload 42\n"
	       "  ferry signal group:4711 TERM --verbose",
};

/* Signal 0 only asks whether one could be sent. */
static const char *done_word(const struct send_signal *command)
{
	return command->signo ? "sent" : "there, and may be signalled";
}

/* A member's process that is gone already has what a signal would have given it. */
static int report(const struct send_signal *command, const struct ferry_signal_target *targets,
		  int n)
{
	int status = STATUS_DONE;

	for (int i = 0; i < n; i++) {
		const struct ferry_signal_target *target = &targets[i];
		if (command->verbose)
			printf("%d: %s\n", (int)target->pid,
			       target->result == 0 ? done_word(command)
						   : ferry_strerror(target->result));
		if (target->result == 0 || target->result == -ESRCH)
			continue;
		cli_complain("signal: process %d: %s", (int)target->pid,
			     ferry_strerror(target->result));
		status = STATUS_FAILED;
	}
	return status;
}

static int to_members(const struct send_signal *command, const char *location)
{
	static struct ferry_signal_target targets[4096];
	const int room = sizeof(targets) / sizeof(*targets);
	struct ferry_why why = { 0 };
	int n = ferry_signal_send_members(location, command->signo, command->payload, targets,
					  (size_t)room, &why);

	if (n < 0)
		return cli_fail("signal", location, n, &why);
	if (n == 0) {
		cli_complain("signal: %s has no living member", location);
		return STATUS_ABSENT;
	}
	return report(command, targets, n < room ? n : room);
}

static int to_group(const struct send_signal *command, const char *text)
{
	static struct ferry_signal_target targets[4096];
	const int room = sizeof(targets) / sizeof(*targets);
	struct ferry_why why = { 0 };
	uint64_t group;

	if (!cli_parse_count(text, 1, INT32_MAX, &group))
		cli_die(STATUS_USAGE,
			"signal: '%s' is not the number of a process group; try "
			"ferry signal --help",
			text);
	int n = ferry_signal_send_group((pid_t)group, command->signo, command->payload, targets,
					(size_t)room, &why);
	if (n < 0)
		return cli_fail("signal", command->target, n, &why) == STATUS_ABSENT ? STATUS_ABSENT
		       : n == -ESRCH                                                 ? STATUS_ABSENT
				     : STATUS_FAILED;
	return report(command, targets, n < room ? n : room);
}

/* "PID" or "PID:STARTED". */
static bool parse_process(const char *text, pid_t *ret_pid, uint64_t *ret_started)
{
	char number[24];
	size_t length = strcspn(text, ":");
	uint64_t pid;

	if (length >= sizeof(number))
		return false;
	memcpy(number, text, length);
	number[length] = '\0';
	*ret_started = 0;
	if (!cli_parse_count(number, 1, INT32_MAX, &pid) ||
	    (text[length] && !cli_parse_count(text + length + 1, 1, UINT64_MAX, ret_started)))
		return false;
	*ret_pid = (pid_t)pid;
	return true;
}

static int to_process(const struct send_signal *command)
{
	struct ferry_signal_target target = { 0 };
	struct ferry_why why = { 0 };
	ferry_process *process;

	if (!parse_process(command->target, &target.pid, &target.started))
		cli_die(STATUS_USAGE,
			"signal: '%s' is neither PID, PID:STARTED, @LOCATION nor group:PGID; try "
			"ferry signal --help",
			command->target);
	int r = ferry_process_open(&process, target.pid, target.started, &why);
	if (r == 0) {
		r = ferry_signal_send(process, command->signo, command->payload);
		ferry_process_close(process);
	}
	if (r == 0 && command->verbose)
		printf("%d: %s\n", (int)target.pid, done_word(command));
	if (r == 0)
		return STATUS_DONE;
	int status = cli_fail("signal", command->target, r, &why);
	return r == -ESRCH ? STATUS_ABSENT : status;
}

int cmd_signal(int argc, char **argv)
{
	struct send_signal command = { 0 };

	cli_parse(&argp, argc, argv, &command);
	if (command.target[0] == '@')
		return to_members(&command, command.target + 1);
	if (strncmp(command.target, "group:", strlen("group:")) == 0)
		return to_group(&command, command.target + strlen("group:"));
	return to_process(&command);
}
