/* SPDX-License-Identifier: MIT */
/* bench_results.c - medians and ratios over rounds, and verdicts on promises of speed. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

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
