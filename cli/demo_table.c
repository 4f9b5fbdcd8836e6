/* SPDX-License-Identifier: MIT */
/*
 * demo_table.c - ferry beside the kernel's own ways, measured right now on the same two cores.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_peers.h"
#include "cli.h"
#include "demo.h"
#include "interrupt.h"

#define ROUNDS_MAX      15
#define ROUNDTRIP_BYTES 8
#define STREAM_BYTES    64

struct row {
	const char *peer, *name;
	double roundtrip[ROUNDS_MAX]; /* ns */
	double rate[ROUNDS_MAX];      /* messages a second */
	double trip, messages;        /* their medians */
	int error;                    /* the first failure: the row then shows why */
	char why[160];
};

static int ascending(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof *values, ascending);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* One round trip and one stream figure of one peer. */
static void measure(struct row *row, unsigned round, double seconds)
{
	const struct bench_peer *peer = bench_peer(row->peer);
	struct bench_result result = { 0 };

	if (row->error)
		return;
	row->error = bench_roundtrip(peer, ROUNDTRIP_BYTES, seconds, &result);
	row->roundtrip[round] = result.p50;
	if (!row->error)
		row->error = bench_stream(peer, STREAM_BYTES, 1, 1, seconds, &result);
	row->rate[round] = result.rate;
	if (row->error)
		snprintf(row->why, sizeof row->why, "%s",
			 result.why[0] ? result.why : ferry_strerror(row->error));
}

/* How many times slower than ferry; nothing in ferry's own row. */
static void times(char text[static 16], double slower, bool own)
{
	if (own)
		text[0] = '\0';
	else
		snprintf(text, 16, slower < 9.95 ? "%.1f x" : "%.0f x", slower);
}

static void print_row(const struct show *show, struct row *row, const struct row *ferry,
		      unsigned rounds)
{
	char rate[SHOW_NUMBER], longer[16], fewer[16];
	bool own = row == ferry;

	if (row->error) {
		printf("    %-20s %snot to be had here: %s%s\n", row->name, show->dim, row->why,
		       show->plain);
		return;
	}
	row->trip = median(row->roundtrip, rounds);
	row->messages = median(row->rate, rounds);
	times(longer, row->trip / ferry->trip, own);
	times(fewer, ferry->messages / row->messages, own);
	printf("    %s%-20s %9.2f us %7s %12s/s %7s%s\n", own ? show->bold : "", row->name,
	       row->trip / 1e3, longer, show_short(rate, row->messages), fewer, show->plain);
}

static void print_table(const struct show *show, struct row *rows, size_t n, unsigned rounds)
{
	const unsigned *cpus = bench_cpus();

	printf("  %sferry beside the kernel's own ways%s, without kills, just now, ", show->bold,
	       show->plain);
	if (cpus[0] == cpus[1])
		printf("on the only core (%u):\n\n", cpus[0]);
	else
		printf("on cores %u and %u\n  (%s):\n\n", cpus[0], cpus[1], bench_cpus_relation());
	printf("    %s%-20s %20s %22s%s\n", show->dim, "", "8 B there and back", "64 B one way",
	       show->plain);
	for (size_t i = 0; i < n; i++)
		print_row(show, &rows[i], &rows[0], rounds);
	printf("\n    %sx: times slower than ferry. Medians of %u rounds, in turns; one message a "
	       "call.%s\n\n",
	       show->dim, rounds, show->plain);
}

int demo_table(const struct show *show, double seconds, unsigned rounds)
{
	static struct row rows[] = {
		{ .peer = "ferry", .name = "ferry" },
		{ .peer = "POSIX mq", .name = "POSIX message queue" },
		{ .peer = "pipe", .name = "pipe" },
		{ .peer = "Unix socket", .name = "Unix socket" },
	};
	const size_t n = sizeof rows / sizeof *rows;
	struct show progress = *show;
	int e = bench_begin(NULL);

	progress.quiet |= !progress.terminal;
	for (unsigned round = 0; !e && round < rounds; round++)
		for (size_t i = 0; i < n && !interrupt_seen(); i++) {
			show_progress(&progress, now_ns(), "  measuring: round %u of %u, %s",
				      round + 1, rounds, rows[i].name);
			measure(&rows[i], round, seconds);
		}
	show_progress_end(&progress);
	if (!e && !interrupt_seen())
		print_table(show, rows, n, rounds);
	bench_end();
	if (e < 0)
		cli_complain("demo: cannot measure: %s", ferry_strerror(e));
	return e < 0 || rows[0].error ? STATUS_FAILED : STATUS_DONE;
}
