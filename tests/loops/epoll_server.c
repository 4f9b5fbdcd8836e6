/* SPDX-License-Identifier: MIT */
/* A server around epoll: a mailbox through ferry_fd(), a timerfd, a socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "served.h"

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("watch");
}

static int start_timer(void)
{
	const struct timespec tick = { .tv_nsec = SERVED_TICK_MS * 1000000L };
	const struct itimerspec every = { tick, tick };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
		fail("timer");
	return timer;
}

static void count_ticks(struct served *served, int timer)
{
	uint64_t ticks;

	if (read(timer, &ticks, sizeof ticks) == sizeof ticks)
		served->ticks += ticks;
}

int main(int argc, char **argv)
{
	struct served served = { 0 };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int timer = start_timer();

	(void)argv;
	served_begin(&served, argc);
	watch(epoll, timer);
	watch(epoll, SERVED_SOCKET);
	if (served.box)
		watch(epoll, served.fd);
	while (!served.over) {
		struct epoll_event ready[4];
		int n = epoll_wait(epoll, ready, 4, -1);

		if (n < 0 && errno != EINTR)
			fail("epoll_wait");
		for (int i = 0; i < n; i++)
			if (ready[i].data.fd == timer)
				count_ticks(&served, timer);
			else if (ready[i].data.fd == served.fd)
				served_messages(&served);
			else
				served_socket(&served);
	}
	served_end(&served);
	return 0;
}
