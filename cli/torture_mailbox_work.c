/* SPDX-License-Identifier: MIT */
/*
 * torture_mailbox_work.c - what the processes of `ferry torture` do until they are killed: every
 * kind of call on the mailbox, mixed by dice.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "hand.h"
#include "torture_mailbox.h"

#define HOUR          INT64_C(3600000000000)
#define DROP_PATIENCE UINT64_C(2000000000) /* ns until an unseen message counts as dropped */
#define TWIN_CALLS    3000                 /* that a twin makes at most */
#define RARE          4000                 /* one call in so many is a reopen, or a fork */

struct worker {
	struct hand hand;
	struct box_torture *torture;
	struct ledger *ledger;
	uint32_t stream;
	ferry_mailbox *box;
	char *own; /* room for a batch to send, or for a message to peek at */
	struct ferry_message held[TORTURE_HOLD];
	struct ledger_delivery held_as[TORTURE_HOLD];
	uint32_t n_held;
	struct ledger_view view;
};

/* What a twin gets from its parent. */
struct heritage {
	ferry_mailbox *box;
	struct ferry_message held; /* by the parent; data is NULL if it holds none */
};

static uint64_t roll(struct worker *w, uint64_t below)
{
	return hand_roll(&w->hand, below);
}

static void at(struct worker *w, uint32_t call)
{
	hand_at(&w->hand, call);
}

static void broken(struct worker *w, const char *call, int error)
{
	hand_broken(&w->hand, call, error);
}

static ferry_deadline patience(struct worker *w)
{
	return hand_patience(&w->hand);
}

char *torture_buffer(const struct box_torture *t, uint32_t seat, uint32_t i)
{
	return t->buffers + ((size_t)seat * t->batch + i) * t->size_max;
}

/* ---- opening, closing, forking ---- */

static void open_box(struct worker *w)
{
	struct ferry_why why = { 0 };
	uint32_t side =
	    crew_is_sender(w->hand.crew, w->hand.seat) ? FERRY_SEND_ONLY : FERRY_RECEIVE_ONLY;

	at(w, CREW_OPEN);
	int r = ferry_mailbox_open(
	    &w->box, w->torture->base.location,
	    FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING | (roll(w, 2) ? side : 0),
				  .spin = roll(w, 3) ? 0 : -1, .why = &why));
	at(w, CREW_OUTSIDE);
	if (r < 0) {
		w->box = NULL;
		broken(w, why.text[0] ? why.text : "open", r);
	}
}

/* What is held goes back to the others. */
static void close_box(struct worker *w)
{
	for (uint32_t i = 0; i < w->n_held; i++)
		ledger_returning(w->ledger, w->hand.seat, &w->held_as[i]);
	w->n_held = 0;
	at(w, CREW_CLOSE);
	ferry_mailbox_close(w->box);
	at(w, CREW_OUTSIDE);
	w->box = NULL;
}

static void fork_twin(struct worker *w)
{
	struct heritage heritage = { .box = w->box };

	if (w->n_held)
		heritage.held = w->held[0];
	at(w, CREW_FORK);
	(void)crew_fork(w->hand.crew, w->hand.seat, &heritage);
	at(w, w->n_held ? CREW_HOLD : CREW_OUTSIDE);
}

static void call_stat(struct worker *w)
{
	struct ferry_mailbox_stat stat;

	at(w, CREW_STAT);
	int r = ferry_mailbox_stat(w->box, &stat);
	at(w, CREW_OUTSIDE);
	if (r < 0)
		broken(w, "stat", r);
	else if (stat.memory_free > stat.memory || stat.max_size < w->torture->size_max)
		broken(w, "stat tells nonsense", -FERRY_ECORRUPT);
}

/* The calls that both sides make. True if it was one of these. */
static bool do_rare(struct worker *w)
{
	switch (roll(w, RARE)) {
	case 0:
	case 1:
		close_box(w);
		open_box(w);
		return true;
	case 2:
		fork_twin(w);
		return true;
	case 3:
	case 4:
	case 5:
	case 6:
		call_stat(w);
		return true;
	default:
		return false;
	}
}

/* ---- senders ---- */

/* Small ones are the most frequent, all sizes occur. */
static size_t choose_size(struct worker *w)
{
	const struct box_torture *t = w->torture;
	uint64_t most = t->size_max - t->size_min;

	if (roll(w, 4))
		most = most < 256 ? most : 256;
	return (size_t)(t->size_min + roll(w, most + 1));
}

