/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/condition.h
 * Conditions: waiting, with a lock given up meanwhile, until somebody signals.
 *
 * A wake may come for nothing, so wait in a loop that looks at the data. A signal goes to the one
 * who waits longest. If that one dies before it has the lock again, or is stopped for more than
 * 20 ms before it wakes up, another one is woken within 50 ms.
 *
 * What ferry/sync.h says about threads, fork and errors holds here.
 */
#ifndef FERRY_CONDITION_H
#define FERRY_CONDITION_H

#include <ferry/lock.h>
#include <ferry/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Place it in a segment; 64 bytes, aligned to 64. */
typedef struct ferry_condition {
	uint64_t opaque[8];
} __attribute__((aligned(64))) ferry_condition;

/** Make it a condition that nobody waits for. Nobody may be using it. Since: 0.1 */
FERRY_API int ferry_condition_init(ferry_segment *segment, ferry_condition *condition);

/**
 * Give up the lock and wait, in one step as seen by who signals; then take the lock again, however
 * long that takes.
 *
 * @param lock  The calling thread has it, repaired if an owner died. All who wait for a condition
 * at the same time use the same lock.
 *
 * @retval 0                 Signalled, or woken for nothing; the lock is the caller's.
 * @retval FERRY_OWNER_DIED  (1) The same, and an owner of the lock died meanwhile: repair.
 * @retval -ETIMEDOUT        The deadline has passed; the lock is the caller's.
 * @retval -EAGAIN           deadline is FERRY_NOW; the lock is the caller's.
 * @retval -EINTR            Only with FERRY_INTERRUPTIBLE; the lock is the caller's.
 * @retval -EPERM            The calling thread did not have the lock.
 * @retval -EIDRM, -ENOTRECOVERABLE, -FERRY_ECORRUPT and other errors of ferry/sync.h: it does not
 *         have the lock. Since: 0.1
 */
FERRY_API int ferry_condition_wait(ferry_segment *segment, ferry_condition *condition,
				   ferry_lock *lock, ferry_deadline deadline);

/** Wake one who waits; with or without the lock. How many were woken (0 or 1), or an error of
 *  ferry/sync.h. No system call if nobody waits. Since: 0.1 */
FERRY_API int ferry_condition_signal(ferry_segment *segment, ferry_condition *condition);

/** Wake all who wait; otherwise as ferry_condition_signal(). Since: 0.1 */
FERRY_API int ferry_condition_broadcast(ferry_segment *segment, ferry_condition *condition);

/**
 * Begin to watch: what is signalled and broadcast from now on makes an item of ferry_on_condition()
 * ready (ferry/wait.h), for those who wait for other things too and cannot wait in
 * ferry_condition_wait(). In this order: acquire the lock; watch; look at the data; release the
 * lock; wait for the item, if the data were not as wished. When it is ready, begin again.
 *
 * Who watches takes no signal from those who wait in ferry_condition_wait(), and is not counted
 * among the woken: every signal and broadcast is heard by all who watch. It may be heard for
 * nothing.
 *
 * @param ret_seen What the item looks at; it may be in a waiter's set meanwhile. A number that is
 *        0 (nobody has watched yet) is ready at once.
 *
 * @retval 0
 * @retval -EINVAL, -EBADF, -EIDRM and other errors of ferry/sync.h.
 *
 * No system call, and none for signals if nobody watches; each watch lets one signal make one or
 * two. MT-Safe. Crash: who dies or stops watching costs the next signal these calls, once; of one
 * whose signaller was killed in the call those who watch hear within 50 ms, or never.
 * Since: 0.1
 */
FERRY_API int ferry_condition_watch(ferry_segment *segment, ferry_condition *condition,
				    uint32_t *ret_seen);

#ifdef __cplusplus
}
#endif
#endif
