/* SPDX-License-Identifier: MIT */
/* bench_print.c - the report as tables for people. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_time.h"
#include "cli.h"
#include "table.h"

#define ROOM 32 /* bytes for a number as text */

/* A number with its unit, three digits. */
static const char *in_units(char text[ROOM], double value, const char *const units[4], double step)
{
	int i = 0;

	while (i < 3 && value >= 0.9995 * step) {
		value /= step;
		i++;
	}
	snprintf(text, ROOM, "%.*f%s", value >= 100 ? 0 : value >= 10 ? 1 : 2, value, units[i]);
	return text;
}

static const char *time_text(char text[ROOM], double ns)
{
	return in_units(text, ns, (const char *const[]){ " ns", " us", " ms", " s" }, 1000);
}

static const char *rate_text(char text[ROOM], double rate)
{
	return in_units(text, rate, (const char *const[]){ "/s", " k/s", " M/s", " G/s" }, 1000);
}

static const char *bytes_text(char text[ROOM], double rate)
{
	return in_units(text, rate, (const char *const[]){ " B/s", " kB/s", " MB/s", " GB/s" },
			1000);
}

typedef const char *number_text(char text[ROOM], double value);

static void add_number(struct table *table, const struct bench_entry *entry,
		       enum bench_metric metric, number_text *as_text)
{
	struct bench_spread spread = bench_spread(entry, metric);
	char text[ROOM];

	table_add(table, "%s", spread.n ? as_text(text, spread.median) : "-");
}

static void add_spread(struct table *table, const struct bench_entry *entry,
		       enum bench_metric metric, number_text *as_text)
{
	struct bench_spread spread = bench_spread(entry, metric);
	char low[ROOM], high[ROOM];

	add_number(table, entry, metric, as_text);
	if (spread.n)
		table_add(table, "%s .. %s", as_text(low, spread.low), as_text(high, spread.high));
	else
		table_add(table, "%s", "");
}

static void add_ratio(struct table *table, struct bench_spread ratio)
{
	if (ratio.n)
		table_add(table, "%.2f", ratio.median);
	else
		table_add(table, "%s", "-");
}

static void add_heads(struct table *table, const char *const heads[])
{
	const size_t n = table->columns;

	for (size_t i = 0; i < n; i++)
		table_add(table, "%s", heads[i]);
}

/* Who sleeps is compared with who does nothing but sleep and wake. */
static struct bench_spread to_the_floor(const struct bench_report *report, const char *row,
					const struct bench_entry *entry)
{
	bool spins = entry->peer->abilities & (BENCH_SPINS | BENCH_SPINS_FIRST);
	const struct bench_entry *line = bench_find(report, row, "cache line");

	if (!spins)
		return bench_ratio(entry, bench_find(report, row, "futex"), NULL, BENCH_P50);
	if (!line)
		line = bench_find(report, row, "two buffers");
	return bench_ratio(entry, line, bench_find(report, row, "cache line pause"), BENCH_P50);
}

static void print_roundtrips(const struct bench_report *report, const struct bench_table *results)
{
	static const char *const heads[] = { "",    "waiting", "p50",         "lowest .. highest",
					     "p99", "p99.9",   "to its floor" };
	struct table table = { .columns = 7, .right = "llrrrrr" };

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		table_add(&table, "%s", entry->valid ? entry->peer->waits : entry->why);
		add_spread(&table, entry, BENCH_P50, time_text);
		add_number(&table, entry, BENCH_P99, time_text);
		add_number(&table, entry, BENCH_P999, time_text);
		add_ratio(&table, to_the_floor(report, results->row->name, entry));
	}
	table_print(&table, 2);
}

static void add_depth(struct table *table, const struct bench_entry *entry)
{
	double depth = bench_spread(entry, BENCH_DEPTH).median;

	if (depth > 0)
		table_add(table, "%.0f", depth);
	else
		table_add(table, "%s", "");
}

/* With whom a row is compared. */
static const char *baseline_name(const struct bench_report *report, const struct bench_row *row)
{
	const struct bench_family *family = report->family;

	if (row->kind == BENCH_CHURNS) /* allocators are no streams */
		return family->allocator;
	return family->baseline_of ? family->baseline_of(row) : family->baseline;
}

/* The head of the column that does so. */
static const char *to_baseline(char text[ROOM], const struct bench_report *report,
			       const struct bench_row *row)
{
	snprintf(text, ROOM, "to %s", baseline_name(report, row));
	return text;
}

static const struct bench_entry *baseline(const struct bench_report *report,
					  const struct bench_row *row)
{
	return bench_find(report, row->name, baseline_name(report, row));
}

static void print_streams(const struct bench_report *report, const struct bench_table *results)
{
	char to[ROOM];
	const char *const heads[] = { "",
				      "messages",
				      "lowest .. highest",
				      "bytes",
				      to_baseline(to, report, results->row),
				      "holds",
				      "" };
	struct table table = { .columns = 7, .right = "lrrrrrl" };
	const struct bench_entry *base = baseline(report, results->row);

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		add_spread(&table, entry, BENCH_RATE, rate_text);
		add_number(&table, entry, BENCH_BYTES_RATE, bytes_text);
		add_ratio(&table, bench_ratio(entry, base, NULL, BENCH_RATE));
		add_depth(&table, entry);
		table_add(&table, "%s", entry->valid ? "" : entry->why);
	}
	table_print(&table, 2);
}

