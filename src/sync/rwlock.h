/* SPDX-License-Identifier: MIT */
/* rwlock.h - one writer or several readers; readers are named in seats. Protocol:
 * docs/formats/lock.md; model: models/rwlock.pml. */
#ifndef FY_RWLOCK_H
#define FY_RWLOCK_H

#include <ferry/base.h>

#include "thread.h"

/* 0; 1: ours for writing, and an owner died in it; or an error. */
int fy_rwlock_read(struct fy_sync *sync, struct fy_thread *thread, struct fy_rwlock_shm *lock,
		   ferry_deadline deadline);
int fy_rwlock_write(struct fy_sync *sync, struct fy_thread *thread, struct fy_rwlock_shm *lock,
		    ferry_deadline deadline);

/* Leave what that seat (of a reader) or the word (of the writer) says that we have. */
void fy_rwlock_leave_reading(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint32_t seat);
int fy_rwlock_leave_writing(struct fy_sync *sync, struct fy_rwlock_shm *lock, uint64_t who,
			    int died);

#endif
