/* SPDX-License-Identifier: MIT */
/*
 * torture_segment_work.c - what the processes of `ferry torture segment` do until they are killed:
 * every kind of call on a segment and its arena, mixed by dice.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "torture_message.h"
#include "torture_segment.h"

#define OWN_BLOCKS 16   /* unpublished, that one process has at most */
#define TWIN_TURNS 2000 /* that a twin has at most */
#define RARE       1000 /* one turn in so many is a reopen, a fork, a growth or a look */
#define IN_A_ROW   64   /* turns with blocks of one's own */
#define PUSHES     8    /* with one turn at the list, at most */
#define GROWTH     (UINT64_C(64) << 10)

struct worker {
	struct hand hand;
	struct segment_torture *torture;
	ferry_segment *segment;
	struct ground *ground;
	struct {
		ferry_reference block;
		uint64_t id;
	} own[OWN_BLOCKS];
	uint32_t n_own;
};

static uint64_t roll(struct worker *w, uint64_t below)
{
	return hand_roll(&w->hand, below);
}

static void at(struct worker *w, uint32_t call)
{
	hand_at(&w->hand, call);
}

static void begin(struct worker *w, enum ground_tally tally)
{
	roll_begin(w->hand.account, tally, w->hand.seat);
}

static void done(struct worker *w, enum ground_tally tally)
{
	roll_done(w->hand.account, tally, w->hand.seat);
}

static void must(struct worker *w, const char *call, int result)
{
	hand_must(&w->hand, call, result);
}

static void note_told(struct worker *w, bool had_readers)
{
	hand_count(&w->hand, GROUND_TOLD);
	hand_told(&w->hand, had_readers, w->torture->all.slowest);
}

/* ---- blocks ---- */

uint64_t torture_block_id(struct hand *hand, ferry_segment *segment, ferry_reference block,
			  size_t before)
{
	const char *from = ferry_segment_pointer(segment, block, before + 16, 16);
	struct torture_head head = { 0 };
	uint32_t stream;
	uint64_t number;
	size_t room = 0;

	if (from && ferry_segment_block_size(segment, block, &room) == 0)
		memcpy(&head, from + before, sizeof head);
	if (head.size < sizeof head || head.size > room - before ||
	    !torture_read(from + before, head.size, &stream, &number)) {
		faults_report(hand->crew->faults, FAULT_TORN,
			      "seat %u: a block of %zu bytes is not whole", hand->seat, room);
		return 0;
	}
	return (uint64_t)stream << 48 | number;
}

/* Small ones are the most frequent, all sizes occur. */
static size_t choose_size(struct worker *w)
{
	static const uint64_t most[] = { 240, 240, 240, 240, 240, 1000, 5000, GROUND_BLOCK };

	return sizeof(struct torture_head) +
	       roll(w, most[roll(w, 8)] - sizeof(struct torture_head));
}

/* A new block with something in it behind `before` bytes; 0 if there is no room. */
static ferry_reference make_block(struct worker *w, size_t before, uint64_t *ret_id)
{
	uint64_t number = crew_random(&w->hand.dice) >> 16 | 1;
	size_t size = choose_size(w), room = 0;
	ferry_reference block = 0;
	char *to;

	at(w, GROUND_AT_ALLOCATE);
	int r = ferry_segment_allocate(w->segment, before + size, &block);
	at(w, CREW_OUTSIDE);
	if (r == -ENOSPC)
		return 0;
	must(w, "allocate", r);
	to = r < 0 ? NULL : ferry_segment_pointer(w->segment, block, before + size, 16);
	if (!to || ferry_segment_block_size(w->segment, block, &room) < 0 || room < before + size) {
		hand_broken(&w->hand, "a new block is not there", -FERRY_ECORRUPT);
		return 0;
	}
	hand_count(&w->hand, GROUND_ALLOCATED);
	torture_write(to + before, w->hand.seat, number, size);
	*ret_id = (uint64_t)w->hand.seat << 48 | number;
	return block;
}

/* Free a block of our own, of which nobody else may have touched a byte. */
static void free_block(struct worker *w, ferry_reference block, uint64_t id)
{
	if (torture_block_id(&w->hand, w->segment, block, 0) != id)
		hand_fault(&w->hand, FAULT_TORN, "a block of one's own has changed");
	at(w, GROUND_AT_FREE);
	must(w, "free", ferry_segment_free(w->segment, block));
	at(w, CREW_OUTSIDE);
	hand_count(&w->hand, GROUND_FREED);
}

static void free_one(struct worker *w)
{
	uint32_t i = (uint32_t)roll(w, w->n_own);

	free_block(w, w->own[i].block, w->own[i].id);
	w->own[i] = w->own[--w->n_own];
}