static void print_sends(const struct bench_report *report, const struct bench_table *results)
{
	char to[ROOM];
	const char *const heads[] = { "",
				      "messages",
				      "p50 of a send",
				      "p99",
				      "p99.9",
				      "lowest .. highest",
				      to_baseline(to, report, results->row),
				      "" };
	struct table table = { .columns = 8, .right = "lrrrrrrl" };
	const struct bench_entry *base = baseline(report, results->row);

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		add_number(&table, entry, BENCH_RATE, rate_text);
		add_number(&table, entry, BENCH_P50, time_text);
		add_number(&table, entry, BENCH_P99, time_text);
		add_spread(&table, entry, BENCH_P999, time_text);
		add_ratio(&table, bench_ratio(entry, base, NULL, BENCH_P999));
		table_add(&table, "%s", entry->valid ? "" : entry->why);
	}
	table_print(&table, 2);
}

/* Of one alone, the time of a section; of several, how many, and who had to wait longest. */
static void print_sections(const struct bench_report *report, const struct bench_table *results)
{
	bool alone = results->row->senders == 1, churn = results->row->kind == BENCH_CHURNS;
	enum bench_metric metric = alone ? BENCH_P50 : BENCH_RATE;
	char to[ROOM];
	const char *const heads[] = { "",
				      "waiting",
				      !alone  ? churn ? "blocks" : "sections"
				      : churn ? "both"
					      : "in and out",
				      "lowest .. highest",
				      to_baseline(to, report, results->row),
				      alone ? "" : "longest wait" };
	struct table table = { .columns = 6, .right = "llrrrr" };
	const struct bench_entry *base = baseline(report, results->row);

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		table_add(&table, "%s", entry->valid ? entry->peer->waits : entry->why);
		add_spread(&table, entry, metric, alone ? time_text : rate_text);
		add_ratio(&table, bench_ratio(entry, base, NULL, metric));
		if (alone)
			table_add(&table, "%s", "");
		else
			add_number(&table, entry, BENCH_LONGEST, time_text);
	}
	table_print(&table, 2);
}

static void print_calls(const struct bench_report *report, const struct bench_table *results)
{
	char to[ROOM];
	const char *const heads[] = { "",    "p50 of a call", "lowest .. highest",
				      "p99", "a second",      to_baseline(to, report, results->row),
				      "" };
	struct table table = { .columns = 7, .right = "lrrrrrl" };
	const struct bench_entry *base = baseline(report, results->row);

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		add_spread(&table, entry, BENCH_P50, time_text);
		add_number(&table, entry, BENCH_P99, time_text);
		add_number(&table, entry, BENCH_RATE, rate_text);
		add_ratio(&table, bench_ratio(entry, base, NULL, BENCH_P50));
		table_add(&table, "%s", entry->valid ? "" : entry->why);
	}
	table_print(&table, 2);
}

static void print_opening(const struct bench_table *results)
{
	static const char *const heads[] = {
		"", "create", "lowest .. highest", "open", "lowest .. highest", "close", "reserved"
	};
	struct table table = { .columns = 7, .right = "lrrrrrr" };

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];
		char size[CLI_HUMAN_BYTES];
		double reserved = bench_spread(entry, BENCH_RESERVED).median;

		table_add(&table, "%s", entry->peer->name);
		add_spread(&table, entry, BENCH_CREATE, time_text);
		add_spread(&table, entry, BENCH_OPEN, time_text);
		add_number(&table, entry, BENCH_CLOSE, time_text);
		table_add(&table, "%s",
			  reserved > 0   ? cli_human_size(size, (uint64_t)reserved)
			  : entry->valid ? "as needed"
					 : entry->why);
	}
	table_print(&table, 2);
}

static void print_touching(const struct bench_report *report, const struct bench_table *results)
{
	char to[ROOM];
	const char *const heads[] = { "",
				      "first touch of a page",
				      "lowest .. highest",
				      "write",
				      to_baseline(to, report, results->row),
				      "read",
				      "the same" };
	struct table table = { .columns = 7, .right = "lrrrrrr" };
	const struct bench_entry *base = baseline(report, results->row);

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		add_spread(&table, entry, BENCH_TOUCH, time_text);
		add_number(&table, entry, BENCH_WRITE, bytes_text);
		add_ratio(&table, bench_ratio(entry, base, NULL, BENCH_WRITE));
		add_number(&table, entry, BENCH_READ, bytes_text);
		add_ratio(&table, bench_ratio(entry, base, NULL, BENCH_READ));
	}
	table_print(&table, 2);
}

static const char *percent_text(char text[ROOM], double percent)
{
	snprintf(text, ROOM, "%.3f %%", percent);
	return text;
}

