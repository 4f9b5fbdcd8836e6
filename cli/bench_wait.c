/* SPDX-License-Identifier: MIT */
/*
 * bench_wait.c - ferry bench wait: how soon a process that waits for one of many things is woken,
 * in ferry's ways and with epoll and eventfds, what that costs when it waits for many, and what
 * waiting costs while nothing happens.
 *
 * A direction is one mailbox, or one eventfd. The one who answers waits for it among others, which
 * stay silent; there are `watched` of them all together. The one who began waits for its own alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_transports.h"

#define HUNDRED      100
#define TEN_THOUSAND 10000
#define EVENTS       16 /* asked for at a time */
#define NAP_NS       30000000

static int receives(const struct bench_channel *c)
{
	return c->process != c->direction;
}

/* Things that the receiver of this channel waits for. */
static unsigned watched(const struct bench_channel *c)
{
	return c->direction == 0 ? c->peer->watched : 1;
}

/* So many descriptors, and some more, may be open. */
static int allow_descriptors(unsigned n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur >= n + 64)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_max < n + 64 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -ENOTSUP;
	return 0;
}

/* ---- the kernel's ---- */

static int create_eventfd(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	c->fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->fd[1] < 0 ? -errno : 0;
}

static void close_eventfd(struct bench_channel *c)
{
	close(c->fd[1]);
}

static int add_to_epoll(int epoll, int fd, uint64_t mark)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = mark };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* The others lie around the one that gets news. They end with the process. */
static int attach_epoll(struct bench_channel *c)
{
	unsigned n = watched(c);
	int e = receives(c) ? allow_descriptors(n) : 0;

	if (e < 0 || !receives(c))
		return e;
	c->fd[0] = epoll_create1(EPOLL_CLOEXEC);
	if (c->fd[0] < 0)
		return -errno;
	for (unsigned i = 0; i < n && e == 0; i++) {
		int fd = i == n / 2 ? c->fd[1] : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		e = fd < 0 ? -errno : add_to_epoll(c->fd[0], fd, fd == c->fd[1]);
	}
	return e;
}

static int write_eventfd(struct bench_channel *c, const void *data)
{
	return write(c->fd[1], data, sizeof(uint64_t)) < 0 ? -errno : 0;
}

/* Wait until the one with the mark is among those that are ready. */
static int wait_for_mark(int epoll, int timeout_ms)
{
	struct epoll_event event[EVENTS];

	for (;;) {
		int n = epoll_wait(epoll, event, EVENTS, timeout_ms);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ETIMEDOUT;
		for (int i = 0; i < n; i++)
			if (event[i].data.u64)
				return 0;
	}
}

static int read_eventfd(struct bench_channel *c, void **ret_data)
{
	int e = wait_for_mark(c->fd[0], -1);

	*ret_data = c->room;
	if (e < 0)
		return e;
	return read(c->fd[1], c->room, sizeof(uint64_t)) < 0 ? -errno : 0;
}

static int idle_epoll(struct bench_channel *c, int64_t ns)
{
	int e = wait_for_mark(c->fd[0], (int)(ns / 1000000));

	return e == -ETIMEDOUT ? 0 : e;
}

/* Waking up as often as ferry does, and doing nothing else: the floor of whoever naps. */
static int idle_napping(struct bench_channel *c, int64_t ns)
{
	const ferry_deadline end = ferry_in_ns(ns);
	int e = 0;

	while (e == 0 && ferry_in_ns(0) < end)
		e = idle_epoll(c, NAP_NS);
	return e;
}

/* ---- ferry ---- */

/* A process's end of a direction. */
struct end {
	ferry_mailbox *box;
	ferry_waiter *waiter;
	struct ferry_item *item; /* all that is watched */
	unsigned n;
	int fd; /* of ferry_fd() for box */
	int (*wait)(struct bench_channel *c, ferry_deadline deadline);
};