static struct ledger_message choose_message(struct worker *w)
{
	struct ledger_message m = { .priority = (uint32_t)roll(w, w->torture->priorities),
				    .tag = choose_size(w),
				    .droppable = w->torture->drop ? DROP_PATIENCE : 0 };
	uint64_t fate = roll(w, 100);

	if (fate < 5)
		m.ttl = HOUR;
	else if (fate == 5)
		m.ttl = 1000 * (1 + roll(w, 5000)); /* up to 5 ms */
	return m;
}

/* A call that sent n messages returned r; of those, `done` are in the mailbox. */
static void note_sent(struct worker *w, const uint64_t *numbers, uint32_t n, uint32_t done, int r,
		      const char *call, uint64_t before)
{
	at(w, CREW_OUTSIDE);
	for (uint32_t i = 0; i < n; i++)
		if (i < done)
			ledger_sent(w->ledger, w->stream, numbers[i]);
		else
			ledger_unsent(w->ledger, w->stream, numbers[i]);
	if (done)
		crew_moved(w->hand.crew, w->hand.seat, before, done);
	if (r < 0 && !hand_is_no(r) && !(r == -ENOBUFS && w->torture->drop))
		broken(w, call, r);
}

static void do_send(struct worker *w)
{
	struct ledger_message m = choose_message(w);
	uint64_t before = crew_before(w->hand.crew), number;
	bool plain = roll(w, 2);

	if (plain)
		m.priority = 0, m.ttl = 0;
	int64_t n = ledger_begin(w->ledger, w->stream, &m);
	if (n < 0) {
		crew_hold_back(w->hand.crew, w->hand.seat);
		return;
	}
	number = (uint64_t)n;
	torture_write(w->own, w->stream, number, m.tag);
	ferry_deadline deadline = patience(w);
	at(w, CREW_SEND);
	int r = plain ? ferry_mailbox_send(w->box, w->own, m.tag, deadline)
		      : ferry_mailbox_send_with(
			    w->box, w->own, m.tag,
			    FERRY_SEND_OPTIONS(.priority = m.priority, .ttl = (int64_t)m.ttl),
			    deadline);
	note_sent(w, &number, 1, r == 0, r, "send", before);
}

static void do_send_many(struct worker *w)
{
	struct ferry_message messages[LEDGER_BATCH] = { 0 };
	uint64_t numbers[LEDGER_BATCH];
	uint32_t want = 1 + (uint32_t)roll(w, w->torture->batch), n;
	uint64_t before = crew_before(w->hand.crew);

	for (n = 0; n < want; n++) {
		struct ledger_message m = choose_message(w);
		char *data = w->own + (size_t)n * w->torture->size_max;
		int64_t number = ledger_begin(w->ledger, w->stream, &m);

		if (number < 0)
			break;
		numbers[n] = (uint64_t)number;
		torture_write(data, w->stream, numbers[n], m.tag);
		messages[n] = (struct ferry_message){
			.data = data, .size = m.tag, .priority = m.priority, .ttl = (int64_t)m.ttl
		};
	}
	ferry_deadline deadline = patience(w);
	if (!n) {
		crew_hold_back(w->hand.crew, w->hand.seat);
		return;
	}
	at(w, CREW_SEND);
	ssize_t r = ferry_mailbox_send_many(w->box, messages, n, deadline);
	note_sent(w, numbers, n, r > 0 ? (uint32_t)r : 0, r < 0 ? (int)r : 0, "send_many", before);
}

static void cancel(struct worker *w, struct ferry_message *loan)
{
	int r = ferry_mailbox_cancel(w->box, loan);

	at(w, CREW_OUTSIDE);
	if (r < 0)
		broken(w, "cancel", r);
}

/* Write into a loan, a little less than was asked for at times, and commit it or not. */
static void do_loan(struct worker *w)
{
	struct ledger_message m = choose_message(w);
	struct ferry_message loan;
	uint64_t before = crew_before(w->hand.crew), spare = roll(w, 2) ? 0 : roll(w, 64);
	size_t ask = m.tag + spare < w->torture->size_max ? m.tag + spare : m.tag;

	at(w, CREW_LOAN);
	int r = ferry_mailbox_loan(w->box, ask, &loan, patience(w));
	at(w, r < 0 ? CREW_OUTSIDE : CREW_WRITE);
	if (r < 0) {
		if (!hand_is_no(r) && !(r == -ENOBUFS && w->torture->drop))
			broken(w, "loan", r);
		return;
	}
	int64_t n = roll(w, 10) ? ledger_begin(w->ledger, w->stream, &m) : -EAGAIN;
	if (n < 0) {
		cancel(w, &loan);
		return;
	}
	uint64_t number = (uint64_t)n;
	torture_write(loan.data, w->stream, number, m.tag);
	loan.size = m.tag;
	loan.priority = m.priority;
	loan.ttl = (int64_t)m.ttl;
	at(w, CREW_COMMIT);
	r = ferry_mailbox_commit(w->box, &loan, patience(w));
	if (hand_is_no(r) || r == -ENOBUFS)
		cancel(w, &loan);
	note_sent(w, &number, 1, r == 0, r, "commit", before);
}

