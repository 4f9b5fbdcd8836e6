/* SPDX-License-Identifier: MIT */
/*
 * bench.c - ferry bench: measure ferry, the kernel's transports and the floor under both, in turn
 * and several times over. What is measured and why it can be trusted: bench/METHOD.md.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench_run.h"
#include "cli.h"

#define ROUNDS_MOST   1000
#define ROUNDS        7
#define ROUNDS_QUICK  3
#define SECONDS       0.1
#define SECONDS_QUICK 0.035
#define IDLE          100 /* idling: so many times longer, and once instead of each round */
#define CROWD         3 /* more processes than cores: so many times longer, the scheduler is slow */

static const struct bench_family *const families[] = { &bench_mailbox, &bench_pipes,
						       &bench_lock,    &bench_segment,
						       &bench_signals, &bench_sockets,
						       &bench_wait,    NULL };

struct bench_command {
	const struct bench_family *family;
	const char *pattern;
	unsigned rounds;
	double seconds;
	bool quick, json, choose;
	unsigned cpu[2];
};

static const struct argp_option options[] = {
	{ "quick", 'q', NULL, 0, "Shorter: about 20 seconds instead of two minutes", 0 },
	{ "rounds", 'r', "NUMBER", 0, "How often everything is measured (7)", 0 },
	{ "seconds", 's', "TIME", 0, "How long one measurement takes (100ms)", 0 },
	{ "row", 'w', "PATTERN", 0, "Only the rows whose names match, such as 'roundtrip-*'", 0 },
	{ "cpus", 'c', "A,B", 0, "The cores to use; the same twice for one core", 0 },
	{ "json", 'j', NULL, 0, "Write a JSON object with the figures of every round", 0 },
	{ 0 },
};

static void parse_cpus(struct argp_state *state, const char *text, struct bench_command *command)
{
	char *end = NULL;
	unsigned long a = strtoul(text, &end, 10);
	unsigned long b =
	    *end == ',' && isdigit((unsigned char)end[1]) ? strtoul(end + 1, &end, 10) : ULONG_MAX;

	if (!isdigit((unsigned char)text[0]) || *end != '\0' || a > INT_MAX || b > INT_MAX)
		argp_error(state, "--cpus takes two core numbers, such as 0,1");
	command->cpu[0] = (unsigned)a;
	command->cpu[1] = (unsigned)b;
	command->choose = true;
}

