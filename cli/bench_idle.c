/* SPDX-License-Identifier: MIT */
/* bench_idle.c - what it costs to wait for what does not come. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_run.h"
#include "bench_transports.h"

/* What the process that waits has to tell. */
struct finding {
	int error;
	double percent;
};

/* Of all threads of this process, in ns. */
static double used(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

#define SETTLING 0.5 /* of the time that counts; before it */

static int wait_for_nothing(struct bench_channel *c, double ns, struct finding *finding)
{
	double before;
	int e;

	c->process = 1;
	e = c->peer->attach ? c->peer->attach(c) : 0;
	if (e == 0)
		e = c->peer->idle(c, (int64_t)(ns * SETTLING));
	before = used();
	if (e == 0)
		e = c->peer->idle(c, (int64_t)ns);
	finding->percent = (used() - before) / ns * 100;
	return e;
}

static int in_a_child(struct bench_channel *c, double seconds, struct finding *finding)
{
	sigset_t before;
	pid_t pid;
	int e;

	bench_block_signals(&before);
	pid = bench_fork(0);
	if (pid == 0) {
		finding->error = wait_for_nothing(c, seconds * 1e9, finding);
		_exit(0);
	}
	e = pid < 0 ? pid : bench_await(&pid, 1, seconds * (1 + SETTLING));
	sigprocmask(SIG_SETMASK, &before, NULL);
	return e < 0 ? e : finding->error;
}

int bench_idling(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		 struct bench_result *ret_result)
{
	struct bench_channel c = { .peer = peer, .bytes = sizeof(uint64_t), .fd = { -1, -1 } };
	struct finding *finding;
	int e;

	memset(ret_result, 0, sizeof(*ret_result));
	finding =
	    mmap(NULL, sizeof(*finding), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (finding == MAP_FAILED)
		return -errno;
	e = peer->create(&c, NULL);
	if (e == 0) {
		e = in_a_child(&c, seconds, finding);
		peer->remove(&c);
	}
	ret[BENCH_IDLE] = finding->percent;
	if (e < 0)
		snprintf(ret_result->why, sizeof(ret_result->why), "%s: %s", peer->name,
			 ferry_strerror(e));
	munmap(finding, sizeof(*finding));
	return e;
}
