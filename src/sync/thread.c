/* SPDX-License-Identifier: MIT */
/* thread.c - see thread.h. */
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../os/cancel.h"

_Thread_local struct fy_thread fy_thread __attribute__((tls_model("initial-exec")));

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int have_key;

static void die_in(void *context)
{
	const struct fy_hold *hold = context;

	if (hold->serial == hold->sync->serial)
		fy_hold_dies(hold);
}

/* Destructors of other keys may use locks after this; then this is called again. */
static void thread_ends(void *argument)
{
	struct fy_thread *thread = argument;
	int cancel = fy_cancel_off();

	if (!fy_fork_is_child(thread->generation)) {
		/* Only where the handle is open still: closing it said the same. */
		for (uint32_t i = 0; i < thread->n; i++)
			fy_object_visit(thread->holds[i].sync, die_in, &thread->holds[i]);
	}
	if (thread->holds != thread->first)
		free(thread->holds);
	memset(thread, 0, sizeof(*thread));
	fy_cancel_restore(cancel);
}

static void make_key(void)
{
	have_key = pthread_key_create(&key, thread_ends) == 0;
}

void fy_thread_refresh(struct fy_thread *thread)
{
	(void)pthread_once(&once, make_key);
	if (!thread->holds) {
		thread->holds = thread->first;
		thread->room = FY_HOLDS_FIRST;
	}
	thread->n = 0;
	thread->id = (uint32_t)gettid();
	thread->generation = fy_fork_generation();
	if (have_key)
		(void)pthread_setspecific(key, thread);
}

int fy_thread_more(struct fy_thread *thread)
{
	uint32_t room = thread->room * 2;
	struct fy_hold *old = thread->holds == thread->first ? NULL : thread->holds;
	int cancel = fy_cancel_off();
	struct fy_hold *holds = realloc(old, room * sizeof(*holds));

	fy_cancel_restore(cancel);
	if (!holds)
		return -ENOMEM;
	if (!old)
		memcpy(holds, thread->first, sizeof(thread->first));
	thread->holds = holds;
	thread->room = room;
	return 0;
}

void fy_thread_forget(const struct fy_sync *sync)
{
	struct fy_thread *thread = &fy_thread;

	if (fy_fork_is_child(thread->generation))
		return;
	for (uint32_t i = thread->n; i-- > 0;)
		if (thread->holds[i].serial == sync->serial)
			fy_thread_drop(thread, &thread->holds[i]);
}