static const struct bench_family *find_family(const char *name)
{
	for (const struct bench_family *const *f = families; *f; f++)
		if (!strcmp((*f)->name, name))
			return *f;
	return NULL;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct bench_command *command = state->input;
	int64_t ns;

	switch (key) {
	case 'q':
		command->quick = true;
		return 0;
	case 'r':
		command->rounds =
		    (unsigned)cli_count_option(state, "rounds", argument, 1, ROUNDS_MOST);
		return 0;
	case 's':
		ns = cli_duration_option(state, "seconds", argument);
		command->seconds = (double)ns / 1e9;
		if (command->seconds < 0.001 || command->seconds > 600)
			argp_error(state, "--seconds takes 1ms to 10m");
		return 0;
	case 'w':
		command->pattern = argument;
		return 0;
	case 'c':
		parse_cpus(state, argument, command);
		return 0;
	case 'j':
		command->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "one kind of object at a time");
		command->family = find_family(argument);
		if (!command->family)
			argp_error(state,
				   "cannot measure '%s'; ferry bench --help tells what can be",
				   argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void list_rows(FILE *stream, const struct bench_family *family)
{
	fprintf(stream, "  %s: %s.\n   ", family->name, family->what);
	for (const struct bench_row *row = family->rows; row->name; row++)
		fprintf(stream, " %s", row->name);
	fputs("\n", stream);
}

/* Put what can be measured into the help text. argp frees what this returns. */
static char *help_filter(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t size = 0;
	FILE *stream = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&list, &size) : NULL;

	(void)input;
	if (!stream)
		return (char *)(uintptr_t)text;
	fputs("What can be measured, and the rows:\n", stream);
	for (const struct bench_family *const *f = families; *f; f++)
		list_rows(stream, *f);
	fputs(text, stream);
	if (fclose(stream) == 0)
		return list;
	free(list);
	return (char *)(uintptr_t)text;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[OBJECT]",
	.doc = "Measure a kind of object (the mailbox, if none is named) beside the kernel's own "
	       "ways, and beside the floor: a bare cache line, a bare futex, a bare copy. "
	       "Everything runs in turn, several times over, on two cores; at the end stands what "
	       "was promised and what was reached. Compare ratios of one run, not figures of two."
	       "\v"
	       "\nExamples:\n"
	       "  ferry bench mailbox\n"
	       "  ferry bench mailbox --quick --row 'roundtrip-*'\n"
	       "  ferry bench mailbox --json > today.json\n"
	       "  ferry bench lock\n"
	       "  ferry bench segment\n"
	       "  ferry bench signal\n"
	       "  ferry bench wait",
	.help_filter = help_filter,
};

static unsigned ability_for(const struct bench_row *row)
{
	if (row->kind == BENCH_ROUNDTRIPS)
		return BENCH_ROUNDTRIP;
	return row->senders + row->receivers > 2 ? BENCH_MANY : BENCH_STREAM;
}

static bool takes_part(const struct bench_row *row, const struct bench_peer *peer)
{
	bool one_core = bench_cpus()[0] == bench_cpus()[1];

	if (row->kind == BENCH_OPENING || row->kind == BENCH_TOUCHING)
		return peer->life;
	if (one_core && peer->abilities & BENCH_SPINS)
		return false;
	if (row->kind == BENCH_SECTIONS || row->kind == BENCH_CHURNS)
		return peer->abilities & (BENCH_SECTION | BENCH_CHURN);
	if (row->kind == BENCH_CALLS)
		return peer->abilities & BENCH_CALL;
	if (row->kind == BENCH_IDLING)
		return peer->abilities & BENCH_IDLES;
	return peer->abilities & ability_for(row) && row->bytes >= peer->least &&
	       (!peer->most || row->bytes <= peer->most);
}

static void *must_have(void *memory)
{
	if (!memory)
		cli_die(STATUS_FAILED, "out of memory");
	return memory;
}

static void make_table(struct bench_table *table, const struct bench_row *row,
		       const struct bench_peer *const peer[], unsigned rounds)
{
	unsigned peers = 0;

	while (peer[peers])
		peers++;
	table->row = row;
	table->entry = must_have(calloc(peers + 1, sizeof(*table->entry)));
	for (unsigned i = 0; i < peers; i++) {
		struct bench_entry *entry = &table->entry[table->n];

		if (!takes_part(row, peer[i]))
			continue;
		entry->peer = peer[i];
		for (unsigned m = 0; m < BENCH_METRICS; m++)
			entry->value[m] = must_have(calloc(rounds, sizeof(double)));
		table->n++;
	}
}

static bool is_wanted(const struct bench_command *command, const struct bench_row *row)
{
	return !command->pattern || fnmatch(command->pattern, row->name, 0) == 0;
}

static unsigned count_rows(const struct bench_command *command)
{
	unsigned n = 0;

	for (const struct bench_row *row = command->family->rows; row->name; row++)
		n += is_wanted(command, row);
	return n;
}

static void make_report(struct bench_report *report, const struct bench_command *command)
{
	const struct bench_family *family = command->family;

	report->family = family;
	report->rounds = command->rounds;
	report->seconds = command->seconds;
	if (getloadavg(&report->load, 1) < 1)
		report->load = 0;
	report->table = must_have(calloc(count_rows(command) + 1, sizeof(*report->table)));
	for (const struct bench_row *row = family->rows; row->name; row++)
		if (is_wanted(command, row))
			make_table(&report->table[report->n++], row,
				   family->peers_of ? family->peers_of(row) : family->peers,
				   command->rounds);
}

static void free_report(struct bench_report *report)
{
	for (unsigned i = 0; i < report->n; i++) {
		for (unsigned j = 0; j < report->table[i].n; j++)
			for (unsigned m = 0; m < BENCH_METRICS; m++)
				free(report->table[i].entry[j].value[m]);
		free(report->table[i].entry);
	}
	free(report->table);
}

static int measure(const struct bench_row *row, const struct bench_peer *peer, double seconds,
		   double value[BENCH_METRICS], struct bench_result *r)
{
	switch (row->kind) {
	case BENCH_ROUNDTRIPS:
		return bench_roundtrip(peer, row->bytes, seconds, r);
	case BENCH_STREAMS:
		if (row->senders + row->receivers > 2)
			seconds *= CROWD;
		return bench_stream(peer, row->bytes, row->senders, row->receivers, seconds, r);
	case BENCH_SENDS:
		return bench_stream_timed(peer, row->bytes, row->senders, row->receivers,
					  seconds * CROWD, r);
	case BENCH_OPENING:
		return bench_opening(peer, seconds, value, r);
	case BENCH_SECTIONS:
		return bench_section(peer, row->senders,
				     row->senders > 2 ? seconds * CROWD : seconds, r);
	case BENCH_CHURNS:
		return bench_churn(peer, row->bytes, row->senders,
				   row->senders > 2 ? seconds * CROWD : seconds, r);
	case BENCH_TOUCHING:
		return bench_touching(peer, seconds, value, r);
	case BENCH_CALLS:
		return bench_calls(peer, seconds, r);
	case BENCH_IDLING:
		return bench_idling(peer, seconds * IDLE, value, r);
	}
	return -EINVAL;
}

/* One number of each kind for this round. An entry that failed once is left alone from then on. */
static int measure_entry(const struct bench_row *row, struct bench_entry *entry, double seconds)
{
	double value[BENCH_METRICS] = { 0 };
	struct bench_result r;
	int e = measure(row, entry->peer, seconds, value, &r);

	if (e < 0) {
		snprintf(entry->why, sizeof(entry->why), "%s", e == -ENOTSUP ? "too large" : r.why);
		return e;
	}
	value[BENCH_P50] = r.p50;
	value[BENCH_P99] = r.p99;
	value[BENCH_P999] = r.p999;
	value[BENCH_RATE] = r.rate;
	value[BENCH_BYTES_RATE] = r.bytes_rate;
	value[BENCH_DEPTH] = r.depth;
	value[BENCH_LONGEST] = r.longest;
	value[BENCH_PREEMPTED] = (double)r.preempted;
	for (unsigned m = 0; m < BENCH_METRICS; m++)
		entry->value[m][entry->valid] = value[m];
	entry->valid++;
	return 0;
}

static void show_progress(const struct bench_report *report, unsigned round, const char *what)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (what)
		fprintf(stderr, "\r\033[Kround %u of %u: %s", round + 1, report->rounds, what);
	else
		fputs("\r\033[K", stderr);
}

