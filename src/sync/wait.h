/* SPDX-License-Identifier: MIT */
/*
 * wait.h - waiting on a bell in a segment.
 *
 * Use: while ((r = try()) == -EAGAIN && (r = fy_waiter_again(&waiter)) == 0) ; The try that follows
 * with waiter.look set is to look after the dead first.
 */
#ifndef FY_SYNC_WAIT_H
#define FY_SYNC_WAIT_H

#include "../wait/waiter.h"
#include "sync.h"

struct fy_waiter fy_sync_waiter(struct fy_sync *sync, _Atomic uint32_t *bell,
				ferry_deadline deadline);

#endif
