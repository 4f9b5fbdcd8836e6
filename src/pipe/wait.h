/* SPDX-License-Identifier: MIT */
/* wait.h - what both ends of a pipe have in common when they wait at a bell. */
#ifndef FY_PIPE_WAIT_H
#define FY_PIPE_WAIT_H

#include "pipe.h"

/* Prepare to wait at a bell. other_cpu: where the other end ran last, plus 1; count: of those who
 * sleep as we do. */
void fy_pipe_wait_begin(struct ferry_pipe *pipe, struct fy_waiter *ret_waiter, int bell,
			const _Atomic uint32_t *other_cpu, _Atomic uint32_t *count,
			ferry_deadline deadline);

#endif
