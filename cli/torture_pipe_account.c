/* SPDX-License-Identifier: MIT */
/* torture_pipe_account.c - see torture_pipe_account.h. */
#include "torture_pipe_account.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

enum state {
	UNUSED,
	WRITING,
	OVER,     /* `returned` units are in */
	DOUBTFUL, /* its writer died: any number from the first on, or if atomic all or none */
};

/* Units of a record, counted and added up: two of one and none of another do not go unseen. */
#define ONE_UNIT(index) (UINT64_C(1) << 32 | ((index) + UINT64_C(1)))

static uint64_t first_units(uint64_t n)
{
	return n << 32 | n * (n + 1) / 2;
}

static bool is_atomic(uint32_t units)
{
	return units <= PIPE_ACCOUNT_ATOMIC;
}

static uint32_t count(uint64_t units)
{
	return (uint32_t)(units >> 32);
}

struct slot {
	_Atomic uint64_t number; /* + 1; 0 = none yet */
	_Atomic uint32_t state;
	uint32_t units;
	_Atomic uint32_t returned;
	_Atomic uint64_t came;    /* out */
	_Atomic uint64_t perhaps; /* lay in the buffers of dead readers */
	uint64_t began;           /* ns */
	_Atomic uint64_t ended;   /* ns; 0 = not that we know */
};

struct stream {
	_Alignas(64) _Atomic uint64_t next;                      /* number */
	_Alignas(64) _Atomic uint64_t newest;                    /* as in pipe_account_view */
	_Atomic uint64_t came, doubtful, absent, records, taken; /* of settled records */
};

struct pipe_account {
	struct pipe_account_plan plan;
	size_t bytes;
	_Alignas(64) _Atomic uint64_t begun;
	struct stream streams[PIPE_ACCOUNT_STREAMS_MAX];
	_Atomic uint64_t doors[PIPE_ACCOUNT_SEATS_MAX];
	struct slot slots[];
};

struct pipe_account *pipe_account_make(const struct pipe_account_plan *plan)
{
	size_t bytes = sizeof(struct pipe_account) +
		       (size_t)plan->streams * plan->window * sizeof(struct slot);
	struct pipe_account *a = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (a == MAP_FAILED)
		return NULL;
	a->plan = *plan;
	a->bytes = bytes;
	return a;
}

void pipe_account_unmake(struct pipe_account *a)
{
	if (a)
		munmap(a, a->bytes);
}

static struct slot *slot_of(struct pipe_account *a, uint32_t stream, uint64_t number)
{
	return &a->slots[(size_t)stream * a->plan.window + number % a->plan.window];
}

static void raise_to(_Atomic uint64_t *to, uint64_t value)
{
	uint64_t seen = atomic_load(to);

	while (seen < value && !atomic_compare_exchange_weak(to, &seen, value))
		;
}

/* ---- settling a record ---- */

static void judge_over(struct pipe_account *a, uint32_t stream, const struct slot *slot)
{
	uint64_t came = slot->came, right = first_units(slot->returned);
	uint32_t missing = count(came) < slot->returned ? slot->returned - count(came) : 0;

	if (count(came) > slot->returned)
		faults_report(a->plan.faults, FAULT_DUPLICATE,
			      "record %" PRIu64 " of writer %u: %u units came out, %u were written",
			      slot->number - 1, stream, count(came), slot->returned);
	else if (missing > count(slot->perhaps))
		faults_report(a->plan.faults, FAULT_LOST,
			      "record %" PRIu64 " of writer %u: %u of %u units never came out",
			      slot->number - 1, stream, missing, slot->returned);
	else if (missing == 0 && came != right)
		faults_report(a->plan.faults, FAULT_DUPLICATE,
			      "record %" PRIu64
			      " of writer %u: a unit came twice, and another never",
			      slot->number - 1, stream);
}

/* Of a write that was killed a beginning has come out; of an atomic one, all or nothing. */
static void judge_doubtful(struct pipe_account *a, uint32_t stream, const struct slot *slot)
{
	uint64_t came = slot->came;
	uint32_t n = count(came), perhaps = count(slot->perhaps);

	if (is_atomic(slot->units) && n > 0 && slot->units - n > perhaps)
		faults_report(a->plan.faults, FAULT_TORN,
			      "record %" PRIu64
			      " of writer %u, killed: %u of its %u units came out",
			      slot->number - 1, stream, n, slot->units);
	else if (perhaps == 0 && came != first_units(n))
		faults_report(a->plan.faults, FAULT_TORN,
			      "record %" PRIu64 " of writer %u, killed: not its beginning came out",
			      slot->number - 1, stream);
}

