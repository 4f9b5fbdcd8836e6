/* SPDX-License-Identifier: MIT */
/* Calls of pipes that keep the ledger; see pipe.h. */
#include <errno.h>
#include <string.h>

#include "pipe.h"

static struct unit buffer[PIPE_UNITS];

static uint32_t sum(const struct unit *unit)
{
	return (unit->record * 2654435761u) ^ (unit->index * 40503u) ^ unit->of ^ 0x5a5a5a5a;
}

static uint32_t tick(struct pipe_ledger *ledger)
{
	return __atomic_add_fetch(&ledger->clock, 1, __ATOMIC_SEQ_CST);
}

/* A new record of that many bytes at `to`. */
uint32_t pipe_compose(struct pipe_ledger *ledger, struct unit *to, uint32_t size)
{
	uint32_t id = __atomic_fetch_add(&ledger->n, 1, __ATOMIC_SEQ_CST);
	uint32_t units = size / (uint32_t)sizeof(struct unit);

	if (id >= PIPE_RECORDS) {
		fault(ledger->faults, "harness: more records than the ledger has room for");
		id = PIPE_RECORDS - 1;
	}
	ledger->records[id].units = units;
	for (uint32_t i = 0; i < units; i++) {
		to[i] = (struct unit){ .record = id, .index = i, .of = units };
		to[i].check = sum(&to[i]);
	}
	ledger->records[id].began = tick(ledger);
	return id;
}

ssize_t pipe_checked(struct pipe_actor *actor, const char *call, ssize_t result)
{
	bool plausible = result >= 0 || result == -EAGAIN || result == -ETIMEDOUT ||
			 (result == -EIDRM && actor->setup->removes) ||
			 (result == -FERRY_ESTALE &&
			  (strcmp(call, "consume") == 0 || strcmp(call, "drain") == 0)) ||
			 (result == -EPIPE && (actor->setup->lonely || actor->setup->deserted)) ||
			 (result == -ENXIO && strcmp(call, "open") == 0);

	if (!plausible)
		fault(actor->ledger->faults, "C5: %s by actor %u returned %s", call, actor->index,
		      ferry_error_name((int)result));
	return result;
}

void pipe_wrote(struct pipe_actor *actor, uint32_t id, ssize_t result)
{
	struct pipe_record *record = &actor->ledger->records[id];

	record->returned = result > 0 ? (uint32_t)result / (uint32_t)sizeof(struct unit) : 0;
	record->ended = tick(actor->ledger);
	record->over = true;
	if (result > 0 && record->units <= ATOMIC / sizeof(struct unit) &&
	    record->returned != record->units)
		fault(actor->ledger->faults, "C1: an atomic write returned %zd", result);
}

bool pipe_unit_is_sound(const struct pipe_ledger *ledger, const struct unit *unit)
{
	return unit->record < ledger->n && unit->check == sum(unit) &&
	       unit->of == ledger->records[unit->record % PIPE_RECORDS].units &&
	       unit->index < unit->of;
}

/* One unit came out; the one before it, by the same call, was `last`. */
static void came_out(struct pipe_actor *actor, const struct unit *unit, const struct unit *last)
{
	struct pipe_ledger *ledger = actor->ledger;
	struct pipe_record *record = &ledger->records[unit->record % PIPE_RECORDS];

	if (!pipe_unit_is_sound(ledger, unit)) {
		fault(ledger->faults, "C1: a unit that nobody wrote (%u of record %u)", unit->index,
		      unit->record);
		return;
	}
	uint32_t first = __atomic_fetch_add(&record->got, 1, __ATOMIC_SEQ_CST);
	/* Others may be stopped between reading and this: of the order they say nothing. */
	if (first == 0 && actor->index == ACTOR_SURVIVOR)
		record->first_out = tick(ledger);
	if (first >= record->units)
		fault(ledger->faults, "C3: record %u came out more than once", unit->record);
	if (last && unit->index > 0 && unit->of <= ATOMIC / sizeof(struct unit) &&
	    (last->record != unit->record || last->index + 1 != unit->index))
		fault(ledger->faults, "C1: record %u is mixed with record %u", unit->record,
		      last->record);
}

void pipe_all_came_out(struct pipe_actor *actor, const struct unit *units, ssize_t bytes)
{
	if (bytes % (ssize_t)sizeof(struct unit) != 0)
		fault(actor->ledger->faults, "C1: %zd bytes came out", bytes);
	for (ssize_t i = 0; i < bytes / (ssize_t)sizeof(struct unit); i++)
		came_out(actor, &units[i], i > 0 ? &units[i - 1] : NULL);
}

int pipe_actor_open(struct pipe_actor *actor, uint32_t end, uint32_t flags)
{
	ferry_pipe **pipe = end == FERRY_READ ? &actor->reader : &actor->writer;
	const struct ferry_pipe_options *options =
	    FERRY_PIPE_OPTIONS(.flags = flags, .capacity = PIPE_CAPACITY, .members = PIPE_MEMBERS,
			       .spin = -1);
	int result;

	*pipe = NULL;
	ATTACKED(result = ferry_pipe_open(pipe, PIPE_NAME, end, options, FERRY_NOW));
	return (int)pipe_checked(actor, "open", result);
}

