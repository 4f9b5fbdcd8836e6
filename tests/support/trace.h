/* SPDX-License-Identifier: MIT */
/* Which system calls a peer makes between two places in it. */
#ifndef FERRY_TEST_TRACE_H
#define FERRY_TEST_TRACE_H

#include "peer.h"

/** In the peer, twice: counting begins and ends here. */
void trace_mark(void);

/** In the test: let the peer pass its point 1, and count what it calls between its marks; each is
 *  shown. Skips the claim where tracing is not allowed. */
int trace_calls_between_marks(const struct peer *peer);

#endif
