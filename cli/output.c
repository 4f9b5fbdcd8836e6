/* SPDX-License-Identifier: MIT */
/*
 * output.c - writing messages to standard output. Nothing is buffered: when output_message() gives
 * success, the message has been handed over, and it may be finished in the mailbox.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "json.h"
#include "output.h"

void output_choose(struct argp_state *state, enum output_format *format, enum output_format chosen)
{
	if (*format != OUTPUT_LINES && *format != chosen)
		argp_error(state, "--raw and --json exclude each other");
	*format = chosen;
}

/* The write that takes the next bytes. > 0, or -errno. */
static ssize_t write_some(const struct iovec *parts, int n)
{
	struct pollfd writable = { .fd = STDOUT_FILENO, .events = POLLOUT };

	for (;;) {
		ssize_t written = writev(STDOUT_FILENO, parts, n);
		if (written > 0)
			return written;
		if (written < 0 && errno == EAGAIN)
			poll(&writable, 1, -1);
		else if (written < 0 && errno != EINTR)
			return -errno;
		if (interrupt_seen())
			return -EINTR;
	}
}

static int write_all(const void *data, size_t size, const char *tail)
{
	struct iovec parts[2] = {
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = size },
		{ .iov_base = (void *)(uintptr_t)tail, .iov_len = strlen(tail) },
	};

	while (parts[0].iov_len + parts[1].iov_len) {
		ssize_t written = write_some(parts, 2);
		if (written < 0)
			return (int)written;
		for (int i = 0; i < 2; i++) {
			size_t step =
			    (size_t)written < parts[i].iov_len ? (size_t)written : parts[i].iov_len;
			parts[i].iov_base = (char *)parts[i].iov_base + step;
			parts[i].iov_len -= step;
			written -= (ssize_t)step;
		}
	}
	return 0;
}

int output_message(enum output_format format, const struct ferry_message *message)
{
	if (format != OUTPUT_JSON)
		return write_all(message->data, message->size, format == OUTPUT_LINES ? "\n" : "");
	size_t size;
	char *line = json_message_line(message, &size);
	int r = write_all(line, size, "");
	free(line);
	return r;
}

int output_bytes(const void *data, size_t size)
{
	return write_all(data, size, "");
}

bool output_closed(void)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };

	return poll(&reader, 1, 0) == 1 && reader.revents & (POLLERR | POLLHUP);
}

int output_failed(const char *command, const char *location, int error)
{
	if (error == -EPIPE)
		interrupt_note(SIGPIPE);
	else if (error != -EINTR)
		cli_complain("%s %s: cannot write to standard output: %s; the message is still in "
			     "the mailbox",
			     command, location, strerror(-error));
	return STATUS_FAILED;
}
