/* SPDX-License-Identifier: MIT */
/*
 * bench_time.h - the clock of the measurements, and histograms of times.
 *
 * A reading counts ticks: the processor's time stamp counter where there is one, which is read
 * without a system call and in order with the memory accesses around it; CLOCK_MONOTONIC elsewhere.
 * Only differences between readings of one pinned process are ever used.
 */
#ifndef FERRY_CLI_BENCH_TIME_H
#define FERRY_CLI_BENCH_TIME_H

#include <stdint.h>
#include <time.h>

#define BENCH_HISTOGRAM_FINE    8 /* values below 2 << 8 are exact, larger ones to 1 in 256 */
#define BENCH_HISTOGRAM_BUCKETS ((65 - BENCH_HISTOGRAM_FINE) << BENCH_HISTOGRAM_FINE)

/* Counts of times in ticks. All zero is empty. */
struct bench_histogram {
	uint64_t total;
	uint32_t count[BENCH_HISTOGRAM_BUCKETS];
};

static inline uint64_t bench_monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	unsigned cpu;

	return __builtin_ia32_rdtscp(&cpu);
#else
	return bench_monotonic();
#endif
}

static inline void bench_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline unsigned bench_histogram_bucket(uint64_t value)
{
	unsigned shift = 0;

	if (value >> (BENCH_HISTOGRAM_FINE + 1))
		shift = 63 - (unsigned)__builtin_clzll(value) - BENCH_HISTOGRAM_FINE;
	return (shift << BENCH_HISTOGRAM_FINE) + (unsigned)(value >> shift);
}

static inline void bench_histogram_add(struct bench_histogram *h, uint64_t value)
{
	h->count[bench_histogram_bucket(value)]++;
	h->total++;
}

/* What the clock is like on this machine. */
struct bench_clock {
	double ns;   /* of one tick */
	double cost; /* ticks that pass between two readings with nothing in between */
	double step; /* ticks by which readings differ at least: virtual machines count in steps */
};

/* Measured at the first call, which takes some 20 ms. */
const struct bench_clock *bench_clock(void);

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from);

/* The time in ns (less the cost of reading the clock) below which that part of all lie; 0 if none.
 */
double bench_histogram_quantile(const struct bench_histogram *h, double part);

#endif
