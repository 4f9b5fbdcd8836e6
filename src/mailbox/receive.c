/* SPDX-License-Identifier: MIT */
/* receive.c - receiving: copy, many, in place (take, done, return), and peeking. */
#include "../os/pause.h"
#include "held.h"
#include "message.h"
#include "recover.h"
#include "role.h"
#include "wait.h"

#define WATCH_LOOKS 16   /* at a cell, between two looks at the clock and at everything else */
#define ROUNDS_MAX  4096 /* lost races with other receivers before we call it "empty" */

/* ---- finding the next message ---- */

/* Nothing on this level: clear its bit, unless a sender has been there since we read `seen`. */
static void level_is_empty(struct ferry_mailbox *box, uint64_t seen, uint32_t level)
{
	/* SYNC(mailbox.waiting_levels) acq_rel: pairs with announce_level(): a sender that came
	 * after our look at the ring has changed the generation. */
	(void)atomic_compare_exchange_strong_explicit(&box->shm->waiting_levels, &seen,
						      seen & ~(UINT64_C(1) << level),
						      memory_order_seq_cst, memory_order_seq_cst);
}

static int find_from(struct ferry_mailbox *box, uint32_t lowest, uint32_t *ret_level,
		     struct fy_spot *ret_spot)
{
	/* SYNC(mailbox.waiting_levels) acquire: pairs with announce_level(). */
	uint64_t seen = atomic_load_explicit(&box->shm->waiting_levels, memory_order_seq_cst);

	for (uint32_t level = box->levels; level-- > lowest;) {
		if (level > 0 && !(seen >> level & 1))
			continue;
		int front = fy_ring_front(box, &box->rings[level], ret_spot);
		*ret_level = level;
		if (front == FY_FRONT_FOUND || front < 0)
			return front;
		if (front == FY_FRONT_NONE && level > 0)
			level_is_empty(box, seen, level);
	}
	return FY_FRONT_NONE;
}

FY_COLD static int find_with_returned(struct ferry_mailbox *box, uint32_t *ret_level,
				      struct fy_spot *ret_spot)
{
	struct fy_spot above;
	uint32_t level;
	int r = fy_returned_find(box, ret_level, ret_spot);

	if (r < 0)
		return r;
	if (r == 0)
		return find_from(box, 0, ret_level, ret_spot);
	/* A higher priority goes before what comes again. */
	if (*ret_level + 1 < box->levels) {
		r = find_from(box, *ret_level + 1, &level, &above);
		if (r < 0)
			return r;
		if (r == FY_FRONT_FOUND) {
			*ret_level = level;
			*ret_spot = above;
		}
	}
	return FY_FRONT_FOUND;
}

/* The next message, if there is one: FY_FRONT_FOUND, FY_FRONT_NONE or -FERRY_ECORRUPT. */
static inline int find(struct ferry_mailbox *box, uint32_t *ret_level, struct fy_spot *ret_spot)
{
	if (FY_UNLIKELY(fy_returned_active(box)))
		return find_with_returned(box, ret_level, ret_spot);
	if (box->levels > 1)
		return find_from(box, 0, ret_level, ret_spot);
	*ret_level = 0;
	int front = fy_ring_front(box, &box->rings[0], ret_spot);
	return front == FY_FRONT_CLAIMED ? FY_FRONT_NONE : front;
}

/* ---- taking it ---- */

/* What to do with the next message: take it (keeping it ours), or copy it out if that is simpler.
 */
struct wish {
	void *buffer; /* NULL: take */
	uint64_t room;
};

enum { TAKEN = 0, COPIED = 1 };

/*
 * Receive a message that lies in its cell with a single compare-and-swap: copy first, then make the
 * cell empty. If the word was still the same, nobody else had the message and its bytes stood
 * still; else the copy is void. Killed or stopped in between, we hold nothing.
 */
static inline int copy_out(struct ferry_mailbox *box, const struct wish *wish, struct fy_got *got)
{
	uint64_t empty = fy_word(fy_word_lap(got->spot.word) + 1, 0, 0, FY_EMPTY);

	fy_bytes_out(wish->buffer, got->spot.cell, got->view.size);
	/* One to one, moving head is all: the cell's line stays with its sender. */
	if (box->one_to_one && FY_LIKELY(fy_word_state(got->spot.word) == FY_FULL)) {
		fy_ring_consumed(box, got->ring, &got->spot);
		fy_bell_ring_after_store(got->ring->room, FY_BELL_ONE, box->object.fd,
					 fy_mailbox_fenced(box, FY_SENDER));
		return 1;
	}
	if (FY_UNLIKELY(!fy_word_cas(got->spot.cell, got->spot.word, empty)))
		return 0;
	fy_ring_consumed(box, got->ring, &got->spot);
	fy_bell_ring(got->ring->room, FY_BELL_ONE, box->object.fd);
	return 1;
}

