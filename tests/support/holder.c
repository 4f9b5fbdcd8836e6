/* SPDX-License-Identifier: MIT */
/* See holder.h. */
#include "holder.h"

#include "check.h"

static void hold(struct stage *stage, const void *argument)
{
	const enum holder_kind kind = *(const enum holder_kind *)argument;
	ferry_segment *own = section_open();
	struct section *there = section_of(own);
	const int r = ferry_lock_acquire(own, &there->lock, FERRY_FOREVER);

	if (r == FERRY_OWNER_DIED && kind == HOLDER_REPAIRS)
		check_eq(ferry_lock_repaired(own, &there->lock), 0);
	atomic_store(&stage->value[0], r);
	atomic_store(&stage->value[1], (int64_t)atomic_fetch_add(&there->data[63], 1));
	stage_meet(stage, 1);
	check_eq(ferry_lock_release(own, &there->lock), 0);
	ferry_segment_close(own);
}

void holder_start(struct peer *ret_peer)
{
	static const enum holder_kind plain = HOLDER_PLAIN;

	peer_start(ret_peer, hold, &plain);
	peer_await(ret_peer, 1);
}

void holder_start_waiting(struct peer *ret_peer, enum holder_kind kind, ferry_segment *segment,
			  int waiters)
{
	const ferry_lock *lock = &section_of(segment)->lock;

	peer_start(ret_peer, hold, &kind);
	await(section_count(segment, lock, FERRY_SYNC_WAITS) == waiters &&
	      process_asleep(ret_peer->pid));
}

void holder_finish(struct peer *peer)
{
	peer_await(peer, 1);
	peer_allow(peer, 1);
	peer_join(peer);
}
