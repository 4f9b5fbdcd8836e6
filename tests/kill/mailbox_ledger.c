/* SPDX-License-Identifier: MIT */
/* The ledger of one run and the verdict on it; see mailbox_ledger.h. */
#include "mailbox_ledger.h"

#include <string.h>

/* The first bytes of every message. The rest is a pattern that follows from the number. */
struct head {
	uint32_t id, size;
	uint64_t sum;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t sum_of(uint32_t id, uint32_t size)
{
	return mix(((uint64_t)id << 32 | size) + 0x9e3779b97f4a7c15u);
}

static uint8_t pattern(uint32_t id, size_t i)
{
	return (uint8_t)(id * 31 + i * 7 + (i >> 8));
}

static uint32_t next_stamp(struct ledger *ledger)
{
	return atomic_fetch_add(&ledger->stamp, 1) + 1;
}

uint32_t ledger_new(struct ledger *ledger, uint32_t size, uint32_t priority, int64_t ttl)
{
	uint32_t id = atomic_fetch_add(&ledger->n_messages, 1) + 1;

	if (id >= LEDGER_MESSAGES) {
		fault(ledger->faults, "harness: more than %d messages in a run", LEDGER_MESSAGES);
		id = LEDGER_MESSAGES - 1;
	}
	/* A time to live of a second outlasts every run that is not a violation anyway. */
	ledger->messages[id] = (struct ledger_message){
		.size = size,
		.priority = priority,
		.ttl = ttl,
		.may_vanish = ttl > 0 && ttl < 1000000000,
	};
	return id;
}

void ledger_write(const struct ledger *ledger, uint32_t id, void *data)
{
	uint32_t size = ledger->messages[id].size;
	struct head head = { id, size, sum_of(id, size) };
	uint8_t *bytes = data;

	memcpy(bytes, &head, sizeof(head));
	for (size_t i = sizeof(head); i < size; i++)
		bytes[i] = pattern(id, i);
}

void ledger_send_begins(struct ledger *ledger, uint32_t id)
{
	ledger->messages[id].begun = next_stamp(ledger);
}

void ledger_send_returns(struct ledger *ledger, uint32_t id, int result)
{
	ledger->messages[id].result = result;
	ledger->messages[id].returned = next_stamp(ledger);
}

void ledger_call_begins(struct ledger *ledger, uint32_t actor, uint32_t touched, uint32_t doubt,
			uint32_t id)
{
	struct ledger_actor *who = &ledger->actors[actor];

	who->begun = next_stamp(ledger);
	who->doubt_id = id;
	who->doubt = doubt;
	who->touched = touched;
}

void ledger_call_returns(struct ledger *ledger, uint32_t actor)
{
	ledger->actors[actor].doubt = ledger->actors[actor].touched = 0;
	ledger->actors[actor].doubt_id = 0;
}

static void add_event(struct ledger *ledger, enum event_kind kind, uint32_t actor, uint32_t id,
		      uint32_t deliveries)
{
	uint32_t n = atomic_fetch_add(&ledger->n_events, 1);

	if (n >= LEDGER_EVENTS) {
		atomic_store(&ledger->n_events, LEDGER_EVENTS);
		fault(ledger->faults, "harness: more than %d events in a run", LEDGER_EVENTS);
		return;
	}
	ledger->events[n] = (struct ledger_event){
		.kind = kind,
		.actor = actor,
		.id = id,
		.deliveries = deliveries,
		.begun = ledger->actors[actor].begun,
		.returned = next_stamp(ledger),
	};
}

uint32_t ledger_check(struct ledger *ledger, const void *data, size_t size, uint32_t priority)
{
	struct head head = { 0 };
	const uint8_t *bytes = data;

	memcpy(&head, data, size < sizeof(head) ? size : sizeof(head));
	if (head.id == 0 || head.id > ledger_count(&ledger->n_messages) ||
	    head.sum != sum_of(head.id, head.size)) {
		fault(ledger->faults, "C1: a message of %zu bytes that nobody sent", size);
		return 0;
	}
	for (size_t i = sizeof(head); i < size; i++)
		if (bytes[i] != pattern(head.id, i)) {
			fault(ledger->faults, "C1: message %u is torn at byte %zu", head.id, i);
			return head.id;
		}
	if (size != head.size)
		fault(ledger->faults, "C1: message %u has %zu bytes, not %u", head.id, size,
		      head.size);
	if (priority != ledger->messages[head.id].priority)
		fault(ledger->faults, "C1: message %u has priority %u, not %u", head.id, priority,
		      ledger->messages[head.id].priority);
	return head.id;
}

uint32_t ledger_arrives(struct ledger *ledger, uint32_t actor, enum event_kind kind,
			const void *data, size_t size, uint32_t priority, uint32_t deliveries)
{
	uint32_t id = ledger_check(ledger, data, size, priority);

	if (id)
		add_event(ledger, kind, actor, id, deliveries);
	return id;
}

void ledger_settles(struct ledger *ledger, uint32_t actor, enum event_kind kind, uint32_t id)
{
	add_event(ledger, kind, actor, id, 0);
}

void ledger_recovered(struct ledger *ledger)
{
	if (!ledger->recovered)
		ledger->recovered = next_stamp(ledger);
}

static bool arrival(const struct ledger_event *event)
{
	return event->kind == EVENT_RECEIVED || event->kind == EVENT_TAKEN;
}

/* How often a message was received for good. */
static uint32_t times_finished(const struct ledger *ledger, uint32_t id)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ledger_count(&ledger->n_events); i++) {
		const struct ledger_event *event = &ledger->events[i];

		n +=
		    event->id == id && (event->kind == EVENT_RECEIVED || event->kind == EVENT_DONE);
	}
	return n;
}