/* Nothing more can come of it. */
static void settle(struct pipe_account *a, uint32_t stream, struct slot *slot)
{
	struct stream *s = &a->streams[stream];
	uint32_t n = count(slot->came);

	if (slot->state == OVER)
		judge_over(a, stream, slot);
	else
		judge_doubtful(a, stream, slot);
	s->came += n;
	s->records += slot->state != OVER || slot->returned > 0;
	s->doubtful += slot->state != OVER && n > 0;
	s->absent += slot->state != OVER && n == 0;
	s->taken += slot->state == OVER && slot->returned > n ? slot->returned - n : 0;
	slot->state = UNUSED;
}

/* ---- writers ---- */

/* Can the slot have another record? Those that a death left open are never used again, for what is
 * missing may come yet. 1: yes; 0: never; -EAGAIN: not yet. */
static int make_free(struct pipe_account *a, uint32_t stream, struct slot *slot)
{
	uint32_t state = atomic_load(&slot->state), n = count(atomic_load(&slot->came));

	if (state == UNUSED)
		return 1;
	if (state == DOUBTFUL && n < slot->units)
		return 0;
	if (state == OVER && n < slot->returned)
		return count(atomic_load(&slot->perhaps)) ? 0 : -EAGAIN;
	settle(a, stream, slot);
	return 1;
}

int64_t pipe_account_begin(struct pipe_account *a, uint32_t stream, uint32_t units)
{
	struct stream *s = &a->streams[stream];
	uint64_t number = atomic_load(&s->next);
	struct slot *slot = slot_of(a, stream, number);
	int r = 0;

	for (uint32_t i = 0; i < a->plan.window; i++) {
		r = make_free(a, stream, slot);
		if (r != 0)
			break;
		slot = slot_of(a, stream, ++number);
	}
	if (r <= 0)
		return -EAGAIN;
	atomic_store(&slot->came, 0);
	atomic_store(&slot->perhaps, 0);
	atomic_store(&slot->ended, 0);
	atomic_store(&slot->returned, 0);
	slot->units = units;
	slot->began = now_ns();
	/* Whoever dies here has begun nothing: the next one begins this number again. */
	atomic_store(&slot->number, number + 1);
	atomic_store(&slot->state, WRITING);
	atomic_store(&s->next, number + 1);
	return (int64_t)number;
}

