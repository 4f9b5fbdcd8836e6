/* SPDX-License-Identifier: MIT */
/*
 * input.c - reading messages from a descriptor. Holds in memory one message at most (of at most the
 * limit), and what came with it in one read.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input.h"
#include "interrupt.h"

#define FIRST_ROOM ((size_t)65536)

/* Make room behind what is there: first by moving it to the front, then by growing. */
static int make_room(struct input *input)
{
	if (input->start) {
		memmove(input->buffer, input->buffer + input->start, input->end - input->start);
		input->end -= input->start;
		input->start = 0;
	}
	if (input->end < input->room)
		return 0;
	size_t room = input->room ? 2 * input->room : FIRST_ROOM;
	char *buffer = realloc(input->buffer, room);
	if (!buffer)
		return -ENOMEM;
	input->buffer = buffer;
	input->room = room;
	return 0;
}

static ssize_t read_some(struct input *input)
{
	struct pollfd readable = { .fd = input->fd, .events = POLLIN };

	for (;;) {
		if (interrupt_seen())
			return -EINTR;
		ssize_t n = read(input->fd, input->buffer + input->end, input->room - input->end);
		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			poll(&readable, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

static int read_more(struct input *input)
{
	int r = input->end == input->room ? make_room(input) : 0;
	ssize_t n = r < 0 ? r : read_some(input);

	if (n < 0)
		return (int)n;
	input->end += (size_t)n;
	input->finished = n == 0;
	return 0;
}

/* Give out the next size bytes, and leave out the newline behind them if there is one. */
static int give(struct input *input, size_t size, size_t newline, const void **ret_data,
		size_t *ret_size)
{
	if (size > input->limit)
		return -EMSGSIZE;
	*ret_data = input->buffer + input->start;
	*ret_size = size;
	input->start += size + newline;
	return 1;
}

/* At the end: the rest is the last message. Nothing at all is no line, but it is a whole. */
static int give_rest(struct input *input, const void **ret_data, size_t *ret_size)
{
	bool one_more = input->whole || input->end > input->start;

	input->whole = false;
	return one_more ? give(input, input->end - input->start, 0, ret_data, ret_size) : 0;
}

int input_next(struct input *input, const void **ret_data, size_t *ret_size)
{
	size_t searched = 0;

	for (;;) {
		size_t size = input->end - input->start;
		const char *newline = NULL;

		if (!input->whole && searched < size)
			newline =
			    memchr(input->buffer + input->start + searched, '\n', size - searched);
		if (newline)
			return give(input, (size_t)(newline - input->buffer) - input->start, 1,
				    ret_data, ret_size);
		if (input->finished)
			return give_rest(input, ret_data, ret_size);
		if (size > input->limit)
			return -EMSGSIZE;
		searched = size;
		int r = read_more(input);
		if (r < 0)
			return r;
	}
}

void input_free(struct input *input)
{
	free(input->buffer);
}
