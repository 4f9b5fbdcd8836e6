/* SPDX-License-Identifier: MIT */
/*
 * bench_run.c - one measurement: fork the processes, pin them, let them start together, drive the
 * transport, collect what they found.
 *
 * The loops are the same for all transports. They hold no system call of their own, and one
 * reading of the clock for each batch of messages, or two for each round trip.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/error.h>

#include "bench_run.h"
#include "bench_time.h"
#include "bench_transports.h"

#define BATCH_MOST  256
#define BATCH_BYTES 65536 /* messages between two readings of the clock: about so many bytes */
#define STUCK       30    /* seconds beyond the measurement after which it is given up */

#define ENDS (sizeof(ends) / sizeof(*ends))
static const int ends[] = { SIGINT, SIGTERM, SIGHUP }; /* what ends a program */

/* What one process found. */
struct side {
	int error;
	char step[32]; /* at which it went wrong */
	uint64_t count, preempted;
	double seconds;    /* in which it counted */
	uint64_t longest;  /* ticks between two sections */
	uint64_t sections; /* all of them, also those that did not count */
	struct bench_histogram times;
};

struct shared {
	_Atomic uint32_t arrived; /* processes at the start */
	_Atomic uint32_t stop;    /* 1: the time is over */
	_Atomic uint32_t sending; /* senders that are not finished */
	volatile uint64_t inside[2] __attribute__((aligned(64))); /* only who is in the section
								     touches them */
	struct side side[] __attribute__((aligned(64)));
};

struct run {
	struct bench_channel there, back;
	unsigned senders, receivers;
	bool roundtrip, timed, sections, calls;
	bool churn; /* sections in which there may be several at a time */
	double seconds;
	uint64_t warm_until, length; /* ticks, of this process */
	struct shared *shared;
	struct side *side; /* of this process */
};

void bench_fill(void *data, size_t bytes, uint64_t number)
{
	uint64_t *word = data;

	for (size_t i = 0; i < bytes / sizeof(*word); i++)
		word[i] = number + i;
}

/* Read every byte. Four sums side by side, since one would wait for itself. */
static uint64_t sum_words(const void *data, size_t bytes)
{
	const uint64_t *word = data;
	size_t n = bytes / sizeof(*word), i = 0;
	uint64_t a = 0, b = 0, c = 0, d = 0;

	for (; i + 4 <= n; i += 4) {
		a += word[i];
		b += word[i + 1];
		c += word[i + 2];
		d += word[i + 3];
	}
	for (; i < n; i++)
		a += word[i];
	return a + b + c + d;
}

/* What sum_words() must give for a message, from its first word. */
static uint64_t right_sum(const struct bench_channel *c, uint64_t number)
{
	uint64_t n = c->bytes / sizeof(uint64_t);

	return (c->peer->abilities & BENCH_PRODUCES ? n : 1) * number + n * (n - 1) / 2;
}

static _Noreturn void fail(struct run *r, const char *step, int error)
{
	r->side->error = error;
	snprintf(r->side->step, sizeof(r->side->step), "%s", step);
	_exit(1);
}

static inline void must(struct run *r, const char *step, int result)
{
	if (__builtin_expect(result < 0, 0))
		fail(r, step, result);
}

static void send_next(struct run *r, struct bench_channel *c, uint64_t number)
{
	void *data = c->source;

	if (c->peer->place)
		must(r, "place", c->peer->place(c, &data));
	if (c->peer->abilities & BENCH_PRODUCES && number != BENCH_END)
		bench_fill(data, c->bytes, number);
	else
		*(uint64_t *)data = number;
	must(r, "send", c->peer->send(c, data));
}

static uint64_t preemptions(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_nivcsw;
}

/* Go there and back until the time comes; each trip's time is noted. Gives the last number. */
static uint64_t make_trips(struct run *r, uint64_t number, uint64_t until)
{
	struct bench_channel *there = &r->there, *back = &r->back;
	const struct bench_peer *peer = there->peer;
	uint64_t now;
	void *data;

	do {
		uint64_t begun;

		*(uint64_t *)there->source = ++number;
		begun = bench_ticks();
		must(r, "send", peer->send(there, there->source));
		must(r, "receive", peer->receive(back, &data));
		now = bench_ticks();
		bench_histogram_add(&r->side->times, now - begun);
		if (*(uint64_t *)data != number)
			fail(r, "compare", -EBADMSG);
		if (peer->done)
			must(r, "done", peer->done(back));
	} while (now < until);
	return number;
}

