/* SPDX-License-Identifier: MIT */
/* wait.h - what a mailbox's callers wait for, and whom they look after meanwhile. */
#ifndef FY_MAILBOX_WAIT_H
#define FY_MAILBOX_WAIT_H

#include "../wait/waiter.h"
#include "mailbox.h"

/* For those who wait for several things at once (src/waiting/). events: FERRY_CAN_READ and _WRITE.
 */

/* Which of them hold now; or why none ever will: what a call would return. */
int fy_mailbox_ready(struct ferry_mailbox *box, uint32_t events, uint32_t level);

/* Is there a message to receive? 1, 0, or -FERRY_ECORRUPT. Nothing is taken; what has expired is
 * dropped. (receive.c) */
int fy_receive_look(struct ferry_mailbox *box);

/* What is to be done between the bell and the last look. */
void fy_mailbox_prepared(struct ferry_mailbox *box, enum fy_mailbox_role role);

/* The bell of who waits for a message is prepared. How long it may sleep now without naps, if there
 * still is none; 0: not at all. rung: something has woken it since it asked last. */
int64_t fy_mailbox_sound(struct ferry_mailbox *box, int rung);

/* When that may be, by the environment and the size of the mailbox. */
void fy_mailbox_sound_init(struct ferry_mailbox *box);

void fy_wait_for_message(struct ferry_mailbox *box, struct fy_waiter *ret_waiter,
			 ferry_deadline deadline);
void fy_wait_for_room(struct ferry_mailbox *box, struct fy_waiter *ret_waiter, uint32_t level,
		      ferry_deadline deadline);
void fy_wait_for_memory(struct ferry_mailbox *box, struct fy_waiter *ret_waiter,
			ferry_deadline deadline);

/* One to one: who sleeps asks publishers to fence (bell.h), and when it has slept no more for some
 * messages, not to any more. Both are for who has the role. */
void fy_wait_ask_no_more(struct ferry_mailbox *box, enum fy_mailbox_role role);
FY_COLD void fy_wait_calmer(struct ferry_mailbox *box, enum fy_mailbox_role role);

/* A message has come, or gone, in that role. */
static inline void fy_wait_passed(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	/* RELAXED(private; one thread has the role) */
	if (FY_UNLIKELY(atomic_load_explicit(&box->calm[role], memory_order_relaxed) > 0))
		fy_wait_calmer(box, role);
}

#endif
