/* SPDX-License-Identifier: MIT */
/* queue.c - see queue.h. */
#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>

#define REAL_TIME_SIGNALS (FY_SIGNALS - FY_REAL_TIME + 1)

/* States of a standard signal's place. Anything but EMPTY makes an equal signal merge: also while
 * it is being taken, since whoever takes it has not acted on it yet. */
enum place_state { EMPTY = 0, WRITING = 1, FULL = 2, TAKING = 3 };

struct place {
	alignas(64) _Atomic uint32_t state;
	struct fy_signal_record record;
};

/* The cell for position p may be written when turn is twice p's lap, read when it is one more. */
struct cell {
	alignas(64) _Atomic uint64_t turn;
	struct fy_signal_record record;
};

struct ring {
	alignas(64) _Atomic uint64_t tail; /* next position to write */
	alignas(64) _Atomic uint64_t head; /* next position to read */
	struct cell cells[FY_QUEUE_RING];
};

struct memory {
	alignas(64) unsigned char extra[FY_QUEUE_EXTRA];
	alignas(64) _Atomic uint64_t waiting; /* bit set: look there */
	struct place places[FY_REAL_TIME];
	struct ring rings[REAL_TIME_SIGNALS];
};

static struct memory *memory;
static int init_error;

static void make_memory(void)
{
	void *p = mmap(NULL, sizeof(struct memory), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || madvise(p, sizeof(struct memory), MADV_WIPEONFORK) != 0) {
		init_error = -errno;
		return;
	}
	memory = p;
}

int fy_queue_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, make_memory);
	return init_error;
}

void *fy_queue_extra(void)
{
	return memory->extra;
}

static struct ring *ring_of(int signo)
{
	return &memory->rings[signo - FY_REAL_TIME];
}

static void announce(int signo)
{
	/* SYNC(signal.waiting) release: pairs with the acquire in fy_queue_waiting(). Sequentially
	 * consistent: we set the bit and then look for waiters; a waiter registers and then looks
	 * at the bits; one of the two must see the other. */
	(void)atomic_fetch_or_explicit(&memory->waiting, fy_signal_bit(signo),
				       memory_order_seq_cst);
}

static void withdraw(int signo)
{
	/* SYNC(signal.waiting) acq_rel: pairs with announce(). Sequentially consistent, since the
	 * ring is looked at again after it: what was put in before is seen then, what comes later
	 * sets the bit again. */
	(void)atomic_fetch_and_explicit(&memory->waiting, ~fy_signal_bit(signo),
					memory_order_seq_cst);
}

uint64_t fy_queue_waiting(void)
{
	/* SYNC(signal.waiting) acquire: pairs with announce(). */
	return atomic_load_explicit(&memory->waiting, memory_order_seq_cst);
}

/* ---- standard signals ---- */

static int place_put(const struct fy_signal_record *record)
{
	struct place *place = &memory->places[record->signo];
	uint32_t state = EMPTY;

	/* SYNC(signal.place) acquire: pairs with the release in place_take(): its reading is over.
	 */
	if (!atomic_compare_exchange_strong_explicit(&place->state, &state, WRITING,
						     memory_order_acquire, memory_order_relaxed))
		return 0; /* merged */
	place->record = *record;
	/* SYNC(signal.place) release: pairs with the acquire in place_take(). */
	atomic_store_explicit(&place->state, FULL, memory_order_release);
	announce(record->signo);
	return 0;
}

static int place_take(int signo, struct fy_signal_record *ret_record)
{
	struct place *place = &memory->places[signo];
	uint32_t state = FULL;

	/* SYNC(signal.place) acquire: pairs with the release in place_put(): the record is whole.
	 */
	if (!atomic_compare_exchange_strong_explicit(&place->state, &state, TAKING,
						     memory_order_acquire, memory_order_relaxed))
		return 0;
	*ret_record = place->record;
	/* SYNC(signal.place) release: pairs with the acquire in place_put(). */
	atomic_store_explicit(&place->state, EMPTY, memory_order_release);
	return 1;
}

/* ---- real-time signals ---- */

static uint64_t lap_of(uint64_t position)
{
	return position / FY_QUEUE_RING;
}

/* Claim the position at an end of the ring whose cell has the turn 2 * lap + full. NULL: that cell
 * is not so far (full when we want to write, empty when we want to read). */
