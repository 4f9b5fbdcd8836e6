/* SPDX-License-Identifier: MIT */
/* recover.h - messages that come again, and looking after members that died. */
#ifndef FY_RECOVER_H
#define FY_RECOVER_H

#include "mailbox.h"

/* Say that cells may become RETURNED from now on. Before the first of them does. */
void fy_returned_set(struct ferry_mailbox *box);

static inline int fy_returned_active(const struct ferry_mailbox *box)
{
	/* SYNC(mailbox.returned) acquire: pairs with fy_returned_set(). */
	return atomic_load_explicit(&box->shm->returned, memory_order_seq_cst) & 1;
}

/* Help whoever recovers a member, then look for a RETURNED message: 1 and its level and spot, or 0
 * (and `returned` is cleared if that is right), or -FERRY_ECORRUPT. */
struct fy_spot;
int fy_returned_find(struct ferry_mailbox *box, uint32_t *ret_level, struct fy_spot *ret_spot);

/* Look for dead members among those who hold cells, and recover them. 1: there was one, look again;
 * 0; or an error. */
int fy_care(struct ferry_mailbox *box);

/* The same without asking after one who holds no cell: for those who have many mailboxes to look
 * after. */
int fy_care_for_cells(struct ferry_mailbox *box);

/* The same for those who hold payload memory. */
int fy_care_memory(struct ferry_mailbox *box);

#define FY_CARE_EVERY (10 * FY_MS)

/* fy_care(), when nobody has for a while. now: coarse. */
FY_COLD void fy_care_due(struct ferry_mailbox *box, int64_t now);

static inline void fy_care_sometimes(struct ferry_mailbox *box, int64_t now)
{
	/* RELAXED(a private timer) */
	if (FY_UNLIKELY(now >= atomic_load_explicit(&box->care_due, memory_order_relaxed)))
		fy_care_due(box, now);
}

/* The kind's recover function (object.h). */
int fy_mailbox_recover(struct fy_object *object, uint32_t slot, uint64_t dead);

#endif
