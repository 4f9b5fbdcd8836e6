/* SPDX-License-Identifier: MIT */
/* wait.c - see wait.h; the protocol: docs/formats/mailbox.md, "Waiting". */
#include "wait.h"

#include <ferry/wait.h>

#include "../os/barrier.h"
#include "../os/cpu.h"
#include "recover.h"
#include "ring.h"
#include "role.h"

static int host_state(void *object)
{
	const struct ferry_mailbox *box = object;

	return fy_object_state(&box->object);
}

static int host_may_look(void *object)
{
	struct ferry_mailbox *box = object;
	int64_t now = fy_now_coarse();

	/* RELAXED(a private timer) */
	if (now < atomic_load_explicit(&box->look_due, memory_order_relaxed))
		return 0;
	/* RELAXED(a private timer) */
	atomic_store_explicit(&box->look_due, now + FY_CARE_EVERY, memory_order_relaxed);
	return 1;
}

/* Who sleeps as we do, and how many of them stand before us in the member table. */
static void count_sleepers(const struct ferry_mailbox *box, struct fy_waiter *waiter)
{
	const struct fy_object *o = &box->object;
	int receiving = waiter->count == &o->members[o->slot].waiting_receivers;

	waiter->sleepers = 0;
	for (uint32_t slot = 0; slot < o->member_slots; slot++) {
		const struct fy_member_shm *m = &o->members[slot];
		if (slot == o->slot)
			waiter->turn = waiter->sleepers;
		if (fy_member_status(fy_member_load(o, slot)) == FY_MEMBER_ALIVE)
			/* RELAXED(an estimate) */
			waiter->sleepers += atomic_load_explicit(receiving ? &m->waiting_receivers
									   : &m->waiting_senders,
								 memory_order_relaxed);
	}
}

static int host_care(struct fy_waiter *waiter)
{
	struct ferry_mailbox *box = waiter->object;

	if (waiter->slept)
		count_sleepers(box, waiter);
	int found = fy_care(box);
	if (found == 0 && waiter->bell == &box->memory_freed->word)
		found = fy_care_memory(box);
	return found;
}

#define CALM 16 /* messages without sleep, until publishers need not fence for us any more */

/* One to one, what is published by plain stores may be on its way: bell.h. A barrier in all
 * processes is dear, so we ask for fences from now on, and make only the one that this needs. */
static void ask(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	/* SYNC(mailbox.fenced) release: pairs with fy_mailbox_fenced(). Before the barrier: who
	 * publishes after it fences, and what was published before it is to be seen now. */
	(void)atomic_fetch_or_explicit(&box->shm->fenced, FY_FENCE_FOR(role), memory_order_seq_cst);
	if (fy_barrier_all() < 0)
		/* RELAXED(from now on they fence; what is missed until then ends with a nap) */
		(void)atomic_fetch_or_explicit(&box->shm->fenced, FY_FENCE_ALWAYS,
					       memory_order_relaxed);
}

void fy_mailbox_prepared(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	if (!box->one_to_one)
		return;
	/* RELAXED(private; one thread has the role) */
	if (atomic_exchange_explicit(&box->calm[role], CALM, memory_order_relaxed) == 0)
		ask(box, role);
}

static void host_prepared(struct fy_waiter *waiter)
{
	struct ferry_mailbox *box = waiter->object;

	fy_mailbox_prepared(box, waiter->bell == &box->arrival->word ? FY_RECEIVER : FY_SENDER);
}

/* ---- sound sleep: docs/formats/wait.md ---- */

#define SOUND_CELL  (20 * INT64_C(1000)) /* ns: two looks at a cell take some 0.05 % of that */
#define SOUND_BURST (8 * FY_MS)          /* several who wait in one pass look one after another */

void fy_mailbox_sound_init(struct ferry_mailbox *box)
{
	int64_t wish = fy_sound_wish();
	int64_t looks = (int64_t)(box->levels * fy_cells(box)) * SOUND_CELL;

	/* With more cells, to look at them each second would cost more than to nap; and with no
	 * more all are due again when the first one who sleeps looks up. */
	box->sound_after = looks <= FY_SOUND ? wish : INT64_MAX;
	box->sound_for = FY_SOUND + looks;
	box->sound_every = wish == 0 ? 0 : looks;
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&box->news_at, fy_now_coarse());
}

