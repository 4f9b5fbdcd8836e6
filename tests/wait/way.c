/* SPDX-License-Identifier: MIT */
/* The ways in which one can wait. */
#include "way.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "box.h"
#include "check.h"

enum { FOR_NOTHING_MOST = 5 }; /* wakes in a row that may be for nothing; an endless one is not */

/* ---- ferry_wait ---- */

static void begin_nothing(struct waiting *waiting)
{
	(void)waiting;
}

static void tell(const struct ferry_item *item, struct told *ret_told)
{
	*ret_told = (struct told){ item->happened, item->error };
}

static int wait_alone(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	int n = ferry_wait(&waiting->item, 1, deadline);

	if (n > 0)
		tell(&waiting->item, ret_told);
	return n;
}

/* ---- ferry_wait among others, which stay silent ---- */

static void begin_among(struct waiting *waiting)
{
	waiting->silent_box = box_open("silent", NULL);
	check_eq(pipe2(waiting->silent_fd, O_CLOEXEC), 0);
}

static int wait_among(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	struct ferry_item items[] = {
		ferry_on_fd(waiting->silent_fd[0], FERRY_CAN_READ),
		waiting->item,
		ferry_on_mailbox(waiting->silent_box, FERRY_CAN_READ),
	};
	int n = ferry_wait(items, 3, deadline);

	if (n > 0) {
		check_eq(n, 1);
		check_eq(items[0].happened, 0);
		check_eq(items[2].happened, 0);
		tell(&items[1], ret_told);
	}
	return n;
}

static void end_among(struct waiting *waiting)
{
	close(waiting->silent_fd[0]);
	close(waiting->silent_fd[1]);
	box_end(waiting->silent_box, "silent");
}

/* ---- ferry_waiter ---- */

static void begin_waiter(struct waiting *waiting)
{
	check_eq(ferry_waiter_open(&waiting->waiter, NULL), 0);
	waiting->key = ferry_waiter_add(waiting->waiter, &waiting->item, waiting);
	check(waiting->key >= 0);
}

static int wait_waiter(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	struct ferry_report report[4];
	int n = ferry_waiter_wait(waiting->waiter, report, 4, deadline);

	if (n > 0) {
		check_eq(n, 1);
		check_eq(report[0].key, waiting->key);
		check(report[0].user == waiting);
		*ret_told = (struct told){ report[0].happened, report[0].error };
	}
	return n;
}

static void end_waiter(struct waiting *waiting)
{
	check_eq(ferry_waiter_remove(waiting->waiter, waiting->key), 0);
	check_eq(ferry_waiter_remove(waiting->waiter, waiting->key), -ENOENT);
	ferry_waiter_close(waiting->waiter);
}

/* ---- somebody else's calls, which signals end ---- */

static int poll_on(int fd, int ms)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&entry, 1, ms);
	while (n < 0 && errno == EINTR);
	return n;
}

static int epoll_on(int epoll, int ms)
{
	struct epoll_event event;
	int n;

	do
		n = epoll_wait(epoll, &event, 1, ms);
	while (n < 0 && errno == EINTR);
	return n;
}

/* ---- ferry_waiter_fd in poll ---- */

/* Rounded up, as those do who want no early end. */
static int milliseconds(ferry_deadline deadline)
{
	ferry_deadline now = ferry_in_ns(0);

	if (deadline == FERRY_FOREVER)
		return -1;
	return deadline > now ? (int)((deadline - now + 999999) / 1000000) : 0;
}

/* Until the descriptor says so. */
static int poll_waiter(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	int fd = ferry_waiter_fd(waiting->waiter);
	int r = -EAGAIN;

	check(fd >= 0);
	for (int i = 0; i < FOR_NOTHING_MOST && r == -EAGAIN; i++) {
		if (poll_on(fd, milliseconds(deadline)) == 0)
			return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
		r = wait_waiter(waiting, FERRY_NOW, ret_told);
	}
	return r;
}

/* ---- ferry_fd in poll and in epoll ---- */

/* The descriptor says that something is there; ferry says what. A wake for nothing is allowed, and
 * clearing ends it. */
static int ask(struct waiting *waiting, int n, ferry_deadline deadline, struct told *ret_told)
{
	int events;

	if (n == 0)
		return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
	check_eq(n, 1);
	events = ferry_fd_clear(waiting->fd);
	check(events >= 0);
	n = wait_alone(waiting, FERRY_NOW, ret_told);
	if (n > 0 && events == 0) /* it came between the two, so the descriptor says it again */
		check_eq(poll_on(waiting->fd, milliseconds(box_patience())), 1);
	else
		check_eq(n > 0 ? (int)ret_told->happened : 0, events);
	return n;
}

static void begin_fd(struct waiting *waiting)
{
	waiting->fd = ferry_fd(&waiting->item);
	check(waiting->fd >= 0);
}

static void end_fd(struct waiting *waiting)
{
	check_eq(ferry_fd_close(waiting->fd), 0);
	check_eq(ferry_fd_clear(waiting->fd), -EBADF);
}

static int wait_poll(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	int r = -EAGAIN;

	for (int i = 0; i < FOR_NOTHING_MOST && r == -EAGAIN; i++)
		r = ask(waiting, poll_on(waiting->fd, milliseconds(deadline)), deadline, ret_told);
	return r;
}

static void begin_epoll(struct waiting *waiting)
{
	struct epoll_event event = { .events = EPOLLIN };

	begin_fd(waiting);
	waiting->epoll = epoll_create1(EPOLL_CLOEXEC);
	check_eq(epoll_ctl(waiting->epoll, EPOLL_CTL_ADD, waiting->fd, &event), 0);
}

static int wait_epoll(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	int r = -EAGAIN;

	for (int i = 0; i < FOR_NOTHING_MOST && r == -EAGAIN; i++)
		r = ask(waiting, epoll_on(waiting->epoll, milliseconds(deadline)), deadline,
			ret_told);
	return r;
}

static void end_epoll(struct waiting *waiting)
{
	close(waiting->epoll);
	end_fd(waiting);
}

const struct way ways[] = {
	{ "ferry_wait", 0, begin_nothing, wait_alone, begin_nothing },
	{ "ferry_wait among others", 0, begin_among, wait_among, end_among },
	{ "ferry_waiter", 0, begin_waiter, wait_waiter, end_waiter },
	{ "ferry_waiter_fd in poll", 0, begin_waiter, poll_waiter, end_waiter },
	{ "ferry_fd in poll", 1, begin_fd, wait_poll, end_fd },
	{ "ferry_fd in epoll", 1, begin_epoll, wait_epoll, end_epoll },
	{ 0 },
};

void waiting_begin(struct waiting *ret_waiting, const struct way *way, const struct scene *scene)
{
	memset(ret_waiting, 0, sizeof *ret_waiting);
	ret_waiting->way = way;
	ret_waiting->scene = scene;
	ret_waiting->item = scene_item(scene);
	way->begin(ret_waiting);
}

int waiting_wait(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told)
{
	return waiting->way->wait(waiting, deadline, ret_told);
}

void waiting_end(struct waiting *waiting)
{
	waiting->way->end(waiting);
}
