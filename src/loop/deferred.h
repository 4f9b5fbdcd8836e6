/* SPDX-License-Identifier: MIT */
/* deferred.h - calls that any thread may leave for a loop, in order. */
#ifndef FY_LOOP_DEFERRED_H
#define FY_LOOP_DEFERRED_H

#include <pthread.h>

#include <ferry/loop.h>

struct fy_loop_deferred {
	struct fy_loop_deferred *next;
	ferry_loop_call call;
	void *arg;
};

struct fy_loop_queue {
	pthread_mutex_t mutex;
	struct fy_loop_deferred *first, **last;
};

void fy_loop_queue_init(struct fy_loop_queue *queue);
void fy_loop_queue_end(struct fy_loop_queue *queue);

/* 0 or -ENOMEM. Any thread. */
int fy_loop_queue_add(struct fy_loop_queue *queue, ferry_loop_call call, void *arg);

/* All that are there, to be freed one by one by the caller; NULL: none. */
struct fy_loop_deferred *fy_loop_queue_take(struct fy_loop_queue *queue);

/* Put back in front what was taken and not called. */
void fy_loop_queue_return(struct fy_loop_queue *queue, struct fy_loop_deferred *first);

int fy_loop_queue_is_empty(struct fy_loop_queue *queue);

#endif