/* 0, or -EINTR. */
static int run_round(struct bench_report *report, unsigned round)
{
	for (unsigned i = 0; i < report->n && report->table[i].row; i++) {
		struct bench_table *table = &report->table[i];

		show_progress(report, round, table->row->title);
		for (unsigned j = 0; j < table->n; j++) {
			struct bench_entry *entry = &table->entry[j];

			if (entry->why[0] || (table->row->kind == BENCH_IDLING && entry->valid > 0))
				continue;
			if (measure_entry(table->row, entry, report->seconds) == -EINTR)
				return -EINTR;
		}
	}
	return 0;
}

/* Failures other than "too large" deserve a word of their own. */
static int complain_of_failures(const struct bench_report *report)
{
	int status = STATUS_DONE;

	for (unsigned i = 0; i < report->n; i++)
		for (unsigned j = 0; j < report->table[i].n; j++) {
			const char *why = report->table[i].entry[j].why;

			if (!why[0] || !strcmp(why, "too large"))
				continue;
			cli_complain("%s failed: %s", report->table[i].row->name, why);
			status = STATUS_FAILED;
		}
	return status;
}

static int bench(const struct bench_command *command)
{
	struct bench_report report = { 0 };
	int status = STATUS_FAILED, e = 0;

	make_report(&report, command);
	for (unsigned round = 0; round < report.rounds && e == 0; round++)
		e = run_round(&report, round);
	show_progress(&report, 0, NULL);
	if (e == 0) {
		(command->json ? bench_print_json : bench_print)(&report);
		status = complain_of_failures(&report);
	}
	free_report(&report);
	return status;
}

static void settle(struct bench_command *command)
{
	if (!command->rounds)
		command->rounds = command->quick ? ROUNDS_QUICK : ROUNDS;
	if (command->seconds <= 0)
		command->seconds = command->quick ? SECONDS_QUICK : SECONDS;
}

int cmd_bench(int argc, char **argv)
{
	struct bench_command command = { .family = &bench_mailbox };
	int status, e;
	sigset_t before;

	cli_parse(&argp, argc, argv, &command);
	settle(&command);
	if (command.family->begin)
		command.family->begin(argc, argv);
	if (!count_rows(&command)) {
		cli_complain("bench: no row matches '%s'; ferry bench --help names them",
			     command.pattern);
		return STATUS_USAGE;
	}
	/* A signal that asks to end waits until everything is cleaned up, then does its usual
	 * thing. */
	bench_block_signals(&before);
	e = bench_begin(command.choose ? command.cpu : NULL);
	if (e == 0) {
		status = bench(&command);
	} else {
		cli_complain("bench: cannot prepare: %s%s", ferry_strerror(e),
			     e == -EINVAL ? "; --cpus names a core that this process may not use"
					  : "");
		status = STATUS_FAILED;
	}
	bench_end();
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}
