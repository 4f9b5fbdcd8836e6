/* SPDX-License-Identifier: MIT */
/* send.c - sending: copy, many, and in place (loan, commit, cancel). */
#include "../base/options.h"
#include "../os/cpu.h"
#include "held.h"
#include "message.h"
#include "recover.h"
#include "role.h"
#include "wait.h"

#define REVOKED_MAX 1000 /* claims lost in one attempt before we call it "full" */

/* One message on its way out. */
struct parcel {
	const void *data; /* when the bytes go into the cell */
	uint64_t size;
	int64_t expiry; /* 0: never */
	uint32_t level;
	const struct fy_extent *extent; /* when they lie in units already; else NULL */
};

static inline void fill(struct fy_cell_shm *cell, const struct parcel *parcel, uint64_t meta)
{
	if (FY_UNLIKELY(parcel->extent != NULL)) {
		/* RELAXED(published with the word) */
		atomic_store_explicit(&cell->reference.offset, fy_extent_offset(parcel->extent),
				      memory_order_relaxed);
		/* RELAXED(published with the word) */
		atomic_store_explicit(&cell->reference.size, parcel->size, memory_order_relaxed);
		/* RELAXED(published with the word) */
		atomic_store_explicit(&cell->reference.expiry, (uint64_t)parcel->expiry,
				      memory_order_relaxed);
	} else {
		fy_bytes_in(cell, parcel->data, parcel->size);
		if (FY_UNLIKELY(parcel->expiry != 0))
			/* RELAXED(published with the word) */
			atomic_store_explicit(&cell->inlined.expiry, (uint64_t)parcel->expiry,
					      memory_order_relaxed);
	}
	fy_meta_store(cell, meta);
}

static inline uint64_t meta_of(const struct parcel *parcel, int64_t now)
{
	uint32_t flags =
	    (parcel->extent ? FY_META_REFERENCE : 0u) | (parcel->expiry ? FY_META_EXPIRES : 0u);

	return fy_meta(parcel->extent ? 0 : (uint32_t)parcel->size, flags, fy_cpu(), now);
}

/* A level's bit is set before its message is there, so it never is missing (mailbox.md, "Send"). */
static void announce_level(struct ferry_mailbox *box, uint32_t level)
{
	_Atomic uint64_t *levels = &box->shm->waiting_levels;
	/* RELAXED(the compare-and-swap checks it) */
	uint64_t seen = atomic_load_explicit(levels, memory_order_relaxed);
	uint64_t next;

	do {
		next = ((seen >> 32) + 1) << 32 | (seen & UINT32_MAX) | UINT64_C(1) << level;
		/* SYNC(mailbox.waiting_levels) release: pairs with fy_find() and its clearing. */
	} while (!atomic_compare_exchange_weak_explicit(levels, &seen, next, memory_order_seq_cst,
							memory_order_seq_cst));
}

/* We have begun, which the cell says: receivers that sleep soundly shall nap until we are done. */
static inline void rouse(const struct ferry_mailbox *box)
{
	if (box->one_to_one && FY_UNLIKELY(fy_mailbox_fenced_always(box)))
		/* SYNC(bell.sound) acq_rel: the plain store of fy_ring_begin() first, then the look
		 * whether somebody sleeps soundly; else the sleeper's barrier makes it so. */
		atomic_thread_fence(memory_order_seq_cst);
	else
		/* SYNC(bell.sound) acq_rel: for which the compiler must keep their order. */
		atomic_signal_fence(memory_order_seq_cst);
	fy_bell_rouse(box->arrival, box->object.fd);
}

/* Put a message into the ring. 0, -EAGAIN (full), -FERRY_ECORRUPT. */
static inline int put(struct ferry_mailbox *box, const struct parcel *parcel)
{
	struct fy_ring *ring = &box->rings[parcel->level];
	int64_t now = fy_now_coarse();
	uint64_t meta = meta_of(parcel, now);
	struct fy_spot spot;

	fy_care_sometimes(box, now);
	if (parcel->size > FY_FIRST_LINE)
		fy_prefetch_write(fy_second_line(fy_ring_cell(box, ring, fy_hint(&ring->tail))));
	for (int i = 0; i < REVOKED_MAX; i++) {
		int r = fy_ring_claim(box, ring, &spot);
		if (FY_UNLIKELY(r < 0))
			return r;
		rouse(box);
		if (FY_UNLIKELY(parcel->level > 0))
			announce_level(box, parcel->level);
		fill(spot.cell, parcel, fy_meta_of_lap(meta, spot.position >> box->cells_log2));
		if (FY_LIKELY(fy_ring_publish(box, ring, &spot))) {
			fy_ring_prefetch(box, ring, spot.position, parcel->size);
			if (box->one_to_one) {
				fy_bell_ring_after_store(box->arrival, FY_BELL_ONE, box->object.fd,
							 fy_mailbox_fenced(box, FY_RECEIVER));
				fy_wait_passed(box, FY_SENDER);
			} else {
				fy_bell_ring(box->arrival, FY_BELL_ONE, box->object.fd);
			}
			return 0;
		}
	}
	return -EAGAIN;
}

