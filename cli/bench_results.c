/* SPDX-License-Identifier: MIT */
/* bench_results.c - medians and ratios over rounds, and the promises of speed. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define MIB 1048576.0

const struct bench_target bench_targets[] = {
	{ "round trip of 8 B, both spin, p50: to the cache line", "roundtrip-8", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.3, 1.1 },
	{ "round trip of 48 B, both spin, p50: to the cache line", "roundtrip-48", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.5, 1.15 },
	{ "round trip of 64 B, both spin, p50: to the cache line", "roundtrip-64", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 2, 1.4 },
	{ "round trip of 8 B, both sleep at once, p50: to the futex", "roundtrip-8", "ferry sleep",
	  "futex", NULL, BENCH_P50, true, 1.15, 1.05 },
	{ "round trip of 8 B, default waiting, p50: to spinning", "roundtrip-8", "ferry",
	  "ferry spin", NULL, BENCH_P50, true, 1.1, 0 },
	{ "64 B one to one, one message a call: to POSIX mq", "stream-64", "ferry", "POSIX mq",
	  NULL, BENCH_RATE, false, 15, 30 },
	{ "declared one to one: round trip of 8 B, both spin", "roundtrip-8",
	  "ferry one-to-one spin", "cache line", "cache line pause", BENCH_P50, true, 1.3, 1.1 },
	{ "declared one to one: round trip of 48 B", "roundtrip-48", "ferry one-to-one spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.5, 1.15 },
	{ "declared one to one: round trip of 64 B", "roundtrip-64", "ferry one-to-one spin",
	  "cache line", "cache line pause", BENCH_P50, true, 2, 1.4 },
	{ "declared one to one: 8 B, both sleep at once", "roundtrip-8", "ferry one-to-one sleep",
	  "futex", NULL, BENCH_P50, true, 1.15, 1.05 },
	{ "declared one to one: 64 B stream, to POSIX mq", "stream-64", "ferry one-to-one",
	  "POSIX mq", NULL, BENCH_RATE, false, 15, 30 },
	{ "64 B four to one: to POSIX mq", "four-to-one", "ferry", "POSIX mq", NULL, BENCH_RATE,
	  false, 12, 30 },
	{ "64 KiB one to one, every byte read: to two buffers", "stream-64K", "ferry take",
	  "two buffers", NULL, BENCH_RATE, false, 0.9, 1 },
	{ "1 MiB one to one, every byte read: to two buffers", "stream-1M", "ferry take",
	  "two buffers", NULL, BENCH_RATE, false, 0.9, 1 },
	{ "64 KiB without the sender's copy: to two buffers", "stream-64K", "ferry in place",
	  "two buffers", NULL, BENCH_RATE, false, 1, 0 },
	{ "1 MiB without the sender's copy: to two buffers", "stream-1M", "ferry in place",
	  "two buffers", NULL, BENCH_RATE, false, 1, 0 },
	{ "p99.9 of a send, 4 senders, 4 receivers: to POSIX mq", "four-to-four", "ferry",
	  "POSIX mq", NULL, BENCH_P999, true, 1, 0.5 },
	{ "default mailbox, empty: MiB reserved", "open", "ferry", NULL, NULL, BENCH_RESERVED, true,
	  MIB, 0 },
	{ "creating it", "open", "ferry", NULL, NULL, BENCH_CREATE, true, 100000, 0 },
	{ "opening it", "open", "ferry", NULL, NULL, BENCH_OPEN, true, 100000, 0 },
	{ 0 },
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts value. */
static struct bench_spread spread_of(double *value, unsigned n)
{
	if (n == 0)
		return (struct bench_spread){ 0 };
	qsort(value, n, sizeof(*value), by_value);
	return (struct bench_spread){
		.median = (value[(n - 1) / 2] + value[n / 2]) / 2,
		.low = value[0],
		.high = value[n - 1],
		.n = n,
	};
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

struct bench_spread bench_ratio(const struct bench_entry *mine, const struct bench_entry *theirs,
				const struct bench_entry *others, enum bench_metric metric)
{
	double *ratio;
	unsigned n;
	struct bench_spread spread = { 0 };

	if (!mine || !theirs)
		return spread;
	n = least(mine->valid, theirs->valid);
	if (others)
		n = least(n, others->valid);
	ratio = calloc(n + 1, sizeof(*ratio));
	if (!ratio)
		abort();
	for (unsigned i = 0; i < n; i++) {
		double divisor = theirs->value[metric][i];

		if (others && others->value[metric][i] < divisor)
			divisor = others->value[metric][i];
		ratio[i] = divisor > 0 ? mine->value[metric][i] / divisor : 0;
	}
	spread = spread_of(ratio, n);
	free(ratio);
	return spread;
}

struct bench_spread bench_spread(const struct bench_entry *entry, enum bench_metric metric)
{
	struct bench_spread spread = { 0 };
	double *value;

	if (!entry || !entry->valid)
		return spread;
	value = malloc(entry->valid * sizeof(*value));
	if (!value)
		abort();
	memcpy(value, entry->value[metric], entry->valid * sizeof(*value));
	spread = spread_of(value, entry->valid);
	free(value);
	return spread;
}

const struct bench_entry *bench_find(const struct bench_report *report, const char *row,
				     const char *peer)
{
	for (unsigned i = 0; peer && i < report->n; i++) {
		const struct bench_table *table = &report->table[i];

		for (unsigned j = 0; j < table->n && !strcmp(table->row->name, row); j++)
			if (!strcmp(table->entry[j].peer->name, peer))
				return &table->entry[j];
	}
	return NULL;
}

struct bench_spread bench_target_value(const struct bench_report *report,
				       const struct bench_target *target)
{
	const struct bench_entry *mine = bench_find(report, target->row, target->mine);

	if (!target->theirs)
		return bench_spread(mine, target->metric);
	return bench_ratio(mine, bench_find(report, target->row, target->theirs),
			   bench_find(report, target->row, target->others), target->metric);
}

static bool meets(const struct bench_target *target, double value, double limit)
{
	return target->at_most ? value <= limit : value >= limit;
}

const char *bench_target_verdict(const struct bench_target *target,
				 const struct bench_spread *value)
{
	if (value->n == 0)
		return "not measured";
	if (target->aim > 0 && meets(target, value->median, target->aim))
		return "aim";
	if (target->least > 0 && meets(target, value->median, target->least))
		return "yes";
	return "no";
}
