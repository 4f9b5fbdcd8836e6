/* SPDX-License-Identifier: MIT */
/*
 * torture_pipe_work.c - what the processes of `ferry torture pipe` do until they are killed: every
 * kind of call on the pipe, mixed by dice. All that they write comes in units of 16 bytes, so reads
 * end between two; ferry_pipe_fill() and _drain() move what there happens to be, and are left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hand.h"
#include "torture_pipe.h"

#define UNIT       sizeof(struct pipe_account_unit)
#define TWIN_CALLS 3000 /* that a twin makes at most */
#define RARE       4000 /* one call in so many is a fork */
#define TAP_ROOM   (64u << 10)
#define TAP_LOOKS  32

struct worker {
	struct hand hand;
	struct pipe_torture *torture;
	struct pipe_account *account;
	uint32_t stream;
	ferry_pipe *pipe;
	char *own; /* room for a record to write, or for what a tap shows */
	struct pipe_account_view view;
	struct pipe_account_doors doors;
};

/* What a twin gets from its parent. */
struct heritage {
	ferry_pipe *pipe;
	struct ferry_span span; /* reserved by the parent; no data if it has none */
};

static uint64_t roll(struct worker *w, uint64_t below)
{
	return hand_roll(&w->hand, below);
}

static void at(struct worker *w, uint32_t call)
{
	hand_at(&w->hand, call);
}

static void broken(struct worker *w, const char *call, int error)
{
	hand_broken(&w->hand, call, error);
}

static bool is_writer(const struct worker *w)
{
	return crew_is_writer(w->hand.crew, w->hand.seat);
}

/* Pipes are opened with FERRY_INTERRUPTIBLE too. */
static bool is_no(ssize_t result)
{
	return hand_is_no((int)result) || result == -EINTR;
}

static ferry_deadline patience(struct worker *w)
{
	return hand_patience(&w->hand);
}

/* ---- the other end ---- */

static bool is_other(const void *context, uint32_t seat)
{
	const struct worker *w = context;

	return crew_is_writer(w->hand.crew, seat) != is_writer(w);
}

/* A call that began when the doors were looked at says that nobody has the other end open. */
static void judge_alone(struct worker *w, const char *what)
{
	int64_t seat = pipe_account_open_since(w->account, &w->doors, is_other, w);

	if (seat >= 0)
		faults_report(w->hand.crew->faults, FAULT_BROKEN,
			      "%s, though the %s in seat %" PRIi64 " has the pipe open", what,
			      is_writer(w) ? "reader" : "writer", seat);
	crew_hold_back(w->hand.crew, w->hand.seat);
}

/* ---- opening, closing, forking ---- */

static void open_pipe(struct worker *w)
{
	struct ferry_why why = { 0 };
	uint32_t flags = FERRY_EXISTING | (roll(w, 2) ? FERRY_INTERRUPTIBLE : 0);

	at(w, PIPE_OPEN);
	int r = ferry_pipe_open(
	    &w->pipe, w->torture->base.location, is_writer(w) ? FERRY_WRITE : FERRY_READ,
	    FERRY_PIPE_OPTIONS(.flags = flags, .spin = roll(w, 3) ? 0 : -1, .why = &why),
	    patience(w));
	at(w, CREW_OUTSIDE);
	if (r == 0) {
		pipe_account_opened(w->account, w->hand.seat);
		return;
	}
	w->pipe = NULL;
	if (!is_no(r) && r != -ENXIO)
		broken(w, why.text[0] ? why.text : "open", r);
}

static void close_pipe(struct worker *w)
{
	pipe_account_closing(w->account, w->hand.seat);
	at(w, PIPE_CLOSE);
	ferry_pipe_close(w->pipe);
	at(w, CREW_OUTSIDE);
	w->pipe = NULL;
}

static void fork_twin(struct worker *w, const struct ferry_span *span)
{
	struct heritage heritage = { .pipe = w->pipe };

	if (span)
		heritage.span = *span;
	at(w, CREW_FORK);
	(void)crew_fork(w->hand.crew, w->hand.seat, &heritage);
	at(w, span ? PIPE_HOLD : CREW_OUTSIDE);
}