/* The smallest there is, so that ten thousand are no burden; it need not hold more. */
static int open_box(const char *name, ferry_mailbox **ret_box)
{
	return ferry_mailbox_open(
	    ret_box, name,
	    FERRY_MAILBOX_OPTIONS(.messages = 1, .max_size = 8, .members = 4, .spin = -1));
}

static int create_box(struct bench_channel *c, const struct bench_channel *there)
{
	static unsigned made;
	ferry_mailbox *box;
	int e;

	(void)there;
	snprintf(c->name, sizeof(c->name), "%s/wait-%u", bench_directory(), made++);
	e = open_box(c->name, &box);
	if (e == 0)
		ferry_mailbox_close(box);
	return e;
}

static void remove_box(struct bench_channel *c)
{
	(void)ferry_remove(c->name, NULL);
}

/* The silent ones stay in the directory for the next measurement. */
static int open_silent(unsigned i, ferry_mailbox **ret_box)
{
	char name[96];

	snprintf(name, sizeof(name), "%s/silent-%u", bench_directory(), i);
	return open_box(name, ret_box);
}

static int watch_all(const struct bench_channel *c, struct end *end)
{
	int e = 0;

	end->n = watched(c);
	end->item = calloc(end->n, sizeof(*end->item));
	if (!end->item)
		return -ENOMEM;
	for (unsigned i = 0; i < end->n && e == 0; i++) {
		ferry_mailbox *box = end->box;

		if (i != end->n / 2)
			e = open_silent(i, &box);
		end->item[i] = ferry_on_mailbox(box, FERRY_CAN_READ);
	}
	return e;
}

static int wait_for_items(struct bench_channel *c, ferry_deadline deadline)
{
	struct end *end = c->handle;
	int n = ferry_wait(end->item, (int)end->n, deadline);

	return n < 0 ? n : 0;
}

static int wait_in_waiter(struct bench_channel *c, ferry_deadline deadline)
{
	struct ferry_report ready[EVENTS];
	const struct end *end = c->handle;
	int n = ferry_waiter_wait(end->waiter, ready, EVENTS, deadline);

	return n < 0 ? n : 0;
}

static int attach_descriptors(struct bench_channel *c);

static int attach_ferry(struct bench_channel *c)
{
	struct end *end = calloc(1, sizeof(*end));
	int e = end ? open_box(c->name, &end->box) : -ENOMEM;

	c->handle = end;
	if (e < 0 || !receives(c))
		return e;
	end->wait = wait_for_items;
	e = allow_descriptors(watched(c) * (c->peer->attach == attach_descriptors ? 2 : 1));
	return e < 0 ? e : watch_all(c, end);
}

static int attach_waiter(struct bench_channel *c)
{
	int e = attach_ferry(c);
	struct end *end = c->handle;

	if (e < 0 || !receives(c))
		return e;
	end->wait = wait_in_waiter;
	e = ferry_waiter_open(&end->waiter, NULL);
	for (unsigned i = 0; i < end->n && e >= 0; i++)
		e = ferry_waiter_add(end->waiter, &end->item[i], NULL);
	return e < 0 ? e : 0;
}

static int attach_descriptors(struct bench_channel *c)
{
	int e = attach_ferry(c);
	struct end *end = c->handle;

	if (e < 0 || !receives(c))
		return e;
	c->fd[0] = epoll_create1(EPOLL_CLOEXEC);
	if (c->fd[0] < 0)
		return -errno;
	for (unsigned i = 0; i < end->n && e == 0; i++) {
		int fd = ferry_fd(&end->item[i]);

		e = fd < 0 ? fd : add_to_epoll(c->fd[0], fd, i == end->n / 2);
		if (i == end->n / 2)
			end->fd = fd;
	}
	return e;
}

static int send_ferry(struct bench_channel *c, const void *data)
{
	const struct end *end = c->handle;

	return ferry_mailbox_send(end->box, data, sizeof(uint64_t), FERRY_FOREVER);
}

