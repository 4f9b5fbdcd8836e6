/* SPDX-License-Identifier: MIT */
/*
 * role.h - the one sender and the one receiver of a one to one mailbox.
 *
 * A member takes a role when it first acts in it, or at open when it says that it will, and keeps
 * it until it closes or dies. Whoever has it may change what only that role changes by plain
 * stores: docs/formats/mailbox.md, "One to one".
 */
#ifndef FY_ROLE_H
#define FY_ROLE_H

#include "mailbox.h"

/* Take the role unless we have it. 0; -EBUSY: another live member has it; or an error. */
FY_COLD int fy_role_take(struct ferry_mailbox *box, enum fy_mailbox_role role);

/* The member in slot, whose state word was dead, is no more: its roles are free. */
void fy_role_recover(struct ferry_mailbox *box, uint32_t slot, uint64_t dead);

/* Whose it is: a pid, or 0. To tell a person. */
uint32_t fy_role_pid(const struct ferry_mailbox *box, enum fy_mailbox_role role);

/* The same, but 0 if its owner is dead or has begun to close: then it is for whoever asks. */
uint32_t fy_role_live_pid(struct ferry_mailbox *box, enum fy_mailbox_role role);

static inline int fy_role_need(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	/* RELAXED(a fact of this process; a role is taken by compare-and-swap) */
	if (FY_LIKELY(!(atomic_load_explicit(&box->lacks, memory_order_relaxed) >> role & 1)))
		return 0;
	return fy_role_take(box, role);
}

/* The door of calls that send, and of those that receive. */
static inline int fy_enter_sending(struct ferry_mailbox *box)
{
	int r = fy_mailbox_enter(box, FY_NO_SENDING);

	return FY_UNLIKELY(r < 0) ? r : fy_role_need(box, FY_SENDER);
}

static inline int fy_enter_receiving(struct ferry_mailbox *box)
{
	int r = fy_mailbox_enter(box, FY_NO_RECEIVING);

	return FY_UNLIKELY(r < 0) ? r : fy_role_need(box, FY_RECEIVER);
}

#endif