static void call_stat(struct worker *w)
{
	struct ferry_pipe_stat stat;

	at(w, PIPE_STAT);
	int r = ferry_pipe_stat(w->pipe, &stat);
	at(w, CREW_OUTSIDE);
	if (r < 0)
		broken(w, "stat", r);
	else if (stat.capacity != w->torture->capacity ||
		 stat.reserve_max != w->torture->reserve_max)
		broken(w, "stat tells nonsense", -FERRY_ECORRUPT);
}

/* Read along for a while. */
static void do_tap(struct worker *w)
{
	static struct pipe_account_view view;
	ferry_pipe_tap *tap;
	uint64_t missed = 0;

	memset(&view, 0, sizeof view);
	at(w, PIPE_TAP);
	int r = ferry_pipe_tap_open(&tap, w->pipe);
	ssize_t n = r;
	for (uint32_t i = 0; i < TAP_LOOKS && n >= 0; i++) {
		n = ferry_pipe_tap_read(tap, w->own, TAP_ROOM, &missed, ferry_in_ms(2));
		if (n > 0)
			pipe_account_saw(w->account, &view, w->own, (size_t)n);
	}
	if (r == 0)
		ferry_pipe_tap_close(tap);
	at(w, CREW_OUTSIDE);
	if (n < 0 && !is_no(n))
		broken(w, "tap", (int)n);
}

/* The calls that both sides make. True if it was one of these. */
static bool do_rare(struct worker *w)
{
	switch (roll(w, RARE)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
		close_pipe(w);
		return true;
	case 6:
	case 7:
		fork_twin(w, NULL);
		return true;
	case 8:
	case 9:
	case 10:
	case 11:
		call_stat(w);
		return true;
	case 12:
	case 13:
		do_tap(w);
		return true;
	default:
		return false;
	}
}

/* ---- writers ---- */

/* Small ones are the most frequent, all sizes up to `most` occur. */
static uint32_t choose_units(struct worker *w, uint64_t most)
{
	uint64_t least = w->torture->size_min / UNIT, range = most / UNIT - least;
	uint64_t dice = roll(w, 8);

	if (dice < 4 && range > 15)
		range = 15;
	else if (dice < 7 && range > PIPE_ACCOUNT_ATOMIC)
		range = PIPE_ACCOUNT_ATOMIC;
	return (uint32_t)(least + roll(w, range + 1));
}

/* A new record in our own memory. Its number, or negative: not now. */
static int64_t begin(struct worker *w, uint32_t units, void *to)
{
	int64_t number = pipe_account_begin(w->account, w->stream, units);

	if (number < 0)
		crew_hold_back(w->hand.crew, w->hand.seat);
	else
		pipe_account_compose(to, w->stream, (uint64_t)number, units);
	pipe_account_look_at_doors(w->account, &w->doors);
	return number;
}

/* A call is over: so many bytes are in, and it returned r. */
static void note_written(struct worker *w, int64_t number, uint64_t bytes, ssize_t r,
			 const char *call, uint64_t before)
{
	at(w, CREW_OUTSIDE);
	if (bytes % UNIT != 0)
		faults_report(w->hand.crew->faults, FAULT_TORN, "%s: %" PRIu64 " bytes went in",
			      call, bytes);
	pipe_account_wrote(w->account, w->stream, (uint64_t)number, (uint32_t)(bytes / UNIT));
	if (bytes)
		crew_moved(w->hand.crew, w->hand.seat, before, bytes);
	if (r == -EPIPE)
		judge_alone(w, "-EPIPE");
	else if (r < 0 && !is_no(r))
		broken(w, call, (int)r);
}

static void do_write(struct worker *w)
{
	uint32_t units = choose_units(w, w->torture->size_max);
	uint64_t before = crew_before(w->hand.crew);
	size_t size = units * UNIT, first = roll(w, size + 1), rest = size - first;
	const struct iovec parts[] = { { w->own, first },
				       { w->own + first, rest / 3 },
				       { w->own + first + rest / 3, rest - rest / 3 } };
	int64_t number = begin(w, units, w->own);
	ferry_deadline deadline = patience(w);

	if (number < 0)
		return;
	at(w, PIPE_WRITE);
	ssize_t r = roll(w, 4) ? ferry_pipe_write(w->pipe, w->own, size, deadline)
			       : ferry_pipe_writev(w->pipe, parts, 3, deadline);
	note_written(w, number, r > 0 ? (uint64_t)r : 0, r, "write", before);
}

