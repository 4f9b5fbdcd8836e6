/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/sync.h
 * What ferry_lock, ferry_rwlock, ferry_semaphore, ferry_condition, ferry_barrier and ferry_once
 * have in common, and a look at who holds and who waits.
 *
 * Each is a struct of 64 bytes, aligned to 64, that the program places where it likes in the memory
 * of a segment, and initializes once. Nothing need be done when it is not used any more: its memory
 * may be used for something else. Every call gets the handle of the segment too: the handle knows
 * which member calls. What the structs contain is the library's.
 *
 * Holds for every function of them unless its own comment says otherwise:
 *  - -EINVAL: an argument is NULL, the pointer is not within the segment's memory or not aligned,
 *    or there is no such thing there (not initialized, or overwritten);
 *  - -EBADF: the handle is FERRY_READ_ONLY; -EIDRM: the segment was removed, also while waiting;
 *    -EINTR: only with FERRY_INTERRUPTIBLE; -FERRY_ECORRUPT: a check failed, now or earlier;
 *    -FERRY_EMEMBERS: in a forked child, if there is no room for one more member;
 *  - threads: the caller is the thread, not the process: what one thread holds another cannot give
 *    back. A thread that ends by returning, pthread_exit() or cancellation is like a process that
 *    dies: it leaves what it held as a dead owner;
 *  - fork: the child holds nothing of what its parent held. A child of vfork() must not call ferry.
 *    exec, and ferry_segment_close(), are the end of the member: what it held is a dead owner's;
 *  - a dead owner is noticed within 50 ms by those who wait. A *stopped* owner holds on.
 */
#ifndef FERRY_SYNC_H
#define FERRY_SYNC_H

#include <ferry/base.h>
#include <ferry/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Positive result of taking a lock: it is the caller's, and an owner before died in it. */
enum { FERRY_OWNER_DIED = 1 };

enum ferry_sync_kind {
	FERRY_SYNC_LOCK = 1,
	FERRY_SYNC_RWLOCK = 2,
	FERRY_SYNC_SEMAPHORE = 3,
	FERRY_SYNC_CONDITION = 4,
	FERRY_SYNC_BARRIER = 5,
	FERRY_SYNC_ONCE = 6,
};

/** The word for a kind ("lock"), or "unknown". MT-Safe, AS-Safe. */
FERRY_API const char *ferry_sync_kind_name(enum ferry_sync_kind kind);

/** What somebody has to do with one of them. */
enum ferry_sync_role {
	FERRY_SYNC_HOLDS = 1,  /**< a lock; an rwlock for writing; the turn of a once */
	FERRY_SYNC_SHARES = 2, /**< an rwlock for reading; units of a semaphore that gives back */
	FERRY_SYNC_WAITS = 3,
	FERRY_SYNC_TAKES_PART = 4, /**< in a barrier, without waiting just now */
	FERRY_SYNC_IDLE = 5,       /**< nobody: it is there, and nobody holds it */
	FERRY_SYNC_DIED = 6,       /**< nobody: an owner died, and nobody has taken it since */
	FERRY_SYNC_LOST = 7,       /**< nobody: released unrepaired; -ENOTRECOVERABLE for all */
};

/** One who holds or waits. */
struct ferry_sync_entry {
	ferry_reference place; /**< of the lock or whatever it is */
	enum ferry_sync_kind kind;
	enum ferry_sync_role role;
	uint32_t member; /**< number of the member, as in ferry_object_members() */
	pid_t pid;       /**< of it, as its own PID namespace counts; 0: nobody */
	pid_t thread;    /**< the thread's number there; 0: the member as a whole */
	int alive;       /**< 0: dead, and nobody has noticed yet */
	int64_t since;  /**< CLOCK_MONOTONIC ns; of a lock that nobody waits for it is not known: 0.
			     Of one that is waited for: since then at least */
	uint32_t units; /**< of a semaphore: held; FERRY_SYNC_IDLE: its value */
};

/**
 * Look at all locks and the like in a segment: who holds, who waits. Changes nothing and waits for
 * nobody: works on a read-only handle, and while all others are stopped. It is not from one instant
 * while others work.
 *
 * The segment remembers 1024 of them, and 1024 who wait or share; those beyond work as well
 * (sharing needs a place: -ENOLCK), and are not listed.
 *
 * @param ret_entries Room for n; may be NULL if n is 0. Each primitive has one entry at least.
 * @return How many there are, which may be more than n; or -EIDRM, -FERRY_ECORRUPT, -EINVAL.
 *
 * Safety: MT-Safe. Blocking: never. Since: 0.1
 */
FERRY_API int ferry_sync_list(ferry_segment *segment, struct ferry_sync_entry *ret_entries,
			      size_t n);

#ifdef __cplusplus
}
#endif
#endif
