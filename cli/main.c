/* SPDX-License-Identifier: MIT */
/*
 * main.c - the ferry tool: finds the command and runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "create", cmd_create, "make a mailbox, a segment or a pipe" },
	{ "send", cmd_send, "send messages from arguments, standard input or a file" },
	{ "receive", cmd_receive, "receive one message, several, or all that come" },
	{ "peek", cmd_peek, "show the next message and leave it there" },
	{ "write", cmd_write, "write standard input to a pipe" },
	{ "read", cmd_read, "read a pipe to standard output" },
	{ "tap", cmd_tap, "watch what passes, and leave it there" },
	{ "ls", cmd_ls, "list the objects in a directory" },
	{ "stat", cmd_stat, "show everything about one object" },
	{ "dump", cmd_dump, "show the bytes of a segment" },
	{ "rm", cmd_rm, "remove objects" },
	{ "gc", cmd_gc, "clean up what dead processes left" },
	{ "connect", cmd_connect, "talk to a socket over standard input and output" },
	{ "listen", cmd_listen, "wait for connections, or run a command for each" },
	{ "lock", cmd_lock, "run a command while nobody else runs one under this lock" },
	{ "why", cmd_why, "show who waits for what, who holds it, and deadlocks" },
	{ "signal", cmd_signal,
	  "send a signal to a process, a group, or the members of an object" },
	{ "signals", cmd_signals, "show what a process catches, ignores, blocks, has pending" },
	{ "spawn", cmd_spawn, "run a command, cleanly started, and tell how it ended" },
	{ "supervise", cmd_supervise, "keep a command running" },
	{ "demo", cmd_demo, "see messages survive while processes are killed" },
	{ "torture", cmd_torture, "kill and stop processes at random and check every promise" },
	{ "bench", cmd_bench, "measure ferry beside the kernel's own ways" },
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

struct invocation {
	const struct command *command;
	int argc;
	char **argv;
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* Everything after the command's name is the command's own. */
static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct invocation *invocation = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		invocation->command = find_command(argument);
		if (!invocation->command)
			argp_error(state, "there is no command '%s'", argument);
		invocation->argc = state->argc - state->next + 1;
		invocation->argv = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Put the list of commands into the help text. argp frees what this returns. */
static char *help_filter(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t size = 0;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	FILE *stream = open_memstream(&list, &size);
	if (!stream)
		return (char *)(uintptr_t)text;
	fputs("Commands:\n", stream);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs(text, stream);
	if (fclose(stream) == 0)
		return list;
	free(list);
	return (char *)(uintptr_t)text;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = "Messages between processes of one machine, through shared memory."
	       "\v"
	       "\nExamples:\n"
	       "  ferry create mailbox orders\n"
	       "  ferry send orders 'two teas' 'one coffee'\n"
	       "  ferry receive orders\n"
	       "  ferry ls\n"
	       "\nferry COMMAND --help tells more, and so does ferry(1).",
	.help_filter = help_filter,
};

/*
 * A standard descriptor that was closed would be given to the next file opened, and output would go
 * into a mailbox's file. Occupy it with something that fails in its direction.
 */
static void occupy_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(STATUS_FAILED);
}

static int run(const struct invocation *invocation)
{
	char name[32];

	snprintf(name, sizeof name, "ferry %s", invocation->command->name);
	invocation->argv[0] = name;
	return invocation->command->run(invocation->argc, invocation->argv);
}

/* At the end, whoever ends it (argp does so after --help): output that could not be written is a
 * failure, even if the command did its work. */
static void check_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	cli_complain("cannot write to standard output: %s", strerror(errno));
	_exit(STATUS_FAILED);
}

int main(int argc, char **argv)
{
	struct invocation invocation = { 0 };
	char name[] = "ferry"; /* in usage errors, however it was called */

	occupy_standard_descriptors();
	if (atexit(check_output))
		cli_die(STATUS_FAILED, "out of memory");
	argp_program_version = "ferry " FERRY_VERSION;
	argp_err_exit_status = STATUS_USAGE;
	if (argc > 0)
		argv[0] = name;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &invocation) || !invocation.command)
		return STATUS_USAGE;
	return run(&invocation);
}