static void sender_step(struct worker *w)
{
	uint64_t what = roll(w, 10);

	if (do_rare(w))
		return;
	if (what < 5)
		do_send(w);
	else if (what < 7)
		do_send_many(w);
	else
		do_loan(w);
}

/* ---- receivers ---- */

/* Is it one of ours, whole? Otherwise that is a fault, and nothing more can be said of it. */
static bool identify(struct worker *w, const struct ferry_message *message,
		     struct ledger_delivery *ret_delivery)
{
	struct ledger_delivery d = { .priority = message->priority,
				     .deliveries = message->deliveries,
				     .tag = message->size };

	if (!torture_read(message->data, message->size, &d.stream, &d.number)) {
		faults_report(w->hand.crew->faults, FAULT_TORN,
			      "a message of %zu bytes is not whole", message->size);
		return false;
	}
	*ret_delivery = d;
	return true;
}

/* n messages came by copy: they are received. */
static void note_received(struct worker *w, const struct ferry_message *messages, uint32_t n,
			  uint64_t before)
{
	struct ledger_delivery d;

	for (uint32_t i = 0; i < n; i++)
		if (identify(w, &messages[i], &d))
			ledger_seen(w->ledger, w->hand.seat, &w->view, &d, false);
	crew_moved(w->hand.crew, w->hand.seat, before, n);
}

static int do_receive(struct worker *w)
{
	struct ferry_message info = { 0 };
	uint64_t before = crew_before(w->hand.crew);
	/* Now and then with too little room. */
	size_t room = roll(w, 50) ? w->torture->size_max : sizeof(struct torture_head);
	ferry_deadline deadline = patience(w);

	ledger_look(w->ledger, &w->view);
	at(w, CREW_RECEIVE);
	ssize_t r = ferry_mailbox_receive_with(w->box, torture_buffer(w->torture, w->hand.seat, 0),
					       room, &info, deadline);
	at(w, CREW_OUTSIDE);
	if (r >= 0)
		note_received(w, &info, 1, before);
	else if (r == -EMSGSIZE && room < w->torture->size_max && info.size > room)
		return 0;
	else if (!hand_is_no((int)r))
		broken(w, "receive", (int)r);
	return (int)r;
}

static int do_receive_many(struct worker *w)
{
	struct ferry_message messages[LEDGER_BATCH] = { 0 };
	uint32_t n = 1 + (uint32_t)roll(w, w->torture->batch);
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = patience(w);

	for (uint32_t i = 0; i < n; i++) {
		messages[i].data = torture_buffer(w->torture, w->hand.seat, i);
		messages[i].size = w->torture->size_max;
	}
	ledger_look(w->ledger, &w->view);
	at(w, CREW_RECEIVE);
	ssize_t r = ferry_mailbox_receive_many(w->box, messages, n, deadline);
	at(w, CREW_OUTSIDE);
	if (r > 0)
		note_received(w, messages, (uint32_t)r, before);
	else if (!hand_is_no((int)r))
		broken(w, "receive_many", (int)r);
	return (int)r;
}

static int do_take(struct worker *w)
{
	struct ferry_message *message = &w->held[w->n_held];
	uint64_t before = crew_before(w->hand.crew);
	ferry_deadline deadline = w->n_held ? FERRY_NOW : patience(w);

	ledger_look(w->ledger, &w->view);
	at(w, CREW_TAKE);
	int r = ferry_mailbox_take(w->box, message, deadline);
	at(w, r < 0 && !w->n_held ? CREW_OUTSIDE : CREW_HOLD);
	if (r == 0 && identify(w, message, &w->held_as[w->n_held])) {
		ledger_seen(w->ledger, w->hand.seat, &w->view, &w->held_as[w->n_held], true);
		w->n_held++;
		crew_moved(w->hand.crew, w->hand.seat, before, 1);
	} else if (r < 0 && !hand_is_no(r)) {
		broken(w, "take", r);
	}
	return r;
}

