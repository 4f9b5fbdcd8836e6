/* SPDX-License-Identifier: MIT */
/* The parts of a server that do not depend on its event loop. */
#include "served.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static _Noreturn void fail(const char *what, int64_t result)
{
	fprintf(stderr, "server: %s: %s\n", what, ferry_strerror((int)result));
	exit(1);
}

void served_begin(struct served *served, int argc)
{
	struct ferry_item item;
	int e;

	served->fd = -1;
	if (argc < 2)
		return;
	e = ferry_mailbox_open(&served->box, "orders",
			       FERRY_MAILBOX_OPTIONS(.flags = FERRY_RECEIVE_ONLY));
	if (e < 0)
		fail("open", e);
	item = ferry_on_mailbox(served->box, FERRY_CAN_READ);
	served->fd = ferry_fd(&item);
	if (served->fd < 0)
		fail("ferry_fd", served->fd);
}

void served_end(struct served *served)
{
	if (served->fd >= 0)
		(void)ferry_fd_close(served->fd);
	ferry_mailbox_close(served->box);
}

void served_messages(struct served *served)
{
	ssize_t n = 0;
	int got = 0, e;

	served->calls++;
	for (; got < SERVED_AT_ONCE; got++) {
		uint64_t number = 0;

		n = ferry_mailbox_receive(served->box, &number, sizeof number, FERRY_NOW);
		if (n < 0)
			break;
		served->messages++;
		served->wrong += number != served->messages;
	}
	if (n < 0 && n != -EAGAIN)
		fail("receive", n);
	served->empty += got == 0;
	e = ferry_fd_clear(served->fd);
	if (e < 0)
		fail("ferry_fd_clear", e);
}

static void report(const struct served *served)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	const struct served_report report = {
		.messages = served->messages,
		.wrong = served->wrong,
		.ticks = served->ticks,
		.calls = served->calls,
		.empty = served->empty,
		.cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
			  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
	};
	if (write(SERVED_SOCKET, &report, sizeof report) != sizeof report)
		fail("report", -errno);
}

void served_socket(struct served *served)
{
	char word = 0;
	ssize_t n = read(SERVED_SOCKET, &word, 1);

	if (n == 0 || word == 'q')
		served->over = 1;
	else if (word == 'r')
		report(served);
	else if (n < 0 || write(SERVED_SOCKET, &word, 1) != 1)
		fail("socket", -errno);
}
