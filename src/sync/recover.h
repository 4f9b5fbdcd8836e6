/* SPDX-License-Identifier: MIT */
/* recover.h - what the dead left: owned locks, seats, units, signals, places in barriers. */
#ifndef FY_SYNC_RECOVER_H
#define FY_SYNC_RECOVER_H

#include "sync.h"

/* For struct fy_kind: a member is dead, and dead is its state word. */
int fy_sync_recover(struct fy_sync *sync, uint32_t slot, uint64_t dead);

/* Free the seats of all who are dead. How many. */
int fy_recover_seats(struct fy_sync *sync);

#endif
