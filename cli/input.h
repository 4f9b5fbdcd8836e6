/* SPDX-License-Identifier: MIT */
/*
 * input.h - reading messages from a descriptor: one from each line, or one from everything.
 */
#ifndef FERRY_CLI_INPUT_H
#define FERRY_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>

struct input {
	int fd;
	bool whole;   /* everything up to the end is one message; otherwise each line is */
	size_t limit; /* bytes of the largest message */

	/* What follows is of input.c: bytes read and not yet given out. Zero at first. */
	char *buffer;
	size_t room, start, end;
	bool finished;
};

/*
 * The next message, without its newline; it stays valid until the next call. 1, or 0 at the end, or
 * -EMSGSIZE if it is longer than limit, -EINTR if a signal asked to end, or another -errno.
 */
int input_next(struct input *input, const void **ret_data, size_t *ret_size);

void input_free(struct input *input);

#endif
