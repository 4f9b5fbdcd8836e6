/* SPDX-License-Identifier: MIT */
/* wait.c - see wait.h. */
#include "wait.h"

#include <ferry/wait.h>

#include "../os/cpu.h"
#include "presence.h"
#include "read.h"
#include "write.h"

static int host_state(void *object)
{
	return fy_pipe_state(object);
}

/* Whoever holds the turn is looked after by those who want it, and readers hold nothing. */
static const struct fy_waiter_host host = { .state = host_state };

void fy_pipe_wait_begin(struct ferry_pipe *pipe, struct fy_waiter *ret_waiter, int bell,
			const _Atomic uint32_t *other_cpu, _Atomic uint32_t *count,
			ferry_deadline deadline)
{
	/* RELAXED(a guess) */
	uint32_t cpu = atomic_load_explicit(other_cpu, memory_order_relaxed);

	*ret_waiter = (struct fy_waiter){
		.host = &host,
		.object = pipe,
		.deadline = deadline,
		.bell = &fy_pipe_bell(pipe, bell)->word,
		.fd = pipe->object.fd,
		.spin = &pipe->spin,
		.count = count,
		.interruptible = (pipe->flags & FERRY_INTERRUPTIBLE) != 0,
		.same_core = cpu == fy_cpu() + 1,
		.eager = FY_WAITER_EAGER,
	};
}

/* ---- for those who wait for several things at once ---- */

static int can_read(struct ferry_pipe *pipe, int last)
{
	struct fy_stretch stretch;
	int r = fy_read_look(pipe, 1, FY_LOOK_AT_TURN, &stretch);

	if (r != -EAGAIN)
		return r < 0 ? r : FERRY_CAN_READ;
	if (!last || fy_presence_ask(pipe))
		return 0;
	/* What the last writer wrote before it went is read first. */
	r = fy_read_look(pipe, 1, FY_LOOK_AT_TURN, &stretch);
	if (r == -EAGAIN)
		return FERRY_CAN_READ | FERRY_AT_END;
	return r < 0 ? r : FERRY_CAN_READ;
}

static int can_write(struct ferry_pipe *pipe, uint64_t least)
{
	if (!fy_presence_ask(pipe))
		return FERRY_CAN_WRITE | FERRY_AT_END;
	int r = fy_turn_has_room(pipe, least);
	return r > 0 ? FERRY_CAN_WRITE : r;
}

int fy_pipe_ready(struct ferry_pipe *pipe, uint64_t least, int last)
{
	int r = fy_pipe_enter(pipe, pipe->end);

	if (r == 0 && last)
		fy_presence_watch(pipe);
	if (r == 0)
		r = pipe->end == FERRY_READ ? can_read(pipe, last) : can_write(pipe, least);
	return r < 0 ? fy_pipe_judge(pipe, r) : r;
}

void fy_pipe_prepared(struct ferry_pipe *pipe, uint64_t least)
{
	if (pipe->end == FERRY_WRITE)
		fy_pipe_say_what_we_need(pipe, least);
}
