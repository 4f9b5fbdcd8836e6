/* SPDX-License-Identifier: MIT */
/* stat.c - looking at a pipe. Only loads: nobody notices. */
#include "hole.h"
#include "presence.h"
#include "turn.h"

static void count_members(const struct ferry_pipe *pipe, struct ferry_pipe_stat *stat)
{
	for (uint32_t slot = 0; slot < pipe->object.member_slots; slot++) {
		const struct fy_member_shm *m = &pipe->object.members[slot];
		if (fy_member_status(fy_member_load(&pipe->object, slot)) != FY_MEMBER_ALIVE ||
		    fy_member_looks_dead((struct fy_object *)(uintptr_t)&pipe->object, slot))
			continue;
		/* RELAXED(to look at) */
		if (atomic_load_explicit(&pipe->shm->members[slot].role, memory_order_relaxed) ==
		    FY_ROLE_WRITER)
			stat->writers++;
		else
			stat->readers++;
		/* RELAXED(to look at) */
		stat->waiting_readers +=
		    atomic_load_explicit(&m->waiting_receivers, memory_order_relaxed);
		/* RELAXED(to look at) */
		stat->waiting_writers +=
		    atomic_load_explicit(&m->waiting_senders, memory_order_relaxed);
	}
}

/* Both positions at one moment, or nearly. */
static int count_bytes(const struct ferry_pipe *pipe, struct ferry_pipe_stat *stat)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t head = fy_head_load(pipe);
		uint64_t tail = fy_position_after(head, fy_turn_position(fy_turn_load(pipe)));
		if (tail - head > pipe->ring_bytes)
			continue;
		/* RELAXED(to look at) */
		uint64_t burned = atomic_load_explicit(&pipe->shm->burned, memory_order_relaxed);
		stat->bytes = tail - head - fy_hole_bytes_between(pipe, head, tail);
		stat->written = tail > burned ? tail - burned : 0;
		stat->read = stat->written > stat->bytes ? stat->written - stat->bytes : 0;
		stat->quarantined = fy_hole_bytes_all(pipe);
		return 0;
	}
	return -FERRY_ECORRUPT;
}

int ferry_pipe_stat(ferry_pipe *pipe, struct ferry_pipe_stat *ret_stat)
{
	struct ferry_pipe_stat stat = { 0 };

	if (!pipe || !ret_stat)
		return -EINVAL;
	if (pipe->end != FERRY_OBSERVE && !fy_object_is_ours(&pipe->object)) {
		int r = fy_pipe_rejoin(pipe);
		if (r < 0)
			return r;
	}
	int state = fy_pipe_state(pipe);
	if (state < 0 && state != -EIDRM)
		return state;
	int r = count_bytes(pipe, &stat);
	if (r < 0)
		return r;
	stat.capacity = pipe->capacity;
	stat.reserve_max = pipe->reserve_max;
	/* RELAXED(to look at) */
	stat.passed_over = atomic_load_explicit(&pipe->shm->passed_over, memory_order_relaxed);
	stat.has_reader = fy_presence_of(pipe, FY_ROLE_READER);
	stat.has_writer = fy_presence_of(pipe, FY_ROLE_WRITER);
	stat.removed = state == -EIDRM;
	count_members(pipe, &stat);
	*ret_stat = stat;
	return 0;
}