/* Throw away the first message of a ring, if it has expired or if any will do. 1: gone; 0. */
static int drop_first(struct ferry_mailbox *box, struct fy_ring *ring, int any)
{
	struct fy_spot spot;
	struct fy_view view;

	if (fy_ring_front(box, ring, &spot) != FY_FRONT_FOUND)
		return 0;
	fy_view_read(&spot, &view);
	if (fy_view_expired(&view))
		return fy_discard(box, ring, &spot, &view, &ring->shm->expired);
	return any && fy_discard(box, ring, &spot, &view, &ring->shm->dropped);
}

/* Make room in a full ring without waiting, where that is allowed. 1: try again; 0. */
static int make_room(struct ferry_mailbox *box, uint32_t level)
{
	/* One to one, nothing that is in the mailbox is the sender's to take away. */
	return !box->one_to_one && drop_first(box, &box->rings[level], box->drop_oldest);
}

/* In a drop-oldest mailbox nobody waits: when even dropping gives nothing, that is said. */
static ferry_deadline patience(const struct ferry_mailbox *box, ferry_deadline deadline)
{
	return box->drop_oldest ? FERRY_NOW : deadline;
}

static int no_room(const struct ferry_mailbox *box, int r)
{
	return r == -EAGAIN && box->drop_oldest ? -ENOBUFS : r;
}

FY_COLD static int put_waiting(struct ferry_mailbox *box, const struct parcel *parcel,
			       ferry_deadline deadline)
{
	struct fy_ring *ring = &box->rings[parcel->level];
	struct fy_waiter waiter;
	int r;

	fy_wait_for_room(box, &waiter, parcel->level, patience(box, deadline));
	while ((r = put(box, parcel)) == -EAGAIN) {
		if (make_room(box, parcel->level))
			continue;
		r = fy_waiter_again(&waiter);
		if (r < 0)
			break;
		if (waiter.slept)
			fy_ring_count_anew(ring);
	}
	fy_waiter_over(&waiter, r == 0, waiter.slept && fy_ring_has_room(box, ring));
	return no_room(box, r);
}

static int allocate_waiting(struct ferry_mailbox *box, uint64_t size, uint32_t level,
			    ferry_deadline deadline, struct fy_extent *ret_extent)
{
	struct fy_waiter waiter;
	int r = fy_memory_allocate(box, size, ret_extent);

	if (FY_LIKELY(r == 0))
		return 0;
	fy_wait_for_memory(box, &waiter, patience(box, deadline));
	while ((r = fy_memory_allocate(box, size, ret_extent)) == -EAGAIN) {
		if (make_room(box, level))
			continue;
		r = fy_waiter_again(&waiter);
		if (r < 0)
			break;
	}
	fy_waiter_over(&waiter, r == 0, 0);
	return no_room(box, r);
}

/* A message that does not fit into a cell: write it into units first, then send where they are. */
FY_COLD static int send_large(struct ferry_mailbox *box, struct parcel *parcel,
			      ferry_deadline deadline)
{
	struct fy_extent extent;
	int r = allocate_waiting(box, parcel->size, parcel->level, deadline, &extent);

	if (r < 0)
		return r;
	memcpy(box->object.base + fy_extent_offset(&extent), parcel->data, parcel->size);
	parcel->extent = &extent;
	r = put(box, parcel);
	if (r == -EAGAIN)
		r = put_waiting(box, parcel, deadline);
	if (r < 0)
		fy_memory_free(box, &extent);
	parcel->extent = NULL;
	return r;
}

/* What fits into a cell beside its expiry, if it has one. */
static int is_small(const struct parcel *parcel)
{
	return parcel->size <= FY_CELL_PAYLOAD - (parcel->expiry ? sizeof(uint64_t) : 0);
}

static int send_parcel(struct ferry_mailbox *box, struct parcel *parcel, ferry_deadline deadline)
{
	if (FY_UNLIKELY(parcel->size > box->max_size))
		return -EMSGSIZE;
	if (!is_small(parcel))
		return fy_judge(box, send_large(box, parcel, deadline));
	int r = put(box, parcel);
	if (FY_LIKELY(r == 0))
		return 0;
	if (r == -EAGAIN)
		r = put_waiting(box, parcel, deadline);
	return fy_judge(box, r);
}

int ferry_mailbox_send(ferry_mailbox *box, const void *data, size_t size, ferry_deadline deadline)
{
	struct parcel parcel = { .data = data, .size = size };

	if (FY_UNLIKELY(!box || (!data && size > 0)))
		return -EINVAL;
	int r = fy_enter_sending(box);
	return FY_UNLIKELY(r < 0) ? r : send_parcel(box, &parcel, deadline);
}

/* The time at which a message with that time to live expires. */
static int expiry_of(int64_t ttl, int64_t *ret_expiry)
{
	if (ttl < 0)
		return -EINVAL;
	if (ttl == 0)
		*ret_expiry = 0;
	else if (__builtin_add_overflow(fy_now(), ttl, ret_expiry))
		*ret_expiry = INT64_MAX;
	return 0;
}