static void initiate(struct run *r)
{
	uint64_t number = make_trips(r, 0, r->warm_until), preempted = preemptions(), begun;

	memset(&r->side->times, 0, sizeof(r->side->times));
	begun = bench_ticks();
	make_trips(r, number, begun + r->length);
	r->side->seconds = (double)(bench_ticks() - begun) * bench_clock()->ns / 1e9;
	r->side->preempted = preemptions() - preempted;
	r->side->count = r->side->times.total;
	send_next(r, &r->there, BENCH_END);
}

static void answer(struct run *r)
{
	struct bench_channel *there = &r->there, *back = &r->back;
	const struct bench_peer *peer = there->peer;
	uint64_t preempted = preemptions();
	void *data;

	for (;;) {
		must(r, "receive", peer->receive(there, &data));
		if (*(uint64_t *)data == BENCH_END)
			break;
		must(r, "send back", peer->send(back, data));
		if (peer->done)
			must(r, "done", peer->done(there));
	}
	r->side->preempted = preemptions() - preempted;
}

static unsigned batch_size(size_t bytes)
{
	size_t n = BATCH_BYTES / bytes;

	return n > BATCH_MOST ? BATCH_MOST : n ? (unsigned)n : 1;
}

static void send_timed(struct run *r, uint64_t number)
{
	uint64_t begun = bench_ticks(), now;

	send_next(r, &r->there, number);
	now = bench_ticks();
	if (begun >= r->warm_until)
		bench_histogram_add(&r->side->times, now - begun);
}

static void send_on(struct run *r)
{
	struct bench_channel *c = &r->there;
	unsigned batch = batch_size(c->bytes);
	uint64_t number = 0;

	/* RELAXED(only says when to stop) */
	while (!atomic_load_explicit(&r->shared->stop, memory_order_relaxed))
		for (unsigned i = 0; i < batch; i++)
			if (r->timed)
				send_timed(r, ++number);
			else
				send_next(r, c, ++number);
	if (c->peer->flush)
		must(r, "flush", c->peer->flush(c));
	/* Everything has been sent when the last one comes here; so the ends come behind it. */
	if (atomic_fetch_sub(&r->shared->sending, 1) == 1)
		for (unsigned i = 0; i < r->receivers; i++)
			send_next(r, c, BENCH_END);
	if (c->peer->flush)
		must(r, "flush", c->peer->flush(c));
}

/* Receive one message and read it. False if it was the end. */
static bool receive_next(struct run *r, uint64_t *last)
{
	struct bench_channel *c = &r->there;
	uint64_t number;
	void *data;

	must(r, "receive", c->peer->receive(c, &data));
	number = *(const uint64_t *)data;
	if (number == BENCH_END)
		return false;
	if (sum_words(data, c->bytes) != right_sum(c, number))
		fail(r, "contents", -EBADMSG);
	if (r->senders == 1 && r->receivers == 1 && number != ++*last)
		fail(r, "order", -EBADMSG);
	if (c->peer->done)
		must(r, "done", c->peer->done(c));
	return true;
}

static void receive_on(struct run *r)
{
	unsigned batch = batch_size(r->there.bytes);
	uint64_t last = 0, begun = 0, count = 0, preempted = 0;
	bool more = true, counting = true;

	while (more) {
		unsigned i = 0;
		uint64_t now;

		while (i < batch && (more = receive_next(r, &last)))
			i++;
		if (!counting)
			continue;
		now = bench_ticks();
		if (begun) {
			count += i;
		} else if (now >= r->warm_until) {
			begun = now;
			preempted = preemptions();
		}
		if (begun && (now - begun >= r->length || !more)) {
			counting = false;
			r->side->count = count;
			r->side->seconds = (double)(now - begun) * bench_clock()->ns / 1e9;
			r->side->preempted = preemptions() - preempted;
			/* RELAXED(only says when to stop) */
			atomic_store_explicit(&r->shared->stop, 1, memory_order_relaxed);
		}
	}
}

/* In and out again, and count where two at a time would be noticed. */
static inline void pass_section(struct run *r)
{
	volatile uint64_t *inside = r->shared->inside;
	struct bench_channel *c = &r->there;
	void *nothing;

	must(r, "enter", c->peer->receive(c, &nothing));
	if (r->churn) {
		must(r, "leave", c->peer->send(c, NULL));
		r->side->sections++;
		return;
	}
	inside[0]++;
	if (inside[1]++ != inside[0] - 1)
		fail(r, "alone in it", -EBADMSG);
	must(r, "leave", c->peer->send(c, NULL));
	r->side->sections++;
}

