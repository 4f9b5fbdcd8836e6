/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - what became of every message: the records, and the judgement.
 *
 * All of it lies in one shared mapping that the supervisor makes before it forks. Every step is one
 * store or one compare-and-swap, in an order such that a process killed between two of them leaves
 * something that can still be judged. The atomics are sequentially consistent throughout: this code
 * accuses others, so it is kept beyond suspicion rather than fast.
 *
 * A slot's word, 64 bits: number (32 to 63), deliveries (24 to 31), incarnation of the holder (14
 * to 23), its seat (4 to 13), state (0 to 3).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "ledger.h"

#define INCARNATIONS   1024 /* how many a slot's word tells apart */
#define MAX_PASS       4096 /* unsettled slots that a sender passes over in one call */
#define DELIVERIES_TOP 240  /* from here on the library's count does not rise reliably */
#define EXPIRY_SLACK   UINT64_C(100000000)  /* ns; clocks are read at both ends of a call */
#define GONE_SLACK     UINT64_C(5000000000) /* ns that a receiver may be stopped with a message */

enum state {
	FREE,      /* never used */
	OPEN,      /* a sender began to send it; nobody said that it came */
	VOID,      /* its send failed, or was never begun */
	HELD,      /* a receiver took it and has not finished */
	RETURNING, /* its receiver has given it back, or was about to */
	FINISHING, /* its receiver was about to finish it */
	FINISHED,  /* received */
	FOUND,     /* a dead receiver had it whole in its buffer */
};

struct slot {
	_Atomic uint64_t word;
	_Atomic uint64_t begun; /* ns before the send was called */
	_Atomic uint64_t sent;  /* ns after it returned; 0 = it has not */
	struct ledger_message message;
	_Atomic uint32_t doubt; /* its sender died in mid-send */
};

/* Counted by the stream's sender when it uses slots again, added up at the end with what the slots
 * still hold. Written into the copy that is not in use, so that a kill never tears it. */
struct tally {
	uint64_t next; /* number */
	uint64_t skipped;
	uint64_t failed; /* VOID */
	uint64_t arrived;
	uint64_t doubtful;
	uint64_t gone;
};

struct stream {
	struct tally tally[2];
	_Atomic uint32_t current; /* which tally */
	struct slot *slots;
};

struct seat {
	_Atomic uint32_t incarnation;
	_Atomic uint32_t condemned; /* the highest incarnation that was to be killed */
};

/* What of one priority was received so far: the shared original of struct ledger_row. */
struct row {
	_Alignas(64) _Atomic uint64_t begun;
	_Atomic uint64_t called;
	_Atomic uint64_t number[LEDGER_STREAMS_MAX];
};

struct ledger {
	struct ledger_plan plan;
	size_t bytes;
	_Atomic uint64_t redelivered;
	_Atomic uint64_t interruptions; /* receivers condemned, and messages given back */
	struct seat seats[LEDGER_SEATS_MAX];
	struct stream streams[LEDGER_STREAMS_MAX];
	struct row rows[LEDGER_PRIORITIES_MAX];
	struct slot slots[];
};

struct ledger *ledger_make(const struct ledger_plan *plan)
{
	size_t bytes =
	    sizeof(struct ledger) + (size_t)plan->streams * plan->window * sizeof(struct slot);
	struct ledger *l = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (l == MAP_FAILED)
		return NULL;
	l->plan = *plan;
	l->bytes = bytes;
	for (uint32_t i = 0; i < plan->streams; i++)
		l->streams[i].slots = l->slots + (size_t)i * plan->window;
	return l;
}

void ledger_unmake(struct ledger *l)
{
	if (l)
		munmap(l, l->bytes);
}

/* ---- the slot's word ---- */

static uint64_t word_make(uint64_t number, enum state state, uint64_t holder, uint32_t deliveries)
{
	return (number & UINT32_MAX) << 32 | (uint64_t)(deliveries & 255) << 24 | holder << 4 |
	       (uint64_t)state;
}

static enum state word_state(uint64_t word)
{
	return (enum state)(word & 15);
}

static uint64_t word_holder(uint64_t word)
{
	return word >> 4 & 0xfffff;
}

static uint32_t word_deliveries(uint64_t word)
{
	return word >> 24 & 255;
}

static bool word_is(uint64_t word, uint64_t number)
{
	return word >> 32 == (number & UINT32_MAX) && word_state(word) != FREE;
}

static struct slot *slot_of(const struct ledger *l, uint32_t stream, uint64_t number)
{
	return &l->streams[stream].slots[number & (l->plan.window - 1)];
}

/* ---- seats ---- */

