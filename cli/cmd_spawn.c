/* SPDX-License-Identifier: MIT */
/*
 * cmd_spawn.c - ferry spawn: run one command, cleanly started, and tell how it ended.
 */
#include <inttypes.h>
#include <stdio.h>

#include "child.h"
#include "cli.h"

struct spawn {
	struct child child;
	bool report;
};

static const struct argp_option options[] = {
	{ "report", 'r', NULL, 0, "Say at the end how it ended and what it used", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct spawn *spawn = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &spawn->child;
		return 0;
	case 'r':
		spawn->report = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &child_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc =
	    "Run a command with default signal actions, no signal blocked, and no descriptor but "
	    "0, 1 and 2; pass signals on to it; and end with its exit status, as a shell would "
	    "tell it: its code, 128 and the signal's number, 127 if there is no such program, 126 "
	    "if it cannot be executed."
	    "\v"
	    "\nExamples:\n"
	    "  ferry spawn --limit memory=512M --limit cpu=60 -- ./job\n"
	    "  ferry spawn --directory /srv --env MODE=test --report -- make\n"
	    "  ferry spawn --die-with-parent -- ./worker",
	.children = children,
};

static void report(const struct ferry_process_end *end)
{
	char user[CLI_HUMAN_BYTES], system[CLI_HUMAN_BYTES], memory[CLI_HUMAN_BYTES];

	if (!end->known) {
		fprintf(stderr, "ended; somebody else has collected how\n");
		return;
	}
	if (end->exited)
		fprintf(stderr, "ended with code %d", end->code);
	else
		fprintf(stderr, "ended by %s%s", ferry_signal_name(end->signal),
			end->core ? " (core dumped)" : "");
	if (end->used)
		fprintf(stderr, "; %s in the program, %s in the kernel, %s of memory at most",
			cli_human_duration(user, end->user),
			cli_human_duration(system, end->system),
			cli_human_size(memory, end->memory));
	fputc('\n', stderr);
}

int cmd_spawn(int argc, char **argv)
{
	struct spawn spawn = { 0 };
	struct ferry_process_end end = { 0 };
	ferry_process *process;
	int asked = 0;

	cli_parse_in_order(&argp, argc, argv, &spawn);
	child_catch_signals();
	int status = child_start(&spawn.child, "spawn", &process);
	child_free(&spawn.child);
	if (status)
		return status;
	(void)child_await(process, &end, &asked, FERRY_FOREVER);
	ferry_process_close(process);
	if (spawn.report)
		report(&end);
	return child_status(&end);
}
