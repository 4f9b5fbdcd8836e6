/* SPDX-License-Identifier: MIT */
/* touch.c - see touch.h. */
#include "touch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

int fy_touch(int fd)
{
	char byte;
	int saved = errno;

	long got = syscall(SYS_pread64, fd, &byte, sizeof(byte), 0L);
	errno = saved;
	return got > 0;
}

int fy_touch_open(void)
{
	int saved = errno;
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int r = fd < 0 ? -errno : fd;

	errno = saved;
	return r;
}

static int watch(int watcher, int fd, uint32_t events)
{
	char path[40];
	int saved = errno;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int number = inotify_add_watch(watcher, path, events);
	int r = number < 0 ? -errno : number;
	errno = saved;
	return r;
}

int fy_touch_watch(int watcher, int fd)
{
	return watch(watcher, fd, IN_ACCESS);
}

int fy_touch_watch_closing(int watcher, int fd)
{
	return watch(watcher, fd, IN_ACCESS | IN_CLOSE);
}

void fy_touch_unwatch(int watcher, int number)
{
	int saved = errno;

	(void)inotify_rm_watch(watcher, number);
	errno = saved;
}

int fy_touch_read(int watcher, int *ret_numbers, int n)
{
	/* Events of files that are watched themselves have no name behind them. */
	_Alignas(struct inotify_event) char buffer[64 * sizeof(struct inotify_event)];
	size_t room = (size_t)n * sizeof(struct inotify_event);
	int saved = errno;
	int found = 0;
	int dropped = 0;
	long got;

	/* What is not a touch (a watch was ended) is passed over. */
	do {
		got = syscall(SYS_read, watcher, buffer,
			      room < sizeof(buffer) ? room : sizeof(buffer));
		for (long at = 0; at + (long)sizeof(struct inotify_event) <= got;) {
			struct inotify_event event;
			memcpy(&event, buffer + at, sizeof(event));
			at += (long)(sizeof(event) + event.len);
			dropped |= (event.mask & IN_Q_OVERFLOW) != 0;
			if (event.mask & IN_ACCESS)
				ret_numbers[found++] = event.wd;
			else if (event.mask & IN_CLOSE)
				ret_numbers[found++] = -event.wd;
		}
	} while (got > 0 && found == 0 && !dropped);
	errno = saved;
	return dropped ? -EOVERFLOW : found;
}
