/* SPDX-License-Identifier: MIT */
/* faulty_pipe.c - pipes that break their promises; see faulty.c. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "faulty.h"

enum { SELDOM = 100, SELDOM_JAM = 2000, KEPT = 64 };

typedef ssize_t read_function(ferry_pipe *, void *, size_t, ferry_deadline);

static read_function *real_read(void)
{
	static read_function *real;

	FAULTY_REAL(real, "ferry_pipe_read");
	return real;
}

/* Bytes of the last read, to come again. */
static struct {
	char bytes[KEPT];
	bool there;
} kept;

ssize_t ferry_pipe_read(ferry_pipe *pipe, void *buffer, size_t size, ferry_deadline deadline)
{
	char *bytes = buffer;

	if (kept.there && size >= KEPT) {
		memcpy(buffer, kept.bytes, KEPT);
		kept.there = false;
		return KEPT;
	}
	if (is_time_for("eof", SELDOM))
		return 0;
	ssize_t r = real_read()(pipe, buffer, size, deadline);
	if (r < KEPT)
		return r;
	if (is_time_for("lose", SELDOM)) {
		memmove(bytes, bytes + KEPT, (size_t)r - KEPT);
		return r > KEPT ? r - KEPT : real_read()(pipe, buffer, size, deadline);
	}
	if (is_time_for("double", SELDOM)) {
		memcpy(kept.bytes, buffer, KEPT);
		kept.there = true;
	}
	if (is_time_for("tear", SELDOM))
		bytes[r / 2] ^= 1;
	if (is_time_for("swap", SELDOM)) {
		char half[KEPT / 2];
		memcpy(half, bytes, sizeof half);
		memmove(bytes, bytes + sizeof half, sizeof half);
		memcpy(bytes + sizeof half, half, sizeof half);
	}
	return r;
}

ssize_t ferry_pipe_write(ferry_pipe *pipe, const void *data, size_t size, ferry_deadline deadline)
{
	static ssize_t (*real)(ferry_pipe *, const void *, size_t, ferry_deadline);

	FAULTY_REAL(real, "ferry_pipe_write");
	if (is_time_for("epipe", SELDOM))
		return -EPIPE;
	if (is_time_for("jam", SELDOM_JAM))
		for (;;)
			pause();
	return real(pipe, data, size, deadline);
}