/* Whether somebody who lives took a message and holds it still. */
static bool held(const struct ledger *ledger, uint32_t id)
{
	bool result = false;

	for (uint32_t i = 0; i < ledger_count(&ledger->n_events); i++) {
		const struct ledger_event *event = &ledger->events[i];

		if (event->id == id)
			result = event->kind == EVENT_TAKEN && !ledger->actors[event->actor].dead;
	}
	return result;
}

/* Whether a call that may have finished this very message never returned. */
static bool in_doubt(const struct ledger *ledger, uint32_t id)
{
	for (uint32_t i = 0; i < ACTORS; i++)
		if (ledger->actors[i].doubt_id == id)
			return true;
	return false;
}

/* How many messages, it is not known which, unfinished calls may have received for good. */
static uint32_t doubts(const struct ledger *ledger)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ACTORS; i++)
		n += ledger->actors[i].doubt_id ? 0 : ledger->actors[i].doubt;
	return n;
}

/* The same, and those that the living hold in the middle of a call. */
static uint32_t out_of_reach(const struct ledger *ledger)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ACTORS; i++) {
		const struct ledger_actor *actor = &ledger->actors[i];

		if (!actor->doubt_id)
			n += actor->dead ? actor->doubt : actor->touched;
	}
	return n;
}

/* How often unfinished calls may have raised a delivery count. */
static uint32_t touches(const struct ledger *ledger)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ACTORS; i++)
		n += ledger->actors[i].touched;
	return n;
}

static bool was_sent(const struct ledger_message *message)
{
	return message->returned && message->result == 0;
}

uint32_t ledger_certain(const struct ledger *ledger)
{
	uint32_t n = 0, doubt = out_of_reach(ledger);

	if (ledger->drops)
		return 0;
	for (uint32_t id = ledger->erased + 1; id <= ledger_count(&ledger->n_messages); id++)
		n += was_sent(&ledger->messages[id]) && !ledger->messages[id].may_vanish &&
		     !times_finished(ledger, id) && !held(ledger, id) && !in_doubt(ledger, id);
	return n > doubt ? n - doubt : 0;
}

