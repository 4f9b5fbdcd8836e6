/* SPDX-License-Identifier: MIT */
/**
 * @file ferry/barrier.h
 * Barriers: nobody goes on before all have arrived; and if one cannot arrive any more, nobody waits
 * for it in vain.
 *
 * A thread takes part from its first wait (or from ferry_barrier_join(), which covers the time
 * before that) until ferry_barrier_leave(). If it dies in between, the barrier is broken: those who
 * wait, and those who come, get -EOWNERDEAD, until ferry_barrier_reset(). Where all who took part
 * have gone, the next one to come finds a fresh barrier.
 *
 * What ferry/sync.h says about threads, fork and errors holds here.
 */
#ifndef FERRY_BARRIER_H
#define FERRY_BARRIER_H

#include <ferry/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_BARRIER_PARTIES_MAX 1024u

/** Positive result of ferry_barrier_wait(): the caller was the last to arrive. */
enum { FERRY_BARRIER_LAST = 1 };

/** Place it in a segment; 64 bytes, aligned to 64. */
typedef struct ferry_barrier {
	uint64_t opaque[8];
} __attribute__((aligned(64))) ferry_barrier;

/** Make it a barrier for that many, 1 to FERRY_BARRIER_PARTIES_MAX. Nobody may be using it. 0;
 *  -EINVAL; and the errors of ferry/sync.h. Since: 0.1 */
FERRY_API int ferry_barrier_init(ferry_segment *segment, ferry_barrier *barrier, uint32_t parties);

/**
 * Arrive, and wait for the others.
 *
 * @retval 0                   All have arrived.
 * @retval FERRY_BARRIER_LAST  (1) The same; exactly one of them gets this.
 * @retval -ETIMEDOUT          Not all arrived until the deadline; the caller has not arrived
 * either.
 * @retval -EAGAIN             Others are missing, and deadline is FERRY_NOW.
 * @retval -EOWNERDEAD         A participant died, or the barrier was reset meanwhile.
 * @retval -ENOLCK             1024 threads take part, share or wait in this segment already.
 * @retval and the errors of ferry/sync.h. Since: 0.1
 */
FERRY_API int ferry_barrier_wait(ferry_segment *segment, ferry_barrier *barrier,
				 ferry_deadline deadline);

/** The calling thread takes part from now on. 0, -ENOLCK, -ENOMEM, or an error of ferry/sync.h. */
FERRY_API int ferry_barrier_join(ferry_segment *segment, ferry_barrier *barrier);

/** The calling thread does not take part any more. 0; -EPERM: it did not. Since: 0.1 */
FERRY_API int ferry_barrier_leave(ferry_segment *segment, ferry_barrier *barrier);

/** Make a broken barrier whole. Those who wait in it get -EOWNERDEAD. Since: 0.1 */
FERRY_API int ferry_barrier_reset(ferry_segment *segment, ferry_barrier *barrier);

/** One alone at a location; as ferry_lock_open(). parties is for one that is made. Since: 0.1 */
FERRY_API int ferry_barrier_open(ferry_segment **ret_segment, ferry_barrier **ret_barrier,
				 const char *location, uint32_t parties,
				 const struct ferry_segment_options *options);

#ifdef __cplusplus
}
#endif
#endif