static void print_idling(const struct bench_table *results)
{
	static const char *const heads[] = { "", "waiting", "of a core" };
	struct table table = { .columns = 3, .right = "llr" };

	add_heads(&table, heads);
	for (unsigned i = 0; i < results->n; i++) {
		const struct bench_entry *entry = &results->entry[i];

		table_add(&table, "%s", entry->peer->name);
		table_add(&table, "%s", entry->valid ? entry->peer->waits : entry->why);
		add_number(&table, entry, BENCH_IDLE, percent_text);
	}
	table_print(&table, 2);
}

static void print_table(const struct bench_report *report, const struct bench_table *results)
{
	printf("\n%s\n", results->row->title);
	switch (results->row->kind) {
	case BENCH_ROUNDTRIPS:
		print_roundtrips(report, results);
		break;
	case BENCH_STREAMS:
		print_streams(report, results);
		break;
	case BENCH_SENDS:
		print_sends(report, results);
		break;
	case BENCH_OPENING:
		print_opening(results);
		break;
	case BENCH_SECTIONS:
	case BENCH_CHURNS:
		print_sections(report, results);
		break;
	case BENCH_TOUCHING:
		print_touching(report, results);
		break;
	case BENCH_CALLS:
		print_calls(report, results);
		break;
	case BENCH_IDLING:
		print_idling(results);
		break;
	}
}

/* A figure of a target: a ratio, or a time or size by itself. */
static const char *figure(char text[ROOM], const struct bench_target *target, double value)
{
	if (value <= 0 && target->metric != BENCH_IDLE)
		return "";
	if (target->theirs)
		snprintf(text, ROOM, "%.2f", value);
	else if (target->metric == BENCH_RESERVED)
		snprintf(text, ROOM, "%.2f", value / 1048576);
	else if (target->metric == BENCH_IDLE)
		percent_text(text, value);
	else
		time_text(text, value);
	return text;
}

static void add_limit(struct table *table, const struct bench_target *target, double limit)
{
	char text[ROOM];

	if (limit > 0)
		table_add(table, "%s %s",
			  target->at_most ? "<=" : ">=", figure(text, target, limit));
	else
		table_add(table, "%s", "");
}

static void print_targets(const struct bench_report *report)
{
	static const char *const heads[] = { "what",     "measured", "lowest .. highest",
					     "at least", "aim",      "reached" };
	struct table table = { .columns = 6, .right = "lrrrrl" };

	add_heads(&table, heads);
	for (const struct bench_target *t = report->family->targets; t->what; t++) {
		struct bench_spread value = bench_target_value(report, t);
		char text[ROOM], low[ROOM], high[ROOM];

		table_add(&table, "%s", t->what);
		table_add(&table, "%s", value.n ? figure(text, t, value.median) : "");
		if (value.n)
			table_add(&table, "%s .. %s", figure(low, t, value.low),
				  figure(high, t, value.high));
		else
			table_add(&table, "%s", "");
		add_limit(&table, t, t->least);
		add_limit(&table, t, t->aim);
		table_add(&table, "%s", bench_target_verdict(t, &value));
	}
	printf(
	    "\nThe promises (each ratio is worked out within a round; the median of the rounds)\n");
	table_print(&table, 2);
}

/* Other programs show as cores lost by processes that have one to themselves. */
static void print_noise(const struct bench_report *report)
{
	unsigned measurements = 0;
	double lost = 0;

	for (unsigned i = 0; i < report->n; i++) {
		const struct bench_table *table = &report->table[i];

		if (table->row->senders + table->row->receivers != 2)
			continue;
		for (unsigned j = 0; j < table->n; j++)
			for (unsigned k = 0; k < table->entry[j].valid; k++, measurements++)
				lost += table->entry[j].value[BENCH_PREEMPTED][k];
	}
	if (measurements < 1 || bench_cpus()[0] == bench_cpus()[1])
		return;
	lost /= measurements * report->seconds;
	printf("\nMeasuring pairs lost their cores to others %.0f times a second%s.\n", lost,
	       lost > 20 ? ": a busy machine, do not trust these figures" : "");
}

static void print_setup(const struct bench_report *report)
{
	const struct bench_clock *clock = bench_clock();
	const unsigned *cpu = bench_cpus();
	char model[128];
	struct utsname name;

	uname(&name);
	printf("ferry %s, %s %s, %s\n", ferry_version(), name.sysname, name.release,
	       bench_cpu_model(model, sizeof(model)));
	if (cpu[0] == cpu[1])
		printf("core %u only: what spins is left out, both sides share the core\n", cpu[0]);
	else
		printf(
		    "cores %u and %u: %s, one for each side; more processes than two share both\n",
		    cpu[0], cpu[1], bench_cpus_relation());
	printf("%u rounds of %g s a measurement; medians over the rounds; load %.2f before\n",
	       report->rounds, report->seconds, report->load);
	printf(
	    "reading the clock costs %.0f ns, which are taken off; it counts in steps of %.1f ns\n",
	    clock->cost * clock->ns, clock->step * clock->ns);
}

void bench_print(const struct bench_report *report)
{
	print_setup(report);
	for (unsigned i = 0; i < report->n; i++)
		print_table(report, &report->table[i]);
	print_noise(report);
	print_targets(report);
}
