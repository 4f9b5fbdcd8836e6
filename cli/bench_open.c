/* SPDX-License-Identifier: MIT */
/* bench_open.c - what it costs to create, open and close a default mailbox, and a POSIX queue. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
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

enum { CREATE, OPEN, CLOSE, STEPS };

struct samples {
	int error;
	size_t n;
	uint64_t reserved;
	uint64_t ticks[STEPS][SAMPLES];
};

/* One object's life: what each step took. 0 or a negative error. */
typedef int life(uint64_t ticks[STEPS], uint64_t *ret_reserved);

static int ferry_life(uint64_t ticks[STEPS], uint64_t *ret_reserved)
{
	char name[96];
	struct ferry_object_stat stat;
	ferry_mailbox *made, *opened;
	uint64_t t = bench_ticks();
	int e;

	snprintf(name, sizeof(name), "%s/opening", bench_directory());
	e = ferry_mailbox_open(&made, name, FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXCLUSIVE));
	if (e < 0)
		return e;
	ticks[CREATE] = bench_ticks() - t;
	t = bench_ticks();
	e = ferry_mailbox_open(&opened, name, FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING));
	ticks[OPEN] = bench_ticks() - t;
	if (e == 0) {
		t = bench_ticks();
		ferry_mailbox_close(opened);
		ticks[CLOSE] = bench_ticks() - t;
		e = ferry_object_stat(name, &stat, NULL);
		*ret_reserved = stat.file_bytes;
	}
	ferry_mailbox_close(made);
	ferry_remove(name, NULL);
	return e;
}

static int mq_life(uint64_t ticks[STEPS], uint64_t *ret_reserved)
{
	mqd_t made, opened;
	char name[64];
	uint64_t t;
	int e = 0;

	snprintf(name, sizeof(name), "/ferry-bench-%d", getpid());
	t = bench_ticks();
	made = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	ticks[CREATE] = bench_ticks() - t;
	if (made < 0)
		return -errno;
	t = bench_ticks();
	opened = mq_open(name, O_RDWR);
	ticks[OPEN] = bench_ticks() - t;
	if (opened < 0) {
		e = -errno;
	} else {
		t = bench_ticks();
		mq_close(opened);
		ticks[CLOSE] = bench_ticks() - t;
	}
	mq_close(made);
	mq_unlink(name);
	*ret_reserved = 0; /* the kernel allocates message by message */
	return e;
}

static life *life_of(const struct bench_peer *peer)
{
	if (peer == &bench_ferry)
		return ferry_life;
	return peer == &bench_mq ? mq_life : NULL;
}

static void live(life *one, double seconds, struct samples *samples)
{
	uint64_t until = bench_monotonic() + (uint64_t)(seconds * 1e9);
	uint64_t ticks[STEPS] = { 0 };

	samples->error = one(ticks, &samples->reserved); /* to warm up */
	while (samples->n < SAMPLES && bench_monotonic() < until && samples->error == 0) {
		samples->error = one(ticks, &samples->reserved);
		if (samples->error != 0)
			return;
		for (int i = 0; i < STEPS; i++)
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

int bench_opening(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		  struct bench_result *ret_result)
{
	life *one = life_of(peer);
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
	if (e == 0 && samples->n) {
		ret[BENCH_CREATE] = median_ns(samples->ticks[CREATE], samples->n);
		ret[BENCH_OPEN] = median_ns(samples->ticks[OPEN], samples->n);
		ret[BENCH_CLOSE] = median_ns(samples->ticks[CLOSE], samples->n);
		ret[BENCH_RESERVED] = (double)samples->reserved;
	} else if (e < 0) {
		snprintf(ret_result->why, sizeof(ret_result->why), "%s: %s", peer->name,
			 ferry_strerror(e));
	}
	munmap(samples, sizeof(*samples));
	return e;
}