static uint64_t holder_in(const struct ledger *l, uint32_t seat)
{
	uint32_t incarnation = atomic_load(&l->seats[seat].incarnation);

	return (uint64_t)(incarnation % INCARNATIONS) << 10 | seat;
}

void ledger_seat(struct ledger *l, uint32_t seat)
{
	atomic_fetch_add(&l->seats[seat].incarnation, 1);
}

void ledger_condemn(struct ledger *l, uint32_t seat)
{
	atomic_store(&l->seats[seat].condemned, atomic_load(&l->seats[seat].incarnation));
	atomic_fetch_add(&l->interruptions, 1);
}

/* The process is dead, or about to be killed. */
static bool holder_is_gone(const struct ledger *l, uint64_t holder)
{
	const struct seat *seat = &l->seats[holder & 1023];
	uint32_t incarnation = atomic_load(&seat->incarnation);

	return incarnation % INCARNATIONS != holder >> 10 ||
	       atomic_load(&seat->condemned) == incarnation;
}

/* ---- the sender's side ---- */

static const struct tally *tally_of(const struct ledger *l, uint32_t stream)
{
	const struct stream *s = &l->streams[stream];

	return &s->tally[atomic_load(&s->current) & 1];
}

static void tally_set(struct stream *s, const struct tally *tally)
{
	uint32_t other = !(atomic_load(&s->current) & 1);

	s->tally[other] = *tally;
	atomic_store(&s->current, other);
}

/* What an unseen message may be used as an excuse for being absent: it expired or was dropped. */
static bool is_gone(const struct slot *slot, uint64_t now)
{
	const struct ledger_message *m = &slot->message;
	uint64_t sent = atomic_load(&slot->sent);

	if (!sent || atomic_load(&slot->doubt))
		return false;
	return (m->ttl && now > sent + m->ttl + GONE_SLACK) ||
	       (m->droppable && now > sent + m->droppable);
}

/*
 * Count the message in a slot and say whether the slot may be used again. What may still come, or
 * is needed for the reckoning, stays: messages under way, in doubt, with a dead receiver.
 */
static bool settle(const struct slot *slot, struct tally *tally)
{
	switch (word_state(atomic_load(&slot->word))) {
	case FREE:
		return true;
	case VOID:
		tally->failed++;
		return true;
	case FINISHED:
		tally->arrived++;
		tally->doubtful += atomic_load(&slot->doubt);
		return true;
	case OPEN:
		if (!is_gone(slot, now_ns()))
			return false;
		tally->gone++;
		return true;
	case HELD:
	case RETURNING:
	case FINISHING:
	case FOUND:
		break;
	}
	return false;
}

int64_t ledger_begin(struct ledger *l, uint32_t stream, const struct ledger_message *message)
{
	struct stream *s = &l->streams[stream];
	struct tally tally = *tally_of(l, stream);
	struct slot *slot;
	uint32_t passed = 0;

	for (;; tally.next++, tally.skipped++, passed++) {
		slot = slot_of(l, stream, tally.next);
		if (settle(slot, &tally))
			break;
		if (passed == MAX_PASS)
			return -EAGAIN;
	}
	uint64_t number = tally.next++;
	/* From here on the slot's old message is counted and the number is used up. Killed before
	 * the word is stored, ledger_bury_sender() finds the old word and makes it VOID. */
	tally_set(s, &tally);
	atomic_store(&slot->sent, 0);
	atomic_store(&slot->doubt, 0);
	slot->message = *message;
	atomic_store(&slot->begun, now_ns());
	atomic_store(&slot->word, word_make(number, OPEN, 0, 0));
	return (int64_t)number;
}

void ledger_sent(struct ledger *l, uint32_t stream, uint64_t number)
{
	atomic_store(&slot_of(l, stream, number)->sent, now_ns());
}

void ledger_unsent(struct ledger *l, uint32_t stream, uint64_t number)
{
	uint64_t open = word_make(number, OPEN, 0, 0);

	if (!atomic_compare_exchange_strong(&slot_of(l, stream, number)->word, &open,
					    word_make(number, VOID, 0, 0)))
		faults_report(l->plan.faults, FAULT_STRAY,
			      "message %" PRIu64 " of stream %u was received, but its send failed",
			      number, stream);
}

