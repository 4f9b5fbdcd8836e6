/* SPDX-License-Identifier: MIT */
/*
 * demo_work.c - what the senders and receivers of `ferry demo` do until they are killed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/ferry.h>

#include "demo.h"

#define PATIENCE_MS 100 /* how long a receiver waits before it asks whether all is over */

static ferry_mailbox *join(struct crew *crew, uint32_t seat, uint32_t flags)
{
	ferry_mailbox *box = NULL;
	struct ferry_why why = { 0 };

	crew_at(crew, seat, CREW_OPEN);
	int r =
	    ferry_mailbox_open(&box, DEMO_LOCATION,
			       FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING | flags, .why = &why));
	crew_at(crew, seat, CREW_OUTSIDE);
	if (r < 0)
		faults_report(crew->faults, FAULT_BROKEN, "seat %u, open: %s %s", seat,
			      ferry_error_name(r), why.text);
	return r < 0 ? NULL : box;
}

static void quit(struct crew *crew, uint32_t seat, ferry_mailbox *box)
{
	crew_at(crew, seat, CREW_CLOSE);
	ferry_mailbox_close(box);
	crew_at(crew, seat, CREW_OUTSIDE);
}

/* ---- senders ---- */

/* Where to go on: behind the last line whose send is known to have returned. A line that the
 * predecessor was sending when it died is sent again, as a new message. */
static uint64_t first_turn(const struct ledger *ledger, uint32_t stream)
{
	uint64_t turn;
	bool sent;

	return ledger_last(ledger, stream, &turn, &sent) ? turn + sent : 0;
}

/* One line. False if the sender cannot go on. */
static bool send_line(struct crew *crew, uint32_t seat, ferry_mailbox *box, char *message,
		      uint64_t number, uint64_t turn)
{
	const struct demo *demo = crew->context;
	const struct demo_line *line = demo_line(&demo->text, crew->n[CREW_SENDERS], seat, turn);
	const struct demo_head head = { (uint64_t)seat << 48 | number, turn };
	uint64_t before = crew_before(crew);

	memcpy(message, &head, sizeof head);
	memcpy(message + sizeof head, line->text, line->size);
	crew_at(crew, seat, CREW_SEND);
	int r = ferry_mailbox_send(box, message, sizeof head + line->size, FERRY_FOREVER);
	crew_at(crew, seat, CREW_OUTSIDE);
	if (r < 0) {
		ledger_unsent(crew_ledger(crew), seat, number);
		faults_report(crew->faults, FAULT_BROKEN, "sender %u, send: %s", seat,
			      ferry_error_name(r));
		return false;
	}
	ledger_sent(crew_ledger(crew), seat, number);
	crew_moved(crew, seat, before, 1);
	return true;
}

static void send_lines(struct crew *crew, uint32_t seat, ferry_mailbox *box, char *message)
{
	uint64_t turn = first_turn(crew_ledger(crew), seat);

	while (!atomic_load(&crew->shared->finish)) {
		int64_t number =
		    ledger_begin(crew_ledger(crew), seat, &(struct ledger_message){ .tag = turn });

		if (number < 0)
			crew_hold_back(crew, seat);
		else if (!send_line(crew, seat, box, message, (uint64_t)number, turn++))
			return;
	}
}

/* ---- receivers ---- */

/* Compare a message with the line that it says it is. False: nothing in it can be relied on. */
static bool check_line(struct crew *crew, const struct ferry_message *message,
		       struct ledger_delivery *ret_delivery)
{
	const struct demo *demo = crew->context;
	struct demo_head head;

	if (message->size < sizeof head) {
		faults_report(crew->faults, FAULT_TORN, "a message of %zu bytes", message->size);
		return false;
	}
	memcpy(&head, message->data, sizeof head);
	*ret_delivery = (struct ledger_delivery){
		.stream = (uint32_t)(head.id >> 48),
		.number = head.id & UINT64_C(0xffffffffffff),
		.priority = message->priority,
		.deliveries = message->deliveries,
		.tag = head.turn,
	};
	const struct demo_line *line =
	    demo_line(&demo->text, crew->n[CREW_SENDERS], ret_delivery->stream, head.turn);
	if (message->size - sizeof head != line->size ||
	    memcmp((const char *)message->data + sizeof head, line->text, line->size) != 0)
		faults_report(crew->faults, FAULT_TORN,
			      "message %llu of sender %u is not line %llu of its text",
			      (unsigned long long)ret_delivery->number, ret_delivery->stream,
			      (unsigned long long)head.turn);
	return true;
}

/* Take a line, compare it, note it, finish it. A negative result of ferry, or 0. */
static int receive_line(struct crew *crew, uint32_t seat, ferry_mailbox *box,
			struct ledger_view *view)
{
	struct ferry_message message;
	struct ledger_delivery delivery;
	uint64_t before = crew_before(crew);

	ledger_look(crew_ledger(crew), view);
	crew_at(crew, seat, CREW_TAKE);
	int r = ferry_mailbox_take(box, &message,
				   atomic_load(&crew->shared->drain) ? FERRY_NOW
								     : ferry_in_ms(PATIENCE_MS));
	if (r < 0)
		return r;
	crew_at(crew, seat, CREW_HOLD);
	bool sound = check_line(crew, &message, &delivery);
	if (sound) {
		ledger_seen(crew_ledger(crew), seat, view, &delivery, true);
		ledger_finishing(crew_ledger(crew), seat, &delivery);
	}
	crew_at(crew, seat, CREW_DONE);
	r = ferry_mailbox_done(box, &message);
	crew_at(crew, seat, CREW_OUTSIDE);
	if (r < 0)
		return r;
	if (sound)
		ledger_finished(crew_ledger(crew), seat, &delivery);
	crew_moved(crew, seat, before, 1);
	return 0;
}

static void receive_lines(struct crew *crew, uint32_t seat, ferry_mailbox *box)
{
	static struct ledger_view view;
	int r;

	do
		r = receive_line(crew, seat, box, &view);
	while (r == 0 || r == -ETIMEDOUT);
	crew_at(crew, seat, CREW_OUTSIDE);
	if (r != -EAGAIN)
		faults_report(crew->faults, FAULT_BROKEN, "receiver in seat %u: %s", seat,
			      ferry_error_name(r));
}

void demo_work(struct crew *crew, uint32_t seat, void *inherited)
{
	const struct demo *demo = crew->context;
	bool sender = crew_is_sender(crew, seat);
	ferry_mailbox *box = join(crew, seat, sender ? FERRY_SEND_ONLY : FERRY_RECEIVE_ONLY);
	char *message = malloc(sizeof(struct demo_head) + demo->text.longest);

	(void)inherited;
	if (!box || !message) {
		free(message);
		return;
	}
	if (sender)
		send_lines(crew, seat, box, message);
	else
		receive_lines(crew, seat, box);
	free(message);
	quit(crew, seat, box);
}
