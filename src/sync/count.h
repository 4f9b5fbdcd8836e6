/* SPDX-License-Identifier: MIT */
/* count.h - how many locks and the like there are in a segment, and how busy they are. */
#ifndef FY_SYNC_COUNT_H
#define FY_SYNC_COUNT_H

#include "sync.h"

struct fy_sync_count {
	uint32_t primitives; /* that are known */
	uint32_t holders;    /* of them, owners and those who share */
	uint32_t waiters;
};

/* Only looks. */
void fy_sync_count(const struct fy_sync *sync, struct fy_sync_count *ret_count);

#endif
