/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/lock.h
 * Locks: one at a time executes the critical section, whoever dies in it.
 *
 * If an owner dies, the next one gets the lock, is told so (FERRY_OWNER_DIED), repairs the data,
 * and says so with ferry_lock_repaired(). If it releases the lock without, nobody gets it any more
 * (-ENOTRECOVERABLE), until it is initialized anew.
 *
 * Who waits is called in the order of coming. While the one who was called wakes up, others may go
 * first, for at most 2 ms and 64 turns; then the lock is kept for it. The same if it was called in
 * vain and has waited 2 ms. (If it does not take the lock within 20 ms, since it was stopped or
 * killed, anybody may.) More than 32 waiting threads are called in about that order.
 *
 * What ferry/sync.h says about threads, fork and errors holds here.
 */
#ifndef FERRY_LOCK_H
#define FERRY_LOCK_H

#include <ferry/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Place it in a segment; 64 bytes, aligned to 64. */
typedef struct ferry_lock {
	uint64_t opaque[8];
} __attribute__((aligned(64))) ferry_lock;

/**
 * Make it a lock that nobody holds. Nobody may be using it. Needed once, whoever does it; also to
 * make a lock usable again that was lost. 0, or an error of ferry/sync.h. Since: 0.1
 */
FERRY_API int ferry_lock_init(ferry_segment *segment, ferry_lock *lock);

/**
 * Take it, waiting until the deadline.
 *
 * @retval 0                  It is the caller's.
 * @retval FERRY_OWNER_DIED   (1) It is the caller's, and an owner died in the critical section.
 * @retval -EAGAIN            Somebody has it, or has been promised it, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT         It could not be had until the deadline.
 * @retval -EDEADLK           The calling thread has it already.
 * @retval -ENOTRECOVERABLE   An owner died, and it was released without ferry_lock_repaired().
 * @retval -ENOMEM            The list of what the thread holds cannot grow.
 * @retval and the errors of ferry/sync.h.
 *
 * Cost: one locked instruction if it is free; a system call only to sleep. Safety: MT-Safe,
 * AS-Unsafe. Crash: a caller that dies inside has it, or has not. Since: 0.1
 */
FERRY_API int ferry_lock_acquire(ferry_segment *segment, ferry_lock *lock, ferry_deadline deadline);

/**
 * Give it back; works in a removed segment too. 0; -EPERM: the calling thread does not have it; and
 * the errors of ferry/sync.h but -EIDRM. Never blocks. A system call only to wake one who sleeps.
 * Since: 0.1
 */
FERRY_API int ferry_lock_release(ferry_segment *segment, ferry_lock *lock);

/**
 * After FERRY_OWNER_DIED: the data are right again. What tells how far the dead owner came should
 * be volatile, or the compiler may leave out stores that only a death makes visible. 0; -EPERM: the
 * calling thread does not have the lock; -EINVAL: nothing was to be repaired; and the errors of
 * ferry/sync.h. Since: 0.1
 */
FERRY_API int ferry_lock_repaired(ferry_segment *segment, ferry_lock *lock);

/**
 * A lock alone at a location: opens a small segment that has it, making it first if nothing is
 * there. Close it with ferry_segment_close().
 *
 * @param options As for ferry_segment_open(), or NULL; bytes 0 is 4096.
 * @retval -FERRY_EKIND  What is there is a segment whose memory does not begin with a lock.
 * @retval and what ferry_segment_open() returns. Since: 0.1
 */
FERRY_API int ferry_lock_open(ferry_segment **ret_segment, ferry_lock **ret_lock,
			      const char *location, const struct ferry_segment_options *options);

#ifdef __cplusplus
}
#endif
#endif
