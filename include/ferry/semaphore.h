/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/semaphore.h
 * Semaphores: a count that can be waited for.
 *
 * One made with FERRY_GIVE_BACK remembers how many units each member has taken, and gives them back
 * when it dies or closes its handle, as SEM_UNDO of semop(2) does; exactly, at whatever instruction
 * it died. A post then gives back one that the member took, as long as there is one; a post of who
 * took none adds one.
 *
 * What ferry/sync.h says about errors holds here. Units belong to the member, not to the thread.
 */
#ifndef FERRY_SEMAPHORE_H
#define FERRY_SEMAPHORE_H

#include <ferry/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_SEMAPHORE_MAX 2147483647u /**< the largest value */

/** Flags of ferry_semaphore_init(). */
enum {
	FERRY_GIVE_BACK = 1 << 0, /**< units of a dead member come back */
};

/** Place it in a segment; 64 bytes, aligned to 64. */
typedef struct ferry_semaphore {
	uint64_t opaque[8];
} __attribute__((aligned(64))) ferry_semaphore;

/** Make it a semaphore with this value, 0 to FERRY_SEMAPHORE_MAX. Nobody may be using it. 0;
 *  -EINVAL; and the errors of ferry/sync.h. Since: 0.1 */
FERRY_API int ferry_semaphore_init(ferry_segment *segment, ferry_semaphore *semaphore,
				   uint32_t value, uint32_t flags);

/**
 * Take one unit, waiting until there is one.
 *
 * @retval 0           Taken.
 * @retval -EAGAIN     There is none, and deadline is FERRY_NOW.
 * @retval -ETIMEDOUT  There was none until the deadline.
 * @retval -ENOLCK     Only with FERRY_GIVE_BACK: no place to write down that the member has it
 * (1024 in a segment).
 * @retval and the errors of ferry/sync.h. Since: 0.1
 */
FERRY_API int ferry_semaphore_wait(ferry_segment *segment, ferry_semaphore *semaphore,
				   ferry_deadline deadline);

/** Add n units, and wake as many as can have one. 0; -EOVERFLOW: the value would be more than
 *  FERRY_SEMAPHORE_MAX (with FERRY_GIVE_BACK, some of the n may have been added); -EINVAL: n is 0;
 *  and the errors of ferry/sync.h. Never blocks. Since: 0.1 */
FERRY_API int ferry_semaphore_post(ferry_segment *segment, ferry_semaphore *semaphore, uint32_t n);

/** The value just now: 0 or more; or an error of ferry/sync.h. Works on a read-only handle. */
FERRY_API int64_t ferry_semaphore_value(ferry_segment *segment, ferry_semaphore *semaphore);

/** One alone at a location; as ferry_lock_open(). value and flags are for one that is made. */
FERRY_API int ferry_semaphore_open(ferry_segment **ret_segment, ferry_semaphore **ret_semaphore,
				   const char *location, uint32_t value, uint32_t flags,
				   const struct ferry_segment_options *options);

#ifdef __cplusplus
}
#endif
#endif
