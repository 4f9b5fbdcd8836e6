/* SPDX-License-Identifier: MIT */
/* The ways in which one can wait for a thing, behind one table, so that a test runs in each. */
#ifndef FERRY_TEST_WAY_H
#define FERRY_TEST_WAY_H

#include <ferry/ferry.h>

#include "subject.h"

/** What a wait says. */
struct told {
	uint32_t happened;
	int error;
};

/** A wait that can be repeated. */
struct waiting {
	const struct way *way;
	const struct scene *scene;
	struct ferry_item item;
	ferry_waiter *waiter;
	int key;                   /**< of the item in it */
	int fd;                    /**< what ferry_fd() gave; */
	int epoll;                 /**< and the epoll that has it */
	ferry_mailbox *silent_box; /**< others, for ways that wait among them */
	int silent_fd[2];
};

struct way {
	const char *name;
	int needs_fd; /**< waits by ferry_fd(), which not everything has */

	void (*begin)(struct waiting *waiting);
	/** 1: it is ready, and *ret_told says by what; -EAGAIN, -ETIMEDOUT; or an error. */
	int (*wait)(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told);
	void (*end)(struct waiting *waiting);
};

/** All of them; a NULL name ends the table. */
extern const struct way ways[];

void waiting_begin(struct waiting *ret_waiting, const struct way *way, const struct scene *scene);
int waiting_wait(struct waiting *waiting, ferry_deadline deadline, struct told *ret_told);
void waiting_end(struct waiting *waiting);

#endif