int ferry_mailbox_send_with(ferry_mailbox *box, const void *data, size_t size,
			    const struct ferry_send_options *options, ferry_deadline deadline)
{
	struct parcel parcel = { .data = data, .size = size };
	struct ferry_send_options chosen = { 0 };
	int r;

	if (!box || (!data && size > 0))
		return -EINVAL;
	r = fy_options_copy(&chosen, sizeof(chosen), options);
	if (r < 0)
		return r;
	r = fy_enter_sending(box);
	if (r < 0)
		return r;
	parcel.level = chosen.priority;
	if (chosen.priority >= box->levels || expiry_of(chosen.ttl, &parcel.expiry) < 0)
		return -EINVAL;
	return send_parcel(box, &parcel, deadline);
}

ssize_t ferry_mailbox_send_many(ferry_mailbox *box, const struct ferry_message *messages, size_t n,
				ferry_deadline deadline)
{
	int r = 0;
	size_t sent;

	if (!box || (!messages && n > 0) || n > SSIZE_MAX)
		return -EINVAL;
	r = fy_enter_sending(box);
	if (r < 0)
		return r;
	for (sent = 0; sent < n; sent++) {
		const struct ferry_message *m = &messages[sent];
		struct parcel parcel = { .data = m->data, .size = m->size, .level = m->priority };
		if ((!m->data && m->size > 0) || m->priority >= box->levels ||
		    expiry_of(m->ttl, &parcel.expiry) < 0)
			r = -EINVAL;
		else
			r = send_parcel(box, &parcel, deadline);
		if (r < 0)
			break;
	}
	return sent > 0 || n == 0 ? (ssize_t)sent : r;
}

/* ---- in place ---- */

int ferry_mailbox_loan(ferry_mailbox *box, size_t size, struct ferry_message *ret_loan,
		       ferry_deadline deadline)
{
	struct fy_extent extent;

	if (!box || !ret_loan)
		return -EINVAL;
	int r = fy_enter_sending(box);
	if (r < 0)
		return r;
	if (size > box->max_size)
		return -EMSGSIZE;
	r = fy_judge(box, allocate_waiting(box, size ? size : 1, 0, deadline, &extent));
	if (r < 0)
		return r;
	*ret_loan = (struct ferry_message){
		.data = box->object.base + fy_extent_offset(&extent),
		.size = size,
	};
	fy_held_loan(box, ret_loan, &extent, size);
	return 0;
}

/* Free the units of a loan behind the bytes that were sent; nobody refers to them. */
static void free_rest(struct ferry_mailbox *box, const struct fy_extent *loan, uint64_t sent)
{
	uint32_t used = fy_memory_units(loan->tier, sent);
	struct fy_extent rest = { loan->tier, loan->first + used, loan->n - used };

	fy_memory_free(box, &rest);
}

static int commit_parcel(struct ferry_mailbox *box, struct parcel *parcel,
			 const struct fy_extent *extent, ferry_deadline deadline)
{
	int in_cell = is_small(parcel);

	if (!in_cell)
		parcel->extent = extent;
	int r = put(box, parcel);
	if (r == -EAGAIN)
		r = put_waiting(box, parcel, deadline);
	if (r == 0)
		free_rest(box, extent, in_cell ? 0 : parcel->size);
	parcel->extent = NULL;
	return r;
}

int ferry_mailbox_commit(ferry_mailbox *box, struct ferry_message *loan, ferry_deadline deadline)
{
	struct fy_extent extent;
	struct parcel parcel;

	if (!box || !loan)
		return -EINVAL;
	int r = fy_mailbox_enter(box, FY_NO_SENDING);
	if (r == 0)
		r = fy_held_check_loan(box, loan, &extent);
	if (r < 0)
		return r;
	parcel = (struct parcel){ .data = loan->data, .size = loan->size, .level = loan->priority };
	if (loan->size > fy_held_loan_size(loan))
		return -EMSGSIZE;
	if (loan->priority >= box->levels || expiry_of(loan->ttl, &parcel.expiry) < 0)
		return -EINVAL;
	if (!fy_memory_lock_in(box, &extent))
		return -FERRY_ESTALE;
	r = fy_judge(box, commit_parcel(box, &parcel, &extent, deadline));
	if (r < 0)
		fy_memory_adopt(box, &extent);
	else
		fy_held_clear(loan);
	return r;
}

int ferry_mailbox_cancel(ferry_mailbox *box, struct ferry_message *loan)
{
	struct fy_extent extent;

	if (!box || !loan)
		return -EINVAL;
	int r = fy_mailbox_enter(box, FY_NO_SENDING);
	if (r == 0)
		r = fy_held_check_loan(box, loan, &extent);
	if (r < 0)
		return r;
	if (!fy_memory_lock_in(box, &extent))
		return -FERRY_ESTALE;
	fy_memory_free(box, &extent);
	fy_held_clear(loan);
	return 0;
}