/* One alone reads the clock now and then; with others, after each section, for the longest wait. */
static void pass_sections(struct run *r)
{
	unsigned batch = r->senders == 1 ? BATCH_MOST : 1;
	uint64_t begun = 0, before = 0, now, preempted = 0, sections = 0;

	do {
		for (unsigned i = 0; i < batch; i++)
			pass_section(r);
		now = bench_ticks();
		if (begun && now - before > r->side->longest)
			r->side->longest = now - before;
		if (!begun && now >= r->warm_until) {
			begun = now;
			sections = r->side->sections;
			preempted = preemptions();
		}
		before = now;
	} while (!begun || now - begun < r->length);
	r->side->count = r->side->sections - sections;
	r->side->seconds = (double)(now - begun) * bench_clock()->ns / 1e9;
	r->side->preempted = preemptions() - preempted;
}

/* The same call again and again. */
static void repeat_call(struct run *r)
{
	uint64_t begun = 0, now = bench_ticks(), preempted = 0, number = 0;

	do {
		uint64_t before = now;

		send_next(r, &r->there, ++number);
		now = bench_ticks();
		if (begun)
			bench_histogram_add(&r->side->times, now - before);
		else if (now >= r->warm_until) {
			preempted = preemptions();
			begun = now = bench_ticks();
		}
	} while (!begun || now - begun < r->length);
	r->side->count = r->side->times.total;
	r->side->seconds = (double)(now - begun) * bench_clock()->ns / 1e9;
	r->side->preempted = preemptions() - preempted;
}

