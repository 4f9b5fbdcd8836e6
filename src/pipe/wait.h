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

/* For those who wait for several things at once (src/waiting/): is there something to read, or room
 * to write `least` bytes? FERRY_CAN_READ, FERRY_CAN_WRITE, FERRY_AT_END; or what a call would
 * return. last: what follows is sleep, or giving up. */
int fy_pipe_ready(struct ferry_pipe *pipe, uint64_t least, int last);

/* What is to be done between the bell and the last look. */
void fy_pipe_prepared(struct ferry_pipe *pipe, uint64_t least);

#endif