static void grow(struct worker *w)
{
	uint64_t bytes = ferry_segment_size(w->segment) + GROWTH;

	if (bytes > GROUND_MOST)
		return;
	at(w, GROUND_AT_GROW);
	int r = ferry_segment_grow(w->segment, bytes);
	at(w, CREW_OUTSIDE);
	if (r == -ENOSPC)
		return;
	must(w, "grow", r);
	if (ferry_segment_size(w->segment) < bytes)
		hand_broken(&w->hand, "it has not grown", -FERRY_ECORRUPT);
	hand_count(&w->hand, GROUND_GROWN);
}

/* Blocks come and go, each seen by nobody else. */
static void own_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew), id;

	if (w->n_own == OWN_BLOCKS || (w->n_own && roll(w, 2))) {
		free_one(w);
	} else {
		ferry_reference block = make_block(w, 0, &id);
		if (block) {
			w->own[w->n_own].block = block;
			w->own[w->n_own++].id = id;
		} else if (w->n_own) {
			free_one(w);
		} else if (!w->hand.broken) {
			grow(w);
		}
	}
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- stalls: published, looked at, taken ---- */

void torture_stall_settle(struct hand *hand, ferry_segment *segment, struct stall *stall, bool told)
{
	ferry_reference block = ferry_reference_load(&stall->block);
	uint64_t id = block ? torture_block_id(hand, segment, block, 0) : 0;
	bool right = id == stall->id || (told && stall->changing && id == stall->next);

	if (!right || (stall->changing && !told))
		hand_fault(hand, id || !stall->id ? FAULT_STRAY : FAULT_LOST,
			   "a stall has something else than was published there");
	stall->id = id;
	stall->changing = 0;
}

static void announce(struct stall *stall, uint64_t next)
{
	stall->next = next;
	__atomic_store_n(&stall->changing, 1, __ATOMIC_RELEASE);
}

static void settle(struct stall *stall, uint64_t id)
{
	stall->id = id;
	__atomic_store_n(&stall->changing, 0, __ATOMIC_RELEASE);
}

static void fill_stall(struct worker *w, struct stall *stall)
{
	uint64_t id;
	ferry_reference block = make_block(w, 0, &id);

	if (!block)
		return;
	announce(stall, id);
	at(w, GROUND_AT_PUBLISH);
	must(w, "publish", ferry_segment_publish(w->segment, block, &stall->block, 0));
	at(w, GROUND_AT_SECTION);
	settle(stall, id);
	hand_count(&w->hand, GROUND_PUBLISHED);
	if (roll(w, 16))
		return;
	hand_must_refuse(&w->hand, "publishing it again",
			 ferry_segment_publish(w->segment, block, &stall->block, block),
			 -FERRY_EBLOCK);
	hand_must_refuse(&w->hand, "freeing what is no block",
			 ferry_segment_free(w->segment, block + 8), -FERRY_EBLOCK);
}

static void empty_stall(struct worker *w, struct stall *stall)
{
	ferry_reference block = stall->block;
	uint64_t id = stall->id;

	announce(stall, 0);
	at(w, GROUND_AT_TAKE);
	must(w, "take", ferry_segment_take(w->segment, &stall->block, block, 0));
	at(w, GROUND_AT_SECTION);
	settle(stall, 0);
	hand_count(&w->hand, GROUND_TAKEN);
	free_block(w, block, id);
}

/* The kernel lets nobody write through a read-only handle; but what is there can be read. */
static void look_through_a_window(struct worker *w, const struct stall *stall)
{
	ferry_segment *window;
	int r;

	at(w, GROUND_AT_OPEN);
	r = ferry_segment_open(&window, w->torture->all.base.location,
			       FERRY_SEGMENT_OPTIONS(.flags = FERRY_READ_ONLY));
	at(w, GROUND_AT_SECTION);
	must(w, "open to read", r);
	if (r < 0)
		return;
	if (torture_block_id(&w->hand, window, stall->block, 0) != stall->id)
		hand_fault(&w->hand, FAULT_TORN, "a reader sees something else in a stall");
	ferry_segment_close(window);
}

static void stall_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = hand_patience(&w->hand);
	uint32_t i = (uint32_t)roll(w, GROUND_STALLS);
	struct stall *stall = &w->ground->stalls[i];

	hand_wants(&w->hand);
	at(w, GROUND_AT_LOCK);
	int r = ferry_lock_acquire(w->segment, &stall->lock, deadline);
	at(w, r < 0 ? CREW_OUTSIDE : GROUND_AT_SECTION);
	if (hand_expect(&w->hand, "acquire", r) < 0)
		return;
	hand_have(&w->hand, GROUND_STALL + i, 1, "two have the lock of a stall");
	torture_stall_settle(&w->hand, w->segment, stall, r);
	if (r == FERRY_OWNER_DIED) {
		note_told(w, false);
		must(w, "repaired", ferry_lock_repaired(w->segment, &stall->lock));
	}
	if (!stall->id)
		fill_stall(w, stall);
	else if (roll(w, 2))
		empty_stall(w, stall);
	else if (!roll(w, 64))
		look_through_a_window(w, stall);
	hand_give(&w->hand, GROUND_STALL + i);
	must(w, "release", ferry_lock_release(w->segment, &stall->lock));
	at(w, CREW_OUTSIDE);
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- the list: pushed on without order, taken off by one alone ---- */