/* Let go of one of the messages that are held, in any order; most are finished. */
static void let_go(struct worker *w)
{
	uint32_t i = (uint32_t)roll(w, w->n_held);
	struct ferry_message message = w->held[i];
	struct ledger_delivery d = w->held_as[i];
	bool finish = roll(w, 10), sound;
	uint32_t stream;
	uint64_t number;
	int r;

	/* Nobody else may have touched it meanwhile. */
	sound = torture_read(message.data, message.size, &stream, &number) && stream == d.stream &&
		number == d.number;
	if (!sound)
		faults_report(w->hand.crew->faults, FAULT_TORN,
			      "a held message of %zu bytes has changed", message.size);
	w->n_held--;
	w->held[i] = w->held[w->n_held];
	w->held_as[i] = w->held_as[w->n_held];
	if (finish) {
		ledger_finishing(w->ledger, w->hand.seat, &d);
		at(w, CREW_DONE);
		r = ferry_mailbox_done(w->box, &message);
		if (r == 0)
			ledger_finished(w->ledger, w->hand.seat, &d);
	} else {
		ledger_returning(w->ledger, w->hand.seat, &d);
		at(w, CREW_RETURN);
		r = ferry_mailbox_return(w->box, &message);
	}
	at(w, w->n_held ? CREW_HOLD : CREW_OUTSIDE);
	if (r < 0)
		broken(w, finish ? "done" : "return", r);
}

static void do_peek(struct worker *w)
{
	struct ferry_message info = { 0 };
	struct ledger_delivery d;

	at(w, CREW_PEEK);
	ssize_t r = ferry_mailbox_peek(w->box, w->own, w->torture->size_max, &info, FERRY_NOW);
	at(w, CREW_OUTSIDE);
	if (r >= 0)
		(void)identify(w, &info, &d);
	else if (!hand_is_no((int)r))
		broken(w, "peek", (int)r);
}

/* Take one or several, keep them a little, let them go. */
static int do_take_some(struct worker *w)
{
	uint32_t want = roll(w, 4) ? 1 : 1 + (uint32_t)roll(w, w->torture->hold);
	int first = do_take(w);

	for (uint32_t i = 1; i < want && first == 0 && !w->hand.broken; i++)
		if (do_take(w) < 0)
			break;
	if (w->n_held && !roll(w, 8))
		sched_yield();
	if (w->n_held && !roll(w, RARE))
		(void)do_rare(w); /* closes with messages in hand, at times */
	while (w->n_held && w->box && !w->hand.broken)
		let_go(w);
	return first;
}

/* What receiving came to: 0 or more; -EAGAIN, -ETIMEDOUT: nothing there. */
static int receiver_step(struct worker *w)
{
	uint64_t what = roll(w, 20);

	if (do_rare(w))
		return 0;
	if (what < 7)
		return do_receive(w);
	if (what < 10)
		return do_receive_many(w);
	if (what < 19)
		return do_take_some(w);
	do_peek(w);
	return 0;
}

/* ---- the process ---- */

static void send_on(struct worker *w, uint64_t calls)
{
	while (calls-- && !w->hand.broken && !atomic_load(&w->hand.crew->shared->finish))
		sender_step(w);
}

static void receive_on(struct worker *w, uint64_t calls)
{
	while (calls-- && !w->hand.broken) {
		/* Before the call, for what comes between is to be received. */
		bool drain = atomic_load(&w->hand.crew->shared->drain);

		if (hand_is_no(receiver_step(w)) && drain)
			return;
	}
}

/* A parent's message is not its child's to finish. */
static void inherit(struct worker *w, struct heritage *heritage)
{
	w->box = heritage->box;
	if (!heritage->held.data)
		return;
	int r = ferry_mailbox_done(w->box, &heritage->held);
	if (r != -FERRY_ESTALE)
		broken(w, "done of a message that the parent holds", r);
}

void torture_work(struct crew *crew, uint32_t seat, void *inherited)
{
	static struct worker w;
	struct box_torture *t = crew->context;
	uint64_t calls = UINT64_MAX;

	w = (struct worker){ .torture = t, .ledger = crew_ledger(crew) };
	hand_init(&w.hand, crew, seat);
	w.own = malloc(t->size_max * t->batch);
	if (!w.own)
		return;
	if (inherited) {
		inherit(&w, inherited);
		calls = roll(&w, TWIN_CALLS);
	} else {
		open_box(&w);
	}
	if (crew_is_sender(crew, seat)) {
		w.stream = crew_stream(crew, seat);
		send_on(&w, calls);
	} else {
		receive_on(&w, calls);
	}
	/* Some leave without closing, as programs do. */
	if (w.box && (w.n_held || roll(&w, 4)))
		close_box(&w);
	free(w.own);
}
