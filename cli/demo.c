/* SPDX-License-Identifier: MIT */
/*
 * demo.c - ferry demo: see messages survive while the processes that carry them are killed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cli.h"
#include "demo.h"
#include "interrupt.h"
#include "ledger_inspect.h"

#define PEOPLE           3 /* senders, and receivers */
#define KILLS_PER_SECOND 40
#define WINDOW           16384
#define BAR              10

struct options {
	const char *input;
	int64_t duration; /* ns, 0 = the default */
	uint64_t seed;
	bool seeded, quick, quiet;
};

static const struct argp_option argp_options[] = {
	{ "input", 'i', "FILE", 0,
	  "Send the lines of FILE (default: the licences in /usr/share/common-licenses)", 0 },
	{ "seconds", 's', "TIME", 0, "Go on killing for so long (default: 8, with --quick: 2)", 0 },
	{ "seed", 'S', "NUMBER", 0, "Choose victims and moments by this number", 0 },
	{ "quick", 'q', NULL, 0, "All of it in about five seconds; the table is then rougher", 0 },
	{ "quiet", 'Q', NULL, 0, "Say nothing unless something is wrong; no table", 0 },
	{ 0 },
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'i':
		o->input = argument;
		return 0;
	case 's':
		o->duration = cli_duration_option(state, "--seconds", argument);
		if (o->duration <= 0)
			argp_error(state, "--seconds: there is nothing to see in no time");
		return 0;
	case 'S':
		o->seed = cli_count_option(state, "--seed", argument, 0, UINT64_MAX);
		o->seeded = true;
		return 0;
	case 'q':
		o->quick = true;
		return 0;
	case 'Q':
		o->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s': this command takes options only", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = argp_options,
	.parser = parse,
	.doc = "See messages survive while the processes that carry them are killed."
	       "\v"
	       "Three senders put a text line by line into a mailbox, three receivers take it out, "
	       "and all the while one of the six is killed with SIGKILL and replaced, many times a "
	       "second. In the end every line must be accounted for. Then ferry is measured beside "
	       "a POSIX message queue, a pipe and a Unix socket.\n"
	       "\nThe exit status is 1 if a line was lost, torn, doubled or out of order, or if "
	       "anybody was held up.\n"
	       "\nExamples:\n"
	       "  ferry demo\n"
	       "  ferry demo --quick\n"
	       "  ferry demo --seconds 60 --input /var/log/dpkg.log\n",
};

static void introduce(const struct demo *demo, const struct options *o)
{
	const struct show *s = &demo->show;
	char lines[SHOW_NUMBER];

	printf("%sferry demo: messages outlive the processes that carry them%s\n\n", s->bold,
	       s->plain);
	printf("    3 senders  -->  one mailbox in shared memory  -->  3 receivers\n\n");
	printf("  The senders take turns at the %s lines of %s, again and\n"
	       "  again, and send them one by one. The receivers compare each with the text.\n"
	       "  For %g seconds, some %d times a second, one of the six is killed with SIGKILL,\n"
	       "  wherever it happens to be, and another is started in its place.\n"
	       "  Then every line must be accounted for.\n\n",
	       show_number(lines, demo->text.n_lines),
	       o->input ? o->input : "Debian's licence texts", demo->seconds, KILLS_PER_SECOND);
}

static void tick(struct crew *crew, uint64_t now)
{
	struct demo *demo = crew->context;
	const struct crew_figures *f = &crew->figures;
	uint64_t lines = crew_total(crew, CREW_RECEIVERS);
	double passed = (double)(now - crew->started) / 1e9;
	double rate = (double)(lines - demo->before) / ((double)(now - demo->before_at) / 1e9);
	int filled = (int)(passed / demo->seconds * BAR + 0.5);
	char n[SHOW_NUMBER], r[SHOW_NUMBER], slowest[CLI_HUMAN_BYTES];

	filled = filled > BAR ? BAR : filled;
	show_progress(&demo->show, now,
		      "  [%.*s%.*s] %4.1f s  %s lines  %s/s  %" PRIu64
		      " kills  slowest recovery %s",
		      filled, "##########", BAR - filled, "..........", passed,
		      show_number(n, lines), show_short(r, rate), f->kills[0] + f->kills[1],
		      cli_human_duration(slowest, (int64_t)f->slowest));
	if (now - demo->before_at > UINT64_C(1000000000)) {
		demo->before = lines;
		demo->before_at = now;
	}
}