static void wait_for_all(struct run *r, unsigned processes)
{
	_Atomic uint32_t *arrived = &r->shared->arrived;
	uint32_t n = atomic_fetch_add(arrived, 1) + 1;

	if (n == processes)
		syscall(SYS_futex, arrived, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	for (; n < processes; n = atomic_load(arrived))
		syscall(SYS_futex, arrived, FUTEX_WAIT, n, NULL, NULL, 0);
}

static void *message_room(struct run *r, size_t bytes)
{
	char *memory = aligned_alloc(64, (BENCH_PREFIX + bytes + 63) & ~(size_t)63);

	if (!memory)
		fail(r, "memory", -ENOMEM);
	memset(memory, 0, BENCH_PREFIX);
	*(long *)(void *)(memory + BENCH_PREFIX - sizeof(long)) = 1; /* a System V type */
	bench_fill(memory + BENCH_PREFIX, bytes, 0);
	return memory + BENCH_PREFIX;
}

static void attach(struct run *r, struct bench_channel *c)
{
	c->source = message_room(r, c->bytes);
	c->room = message_room(r, c->bytes);
	if (c->peer->attach)
		must(r, "attach", c->peer->attach(c));
}

static void measure(struct run *r, unsigned process, unsigned processes)
{
	r->there.process = r->back.process = process;
	attach(r, &r->there);
	if (r->roundtrip)
		attach(r, &r->back);
	wait_for_all(r, processes);
	r->warm_until = bench_ticks() + (uint64_t)(r->seconds / 5 * 1e9 / bench_clock()->ns);
	r->length = (uint64_t)(r->seconds * 1e9 / bench_clock()->ns);
	if (r->sections)
		pass_sections(r);
	else if (r->calls)
		repeat_call(r);
	else if (r->roundtrip)
		(process == 0 ? initiate : answer)(r);
	else
		(process < r->senders ? send_on : receive_on)(r);
}

static void pin(unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < 2; i++)
		if (core == 2 || i == core)
			CPU_SET(bench_cpus()[i], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

pid_t bench_fork(unsigned core)
{
	pid_t parent = getpid(), pid = fork();
	sigset_t none;

	if (pid)
		return pid < 0 ? -errno : pid;
	for (size_t i = 0; i < ENDS; i++)
		signal(ends[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	pin(core);
	return 0;
}

/* One to one, each has its own core. Several share both as the scheduler likes. */
static pid_t start(struct run *r, unsigned process, unsigned processes)
{
	pid_t pid = bench_fork(processes > 2 ? 2 : process);

	if (pid)
		return pid;
	r->side = &r->shared->side[process];
	measure(r, process, processes);
	_exit(0);
}

/* SIGCHLD and what ends this program, less what it was started to ignore. */
static void watched_signals(sigset_t *ret_set)
{
	struct sigaction action;

	sigemptyset(ret_set);
	sigaddset(ret_set, SIGCHLD);
	for (size_t i = 0; i < ENDS; i++)
		if (sigaction(ends[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(ret_set, ends[i]);
}

int bench_await(const pid_t *pids, unsigned n, double seconds)
{
	const struct timespec limit = { .tv_sec = (time_t)seconds + STUCK };
	unsigned alive = n;
	pid_t left[BENCH_PROCESSES];
	sigset_t set;
	int e = 0;

	memcpy(left, pids, n * sizeof(*pids));
	watched_signals(&set);
	while (alive) {
		int got = e ? SIGCHLD : sigtimedwait(&set, NULL, &limit);

		if (got > 0 && got != SIGCHLD)
			raise(got); /* blocked: it stays pending for the caller */
		if (got != SIGCHLD && !(got < 0 && errno == EINTR))
			e = got < 0 ? -ETIMEDOUT : -EINTR;
		for (unsigned i = 0; i < n; i++) {
			int status;

			if (e && left[i])
				kill(left[i], SIGKILL);
			if (!left[i] || waitpid(left[i], &status, e ? 0 : WNOHANG) == 0)
				continue;
			left[i] = 0;
			alive--;
			if (!e && status)
				e = -ECHILD;
		}
	}
	return e;
}

void bench_block_signals(sigset_t *ret_before)
{
	sigset_t set;

	watched_signals(&set);
	sigprocmask(SIG_BLOCK, &set, ret_before);
}

/* Make a shared page range, the channels and the processes; wait; leave the findings in shared. */
static int carry_out(struct run *r, unsigned processes)
{
	pid_t pid[BENCH_PROCESSES];
	unsigned started = 0;
	sigset_t before;
	int e = 0, awaited;

	bench_block_signals(&before);
	while (started < processes && e == 0) {
		pid[started] = start(r, started, processes);
		if (pid[started] < 0)
			e = pid[started];
		else
			started++;
	}
	for (unsigned i = 0; e && i < started; i++)
		kill(pid[i], SIGKILL);
	awaited = bench_await(pid, started, r->seconds);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return e ? e : awaited;
}

/* Every section counted up by one: if two were in it at a time, something is missing. */
static int check_sections(const struct run *r, struct bench_result *ret)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r->senders; i++)
		sum += r->shared->side[i].sections;
	if (!r->sections || r->churn ||
	    (r->shared->inside[0] == sum && r->shared->inside[1] == sum))
		return 0;
	snprintf(ret->why, sizeof(ret->why), "%s: two in the section at a time",
		 r->there.peer->name);
	return -EBADMSG;
}

static void collect_sections(const struct run *r, struct bench_result *ret)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < r->senders; i++)
		if (r->shared->side[i].longest > longest)
			longest = r->shared->side[i].longest;
	if (r->senders == 1)
		ret->p50 = 1e9 / ret->rate;
	else
		ret->longest = (double)longest * bench_clock()->ns;
}

static void collect(const struct run *r, unsigned processes, struct bench_result *ret)
{
	static struct bench_histogram times;

	memset(&times, 0, sizeof(times));
	for (unsigned i = 0; i < processes; i++) {
		const struct side *side = &r->shared->side[i];

		bench_histogram_merge(&times, &side->times);
		ret->count += side->count;
		ret->preempted += side->preempted;
		if (side->seconds > 0)
			ret->rate += (double)side->count / side->seconds;
	}
	ret->bytes_rate = ret->rate * (double)r->there.bytes;
	ret->depth = r->there.depth;
	ret->p50 = bench_histogram_quantile(&times, 0.5);
	ret->p99 = bench_histogram_quantile(&times, 0.99);
	ret->p999 = bench_histogram_quantile(&times, 0.999);
	if (r->sections)
		collect_sections(r, ret);
}

/* Which process failed first matters: the others were killed for it. */
static int explain(const struct run *r, unsigned processes, int error, struct bench_result *ret)
{
	for (unsigned i = 0; i < processes; i++) {
		const struct side *side = &r->shared->side[i];

		if (error == -EINTR || !side->error)
			continue;
		snprintf(ret->why, sizeof(ret->why), "%s: %s: %s", r->there.peer->name, side->step,
			 ferry_strerror(side->error));
		return side->error;
	}
	snprintf(ret->why, sizeof(ret->why), "%s: %s", r->there.peer->name,
		 error == -ETIMEDOUT ? "stuck" : ferry_strerror(error));
	return error;
}

static int run_processes(struct run *r, struct bench_result *ret)
{
	unsigned processes = r->senders + r->receivers;
	size_t bytes = sizeof(*r->shared) + processes * sizeof(r->shared->side[0]);
	int e;

	r->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->shared == MAP_FAILED)
		return -errno;
	r->shared->sending = r->senders;
	e = carry_out(r, processes);
	if (e == 0)
		e = check_sections(r, ret);
	else
		e = explain(r, processes, e, ret);
	if (e == 0)
		collect(r, processes, ret);
	munmap(r->shared, bytes);
	return e;
}

static int make_channel(struct run *r, struct bench_channel *c, const struct bench_channel *there,
			struct bench_result *ret)
{
	int e = c->peer->create(c, there);

	if (e < 0) {
		snprintf(ret->why, sizeof(ret->why), "%s: create: %s", c->peer->name,
			 ferry_strerror(e));
		c->peer = NULL;
	}
	(void)r;
	return e;
}

static int run_with_channels(struct run *r, struct bench_result *ret)
{
	int e = make_channel(r, &r->there, NULL, ret);

	if (e == 0 && r->roundtrip)
		e = make_channel(r, &r->back, &r->there, ret);
	if (e == 0)
		e = run_processes(r, ret);
	if (r->roundtrip && r->back.peer && r->there.peer)
		r->back.peer->remove(&r->back);
	if (r->there.peer)
		r->there.peer->remove(&r->there);
	return e;
}

static int run(const struct bench_peer *peer, size_t bytes, unsigned senders, unsigned receivers,
	       double seconds, unsigned ability, bool timed, struct bench_result *ret)
{
	struct run r = {
		.there = { .peer = peer, .bytes = bytes, .fd = { -1, -1 }, .queue = -1 },
		.back = { .peer = peer,
			  .bytes = bytes,
			  .fd = { -1, -1 },
			  .queue = -1,
			  .direction = 1 },
		.senders = senders,
		.receivers = receivers,
		.roundtrip = ability == BENCH_ROUNDTRIP,
		.sections = ability & (BENCH_SECTION | BENCH_CHURN),
		.churn = ability == BENCH_CHURN,
		.calls = ability == BENCH_CALL,
		.timed = timed,
		.seconds = seconds,
	};

	memset(ret, 0, sizeof(*ret));
	if (bytes < 8 || bytes % 8 || seconds <= 0 || !senders ||
	    (!receivers && !r.sections && !r.calls) || senders + receivers > BENCH_PROCESSES)
		return -EINVAL;
	if (!(peer->abilities & ability))
		return -ENOTSUP;
	return run_with_channels(&r, ret);
}

int bench_roundtrip(const struct bench_peer *peer, size_t bytes, double seconds,
		    struct bench_result *ret_result)
{
	return run(peer, bytes, 1, 1, seconds, BENCH_ROUNDTRIP, false, ret_result);
}

static unsigned stream_ability(unsigned senders, unsigned receivers)
{
	return senders + receivers > 2 ? BENCH_MANY : BENCH_STREAM;
}

int bench_stream(const struct bench_peer *peer, size_t bytes, unsigned senders, unsigned receivers,
		 double seconds, struct bench_result *ret_result)
{
	return run(peer, bytes, senders, receivers, seconds, stream_ability(senders, receivers),
		   false, ret_result);
}

int bench_stream_timed(const struct bench_peer *peer, size_t bytes, unsigned senders,
		       unsigned receivers, double seconds, struct bench_result *ret_result)
{
	return run(peer, bytes, senders, receivers, seconds, stream_ability(senders, receivers),
		   true, ret_result);
}

int bench_section(const struct bench_peer *peer, unsigned processes, double seconds,
		  struct bench_result *ret_result)
{
	return run(peer, sizeof(uint64_t), processes, 0, seconds, BENCH_SECTION, false, ret_result);
}

int bench_churn(const struct bench_peer *peer, size_t bytes, unsigned processes, double seconds,
		struct bench_result *ret_result)
{
	return run(peer, bytes, processes, 0, seconds, BENCH_CHURN, false, ret_result);
}

int bench_calls(const struct bench_peer *peer, double seconds, struct bench_result *ret_result)
{
	return run(peer, sizeof(uint64_t), 1, 0, seconds, BENCH_CALL, false, ret_result);
}
