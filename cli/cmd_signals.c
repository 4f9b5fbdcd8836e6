/* SPDX-License-Identifier: MIT */
/*
 * cmd_signals.c - ferry signals: what a process catches, ignores, blocks and has pending, by name,
 * from /proc; with the fixed meaning of each signal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "json.h"
#include "table.h"

struct signals_command {
	const char *pid;
	bool all, json;
};

/* The lines of /proc/PID/status that tell (proc(5)), and what they say. */
struct masks {
	char name[64];
	uint64_t pending, shared, blocked, ignored, caught;
	uint64_t queued, queue_limit;
};

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "Every signal, also those with which nothing is special", 0 },
	{ "json", 'j', NULL, 0, "Write a JSON object", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct signals_command *command = state->input;

	switch (key) {
	case 'a':
		command->all = true;
		return 0;
	case 'j':
		command->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "only one process at a time");
		command->pid = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[PID]",
	.doc =
	    "Show what a process does with signals: which it catches, ignores, blocks, and which "
	    "wait for it; and what each of them means. Without PID, or with PID 'self', the "
	    "signals that a program started from here would begin with."
	    "\v"
	    "\nExamples:\n"
	    "  ferry signals 4711\n"
	    "  ferry signals self --all\n"
	    "  ferry signals 4711 --json | jq .pending",
};

/* What signal(7) says: default action and meaning. By number on this architecture's names. */
static const struct meaning {
	const char *name, *action, *means;
} meanings[] = {
	{ "SIGHUP", "end", "the terminal hung up, or its controlling process ended" },
	{ "SIGINT", "end", "interrupt from the keyboard (Ctrl-C)" },
	{ "SIGQUIT", "core", "quit from the keyboard (Ctrl-\\)" },
	{ "SIGILL", "core", "an instruction that does not exist" },
	{ "SIGTRAP", "core", "a breakpoint or trace trap" },
	{ "SIGABRT", "core", "abort(3)" },
	{ "SIGBUS", "core", "memory that is mapped but not there" },
	{ "SIGFPE", "core", "a division by zero or the like" },
	{ "SIGKILL", "end", "end at once; cannot be caught, blocked or ignored" },
	{ "SIGUSR1", "end", "whatever the program uses it for" },
	{ "SIGSEGV", "core", "memory that may not be touched" },
	{ "SIGUSR2", "end", "whatever the program uses it for" },
	{ "SIGPIPE", "end", "writing where nobody reads any more" },
	{ "SIGALRM", "end", "alarm(2) ran out" },
	{ "SIGTERM", "end", "a request to end" },
	{ "SIGSTKFLT", "end", "not used" },
	{ "SIGCHLD", "ignore", "a child ended, stopped or went on" },
	{ "SIGCONT", "go on", "go on after a stop" },
	{ "SIGSTOP", "stop", "stop; cannot be caught, blocked or ignored" },
	{ "SIGTSTP", "stop", "stop from the keyboard (Ctrl-Z)" },
	{ "SIGTTIN", "stop", "reading the terminal in the background" },
	{ "SIGTTOU", "stop", "writing to the terminal in the background" },
	{ "SIGURG", "ignore", "urgent data on a socket" },
	{ "SIGXCPU", "core", "the limit of CPU time was passed" },
	{ "SIGXFSZ", "core", "the limit of a file's size was passed" },
	{ "SIGVTALRM", "end", "the timer of CPU time ran out" },
	{ "SIGPROF", "end", "the profiling timer ran out" },
	{ "SIGWINCH", "ignore", "the window's size changed" },
	{ "SIGIO", "end", "a descriptor is ready" },
	{ "SIGPWR", "end", "power is failing" },
	{ "SIGSYS", "core", "a system call that is not allowed" },
};

static const struct meaning *meaning_of(int signo)
{
	static const struct meaning realtime = { "", "end", "real time: queues, carries a number" };
	static const struct meaning of_libc = { "", "end", "the C library's own" };
	const char *name = ferry_signal_name(signo);

	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
		if (strcmp(meanings[i].name, name) == 0)
			return &meanings[i];
	return strncmp(name, "SIGRT", strlen("SIGRT")) == 0 ? &realtime : &of_libc;
}

static const char *name_of(int signo, char text[static 16])
{
	const char *name = ferry_signal_name(signo);

	if (strcmp(name, "unknown") != 0)
		return name;
	snprintf(text, 16, "%d", signo);
	return text;
}

