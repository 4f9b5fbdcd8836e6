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
/* After the bell was prepared: say how much room is worth a ring. */
void fy_pipe_say_what_we_need(struct ferry_pipe *pipe, uint64_t least);

int fy_pipe_wait_for_room_again(struct ferry_pipe *pipe, struct fy_waiter *waiter, uint64_t least);

/* Bytes that have left where they came from go into the pipe even if the last reader has just gone:
 * there the next one finds them. */
enum fy_readers { FY_NEED_READERS, FY_READERS_OR_NOT };

/* Write all size bytes of the cursor, as ferry_pipe_write() says. Without readers only as long as
 * there is room. */
ssize_t fy_pipe_write(struct ferry_pipe *pipe, struct fy_cursor *cursor, uint64_t size,
		      ferry_deadline deadline, enum fy_readers readers);

/* ferry_pipe_commit(), with or without readers. */
int fy_pipe_commit(struct ferry_pipe *pipe, struct ferry_span *span, size_t n,
		   ferry_deadline deadline, enum fy_readers readers);

/* There is something to read: wake a reader, if one sleeps. */
static inline void fy_pipe_ring_readers(struct ferry_pipe *pipe)
{
	/* RELAXED(a guess) */
	if (FY_UNLIKELY(atomic_load_explicit(&pipe->shm->writer_cpu, memory_order_relaxed) !=
			fy_cpu() + 1))
		/* RELAXED(a guess) */
		atomic_store_explicit(&pipe->shm->writer_cpu, fy_cpu() + 1, memory_order_relaxed);
	fy_bell_ring(fy_pipe_bell(pipe, FY_BELL_BYTES), FY_BELL_ONE, pipe->object.fd);
}

/* Raise SIGPIPE where that was asked for. Returns r. */
ssize_t fy_pipe_broken(struct ferry_pipe *pipe, ssize_t r);

/* Copy bytes of the cursor to where the claim says. */
void fy_pipe_lay_down(struct ferry_pipe *pipe, struct fy_cursor *cursor,
		      const struct fy_claim *claim);

#endif