static uint32_t check_of(const struct pipe_account_unit *unit)
{
	uint64_t z = (unit->id + 1) * UINT64_C(0x9e3779b97f4a7c15) +
		     ((uint64_t)unit->index << 16 | unit->last) * UINT64_C(0xd6e8feb86659fd93);

	return (uint32_t)((z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 32);
}

void pipe_account_compose(void *to, uint32_t stream, uint64_t number, uint32_t units)
{
	struct pipe_account_unit unit = { .id = (uint64_t)stream << 48 | number,
					  .last = (uint16_t)(units - 1) };

	for (uint32_t i = 0; i < units; i++) {
		unit.index = (uint16_t)i;
		unit.check = check_of(&unit);
		memcpy((char *)to + i * sizeof unit, &unit, sizeof unit);
	}
}

void pipe_account_wrote(struct pipe_account *a, uint32_t stream, uint64_t number, uint32_t units)
{
	struct slot *slot = slot_of(a, stream, number);

	if (is_atomic(slot->units) && units != 0 && units != slot->units)
		faults_report(a->plan.faults, FAULT_TORN,
			      "an atomic write of %u units returned %u of them", slot->units,
			      units);
	atomic_store(&slot->returned, units);
	atomic_store(&slot->ended, now_ns());
	atomic_store(&slot->state, OVER);
}

void pipe_account_doubt(struct pipe_account *a, uint32_t stream, uint64_t number)
{
	atomic_store(&slot_of(a, stream, number)->state, DOUBTFUL);
}

void pipe_account_bury_writer(struct pipe_account *a, uint32_t stream)
{
	uint64_t next = atomic_load(&a->streams[stream].next);

	if (next > 0 && atomic_load(&slot_of(a, stream, next - 1)->state) == WRITING)
		pipe_account_doubt(a, stream, next - 1);
}

/* ---- readers ---- */

static uint32_t stream_of(const struct pipe_account_unit *unit)
{
	return (uint32_t)(unit->id >> 48);
}

static uint64_t number_of(const struct pipe_account_unit *unit)
{
	return unit->id & UINT64_C(0xffffffffffff);
}

void pipe_account_look(const struct pipe_account *a, struct pipe_account_view *view)
{
	view->begun = atomic_load(&a->begun);
	for (uint32_t i = 0; i < a->plan.streams; i++)
		view->newest[i] = atomic_load(&a->streams[i].newest);
}

static bool is_sound(const struct pipe_account *a, const struct pipe_account_unit *unit)
{
	return stream_of(unit) < a->plan.streams && unit->index <= unit->last &&
	       unit->check == check_of(unit);
}

/* The slot of a sound unit, if its record is being written or not settled; else that is a fault. */
static struct slot *recognise(struct pipe_account *a, const struct pipe_account_unit *unit)
{
	uint32_t stream = stream_of(unit);
	struct slot *slot = slot_of(a, stream, number_of(unit));
	uint64_t number = atomic_load(&slot->number);

	if (number == number_of(unit) + 1 && slot->units == unit->last + 1u)
		return slot;
	faults_report(a->plan.faults, number > number_of(unit) + 1 ? FAULT_DUPLICATE : FAULT_STRAY,
		      "unit %u of record %" PRIu64 " of writer %u came out, though the record %s",
		      unit->index, number_of(unit), stream,
		      number > number_of(unit) + 1 ? "had come before" : "was never begun");
	return NULL;
}

/* Two units that came out one after the other in one piece of the stream. No other stands between
 * those of an atomic record. */
static void judge_neighbours(struct pipe_account *a, const struct pipe_account_unit *first,
			     const struct pipe_account_unit *then)
{
	bool goes_on = then->id == first->id && then->index == first->index + 1;
	bool cut = (is_atomic(first->last + 1u) && first->index != first->last) ||
		   (is_atomic(then->last + 1u) && then->index != 0);

	if (!goes_on && cut)
		faults_report(a->plan.faults, FAULT_TORN,
			      "record %" PRIu64
			      " of writer %u (unit %u) is mixed with record %" PRIu64
			      " of writer %u (unit %u)",
			      number_of(first), stream_of(first), first->index, number_of(then),
			      stream_of(then), then->index);
}

/*
 * In order: each writer's units one after the other; and a record that was written before another
 * was begun, before that one. What a reader knows to have come out before is what had come out when
 * its call began, and what came before in the same call.
 */
static void judge_place(struct pipe_account *a, struct pipe_account_view *view,
			const struct pipe_account_unit *unit)
{
	uint32_t stream = stream_of(unit);
	uint64_t place = number_of(unit) << 16 | unit->index, newest = view->newest[stream];

	if (place >= newest)
		view->newest[stream] = place + 1;
	else
		faults_report(a->plan.faults, FAULT_REORDERED,
			      "unit %u of record %" PRIu64 " of writer %u came after unit %" PRIu64
			      " of record %" PRIu64,
			      unit->index, number_of(unit), stream, (newest - 1) & 0xffff,
			      (newest - 1) >> 16);
}

static void judge_time(struct pipe_account *a, struct pipe_account_view *view,
		       const struct pipe_account_unit *unit, const struct slot *slot)
{
	uint64_t ended = atomic_load(&slot->ended);

	if (ended != 0 && ended < view->begun)
		faults_report(a->plan.faults, FAULT_REORDERED,
			      "record %" PRIu64
			      " of writer %u came after one that was begun %" PRIu64
			      " ns after its end",
			      number_of(unit), stream_of(unit), view->begun - ended);
	if (slot->began > view->begun)
		view->begun = slot->began;
}

static void count_unit(struct pipe_account *a, const struct pipe_account_unit *unit,
		       struct slot *slot)
{
	uint32_t state = atomic_load(&slot->state);

	if (state == OVER && unit->index >= atomic_load(&slot->returned)) {
		faults_report(a->plan.faults, FAULT_STRAY,
			      "unit %u of record %" PRIu64 " of writer %u was not written",
			      unit->index, number_of(unit), stream_of(unit));
		return;
	}
	atomic_fetch_add(&slot->came, ONE_UNIT(unit->index));
	if (state == UNUSED)
		faults_report(a->plan.faults, FAULT_DUPLICATE,
			      "unit %u of record %" PRIu64 " of writer %u came again", unit->index,
			      number_of(unit), stream_of(unit));
}

/* Look at unit after unit; took: they are out of the pipe. */
static void see_units(struct pipe_account *a, struct pipe_account_view *view, const void *bytes,
		      size_t size, bool took)
{
	struct pipe_account_unit last, unit;
	bool has_last = false;

	for (size_t i = 0; i < size / sizeof unit; i++, has_last = true, last = unit) {
		memcpy(&unit, (const char *)bytes + i * sizeof unit, sizeof unit);
		if (!is_sound(a, &unit)) {
			faults_report(a->plan.faults, FAULT_TORN,
				      "unit %zu of %zu bytes is none that was written", i, size);
			return;
		}
		if (has_last)
			judge_neighbours(a, &last, &unit);
		judge_place(a, view, &unit);
		struct slot *slot = took ? recognise(a, &unit) : NULL;
		if (!slot)
			continue;
		judge_time(a, view, &unit, slot);
		count_unit(a, &unit, slot);
	}
	if (size % sizeof unit != 0)
		faults_report(a->plan.faults, FAULT_TORN, "%zu bytes came out: part of a unit",
			      size);
}

void pipe_account_saw(struct pipe_account *a, struct pipe_account_view *view, const void *bytes,
		      size_t size)
{
	see_units(a, view, bytes, size, false);
}

void pipe_account_read(struct pipe_account *a, struct pipe_account_view *view, const void *bytes,
		       size_t size)
{
	see_units(a, view, bytes, size, true);
	raise_to(&a->begun, view->begun);
	for (uint32_t i = 0; i < a->plan.streams; i++)
		raise_to(&a->streams[i].newest, view->newest[i]);
}

void pipe_account_found(struct pipe_account *a, const void *bytes, size_t size)
{
	struct pipe_account_unit unit;

	for (size_t i = 0; i < size / sizeof unit; i++) {
		memcpy(&unit, (const char *)bytes + i * sizeof unit, sizeof unit);
		if (!is_sound(a, &unit))
			continue;
		struct slot *slot = slot_of(a, stream_of(&unit), number_of(&unit));
		if (atomic_load(&slot->number) == number_of(&unit) + 1)
			atomic_fetch_add(&slot->perhaps, ONE_UNIT(unit.index));
	}
}

/* ---- doors: bit 0 open, bit 1 condemned, the rest counts ---- */

static void set_door(struct pipe_account *a, uint32_t seat, uint64_t bits, uint64_t unless)
{
	uint64_t seen = atomic_load(&a->doors[seat]);

	while (!(seen & unless) && !atomic_compare_exchange_weak(
				       &a->doors[seat], &seen, ((seen & ~UINT64_C(3)) + 4) | bits))
		;
}

void pipe_account_seat(struct pipe_account *a, uint32_t seat)
{
	set_door(a, seat, 0, 0);
}

void pipe_account_opened(struct pipe_account *a, uint32_t seat)
{
	set_door(a, seat, 1, 2);
}

void pipe_account_closing(struct pipe_account *a, uint32_t seat)
{
	set_door(a, seat, 0, 2);
}

void pipe_account_condemn(struct pipe_account *a, uint32_t seat)
{
	set_door(a, seat, 2, 0);
}

void pipe_account_look_at_doors(const struct pipe_account *a, struct pipe_account_doors *doors)
{
	for (uint32_t i = 0; i < a->plan.seats; i++)
		doors->word[i] = atomic_load(&a->doors[i]);
}

int64_t pipe_account_open_since(const struct pipe_account *a,
				const struct pipe_account_doors *doors,
				bool (*wanted)(const void *context, uint32_t seat),
				const void *context)
{
	for (uint32_t i = 0; i < a->plan.seats; i++)
		if ((doors->word[i] & 1) && atomic_load(&a->doors[i]) == doors->word[i] &&
		    wanted(context, i))
			return i;
	return -1;
}

/* ---- the reckoning ---- */

void pipe_account_close(struct pipe_account *a, struct pipe_account_sum *ret_sum)
{
	struct pipe_account_sum sum = { 0 };

	for (uint32_t stream = 0; stream < a->plan.streams; stream++) {
		struct stream *s = &a->streams[stream];
		for (uint32_t i = 0; i < a->plan.window; i++) {
			struct slot *slot = slot_of(a, stream, i);
			if (slot->state != UNUSED)
				settle(a, stream, slot);
		}
		sum.records += s->records;
		sum.units += s->came;
		sum.doubtful += s->doubtful;
		sum.absent += s->absent;
		sum.taken += s->taken;
	}
	*ret_sum = sum;
}
