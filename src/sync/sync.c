/* SPDX-License-Identifier: MIT */
/* sync.c - see sync.h. */
#include "sync.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "thread.h"

uint64_t fy_sync_serial(void)
{
	static _Atomic uint64_t last;

	/* RELAXED(only that it is another each time) */
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

/* Of a process in our own PID namespace: is there no such thread any more? */
static int thread_gone(uint32_t process, uint32_t thread)
{
	int saved = errno;
	int gone = syscall(SYS_tgkill, (pid_t)process, (pid_t)thread, 0) != 0 && errno == ESRCH;

	errno = saved;
	return gone;
}

static int is_dead(struct fy_sync *sync, uint64_t who,
		   int (*member_dead)(struct fy_object *, uint32_t))
{
	struct fy_object *o = sync->object;
	uint32_t slot = fy_who_owner(who) - 1;

	if (slot >= o->member_slots)
		return 0;
	uint64_t word = fy_member_load(o, slot);
	uint64_t mask = UINT64_MAX >> FY_WHO_INCARNATION;
	if (fy_member_status(word) != FY_MEMBER_ALIVE ||
	    (fy_member_incarnation(word) & mask) != fy_who_incarnation(who))
		return 1; /* and for ever: an incarnation does not come back */
	if (slot != o->slot && member_dead(o, slot))
		return 1;
	uint32_t thread = fy_who_thread(who);
	const struct fy_member_shm *m = &o->members[slot];
	if (thread == 0 || o->pid_namespace == 0 || m->pid_namespace != o->pid_namespace)
		return 0;
	/* Looked at between two looks at the member: so the numbers were of this incarnation. */
	return thread_gone(m->pid, thread) && fy_member_load(o, slot) == word;
}

int fy_who_is_dead(struct fy_sync *sync, uint64_t who)
{
	return is_dead(sync, who, fy_member_dead);
}

int fy_who_looks_dead(struct fy_sync *sync, uint64_t who)
{
	return is_dead(sync, who, fy_member_looks_dead);
}

int fy_sync_may_look(struct fy_sync *sync)
{
	int64_t now = fy_now_coarse();

	/* RELAXED(a private timer) */
	if (now < atomic_load_explicit(&sync->look_due, memory_order_relaxed))
		return 0;
	/* RELAXED(a private timer) */
	atomic_store_explicit(&sync->look_due, now + FY_LOOK_EVERY, memory_order_relaxed);
	return 1;
}

uint32_t fy_sync_kind_at(const struct fy_sync *sync, uint64_t offset)
{
	uint64_t limit = sync->end(sync->object);

	if (offset < sync->object->body || offset % FY_LINE != 0 || offset > limit ||
	    limit - offset < FY_LINE)
		return 0;
	const struct fy_lock_shm *at = (const void *)(sync->object->base + offset);
	/* SYNC(primitive.magic) acquire: pairs with the release of the functions that initialize.
	 */
	uint32_t magic = atomic_load_explicit(&at->magic, memory_order_acquire);

	return magic >= FY_PRIMITIVE_LOCK && magic <= FY_PRIMITIVE_ONCE ? magic : 0;
}

/* 1 if the entry is ours now, or was. */
static int know_in(struct fy_sync *sync, uint32_t i, uint64_t offset, int replace)
{
	/* RELAXED(the compare-and-swap checks it) */
	uint64_t seen = atomic_load_explicit(&sync->shm->known[i], memory_order_relaxed);

	if (seen == offset)
		return 1;
	/* What lies there now may be anything; nobody but those who look goes by this table. */
	if (seen != 0 && (!replace || fy_sync_kind_at(sync, seen) != 0))
		return 0;
	/* RELAXED(what the entry leads to is checked by who follows it) */
	return atomic_compare_exchange_strong_explicit(&sync->shm->known[i], &seen, offset,
						       memory_order_relaxed, memory_order_relaxed);
}

void fy_sync_know(struct fy_sync *sync, uint64_t offset)
{
	for (int replace = 0; replace <= 1; replace++)
		for (uint32_t i = 0; i < FY_KNOWN; i++)
			if (know_in(sync, i, offset, replace))
				return;
}
