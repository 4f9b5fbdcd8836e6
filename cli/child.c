/* SPDX-License-Identifier: MIT */
/* child.c - see child.h. */
#include "child.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli.h"

#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND      127

enum { OPTION_GROUP = 256, OPTION_SESSION, OPTION_DIE_WITH_PARENT };

static const struct argp_option options[] = {
	{ "directory", 'C', "DIRECTORY", 0, "Run it there", 0 },
	{ "env", 'e', "NAME=VALUE", 0,
	  "Set this in its environment, or with NAME alone take it out", 0 },
	{ "limit", 'l', "NAME=NUMBER", 0,
	  "Resource limit, soft and hard: core, cpu (s), data, file, memory, open, processes, "
	  "stack; "
	  "sizes in bytes or as 64M, 'none' lifts it",
	  0 },
	{ "group", OPTION_GROUP, NULL, 0, "Lead a process group of its own", 0 },
	{ "session", OPTION_SESSION, NULL, 0, "Lead a session of its own (setsid(2))", 0 },
	{ "die-with-parent", OPTION_DIE_WITH_PARENT, NULL, 0,
	  "If this ferry is killed, the command gets SIGKILL", 0 },
	{ 0 },
};

static void *must_have(void *memory)
{
	if (!memory)
		cli_die(STATUS_FAILED, "out of memory");
	return memory;
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

/* NAME=VALUE replaces what is there, NAME takes it out. */
static void change_environment(struct child *child, char *setting)
{
	char **old = child->environment ? child->environment : environ;
	size_t n = count(old), name = strcspn(setting, "="), kept = 0;
	char **changed = must_have(calloc(n + 2, sizeof(*changed)));

	for (size_t i = 0; i < n; i++)
		if (strncmp(old[i], setting, name) != 0 || old[i][name] != '=')
			changed[kept++] = old[i];
	if (setting[name] == '=')
		changed[kept] = setting;
	free(child->environment);
	child->environment = changed;
}

static const struct {
	const char *name;
	int resource;
} resources[] = {
	{ "core", RLIMIT_CORE },       { "cpu", RLIMIT_CPU },     { "data", RLIMIT_DATA },
	{ "file", RLIMIT_FSIZE },      { "memory", RLIMIT_AS },   { "open", RLIMIT_NOFILE },
	{ "processes", RLIMIT_NPROC }, { "stack", RLIMIT_STACK },
};

static void add_limit(struct child *child, struct argp_state *state, const char *text)
{
	size_t length = strcspn(text, "=");
	uint64_t value = UINT64_MAX;

	if (child->options.n_limits == CHILD_LIMITS)
		argp_error(state, "--limit: at most %d of them", CHILD_LIMITS);
	if (text[length] != '=' ||
	    (strcmp(text + length + 1, "none") != 0 && !cli_parse_size(text + length + 1, &value)))
		argp_error(state, "--limit: '%s' is not NAME=NUMBER", text);
	for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++)
		if (strlen(resources[i].name) == length &&
		    strncmp(resources[i].name, text, length) == 0) {
			child->limits[child->options.n_limits++] = (struct ferry_spawn_limit){
				.resource = resources[i].resource, .soft = value, .hard = value
			};
			return;
		}
	argp_error(state, "--limit: there is no limit '%.*s'", (int)length, text);
}

