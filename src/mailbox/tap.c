/* SPDX-License-Identifier: MIT */
/*
 * tap.c - reading along: what passes through a mailbox, seen by somebody who changes nothing.
 *
 * A message is read like a seqlock: the cell's word, the bytes, the word again. After it was
 * received its bytes stay in the EMPTY cell until the next claim, and in units until somebody owns
 * them; docs/formats/mailbox.md, "Tapping", says how one sees that they still are that message's.
 */
#include <stdlib.h>

#include "../base/copy.h"
#include "../wait/pace.h"
#include "message.h"

#define PASSED_MAX 64u  /* unfinished sends that are remembered */
#define TRIES_MAX  1000 /* looks at a cell that changes under them, then it is gone */
#define LAPS_MAX   256  /* bytes of an older lap are not asked for: meta counts to 512 */

/* A send that had not ended when we came by. */
struct passed {
	uint64_t position;
	uint32_t level;
};

struct ferry_mailbox_tap {
	struct ferry_mailbox *box;
	struct fy_pace pace;
	uint64_t next[FY_LEVELS_MAX];
	struct passed passed[PASSED_MAX]; /* oldest first */
	uint32_t n_passed;
	/* Positions that are over: */
	uint64_t gone;   /* nobody can say whether it was a message */
	uint64_t voids;  /* it was none */
	uint64_t burned; /* what the mailbox had counted as none before we began */
	uint64_t told;   /* messages missed, as far as the caller knows */
};

enum sight {
	NOT_YET, /* nobody has claimed the position */
	SENDING,
	NOTHING, /* it is over and had no message */
	GONE,    /* it is over, and nothing is left to tell */
	THERE,
	AGAIN, /* it changes just now */
};

/* The position of an EMPTY cell is over. Are the bytes that go with meta still its message's? */
static enum sight left_with(uint64_t meta, const struct fy_spot *spot, uint64_t lap)
{
	int64_t since = fy_word_ahead(spot->word, lap);
	int32_t ahead = fy_meta_ahead(meta, lap);
	int marked = (fy_meta_flags(meta) & FY_META_VOID) != 0;

	if (since > LAPS_MAX || ahead > 0)
		return GONE;
	if (ahead < 0)
		return NOTHING;
	if (!marked)
		return THERE;
	/* With one lap between, the mark is of this lap's own send; else of any since. */
	return since == 1 ? NOTHING : GONE;
}

static enum sight left_behind(const struct fy_spot *spot, uint64_t lap)
{
	uint64_t meta = fy_meta_load(spot->cell);

	return fy_word_load(spot->cell) == spot->word ? left_with(meta, spot, lap) : AGAIN;
}

/* A message that senders have passed: of which lap is it? */
static enum sight held_late(const struct ferry_mailbox *box, const struct fy_ring *ring,
			    const struct fy_spot *spot, uint64_t lap)
{
	uint64_t true_lap = fy_ring_true_lap(box, ring, spot->cell, spot->word);

	if (fy_word_load(spot->cell) != spot->word)
		return AGAIN;
	int64_t ahead = (int64_t)((true_lap - lap) << 24) >> 24;
	return ahead == 0 ? THERE : ahead < 0 ? NOTHING : GONE;
}

/* What can be seen of a position. */
static enum sight look(const struct ferry_mailbox *box, const struct fy_ring *ring,
		       uint64_t position, struct fy_spot *ret_spot)
{
	uint64_t lap = position >> box->cells_log2;
	struct fy_cell_shm *cell = fy_ring_cell(box, ring, position);

	*ret_spot = (struct fy_spot){ cell, position, fy_word_load(cell) };
	int64_t ahead = fy_word_ahead(ret_spot->word, lap);
	uint32_t state = fy_word_state(ret_spot->word);
	if (ahead < 0 || (ahead == 0 && state == FY_EMPTY))
		return NOT_YET;
	if (fy_word_late(ret_spot->word))
		return held_late(box, ring, ret_spot, lap);
	if (ahead > 0)
		return state == FY_EMPTY ? left_behind(ret_spot, lap) : GONE;
	return state == FY_CLAIMED ? SENDING : state == FY_REVOKED ? NOTHING : THERE;
}

/* Is what was read of the message true? For units that were freed: has nobody had them since? */
static int is_sound(const struct ferry_mailbox *box, const struct fy_got *got)
{
	if (fy_word_state(got->spot.word) == FY_EMPTY && got->extent.n != 0 &&
	    !fy_memory_is_after(&got->extent,
				fy_stamp((uint32_t)(got->ring - box->rings), got->spot.position)))
		return 0;
	/* A one to one sender does not change the word of a cell that is EMPTY for its message; and
	 * the meta that was copied may be the one that it has put there since we looked. */
	if (fy_word_state(got->spot.word) == FY_EMPTY &&
	    (left_with(got->view.meta, &got->spot, got->spot.position >> box->cells_log2) !=
		 THERE ||
	     fy_meta_load(got->spot.cell) != got->view.meta))
		return 0;
	return fy_word_load(got->spot.cell) == got->spot.word;
}

