/* SPDX-License-Identifier: MIT */
/* wait.c - see wait.h; the protocol: docs/formats/mailbox.md, "Waiting". */
#include "wait.h"

#include "../os/barrier.h"
#include "../os/cpu.h"
#include "../os/pause.h"
#include "recover.h"

#define LOOKS_A_TIME 16 /* attempts between two looks at the clock */
#define EAGER_LOOKS                                                                                \
	128 /* about 2 us: an answer that comes this soon shall not wait for a pause               \
	     */

static void begin(struct fy_wait *wait, ferry_deadline deadline, struct fy_bell_shm *bell,
		  struct fy_spin *spin, _Atomic uint32_t *count)
{
	*wait = (struct fy_wait){
		.deadline = deadline,
		.bell = bell,
		.spin = spin,
		.count = count,
		.sleepers = 1,
	};
}

void fy_wait_for_message(struct ferry_mailbox *box, struct fy_wait *wait, ferry_deadline deadline)
{
	begin(wait, deadline, box->arrival, &box->receive_spin,
	      &box->object.members[fy_me(box) - 1].waiting_receivers);
}

void fy_wait_for_room(struct ferry_mailbox *box, struct fy_wait *wait, uint32_t level,
		      ferry_deadline deadline)
{
	begin(wait, deadline, box->rings[level].room, &box->send_spin,
	      &box->object.members[fy_me(box) - 1].waiting_senders);
}

void fy_wait_for_memory(struct ferry_mailbox *box, struct fy_wait *wait, ferry_deadline deadline)
{
	begin(wait, deadline, box->memory_freed, &box->send_spin,
	      &box->object.members[fy_me(box) - 1].waiting_senders);
}

/* Look after the others now. 1: something came of it. */
static int care(struct ferry_mailbox *box, struct fy_wait *wait)
{
	int found = fy_care(box);

	if (found == 0 && wait->bell == box->memory_freed)
		found = fy_care_memory(box);
	return found;
}

/* The caller will not wait; but it must see what a dead member left, so look; though not each time,
 * for it may well be polling. */
static int last_look(struct ferry_mailbox *box, struct fy_wait *wait)
{
	int64_t now = fy_now_coarse();

	/* RELAXED(a private timer) */
	if (wait->cared || now < atomic_load_explicit(&box->look_due, memory_order_relaxed))
		return -EAGAIN;
	wait->cared = 1;
	/* RELAXED(a private timer) */
	atomic_store_explicit(&box->look_due, now + FY_CARE_EVERY, memory_order_relaxed);
	int found = care(box, wait);
	return found > 0 ? 0 : found == 0 ? -EAGAIN : found;
}

/* Who sleeps as we do, and how many of them stand before us in the member table. */
static void count_sleepers(const struct ferry_mailbox *box, struct fy_wait *wait)
{
	const struct fy_object *o = &box->object;
	int receiving = wait->count == &o->members[o->slot].waiting_receivers;

	wait->sleepers = 0;
	for (uint32_t slot = 0; slot < o->member_slots; slot++) {
		const struct fy_member_shm *m = &o->members[slot];
		if (slot == o->slot)
			wait->turn = wait->sleepers;
		if (fy_member_status(fy_member_load(o, slot)) == FY_MEMBER_ALIVE)
			/* RELAXED(an estimate) */
			wait->sleepers += atomic_load_explicit(receiving ? &m->waiting_receivers
									 : &m->waiting_senders,
							       memory_order_relaxed);
	}
}

static int prepare(struct ferry_mailbox *box, struct fy_wait *wait)
{
	if (!wait->counted) {
		wait->counted = 1;
		/* RELAXED(to look at) */
		(void)atomic_fetch_add_explicit(wait->count, 1, memory_order_relaxed);
	}
	wait->seen = fy_bell_prepare(wait->bell);
	/* One to one, what is published by plain stores may be on its way: bell.h. */
	if (box->one_to_one && !fy_mailbox_fenced(box) && fy_barrier_all() < 0)
		/* RELAXED(from now on they fence; what is missed until then ends with a nap) */
		atomic_store_explicit(&box->shm->fenced, 1, memory_order_relaxed);
	wait->phase = FY_WAIT_PREPARED;
	return 0;
}

static int sleep_a_nap(struct ferry_mailbox *box, struct fy_wait *wait, int64_t now)
{
	int64_t until = fy_nap_end(now, wait->turn, wait->sleepers);
	int r =
	    fy_bell_sleep(wait->bell, wait->seen, until < wait->deadline ? until : wait->deadline);

	wait->slept = 1;
	if (r == -EINTR && (box->flags & FERRY_INTERRUPTIBLE))
		return -EINTR;
	if (r == -ETIMEDOUT) {
		count_sleepers(box, wait);
		int found = care(box, wait);
		if (found < 0)
			return found;
	} else if (r < 0 && r != -EINTR) {
		return -FERRY_ECORRUPT; /* the page with the bell is gone */
	}
	/* Set bit 0 again before looking: others may sleep, and we may have to. */
	return prepare(box, wait);
}

static int start_spinning(struct ferry_mailbox *box, struct fy_wait *wait, int64_t now)
{
	int same_core = 0;

	if (wait->spin == &box->receive_spin) {
		/* RELAXED(a guess) */
		uint32_t cpu = atomic_load_explicit(&box->last_cpu, memory_order_relaxed);
		same_core = cpu == fy_cpu() + 1;
	}
	int64_t budget = fy_spin_budget(wait->spin, same_core);
	if (budget == 0)
		return prepare(box, wait);
	wait->spin_until = budget < wait->deadline - now ? now + budget : wait->deadline;
	wait->phase = FY_WAIT_SPINNING;
	return 0;
}

int fy_wait_again(struct ferry_mailbox *box, struct fy_wait *wait)
{
	int r = fy_object_state(&box->object);

	if (r < 0)
		return r;
	if (wait->deadline == FERRY_NOW)
		return last_look(box, wait);
	if (wait->phase == FY_WAIT_SPINNING && ++wait->spins % LOOKS_A_TIME != 0) {
		if (wait->spins > EAGER_LOOKS)
			fy_pause();
		return 0;
	}
	int64_t now = fy_now();
	if (now >= wait->deadline)
		return -ETIMEDOUT;
	if (wait->phase == FY_WAIT_NEW)
		return start_spinning(box, wait, now);
	if (wait->phase == FY_WAIT_PREPARED)
		return sleep_a_nap(box, wait, now);
	if (now < wait->spin_until)
		return 0;
	fy_spin_failed(wait->spin);
	return prepare(box, wait);
}

void fy_wait_over(struct ferry_mailbox *box, struct fy_wait *wait, int succeeded, int more)
{
	(void)box;
	if (wait->phase == FY_WAIT_SPINNING && succeeded)
		fy_spin_paid(wait->spin);
	if (wait->counted)
		/* RELAXED(to look at) */
		(void)atomic_fetch_sub_explicit(wait->count, 1, memory_order_relaxed);
	/* A ring that woke us may have been meant for several. */
	if (wait->slept && (more || !succeeded))
		fy_bell_ring(wait->bell, FY_BELL_ONE);
}