/* Is it in its cell, and as small as that allows? */
static inline int is_in_cell(const struct fy_view *view)
{
	return view->offset == 0 && view->size <= FY_CELL_PAYLOAD;
}

/* Get the next message that is not larger than there is room. TAKEN or COPIED; -EAGAIN; -EMSGSIZE,
 * and then ret_got->view says how large; -FERRY_ECORRUPT. */
static inline int get_next(struct ferry_mailbox *box, const struct wish *wish,
			   struct fy_got *ret_got)
{
	uint32_t level;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		int r = find(box, &level, &ret_got->spot);
		if (r != FY_FRONT_FOUND)
			return r < 0 ? r : -EAGAIN;
		ret_got->ring = &box->rings[level];
		fy_view_read(&ret_got->spot, &ret_got->view);
		if (FY_UNLIKELY(fy_view_expired(&ret_got->view))) {
			(void)fy_discard(box, ret_got->ring, &ret_got->spot, &ret_got->view,
					 &ret_got->ring->shm->expired);
			continue;
		}
		if (FY_UNLIKELY(ret_got->view.size > wish->room)) {
			if (fy_word_load(ret_got->spot.cell) == ret_got->spot.word)
				return -EMSGSIZE;
			continue;
		}
		if (FY_LIKELY(wish->buffer && is_in_cell(&ret_got->view))) {
			if (FY_UNLIKELY(fy_word_late(ret_got->spot.word)))
				fy_ring_void(ret_got->spot.cell, ret_got->spot.word);
			if (FY_LIKELY(copy_out(box, wish, ret_got)))
				return COPIED;
		} else if (fy_ring_take(box, ret_got->ring, &ret_got->spot)) {
			return TAKEN;
		}
	}
	return -EAGAIN;
}

/*
 * The everyday case, with as few steps as it can have: one priority, nothing returned, the message
 * in its cell and without expiry. COPIED, or -EAGAIN: take the long way.
 */
static inline int get_quickly(struct ferry_mailbox *box, const struct wish *wish,
			      struct fy_got *ret_got)
{
	struct fy_ring *ring = &box->rings[0];

	if (FY_UNLIKELY(box->levels > 1 || fy_returned_active(box) || !wish->buffer) ||
	    fy_ring_front(box, ring, &ret_got->spot) != FY_FRONT_FOUND)
		return -EAGAIN;
	uint64_t meta = fy_meta_load(ret_got->spot.cell);
	uint32_t size = fy_meta_size(meta);
	if (FY_UNLIKELY(fy_meta_flags(meta) != 0 || size > wish->room || size > FY_CELL_PAYLOAD))
		return -EAGAIN;
	ret_got->ring = ring;
	ret_got->view = (struct fy_view){ .size = size, .meta = meta };
	return copy_out(box, wish, ret_got) ? COPIED : -EAGAIN;
}

/*
 * Look at the cell that the next message comes into, and at nothing else, until it comes, at most
 * so many times, with a pause between. Gives how many looks were in vain.
 */
static uint32_t watch(const struct ferry_mailbox *box, uint32_t looks)
{
	const struct fy_ring *ring = &box->rings[0];
	uint64_t h = fy_hint(box->one_to_one ? &ring->shm->head : &ring->head);
	uint64_t lap = h >> box->cells_log2;
	const struct fy_cell_shm *cell = fy_ring_cell(box, ring, h);

	for (uint32_t i = 0; i < looks; i++) {
		uint64_t word = fy_word_load(cell);
		if (!fy_word_is_free(word, lap) && fy_word_state(word) != FY_CLAIMED)
			return i;
		fy_pause();
	}
	return looks;
}