/* The first argument and all that follows is the command. */
static void take_command(struct child *child, struct argp_state *state)
{
	child->command = state->argv + state->next - 1;
	state->next = state->argc;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct child *child = state->input;

	switch (key) {
	case 'C':
		child->options.directory = argument;
		return 0;
	case 'e':
		if (*argument == '=' || !*argument)
			argp_error(state, "--env: a name is missing");
		change_environment(child, argument);
		return 0;
	case 'l':
		add_limit(child, state, argument);
		return 0;
	case OPTION_GROUP:
		child->options.group = FERRY_SPAWN_OWN_GROUP;
		return 0;
	case OPTION_SESSION:
		child->options.group = FERRY_SPAWN_OWN_SESSION;
		return 0;
	case OPTION_DIE_WITH_PARENT:
		child->options.die_with_parent = SIGKILL;
		return 0;
	case ARGP_KEY_ARG:
		take_command(child, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say which command to run");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp child_argp = { .options = options, .parser = parse };

/* ---- signals ---- */

static const int passed_on[] = { SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM, SIGUSR1,
				 SIGUSR2, SIGCONT, SIGWINCH, SIGALRM };

static bool is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void child_catch_signals(void)
{
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++) {
		struct ferry_why why = { 0 };
		if (is_ignored(passed_on[i]))
			continue;
		if (ferry_signal_catch(passed_on[i], NULL, NULL, &why) < 0)
			cli_die(STATUS_FAILED, "cannot catch %s: %s",
				ferry_signal_name(passed_on[i]), why.text);
	}
}

static bool asks_to_end(int signo)
{
	return signo == SIGHUP || signo == SIGINT || signo == SIGQUIT || signo == SIGTERM;
}

/*
 * What the terminal sends, it sends to the command itself as well, unless that is in another group:
 * then it is passed on. (SIGINT and SIGQUIT of a key have no sender; SIGWINCH and SIGHUP likewise.)
 */
static void pass_on(ferry_process *process, const struct ferry_signal_info *info)
{
	bool by_kernel = info->cause == FERRY_SIGNAL_KERNEL;

	if (by_kernel && getpgid(ferry_process_pid(process)) == getpgrp())
		return;
	(void)ferry_signal_send(process, info->signo, info->payload);
}

/* All that came by now. */
static void listen(ferry_process *process, int *asked)
{
	struct ferry_signal_info info;

	while (ferry_signal_wait(&info, FERRY_SIGNAL_CAUGHT, FERRY_NOW) > 0) {
		if (asks_to_end(info.signo))
			*asked = info.signo;
		if (process)
			pass_on(process, &info);
	}
}

/* ---- running ---- */

int child_start(struct child *child, const char *name, ferry_process **ret_process)
{
	enum ferry_spawn_step step = FERRY_SPAWN_STEP_OPTIONS;

	child->options.size = sizeof(child->options);
	child->options.program = child->command[0];
	child->options.arguments = child->command;
	child->options.environment = child->environment;
	child->options.limits = child->limits;
	child->options.ret_step = &step;
	child->options.why = &child->why;
	int r = ferry_spawn(ret_process, &child->options);
	if (r == 0)
		return 0;
	cli_complain("%s: cannot start '%s': %s", name, child->command[0],
		     child->why.text[0] ? child->why.text : ferry_strerror(r));
	if (step != FERRY_SPAWN_STEP_EXECUTE)
		return STATUS_FAILED;
	return r == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

static int left_ms(ferry_deadline deadline)
{
	if (deadline == FERRY_FOREVER)
		return -1;
	int64_t left = (deadline - ferry_in_ns(0)) / 1000000 + 1;
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

int child_await(ferry_process *process, struct ferry_process_end *ret_end, int *ret_asked,
		ferry_deadline deadline)
{
	struct pollfd fds[2] = {
		{ .fd = ferry_signal_fd(), .events = POLLIN },
		{ .fd = process ? ferry_process_fd(process) : -1, .events = POLLIN },
	};

	for (;;) {
		listen(process, ret_asked);
		if (process && ferry_process_wait(process, ret_end, FERRY_NOW) == 0)
			return 0;
		if (!process && *ret_asked)
			return -EINTR;
		int ms = left_ms(deadline);
		if (ms == 0)
			return -ETIMEDOUT;
		(void)poll(fds, 2, ms);
	}
}

void child_free(struct child *child)
{
	free(child->environment);
	child->environment = NULL;
}

int child_status(const struct ferry_process_end *end)
{
	if (!end->known)
		return STATUS_FAILED;
	return end->exited ? end->code : 128 + end->signal;
}
