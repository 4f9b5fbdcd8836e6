/* SPDX-License-Identifier: MIT */
/* Which system calls a peer makes between two places in it; and a peer that stops where one of them
 * would begin, or at any instruction. */
#ifndef FERRY_TEST_TRACE_H
#define FERRY_TEST_TRACE_H

#include <stdbool.h>

#include "peer.h"

/** In the peer: a place at which the test can have it stop. Counting begins and ends at two. */
void trace_mark(void);

/** In the test: let the peer pass its point 1, and count what it calls between its marks; each is
 *  shown. Skips the claim where tracing is not allowed. */
int trace_calls_between_marks(const struct peer *peer);

/** In the test: let the peer pass its point 1, and stop it at its first mark. From here on it runs
 *  only when one of the following lets it, and stands still where that leaves it. Skips the claim
 *  where tracing is not allowed. */
void trace_to_first_mark(const struct peer *peer);

/** To the next mark. */
void trace_to_mark(const struct peer *peer);

/** To where the next system call of that number would begin; false: a mark came before. */
bool trace_to_call(const struct peer *peer, long number);

/** So many instructions; false: it has reached a point (peer.h) before. */
bool trace_step(const struct peer *peer, int n, uint32_t point);

#endif
