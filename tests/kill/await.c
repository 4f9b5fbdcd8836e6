/* SPDX-License-Identifier: MIT */
/* See await.h. */
#include "await.h"

#include "harness.h"

static int by_waiter(struct ferry_item *item, ferry_deadline deadline)
{
	struct ferry_report report = { 0 };
	ferry_waiter *waiter = NULL;
	int result;

	ATTACKED(result = ferry_waiter_open(&waiter, NULL));
	if (result == 0)
		ATTACKED(result = ferry_waiter_add(waiter, item, NULL));
	if (result >= 0)
		ATTACKED(result = ferry_waiter_wait(waiter, &report, 1, deadline));
	ATTACKED(ferry_waiter_close(waiter));
	item->happened = report.happened;
	item->error = report.error;
	return result;
}

/* Slept at by ferry_wait(), as any descriptor: so that the harness sees the sleep. It may be
 * readable for nothing: then once more. */
static int by_fd(struct ferry_item *item, ferry_deadline deadline)
{
	struct ferry_item shown;
	int result, fd;

	ATTACKED(fd = ferry_fd(item));
	if (fd < 0)
		return fd;
	shown = ferry_on_fd(fd, FERRY_CAN_READ);
	item->happened = 0;
	do {
		ATTACKED(result = ferry_wait(&shown, 1, deadline));
		if (result > 0)
			ATTACKED(item->happened = (uint32_t)ferry_fd_clear(fd));
	} while (result > 0 && item->happened == 0);
	ATTACKED(ferry_fd_close(fd));
	return result;
}

int await_item(enum await way, struct ferry_item *item, ferry_deadline deadline)
{
	int result;

	switch (way) {
	case AWAIT_WAITER:
		return by_waiter(item, deadline);
	case AWAIT_FD:
		return by_fd(item, deadline);
	case AWAIT_WAIT:
		ATTACKED(result = ferry_wait(item, 1, deadline));
		return result;
	case AWAIT_IN_CALL:
	default:
		return 1;
	}
}