/* One to one: has the sender begun to write the message for which this cell is free? Then meta is
 * of its lap already; 0: nothing was ever written there. */
static int is_begun(const struct fy_cell_shm *cell, uint64_t word)
{
	/* SYNC(cell.meta) acquire: pairs with the store of fy_ring_begin(), and is before the look
	 * for messages that follows. */
	uint64_t meta = atomic_load_explicit(&cell->meta, memory_order_acquire);
	uint64_t lap = fy_word_lap(word) + (fy_word_state(word) == FY_FULL);

	return meta != 0 && fy_meta_ahead(meta, lap) == 0;
}

/* Could a message come out of this cell without a claim that is still to be made? */
static int is_at_rest(const struct ferry_mailbox *box, const struct fy_ring *ring,
		      const struct fy_cell_shm *cell, uint64_t word, int has_sender)
{
	if (fy_word_state(word) != FY_EMPTY &&
	    (fy_word_state(word) != FY_FULL || fy_ring_is_message(box, ring, cell, word)))
		return 0;
	return !has_sender || !is_begun(cell, word);
}

static int are_at_rest(const struct ferry_mailbox *box, const struct fy_ring *ring, int has_sender)
{
	for (uint64_t i = 0; i < fy_cells(box); i++) {
		uint64_t word = fy_word_load(&ring->cells[i]);
		if (!is_at_rest(box, ring, &ring->cells[i], word, has_sender))
			return 0;
		/* Cells are claimed in turn: of those behind it none ever was. */
		if (word == fy_word(0, 0, 0, FY_EMPTY))
			break;
	}
	return 1;
}

/* Nothing is in the mailbox, and nobody is about to put something there, or back there. */
static int is_quiet(const struct ferry_mailbox *box)
{
	/* SYNC(mailbox.roles) acquire: who takes the role later sees that somebody sleeps. */
	int has_sender = box->one_to_one && atomic_load_explicit(&box->shm->roles[FY_SENDER],
								 memory_order_acquire) != 0;

	if (fy_object_is_being_removed(&box->object))
		return 0;
	for (uint32_t level = 0; level < box->levels; level++)
		if (!are_at_rest(box, &box->rings[level], has_sender))
			return 0;
	return 1;
}

/* Is it worth a look? Only a guess: the looks decide. */
static int may_be_sound(struct ferry_mailbox *box, int rung)
{
	int64_t now = fy_now_coarse();

	if (rung)
		/* RELAXED(a guess) */
		atomic_store_explicit(&box->news_at, now, memory_order_relaxed);
	/* RELAXED(a private timer) */
	int64_t due = atomic_load_explicit(&box->sound_due, memory_order_relaxed);
	/* RELAXED(a guess) */
	if (now - atomic_load_explicit(&box->news_at, memory_order_relaxed) < box->sound_after)
		return 0;
	if (now < due)
		return now - (due - box->sound_every) < SOUND_BURST;
	/* RELAXED(a private timer) */
	atomic_store_explicit(&box->sound_due, now + box->sound_every, memory_order_relaxed);
	return 1;
}

int64_t fy_mailbox_sound(struct ferry_mailbox *box, int rung)
{
	/* Senders are asked to rouse us only if it looks as if we could sleep. */
	if (!may_be_sound(box, rung) || !is_quiet(box))
		return 0;
	fy_bell_sleep_soundly(box->arrival);
	if (box->one_to_one && fy_barrier_all() < 0)
		return 0;
	return is_quiet(box) ? box->sound_for : 0;
}

static int64_t host_sound(const struct fy_waiter *waiter, int rung)
{
	struct ferry_mailbox *box = waiter->object;

	return waiter->bell == &box->arrival->word ? fy_mailbox_sound(box, rung) : 0;
}

/* ---- fences, when there are no more sleepers ---- */