/* Commit n bytes, again if it was passed over and there is no room. How many are in. */
static uint64_t commit(struct worker *w, struct ferry_span *span, size_t n, int *ret_result)
{
	size_t left = n;
	int r = -EAGAIN;

	at(w, PIPE_COMMIT);
	for (int i = 0; i < 8 && is_no(r); i++) {
		r = ferry_pipe_commit(w->pipe, span, left, patience(w));
		if (is_no(r))
			left = span->size;
	}
	*ret_result = r;
	if (is_no(r))
		*ret_result = ferry_pipe_commit(w->pipe, span, 0, FERRY_NOW);
	return r == 0 ? n : n - left;
}

/* Longer than others wait, now and then, though nobody stops us. */
static void linger(struct worker *w)
{
	const struct timespec pause = { .tv_nsec = 15000000 };

	at(w, PIPE_HOLD);
	if (!roll(w, 400))
		nanosleep(&pause, NULL);
	else if (!roll(w, 20))
		sched_yield();
}

/* Write in place, a little less than was asked for at times, or nothing. */
static void do_reserve(struct worker *w)
{
	const struct pipe_torture *t = w->torture;
	uint64_t most = t->size_max < t->reserve_max ? t->size_max : t->reserve_max;
	uint32_t asked = choose_units(w, most), units = roll(w, 4) ? asked : 1 + asked / 2;
	uint64_t before = crew_before(w->hand.crew);
	struct ferry_span span;
	int result;

	pipe_account_look_at_doors(w->account, &w->doors);
	at(w, PIPE_RESERVE);
	int r = ferry_pipe_reserve(w->pipe, asked * UNIT, &span, patience(w));
	at(w, CREW_OUTSIDE);
	if (r == -EPIPE)
		judge_alone(w, "-EPIPE");
	else if (r < 0 && !is_no(r))
		broken(w, "reserve", r);
	if (r < 0)
		return;
	int64_t number = roll(w, 16) ? begin(w, units, span.data) : -EAGAIN;
	linger(w);
	if (!roll(w, RARE / 8))
		fork_twin(w, &span);
	if (number < 0) {
		r = ferry_pipe_commit(w->pipe, &span, 0, FERRY_NOW);
		at(w, CREW_OUTSIDE);
		if (r < 0)
			broken(w, "giving a reservation up", r);
		return;
	}
	uint64_t bytes = commit(w, &span, units * UNIT, &result);
	note_written(w, number, bytes, result, "commit", before);
}

static void writer_step(struct worker *w)
{
	uint64_t what = roll(w, 20);

	if (do_rare(w))
		return;
	if (what < 12)
		do_write(w);
	else
		do_reserve(w);
}

/* ---- readers ---- */

static size_t choose_size(struct worker *w)
{
	switch (roll(w, 4)) {
	case 0:
		return (1 + roll(w, 16)) * UNIT;
	case 1:
		return 4096;
	case 2:
		return (1 + roll(w, TORTURE_ROOM / UNIT)) * UNIT;
	default:
		return TORTURE_ROOM;
	}
}

/* So many bytes lie in our buffer and are out of the pipe; 0 is end of file. */
static void note_read(struct worker *w, char *buffer, ssize_t r, const char *call, uint64_t before)
{
	at(w, CREW_OUTSIDE);
	if (r > 0) {
		pipe_account_read(w->account, &w->view, buffer, (size_t)r);
		memset(buffer, 0, (size_t)r);
		crew_moved(w->hand.crew, w->hand.seat, before, (uint64_t)r);
	} else if (r == 0) {
		judge_alone(w, "end of file");
	} else if (!is_no(r)) {
		broken(w, call, (int)r);
	}
}

