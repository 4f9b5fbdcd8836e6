/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/rwlock.h
 * Locks for one writer or any number of readers; neither starves.
 *
 * Readers who wait when a writer leaves come in before the next writer; readers who come later than
 * a waiting writer wait for it. A dead reader keeps nobody out. If a writer dies, the next one gets
 * the lock alone and is told so (FERRY_OWNER_DIED), also if it asked to read: it repairs, says so
 * (ferry_rwlock_repaired()), and releases. Writers among themselves wait as for a ferry_lock.
 *
 * What ferry/sync.h says about threads, fork and errors holds here.
 */
#ifndef FERRY_RWLOCK_H
#define FERRY_RWLOCK_H

#include <ferry/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Place it in a segment; 64 bytes, aligned to 64. */
typedef struct ferry_rwlock {
	uint64_t opaque[8];
} __attribute__((aligned(64))) ferry_rwlock;

/** Make it an rwlock that nobody holds; as ferry_lock_init(). Since: 0.1 */
FERRY_API int ferry_rwlock_init(ferry_segment *segment, ferry_rwlock *lock);

/**
 * Take it for reading.
 *
 * @retval 0                  Shared with other readers.
 * @retval FERRY_OWNER_DIED   (1) The caller has it for writing: a writer died.
 * @retval -EDEADLK           The calling thread has it already, for reading or writing.
 * @retval -ENOLCK            1024 threads share or wait for something in this segment already.
 * @retval -EAGAIN, -ETIMEDOUT, -ENOTRECOVERABLE, -ENOMEM  as for ferry_lock_acquire(), and the
 * errors of ferry/sync.h. Since: 0.1
 */
FERRY_API int ferry_rwlock_read(ferry_segment *segment, ferry_rwlock *lock,
				ferry_deadline deadline);

/**
 * Take it for writing. 0; FERRY_OWNER_DIED: a writer died in it; -EDEADLK: the calling thread has
 * it already, for reading or writing; others as for ferry_lock_acquire(). Since: 0.1
 */
FERRY_API int ferry_rwlock_write(ferry_segment *segment, ferry_rwlock *lock,
				 ferry_deadline deadline);

/** Give it back, however it was taken; as ferry_lock_release(). Since: 0.1 */
FERRY_API int ferry_rwlock_release(ferry_segment *segment, ferry_rwlock *lock);

/** As ferry_lock_repaired(). Since: 0.1 */
FERRY_API int ferry_rwlock_repaired(ferry_segment *segment, ferry_rwlock *lock);

/** One alone at a location; as ferry_lock_open(). Since: 0.1 */
FERRY_API int ferry_rwlock_open(ferry_segment **ret_segment, ferry_rwlock **ret_lock,
				const char *location, const struct ferry_segment_options *options);

#ifdef __cplusplus
}
#endif
#endif
