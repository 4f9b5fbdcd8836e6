/* SPDX-License-Identifier: MIT */
/*
 * ferry-kill: kill or stop a process at every instruction of every operation of ferry, one run for
 * each, and see whether the others go on. docs/testing-kill.md tells the whole story.
 */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <unistd.h>

#include "crew.h"

enum {
	KEY_LIST = 0x100,
	KEY_EVERY,
	KEY_SEED,
	KEY_SECONDS,
	KEY_KILL_ONLY,
	KEY_STOP_ONLY,
	KEY_AT,

	KEY_SELFTEST,
};

static const struct argp_option option_table[] = {
	{ "operation", 'o', "NAME", 0, "Attack this operation only (can be repeated)", 0 },
	{ "family", 'f', "NAME", 0, "Attack this family's operations only (can be repeated)", 0 },
	{ "list", KEY_LIST, NULL, 0, "Tell the operations, and end", 0 },
	{ "kill-only", KEY_KILL_ONLY, NULL, 0, "Kill, do not stop", 0 },
	{ "kill", KEY_KILL_ONLY, NULL, OPTION_ALIAS, NULL, 0 },
	{ "stop-only", KEY_STOP_ONLY, NULL, 0, "Stop, do not kill", 0 },
	{ "stop", KEY_STOP_ONLY, NULL, OPTION_ALIAS, NULL, 0 },
	{ "at", KEY_AT, "POINT", 0, "Strike at this point of the operation only", 0 },

	{ "every", KEY_EVERY, "N", 0, "Strike at each Nth point only", 0 },
	{ "seconds", KEY_SECONDS, "LIMIT", 0, "Strike at a random sample of points until then", 0 },
	{ "seed", KEY_SEED, "NUMBER", 0,
	  "Choose what --every (1) and --seconds (a random seed, which is printed) leave out", 0 },
	{ "jobs", 'j', "N", 0, "Runs at a time (2)", 0 },
	{ "selftest", KEY_SELFTEST, NULL, 0,
	  "Attack unsafe queues; succeed if each one's violations are found", 0 },
	{ "verbose", 'v', NULL, 0, "Tell each run", 0 },
	{ 0 },
};

static uint64_t number(const char *text, struct argp_state *state)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end)
		argp_error(state, "'%s' is not a number", text);
	return value;
}

/* Short enough to be typed again. */
static uint64_t random_seed(void)
{
	uint32_t seed;

	return getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? seed : (uint64_t)getpid();
}

static void choose(const char *name, struct argp_state *state)
{
	struct crew *crew = state->input;

	for (uint32_t i = 0; i < crew->n_entries; i++)
		if (strcmp(crew_operation(crew, i)->name, name) == 0) {
			crew->tallies[i].chosen = true;
			crew->n_chosen++;
			return;
		}
	argp_error(state, "there is no operation '%s'; --list tells them", name);
}

static void choose_family(const char *name, struct argp_state *state)
{
	struct crew *crew = state->input;

	for (uint32_t i = 0; families[i]; i++)
		if (strcmp(families[i]->name, name) == 0) {
			crew->families |= 1u << i;
			return;
		}
	argp_error(state, "there is no family '%s'; --list tells them", name);
}

static _Noreturn void list(const struct crew *crew)
{
	const struct family *family = NULL;

	for (uint32_t i = 0; i < crew->n_entries; i++) {
		if (crew->entries[i].family != family)
			printf("%s%s:\n", family ? "\n" : "", crew->entries[i].family->name);
		family = crew->entries[i].family;
		printf("  %-24s %s\n", crew_operation(crew, i)->name,
		       crew_operation(crew, i)->what);
	}
	exit(0);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct crew *crew = state->input;

	switch (key) {
	case 'o':
		choose(text, state);
		break;
	case 'f':
		choose_family(text, state);
		break;
	case KEY_LIST:
		list(crew);
	case KEY_KILL_ONLY:
		crew->stops = false;
		break;
	case KEY_STOP_ONLY:
		crew->kills = false;
		break;
	case KEY_AT:
		crew->at = (int64_t)number(text, state);
		break;

	case KEY_EVERY:
		crew->every = (uint32_t)number(text, state);
		break;
	case KEY_SECONDS:
		crew->seconds = (uint32_t)number(text, state);
		break;
	case KEY_SEED:
		crew->seed = number(text, state);
		crew->seeded = true;
		break;
	case 'j':
		crew->n_jobs = (uint32_t)number(text, state);
		break;
	case KEY_SELFTEST:
		crew->selftest = true;
		break;
	case 'v':
		crew->verbose = true;
		break;
	case ARGP_KEY_END:
		if (crew->every < 1 || crew->n_jobs < 1 || crew->n_jobs > CREW_JOBS)
			argp_error(state, "--every is at least 1, --jobs is 1 to %d", CREW_JOBS);
		if (!crew->kills && !crew->stops)
			argp_error(state, "--kill-only and --stop-only leave nothing to do");
		if (crew->seconds && !crew->seeded)
			crew->seed = random_seed();
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Without names: all operations, or all self-tests, of all families or the named. */
static void choose_all(struct crew *crew)
{
	for (uint32_t i = 0; !crew->n_chosen && i < crew->n_entries; i++) {
		bool wanted =
		    !crew->families || crew->families >> crew->entries[i].family_index & 1;

		crew->tallies[i].chosen =
		    wanted && !crew_operation(crew, i)->expect == !crew->selftest;
	}
}

/* The same addresses in each run, and no lazy binding, whose detours no breakpoint could follow. */
static void start_afresh(char **argv)
{
	char path[PATH_MAX];
	ssize_t n;

	if (getenv("LD_BIND_NOW"))
		return;
	personality(ADDR_NO_RANDOMIZE);
	setenv("LD_BIND_NOW", "1", 1);
	/* Not /proc/self/exe, or the process would be listed as "exe". */
	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	execv(path, argv);
	perror("ferry-kill: cannot start afresh");
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.doc = "Kill or stop a process at every instruction of ferry, and see whether "
		       "the others go on.",
	};
	static struct crew crew = {
		.kills = true,
		.stops = true,
		.at = -1,
		.every = 1,
		.seed = 1,
		.n_jobs = 2,
	};

	start_afresh(argv);
	crew.n_entries = family_entries(crew.entries);
	argp_parse(&argp, argc, argv, 0, NULL, &crew);
	choose_all(&crew);
	return crew_work(&crew);
}