static ssize_t do_read(struct worker *w)
{
	char *buffer = torture_pipe_buffer(w->torture, w->hand.seat);
	uint64_t before = crew_before(w->hand.crew);
	size_t size = choose_size(w), first = roll(w, size + 1);
	const struct iovec parts[] = { { buffer, first }, { buffer + first, size - first } };
	ferry_deadline deadline = patience(w);

	pipe_account_look(w->account, &w->view);
	pipe_account_look_at_doors(w->account, &w->doors);
	at(w, PIPE_READ);
	ssize_t r = roll(w, 4) ? ferry_pipe_read(w->pipe, buffer, size, deadline)
			       : ferry_pipe_readv(w->pipe, parts, 2, deadline);
	note_read(w, buffer, r, "read", before);
	return r;
}

/* In place. What another reader takes meanwhile is not ours. */
static ssize_t do_peek(struct worker *w)
{
	char *buffer = torture_pipe_buffer(w->torture, w->hand.seat);
	uint64_t before = crew_before(w->hand.crew);
	size_t size = choose_size(w);
	struct ferry_span span;
	ferry_deadline deadline = patience(w);

	pipe_account_look(w->account, &w->view);
	pipe_account_look_at_doors(w->account, &w->doors);
	at(w, PIPE_PEEK);
	int r = ferry_pipe_peek(w->pipe, &span, deadline);
	if (r <= 0) {
		note_read(w, buffer, r, "peek", before);
		return r;
	}
	if (size > span.size)
		size = span.size;
	memcpy(buffer, span.data, size);
	at(w, PIPE_CONSUME);
	r = ferry_pipe_consume(w->pipe, &span, size);
	if (r == -FERRY_ESTALE) {
		at(w, CREW_OUTSIDE);
		memset(buffer, 0, size);
		return 1;
	}
	note_read(w, buffer, r < 0 ? r : (ssize_t)size, "consume", before);
	return r < 0 ? r : (ssize_t)size;
}

/* What reading came to: more than 0, or nothing there. */
static ssize_t reader_step(struct worker *w)
{
	if (do_rare(w))
		return 1;
	return roll(w, 3) ? do_read(w) : do_peek(w);
}

/* ---- the process ---- */

static void write_on(struct worker *w, uint64_t calls)
{
	while (calls-- && !w->hand.broken && !atomic_load(&w->hand.crew->shared->finish))
		if (w->pipe)
			writer_step(w);
		else
			open_pipe(w);
}

static void read_on(struct worker *w, uint64_t calls)
{
	while (calls-- && !w->hand.broken) {
		/* Before the call, for what comes between is to be read. */
		bool drain = atomic_load(&w->hand.crew->shared->drain);

		if (!w->pipe)
			open_pipe(w);
		else if (reader_step(w) <= 0 && drain)
			return;
	}
}

/* The parent's reservation is not its child's. */
static void inherit(struct worker *w, struct heritage *heritage)
{
	w->pipe = heritage->pipe;
	pipe_account_opened(w->account, w->hand.seat);
	if (!heritage->span.data)
		return;
	int r = ferry_pipe_commit(w->pipe, &heritage->span, heritage->span.size, FERRY_NOW);
	if (r != -FERRY_ESTALE)
		broken(w, "commit of a reservation that the parent holds", r);
}

void torture_pipe_work(struct crew *crew, uint32_t seat, void *inherited)
{
	static struct worker w;
	struct pipe_torture *t = crew->context;
	uint64_t calls = UINT64_MAX;

	w = (struct worker){ .torture = t, .account = crew_pipe_account(crew) };
	hand_init(&w.hand, crew, seat);
	w.own = malloc(t->size_max > TAP_ROOM ? t->size_max : TAP_ROOM);
	if (!w.own)
		return;
	if (inherited) {
		inherit(&w, inherited);
		calls = roll(&w, TWIN_CALLS);
	}
	if (is_writer(&w)) {
		w.stream = torture_pipe_stream(crew, seat);
		write_on(&w, calls);
	} else {
		read_on(&w, calls);
	}
	/* Some leave without closing, as programs do. */
	if (w.pipe && roll(&w, 4))
		close_pipe(&w);
	pipe_account_closing(w.account, seat);
	free(w.own);
}
