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

#ifdef __cplusplus
}
#endif
#endif