void fy_wait_ask_no_more(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	/* RELAXED(private; one thread has the role) */
	atomic_store_explicit(&box->calm[role], 0, memory_order_relaxed);
	/* RELAXED(who fences for nothing loses time; before we sleep again we ask again) */
	if (atomic_load_explicit(&box->shm->fenced, memory_order_relaxed) & FY_FENCE_FOR(role))
		/* RELAXED(see above) */
		(void)atomic_fetch_and_explicit(&box->shm->fenced, ~FY_FENCE_FOR(role),
						memory_order_relaxed);
}

void fy_wait_calmer(struct ferry_mailbox *box, enum fy_mailbox_role role)
{
	/* RELAXED(private; one thread has the role) */
	if (atomic_fetch_sub_explicit(&box->calm[role], 1, memory_order_relaxed) == 1)
		fy_wait_ask_no_more(box, role);
}

static const struct fy_waiter_host host = {
	.state = host_state,
	.may_look = host_may_look,
	.care = host_care,
	.prepared = host_prepared,
	.sound = host_sound,
};

static void begin(struct ferry_mailbox *box, struct fy_waiter *ret_waiter, ferry_deadline deadline,
		  struct fy_bell_shm *bell, struct fy_spin *spin, _Atomic uint32_t *count)
{
	*ret_waiter = (struct fy_waiter){
		.host = &host,
		.object = box,
		.deadline = deadline,
		.bell = &bell->word,
		.fd = box->object.fd,
		.spin = spin,
		.count = count,
		.interruptible = (box->flags & FERRY_INTERRUPTIBLE) != 0,
		.eager = FY_WAITER_EAGER,
	};
}

void fy_wait_for_message(struct ferry_mailbox *box, struct fy_waiter *ret_waiter,
			 ferry_deadline deadline)
{
	begin(box, ret_waiter, deadline, box->arrival, &box->receive_spin,
	      &box->object.members[fy_me(box) - 1].waiting_receivers);
	/* RELAXED(a guess) */
	uint32_t cpu = atomic_load_explicit(&box->last_cpu, memory_order_relaxed);
	ret_waiter->same_core = cpu == fy_cpu() + 1;
}

void fy_wait_for_room(struct ferry_mailbox *box, struct fy_waiter *ret_waiter, uint32_t level,
		      ferry_deadline deadline)
{
	begin(box, ret_waiter, deadline, box->rings[level].room, &box->send_spin,
	      &box->object.members[fy_me(box) - 1].waiting_senders);
}

void fy_wait_for_memory(struct ferry_mailbox *box, struct fy_waiter *ret_waiter,
			ferry_deadline deadline)
{
	begin(box, ret_waiter, deadline, box->memory_freed, &box->send_spin,
	      &box->object.members[fy_me(box) - 1].waiting_senders);
}

/* ---- for those who wait for several things at once ---- */

static int can_send(struct ferry_mailbox *box, uint32_t level)
{
	struct fy_ring *ring = &box->rings[level];
	int r = fy_enter_sending(box);

	if (r < 0)
		return r;
	if (box->drop_oldest)
		return FERRY_CAN_WRITE;
	/* The first that sleeps for room has it counted anew, and so must we. */
	fy_ring_count_anew(ring);
	return fy_ring_has_room(box, ring) ? FERRY_CAN_WRITE : 0;
}

static int can_receive(struct ferry_mailbox *box)
{
	int r = fy_enter_receiving(box);

	if (r == 0)
		r = fy_receive_look(box);
	return r > 0 ? FERRY_CAN_READ : r;
}

int fy_mailbox_ready(struct ferry_mailbox *box, uint32_t events, uint32_t level)
{
	int in = events & FERRY_CAN_READ ? can_receive(box) : 0;
	int out = in >= 0 && events & FERRY_CAN_WRITE ? can_send(box, level) : 0;
	int r = in < 0 ? in : out < 0 ? out : in | out;

	/* Whoever asks for nothing hears of removal all the same. */
	if (events == 0)
		r = fy_object_state(&box->object);
	return r < 0 ? fy_judge(box, r) : r;
}