uint32_t ledger_taken(const struct ledger *ledger)
{
	uint32_t n = 0;

	for (uint32_t id = 1; id <= ledger_count(&ledger->n_messages); id++)
		n += held(ledger, id) && !times_finished(ledger, id);
	return n;
}

uint32_t ledger_possible(const struct ledger *ledger, uint32_t priority)
{
	uint32_t n = 0;

	for (uint32_t id = ledger->erased + 1; id <= ledger_count(&ledger->n_messages); id++) {
		const struct ledger_message *message = &ledger->messages[id];

		n += message->begun && message->priority == priority &&
		     (!message->returned || message->result == 0) && !times_finished(ledger, id);
	}
	return n;
}

static void judge_counts(struct ledger *ledger)
{
	uint32_t missing = 0, last = 0, allowed = doubts(ledger) + ledger->dropped;

	for (uint32_t id = 1; id <= ledger_count(&ledger->n_messages); id++) {
		const struct ledger_message *message = &ledger->messages[id];
		uint32_t finished = times_finished(ledger, id);

		if (finished > 1)
			fault(ledger->faults, "C3: message %u was received %u times", id, finished);
		if (finished && message->returned && message->result < 0)
			fault(ledger->faults, "C1: message %u came, though its send failed (%d)",
			      id, message->result);
		if (id > ledger->erased && was_sent(message) && !finished && !message->may_vanish &&
		    !in_doubt(ledger, id)) {
			missing++;
			last = id;
		}
	}
	if (missing > allowed)
		fault(ledger->faults, "C2: %u messages were lost (%u can be explained), such as %u",
		      missing, allowed, last);
}

/* How often was a message taken before its arrival number n, and which stamp gave it back? */
static uint32_t times_taken(const struct ledger *ledger, uint32_t n, uint32_t *ret_back)
{
	uint32_t taken = 0;

	*ret_back = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct ledger_event *event = &ledger->events[i];

		if (event->id != ledger->events[n].id)
			continue;
		taken += event->kind == EVENT_TAKEN;
		if (event->kind == EVENT_RETURNED)
			*ret_back = event->returned;
	}
	return taken;
}

/* Each arrival counts the earlier ones; calls that were killed half-way may have counted too. */
static void judge_deliveries(struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger_count(&ledger->n_events); i++) {
		const struct ledger_event *event = &ledger->events[i];
		uint32_t back, taken = times_taken(ledger, i, &back);

		if (!arrival(event))
			continue;
		if (event->deliveries < taken + 1 ||
		    event->deliveries > taken + 1 + touches(ledger))
			fault(ledger->faults,
			      "C3: message %u has delivery count %u, was taken %u "
			      "times before",
			      event->id, event->deliveries, taken);
	}
}

/* The stamp from which on the message of arrival number n was there to be received. */
static uint32_t available(const struct ledger *ledger, uint32_t n)
{
	uint32_t back;

	if (!times_taken(ledger, n, &back) && ledger->events[n].deliveries == 1)
		return ledger->messages[ledger->events[n].id].returned;
	return back ? back : ledger->recovered;
}

/* Whether message a must come before message b when both are there. */
static bool goes_first(const struct ledger_message *a, const struct ledger_message *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->returned && a->returned < b->begun;
}

static void judge_order(struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger_count(&ledger->n_events); i++) {
		const struct ledger_event *a = &ledger->events[i];
		uint32_t since = available(ledger, i);

		for (uint32_t j = 0; since && arrival(a) && j < ledger_count(&ledger->n_events);
		     j++) {
			const struct ledger_event *b = &ledger->events[j];

			if (arrival(b) && b->begun > since && b->returned < a->begun &&
			    goes_first(&ledger->messages[a->id], &ledger->messages[b->id]))
				fault(ledger->faults, "C4: message %u came before message %u",
				      b->id, a->id);
		}
	}
}

void ledger_judge(struct ledger *ledger)
{
	judge_counts(ledger);
	judge_deliveries(ledger);
	judge_order(ledger);
}
