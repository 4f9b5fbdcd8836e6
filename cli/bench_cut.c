/* SPDX-License-Identifier: MIT */
/* bench_cut.c - see bench_cut.h. */
#include "bench_cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER 65536

int bench_cut_init(struct bench_cut *cut, const struct bench_channel *c)
{
	cut->room = c->bytes > BUFFER ? c->bytes : BUFFER;
	cut->buffer = aligned_alloc(4096, (cut->room + 4095) & ~(size_t)4095);
	return cut->buffer ? 0 : -ENOMEM;
}

int bench_cut_next(struct bench_channel *c, struct bench_cut *cut, bench_read *read_some,
		   void **ret_data)
{
	while (cut->to - cut->from < c->bytes) {
		if (cut->from > 0) {
			memmove(cut->buffer, cut->buffer + cut->from, cut->to - cut->from);
			cut->to -= cut->from;
			cut->from = 0;
		}
		ssize_t n = read_some(c, cut->buffer + cut->to, cut->room - cut->to);
		if (n <= 0)
			return n < 0 ? (int)n : -EPIPE;
		cut->to += (size_t)n;
	}
	*ret_data = cut->buffer + cut->from;
	cut->from += c->bytes;
	if (cut->from == cut->to)
		cut->from = cut->to = 0;
	return 0;
}

int bench_cut_attach(struct bench_channel *c)
{
	struct bench_cut *cut = calloc(1, sizeof(*cut));

	c->handle = cut;
	return cut ? bench_cut_init(cut, c) : -ENOMEM;
}

int bench_write_all(int fd, const void *data, size_t bytes)
{
	const char *from = data, *end = from + bytes;

	while (from < end) {
		ssize_t n = write(fd, from, (size_t)(end - from));

		if (n >= 0)
			from += n;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return 0;
}

ssize_t bench_read_some(int fd, void *buffer, size_t room)
{
	ssize_t n;

	do
		n = read(fd, buffer, room);
	while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return n < 0 ? -errno : n;
}

void bench_close_both(struct bench_channel *c)
{
	(void)close(c->fd[0]);
	(void)close(c->fd[1]);
}