int torture_list_shift(struct hand *hand, ferry_segment *segment, struct ground *ground)
{
	ferry_reference first = ferry_reference_load(&ground->list);
	const struct link *link;
	int r;

	if (!first)
		return 0;
	link = ferry_segment_pointer(segment, first, sizeof *link, 16);
	if (!link || !torture_block_id(hand, segment, first, sizeof *link))
		return -FERRY_ECORRUPT;
	roll_begin(hand->account, GROUND_DRAINED, hand->seat);
	hand_at(hand, GROUND_AT_TAKE);
	r = ferry_segment_take(segment, &ground->list, first, link->next);
	hand_at(hand, GROUND_AT_FREE);
	roll_done(hand->account, GROUND_DRAINED, hand->seat);
	r = r < 0 ? r : ferry_segment_free(segment, first);
	hand_at(hand, GROUND_AT_SECTION);
	return r < 0 ? r : 1;
}

static void push(struct worker *w)
{
	uint64_t id;
	ferry_reference block = make_block(w, sizeof(struct link), &id);
	struct link *link = ferry_segment_pointer(w->segment, block, sizeof *link, 16);
	int r;

	if (!link)
		return;
	begin(w, GROUND_PUSHED);
	at(w, GROUND_AT_PUBLISH);
	do {
		link->next = ferry_reference_load(&w->ground->list);
		r = ferry_segment_publish(w->segment, block, &w->ground->list, link->next);
	} while (r == -EAGAIN);
	at(w, GROUND_AT_SECTION);
	must(w, "push", r);
	done(w, GROUND_PUSHED);
}

static void drain(struct worker *w)
{
	int r;

	if (roll_others(w->hand.account, GROUND_READ, w->hand.seat))
		hand_fault(&w->hand, FAULT_SHARED, "who takes off the list is not alone");
	do
		r = torture_list_shift(&w->hand, w->segment, w->ground);
	while (r > 0);
	must(w, "taking off the list", r);
}

static void list_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = hand_patience(&w->hand);
	bool drains = !roll(w, 16);

	hand_wants(&w->hand);
	at(w, GROUND_AT_LOCK);
	int r = drains ? ferry_rwlock_write(w->segment, &w->ground->list_lock, deadline)
		       : ferry_rwlock_read(w->segment, &w->ground->list_lock, deadline);
	at(w, r < 0 ? CREW_OUTSIDE : GROUND_AT_SECTION);
	if (hand_expect(&w->hand, "rwlock", r) < 0)
		return;
	drains = drains || r == FERRY_OWNER_DIED;
	enum ground_thing thing = drains ? GROUND_WRITE : GROUND_READ;
	hand_have(&w->hand, thing, drains ? 1 : UINT32_MAX, "two take off the list");
	if (r == FERRY_OWNER_DIED) {
		note_told(w, true);
		must(w, "repaired", ferry_rwlock_repaired(w->segment, &w->ground->list_lock));
	}
	if (drains)
		drain(w);
	else
		for (uint64_t n = 1 + roll(w, PUSHES); n; n--)
			push(w);
	hand_give(&w->hand, thing);
	must(w, "release", ferry_rwlock_release(w->segment, &w->ground->list_lock));
	at(w, CREW_OUTSIDE);
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- the vault ---- */

static void vault_turn(struct worker *w)
{
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = hand_patience(&w->hand);

	hand_wants(&w->hand);
	at(w, GROUND_AT_LOCK);
	int r = ferry_lock_acquire(w->segment, &w->ground->lock, deadline);
	at(w, r < 0 ? CREW_OUTSIDE : GROUND_AT_SECTION);
	if (hand_expect(&w->hand, "acquire", r) < 0)
		return;
	hand_have(&w->hand, GROUND_LOCK, 1, "two have the lock");
	vault_enter(&w->ground->vault, &w->hand, r, "lock");
	if (r == FERRY_OWNER_DIED) {
		note_told(w, false);
		must(w, "repaired", ferry_lock_repaired(w->segment, &w->ground->lock));
	}
	begin(w, GROUND_TURNS);
	vault_change(&w->ground->vault, &w->hand);
	done(w, GROUND_TURNS);
	hand_give(&w->hand, GROUND_LOCK);
	must(w, "release", ferry_lock_release(w->segment, &w->ground->lock));
	at(w, CREW_OUTSIDE);
	crew_moved(w->hand.crew, w->hand.seat, before, 1);
}

