/* SPDX-License-Identifier: MIT */
/*
 * output.h - writing messages to standard output, so that the caller knows whether a message got
 * there.
 */
#ifndef FERRY_CLI_OUTPUT_H
#define FERRY_CLI_OUTPUT_H

#include <argp.h>
#include <stdbool.h>

#include <ferry/ferry.h>

enum output_format {
	OUTPUT_LINES, /* the bytes and a newline */
	OUTPUT_RAW,   /* the bytes and nothing else */
	OUTPUT_JSON,  /* one JSON object on a line */
};

/* The options that choose a format, for a command's argp, and what they mean. */
#define OUTPUT_OPTIONS                                                                             \
	{ "raw", 'r', NULL, 0, "Write the bytes and nothing else, no newline", 0 },                \
	{                                                                                          \
		"json", 'j', NULL, 0,                                                              \
		    "Write one JSON object on a line: size, priority, "                            \
		    "deliveries, encoding (utf-8 or base64), data",                                \
		    0                                                                              \
	}

/* Note the format that an option chose; a second one is a usage error. */
void output_choose(struct argp_state *state, enum output_format *format, enum output_format chosen);

/* Write a message. 0 when all of it is out of this process; -EPIPE; -EINTR if a signal asked to end
 * before that; or another -errno. */
int output_message(enum output_format format, const struct ferry_message *message);

/* Write bytes that are no message. As output_message(). */
int output_bytes(const void *data, size_t size);

/* Has the reader of standard output (a pipe or socket) gone away? */
bool output_closed(void);

/*
 * Report that a message could not be written, and give the exit status. A reader that went away is
 * no error worth a word: SIGPIPE is noted for interrupt_end().
 */
int output_failed(const char *command, const char *location, int error);

#endif