ssize_t pipe_actor_write(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	uint32_t id = pipe_compose(actor->ledger, buffer, size);
	ssize_t result;

	ATTACKED(result = ferry_pipe_write(actor->writer, buffer, size, deadline));
	pipe_wrote(actor, id, result);
	return pipe_checked(actor, "write", result);
}

ssize_t pipe_actor_read(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	ssize_t result;

	actor->ledger->reading[actor->index] = size / (uint32_t)sizeof(struct unit);
	ATTACKED(result = ferry_pipe_read(actor->reader, buffer, size, deadline));
	if (result > 0)
		pipe_all_came_out(actor, buffer, result);
	actor->ledger->reading[actor->index] = 0;
	return pipe_checked(actor, "read", result);
}

static int await(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	bool reads = actor->reader != NULL;
	uint32_t event = reads ? FERRY_CAN_READ : FERRY_CAN_WRITE;
	struct ferry_item item = ferry_on_pipe(reads ? actor->reader : actor->writer, event);
	int r;

	if (!reads)
		item.value = size;
	r = await_item(actor->setup->way, &item, deadline);
	if (r > 0 && !(item.happened & event) &&
	    !(item.happened & FERRY_FAILED && actor->setup->removes))
		fault(actor->ledger->faults, "C6: a wait by actor %u tells %#x", actor->index,
		      item.happened);
	return (int)pipe_checked(actor, "a wait", r);
}

/* Others may have come first: then wait once more. */
static ssize_t await_and(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline,
			 ssize_t (*move)(struct pipe_actor *, uint32_t, ferry_deadline))
{
	ssize_t r;

	do {
		r = await(actor, size, deadline);
		if (r > 0)
			r = move(actor, size, FERRY_NOW);
	} while (r == -EAGAIN);
	return r;
}

ssize_t pipe_actor_await_write(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	return await_and(actor, size, deadline, pipe_actor_write);
}

ssize_t pipe_actor_await_read(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	return await_and(actor, size, deadline, pipe_actor_read);
}

int pipe_actor_peek(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	struct ferry_span span = { 0 };
	int result, consumed = 0;

	actor->ledger->reading[actor->index] = size / (uint32_t)sizeof(struct unit);
	ATTACKED(result = ferry_pipe_peek(actor->reader, &span, deadline));
	if (result == 1) {
		size_t n = span.size < size ? span.size : size;
		memcpy(buffer, span.data, n);
		ATTACKED(consumed = ferry_pipe_consume(actor->reader, &span, n));
		if (consumed == 0)
			pipe_all_came_out(actor, buffer, (ssize_t)n);
		(void)pipe_checked(actor, "consume", consumed);
	}
	actor->ledger->reading[actor->index] = 0;
	return (int)pipe_checked(actor, "peek", result);
}

int pipe_actor_reserve(struct pipe_actor *actor, uint32_t size, ferry_deadline deadline)
{
	int result;

	ATTACKED(result = ferry_pipe_reserve(actor->writer, size, &actor->span, deadline));
	if (result == 0)
		actor->record = pipe_compose(actor->ledger, actor->span.data, size);
	return (int)pipe_checked(actor, "reserve", result);
}

int pipe_actor_commit(struct pipe_actor *actor, ferry_deadline deadline)
{
	size_t size = actor->span.size;
	int result;

	if (!actor->span.data)
		return 0;
	ATTACKED(result = ferry_pipe_commit(actor->writer, &actor->span, size, deadline));
	pipe_wrote(actor, actor->record, result == 0 ? (ssize_t)size : result);
	return (int)pipe_checked(actor, "commit", result);
}

static void judge_record(struct pipe_ledger *ledger, uint32_t id, uint32_t *missing)
{
	const struct pipe_record *record = &ledger->records[id];
	bool atomic = record->units <= ATOMIC / sizeof(struct unit);

	if (record->over && record->got > record->returned)
		fault(ledger->faults, "C3: %u units of record %u came out, but %u were written",
		      record->got, id, record->returned);
	uint32_t found = record->got + record->aside;
	if (record->over && found < record->returned)
		*missing += record->returned - found;
	/* A killed write: all, or nothing. What a dead reader took cannot be told apart. */
	if (!record->over && atomic && found > 0 && found < record->units)
		*missing += record->units - found;
}

/* What was in before another was begun comes out before it. */
static void judge_order(struct pipe_ledger *ledger, uint32_t a, uint32_t b)
{
	const struct pipe_record *first = &ledger->records[a], *then = &ledger->records[b];

	if (first->over && first->returned > 0 && first->ended < then->began &&
	    first->first_out != 0 && then->first_out != 0 && first->first_out > then->first_out)
		fault(ledger->faults, "C4: record %u came out before record %u", b, a);
}

void pipe_ledger_judge(struct pipe_ledger *ledger, bool victim_is_over)
{
	uint32_t missing = 0, allowed = victim_is_over ? ledger->reading[ACTOR_VICTIM] : 0;
	uint32_t n = ledger->n < PIPE_RECORDS ? ledger->n : PIPE_RECORDS;

	allowed += ledger->reading[ACTOR_FIRST];
	for (uint32_t id = 0; id < n; id++)
		judge_record(ledger, id, &missing);
	if (missing > allowed)
		fault(ledger->faults, "C2: %u units are missing, %u may be", missing, allowed);
	for (uint32_t b = 1; b < n; b++)
		for (uint32_t a = b > 8 ? b - 8 : 0; a < b; a++)
			judge_order(ledger, a, b);
}
