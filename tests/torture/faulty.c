/* SPDX-License-Identifier: MIT */
/*
 * faulty.c - a ferry that breaks its promises: loaded before the real one (LD_PRELOAD), it commits
 * once in a while what $FERRY_FAULT names. `ferry torture` must find each of these out.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faulty.h"

enum { SELDOM = 2000, KEPT_MAX = 65536 };

static unsigned calls;

bool is_time_for(const char *fault, unsigned seldom)
{
	const char *wanted = getenv("FERRY_FAULT");

	return wanted && strcmp(wanted, fault) == 0 && ++calls % seldom == 0;
}

typedef ssize_t receive_function(ferry_mailbox *, void *, size_t, struct ferry_message *,
				 ferry_deadline);

static receive_function *real_receive(void)
{
	static receive_function *real;

	FAULTY_REAL(real, "ferry_mailbox_receive_with");
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
	if (is_time_for("lose", SELDOM))
		return real_receive()(box, buffer, room, ret_info, deadline);
	if (is_time_for("double", SELDOM))
		keep(buffer, ret_info);
	if (is_time_for("tear", SELDOM) && r > 0)
		((char *)buffer)[r / 2] ^= 1;
	if (is_time_for("swap", SELDOM)) {
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

	FAULTY_REAL(real, "ferry_mailbox_take");
	int r = real(box, ret_message, deadline);
	if (r == 0 && is_time_for("miscount", SELDOM))
		ret_message->deliveries++;
	return r;
}

int ferry_mailbox_send(ferry_mailbox *box, const void *data, size_t size, ferry_deadline deadline)
{
	static int (*real)(ferry_mailbox *, const void *, size_t, ferry_deadline);

	FAULTY_REAL(real, "ferry_mailbox_send");
	if (is_time_for("jam", SELDOM))
		for (;;)
			pause();
	if (is_time_for("crash", SELDOM))
		abort();
	return real(box, data, size, deadline);
}
