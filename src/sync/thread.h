/* SPDX-License-Identifier: MIT */
/*
 * thread.h - the calling thread: its number, and what it holds, so that what it still holds when it
 * ends is handed on as a dead owner's.
 *
 * All of it is private memory of the thread; in a forked child the list begins anew, since the
 * child does not hold what its parent did.
 */
#ifndef FY_SYNC_THREAD_H
#define FY_SYNC_THREAD_H

#include "../os/fork.h"
#include "sync.h"

#define FY_HOLDS_FIRST 8u

/* A lock, a share of one, or part in a barrier. */
struct fy_hold {
	struct fy_sync *sync; /* may have been closed since */
	uint64_t
	    serial; /* of sync: the next handle may lie at the same address, and be mapped there */
	void *primitive;
	uint64_t who;
	uint32_t magic;
	uint32_t seat; /* FY_NO_SEAT: the owner is named in its word */
};

struct fy_thread {
	uint32_t generation; /* of the process that the rest belongs to */
	uint32_t id;
	uint32_t n;
	uint32_t room;
	uint64_t marks; /* of the lock that we left last: a guess at those of the next (core.h) */
	struct fy_hold *holds;
	struct fy_hold first[FY_HOLDS_FIRST];
};

extern _Thread_local struct fy_thread fy_thread __attribute__((tls_model("initial-exec")));

/* First use in this thread or in this process. */
void fy_thread_refresh(struct fy_thread *thread);

/* Room for one more hold. 0 or -ENOMEM. */
int fy_thread_more(struct fy_thread *thread);

/* Will fy_thread_self() find nothing to do? */
static inline int fy_thread_is_ready(const struct fy_thread *thread)
{
	return !fy_fork_is_child(thread->generation) && thread->n != thread->room;
}

/* The calling thread, with room for one more hold; NULL: no memory. After the door of the call. */
static inline struct fy_thread *fy_thread_self(void)
{
	struct fy_thread *thread = &fy_thread;

	if (__builtin_expect(fy_fork_is_child(thread->generation), 0))
		fy_thread_refresh(thread);
	if (__builtin_expect(thread->n == thread->room, 0) && fy_thread_more(thread) < 0)
		return NULL;
	return thread;
}

static inline uint64_t fy_thread_who(const struct fy_thread *thread, const struct fy_object *object)
{
	return fy_who(object->slot, object->incarnation, thread->id);
}

static inline void fy_thread_hold(struct fy_thread *thread, struct fy_sync *sync, void *primitive,
				  uint64_t who, uint32_t magic, uint32_t seat)
{
	struct fy_hold *hold = &thread->holds[thread->n++];

	hold->sync = sync;
	hold->serial = sync->serial;
	hold->primitive = primitive;
	hold->who = who;
	hold->magic = magic;
	hold->seat = seat;
}

/* The hold that was taken last, if it is this one: what was checked then is still so. */
static inline const struct fy_hold *fy_thread_last(const struct fy_thread *thread,
						   const struct fy_sync *sync,
						   const void *primitive, uint32_t magic)
{
	if (__builtin_expect(fy_fork_is_child(thread->generation) || thread->n == 0, 0))
		return NULL;
	const struct fy_hold *hold = &thread->holds[thread->n - 1];
	return hold->primitive == primitive && hold->serial == sync->serial && hold->magic == magic
		   ? hold
		   : NULL;
}

/* The hold of a primitive, or NULL. */
static inline struct fy_hold *fy_thread_find(struct fy_thread *thread, const struct fy_sync *sync,
					     const void *primitive)
{
	for (uint32_t i = thread->n; i-- > 0;)
		if (thread->holds[i].primitive == primitive &&
		    thread->holds[i].serial == sync->serial)
			return &thread->holds[i];
	return NULL;
}

static inline void fy_thread_drop(struct fy_thread *thread, struct fy_hold *hold)
{
	*hold = thread->holds[--thread->n];
}

/* The handle is being closed, which gives up what the calling thread holds in it. (What its other
 * threads hold is given up as well, and matches no other handle.) */
void fy_thread_forget(const struct fy_sync *sync);

/* What is to be done for a hold of a thread that ends; set by those who know (recover.c). */
void fy_hold_dies(const struct fy_hold *hold);

#endif
