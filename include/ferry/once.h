/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/once.h
 * Doing something once for all processes, whoever dies while doing it.
 *
 *     int r = ferry_once_begin(segment, once, FERRY_FOREVER);
 *     if (r > 0) {
 *             ... (if r is FERRY_ONCE_AGAIN, somebody has begun and died) ...
 *             r = ferry_once_done(segment, once);
 *     }
 *
 * What ferry/sync.h says about threads, fork and errors holds here.
 */
#ifndef FERRY_ONCE_H
#define FERRY_ONCE_H

#include <ferry/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Positive results of ferry_once_begin(): the caller is to do it. */
enum {
	FERRY_ONCE_YOURS = 1,
	FERRY_ONCE_AGAIN = 2, /**< one who had begun died, and left it half done */
};

/** Place it in a segment; 64 bytes, aligned to 64. */
typedef struct ferry_once {
	uint64_t opaque[8];
} __attribute__((aligned(64))) ferry_once;

/** Make it a once that has not been done. Nobody may be using it. Since: 0.1 */
FERRY_API int ferry_once_init(ferry_segment *segment, ferry_once *once);

/**
 * Is it done? If somebody is doing it, wait for that.
 *
 * @retval 0                 It is done, and what was done is visible to the caller.
 * @retval FERRY_ONCE_YOURS, FERRY_ONCE_AGAIN  The caller is to do it, then ferry_once_done() or
 *                           ferry_once_cancel().
 * @retval -EAGAIN, -ETIMEDOUT  Somebody is doing it, now or still.
 * @retval -EDEADLK          The calling thread is doing it.
 * @retval and the errors of ferry/sync.h.
 *
 * Cost: once it is done, a few plain instructions. Since: 0.1
 */
FERRY_API int ferry_once_begin(ferry_segment *segment, ferry_once *once, ferry_deadline deadline);

/** It is done, for all. 0; -EPERM: the calling thread was not doing it. Since: 0.1 */
FERRY_API int ferry_once_done(ferry_segment *segment, ferry_once *once);

/** It could not be done: the next one is to try. 0; -EPERM. Since: 0.1 */
FERRY_API int ferry_once_cancel(ferry_segment *segment, ferry_once *once);

/** One alone at a location; as ferry_lock_open(). Since: 0.1 */
FERRY_API int ferry_once_open(ferry_segment **ret_segment, ferry_once **ret_once,
			      const char *location, const struct ferry_segment_options *options);

#ifdef __cplusplus
}
#endif
#endif
