/* SPDX-License-Identifier: MIT */
/*
 * flow.h - what `ferry write` and `ferry read` share: their options, opening the pipe, waiting in
 * steps, and saying what went wrong.
 */
#ifndef FERRY_CLI_FLOW_H
#define FERRY_CLI_FLOW_H

#include <argp.h>
#include <stdbool.h>

#include <ferry/ferry.h>

#include "progress.h"

enum {
	FLOW_CAPACITY = 256,
	FLOW_EXISTING,
};

/* One end of a pipe, and what passes through it. */
struct flow {
	const char *command; /* "write" */
	uint32_t end;        /* FERRY_WRITE or FERRY_READ */
	const char *location;
	uint64_t capacity; /* if it has to be made; 0 = the usual */
	bool existing;
	bool at_once; /* do not wait for the other end */
	bool progress;
	int64_t timeout; /* ns; negative: wait for ever */

	ferry_pipe *pipe;
	uint64_t moved; /* bytes */
	struct progress shown;
};

#define FLOW_OPTIONS                                                                               \
	{ "progress",                                                                              \
	  'p',                                                                                     \
	  NULL,                                                                                    \
	  0,                                                                                       \
	  "Show bytes, rate and how full the pipe is, if standard error is a terminal",            \
	  0 },                                                                                     \
	    { "timeout",                                                                           \
	      't',                                                                                 \
	      "TIME",                                                                              \
	      0,                                                                                   \
	      "Wait so long at most: for the other end, and then each time for the pipe",          \
	      0 },                                                                                 \
	    { "capacity",                                                                          \
	      FLOW_CAPACITY,                                                                       \
	      "SIZE",                                                                              \
	      0,                                                                                   \
	      "If the pipe has to be made: bytes that can wait in it (1M)",                        \
	      0 },                                                                                 \
	{                                                                                          \
		"existing", FLOW_EXISTING, NULL, 0, "Fail if the pipe is not there", 0             \
	}

/* An argp parser for those options and the location; its input is a struct flow. */
error_t flow_parse(int key, char *argument, struct argp_state *state);

/* Open the pipe and wait for the other end. STATUS_DONE, or the exit status after the failure was
 * reported. */
int flow_open(struct flow *flow);

/* How long one wait may take: until its end, and the next step on the way there. */
ferry_deadline flow_deadline(const struct flow *flow);
ferry_deadline flow_step(ferry_deadline until);

/* After a wait of one step with result r: go on waiting? */
bool flow_goes_on(const struct flow *flow, int r, ferry_deadline until);

/* Report why the pipe failed. Gives the exit status. */
int flow_failed(const struct flow *flow, int error);

#endif
