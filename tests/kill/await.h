/* SPDX-License-Identifier: MIT */
/* Waiting for a handle among other things instead of in a call of its family: in any process of a
 * run, under attack where the caller is the victim. */
#ifndef KILL_AWAIT_H
#define KILL_AWAIT_H

#include <ferry/ferry.h>

enum await {
	AWAIT_IN_CALL, /* not at all: the family's own call waits */
	AWAIT_WAIT,    /* ferry_wait() */
	AWAIT_WAITER,  /* a waiter that is made for it */
	AWAIT_FD,      /* a descriptor of ferry_fd() */
};

/* Wait once until the item is ready. 1: it is, and happened and error are written; or what the call
 * returned. */
int await_item(enum await way, struct ferry_item *item, ferry_deadline deadline);

#endif
