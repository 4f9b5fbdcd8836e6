/* SPDX-License-Identifier: MIT */
/* Mailbox calls that must succeed, and messages that show a torn byte. */
#include "box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

ferry_deadline box_patience(void)
{
	return ferry_in_ns(CHECK_AWAIT_NS);
}

struct ferry_repair box_repair(const char *location)
{
	struct ferry_repair repair;

	check_eq(ferry_object_repair(location, 0, &repair, NULL), 0);
	check_eq(box_look(location).members_dead, 0);
	return repair;
}

static int one_to_one_wanted(void)
{
	return getenv("FERRY_TEST_ONE_TO_ONE") != NULL;
}

void box_needs_many(void)
{
	if (one_to_one_wanted())
		check_skip("several senders or receivers");
}

/* The same tests once more over one to one mailboxes, where there can be one. */
static int open_one_to_one(ferry_mailbox **ret_box, const char *location,
			   const struct ferry_mailbox_options *options)
{
	struct ferry_mailbox_options chosen = { .size = sizeof(chosen) };

	if (options && options->size == sizeof(chosen))
		chosen = *options;
	if (chosen.priorities > 1 || access(location, F_OK) == 0 ||
	    chosen.flags & (FERRY_DROP_OLDEST | FERRY_EXISTING | FERRY_OBSERVE))
		return -EINVAL;
	chosen.flags |= FERRY_ONE_TO_ONE;
	return ferry_mailbox_open(ret_box, location, &chosen);
}

ferry_mailbox *box_open(const char *location, const struct ferry_mailbox_options *options)
{
	ferry_mailbox *box = NULL;

	if (!one_to_one_wanted() || open_one_to_one(&box, location, options) < 0)
		check_eq(ferry_mailbox_open(&box, location, options), 0);
	check(box);
	return box;
}

void box_remove(const char *location)
{
	check_eq(ferry_remove(location, NULL), 0);
}

void box_end(ferry_mailbox *box, const char *location)
{
	ferry_mailbox_close(box);
	box_remove(location);
}

struct ferry_mailbox_stat box_stat(ferry_mailbox *box)
{
	struct ferry_mailbox_stat stat;

	check_eq(ferry_mailbox_stat(box, &stat), 0);
	return stat;
}

struct ferry_object_stat box_look(const char *location)
{
	struct ferry_object_stat stat;

	check_eq(ferry_object_stat(location, &stat, NULL), 0);
	return stat;
}

void box_send(ferry_mailbox *box, uint64_t number)
{
	check_eq(ferry_mailbox_send(box, &number, sizeof number, FERRY_NOW), 0);
}

void box_expect(ferry_mailbox *box, uint64_t number)
{
	uint64_t got = 0;

	check_eq(ferry_mailbox_receive(box, &got, sizeof got, FERRY_NOW), sizeof got);
	check_eq(got, number);
}

uint64_t box_receive(ferry_mailbox *box)
{
	uint64_t got = 0;

	check_eq(ferry_mailbox_receive(box, &got, sizeof got, box_patience()), sizeof got);
	return got;
}

void box_expect_empty(ferry_mailbox *box)
{
	uint64_t got;

	check_eq(ferry_mailbox_receive(box, &got, sizeof got, FERRY_NOW), -EAGAIN);
}

struct ferry_message box_take(ferry_mailbox *box, uint64_t number)
{
	struct ferry_message message;
	uint64_t got;

	check_eq(ferry_mailbox_take(box, &message, FERRY_NOW), 0);
	check_eq(message.size, sizeof got);
	memcpy(&got, message.data, sizeof got);
	check_eq(got, number);
	return message;
}

/* Byte i of message number; the first eight are the number itself. */
static unsigned char pattern(uint64_t number, size_t i)
{
	return (unsigned char)((number * 0x9e3779b97f4a7c15u + i * 0xff51afd7ed558ccdu) >> 56);
}

void box_fill(void *data, uint64_t number, size_t size)
{
	unsigned char *bytes = data;

	memcpy(bytes, &number, size < sizeof number ? size : sizeof number);
	for (size_t i = sizeof number; i < size; i++)
		bytes[i] = pattern(number, i);
}

uint64_t box_whole(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t number;

	check(size >= sizeof number);
	memcpy(&number, bytes, sizeof number);
	for (size_t i = sizeof number; i < size; i++)
		if (bytes[i] != pattern(number, i))
			check_failed(__FILE__, __LINE__, "message %ju is torn at byte %zu of %zu",
				     (uintmax_t)number, i, size);
	return number;
}

int box_send_pattern(ferry_mailbox *box, uint64_t number, size_t size, ferry_deadline deadline)
{
	unsigned char *data = malloc(size ? size : 1);
	int r;

	check(data);
	box_fill(data, number, size);
	r = ferry_mailbox_send(box, data, size, deadline);
	free(data);
	return r;
}