FY_COLD static int get_waiting(struct ferry_mailbox *box, const struct wish *wish,
			       ferry_deadline deadline, struct fy_got *ret_got)
{
	struct fy_spot next;
	struct fy_waiter waiter;
	uint32_t level;
	int r;

	fy_wait_for_message(box, &waiter, deadline);
	while ((r = get_quickly(box, wish, ret_got)) == -EAGAIN &&
	       (r = get_next(box, wish, ret_got)) == -EAGAIN) {
		r = fy_waiter_again(&waiter);
		if (r < 0)
			break;
		if (waiter.phase == FY_WAITER_SPINNING && box->levels == 1)
			(void)watch(box, WATCH_LOOKS);
	}
	/* Whatever else a receive would find now, at whatever priority. */
	int more = waiter.slept && find(box, &level, &next) == FY_FRONT_FOUND;
	fy_waiter_over(&waiter, r >= 0, more);
	return r;
}

/* An answer often is on its way already: look out for it before reading clocks, at the time at
 * which it is due. As get_quickly(). */
static inline int get_when_due(struct ferry_mailbox *box, const struct wish *wish,
			       struct fy_got *ret_got)
{
	fy_rhythm_rest(&box->rhythm);
	int r = get_quickly(box, wish, ret_got);
	/* What comes again, or at another priority, is not to be seen where we would watch. */
	if (FY_UNLIKELY(r == -EAGAIN && (box->levels > 1 || fy_returned_active(box))))
		return r;
	/* A message may be there and not be a quick one. */
	uint32_t looks = r == -EAGAIN ? watch(box, FY_RHYTHM_LOOKS) : 0;
	if (FY_LIKELY(looks == 0)) {
		fy_rhythm_found(&box->rhythm);
		return r;
	}
	fy_rhythm_missed(&box->rhythm, looks);
	if (looks == FY_RHYTHM_LOOKS)
		return r;
	fy_spin_paid(&box->receive_spin);
	return get_quickly(box, wish, ret_got);
}

/* Get the next message, waiting for it; if it is TAKEN, with its bytes found. */
static inline int get(struct ferry_mailbox *box, const struct wish *wish, ferry_deadline deadline,
		      struct fy_got *ret_got)
{
	fy_care_sometimes(box, fy_now_coarse());
	int r = deadline != FERRY_NOW && box->receive_spin.limit > 0
		    ? get_when_due(box, wish, ret_got)
		    : get_quickly(box, wish, ret_got);
	if (FY_UNLIKELY(r == -EAGAIN))
		r = get_waiting(box, wish, deadline, ret_got);
	if (FY_UNLIKELY(r < 0))
		return fy_judge(box, r);
	fy_wait_passed(box, FY_RECEIVER);
	/* RELAXED(a guess) */
	atomic_store_explicit(&box->last_cpu, fy_meta_cpu(ret_got->view.meta) + 1,
			      memory_order_relaxed);
	if (FY_UNLIKELY(r == TAKEN && fy_got_bytes(box, ret_got) < 0)) {
		(void)fy_got_finish(box, ret_got);
		return fy_judge(box, -FERRY_ECORRUPT);
	}
	return r;
}

static inline ssize_t receive(ferry_mailbox *box, void *buffer, size_t room,
			      struct ferry_message *ret_info, ferry_deadline deadline)
{
	unsigned char nothing;
	struct wish wish = { buffer ? buffer : &nothing, room };
	struct fy_got got;

	if (FY_UNLIKELY(!box || (!buffer && room > 0)))
		return -EINVAL;
	int r = fy_enter_receiving(box);
	if (FY_UNLIKELY(r < 0))
		return r;
	r = get(box, &wish, deadline, &got);
	if (FY_UNLIKELY(r < 0)) {
		if (r == -EMSGSIZE && ret_info)
			ret_info->size = got.view.size;
		return r;
	}
	if (FY_UNLIKELY(r == TAKEN)) {
		memcpy(wish.buffer, got.data, got.view.size);
		r = fy_got_finish(box, &got);
	}
	/* Pages that vanished under the copy read as zeros: not a message. */
	if (FY_UNLIKELY(r < 0 || fy_object_is_broken(&box->object)))
		return fy_judge(box, -FERRY_ECORRUPT);
	if (ret_info) {
		fy_describe(box, got.ring, got.spot.word, &got.view, ret_info);
		ret_info->data = buffer;
	}
	return (ssize_t)got.view.size;
}

ssize_t ferry_mailbox_receive(ferry_mailbox *box, void *buffer, size_t room,
			      ferry_deadline deadline)
{
	return receive(box, buffer, room, NULL, deadline);
}

ssize_t ferry_mailbox_receive_with(ferry_mailbox *box, void *buffer, size_t room,
				   struct ferry_message *ret_info, ferry_deadline deadline)
{
	return receive(box, buffer, room, ret_info, deadline);
}

