/* SPDX-License-Identifier: MIT */
/* stream.c - see stream.h. */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/crash.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/futex.h"
#include "../os/signal.h"
#include "../pipe/relay.h"
#include "../wait/watch.h"

enum gate { SHUT = 0, OPEN = 1, ABANDONED = 2 };

struct fy_stream {
	ferry_pipe *pipe; /* the caller's until the gate is open, then ours */
	int ours;         /* our end of the kernel pipe */
	int theirs;       /* the child's, here until it has it; -1 */
	pthread_t thread;
	_Atomic uint32_t gate;
	struct fy_stream *next_of_child; /* until the gate opens */
	struct fy_stream *next;          /* of all in this process */
	struct fy_stream *previous;
};

/* ---- all of this process ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over the list and over closing */
static struct fy_stream *all;

static void before_fork(void)
{
	(void)pthread_mutex_lock(&mutex);
}

static void after_fork_parent(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

static int is_open(struct fy_stream *stream)
{
	/* SYNC(stream.gate) acquire: pairs with the release in open_gate(). */
	return atomic_load_explicit(&stream->gate, memory_order_acquire) == OPEN;
}

/* The threads stayed with the parent. A copy of an end that a child kept would keep it open: then
 * whoever reads would wait for its end as long as the child lives. */
static void after_fork_child(void)
{
	for (struct fy_stream *s = all; s; s = s->next) {
		(void)close(s->ours);
		if (s->theirs >= 0)
			(void)close(s->theirs);
		if (is_open(s))
			fy_relay_forsake(s->pipe);
	}
	all = NULL;
	(void)pthread_mutex_unlock(&mutex);
}

static void watch_forks(void)
{
	fy_watch_init(); /* a pipe that is closed with our mutex held ends its watches */
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void enlist(struct fy_stream *stream)
{
	stream->next = all;
	if (all)
		all->previous = stream;
	all = stream;
}

static void delist(struct fy_stream *stream)
{
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		all = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
}

/* Closed and forgotten in one step, as a fork() sees it. */
static void end_stream(struct fy_stream *stream, int close_pipe)
{
	(void)pthread_mutex_lock(&mutex);
	delist(stream);
	(void)close(stream->ours);
	if (stream->theirs >= 0)
		(void)close(stream->theirs);
	if (close_pipe)
		ferry_pipe_close(stream->pipe);
	(void)pthread_mutex_unlock(&mutex);
	free(stream);
}

/* ---- the thread ---- */

static void open_gate(struct fy_stream *stream, enum gate how)
{
	/* SYNC(stream.gate) release: pairs with the acquire in wait_at_gate() and is_open(). */
	atomic_store_explicit(&stream->gate, how, memory_order_release);
	(void)fy_futex_wake(&stream->gate, 1);
}

static enum gate wait_at_gate(struct fy_stream *stream)
{
	for (;;) {
		/* SYNC(stream.gate) acquire: pairs with the release in open_gate(). */
		uint32_t gate = atomic_load_explicit(&stream->gate, memory_order_acquire);
		if (gate != SHUT)
			return (enum gate)gate;
		(void)fy_futex_wait(&stream->gate, SHUT, FERRY_FOREVER);
	}
}

/* Nobody asks why a stream ended: the child and the other end of the pipe see that it did. */
static void *run(void *argument)
{
	struct fy_stream *stream = argument;

	if (wait_at_gate(stream) == ABANDONED)
		return NULL;
	(void)ferry_crash_thread();
	(void)fy_relay(stream->pipe, stream->ours);
	end_stream(stream, 1);
	return NULL;
}

/* Signals are for threads that know what they are for; but a fault must reach its handler: a pipe's
 * file may be truncated. */
static int start_thread(struct fy_stream *stream)
{
	uint64_t mask = fy_mask_block(FY_EVERY_SIGNAL & ~fy_signal_faults());
	int r = -pthread_create(&stream->thread, NULL, run, stream);

	(void)fy_mask_set(mask);
	return r;
}

/* ---- making one ---- */

/* A kernel pipe; ends[0] is ours, which never blocks. */
static int make_kernel_pipe(ferry_pipe *pipe, int ends[2])
{
	int made[2];
	int child_reads = pipe->end == FERRY_READ;

	if (pipe2(made, O_CLOEXEC) != 0)
		return -errno;
	ends[0] = made[child_reads];
	ends[1] = made[!child_reads];
	int flags = fcntl(ends[0], F_GETFL);
	if (flags >= 0 && fcntl(ends[0], F_SETFL, flags | O_NONBLOCK) == 0)
		return 0;
	int r = -errno;
	(void)close(made[0]);
	(void)close(made[1]);
	return r;
}

static int make_stream(struct fy_stream **ret_stream, ferry_pipe *pipe)
{
	struct fy_stream *stream = calloc(1, sizeof(*stream));
	int ends[2] = { -1, -1 };

	if (!stream)
		return -ENOMEM;
	stream->pipe = pipe;
	(void)pthread_mutex_lock(&mutex);
	int r = make_kernel_pipe(pipe, ends);
	if (r == 0) {
		stream->ours = ends[0];
		stream->theirs = ends[1];
		enlist(stream);
	}
	(void)pthread_mutex_unlock(&mutex);
	if (r < 0) {
		free(stream);
		return r;
	}
	r = start_thread(stream);
	if (r < 0)
		end_stream(stream, 0);
	else
		*ret_stream = stream;
	return r;
}

/* ---- those of a child ---- */

static struct fy_stream *find(const struct fy_streams *streams, const ferry_pipe *pipe)
{
	struct fy_stream *stream = streams->first;

	while (stream && stream->pipe != pipe)
		stream = stream->next_of_child;
	return stream;
}

int fy_streams_check(const struct ferry_spawn_options *options)
{
	for (size_t i = 0; i < options->n_streams; i++) {
		const struct ferry_spawn_stream *s = &options->streams[i];
		if (!s->pipe || s->to < 0)
			return fy_why(options->why, -EINVAL, "stream %zu has %s", i,
				      s->pipe ? "no descriptor to be" : "no pipe");
		int r = fy_relay_check(s->pipe);
		if (r < 0)
			return fy_why(options->why, r, "the pipe for descriptor %d cannot be used",
				      s->to);
	}
	return 0;
}

/* The same pipe for several descriptors is one stream: their bytes keep their order. */
static int add(struct fy_streams *streams, const struct ferry_spawn_stream *wanted, size_t i)
{
	struct fy_stream *stream = find(streams, wanted->pipe);

	if (!stream) {
		int r = make_stream(&stream, wanted->pipe);
		if (r < 0)
			return r;
		stream->next_of_child = streams->first;
		streams->first = stream;
	}
	streams->descriptors[i] =
	    (struct ferry_spawn_descriptor){ .from = stream->theirs, .to = wanted->to };
	return 0;
}

int fy_streams_prepare(struct fy_streams *ret_streams, const struct ferry_spawn_options *options)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fy_streams streams = { 0 };
	int r = 0;

	if (options->n_streams > 0) {
		(void)pthread_once(&once, watch_forks);
		streams.descriptors = calloc(options->n_streams, sizeof(*streams.descriptors));
		r = streams.descriptors ? 0 : -ENOMEM;
	}
	for (size_t i = 0; i < options->n_streams && r == 0; i++)
		r = add(&streams, &options->streams[i], i);
	if (r < 0) {
		fy_streams_abandon(&streams);
		return fy_why(options->why, r, "cannot make the streams of %.150s",
			      options->program);
	}
	*ret_streams = streams;
	return 0;
}

void fy_streams_start(struct fy_streams *streams)
{
	struct fy_stream *next;

	for (struct fy_stream *s = streams->first; s; s = next) {
		next = s->next_of_child;
		(void)pthread_mutex_lock(&mutex);
		(void)close(s->theirs);
		s->theirs = -1;
		(void)pthread_mutex_unlock(&mutex);
		(void)pthread_detach(s->thread);
		open_gate(s, OPEN);
	}
	free(streams->descriptors);
}

void fy_streams_abandon(struct fy_streams *streams)
{
	struct fy_stream *next;

	for (struct fy_stream *s = streams->first; s; s = next) {
		next = s->next_of_child;
		open_gate(s, ABANDONED);
		(void)pthread_join(s->thread, NULL);
		end_stream(s, 0);
	}
	free(streams->descriptors);
}
