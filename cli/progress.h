/* SPDX-License-Identifier: MIT */
/*
 * progress.h - a line on the terminal that says how far a pipe has come: bytes, rate, fill, time.
 */
#ifndef FERRY_CLI_PROGRESS_H
#define FERRY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include <ferry/ferry.h>

#define PROGRESS_MS 250 /* between two lines */

struct progress {
	bool shown; /* progress_begin() found a terminal */
	int64_t started;
	int64_t last;
	uint64_t last_moved;
};

/* Begin, if standard error is a terminal; otherwise nothing is ever shown. */
void progress_begin(struct progress *progress);

/* Show the line, if it is time for it. */
void progress_show(struct progress *progress, ferry_pipe *pipe, uint64_t moved);

/* Show the line for the last time, with the rate of the whole. */
void progress_end(struct progress *progress, ferry_pipe *pipe, uint64_t moved);

#endif