/* Somebody said that it is there; it may be said without need. */
static int receive_now(struct bench_channel *c, void **ret_data)
{
	const struct end *end = c->handle;
	ssize_t n = ferry_mailbox_receive(end->box, c->room, sizeof(uint64_t), FERRY_NOW);

	*ret_data = c->room;
	return n < 0 ? (int)n : 0;
}

static int receive_when_told(struct bench_channel *c, void **ret_data)
{
	const struct end *end = c->handle;
	int e;

	do {
		e = end->wait(c, FERRY_FOREVER);
		if (e == 0)
			e = receive_now(c, ret_data);
	} while (e == -EAGAIN);
	return e;
}

static int receive_after_epoll(struct bench_channel *c, void **ret_data)
{
	const struct end *end = c->handle;
	int e, cleared;

	do {
		e = wait_for_mark(c->fd[0], -1);
		if (e == 0)
			e = receive_now(c, ret_data);
		cleared = ferry_fd_clear(end->fd);
	} while (e == -EAGAIN && cleared >= 0);
	return cleared < 0 ? cleared : e;
}

static int idle_ferry(struct bench_channel *c, int64_t ns)
{
	const struct end *end = c->handle;
	int e = end->wait(c, ferry_in_ns(ns));

	return e == -ETIMEDOUT ? 0 : e;
}

/* ---- what is measured ---- */

#define EVENTFD                                                                                    \
	.waits = "sleeps", .abilities = BENCH_ROUNDTRIP | BENCH_IDLES, .create = create_eventfd,   \
	.remove = close_eventfd, .attach = attach_epoll, .send = write_eventfd,                    \
	.receive = read_eventfd, .idle = idle_epoll
#define FERRY                                                                                      \
	.waits = "sleeps", .abilities = BENCH_ROUNDTRIP | BENCH_IDLES, .create = create_box,       \
	.remove = remove_box, .send = send_ferry
#define TOLD   FERRY, .receive = receive_when_told, .idle = idle_ferry
#define WAIT   TOLD, .attach = attach_ferry
#define WAITER TOLD, .attach = attach_waiter
#define FD     FERRY, .attach = attach_descriptors, .receive = receive_after_epoll, .idle = idle_epoll

static const struct bench_peer eventfd_one = { .name = "epoll, eventfd", EVENTFD, .watched = 1 };
static const struct bench_peer napping = { .name = "epoll, each 30 ms",
					   .waits = "sleeps",
					   .abilities = BENCH_IDLES,
					   .create = create_eventfd,
					   .remove = close_eventfd,
					   .attach = attach_epoll,
					   .idle = idle_napping,
					   .watched = 1 };
static const struct bench_peer eventfd_100 = { .name = "epoll, eventfd",
					       EVENTFD,
					       .watched = HUNDRED };
static const struct bench_peer eventfd_10k = { .name = "epoll, eventfd",
					       EVENTFD,
					       .watched = TEN_THOUSAND };
static const struct bench_peer wait_one = { .name = "ferry_wait", WAIT, .watched = 1 };
static const struct bench_peer wait_100 = { .name = "ferry_wait", WAIT, .watched = HUNDRED };
static const struct bench_peer waiter_one = { .name = "ferry_waiter", WAITER, .watched = 1 };
static const struct bench_peer waiter_100 = { .name = "ferry_waiter", WAITER, .watched = HUNDRED };
static const struct bench_peer waiter_10k = { .name = "ferry_waiter",
					      WAITER,
					      .watched = TEN_THOUSAND };
static const struct bench_peer waiter_10k_idle = { .name = "ferry_waiter of 10,000",
						   WAITER,
						   .watched = TEN_THOUSAND };
static const struct bench_peer fd_one = { .name = "ferry_fd, epoll", FD, .watched = 1 };
static const struct bench_peer fd_100 = { .name = "ferry_fd, epoll", FD, .watched = HUNDRED };

