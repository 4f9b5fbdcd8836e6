/* SPDX-License-Identifier: MIT */
/* stat.c - looking at a mailbox from outside, and repairing one that nobody uses. Only
 * ferry_object_repair() changes anything. */
#include <ferry/object.h>

#include "memory.h"
#include "message.h"
#include "recover.h"
#include "role.h"

/* What one ring holds. */
struct tally {
	uint64_t waiting;
	uint64_t bytes;
	uint64_t taken;
	uint64_t claimed;
	int64_t oldest;
};

static uint64_t counter(const _Atomic uint64_t *c)
{
	/* RELAXED(to look at) */
	return atomic_load_explicit(c, memory_order_relaxed);
}

static void count_cell(const struct ferry_mailbox *box, const struct fy_ring *ring,
		       struct fy_cell_shm *cell, int64_t now, struct tally *tally)
{
	struct fy_spot spot = { .cell = cell, .word = fy_word_load(cell) };
	uint32_t state = fy_word_state(spot.word);
	struct fy_view view;

	tally->taken += state == FY_TAKEN;
	tally->claimed += state == FY_CLAIMED;
	if (state != FY_RETURNED &&
	    (state != FY_FULL || !fy_ring_is_message(box, ring, cell, spot.word)))
		return;
	fy_view_read(&spot, &view);
	if (fy_word_load(cell) != spot.word)
		return; /* it has just left */
	tally->waiting++;
	tally->bytes += view.size;
	/* The time of sending wraps after two years; so does this difference. */
	uint32_t steps = (uint32_t)((uint64_t)now >> FY_SENT_SHIFT) - fy_meta_sent(view.meta);
	int64_t age = (int32_t)steps > 0 ? (int64_t)steps << FY_SENT_SHIFT : 0;
	if (age > tally->oldest)
		tally->oldest = age;
}

/* Positions ever given to messages: from the tail hint on, until one that nobody had. */
static uint64_t true_tail(const struct ferry_mailbox *box, const struct fy_ring *ring)
{
	uint64_t p = fy_hint(&ring->shm->tail);

	for (uint64_t i = 0; i < fy_cells(box); i++, p++) {
		uint64_t word = fy_word_load(fy_ring_cell(box, ring, p));
		int64_t ahead = fy_word_ahead(word, p >> box->cells_log2);
		if (ahead < 0 || (ahead == 0 && fy_word_state(word) == FY_EMPTY))
			break;
	}
	return p;
}

static void add_ring(const struct ferry_mailbox *box, const struct fy_ring *ring, int64_t now,
		     struct ferry_mailbox_stat *stat)
{
	struct tally tally = { .oldest = -1 };

	for (uint64_t i = 0; i < fy_cells(box); i++)
		count_cell(box, ring, &ring->cells[i], now, &tally);
	uint64_t gone = counter(&ring->shm->dropped) + counter(&ring->shm->expired);
	uint64_t sent = true_tail(box, ring) - counter(&ring->shm->burned) - tally.claimed;
	uint64_t there = gone + tally.waiting + tally.taken;
	stat->sent += sent;
	stat->received += sent > there ? sent - there : 0;
	stat->dropped += counter(&ring->shm->dropped);
	stat->expired += counter(&ring->shm->expired);
	stat->redelivered += counter(&ring->shm->redelivered);
	stat->messages += tally.waiting;
	stat->bytes += tally.bytes;
	stat->taken += tally.taken;
	if (tally.oldest > stat->oldest_age)
		stat->oldest_age = tally.oldest;
}

static void add_members(struct fy_object *object, struct ferry_mailbox_stat *stat)
{
	for (uint32_t slot = 0; slot < object->member_slots; slot++) {
		const struct fy_member_shm *m = &object->members[slot];
		if (fy_member_status(fy_member_load(object, slot)) == FY_MEMBER_FREE)
			continue;
		if (fy_member_looks_dead(object, slot)) {
			stat->members_dead++;
			continue;
		}
		stat->members_alive++;
		/* RELAXED(to look at) */
		stat->waiting_receivers +=
		    atomic_load_explicit(&m->waiting_receivers, memory_order_relaxed);
		/* RELAXED(to look at) */
		stat->waiting_senders +=
		    atomic_load_explicit(&m->waiting_senders, memory_order_relaxed);
	}
}

static uint64_t memory_in_all(const struct ferry_mailbox *box)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < box->n_tiers; i++)
		bytes += box->tiers[i].n * box->tiers[i].unit_bytes;
	return bytes;
}

int ferry_mailbox_stat(ferry_mailbox *box, struct ferry_mailbox_stat *ret_stat)
{
	struct ferry_mailbox_stat stat;
	int64_t now = fy_now();

	if (!box || !ret_stat)
		return -EINVAL;
	int r = fy_mailbox_enter(box, 0);
	if (r < 0)
		return r;
	stat = (struct ferry_mailbox_stat){
		.max_size = box->max_size,
		.capacity = box->capacity,
		.priorities = box->levels,
		.memory = memory_in_all(box),
		.memory_free = fy_memory_free_bytes(box),
		.drop_oldest = box->drop_oldest,
		.one_to_one = box->one_to_one,
		.recovered = counter(&box->object.header->recovered),
		.oldest_age = -1,
	};
	if (box->one_to_one) {
		stat.sender = fy_role_live_pid(box, FY_SENDER);
		stat.receiver = fy_role_live_pid(box, FY_RECEIVER);
	}
	for (uint32_t level = 0; level < box->levels; level++)
		add_ring(box, &box->rings[level], now, &stat);
	add_members(&box->object, &stat);
	if (fy_object_is_broken(&box->object))
		return -FERRY_ECORRUPT;
	*ret_stat = stat;
	return 0;
}