uint32_t ledger_bury_sender(struct ledger *l, uint32_t stream)
{
	uint64_t next = tally_of(l, stream)->next;
	uint32_t doubts = 0, seen = 0;

	/* What the last call was about, and no more: numbers that were passed over lie between. */
	for (uint64_t number = next;
	     number-- > 0 && next - number <= l->plan.window && seen <= LEDGER_BATCH;) {
		struct slot *slot = slot_of(l, stream, number);
		uint64_t word = atomic_load(&slot->word);

		if (number + 1 == next && !word_is(word, number)) {
			atomic_store(&slot->word, word_make(number, VOID, 0, 0));
			continue;
		}
		if (!word_is(word, number))
			continue;
		seen++;
		if (word_state(word) == VOID || atomic_load(&slot->sent) ||
		    atomic_load(&slot->doubt))
			continue;
		atomic_store(&slot->doubt, 1);
		doubts++;
	}
	return doubts;
}

bool ledger_last(const struct ledger *l, uint32_t stream, uint64_t *ret_tag, bool *ret_sent)
{
	uint64_t next = tally_of(l, stream)->next;

	for (uint64_t number = next; number-- > 0 && next - number <= l->plan.window;) {
		const struct slot *slot = slot_of(l, stream, number);
		uint64_t word = atomic_load(&slot->word);

		if (!word_is(word, number) || word_state(word) == VOID)
			continue;
		*ret_tag = slot->message.tag;
		*ret_sent = atomic_load(&slot->sent) != 0;
		return true;
	}
	return false;
}

/* ---- the receiver's side ---- */

void ledger_look(const struct ledger *l, struct ledger_view *view)
{
	for (uint32_t p = 0; p < l->plan.priorities; p++) {
		const struct row *from = &l->rows[p];
		struct ledger_row *to = &view->rows[p];

		to->begun = atomic_load(&from->begun);
		to->called = atomic_load(&from->called);
		for (uint32_t i = 0; i < l->plan.streams; i++)
			to->number[i] = atomic_load(&from->number[i]);
	}
	view->called = now_ns();
}

static void raise_to(_Atomic uint64_t *at, uint64_t value)
{
	uint64_t old = atomic_load(at);

	while (old < value && !atomic_compare_exchange_weak(at, &old, value))
		;
}

static void raise_plain(uint64_t *at, uint64_t value)
{
	if (*at < value)
		*at = value;
}

/*
 * Order (C4): equal priority: the message whose send returned first is received first. Higher
 * priorities come first.
 *
 * Senders and receivers overlap, so most pairs of messages have no order that anybody could
 * demand. What can be demanded, with times taken just outside the calls (that makes every interval
 * longer than the call was, so the judgement errs only on the mild side):
 *
 *   If A's send returned before B's was called, and B's receive returned before A's was called,
 *   then B was received before A: A waited in the mailbox all that time and was passed over.
 *
 * Two receivers whose calls overlap may record in either order; that is no violation, and the rule
 * does not see one. For a violation it is enough to know the latest begin of a send among all
 * messages whose receive had returned when A's receive was called, which is one number for each
 * priority: `begun`.
 *
 * - Within one stream the numbers give the order of sending (also within one call that sends many),
 *   so there the highest number received takes the place of that time. A send that was cut short by
 *   death, and came all the same, came before its successor's sends: those began after the death.
 * - Across priorities: B has the lower priority and its receive was called after A's send returned,
 *   so A waited when B was taken. That is `called`, the latest call among the receives of a
 *   priority that have returned.
 *
 * Redelivery: a message that comes again (deliveries above 1) is old news: it was taken in its
 * place once, by somebody who died or gave it back, and others have been received since, rightly.
 * So it is never accused as A. As B it counts like any other: when it was first taken, A, older,
 * had to be taken already. How fast it comes back in front is not judged here, as the moment of a
 * recovery is not known; tests/kill judges that.
 *
 * A send whose return was not recorded (yet) has `sent` = 0: it may still be under way, so nothing
 * counts as sent after it.
 */
static void judge_order(struct ledger *l, const struct ledger_view *view,
			const struct ledger_delivery *d, uint64_t sent)
{
	const struct ledger_row *row = &view->rows[d->priority];

	if (d->deliveries > 1)
		return;
	if (d->number < row->number[d->stream])
		faults_report(l->plan.faults, FAULT_REORDERED,
			      "message %" PRIu64 " of stream %u (priority %u) came after %" PRIu64,
			      d->number, d->stream, d->priority, row->number[d->stream] - 1);
	else if (sent && sent < row->begun)
		faults_report(l->plan.faults, FAULT_REORDERED,
			      "message %" PRIu64 " of stream %u (priority %u) came after one that "
			      "was sent %" PRIu64 " ns later",
			      d->number, d->stream, d->priority, row->begun - sent);
	for (uint32_t p = 0; sent && p < d->priority; p++)
		if (sent < view->rows[p].called)
			faults_report(l->plan.faults, FAULT_REORDERED,
				      "message %" PRIu64 " of stream %u waited, priority %u, while "
				      "one of priority %u was taken",
				      d->number, d->stream, d->priority, p);
}