ssize_t ferry_mailbox_receive_many(ferry_mailbox *box, struct ferry_message *messages, size_t n,
				   ferry_deadline deadline)
{
	ssize_t r = 0;
	size_t received;

	if (!box || (!messages && n > 0) || n > SSIZE_MAX)
		return -EINVAL;
	for (received = 0; received < n; received++) {
		struct ferry_message *m = &messages[received];
		r = receive(box, m->data, m->size, m, received == 0 ? deadline : FERRY_NOW);
		if (r < 0)
			break;
	}
	return received > 0 || n == 0 ? (ssize_t)received : r;
}

/* ---- in place ---- */

int ferry_mailbox_take(ferry_mailbox *box, struct ferry_message *ret_message,
		       ferry_deadline deadline)
{
	struct wish wish = { NULL, UINT64_MAX };
	struct fy_got got;

	if (!box || !ret_message)
		return -EINVAL;
	int r = fy_enter_receiving(box);
	if (r < 0)
		return r;
	r = get(box, &wish, deadline, &got);
	if (r < 0)
		return r;
	/* What was taken no longer counts as waiting. */
	fy_bell_ring(got.ring->room, FY_BELL_ONE, box->object.fd);
	fy_describe(box, got.ring, got.spot.word, &got.view, ret_message);
	ret_message->data = got.data;
	fy_held_taken(box, ret_message, &got);
	return 0;
}

int ferry_mailbox_done(ferry_mailbox *box, struct ferry_message *message)
{
	struct fy_got got;

	if (!box || !message)
		return -EINVAL;
	int r = fy_mailbox_enter(box, FY_NO_RECEIVING);
	if (r == 0)
		r = fy_held_check_taken(box, message, &got);
	if (r < 0)
		return r;
	fy_view_read(&got.spot, &got.view);
	if (fy_got_bytes(box, &got) < 0)
		got.extent.n = 0;
	r = fy_judge(box, fy_got_finish(box, &got));
	fy_held_clear(message);
	return r;
}

/* Give it back. `returning` tells whoever wants to clear `returned` that a cell is about to become
 * RETURNED (mailbox.md, "returned"). */
static int give_back(struct ferry_mailbox *box, struct fy_got *got)
{
	_Atomic uint32_t *returning = &box->object.members[fy_me(box) - 1].returning;
	int returned = 0;

	/* SYNC(member.returning) release: pairs with somebody_is_returning(). */
	(void)atomic_fetch_add_explicit(returning, 1, memory_order_seq_cst);
	fy_returned_set(box);
	while (!returned && fy_word_state(got->spot.word) == FY_TAKEN &&
	       fy_word_owner(got->spot.word) == fy_me(box)) {
		returned = fy_ring_return(got->ring, got->spot.cell, got->spot.word);
		got->spot.word = fy_word_load(got->spot.cell);
	}
	/* SYNC(member.returning) release: pairs with somebody_is_returning(). */
	(void)atomic_fetch_sub_explicit(returning, 1, memory_order_seq_cst);
	fy_bell_ring(box->arrival, FY_BELL_ONE, box->object.fd);
	return returned ? 0 : -FERRY_ESTALE;
}

int ferry_mailbox_return(ferry_mailbox *box, struct ferry_message *message)
{
	struct fy_got got;

	if (!box || !message)
		return -EINVAL;
	int r = fy_mailbox_enter(box, FY_NO_RECEIVING);
	if (r == 0)
		r = fy_held_check_taken(box, message, &got);
	if (r < 0)
		return r;
	r = give_back(box, &got);
	fy_held_clear(message);
	return r;
}

/* ---- peeking ---- */

/* As fy_copy_racy(), for any length. */
__attribute__((no_sanitize("thread"), noinline)) static void copy_racy(void *to, const void *from,
								       size_t n)
{
	const volatile uint8_t *f = from;
	volatile uint8_t *t = to;

	for (size_t i = 0; i < n; i++)
		t[i] = f[i];
}

/* Copy what is at spot. The size; -EAGAIN: it changed under us; -EMSGSIZE; -FERRY_ECORRUPT. */
static ssize_t peek_at(struct ferry_mailbox *box, struct fy_got *got, void *buffer, size_t room,
		       struct ferry_message *ret_info)
{
	int r = fy_got_bytes(box, got);
	int fits = got->view.size <= room;

