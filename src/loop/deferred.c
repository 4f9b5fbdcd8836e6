/* SPDX-License-Identifier: MIT */
/* deferred.c - a queue of calls under a mutex of this process, held for a few instructions. */
#include "deferred.h"

#include <errno.h>
#include <stdlib.h>

void fy_loop_queue_init(struct fy_loop_queue *queue)
{
	(void)pthread_mutex_init(&queue->mutex, NULL);
	queue->first = NULL;
	queue->last = &queue->first;
}

static void free_all(struct fy_loop_deferred *deferred)
{
	while (deferred) {
		struct fy_loop_deferred *next = deferred->next;

		free(deferred);
		deferred = next;
	}
}

void fy_loop_queue_end(struct fy_loop_queue *queue)
{
	free_all(queue->first);
	(void)pthread_mutex_destroy(&queue->mutex);
}

int fy_loop_queue_add(struct fy_loop_queue *queue, ferry_loop_call call, void *arg)
{
	struct fy_loop_deferred *deferred = malloc(sizeof(*deferred));

	if (!deferred)
		return -ENOMEM;
	*deferred = (struct fy_loop_deferred){ .call = call, .arg = arg };
	(void)pthread_mutex_lock(&queue->mutex);
	*queue->last = deferred;
	queue->last = &deferred->next;
	(void)pthread_mutex_unlock(&queue->mutex);
	return 0;
}

struct fy_loop_deferred *fy_loop_queue_take(struct fy_loop_queue *queue)
{
	struct fy_loop_deferred *first;

	(void)pthread_mutex_lock(&queue->mutex);
	first = queue->first;
	queue->first = NULL;
	queue->last = &queue->first;
	(void)pthread_mutex_unlock(&queue->mutex);
	return first;
}

void fy_loop_queue_return(struct fy_loop_queue *queue, struct fy_loop_deferred *first)
{
	struct fy_loop_deferred **end = &first;

	while (*end)
		end = &(*end)->next;
	(void)pthread_mutex_lock(&queue->mutex);
	if (first && !queue->first)
		queue->last = end;
	*end = queue->first;
	queue->first = first;
	(void)pthread_mutex_unlock(&queue->mutex);
}

int fy_loop_queue_is_empty(struct fy_loop_queue *queue)
{
	int empty;

	(void)pthread_mutex_lock(&queue->mutex);
	empty = queue->first == NULL;
	(void)pthread_mutex_unlock(&queue->mutex);
	return empty;
}