/* Copy the message at got->spot. The size, -EMSGSIZE, or -EAGAIN: it cannot be vouched for. */
static ssize_t copy(struct ferry_mailbox *box, struct fy_got *got, void *buffer, size_t room,
		    struct ferry_message *ret_info)
{
	fy_view_read(&got->spot, &got->view);
	if (fy_got_bytes(box, got) < 0 || !is_sound(box, got))
		return -EAGAIN;
	int fits = got->view.size <= room;
	if (fits && buffer)
		fy_copy_racy(buffer, got->data, got->view.size);
	/* SYNC(cell.word) acquire: the bytes were read before the words are read again. */
	atomic_thread_fence(memory_order_acquire);
	if (!is_sound(box, got))
		return -EAGAIN;
	if (ret_info && fits) {
		fy_describe(box, got->ring, got->spot.word, &got->view, ret_info);
		ret_info->data = buffer;
	}
	if (ret_info)
		ret_info->size = got->view.size;
	return fits ? (ssize_t)got->view.size : -EMSGSIZE;
}

/* What the caller wants, and what became of it. */
struct visit {
	void *buffer;
	size_t room;
	struct ferry_message *info;
	ssize_t result; /* when THERE */
};

/* Look at a position and show what is there. THERE, NOT_YET, SENDING, NOTHING or GONE. */
static enum sight visit_position(struct ferry_mailbox_tap *tap, uint32_t level, uint64_t position,
				 struct visit *visit)
{
	struct fy_got got = { .ring = &tap->box->rings[level] };

	for (int i = 0; i < TRIES_MAX; i++) {
		enum sight sight = look(tap->box, got.ring, position, &got.spot);
		if (sight == AGAIN)
			continue;
		if (sight != THERE)
			return sight;
		visit->result = copy(tap->box, &got, visit->buffer, visit->room, visit->info);
		if (visit->result != -EAGAIN)
			return THERE;
	}
	return GONE;
}

/* A position is over. */
static void leave(struct ferry_mailbox_tap *tap, enum sight sight)
{
	tap->gone += sight == GONE;
	tap->voids += sight == NOTHING;
}

static void forget_passed(struct ferry_mailbox_tap *tap, uint32_t i)
{
	tap->n_passed--;
	for (; i < tap->n_passed; i++)
		tap->passed[i] = tap->passed[i + 1];
}

/* Sends that had not ended before: a message among them goes first, since it was sent before all
 * that we have not looked at. */
static enum sight visit_passed(struct ferry_mailbox_tap *tap, uint32_t level, struct visit *visit)
{
	for (uint32_t i = 0; i < tap->n_passed;) {
		struct passed *p = &tap->passed[i];
		enum sight sight =
		    p->level < level ? SENDING : visit_position(tap, p->level, p->position, visit);
		if (sight == SENDING || sight == NOT_YET) {
			i++;
			continue;
		}
		if (sight == THERE && visit->result == -EMSGSIZE)
			return THERE;
		leave(tap, sight);
		forget_passed(tap, i);
		if (sight == THERE)
			return THERE;
	}
	return NOT_YET;
}

/* A send under way has no place in the order yet: come back to it. */
static void pass(struct ferry_mailbox_tap *tap, uint32_t level, uint64_t position)
{
	if (tap->n_passed == PASSED_MAX) {
		leave(tap, GONE);
		forget_passed(tap, 0);
	}
	tap->passed[tap->n_passed++] = (struct passed){ position, level };
}

/* All that is left lies less than a round behind the tail; do not walk through the rest. */
static void catch_up(struct ferry_mailbox_tap *tap, uint32_t level)
{
	uint64_t tail = fy_hint(&tap->box->rings[level].shm->tail);
	uint64_t behind = tail - tap->next[level];

	if (behind <= fy_cells(tap->box) || behind > UINT64_MAX / 2)
		return;
	tap->gone += behind - fy_cells(tap->box);
	tap->next[level] = tail - fy_cells(tap->box);
}

/* A send that has ended since we passed it may have been before the message at position. So nothing
 * is shown there that was not there already when those that we passed were looked at. */
static enum sight visit_in_order(struct ferry_mailbox_tap *tap, uint32_t level, uint64_t position,
				 struct visit *visit, int *ret_passed)
{
	struct fy_spot spot;

