/* SPDX-License-Identifier: MIT */
/* repair.c - cleaning up after the dead in a mailbox that nobody uses just now. */
#include <ferry/object.h>

#include "memory.h"
#include "recover.h"
#include "ring.h"

static uint64_t redelivered(const struct ferry_mailbox *box)
{
	uint64_t n = 0;

	for (uint32_t level = 0; level < box->levels; level++)
		/* RELAXED(to look at) */
		n +=
		    atomic_load_explicit(&box->rings[level].shm->redelivered, memory_order_relaxed);
	return n;
}

/* How many cells the member in slot has taken. */
static uint32_t taken_by(const struct ferry_mailbox *box, uint32_t slot)
{
	uint32_t n = 0;

	for (uint32_t level = 0; level < box->levels; level++)
		for (uint64_t i = 0; i < fy_cells(box); i++) {
			uint64_t word = fy_word_load(&box->rings[level].cells[i]);
			n += fy_word_state(word) == FY_TAKEN && fy_word_owner(word) == slot + 1;
		}
	return n;
}

static void preview(struct ferry_mailbox *box, struct ferry_repair *repair)
{
	for (uint32_t slot = 0; slot < box->object.member_slots; slot++) {
		if (!fy_member_looks_dead(&box->object, slot))
			continue;
		uint64_t tag =
		    fy_tag(fy_member_incarnation(fy_member_load(&box->object, slot)), slot);
		repair->members++;
		repair->messages += taken_by(box, slot);
		repair->bytes += fy_memory_held_bytes(box, tag);
	}
}

static int repair(struct ferry_mailbox *box, struct ferry_repair *repair)
{
	uint64_t messages = redelivered(box);
	uint64_t bytes = fy_memory_free_bytes(box);
	int dead = fy_member_recover_all(&box->object);

	if (dead < 0)
		return dead;
	uint64_t bytes_now = fy_memory_free_bytes(box);
	repair->members = (uint32_t)dead;
	repair->messages = (uint32_t)(redelivered(box) - messages);
	repair->bytes = bytes_now > bytes ? bytes_now - bytes : 0;
	return 0;
}

int fy_mailbox_repair(const char *location, int dry_run, struct ferry_repair *result,
		      struct ferry_why *why)
{
	struct ferry_mailbox *box;
	int r = fy_mailbox_open_unjoined(&box, location, dry_run, why);

	if (r < 0)
		return r;
	if (dry_run)
		preview(box, result);
	else
		r = repair(box, result);
	ferry_mailbox_close(box);
	return r;
}
