/* SPDX-License-Identifier: MIT */
/*
 * item.h - what the kinds of items have in common: whether they are ready, and where to sleep until
 * they may be.
 *
 * An item is ready by a look of its family. To sleep for it there are bells in a mapped file, or a
 * descriptor for poll(2), or a set of signals; of those with bells it is promised that each change
 * that may make it ready rings one of them, as far as nobody was killed or stopped at it.
 */
#ifndef FY_ITEM_H
#define FY_ITEM_H

#include <ferry/wait.h>
#include <limits.h>
#include <poll.h>

#include "../object/object.h"

#define FY_ITEM_BELLS 2

/* Where to sleep for an item. */
struct fy_item_place {
	struct fy_object *object; /* that the bells are in; NULL: there are none */
	_Atomic uint32_t *bells[FY_ITEM_BELLS];
	int n_bells;
	int rings_all; /* each ring wakes all who sleep: nobody passes one on */
	int sound;     /* who waits for long may sleep without naps: fy_item_sound() */
	int fd;        /* for poll(2); -1: none */
	short poll;
	uint64_t signals; /* to be hailed for (wait/hail.h); 0: none */
	uint64_t blocked; /* of those that the thread has blocked, the ones to be told of */
};

/* Is it an item that can be waited for? 0; -EINVAL; or an error of what it needs. */
int fy_item_check(const struct ferry_item *item);

/* Of an item that has been checked. */
void fy_item_place(const struct ferry_item *item, struct fy_item_place *ret_place);

/* Between the bells and the last look before sleep. */
void fy_item_prepared(const struct ferry_item *item);

/* Write what has happened, and error and signo with it; for items with a descriptor only what
 * is known without poll(2). last: what follows is sleep, or giving up. 1 if something happened. */
int fy_item_look(struct ferry_item *item, int last);

/* The same from what poll(2) said of its descriptor. */
int fy_item_polled(struct ferry_item *item, short revents);

/* Of what only a look knows (fy_item_look() without poll(2)) this descriptor tells, for epoll(7)
 * with EPOLLET; FY_NO_FD: there is no need; or -errno. */
#define FY_NO_FD INT_MIN
int fy_item_look_again_fd(const struct ferry_item *item);

/* Of an item with signals: the set that makes it ready, as it is now. */
uint64_t fy_item_signals(const struct ferry_item *item);

/* FERRY_CAN_READ if one of them waits, else 0; runs no handler. */
int fy_item_signals_wait(const struct ferry_item *item);

/* Its bells are prepared. How long the caller may sleep without naps, if the look that follows
 * finds nothing; 0: not at all. rung: something has woken it since it asked last. */
int64_t fy_item_sound(const struct ferry_item *item, int rung);

/* A nap is over: look after the others, as a sleeper of the family does. */
void fy_item_care(const struct ferry_item *item);

#endif
