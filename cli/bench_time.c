/* SPDX-License-Identifier: MIT */
/* bench_time.c - what the clock costs and how fine it is; quantiles of histograms. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bench_time.h"

#define READINGS 4001

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The cost is the mean, not the median: with steps of 10 ns the median of some 20 ns is a step. */
static void measure_readings(struct bench_clock *clock)
{
	static uint64_t gap[READINGS];
	uint64_t before = bench_ticks(), common = 0, sum = 0;

	for (int i = 0; i < READINGS; i++) {
		uint64_t now = bench_ticks();

		gap[i] = now - before;
		before = now;
	}
	qsort(gap, READINGS, sizeof(gap[0]), by_value);
	for (int i = 0; i < READINGS * 9 / 10; i++) { /* the rest met an interrupt */
		sum += gap[i];
		common = greatest_common_divisor(gap[i], common);
	}
	clock->cost = (double)sum / (READINGS * 9 / 10);
	clock->step = common ? (double)common : 1;
}

static void measure_tick(struct bench_clock *clock)
{
	uint64_t ns = bench_monotonic(), ticks = bench_ticks(), later;

	do
		later = bench_monotonic();
	while (later - ns < 20000000);
	clock->ns = (double)(later - ns) / (double)(bench_ticks() - ticks);
}

const struct bench_clock *bench_clock(void)
{
	static struct bench_clock clock;

	if (clock.ns == 0) {
		measure_readings(&clock);
		measure_tick(&clock);
	}
	return &clock;
}

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from)
{
	for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++)
		into->count[i] += from->count[i];
	into->total += from->total;
}

/* The least value that falls into a bucket. */
static double bucket_start(unsigned bucket)
{
	unsigned shift = bucket >> BENCH_HISTOGRAM_FINE;

	if (shift < 2)
		return bucket;
	shift--;
	return (double)((uint64_t)(bucket - (shift << BENCH_HISTOGRAM_FINE)) << shift);
}

/*
 * A clock that counts in steps puts all times into a few buckets. A time that reads v lay between v
 * - step and v + step, as often above as below, so within a step we go in proportion, as one does
 * for the median of grouped data: that tells 102 ns from 108 ns with a clock of 10 ns steps.
 */
double bench_histogram_quantile(const struct bench_histogram *h, double part)
{
	const struct bench_clock *clock = bench_clock();
	double want = part * (double)h->total, below = 0;

	for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
		double here = h->count[i], start = bucket_start(i),
		       width = bucket_start(i + 1) - start;
		double value;

		if (here == 0 || below + here < want) {
			below += here;
			continue;
		}
		if (width < clock->step) {
			start -= clock->step / 2;
			width = clock->step;
		}
		value = start + width * (want - below) / here - clock->cost;
		return value > 0 ? value * clock->ns : 0;
	}
	return 0;
}
