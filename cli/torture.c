/* SPDX-License-Identifier: MIT */
/*
 * torture.c - ferry torture: kill and stop processes at random, and check every promise.
 */
#include "torture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <ferry/ferry.h>

#include "cli.h"
#include "interrupt.h"

#define OWN_LOCATION "torture"
#define STOP_MAX     UINT64_C(300000000) /* ns */
#define ENTRIES      128                 /* of those who hold or wait, that are looked at */

static const struct torture_family *const families[] = { &torture_mailbox, &torture_lock,
							 &torture_pipe, &torture_segment, NULL };

enum { OPTION_KILLS = 512, OPTION_STOPS, OPTION_QUIET };

static const struct argp_option argp_options[] = {
	{ "seconds", 's', "TIME", 0, "Go on for so long (default: 10)", 0 },
	{ "seed", 'S', "NUMBER", 0, "The seed of all random choices (default: a new one)", 0 },
	{ "kills-per-second", OPTION_KILLS, "N", 0, "SIGKILLs, on average (default: 20)", 0 },
	{ "stops-per-second", OPTION_STOPS, "N", 0,
	  "SIGSTOPs, on average, each for 1 to 300 ms (default: 20)", 0 },
	{ "quiet", OPTION_QUIET, NULL, 0, "Say nothing unless something is wrong", 0 },
	{ 0 },
};

