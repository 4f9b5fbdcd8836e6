/* SPDX-License-Identifier: MIT */
/* barrier.h - a barrier whose participants are known, so that one who died breaks it. Protocol:
 * docs/formats/lock.md; model: models/barrier.pml. */
#ifndef FY_BARRIER_H
#define FY_BARRIER_H

#include <ferry/base.h>

#include "seat.h"
#include "thread.h"

int fy_barrier_join(struct fy_sync *sync, struct fy_thread *thread, struct fy_barrier_shm *barrier);
int fy_barrier_leave(struct fy_sync *sync, struct fy_thread *thread,
		     struct fy_barrier_shm *barrier);
int fy_barrier_wait(struct fy_sync *sync, struct fy_thread *thread, struct fy_barrier_shm *barrier,
		    ferry_deadline deadline);
int fy_barrier_reset(struct fy_sync *sync, struct fy_barrier_shm *barrier);

/* A participant has died: if others wait, they need not. Its seat is free. */
void fy_barrier_bury(struct fy_sync *sync, const struct fy_seat *seat);

/* How many have arrived. */
uint32_t fy_barrier_arrived(const struct fy_barrier_shm *barrier);

#endif