/* The lines whose send was completed, by all senders. */
static uint64_t lines_sent(const struct crew *crew)
{
	uint64_t sum = 0, turn;
	bool sent;

	for (uint32_t i = 0; i < crew->n[CREW_SENDERS]; i++)
		if (ledger_last(crew_ledger(crew), i, &turn, &sent))
			sum += turn + sent;
	return sum;
}

static void print_fault(const struct demo *demo, const struct faults *faults, const char *name,
			enum fault fault)
{
	uint64_t n = faults_of(faults, fault);
	char number[SHOW_NUMBER];

	printf("    %-17s %s%9s%s\n", name, n ? demo->show.bad : demo->show.good,
	       show_number(number, n), demo->show.plain);
}

static void print_figures(const struct crew *crew)
{
	char slowest[CLI_HUMAN_BYTES], where[96];

	show_kills(crew, where, sizeof where);
	printf("\n    %-17s %9s   until another sender and another receiver had each moved\n"
	       "    %-30s a message, in a call begun after the kill\n",
	       "slowest recovery", cli_human_duration(slowest, (int64_t)crew->figures.slowest), "");
	printf("    %-20s%s\n\n", "killed in", where);
}

static void print_again(const struct crew *crew, const struct ledger_sum *sum)
{
	const struct demo *demo = crew->context;
	char n[SHOW_NUMBER], through[SHOW_NUMBER] = "none";

	if (sum->doubtful)
		show_number(through, sum->doubtful);
	printf("    %-17s %9s   its receiver died before it was done with it, so it came\n"
	       "    %-30s again, with its delivery count raised\n",
	       "twice, marked", show_number(n, sum->redelivered), "");
	printf("    %-17s %9s   its sender died in mid-send; %s of these had come\n"
	       "    %-30s through all the same\n",
	       "sent again", show_number(n, demo->doubts), through, "");
}

static void print_account(const struct crew *crew, const struct ledger_sum *sum, uint64_t lines)
{
	const struct demo *demo = crew->context;
	const struct show *s = &demo->show;
	const struct faults *l = crew->faults;
	uint64_t kills = crew->figures.kills[0] + crew->figures.kills[1];
	char n[SHOW_NUMBER], rate[SHOW_NUMBER], k[SHOW_NUMBER];

	printf(
	    "  %s%s lines%s were sent, %s a second, while %s processes were killed. Of these:\n\n",
	    s->bold, show_number(n, lines), s->plain,
	    show_short(rate, (double)lines * 1e9 / (double)(crew->ended - crew->started)),
	    show_number(k, kills));
	print_fault(demo, l, "lost", FAULT_LOST);
	print_fault(demo, l, "torn", FAULT_TORN);
	print_fault(demo, l, "out of order", FAULT_REORDERED);
	print_fault(demo, l, "twice, unmarked", FAULT_DUPLICATE);
	if (faults_of(l, FAULT_STRAY))
		print_fault(demo, l, "out of nowhere", FAULT_STRAY);
	if (faults_of(l, FAULT_JAMMED))
		print_fault(demo, l, "jammed", FAULT_JAMMED);
	if (faults_of(l, FAULT_BROKEN))
		print_fault(demo, l, "broken", FAULT_BROKEN);
	print_again(crew, sum);
	print_figures(crew);
}

static void conclude(const struct crew *crew, uint64_t lines)
{
	const struct demo *demo = crew->context;
	const struct show *s = &demo->show;
	uint64_t faults = faults_all(crew->faults);
	char n[SHOW_NUMBER], k[SHOW_NUMBER], slowest[CLI_HUMAN_BYTES];

	if (faults) {
		fflush(stdout);
		fprintf(stderr,
			"%sferry demo failed: %" PRIu64 " violation%s (seed %" PRIu64 ")%s\n",
			s->bad, faults, CLI_PLURAL(faults), crew->seed, s->plain);
		show_faults(crew->faults);
		return;
	}
	if (s->quiet)
		return;
	printf(
	    "%sProved:%s %s processes died at random moments, and not one of %s lines was\n"
	    "lost, torn, doubled without a mark, or out of order; the others went on within %s.\n",
	    s->good, s->plain, show_number(k, crew->figures.kills[0] + crew->figures.kills[1]),
	    show_number(n, lines), cli_human_duration(slowest, (int64_t)crew->figures.slowest));
}