static double rate_option(struct argp_state *state, const char *option, const char *text)
{
	char *end;
	double rate = strtod(text, &end);

	if (end == text || *end || !(rate >= 0 && rate <= 1000))
		argp_error(state, "%s: '%s' is not a number from 0 to 1000", option, text);
	return rate;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct torture *t = state->input;

	switch (key) {
	case 's':
		t->duration = cli_duration_option(state, "--seconds", argument);
		return 0;
	case 'S':
		t->seed = cli_count_option(state, "--seed", argument, 0, UINT64_MAX);
		t->seeded = true;
		return 0;
	case OPTION_KILLS:
		t->kills = rate_option(state, "--kills-per-second", argument);
		return 0;
	case OPTION_STOPS:
		t->stops = rate_option(state, "--stops-per-second", argument);
		return 0;
	case OPTION_QUIET:
		t->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (t->location)
			argp_error(state, "one location at a time");
		t->location = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp torture_argp = { .options = argp_options, .parser = parse };

/* argp frees what this returns. */
char *torture_help(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t size = 0;
	FILE *stream = key == ARGP_KEY_HELP_PRE_DOC ? open_memstream(&list, &size) : NULL;

	(void)input;
	if (!stream)
		return (char *)(uintptr_t)text;
	fputs(text, stream);
	fputs("\n\nWhat can be tortured:", stream);
	for (const struct torture_family *const *f = families; *f; f++)
		fprintf(stream, " %s", (*f)->name);
	fputs("; ferry torture NAME --help tells more.", stream);
	if (fclose(stream) == 0)
		return list;
	free(list);
	return (char *)(uintptr_t)text;
}

static struct torture *torture_of(const struct crew *crew)
{
	return crew->context;
}

static uint64_t kills(const struct crew *crew)
{
	return crew->figures.kills[0] + crew->figures.kills[1];
}

static uint64_t moved(const struct crew *crew)
{
	return crew_total(crew, crew_last_role(crew));
}

int torture_look(struct torture *t)
{
	struct ferry_why why = { 0 };
	int r = ferry_segment_open(&t->look, t->location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY, .why = &why));

	return r < 0 ? cli_fail("torture", t->location, r, &why) : STATUS_DONE;
}

/* What a stopped process holds the others have to wait for. */
static bool hinders(struct crew *crew, uint32_t seat)
{
	pid_t pid = atomic_load(&crew->shared->seats[seat].pid);
	struct ferry_sync_entry entries[ENTRIES];
	int n = ferry_sync_list(torture_of(crew)->look, entries, ENTRIES);

	for (int i = 0; i < n && i < ENTRIES; i++)
		if (entries[i].pid == pid &&
		    (entries[i].role == FERRY_SYNC_HOLDS || entries[i].role == FERRY_SYNC_SHARES))
			return true;
	return false;
}

static void tick(struct crew *crew, uint64_t now)
{
	struct torture *t = torture_of(crew);
	const struct crew_figures *f = &crew->figures;
	uint64_t n_moved = moved(crew), faults = faults_all(crew->faults);
	double rate = (double)(n_moved - t->before) / ((double)(now - t->before_at) / 1e9);
	char n[SHOW_NUMBER], r[SHOW_NUMBER], gap[CLI_HUMAN_BYTES], wrong[48] = "";

	if (faults)
		snprintf(wrong, sizeof wrong, "  %" PRIu64 " VIOLATION%s", faults,
			 faults == 1 ? "" : "S");
	show_progress(&t->show, now,
		      "%6.1f s  %s %s  %s/s  %" PRIu64 " kills  %" PRIu64 " stops  %" PRIu64
		      " forks  longest gap %s%s",
		      (double)(now - crew->started) / 1e9, show_number(n, n_moved),
		      t->family->things, show_short(r, rate), kills(crew), f->stops, f->forks,
		      cli_human_duration(gap, (int64_t)crew->watch.longest), wrong);
	if (now - t->before_at > UINT64_C(1000000000)) {
		t->before = n_moved;
		t->before_at = now;
	}
}

/* "12 senders, 9 receivers", with the figure for each role. */
static void print_roles(const struct crew *crew, const uint64_t figure[CREW_ROLES])
{
	for (uint32_t role = 0; role < CREW_ROLES && role <= crew_last_role(crew); role++)
		printf("%s%" PRIu64 " %ss", role ? ", " : "", figure[role], crew->role[role]);
}

static void report_processes(const struct torture *t)
{
	const struct crew *crew = &t->crew;
	const struct crew_figures *f = &crew->figures;
	char where[72], gap[CLI_HUMAN_BYTES], slowest[CLI_HUMAN_BYTES];

	show_kills(crew, where, sizeof where);
	printf("  processes   %" PRIu64 " killed (", kills(crew));
	print_roles(crew, f->kills);
	printf("), %" PRIu64 " stopped, %" PRIu64 " forked; %" PRIu64 " cleaned up after\n",
	       f->stops, f->forks, t->recovered);
	if (where[0])
		printf("  killed in   %s\n", where);
	printf("  longest gap %s without a %s",
	       cli_human_duration(gap, (int64_t)crew->watch.longest), t->family->thing);
	if (t->look)
		printf(", %s while no stopped one held anything",
		       cli_human_duration(gap, (int64_t)crew->unhindered.longest));
	printf("; slowest recovery from a kill %s\n",
	       cli_human_duration(slowest, (int64_t)f->slowest));
}

static void report_violations(const struct torture *t, uint64_t faults)
{
	printf("  %sviolations ", faults ? t->show.bad : t->show.good);
	for (uint32_t i = 0; i < FAULTS; i++)
		if (t->family->may_find >> i & 1 || faults_of(t->faults, (enum fault)i))
			printf(" %s %" PRIu64, fault_names[i], faults_of(t->faults, (enum fault)i));
	printf("%s\n", t->show.plain);
}

static void report(const struct torture *t)
{
	uint64_t faults = faults_all(t->faults);

	if (!t->show.quiet || faults) {
		if (t->family->report)
			t->family->report(t);
		report_processes(t);
		report_violations(t, faults);
	}
	if (faults) {
		fflush(stdout);
		fprintf(stderr, "ferry torture failed: %" PRIu64 " violation%s, seed %" PRIu64 "\n",
			faults, CLI_PLURAL(faults), t->seed);
		show_faults(t->faults);
	}
}

static void introduce(const struct torture *t)
{
	const struct crew *crew = &t->crew;

	printf("ferry torture: seed %" PRIu64 ", ", t->seed);
	print_roles(crew, (const uint64_t[CREW_ROLES]){ crew->n[0], crew->n[1] });
	printf(", %g kills and %g stops a second for %g s\n", t->kills, t->stops,
	       (double)t->duration / 1e9);
	if (t->family->introduce)
		t->family->introduce(t);
	fflush(stdout);
}

static void run(struct torture *t)
{
	if (!t->show.quiet)
		introduce(t);
	t->before_at = now_ns();
	crew_run(&t->crew, (double)t->duration / 1e9);
	show_progress_end(&t->show);
	if (interrupt_seen())
		return;
	t->family->inspect(t);
	report(t);
}

static int stage(struct torture *t)
{
	int status;

	t->faults = faults_make();
	if (!t->faults)
		cli_die(STATUS_FAILED, "torture: out of memory");
	t->crew = (struct crew){
		.kills_per_second = t->kills,
		.stops_per_second = t->stops,
		.stop_max = STOP_MAX,
		.seed = t->seed,
		.faults = t->faults,
		.tick = tick,
		.context = t,
	};
	status = t->family->prepare(t);
	if (status != STATUS_DONE)
		return status;
	if (t->look)
		t->crew.hinders = hinders;
	if (crew_init(&t->crew) < 0)
		cli_die(STATUS_FAILED, "torture: out of memory");
	run(t);
	status = faults_all(t->faults) ? STATUS_FAILED : STATUS_DONE;
	ferry_segment_close(t->look);
	if (t->made)
		ferry_remove(t->location, NULL);
	crew_fini(&t->crew);
	t->family->clean_up(t);
	faults_unmake(t->faults);
	return status;
}

/* The first argument may name a family. To torture a mailbox of such a name: mailbox NAME. */
static const struct torture_family *choose_family(int *argc, char ***argv)
{
	for (const struct torture_family *const *f = families; *argc > 1 && *f; f++)
		if (strcmp((*f)->name, (*argv)[1]) == 0) {
			(*argv)[1] = (*argv)[0];
			++*argv;
			--*argc;
			return *f;
		}
	return &torture_mailbox;
}

static void settle(struct torture *t, const struct torture_family *family)
{
	t->family = family;
	if (!t->seeded && getrandom(&t->seed, sizeof t->seed, 0) != sizeof t->seed)
		t->seed = now_ns();
	show_init(&t->show, t->quiet);
}

int cmd_torture(int argc, char **argv)
{
	const struct torture_family *family = choose_family(&argc, &argv);
	struct torture *t = family->torture;
	char place[32] = "";

	t->duration = INT64_C(10000000000);
	t->kills = t->stops = 20;
	cli_parse(family->argp, argc, argv, t);
	settle(t, family);
	interrupt_catch();
	if (!t->location) {
		int r = show_place_make(place);

		if (r < 0)
			cli_die(STATUS_FAILED, "torture: cannot make a directory in /dev/shm: %s",
				ferry_strerror(r));
		t->location = OWN_LOCATION;
	}
	int status = stage(t);
	show_place_remove(place);
	return interrupt_end(status);
}
