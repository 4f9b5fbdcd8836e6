/* SPDX-License-Identifier: MIT */
/*
 * stream.h - ferry pipes as descriptors of a child.
 *
 * A program reads and writes descriptors, and a ferry pipe is none. So the child gets an end of a
 * kernel pipe, and a thread of this process passes on between that and the ferry pipe, until one of
 * the two is at its end; the child's own end has nothing to do with it, so what it wrote last is
 * passed on too. The thread waits at a gate until the program runs: had it not been started, no
 * byte may have moved.
 */
#ifndef FY_PROCESS_STREAM_H
#define FY_PROCESS_STREAM_H

#include <ferry/process.h>

struct fy_stream;

/* What the streams of one child need until it runs. Zeros: there are none. */
struct fy_streams {
	struct fy_stream *first;
	/* One for each stream asked for: the child's end of its kernel pipe, and where it goes. */
	struct ferry_spawn_descriptor *descriptors;
};

/* Can the streams be had? 0; -EINVAL, or why a pipe cannot be used. */
int fy_streams_check(const struct ferry_spawn_options *options);

/* Kernel pipes, and threads at the gate. On failure nothing is left of them, and -errno. */
int fy_streams_prepare(struct fy_streams *ret_streams, const struct ferry_spawn_options *options);

/* The child runs: the pipes are the threads' now. Or it does not: everything as it was. Both are
 * called without the registry held (process.h), since they take part in fork() themselves. */
void fy_streams_start(struct fy_streams *streams);
void fy_streams_abandon(struct fy_streams *streams);

#endif