/* A received message becomes part of what later receives are judged by, in this call as well. */
static void publish(struct ledger *l, struct ledger_view *view, const struct ledger_delivery *d,
		    uint64_t begun)
{
	struct row *row = &l->rows[d->priority];
	struct ledger_row *mine = &view->rows[d->priority];

	raise_to(&row->begun, begun);
	raise_to(&row->called, view->called);
	raise_to(&row->number[d->stream], d->number + 1);
	raise_plain(&mine->begun, begun);
	raise_plain(&mine->number[d->stream], d->number + 1);
}

/*
 * Once (C3): whether a message may come, given what is known of it. NULL, or what is wrong.
 *
 * A message comes again only when the receiver that had it died or gave it back, and then with a
 * higher delivery count than any before. Whoever kills a receiver condemns its seat first, so a
 * holder that is not condemned lives: to deliver its message to another is a fault even with a
 * raised count (a stopped process is not dead).
 *
 * A message that nobody has reported may come with a raised count if some receiver was killed: it
 * may have died between the call's return and its report.
 */
static const char *judge_seen(const struct ledger *l, uint64_t word,
			      const struct ledger_delivery *d)
{
	bool raised = d->deliveries > word_deliveries(word) || d->deliveries >= DELIVERIES_TOP;

	if (!d->deliveries)
		return "its delivery count is 0";
	switch (word_state(word)) {
	case OPEN:
		return d->deliveries > 1 && !atomic_load(&l->interruptions)
			   ? "its delivery count is raised, but no receiver died"
			   : NULL;
	case HELD:
	case FINISHING:
		if (!holder_is_gone(l, word_holder(word)))
			return "a receiver that lives holds it";
		return raised ? NULL : "its delivery count is not raised";
	case RETURNING:
		return raised ? NULL : "it was given back, and its delivery count is not raised";
	case FOUND:
		return raised ? NULL : "its delivery count is not raised";
	case FINISHED:
		return "it was received already";
	case FREE:
	case VOID:
		break;
	}
	return "it was never sent";
}

static bool accepted(struct ledger *l, uint64_t word, const struct ledger_delivery *d)
{
	bool known = word_is(word, d->number);
	/* A slot in use for a later number was settled for this one. */
	bool settled = !known && word_state(word) != FREE &&
		       (int32_t)((uint32_t)(word >> 32) - (uint32_t)d->number) > 0;
	const char *wrong = settled  ? "it was settled long ago"
			    : !known ? "it was never sent"
				     : judge_seen(l, word, d);

	if (!wrong)
		return true;
	faults_report(l->plan.faults,
		      settled || (known && word_state(word) >= HELD) ? FAULT_DUPLICATE
								     : FAULT_STRAY,
		      "message %" PRIu64 " of stream %u, delivery %u: %s", d->number, d->stream,
		      d->deliveries, wrong);
	return false;
}

static void report_expired(struct ledger *l, const struct ledger_view *view,
			   const struct ledger_delivery *d, const struct ledger_message *m,
			   uint64_t sent)
{
	if (m->ttl && sent && view->called > sent + m->ttl + EXPIRY_SLACK)
		faults_report(l->plan.faults, FAULT_STRAY,
			      "message %" PRIu64 " of stream %u came %" PRIu64
			      " ns after it had expired",
			      d->number, d->stream, view->called - sent - m->ttl);
}

void ledger_seen(struct ledger *l, uint32_t seat, struct ledger_view *view,
		 const struct ledger_delivery *d, bool held)
{
	if (d->stream >= l->plan.streams || d->priority >= l->plan.priorities) {
		faults_report(l->plan.faults, FAULT_STRAY,
			      "a message says stream %u and priority %u", d->stream, d->priority);
		return;
	}
	struct slot *slot = slot_of(l, d->stream, d->number);
	uint64_t word = atomic_load(&slot->word), new;
	uint64_t begun = atomic_load(&slot->begun), sent = atomic_load(&slot->sent);
	const struct ledger_message message = slot->message;

	new = word_make(d->number, held ? HELD : FINISHED, holder_in(l, seat), d->deliveries);
	do {
		if (!accepted(l, word, d))
			return;
	} while (!atomic_compare_exchange_weak(&slot->word, &word, new));
	if (message.priority != d->priority)
		faults_report(l->plan.faults, FAULT_TORN,
			      "message %" PRIu64 " of stream %u was sent with priority %u and came "
			      "with %u",
			      d->number, d->stream, message.priority, d->priority);
	if (message.tag != d->tag)
		faults_report(l->plan.faults, FAULT_TORN,
			      "message %" PRIu64 " of stream %u was sent with tag %" PRIu64
			      " and came with %" PRIu64,
			      d->number, d->stream, message.tag, d->tag);
	if (d->deliveries > 1)
		atomic_fetch_add(&l->redelivered, 1);
	report_expired(l, view, d, &message, sent);
	judge_order(l, view, d, sent);
	publish(l, view, d, begun);
}

