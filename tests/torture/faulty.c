/* SPDX-License-Identifier: MIT */
/*
 * faulty.c - a ferry that breaks its promises: loaded before the real one (LD_PRELOAD), it commits
 * once in a while what $FERRY_FAULT names. `ferry torture` must find each of these out.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/ferry.h>

enum { SELDOM = 2000, SELDOM_READ = 100, KEPT_MAX = 65536 };

static unsigned calls;

static bool comes_now(const char *fault, unsigned seldom)
{
	const char *wanted = getenv("FERRY_FAULT");

	return wanted && strcmp(wanted, fault) == 0 && ++calls % seldom == 0;
}

static bool is_time_for(const char *fault)
{
	return comes_now(fault, SELDOM);
}

typedef ssize_t receive_function(ferry_mailbox *, void *, size_t, struct ferry_message *,
				 ferry_deadline);

static receive_function *real_receive(void)
{
	static receive_function *real;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "ferry_mailbox_receive_with");
	return real;
}

/* A message that is kept back, to come later or again. */
static struct {
	char bytes[KEPT_MAX];
	struct ferry_message info;
	bool there;
} kept;

static void keep(const void *bytes, const struct ferry_message *info)
{
	if (info->size > KEPT_MAX)
		return;
	memcpy(kept.bytes, bytes, info->size);
	kept.info = *info;
	kept.there = true;
}

static ssize_t bring(void *buffer, struct ferry_message *ret_info)
{
	memcpy(buffer, kept.bytes, kept.info.size);
	*ret_info = kept.info;
	ret_info->data = buffer;
	kept.there = false;
	return (ssize_t)kept.info.size;
}

ssize_t ferry_mailbox_receive_with(ferry_mailbox *box, void *buffer, size_t room,
				   struct ferry_message *ret_info, ferry_deadline deadline)
{
	if (kept.there && kept.info.size <= room)
		return bring(buffer, ret_info);
	ssize_t r = real_receive()(box, buffer, room, ret_info, deadline);
	if (r < 0)
		return r;
	if (is_time_for("lose"))
		return real_receive()(box, buffer, room, ret_info, deadline);
	if (is_time_for("double"))
		keep(buffer, ret_info);
	if (is_time_for("tear") && r > 0)
		((char *)buffer)[r / 2] ^= 1;
	if (is_time_for("swap")) {
		keep(buffer, ret_info);
		ssize_t next = real_receive()(box, buffer, room, ret_info, FERRY_NOW);
		return next < 0 ? bring(buffer, ret_info) : next;
	}
	return r;
}

int ferry_mailbox_take(ferry_mailbox *box, struct ferry_message *ret_message,
		       ferry_deadline deadline)
{
	static int (*real)(ferry_mailbox *, struct ferry_message *, ferry_deadline);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "ferry_mailbox_take");
	int r = real(box, ret_message, deadline);
	if (r == 0 && is_time_for("miscount"))
		ret_message->deliveries++;
	return r;
}

int ferry_mailbox_send(ferry_mailbox *box, const void *data, size_t size, ferry_deadline deadline)
{
	static int (*real)(ferry_mailbox *, const void *, size_t, ferry_deadline);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "ferry_mailbox_send");
	if (is_time_for("jam"))
		for (;;)
			pause();
	if (is_time_for("crash"))
		abort();
	return real(box, data, size, deadline);
}

/* ---- pipes ---- */

enum { KEPT_PIPE = 64 };

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
	if (comes_now("eof", SELDOM_READ))
		return 0;
	ssize_t r = real_read()(pipe, buffer, size, deadline);
	if (r < KEPT_PIPE)
		return r;
	if (comes_now("lose", SELDOM_READ)) {
		memmove(bytes, bytes + KEPT_PIPE, (size_t)r - KEPT_PIPE);
		return r > KEPT_PIPE ? r - KEPT_PIPE : real_read()(pipe, buffer, size, deadline);
	}
	if (comes_now("double", SELDOM_READ)) {
		memcpy(kept_bytes.bytes, buffer, KEPT_PIPE);
		kept_bytes.there = true;
	}
	if (comes_now("tear", SELDOM_READ))
		bytes[r / 2] ^= 1;
	if (comes_now("swap", SELDOM_READ)) {
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
	if (comes_now("epipe", SELDOM_READ))
		return -EPIPE;
	if (is_time_for("jam"))
		for (;;)
			pause();
	return real(pipe, data, size, deadline);
}
