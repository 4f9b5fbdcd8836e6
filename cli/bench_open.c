/* SPDX-License-Identifier: MIT */
/* bench_open.c - what it costs to create, open and close an object, and to use its memory first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_run.h"
#include "bench_time.h"
#include "bench_transports.h"

#define SAMPLES 4096

struct samples {
	int error;
	size_t n;
	uint64_t reserved;
	uint64_t ticks[BENCH_STEPS_OF_LIFE][SAMPLES];
};

typedef int life(uint64_t ticks[BENCH_STEPS_OF_LIFE], uint64_t *ret_reserved);

static void live(life *one, double seconds, struct samples *samples)
{
	uint64_t until = bench_monotonic() + (uint64_t)(seconds * 1e9);
	uint64_t ticks[BENCH_STEPS_OF_LIFE] = { 0 };

	samples->error = one(ticks, &samples->reserved); /* to warm up */
	while (samples->n < SAMPLES && (samples->n == 0 || bench_monotonic() < until) &&
	       samples->error == 0) {
		samples->error = one(ticks, &samples->reserved);
		if (samples->error != 0)
			return;
		for (int i = 0; i < BENCH_STEPS_OF_LIFE; i++)
			samples->ticks[i][samples->n] = ticks[i];
		samples->n++;
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double median_ns(uint64_t *ticks, size_t n)
{
	qsort(ticks, n, sizeof(*ticks), by_value);
	return ((double)ticks[n / 2] - bench_clock()->cost) * bench_clock()->ns;
}

static int in_a_child(life *one, double seconds, struct samples *samples)
{
	sigset_t before;
	pid_t pid;
	int e;

	bench_block_signals(&before);
	pid = bench_fork(0);
	if (pid == 0) {
		live(one, seconds, samples);
		_exit(0);
	}
	e = pid < 0 ? pid : bench_await(&pid, 1, seconds);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return e < 0 ? e : samples->error;
}

typedef void samples_to_figures(struct samples *samples, double ret[BENCH_METRICS]);

static void figures_of_opening(struct samples *samples, double ret[BENCH_METRICS])
{
	ret[BENCH_CREATE] = median_ns(samples->ticks[BENCH_CREATING], samples->n);
	ret[BENCH_OPEN] = median_ns(samples->ticks[BENCH_OPENING_IT], samples->n);
	ret[BENCH_CLOSE] = median_ns(samples->ticks[BENCH_CLOSING], samples->n);
	ret[BENCH_RESERVED] = (double)samples->reserved;
}

static void figures_of_touching(struct samples *samples, double ret[BENCH_METRICS])
{
	long page = sysconf(_SC_PAGESIZE);
	double bytes = (double)samples->reserved, pages = bytes / (double)page;

	ret[BENCH_TOUCH] = median_ns(samples->ticks[BENCH_TOUCHING_IT], samples->n) / pages;
	ret[BENCH_WRITE] = bytes / median_ns(samples->ticks[BENCH_WRITING], samples->n) * 1e9;
	ret[BENCH_READ] = bytes / median_ns(samples->ticks[BENCH_READING], samples->n) * 1e9;
}

static int sample(const struct bench_peer *peer, double seconds, samples_to_figures *figures,
		  double ret[BENCH_METRICS], struct bench_result *ret_result)
{
	life *one = peer->life;
	struct samples *samples;
	int e;

	memset(ret_result, 0, sizeof(*ret_result));
	if (!one)
		return -ENOTSUP;
	samples =
	    mmap(NULL, sizeof(*samples), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (samples == MAP_FAILED)
		return -errno;
	e = in_a_child(one, seconds, samples);
	if (e == 0 && samples->n)
		figures(samples, ret);
	else if (e < 0)
		snprintf(ret_result->why, sizeof(ret_result->why), "%s: %s", peer->name,
			 ferry_strerror(e));
	munmap(samples, sizeof(*samples));
	return e;
}

int bench_opening(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		  struct bench_result *ret_result)
{
	return sample(peer, seconds, figures_of_opening, ret, ret_result);
}

int bench_touching(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		   struct bench_result *ret_result)
{
	return sample(peer, seconds, figures_of_touching, ret, ret_result);
}