	*ret_passed = 0;
	if (!tap->n_passed)
		return visit_position(tap, level, position, visit);
	enum sight sight = look(tap->box, &tap->box->rings[level], position, &spot);
	if (sight != THERE)
		return sight;
	*ret_passed = visit_passed(tap, level, visit) == THERE;
	return *ret_passed ? THERE : visit_position(tap, level, position, visit);
}

/* THERE, or NOT_YET. */
static enum sight visit_level(struct ferry_mailbox_tap *tap, uint32_t level, struct visit *visit)
{
	int passed;

	catch_up(tap, level);
	for (uint64_t i = 0; i < 2 * fy_cells(tap->box); i++) {
		uint64_t position = tap->next[level];
		enum sight sight = visit_in_order(tap, level, position, visit, &passed);
		if (sight == NOT_YET || passed)
			return sight;
		if (sight == AGAIN)
			continue;
		if (sight == THERE) {
			tap->next[level] += visit->result != -EMSGSIZE;
			return THERE;
		}
		tap->next[level]++;
		if (sight == SENDING)
			pass(tap, level, position);
		else
			leave(tap, sight);
	}
	return NOT_YET;
}

static ssize_t next(struct ferry_mailbox_tap *tap, struct visit *visit)
{
	for (uint32_t level = tap->box->levels; level-- > 0;)
		if (visit_level(tap, level, visit) == THERE)
			return visit->result;
	return visit_passed(tap, 0, visit) == THERE ? visit->result : -EAGAIN;
}

/* Positions that no message ever had, by the mailbox's own count. */
static uint64_t burned(const struct ferry_mailbox *box)
{
	uint64_t n = 0;

	for (uint32_t level = 0; level < box->levels; level++)
		/* RELAXED(a counter to look at) */
		n += atomic_load_explicit(&box->rings[level].shm->burned, memory_order_relaxed);
	return n;
}

/* How many messages were missed that the caller has not been told of. Of the positions that are
 * gone, some had none: those that were burned and that we have not seen ourselves. */
static uint64_t missed(struct ferry_mailbox_tap *tap)
{
	int64_t unseen = (int64_t)(burned(tap->box) - tap->burned - tap->voids);
	uint64_t none = unseen > 0 ? (uint64_t)unseen : 0;
	uint64_t all = tap->gone > none ? tap->gone - none : 0;
	uint64_t news = all > tap->told ? all - tap->told : 0;

	tap->told += news;
	return news;
}

static ssize_t wait_for_next(struct ferry_mailbox_tap *tap, struct visit *visit,
			     ferry_deadline deadline)
{
	struct ferry_mailbox *box = tap->box;

	for (;;) {
		int r = fy_mailbox_enter(box, FERRY_SEND_ONLY);
		if (r < 0)
			return r;
		ssize_t size = next(tap, visit);
		/* Pages that vanished under us read as zeros: not a message. */
		if (fy_object_is_broken(&box->object))
			return -FERRY_ECORRUPT;
		if (size != -EAGAIN) {
			fy_pace_found(&tap->pace);
			return size;
		}
		r = fy_pace_wait(&tap->pace, deadline);
		if (r < 0 && (r != -EINTR || (box->flags & FERRY_INTERRUPTIBLE)))
			return r;
	}
}

ssize_t ferry_mailbox_tap_next(ferry_mailbox_tap *tap, void *buffer, size_t room,
			       struct ferry_message *ret_info, uint64_t *ret_missed,
			       ferry_deadline deadline)
{
	struct visit visit = { buffer, room, ret_info, 0 };

	if (!tap || (!buffer && room > 0))
		return -EINVAL;
	ssize_t r = wait_for_next(tap, &visit, deadline);
	if (ret_missed)
		*ret_missed += missed(tap);
	return r;
}

/* Behind everything that has been claimed. The tail is only a hint. */
static uint64_t behind_all(const struct ferry_mailbox *box, const struct fy_ring *ring)
{
	uint64_t p = fy_hint(&ring->shm->tail);
	struct fy_spot spot;

	for (uint64_t i = 0; i < fy_cells(box) && look(box, ring, p, &spot) != NOT_YET; i++)
		p++;
	return p;
}

int ferry_mailbox_tap_open(ferry_mailbox_tap **ret_tap, ferry_mailbox *box)
{
	if (!ret_tap || !box)
		return -EINVAL;
	int r = fy_mailbox_enter(box, FERRY_SEND_ONLY);
	if (r < 0)
		return r;
	struct ferry_mailbox_tap *tap = calloc(1, sizeof(*tap));
	if (!tap)
		return -ENOMEM;
	tap->box = box;
	tap->burned = burned(box);
	for (uint32_t level = 0; level < box->levels; level++)
		tap->next[level] = behind_all(box, &box->rings[level]);
	*ret_tap = tap;
	return 0;
}

void ferry_mailbox_tap_close(ferry_mailbox_tap *tap)
{
	free(tap);
}
