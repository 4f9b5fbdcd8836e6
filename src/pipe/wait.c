/* SPDX-License-Identifier: MIT */
/* wait.c - see wait.h. */
#include "wait.h"

#include "../os/cpu.h"

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
		.spin = &pipe->spin,
		.count = count,
		.interruptible = (pipe->flags & FERRY_INTERRUPTIBLE) != 0,
		.same_core = cpu == fy_cpu() + 1,
		.eager = FY_WAITER_EAGER,
	};
}