/* One line of the file. */
static void read_line(struct masks *masks, const char *line)
{
	static const struct {
		const char *key;
		size_t at;
	} words[] = {
		{ "SigPnd:", offsetof(struct masks, pending) },
		{ "ShdPnd:", offsetof(struct masks, shared) },
		{ "SigBlk:", offsetof(struct masks, blocked) },
		{ "SigIgn:", offsetof(struct masks, ignored) },
		{ "SigCgt:", offsetof(struct masks, caught) },
	};

	if (strncmp(line, "Name:\t", 6) == 0)
		snprintf(masks->name, sizeof masks->name, "%.*s", (int)strcspn(line + 6, "\n"),
			 line + 6);
	if (strncmp(line, "SigQ:\t", 6) == 0) {
		char *slash;
		masks->queued = strtoull(line + 6, &slash, 10);
		masks->queue_limit = *slash == '/' ? strtoull(slash + 1, NULL, 10) : 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strncmp(line, words[i].key, strlen(words[i].key)) == 0)
			*(uint64_t *)(void *)((char *)masks + words[i].at) =
			    strtoull(line + strlen(words[i].key), NULL, 16);
}

static int read_masks(const char *pid, struct masks *masks)
{
	char path[64], line[256];

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		read_line(masks, line);
	int e = ferror(file) ? -ESRCH : 0; /* it ended meanwhile */
	(void)fclose(file);
	return e;
}

static bool has(uint64_t set, int signo)
{
	return set >> (signo - 1) & 1;
}

/* What is special about a signal, in the order in which it matters. */
static const char *action_of(const struct masks *masks, int signo)
{
	return has(masks->caught, signo)    ? "caught"
	       : has(masks->ignored, signo) ? "ignored"
					    : "default";
}

static const char *waiting_of(const struct masks *masks, int signo)
{
	return has(masks->pending | masks->shared, signo) ? "pending" : "";
}

static void print_table(const struct signals_command *command, const struct masks *masks)
{
	struct table table = { .columns = 6, .right = "      " };
	uint64_t special =
	    masks->caught | masks->ignored | masks->blocked | masks->pending | masks->shared;
	int shown = 0;

	table_add(&table, "signal");
	table_add(&table, "action");
	table_add(&table, "blocked");
	table_add(&table, "waiting");
	table_add(&table, "by default");
	table_add(&table, "meaning");
	for (int signo = 1; signo <= 64; signo++) {
		char text[16];
		if (!command->all && !has(special, signo))
			continue;
		table_add(&table, "%s", name_of(signo, text));
		table_add(&table, "%s", action_of(masks, signo));
		table_add(&table, "%s", has(masks->blocked, signo) ? "blocked" : "");
		table_add(&table, "%s", waiting_of(masks, signo));
		table_add(&table, "%s", meaning_of(signo)->action);
		table_add(&table, "%s", meaning_of(signo)->means);
		shown++;
	}
	printf("%s: %" PRIu64 " of at most %" PRIu64 " signals wait for its user\n", masks->name,
	       masks->queued, masks->queue_limit);
	if (shown)
		table_print(&table, 0);
	else
		puts("every signal has its default action, none is blocked, none waits");
}

static json_t *names(uint64_t set)
{
	json_t *array = json_array();

	for (int signo = 1; signo <= 64; signo++) {
		char text[16];
		if (has(set, signo))
			json_array_append_new(array, json_text(name_of(signo, text)));
	}
	return array;
}

static void print_json(const struct masks *masks)
{
	json_t *object = json_object();

	json_put(object, "program", json_text(masks->name));
	json_put(object, "caught", names(masks->caught));
	json_put(object, "ignored", names(masks->ignored));
	json_put(object, "blocked", names(masks->blocked));
	json_put(object, "pending", names(masks->pending | masks->shared));
	json_put_number(object, "queued", masks->queued);
	json_put_number(object, "queue_limit", masks->queue_limit);
	json_print(object);
}

int cmd_signals(int argc, char **argv)
{
	struct signals_command command = { .pid = "self" };
	struct masks masks = { 0 };
	uint64_t pid;

	cli_parse(&argp, argc, argv, &command);
	if (strcmp(command.pid, "self") != 0 && !cli_parse_count(command.pid, 1, INT32_MAX, &pid))
		cli_die(STATUS_USAGE, "signals: '%s' is not a process; try ferry signals --help",
			command.pid);
	int r = read_masks(command.pid, &masks);
	if (r < 0) {
		cli_complain("signals: no process %s: %s", command.pid,
			     r == -ENOENT ? "there is none with this number" : strerror(-r));
		return STATUS_ABSENT;
	}
	if (command.json)
		print_json(&masks);
	else
		print_table(&command, &masks);
	return STATUS_DONE;
}