/* Change the state of a message that this seat holds. False if it does not. */
static bool move_on(struct ledger *l, uint32_t seat, const struct ledger_delivery *d,
		    enum state from, enum state to)
{
	uint64_t holder = holder_in(l, seat);
	uint64_t word = word_make(d->number, from, holder, d->deliveries);

	return atomic_compare_exchange_strong(&slot_of(l, d->stream, d->number)->word, &word,
					      word_make(d->number, to, holder, d->deliveries));
}

/* These three say nothing when the slot has another holder: whoever became that was accused. */
void ledger_finishing(struct ledger *l, uint32_t seat, const struct ledger_delivery *d)
{
	(void)move_on(l, seat, d, HELD, FINISHING);
}

void ledger_finished(struct ledger *l, uint32_t seat, const struct ledger_delivery *d)
{
	(void)move_on(l, seat, d, FINISHING, FINISHED);
}

void ledger_returning(struct ledger *l, uint32_t seat, const struct ledger_delivery *d)
{
	atomic_fetch_add(&l->interruptions, 1);
	(void)move_on(l, seat, d, HELD, RETURNING);
}

void ledger_found(struct ledger *l, uint32_t stream, uint64_t number, bool taken)
{
	struct slot *slot = slot_of(l, stream, number);
	uint64_t word = atomic_load(&slot->word);
	uint32_t deliveries;

	do {
		enum state state = word_state(word);

		if (!word_is(word, number) || state == FINISHED || state == FINISHING)
			return;
		if (state == HELD && !holder_is_gone(l, word_holder(word)))
			return;
		deliveries = word_deliveries(word);
		if (taken && deliveries == 0)
			deliveries = 1;
	} while (!atomic_compare_exchange_weak(
	    &slot->word, &word, word_make(number, FOUND, word_holder(word), deliveries)));
}

/* ---- the reckoning ---- */

static void report_lost(struct ledger *l, uint32_t stream, uint64_t word, const char *how)
{
	faults_report(l->plan.faults, FAULT_LOST, "message %" PRIu64 " of stream %u: %s",
		      word >> 32, stream, how);
}

/* May the message be absent: has it expired by now, or may it have been dropped? */
static bool is_excused(const struct slot *slot, uint64_t now)
{
	const struct ledger_message *m = &slot->message;
	uint64_t sent = atomic_load(&slot->sent);

	return m->droppable || (m->ttl && now > (sent ? sent : atomic_load(&slot->begun)) + m->ttl);
}

/* Add up one slot at the very end, when nothing can come any more. */
static void close_slot(struct ledger *l, uint32_t stream, const struct slot *slot, uint64_t now,
		       struct ledger_sum *sum)
{
	uint64_t word = atomic_load(&slot->word);
	bool doubt = atomic_load(&slot->doubt);
	enum state state = word_state(word);

	if (state == FREE || state == VOID)
		return;
	sum->begun++;
	if (state == OPEN && doubt)
		sum->absent++;
	else if (state == FINISHED || state == FINISHING || state == FOUND)
		sum->arrived++, sum->doubtful += doubt;
	else if (is_excused(slot, now))
		sum->gone++;
	else
		report_lost(l, stream, word,
			    state == OPEN   ? "it was sent and never came"
			    : state == HELD ? "its receiver died with it, and it never came again"
					    : "it was given back and never came again");
}

void ledger_close(struct ledger *l, struct ledger_sum *ret_sum)
{
	struct ledger_sum sum = { .redelivered = atomic_load(&l->redelivered) };
	uint64_t now = now_ns();

	for (uint32_t i = 0; i < l->plan.streams; i++) {
		const struct tally *tally = tally_of(l, i);

		sum.begun += tally->arrived + tally->gone;
		sum.arrived += tally->arrived;
		sum.doubtful += tally->doubtful;
		sum.gone += tally->gone;
		for (uint32_t j = 0; j < l->plan.window; j++)
			close_slot(l, i, &l->streams[i].slots[j], now, &sum);
	}
	*ret_sum = sum;
}
