/* SPDX-License-Identifier: MIT */
/*
 * progress.c - a line on the terminal that says how far a pipe has come.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "progress.h"

#define SECOND INT64_C(1000000000)

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

void progress_begin(struct progress *progress)
{
	progress->shown = isatty(STDERR_FILENO);
	progress->started = progress->last = now();
}

static uint64_t rate(uint64_t bytes, int64_t ns)
{
	return ns > 0 ? (uint64_t)((double)bytes * (double)SECOND / (double)ns) : 0;
}

static void print(const struct progress *progress, ferry_pipe *pipe, uint64_t moved,
		  uint64_t a_second, int64_t at)
{
	char bytes[CLI_HUMAN_BYTES], per_second[CLI_HUMAN_BYTES];
	struct ferry_pipe_stat stat;
	int64_t seconds = (at - progress->started) / SECOND;
	unsigned fill = 0;

	if (ferry_pipe_stat(pipe, &stat) == 0 && stat.capacity)
		fill = (unsigned)((double)stat.bytes * 100 / (double)stat.capacity);
	/* Back to the first column, and clear what was longer before. */
	fprintf(stderr,
		"\r%10s  %2" PRId64 ":%02" PRId64 ":%02" PRId64 "  %10s/s  fill %3u %%\033[K",
		cli_human_size(bytes, moved), seconds / 3600, seconds / 60 % 60, seconds % 60,
		cli_human_size(per_second, a_second), fill);
}

void progress_show(struct progress *progress, ferry_pipe *pipe, uint64_t moved)
{
	if (!progress->shown)
		return;
	int64_t at = now();
	if (at - progress->last < PROGRESS_MS * (SECOND / 1000))
		return;
	print(progress, pipe, moved, rate(moved - progress->last_moved, at - progress->last), at);
	progress->last = at;
	progress->last_moved = moved;
}

void progress_end(struct progress *progress, ferry_pipe *pipe, uint64_t moved)
{
	if (!progress->shown)
		return;
	int64_t at = now();
	print(progress, pipe, moved, rate(moved, at - progress->started), at);
	fputc('\n', stderr);
}