static struct cell *claim(struct ring *ring, _Atomic uint64_t *end, uint64_t full,
			  uint64_t *ret_position)
{
	/* RELAXED(the cell's turn decides) */
	uint64_t position = atomic_load_explicit(end, memory_order_relaxed);

	for (;;) {
		struct cell *cell = &ring->cells[position % FY_QUEUE_RING];
		/* SYNC(signal.turn) acquire: pairs with the release in release(): the record is
		 * whole, or has been read. */
		uint64_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
		uint64_t want = 2 * lap_of(position) + full;
		if (turn == want) {
			/* RELAXED(hands out positions; the cell's turn orders the bytes) */
			if (atomic_compare_exchange_weak_explicit(end, &position, position + 1,
								  memory_order_relaxed,
								  memory_order_relaxed)) {
				*ret_position = position;
				return cell;
			}
		} else if (turn < want) {
			return NULL;
		} else {
			/* RELAXED(the cell's turn decides) */
			position = atomic_load_explicit(end, memory_order_relaxed);
		}
	}
}

static void release(struct cell *cell, uint64_t turn)
{
	/* SYNC(signal.turn) release: pairs with the acquire in claim(). */
	atomic_store_explicit(&cell->turn, turn, memory_order_release);
}

uint32_t fy_queue_count(int signo)
{
	const struct ring *ring = ring_of(signo);
	/* RELAXED(a guess) */
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	/* RELAXED(a guess) */
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	return tail > head ? (uint32_t)(tail - head) : 0;
}

static int ring_put(const struct fy_signal_record *record)
{
	struct ring *ring = ring_of(record->signo);
	uint64_t position;
	struct cell *cell = claim(ring, &ring->tail, 0, &position);

	if (!cell)
		return -EAGAIN;
	cell->record = *record;
	release(cell, 2 * lap_of(position) + 1);
	announce(record->signo);
	return fy_queue_count(record->signo) > FY_QUEUE_ROOM;
}

static int ring_take(int signo, struct fy_signal_record *ret_record)
{
	uint64_t position;
	struct ring *ring = ring_of(signo);
	struct cell *cell = claim(ring, &ring->head, 1, &position);

	if (!cell)
		return 0;
	*ret_record = cell->record;
	release(cell, 2 * (lap_of(position) + 1));
	return 1;
}

/* ---- both ---- */

int fy_queue_put(const struct fy_signal_record *record)
{
	return record->signo < FY_REAL_TIME ? place_put(record) : ring_put(record);
}

static int take_one(int signo, struct fy_signal_record *ret_record)
{
	return signo < FY_REAL_TIME ? place_take(signo, ret_record) : ring_take(signo, ret_record);
}

int fy_queue_take(uint64_t set, struct fy_signal_record *ret_record)
{
	for (uint64_t left = fy_queue_waiting() & set; left != 0; left &= left - 1) {
		int signo = fy_signal_lowest(left);
		if (take_one(signo, ret_record))
			return 1;
		/* Empty; or a put is under way, and then it sets the bit itself. */
		withdraw(signo);
		if (take_one(signo, ret_record)) {
			announce(signo);
			return 2;
		}
	}
	return 0;
}

static int is_ready(int signo)
{
	if (signo < FY_REAL_TIME)
		/* RELAXED(a look; who takes it makes sure) */
		return atomic_load_explicit(&memory->places[signo].state, memory_order_relaxed) ==
		       FULL;
	struct ring *ring = ring_of(signo);
	/* RELAXED(a look; who takes it makes sure) */
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	/* RELAXED(as above) */
	return atomic_load_explicit(&ring->cells[head % FY_QUEUE_RING].turn,
				    memory_order_relaxed) == 2 * lap_of(head) + 1;
}

uint64_t fy_queue_ready(void)
{
	uint64_t ready = fy_queue_waiting();

	for (uint64_t left = ready; left != 0; left &= left - 1)
		if (!is_ready(fy_signal_lowest(left)))
			ready &= ~fy_signal_bit(fy_signal_lowest(left));
	return ready;
}

static void add_by_signal(struct fy_signal_record *record, const siginfo_t *info)
{
	if (record->signo == SIGCHLD) {
		record->pid = info->si_pid;
		record->uid = info->si_uid;
		record->status = info->si_status;
	} else if (record->signo == SIGIO) {
		record->payload = info->si_fd;
	} else if (record->signo == SIGTRAP) {
		record->address = (uintptr_t)info->si_addr;
	}
}

void fy_record_from(struct fy_signal_record *ret_record, const siginfo_t *info)
{
	struct fy_signal_record record = { .signo = info->si_signo, .code = info->si_code };

	if (record.code == SI_USER || record.code == SI_TKILL) {
		record.pid = info->si_pid;
		record.uid = info->si_uid;
	} else if (record.code == SI_TIMER) {
		record.payload = (intptr_t)info->si_value.sival_ptr;
	} else if (record.code < 0) {
		record.pid = info->si_pid;
		record.uid = info->si_uid;
		record.payload = (intptr_t)info->si_value.sival_ptr;
	} else {
		add_by_signal(&record, info);
	}
	*ret_record = record;
}
