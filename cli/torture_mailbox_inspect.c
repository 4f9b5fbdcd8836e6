/* SPDX-License-Identifier: MIT */
/*
 * torture_mailbox_inspect.c - what `ferry torture` looks at after a death, and when all is over.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_inspect.h"
#include "torture_mailbox.h"

/*
 * A copying receive may have finished just before its process was killed, which then could not
 * report it any more. Its buffer tells: what lies there whole may have been received. (What the
 * process did report is not touched by ledger_found().) A message that lies there in part was
 * not received, and must come again. A message that fits into its cell is copied before it is
 * taken, so a whole one need not have been taken either.
 */
void torture_dead(struct crew *crew, uint32_t seat)
{
	const struct box_torture *t = crew->context;
	uint32_t stream;
	uint64_t number;

	if (crew_is_sender(crew, seat)) {
		ledger_bury_sender(crew_ledger(crew), crew_stream(crew, seat));
		return;
	}
	for (uint32_t i = 0; i < t->batch; i++) {
		char *buffer = torture_buffer(t, seat, i);
		struct torture_head head;

		memcpy(&head, buffer, sizeof head);
		if (head.size <= t->size_max && torture_read(buffer, head.size, &stream, &number) &&
		    stream < crew_streams(crew))
			ledger_found(crew_ledger(crew), stream, number,
				     head.size > FERRY_MAILBOX_INLINE);
		memset(buffer, 0, sizeof head);
	}
}

/* Receive all that is left: returned by the last who died, perhaps. */
static void drain(struct crew *crew, ferry_mailbox *box)
{
	static struct ledger_view view;
	struct box_torture *t = crew->context;
	struct ferry_message info;
	struct ledger_delivery d = { 0 };
	uint32_t seat = crew_seats(crew); /* one more than the crew has */
	char *buffer = malloc(t->size_max);
	ssize_t r = buffer ? 0 : -1;

	while (r >= 0) {
		ledger_look(crew_ledger(crew), &view);
		r = ferry_mailbox_receive_with(box, buffer, t->size_max, &info, FERRY_NOW);
		if (r < 0)
			break;
		d.priority = info.priority;
		d.deliveries = info.deliveries;
		d.tag = info.size;
		if (torture_read(buffer, info.size, &d.stream, &d.number))
			ledger_seen(crew_ledger(crew), seat, &view, &d, false);
		else
			faults_report(crew->faults, FAULT_TORN,
				      "a message of %zu bytes is not whole", info.size);
	}
	if (r != -EAGAIN)
		faults_report(crew->faults, FAULT_BROKEN, "receive at the end: %s",
			      ferry_error_name((int)r));
	free(buffer);
}

/* The counters may be off by one for each process that was killed inside a call. What is absent may
 * have been sent, and dropped or expired unseen. */
static void compare_counts(struct crew *crew, const struct ledger_sum *sum)
{
	const struct box_torture *t = crew->context;
	uint64_t kills = crew->figures.kills[0] + crew->figures.kills[1];
	uint64_t counted = t->stat.sent - t->at_first.sent, went = sum->begun - sum->absent;
	uint64_t dropped = t->stat.dropped - t->at_first.dropped;
	uint64_t expired = t->stat.expired - t->at_first.expired;

	if (counted + kills < went || counted > sum->begun + kills)
		faults_report(crew->faults, FAULT_BROKEN,
			      "stat counts %" PRIu64 " messages sent, the ledger %" PRIu64, counted,
			      went);
	if (sum->gone > dropped + expired + kills)
		faults_report(crew->faults, FAULT_LOST,
			      "%" PRIu64 " messages are missing, but stat counts %" PRIu64
			      " dropped and %" PRIu64 " expired",
			      sum->gone, dropped, expired);
}

static void close_account(struct crew *crew)
{
	struct box_torture *t = crew->context;

	ledger_close(crew_ledger(crew), &t->sum);
	compare_counts(crew, &t->sum);
}

void torture_inspect(struct torture *base)
{
	struct box_torture *t = (struct box_torture *)base;
	struct crew *crew = &base->crew;
	struct ferry_why why = { 0 };
	ferry_mailbox *box;
	int r = ferry_mailbox_open(&box, t->base.location,
				   FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING, .why = &why));

	if (r < 0) {
		faults_report(crew->faults, FAULT_BROKEN, "open at the end: %s %s",
			      ferry_error_name(r), why.text);
		return;
	}
	ledger_seat(crew_ledger(crew), crew_seats(crew));
	drain(crew, box);
	ledger_inspect(base->faults, box, base->location, &t->stat);
	base->recovered = t->stat.recovered - t->at_first.recovered;
	ferry_mailbox_close(box);
	close_account(crew);
}