	if (r == 0 && fits)
		copy_racy(buffer, got->data, got->view.size);
	/* SYNC(cell.word) acquire: the bytes were read before the word is read again. */
	atomic_thread_fence(memory_order_acquire);
	if (fy_word_load(got->spot.cell) != got->spot.word)
		return -EAGAIN;
	if (r < 0)
		return r;
	if (ret_info) {
		if (fits)
			fy_describe(box, got->ring, got->spot.word, &got->view, ret_info);
		ret_info->size = got->view.size;
		if (fits)
			ret_info->data = buffer;
	}
	return fits ? (ssize_t)got->view.size : -EMSGSIZE;
}

/* An observer may change nothing: look for the first message that has not expired. */
static int observe_ring(struct ferry_mailbox *box, struct fy_ring *ring, struct fy_got *got)
{
	uint64_t h = fy_hint(&ring->shm->head);

	for (uint64_t i = 0; i < fy_cells(box); i++, h++) {
		uint64_t lap = h >> box->cells_log2;
		got->spot.cell = fy_ring_cell(box, ring, h);
		got->spot.word = fy_word_load(got->spot.cell);
		got->ring = ring;
		if (got->spot.word != fy_word(lap, 0, 0, FY_FULL))
			continue;
		fy_view_read(&got->spot, &got->view);
		if (!fy_view_expired(&got->view))
			return FY_FRONT_FOUND;
	}
	return FY_FRONT_NONE;
}

static int observe(struct ferry_mailbox *box, struct fy_got *got)
{
	for (uint32_t level = box->levels; level-- > 0;) {
		got->ring = &box->rings[level];
		if (fy_ring_oldest_returned(box, got->ring, &got->spot)) {
			fy_view_read(&got->spot, &got->view);
			return FY_FRONT_FOUND;
		}
		if (observe_ring(box, got->ring, got) == FY_FRONT_FOUND)
			return FY_FRONT_FOUND;
	}
	return FY_FRONT_NONE;
}

/* The next message for a member; what has expired is thrown away on the way. */
static int look(struct ferry_mailbox *box, struct fy_got *got)
{
	uint32_t level;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		int r = find(box, &level, &got->spot);
		if (r != FY_FRONT_FOUND)
			return r;
		got->ring = &box->rings[level];
		fy_view_read(&got->spot, &got->view);
		if (!fy_view_expired(&got->view))
			return r;
		(void)fy_discard(box, got->ring, &got->spot, &got->view, &got->ring->shm->expired);
	}
	return FY_FRONT_NONE;
}

int fy_receive_look(struct ferry_mailbox *box)
{
	struct fy_got got;
	int front = look(box, &got);

	return front == FY_FRONT_FOUND ? 1 : front < 0 ? front : 0;
}

static ssize_t peek_now(struct ferry_mailbox *box, void *buffer, size_t room,
			struct ferry_message *ret_info)
{
	struct fy_got got;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		int front = box->flags & FERRY_OBSERVE ? observe(box, &got) : look(box, &got);
		if (front != FY_FRONT_FOUND)
			return front < 0 ? front : -EAGAIN;
		ssize_t r = peek_at(box, &got, buffer, room, ret_info);
		if (r != -EAGAIN)
			return r;
	}
	return -EAGAIN;
}

ssize_t ferry_mailbox_peek(ferry_mailbox *box, void *buffer, size_t room,
			   struct ferry_message *ret_info, ferry_deadline deadline)
{
	struct fy_waiter waiter;
	ssize_t r;

	if (!box || (!buffer && room > 0))
		return -EINVAL;
	int entered = fy_mailbox_enter(box, FERRY_SEND_ONLY);
	if (entered == 0 && !(box->flags & FERRY_OBSERVE))
		entered = fy_role_need(box, FY_RECEIVER);
	if (entered < 0)
		return entered;
	if (box->flags & FERRY_OBSERVE)
		return deadline == FERRY_NOW ? peek_now(box, buffer, room, ret_info) : -EINVAL;
	fy_wait_for_message(box, &waiter, deadline);
	while ((r = peek_now(box, buffer, room, ret_info)) == -EAGAIN) {
		r = fy_waiter_again(&waiter);
		if (r < 0)
			break;
	}
	/* The message stays: if a ring woke us, it was for somebody who takes it. */
	fy_waiter_over(&waiter, r >= 0, r >= 0 || r == -EMSGSIZE);
	return r < 0 ? fy_judge(box, (int)r) : r;
}