static const struct bench_peer *const for_one[] = {
	&bench_futex, &eventfd_one, &wait_one, &waiter_one, &fd_one, NULL,
};
static const struct bench_peer *const for_100[] = {
	&eventfd_100, &wait_100, &waiter_100, &fd_100, NULL,
};
static const struct bench_peer *const for_10k[] = { &eventfd_10k, &waiter_10k, NULL };
static const struct bench_peer *const idle[] = {
	&eventfd_one, &napping, &wait_one, &waiter_one, &fd_one, &waiter_10k_idle, NULL,
};

enum { WAKE_1, WAKE_100, WAKE_10K, IDLE };

static const struct bench_row rows[] = {
	[WAKE_1] = { "wake-1", "Waking one that waits for one thing, there and back",
		     BENCH_ROUNDTRIPS, 8, 1, 1 },
	[WAKE_100] = { "wake-100", "The same, the one who answers waits for 100 things",
		       BENCH_ROUNDTRIPS, 8, 1, 1 },
	[WAKE_10K] = { "wake-10K", "The same, for 10,000", BENCH_ROUNDTRIPS, 8, 1, 1 },
	[IDLE] = { "idle", "Waiting while nothing happens, once in all rounds", BENCH_IDLING, 0, 1,
		   0 },
	{ 0 },
};

static const struct bench_peer *const *peers_of(const struct bench_row *row)
{
	static const struct bench_peer *const *const of[] = {
		[WAKE_1] = for_one,
		[WAKE_100] = for_100,
		[WAKE_10K] = for_10k,
		[IDLE] = idle,
	};

	return of[row - rows];
}

static const struct bench_target targets[] = {
	{ "ferry_wait on one mailbox, there and back, p50: to epoll with eventfd", "wake-1",
	  "ferry_wait", "epoll, eventfd", NULL, BENCH_P50, true, 1.15, 1 },
	{ "ferry_waiter with one mailbox: to the same", "wake-1", "ferry_waiter", "epoll, eventfd",
	  NULL, BENCH_P50, true, 1.15, 1 },
	{ "ferry_fd of a mailbox in epoll: to the same", "wake-1", "ferry_fd, epoll",
	  "epoll, eventfd", NULL, BENCH_P50, true, 1.3, 1.15 },
	{ "ferry_waiter with 100 mailboxes: to epoll with 100", "wake-100", "ferry_waiter",
	  "epoll, eventfd", NULL, BENCH_P50, true, 1.15, 1 },
	{ "ferry_waiter with 10,000: to epoll with 10,000", "wake-10K", "ferry_waiter",
	  "epoll, eventfd", NULL, BENCH_P50, true, 1.15, 1 },
	{ "idle in ferry_wait: of a core", "idle", "ferry_wait", NULL, NULL, BENCH_IDLE, true, 0.05,
	  0 },
	{ "idle in ferry_wait: to who only wakes up each 30 ms", "idle", "ferry_wait",
	  "epoll, each 30 ms", NULL, BENCH_IDLE, true, 1.5, 1.1 },
	{ "idle in ferry_waiter", "idle", "ferry_waiter", NULL, NULL, BENCH_IDLE, true, 0.05, 0 },
	{ "idle with ferry_fd in epoll", "idle", "ferry_fd, epoll", NULL, NULL, BENCH_IDLE, true,
	  0.05, 0 },
	{ "idle in ferry_waiter with 10,000 mailboxes", "idle", "ferry_waiter of 10,000", NULL,
	  NULL, BENCH_IDLE, true, 0.05, 0 },
	{ 0 },
};

const struct bench_family bench_wait = {
	.name = "wait",
	.what = "ferry_wait, ferry_waiter and ferry_fd beside epoll with eventfds",
	.rows = rows,
	.peers = for_one,
	.peers_of = peers_of,
	.targets = targets,
	.baseline = "epoll, eventfd",
};
