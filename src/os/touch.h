/* SPDX-License-Identifier: MIT */
/*
 * touch.h - telling a descriptor of another process that something happened to a file.
 *
 * Whoever sleeps in poll(2) or epoll(7) cannot sleep on a futex too. It can watch a file, though
 * (inotify(7)), and a byte that somebody reads from the file wakes it, in whichever process,
 * without a right or a name that it would not have anyway. Nothing here is a cancellation point,
 * and errno stays as it was.
 */
#ifndef FY_TOUCH_H
#define FY_TOUCH_H

#include <stdint.h>

/* Wake all who watch the file behind fd, which can be read. A descriptor that memfd_create(2)
 * itself returned tells nobody; one that was opened again does. 0: no byte could be read, so nobody
 * was told: somebody has cut the file short. */
int fy_touch(int fd);

/* A descriptor that is readable when a watched file was touched. -errno. */
int fy_touch_open(void);

/* Watch the file behind fd. Its number, which is the same for the same file; or -errno (-ENOSPC:
 * the user watches too many). */
int fy_touch_watch(int watcher, int fd);
/* The same, and be told when somebody has closed the file, also by dying: of this the number comes
 * as a negative one. What else the kernel does at a close may still be to come. */
int fy_touch_watch_closing(int watcher, int fd);
void fy_touch_unwatch(int watcher, int number); /* makes the watcher readable, once */

/* What was touched: at most n numbers (n >= 16), each perhaps more than once. How many, 0: no more;
 * -EOVERFLOW: some were dropped. */
int fy_touch_read(int watcher, int *ret_numbers, int n);

#endif
