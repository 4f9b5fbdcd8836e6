/* SPDX-License-Identifier: MIT */
/* wake.h - the segment was removed: nobody sleeps in it any more. */
#ifndef FY_SYNC_WAKE_H
#define FY_SYNC_WAKE_H

#include "sync.h"

/* Wake everybody who waits for a lock or the like in the segment, which has been marked as removed:
 * those whom the tables name at once, the others at their nap. */
void fy_sync_wake_all(struct fy_sync *sync);

#endif
