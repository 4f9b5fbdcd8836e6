/* SPDX-License-Identifier: MIT */
/* role.c - see role.h. */
#include "role.h"

#include "../os/barrier.h"
#include "../os/cancel.h"
#include "wait.h"

#define TRIES 1000 /* each is lost only to somebody who took the role, or lost it, just then */

static uint64_t role_load(const struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	/* SYNC(mailbox.roles) acquire: pairs with role_move(): what the one before did, or its
	 * recovery, is visible. */
	return atomic_load_explicit(&box->shm->roles[role], memory_order_seq_cst);
}

static int role_move(struct ferry_mailbox *box, enum fy_mailbox_role role, uint64_t from,
		     uint64_t to)
{
	/* SYNC(mailbox.roles) acq_rel: pairs with role_load() and itself. */
	return atomic_compare_exchange_strong_explicit(&box->shm->roles[role], &from, to,
						       memory_order_seq_cst, memory_order_seq_cst);
}

/* Does the member that the tag names still have its slot, in that incarnation? */
static int is_member(const struct ferry_mailbox *box, uint64_t tag, uint32_t slot)
{
	uint64_t word = fy_member_load(&box->object, slot);

	return fy_member_status(word) != FY_MEMBER_FREE &&
	       fy_tag(fy_member_incarnation(word), slot) == tag;
}

/* The role is somebody else's. 0: not any more, try again; -EBUSY; or an error. */
static int dispossess(struct ferry_mailbox *box, enum fy_mailbox_role role, uint64_t tag)
{
	uint32_t slot = ((uint32_t)tag & 0xfff) - 1;

	if (slot >= box->object.member_slots)
		return -FERRY_ECORRUPT;
	if (!is_member(box, tag, slot)) {
		/* Its recovery freed the role before the slot; only a broken peer gets here. */
		(void)role_move(box, role, tag, 0);
		return 0;
	}
	if (slot == box->object.slot || !fy_member_dead(&box->object, slot))
		return is_member(box, tag, slot) ? -EBUSY : 0;
	return fy_member_recover(&box->object, slot);
}

static int take(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	uint64_t ours = fy_tag(box->object.incarnation, fy_me(box) - 1);

	for (int i = 0; i < TRIES; i++) {
		uint64_t tag = role_load(box, role);
		if (tag == ours || (tag == 0 && role_move(box, role, 0, ours)))
			return 0;
		if (tag == 0)
			continue;
		int r = dispossess(box, role, tag);
		if (r < 0)
			return r;
	}
	return -EBUSY;
}

int fy_role_take(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	int cancel = fy_cancel_off();

	/* Before we publish anything: sleepers' barriers reach us, or everybody fences. */
	if (fy_barrier_register() < 0 || fy_barrier_all() < 0)
		/* SYNC(mailbox.fenced) release: pairs with fy_mailbox_fenced(), by way of the
		 * role. */
		(void)atomic_fetch_or_explicit(&box->shm->fenced, FY_FENCE_ALWAYS,
					       memory_order_seq_cst);
	int r = take(box, role);
	if (r == 0) {
		/* What the one before us asked for. */
		fy_wait_ask_no_more(box, role);
		/* RELAXED(a fact of this process) */
		(void)atomic_fetch_and_explicit(&box->lacks, ~(UINT32_C(1) << role),
						memory_order_relaxed);
	}
	fy_cancel_restore(cancel);
	return fy_judge(box, r);
}

void fy_role_recover(struct ferry_mailbox *box, uint32_t slot, uint64_t dead)
{
	uint64_t tag = fy_tag(fy_member_incarnation(dead), slot);

	for (int role = 0; role < FY_MAILBOX_ROLES; role++)
		(void)role_move(box, (enum fy_mailbox_role)role, tag, 0);
}

uint32_t fy_role_pid(const struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	uint64_t tag = role_load(box, role);
	uint32_t slot = ((uint32_t)tag & 0xfff) - 1;

	return slot < box->object.member_slots && is_member(box, tag, slot)
		   ? box->object.members[slot].pid
		   : 0;
}

uint32_t fy_role_live_pid(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	uint64_t tag = role_load(box, role);
	uint32_t slot = ((uint32_t)tag & 0xfff) - 1;

	if (slot >= box->object.member_slots || fy_member_looks_dead(&box->object, slot))
		return 0;
	return fy_role_pid(box, role);
}