/* The end of the show: judge what is left, and see that the figures agree. */
static void settle(struct crew *crew, ferry_mailbox *box, struct ledger_sum *ret_sum,
		   uint64_t *ret_lines)
{
	const struct demo *demo = crew->context;
	struct ferry_mailbox_stat stat;

	ledger_inspect(crew->faults, box, DEMO_LOCATION, &stat);
	ledger_close(crew_ledger(crew), ret_sum);
	*ret_lines = lines_sent(crew);
	if (ret_sum->begun != *ret_lines + demo->doubts)
		faults_report(crew->faults, FAULT_BROKEN,
			      "the account does not add up: %" PRIu64 " messages, %" PRIu64
			      " lines, %" PRIu64 " in doubt",
			      ret_sum->begun, *ret_lines, demo->doubts);
}

/* Open the mailbox that the processes used. NULL after the failure was reported. */
static ferry_mailbox *open_box(uint32_t flags, uint64_t max_size)
{
	struct ferry_why why = { 0 };
	ferry_mailbox *box;
	int r = ferry_mailbox_open(
	    &box, DEMO_LOCATION,
	    FERRY_MAILBOX_OPTIONS(.flags = flags, .why = &why, .max_size = max_size));

	if (r < 0)
		cli_fail("demo", DEMO_LOCATION, r, &why);
	return r < 0 ? NULL : box;
}

/* From the first fork to the closing line. */
static int run(struct crew *crew)
{
	struct demo *demo = crew->context;
	bool brief = demo->seconds < 4;
	struct ledger_sum sum;
	uint64_t lines;
	int status = STATUS_DONE;

	crew_run(crew, demo->seconds);
	show_progress_end(&demo->show);
	if (interrupt_seen())
		return STATUS_FAILED;
	ferry_mailbox *box = open_box(FERRY_EXISTING, 0);
	if (!box)
		return STATUS_FAILED;
	settle(crew, box, &sum, &lines);
	ferry_mailbox_close(box);
	if (!demo->show.quiet)
		print_account(crew, &sum, lines);
	if (!demo->show.quiet && !faults_all(crew->faults))
		status = demo_table(&demo->show, brief ? 0.08 : 0.15, brief ? 3 : 5);
	if (!interrupt_seen())
		conclude(crew, lines);
	return faults_all(crew->faults) ? STATUS_FAILED : status;
}

static void dead(struct crew *crew, uint32_t seat)
{
	struct demo *demo = crew->context;

	if (crew_is_sender(crew, seat))
		demo->doubts += ledger_bury_sender(crew_ledger(crew), crew_stream(crew, seat));
}

/* Make the mailbox and the crew, run, and take everything away. The mailbox has no member until the
 * crew comes. */
static int stage(struct demo *demo, uint64_t seed)
{
	struct faults *faults = faults_make();
	struct crew crew = {
		.kills_per_second = KILLS_PER_SECOND,
		.seed = seed,
		.faults = faults,
		.work = demo_work,
		.dead = dead,
		.tick = tick,
		.account = ledger_make(&(struct ledger_plan){ .faults = faults,
							      .streams = PEOPLE,
							      .seats = 2 * PEOPLE,
							      .priorities = 1,
							      .window = WINDOW }),
		.context = demo,
	};
	int status = STATUS_FAILED;

	crew_mailbox_init(&crew, PEOPLE, PEOPLE);
	if (!faults || !crew.account || crew_init(&crew) < 0)
		cli_die(STATUS_FAILED, "demo: out of memory");
	ferry_mailbox *box =
	    open_box(FERRY_EXCLUSIVE, sizeof(struct demo_head) + demo->text.longest);
	if (box) {
		ferry_mailbox_close(box);
		status = run(&crew);
		ferry_remove(DEMO_LOCATION, NULL);
	}
	crew_fini(&crew);
	ledger_unmake(crew.account);
	faults_unmake(faults);
	return status;
}

int cmd_demo(int argc, char **argv)
{
	static struct demo demo;
	struct options o = { 0 };
	char place[32];

	cli_parse(&argp, argc, argv, &o);
	demo.seconds = o.duration ? (double)o.duration / 1e9 : o.quick ? 2 : 8;
	if (!o.seeded && getrandom(&o.seed, sizeof o.seed, 0) != sizeof o.seed)
		o.seed = now_ns();
	show_init(&demo.show, o.quiet);
	interrupt_catch();
	int status = demo_text_read(&demo.text, o.input);
	if (status != STATUS_DONE)
		return status;
	int r = show_place_make(place);
	if (r < 0)
		cli_die(STATUS_FAILED, "demo: cannot make a directory in /dev/shm: %s",
			ferry_strerror(r));
	if (!o.quiet)
		introduce(&demo, &o);
	demo.before_at = now_ns();
	status = stage(&demo, o.seed);
	show_place_remove(place);
	demo_text_free(&demo.text);
	return interrupt_end(status);
}
