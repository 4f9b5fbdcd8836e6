/* SPDX-License-Identifier: MIT */
/* What can be waited for, each kind of handle and event once: how it is made so that there is
 * nothing yet, how it comes, how it is used up, and what ends a wait for it. The tests of waiting
 * go through the table in every way in which one can wait. */
#ifndef FERRY_TEST_SUBJECT_H
#define FERRY_TEST_SUBJECT_H

#include <ferry/ferry.h>

#include "peer.h"
#include "section.h"
#include "stream.h"
#include "wire.h"

/** The things of one test; which of them there are is the subject's affair. */
struct scene {
	const struct subject *subject;
	ferry_mailbox *box;
	ferry_pipe *end;
	ferry_listener *listener;
	ferry_socket *socket;
	ferry_socket *other; /**< a second connection, if one was made */
	ferry_segment *segment;
	ferry_process *process;
	struct peer peer; /**< pid 0: there is none */
	int removed;
	char address[FERRY_ADDRESS_MAX];
	int fd[2];
	uint32_t seen; /**< of the condition */
};

struct subject {
	const char *name;
	uint32_t events;   /**< asked for */
	uint32_t happened; /**< when it has come */

	void (*make)(struct scene *scene);
	void (*item)(const struct scene *scene, struct ferry_item *ret_item);
	void (*end)(struct scene *scene);

	/** It comes. Called in any thread. */
	void (*give)(struct scene *scene);
	/** It is used up: nothing is there as before. NULL: once there, it stays. */
	void (*take)(struct scene *scene);

	/** The peer may be killed, and this happens then; 0: it has none whose death matters. */
	uint32_t killed;
	/** A descriptor: ferry_fd() has none for it. */
	int is_fd;
	/** After take() it may be given again, any number of times. */
	int again;
	/** With it FERRY_FAILED may come, since the peer had not read all. */
	int may_fail;
	/** The object may be removed, and this happens then; 0: it cannot be. */
	uint32_t removed;
};

/** All of them; a NULL name ends the table. */
extern const struct subject subjects[];

void scene_make(struct scene *ret_scene, const struct subject *subject);
void scene_end(struct scene *scene);

struct ferry_item scene_item(const struct scene *scene);

/** Kill the peer. */
void scene_kill(struct scene *scene);

/** Remove the object. */
void scene_remove(struct scene *scene);

#endif
