/* SPDX-License-Identifier: MIT */
/*
 * presence.h - does anybody have the other end open?
 *
 * The kernel counts, across fork, exec and death of any kind, because the count is of open file
 * descriptions: of the two ends of a kernel pipe that no byte ever passes (anonymous pipes), or of
 * those that lock the byte of a role in the object's file (named ones).
 */
#ifndef FY_PRESENCE_H
#define FY_PRESENCE_H

#include "pipe.h"

/* Have a named pipe's end open, from now until fy_presence_end(). 0 or -errno. */
int fy_presence_begin(struct ferry_pipe *pipe);
void fy_presence_end(struct ferry_pipe *pipe);

/* 1 if somebody has the other end open, at this moment. A system call. */
int fy_presence_ask(const struct ferry_pipe *pipe);

/* 1 if somebody has that end open. */
int fy_presence_of(const struct ferry_pipe *pipe, enum fy_pipe_role role);

/* About to sleep: see to it that we are rung when the other end is gone. Never fails: naps are
 * the fallback. */
void fy_presence_watch(struct ferry_pipe *pipe);

/* In a child: what the parent watched is not ours. */
void fy_presence_forget(struct ferry_pipe *pipe);

#define FY_PRESENCE_EVERY (4 * FY_MS)

/* For a writer: 1 if there were readers some milliseconds ago, and none has closed since. */
FY_COLD int fy_presence_ask_again(struct ferry_pipe *pipe, int64_t now);

static inline int fy_presence_readers(struct ferry_pipe *pipe, int64_t now)
{
	/* SYNC(pipe.departures) acquire: pairs with the release in ferry_pipe_close(): that reader
	 * is gone. */
	uint32_t departures = atomic_load_explicit(&pipe->shm->departures, memory_order_acquire);

	/* RELAXED(a private timer, and what goes with it) */
	if (FY_LIKELY(now < atomic_load_explicit(&pipe->presence.due, memory_order_relaxed) &&
		      /* RELAXED(as above) */
		      departures ==
			  atomic_load_explicit(&pipe->presence.departures, memory_order_relaxed)))
		return 1;
	return fy_presence_ask_again(pipe, now);
}

#endif
