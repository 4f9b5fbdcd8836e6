/* SPDX-License-Identifier: MIT */
/* write.h - writing, for the calls that write by other means too. */
#ifndef FY_WRITE_H
#define FY_WRITE_H

#include "../base/cursor.h"
#include "../os/cpu.h"
#include "turn.h"

/* What waiting for room needs to be started with. */
void fy_pipe_wait_for_room(struct ferry_pipe *pipe, struct fy_waiter *waiter,
			   ferry_deadline deadline);

/* There was no room for least bytes. 0: try again; or -EPIPE and whatever ends waiting. */
int fy_pipe_wait_for_room_again(struct ferry_pipe *pipe, struct fy_waiter *waiter, uint64_t least);

/* Write all size bytes of the cursor, as ferry_pipe_write() says. */
ssize_t fy_pipe_write(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
		      ferry_deadline deadline);

/* There is something to read: wake a reader, if one sleeps. */
static inline void fy_pipe_ring_readers(struct ferry_pipe *pipe)
{
	/* RELAXED(a guess) */
	if (FY_UNLIKELY(atomic_load_explicit(&pipe->shm->writer_cpu, memory_order_relaxed) !=
			fy_cpu() + 1))
		/* RELAXED(a guess) */
		atomic_store_explicit(&pipe->shm->writer_cpu, fy_cpu() + 1, memory_order_relaxed);
	fy_bell_ring(fy_pipe_bell(pipe, FY_BELL_BYTES), FY_BELL_ONE);
}

/* Raise SIGPIPE where that was asked for. Returns r. */
ssize_t fy_pipe_broken(struct ferry_pipe *pipe, ssize_t r);

/* Copy bytes of the cursor to where the claim says. */
void fy_pipe_lay_down(struct ferry_pipe *pipe, struct fy_cursor *cursor,
		      const struct fy_claim *claim);

#endif
