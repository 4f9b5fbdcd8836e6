/* SPDX-License-Identifier: MIT */
/* faulty_pipe.c - the faults of pipes; see faulty.c. */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "faulty.h"

enum { KEPT_PIPE = 64, SELDOM_READ = 100, SELDOM_WRITE = 2000 };

typedef ssize_t read_function(ferry_pipe *, void *, size_t, ferry_deadline);

static read_function *real_read(void)
{
	static read_function *real;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "ferry_pipe_read");
	return real;
}

/* Bytes of the last read, to come again. */
static struct {
	char bytes[KEPT_PIPE];
	bool there;
} kept_bytes;

ssize_t ferry_pipe_read(ferry_pipe *pipe, void *buffer, size_t size, ferry_deadline deadline)
{
	char *bytes = buffer;

	if (kept_bytes.there && size >= KEPT_PIPE) {
		memcpy(buffer, kept_bytes.bytes, KEPT_PIPE);
		kept_bytes.there = false;
		return KEPT_PIPE;
	}
	if (is_time_for("pipe-eof", SELDOM_READ))
		return 0;
	ssize_t r = real_read()(pipe, buffer, size, deadline);
	if (r < KEPT_PIPE)
		return r;
	if (is_time_for("pipe-lose", SELDOM_READ)) {
		memmove(bytes, bytes + KEPT_PIPE, (size_t)r - KEPT_PIPE);
		return r > KEPT_PIPE ? r - KEPT_PIPE : real_read()(pipe, buffer, size, deadline);
	}
	if (is_time_for("pipe-double", SELDOM_READ)) {
		memcpy(kept_bytes.bytes, buffer, KEPT_PIPE);
		kept_bytes.there = true;
	}
	if (is_time_for("pipe-tear", SELDOM_READ))
		bytes[r / 2] ^= 1;
	if (is_time_for("pipe-swap", SELDOM_READ)) {
		char half[KEPT_PIPE / 2];
		memcpy(half, bytes, sizeof half);
		memmove(bytes, bytes + sizeof half, sizeof half);
		memcpy(bytes + sizeof half, half, sizeof half);
	}
	return r;
}

ssize_t ferry_pipe_write(ferry_pipe *pipe, const void *data, size_t size, ferry_deadline deadline)
{
	static ssize_t (*real)(ferry_pipe *, const void *, size_t, ferry_deadline);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "ferry_pipe_write");
	if (is_time_for("pipe-epipe", SELDOM_READ))
		return -EPIPE;
	if (is_time_for("pipe-jam", SELDOM_WRITE))
		for (;;)
			pause();
	return real(pipe, data, size, deadline);
}
