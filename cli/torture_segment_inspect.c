/* SPDX-License-Identifier: MIT */
/*
 * torture_segment_inspect.c - what must be true of the segment when all who used it have gone,
 * however they went.
 */
#include <errno.h>
#include <inttypes.h>

#include "torture_segment.h"

struct inspection {
	struct segment_torture *torture;
	struct crew *crew;
	struct hand hand; /* as if we had a seat: one that nobody has any more */
	ferry_segment *segment;
	struct ground *ground;
};

static void fault(struct inspection *i, const char *what, int result)
{
	faults_report(i->crew->faults, hand_is_no(result) ? FAULT_JAMMED : FAULT_BROKEN,
		      "%s at the end: %s", what, ferry_error_name(result));
}

static void find(struct inspection *i)
{
	ferry_reference *root;
	int r = ferry_segment_root(i->segment, GROUND_ROOT, &root);

	if (r == 0)
		i->ground = ferry_segment_pointer(i->segment, ferry_reference_load(root),
						  sizeof(struct ground), 64);
	if (!i->ground)
		fault(i, "root", r < 0 ? r : -FERRY_ECORRUPT);
}

static void check_vault(struct inspection *i)
{
	struct roll_sum turns = roll_sum(i->crew->account, GROUND_TURNS);
	int r = ferry_lock_acquire(i->segment, &i->ground->lock, ferry_in_ms(GROUND_PATIENCE));
	uint64_t n;

	if (r < 0) {
		fault(i, "lock", r);
		return;
	}
	vault_enter(&i->ground->vault, &i->hand, r, "lock");
	n = vault_changes(&i->ground->vault);
	if (n < turns.least || n > turns.most)
		faults_report(i->crew->faults, n < turns.least ? FAULT_LOST : FAULT_STRAY,
			      "%" PRIu64 " changes in the vault; %" PRIu64 " were done, %" PRIu64
			      " begun",
			      n, turns.least, turns.most);
	(void)ferry_lock_release(i->segment, &i->ground->lock);
}

/* Each stall has what it should have. Gives how many blocks that are. */
static uint64_t check_stalls(struct inspection *i)
{
	uint64_t blocks = 0;

	for (uint32_t n = 0; n < GROUND_STALLS; n++) {
		struct stall *stall = &i->ground->stalls[n];
		int r = ferry_lock_acquire(i->segment, &stall->lock, ferry_in_ms(GROUND_PATIENCE));

		if (r < 0) {
			fault(i, "lock of a stall", r);
			continue;
		}
		torture_stall_settle(&i->hand, i->segment, stall, r);
		blocks += stall->id != 0;
		if (r > 0)
			(void)ferry_lock_repaired(i->segment, &stall->lock);
		(void)ferry_lock_release(i->segment, &stall->lock);
	}
	return blocks;
}

/* What was pushed and not taken off is on the list. Gives how many that are. */
static uint64_t check_list(struct inspection *i)
{
	struct roll_sum pushed = roll_sum(i->crew->account, GROUND_PUSHED);
	struct roll_sum drained = roll_sum(i->crew->account, GROUND_DRAINED);
	uint64_t n = 0, least = pushed.least > drained.most ? pushed.least - drained.most : 0;
	const struct link *link;

	for (ferry_reference r = ferry_reference_load(&i->ground->list); r; r = link->next, n++) {
		link = ferry_segment_pointer(i->segment, r, sizeof *link, 16);
		if (!link || !torture_block_id(&i->hand, i->segment, r, sizeof *link) ||
		    n > pushed.most)
			break;
	}
	if (n < least || n > pushed.most - drained.least)
		faults_report(i->crew->faults, n < least ? FAULT_LOST : FAULT_STRAY,
			      "%" PRIu64 " blocks on the list; there must be %" PRIu64
			      " to %" PRIu64,
			      n, least, pushed.most - drained.least);
	return n;
}

static void check_blocks(struct inspection *i, uint64_t blocks)
{
	struct ferry_segment_stat *stat = &i->torture->stat;
	struct ferry_repair repair;
	int r = ferry_object_repair(i->torture->all.base.location, 0, &repair, NULL);

	r = r < 0 ? r : ferry_segment_stat(i->segment, stat);
	if (r < 0) {
		fault(i, "repair", r);
		return;
	}
	i->torture->all.base.recovered = stat->recovered;
	if (stat->blocks != blocks || stat->unpublished)
		faults_report(i->crew->faults, FAULT_BROKEN,
			      "%" PRIu64 " blocks in use, %" PRIu64 " of them unpublished; %" PRIu64
			      " can be reached",
			      stat->blocks, stat->unpublished, blocks);
	if (stat->members_dead || stat->members_alive != 1 || stat->lock_holders)
		faults_report(i->crew->faults, FAULT_BROKEN,
			      "left behind: %u dead and %u live members, %u holders",
			      stat->members_dead, stat->members_alive - 1, stat->lock_holders);
}

/* With everything taken away, all memory is free again, in one piece but for what we laid there
 * first. */
static void empty(struct inspection *i)
{
	struct ferry_segment_stat stat;
	ferry_reference most;
	int r;

	for (uint32_t n = 0; n < GROUND_STALLS; n++) {
		ferry_reference block = i->ground->stalls[n].block;
		r = block ? ferry_segment_take(i->segment, &i->ground->stalls[n].block, block, 0)
			  : 0;
		r = r < 0 ? r : ferry_segment_free(i->segment, block);
		if (r < 0)
			fault(i, "emptying a stall", r);
	}
	do
		r = torture_list_shift(&i->hand, i->segment, i->ground);
	while (r > 0);
	if (r < 0)
		fault(i, "emptying the list", r);
	r = ferry_segment_allocate(i->segment, i->torture->stat.bytes / 4 * 3, &most);
	r = r < 0 ? r : ferry_segment_free(i->segment, most);
	r = r < 0 ? r : ferry_segment_stat(i->segment, &stat);
	if (r < 0)
		fault(i, "allocating most of the memory", r);
	else if (stat.blocks != i->torture->blocks)
		faults_report(i->crew->faults, FAULT_BROKEN, "%" PRIu64 " blocks leaked",
			      stat.blocks - i->torture->blocks);
}

static void remove_sides(struct inspection *i)
{
	char name[128];

	for (uint32_t n = 0; n < GROUND_SIDES; n++) {
		if (!torture_side_name(i->torture, n, name))
			return;
		int r = ferry_remove(name, NULL);
		if (r < 0 && r != -ENOENT)
			fault(i, "remove", r);
	}
}

void torture_segment_inspect(struct torture *base)
{
	struct inspection i = { .torture = (struct segment_torture *)base, .crew = &base->crew };
	struct ferry_why why = { 0 };
	int r = ferry_segment_open(&i.segment, base->location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING, .why = &why));

	remove_sides(&i);
	if (r < 0) {
		faults_report(base->faults, FAULT_BROKEN, "open at the end: %s %s",
			      ferry_error_name(r), why.text);
		return;
	}
	hand_init(&i.hand, &base->crew, 0);
	find(&i);
	if (i.ground) {
		check_vault(&i);
		uint64_t blocks = check_stalls(&i);
		blocks += check_list(&i);
		check_blocks(&i, blocks + i.torture->blocks);
		empty(&i);
	}
	ferry_segment_close(i.segment);
}
