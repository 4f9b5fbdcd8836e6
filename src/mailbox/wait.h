/* SPDX-License-Identifier: MIT */
/* wait.h - what a mailbox's callers wait for, and whom they look after meanwhile. */
#ifndef FY_MAILBOX_WAIT_H
#define FY_MAILBOX_WAIT_H

#include "../wait/waiter.h"
#include "mailbox.h"

void fy_wait_for_message(struct ferry_mailbox *box, struct fy_waiter *ret_waiter,
			 ferry_deadline deadline);
void fy_wait_for_room(struct ferry_mailbox *box, struct fy_waiter *ret_waiter, uint32_t level,
		      ferry_deadline deadline);
void fy_wait_for_memory(struct ferry_mailbox *box, struct fy_waiter *ret_waiter,
			ferry_deadline deadline);

#endif
