/* SPDX-License-Identifier: MIT */
/* units.h - the semaphore: a count, and with give_back a record of who took units, exact under
 * death at any instruction. Protocol: docs/formats/lock.md; model: models/semaphore.pml. */
#ifndef FY_UNITS_H
#define FY_UNITS_H

#include <ferry/base.h>

#include "seat.h"
#include "sync.h"

#define FY_UNITS_MAX 0x7fffffffu

/* Take one, waiting until deadline. 0, -EAGAIN, -ETIMEDOUT, -EINTR, -EIDRM, -ENOLCK,
 * -FERRY_ECORRUPT. */
int fy_units_take(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint64_t who,
		  ferry_deadline deadline);

/* Add n; with give_back, of those that this member took as many as it has left, the rest new.
 * 0 or -EOVERFLOW. */
int fy_units_post(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, uint32_t n);

/* For those who wait for several things at once: are there any? ask: look for the dead, whose units
 * come back. */
int fy_units_ready(struct fy_sync *sync, struct fy_semaphore_shm *semaphore, int ask);

uint32_t fy_units_value(const struct fy_semaphore_shm *semaphore);

/* The seat of a dead member: what it had taken comes back. */
void fy_units_recover(struct fy_sync *sync, const struct fy_seat *seat);

/* As ferry_sync_list() tells: units that a seat holds. */
uint32_t fy_units_of(const struct fy_sync *sync, uint32_t seat);

#endif
