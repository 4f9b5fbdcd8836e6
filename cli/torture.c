/* SPDX-License-Identifier: MIT */
/*
 * torture.c - ferry torture: kill and stop processes at random, and check every promise.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "cli.h"
#include "interrupt.h"
#include "torture.h"

#define OWN_LOCATION "torture"
#define WINDOW       16384
#define SLOTS_MAX    (UINT64_C(1) << 22) /* of all streams */
#define STOP_MAX     UINT64_C(300000000) /* ns */
#define SIZE_LIMIT   (UINT64_C(1) << 30)

enum {
	OPTION_SENDERS = 256,
	OPTION_RECEIVERS,
	OPTION_KILLS,
	OPTION_STOPS,
	OPTION_SIZE,
	OPTION_CAPACITY,
	OPTION_PRIORITIES,
	OPTION_DROP,
	OPTION_QUIET,
};

struct options {
	struct torture torture;
	uint64_t senders, receivers, seed;
	double kills, stops;
	bool seeded, quiet;
};

static const struct argp_option argp_options[] = {
	{ "seconds", 's', "TIME", 0, "Go on for so long (default: 10)", 0 },
	{ "seed", 'S', "NUMBER", 0, "The seed of all random choices (default: a new one)", 0 },
	{ "senders", OPTION_SENDERS, "N", 0, "Sending processes, 1 to 64 (default: 4)", 0 },
	{ "receivers", OPTION_RECEIVERS, "N", 0, "Receiving processes, 1 to 64 (default: 4)", 0 },
	{ "kills-per-second", OPTION_KILLS, "N", 0, "SIGKILLs, on average (default: 20)", 0 },
	{ "stops-per-second", OPTION_STOPS, "N", 0,
	  "SIGSTOPs, on average, each for 1 to 300 ms (default: 20)", 0 },
	{ "size", OPTION_SIZE, "MIN-MAX", 0, "Bytes of a message, from 16 (default: 16-4096)", 0 },
	{ "capacity", OPTION_CAPACITY, "N", 0, "Room at each priority (default: 64)", 0 },
	{ "priorities", OPTION_PRIORITIES, "N", 0, "1 to 32 (default: 3)", 0 },
	{ "drop", OPTION_DROP, NULL, 0, "A mailbox that drops its oldest messages when full", 0 },
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

static void size_option(struct argp_state *state, struct torture *t, const char *text)
{
	char *both = strdup(text), *dash = both ? strchr(both, '-') : NULL;

	if (dash)
		*dash++ = '\0';
	if (!both || !cli_parse_size(both, &t->size_min) ||
	    !cli_parse_size(dash ? dash : both, &t->size_max) ||
	    t->size_min < sizeof(struct torture_head) || t->size_max < t->size_min ||
	    t->size_max > SIZE_LIMIT)
		argp_error(state, "--size: '%s' is not a range of sizes from 16 to 1G", text);
	free(both);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *o = state->input;
	struct torture *t = &o->torture;

	switch (key) {
	case 's':
		t->duration = cli_duration_option(state, "--seconds", argument);
		return 0;
	case 'S':
		o->seed = cli_count_option(state, "--seed", argument, 0, UINT64_MAX);
		o->seeded = true;
		return 0;
	case OPTION_SENDERS:
		o->senders = cli_count_option(state, "--senders", argument, 1, CREW_MAX);
		return 0;
	case OPTION_RECEIVERS:
		o->receivers = cli_count_option(state, "--receivers", argument, 1, CREW_MAX);
		return 0;
	case OPTION_KILLS:
		o->kills = rate_option(state, "--kills-per-second", argument);
		return 0;
	case OPTION_STOPS:
		o->stops = rate_option(state, "--stops-per-second", argument);
		return 0;
	case OPTION_SIZE:
		size_option(state, t, argument);
		return 0;
	case OPTION_CAPACITY:
		t->capacity = (uint32_t)cli_count_option(state, "--capacity", argument, 1, 65536);
		return 0;
	case OPTION_PRIORITIES:
		t->priorities = (uint32_t)cli_count_option(state, "--priorities", argument, 1,
							   LEDGER_PRIORITIES_MAX);
		return 0;
	case OPTION_DROP:
		t->drop = true;
		return 0;
	case OPTION_QUIET:
		o->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (t->location)
			argp_error(state, "one mailbox at a time");
		t->location = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.args_doc = "[MAILBOX]",
	.doc = "Kill and stop processes at random, and check every promise of a mailbox."
	       "\v"
	       "Many processes send and receive in every way there is, while others of them are "
	       "killed, stopped, resumed, replaced and forked at random. Every message is kept "
	       "account of. Without MAILBOX a mailbox is made for it and removed in the end; "
	       "MAILBOX is made if it is not there, and must have nobody and nothing in it.\n"
	       "\nThe exit status is 1 if a message was lost, torn, doubled or out of order, or if "
	       "nothing moved for 2 seconds.\n"
	       "\nExamples:\n"
	       "  ferry torture\n"
	       "  ferry torture --seconds 600\n"
	       "  ferry torture --seed 42 --senders 16 --receivers 16 --size 16-1M\n",
};

static void tick(struct crew *crew, uint64_t now)
{
	struct torture *t = crew->context;
	const struct crew_figures *f = &crew->figures;
	uint64_t moved = crew_total(crew, false), faults = ledger_faults(crew->ledger);
	double rate = (double)(moved - t->before) / ((double)(now - t->before_at) / 1e9);
	char n[SHOW_NUMBER], r[SHOW_NUMBER], gap[CLI_HUMAN_BYTES], wrong[48] = "";

	if (faults)
		snprintf(wrong, sizeof wrong, "  %" PRIu64 " VIOLATION%s", faults,
			 faults == 1 ? "" : "S");
	show_progress(&t->show, now,
		      "%6.1f s  %s messages  %s/s  %" PRIu64 " kills  %" PRIu64 " stops  %" PRIu64
		      " forks  longest gap %s%s",
		      (double)(now - crew->started) / 1e9, show_number(n, moved),
		      show_short(r, rate), f->kills[0] + f->kills[1], f->stops, f->forks,
		      cli_human_duration(gap, (int64_t)crew->watch.longest), wrong);
	if (now - t->before_at > UINT64_C(1000000000)) {
		t->before = moved;
		t->before_at = now;
	}
}

static void report_messages(const struct crew *crew)
{
	const struct torture *t = crew->context;
	const struct ledger_sum *sum = &t->sum;
	char a[SHOW_NUMBER], b[SHOW_NUMBER], c[SHOW_NUMBER], d[SHOW_NUMBER];

	printf("  messages    %s sent, %s received, %s redelivered, %s expired or dropped\n",
	       show_number(a, sum->begun - sum->absent), show_number(b, sum->arrived),
	       show_number(c, sum->redelivered), show_number(d, sum->gone));
	printf("  in doubt    %s sends were cut short by death: %s came, %s did not\n",
	       show_number(a, sum->doubtful + sum->absent), show_number(b, sum->doubtful),
	       show_number(c, sum->absent));
}

static void report_processes(const struct crew *crew)
{
	const struct torture *t = crew->context;
	const struct crew_figures *f = &crew->figures;
	char where[72], gap[CLI_HUMAN_BYTES], slowest[CLI_HUMAN_BYTES];

	show_kills(crew, where, sizeof where);
	printf("  processes   %" PRIu64 " killed (%" PRIu64 " senders, %" PRIu64
	       " receivers), %" PRIu64 " stopped, %" PRIu64 " forked; %" PRIu64
	       " cleaned up after\n",
	       f->kills[0] + f->kills[1], f->kills[0], f->kills[1], f->stops, f->forks,
	       t->stat.recovered - t->at_first.recovered);
	if (where[0])
		printf("  killed in   %s\n", where);
	printf("  longest gap %s without a message; slowest recovery from a kill %s\n",
	       cli_human_duration(gap, (int64_t)crew->watch.longest),
	       cli_human_duration(slowest, (int64_t)f->slowest));
}

static void report(const struct crew *crew)
{
	const struct torture *t = crew->context;
	const struct show *s = &t->show;
	uint64_t faults = ledger_faults(crew->ledger);

	if (!s->quiet || faults) {
		report_messages(crew);
		report_processes(crew);
		printf("  %sviolations ", faults ? s->bad : s->good);
		for (int i = 0; i < LEDGER_FAULTS; i++)
			printf(" %s %" PRIu64, ledger_fault_names[i],
			       ledger_count(crew->ledger, (enum ledger_fault)i));
		printf("%s\n", s->plain);
	}
	if (faults) {
		fflush(stdout);
		fprintf(stderr, "ferry torture failed: %" PRIu64 " violation%s, seed %" PRIu64 "\n",
			faults, CLI_PLURAL(faults), crew->seed);
		show_faults(crew->ledger);
	}
}

static void introduce(const struct crew *crew)
{
	const struct torture *t = crew->context;
	char min[CLI_HUMAN_BYTES], max[CLI_HUMAN_BYTES];

	printf("ferry torture: seed %" PRIu64 ", %u senders, %u receivers, %g kills and %g stops a "
	       "second for %g s,\n"
	       "  %u at %u priorit%s, messages of %s to %s%s\n",
	       crew->seed, crew->senders, crew->receivers, crew->kills_per_second,
	       crew->stops_per_second, (double)t->duration / 1e9, t->capacity, t->priorities,
	       t->priorities == 1 ? "y" : "ies", cli_human_size(min, t->size_min),
	       cli_human_size(max, t->size_max), t->drop ? ", oldest dropped when full" : "");
	fflush(stdout);
}

static void run(struct crew *crew)
{
	struct torture *t = crew->context;

	if (!t->show.quiet)
		introduce(crew);
	t->before_at = ledger_now();
	crew_run(crew, (double)t->duration / 1e9);
	show_progress_end(&t->show);
	if (interrupt_seen())
		return;
	torture_inspect(crew);
	report(crew);
}

static uint32_t power_of_two(uint64_t at_least)
{
	uint32_t n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

/*
 * How many messages of a stream may be unsettled. A slot is kept for ever after a kill (the message
 * may come, or not), and for a while when messages may be dropped: there must be many more.
 */
static uint32_t window(const struct options *o, uint32_t streams)
{
	const struct torture *t = &o->torture;
	double kills = o->kills * (double)t->duration / 1e9;
	uint64_t most = (uint64_t)(8 * LEDGER_BATCH * kills) / (o->senders + o->receivers) +
			8 * (uint64_t)t->capacity * t->priorities;

	if (most < WINDOW)
		most = WINDOW;
	if (t->drop)
		most *= 16;
	return power_of_two(most < SLOTS_MAX / streams ? most : SLOTS_MAX / streams);
}

static int stage(struct options *o)
{
	struct torture *t = &o->torture;
	struct crew crew = {
		.senders = (uint32_t)o->senders,
		.receivers = (uint32_t)o->receivers,
		.twins = true,
		.kills_per_second = o->kills,
		.stops_per_second = o->stops,
		.stop_max = STOP_MAX,
		.seed = o->seed,
		.work = torture_work,
		.dead = torture_dead,
		.tick = tick,
		.context = t,
	};
	uint32_t seats = crew_seats(&crew);
	bool made;
	int status = torture_prepare(t, seats, &made);
	size_t bytes = (size_t)seats * t->batch * t->size_max;

	if (status != STATUS_DONE)
		return status;

	crew.ledger =
	    ledger_make(&(struct ledger_plan){ .streams = crew_streams(&crew),
					       .seats = seats + 1,
					       .priorities = t->priorities,
					       .window = window(o, crew_streams(&crew)) });
	t->buffers = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!crew.ledger || t->buffers == MAP_FAILED || crew_init(&crew) < 0)
		cli_die(STATUS_FAILED, "torture: out of memory");
	run(&crew);
	status = ledger_faults(crew.ledger) ? STATUS_FAILED : STATUS_DONE;
	if (made)
		ferry_remove(t->location, NULL);
	crew_fini(&crew);
	munmap(t->buffers, bytes);
	ledger_unmake(crew.ledger);
	return status;
}

int cmd_torture(int argc, char **argv)
{
	static struct options o = {
		.torture = { .size_min = 16,
			     .size_max = 4096,
			     .priorities = 3,
			     .capacity = 64,
			     .duration = INT64_C(10000000000) },
		.senders = 4,
		.receivers = 4,
		.kills = 20,
		.stops = 20,
	};
	struct torture *t = &o.torture;
	char place[32] = "";

	cli_parse(&argp, argc, argv, &o);
	if (!o.seeded && getrandom(&o.seed, sizeof o.seed, 0) != sizeof o.seed)
		o.seed = ledger_now();
	show_init(&t->show, o.quiet);
	interrupt_catch();
	if (!t->location) {
		int r = show_place_make(place);

		if (r < 0)
			cli_die(STATUS_FAILED, "torture: cannot make a directory in /dev/shm: %s",
				ferry_strerror(r));
		t->location = OWN_LOCATION;
	}
	int status = stage(&o);
	show_place_remove(place);
	return interrupt_end(status);
}