/* ---- opening, closing, forking, other segments ---- */

static void find_ground(struct worker *w)
{
	ferry_reference *root;

	at(w, GROUND_AT_ROOT);
	int r = ferry_segment_root(w->segment, GROUND_ROOT, &root);
	at(w, CREW_OUTSIDE);
	must(w, "root", r);
	if (r < 0)
		return;
	w->ground = ferry_segment_pointer(w->segment, ferry_reference_load(root),
					  sizeof(struct ground), 64);
	if (!w->ground)
		hand_broken(&w->hand, "the root leads nowhere", -FERRY_ECORRUPT);
}

static void open_ground(struct worker *w)
{
	struct ferry_why why = { 0 };

	at(w, GROUND_AT_OPEN);
	int r = ferry_segment_open(&w->segment, w->torture->all.base.location,
				   FERRY_SEGMENT_OPTIONS(.flags = FERRY_EXISTING, .why = &why));
	at(w, CREW_OUTSIDE);
	if (r < 0) {
		w->segment = NULL;
		hand_broken(&w->hand, why.text[0] ? why.text : "open", r);
		return;
	}
	find_ground(w);
}

/* What was not published is free again. */
static void close_ground(struct worker *w)
{
	at(w, GROUND_AT_CLOSE);
	ferry_segment_close(w->segment);
	at(w, CREW_OUTSIDE);
	w->n_own = 0;
	w->segment = NULL;
}

static void fork_twin(struct worker *w)
{
	at(w, CREW_FORK);
	(void)crew_fork(w->hand.crew, w->hand.seat, w->segment);
	at(w, CREW_OUTSIDE);
}

static void look(struct worker *w)
{
	struct ferry_segment_stat stat;

	at(w, GROUND_AT_LOOK);
	int r = ferry_segment_stat(w->segment, &stat);
	at(w, CREW_OUTSIDE);
	must(w, "stat", r);
	if (r == 0 && (stat.bytes < GROUND_BYTES || stat.bytes > GROUND_MOST ||
		       stat.free_bytes > stat.bytes || stat.block_bytes > stat.bytes))
		hand_broken(&w->hand, "stat tells nonsense", -FERRY_ECORRUPT);
}

/* Other segments are made, opened and removed by many at once: there is a whole one, or none. */
static void side_turn(struct worker *w)
{
	ferry_segment *side = NULL;
	char name[128];

	if (!torture_side_name(w->torture, (uint32_t)roll(w, GROUND_SIDES), name))
		return;
	at(w, GROUND_AT_SIDE);
	int r = ferry_segment_open(&side, name, FERRY_SEGMENT_OPTIONS(.bytes = 8192));
	must(w, "open another", r);
	if (r == 0 && ferry_segment_size(side) != 8192)
		hand_broken(&w->hand, "another has the wrong size", -FERRY_ECORRUPT);
	if (r == 0)
		ferry_segment_close(side);
	r = roll(w, 2) ? ferry_remove(name, NULL) : 0;
	if (r != -ENOENT)
		must(w, "remove", r);
	at(w, CREW_OUTSIDE);
	hand_count(&w->hand, GROUND_SIDE);
}

static void rare_turn(struct worker *w)
{
	switch (roll(w, 5)) {
	case 0:
		close_ground(w);
		open_ground(w);
		break;
	case 1:
		fork_twin(w);
		break;
	case 2:
		look(w);
		break;
	case 3:
		grow(w);
		break;
	default:
		side_turn(w);
		break;
	}
}

/* ---- the process ---- */

static void own_turns(struct worker *w)
{
	for (uint64_t n = 1 + roll(w, IN_A_ROW); n && !w->hand.broken; n--)
		own_turn(w);
}

static void turn(struct worker *w)
{
	uint64_t what = roll(w, 100);

	if (!roll(w, RARE))
		rare_turn(w);
	else if (what < 45)
		own_turns(w);
	else if (what < 75)
		stall_turn(w);
	else if (what < 90)
		list_turn(w);
	else
		vault_turn(w);
}

void torture_segment_work(struct crew *crew, uint32_t seat, void *inherited)
{
	struct worker w = { .torture = crew->context };
	uint64_t turns = UINT64_MAX;

	hand_init(&w.hand, crew, seat);
	if (inherited) {
		w.segment = inherited;
		find_ground(&w);
		turns = roll(&w, TWIN_TURNS);
	} else {
		open_ground(&w);
	}
	while (turns-- && !w.hand.broken && !atomic_load(&crew->shared->finish))
		turn(&w);
	/* Some leave without closing, as programs do. */
	if (w.segment && roll(&w, 4))
		close_ground(&w);
}
