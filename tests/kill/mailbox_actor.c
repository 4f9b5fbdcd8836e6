/* SPDX-License-Identifier: MIT */
/* Calls of the subject that keep the ledger; see mailbox_actor.h. */
#include "mailbox_actor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static uint8_t buffers[ACTOR_HELD][BOX_MAX_SIZE];

/* Results that can be right, depending on what else goes on. */
static bool plausible(const struct actor *actor, ssize_t result)
{
	return result >= 0 || result == -EAGAIN || result == -ETIMEDOUT ||
	       (result == -EIDRM && actor->ledger->may_remove) ||
	       (result == -EBUSY && (actor->box_flags & FERRY_ONE_TO_ONE)) ||
	       (result == -ENOBUFS && (actor->box_flags & FERRY_DROP_OLDEST));
}

static ssize_t checked(struct actor *actor, const char *call, ssize_t result)
{
	if (!plausible(actor, result))
		fault(actor->ledger->faults, "C5: %s by actor %u returned %s", call, actor->index,
		      ferry_error_name((int)result));
	return result;
}

int actor_open(struct actor *actor, uint32_t flags)
{
	const struct ferry_mailbox_options *options =
	    FERRY_MAILBOX_OPTIONS(.flags = flags | actor->box_flags, .max_size = BOX_MAX_SIZE,
				  .messages = BOX_CAPACITY,
				  .priorities =
				      actor->box_flags & FERRY_ONE_TO_ONE ? 1 : BOX_PRIORITIES,
				  .memory = BOX_MEMORY, .members = BOX_MEMBERS,
				  .spin = actor->spin);
	int result;

	actor->box = NULL;
	ATTACKED(result = actor->subject->open(&actor->box, BOX_NAME, options));
	return (int)checked(actor, "open", result);
}

void actor_close(struct actor *actor)
{
	if (!actor->box)
		return;
	ATTACKED(actor->subject->close(actor->box));
	/* What it held goes back as if it had died. */
	actor->ledger->actors[actor->index].dead = true;
	actor->box = NULL;
}

int actor_send(struct actor *actor, uint32_t id, ferry_deadline deadline)
{
	const struct ledger_message *message = &actor->ledger->messages[id];
	const struct ferry_send_options *options =
	    FERRY_SEND_OPTIONS(.priority = message->priority, .ttl = message->ttl);
	int result;

	ledger_write(actor->ledger, id, buffers[0]);
	ledger_send_begins(actor->ledger, id);
	/* To drop a message is to take it: killed in between, it is there again. */
	ledger_call_begins(actor->ledger, actor->index, actor->ledger->drops, 0, 0);
	ATTACKED(result = actor->subject->send(actor->box, buffers[0], message->size, options,
					       deadline));
	ledger_send_returns(actor->ledger, id, result);
	ledger_call_returns(actor->ledger, actor->index);
	return (int)checked(actor, "send", result);
}

int actor_send_new(struct actor *actor, uint32_t size, ferry_deadline deadline)
{
	return actor_send(actor, ledger_new(actor->ledger, size, 0, 0), deadline);
}

ssize_t actor_receive(struct actor *actor, ferry_deadline deadline)
{
	struct ferry_message info = { 0 };
	ssize_t result;

	memset(buffers[0], 0xee, LEDGER_SMALLEST);
	ledger_call_begins(actor->ledger, actor->index, 1, 1, 0);
	ATTACKED(result = actor->subject->receive(actor->box, buffers[0], BOX_MAX_SIZE, &info,
						  deadline));
	if (result >= 0)
		ledger_arrives(actor->ledger, actor->index, EVENT_RECEIVED, buffers[0],
			       (size_t)result, info.priority, info.deliveries);
	ledger_call_returns(actor->ledger, actor->index);
	return checked(actor, "receive", result);
}

int actor_await(struct actor *actor, enum await way, uint32_t event, ferry_deadline deadline)
{
	struct ferry_item item = ferry_on_mailbox(actor->box, event);
	int result = await_item(way, &item, deadline);

	if (result > 0 && item.happened != event)
		fault(actor->ledger->faults, "C6: a wait by actor %u tells %#x, not %#x",
		      actor->index, item.happened, event);
	return (int)checked(actor, "a wait", result);
}

ssize_t actor_send_many(struct actor *actor, uint32_t n, uint32_t size, ferry_deadline deadline)
{
	struct ferry_message messages[ACTOR_HELD] = { 0 };
	uint32_t ids[ACTOR_HELD];
	ssize_t result;

	for (uint32_t i = 0; i < n; i++) {
		ids[i] = ledger_new(actor->ledger, size, 0, 0);
		ledger_write(actor->ledger, ids[i], buffers[i]);
		ledger_send_begins(actor->ledger, ids[i]);
		messages[i].data = buffers[i];
		messages[i].size = size;
	}
	ATTACKED(result = ferry_mailbox_send_many(actor->box, messages, n, deadline));
	for (uint32_t i = 0; i < n; i++)
		ledger_send_returns(actor->ledger, ids[i], i < result ? 0 : -EAGAIN);
	return checked(actor, "send_many", result);
}

ssize_t actor_receive_many(struct actor *actor, uint32_t n, ferry_deadline deadline)
{
	struct ferry_message messages[ACTOR_HELD] = { 0 };
	ssize_t result;

	for (uint32_t i = 0; i < n; i++) {
		messages[i].data = buffers[i];
		messages[i].size = BOX_MAX_SIZE;
	}
	ledger_call_begins(actor->ledger, actor->index, n, n, 0);
	ATTACKED(result = ferry_mailbox_receive_many(actor->box, messages, n, deadline));
	for (ssize_t i = 0; i < result; i++)
		ledger_arrives(actor->ledger, actor->index, EVENT_RECEIVED, messages[i].data,
			       messages[i].size, messages[i].priority, messages[i].deliveries);
	ledger_call_returns(actor->ledger, actor->index);
	return checked(actor, "receive_many", result);
}

ssize_t actor_peek(struct actor *actor)
{
	struct ferry_message info = { 0 };
	ssize_t result;

	ledger_call_begins(actor->ledger, actor->index, 0, 0, 0);
	ATTACKED(result =
		     ferry_mailbox_peek(actor->box, buffers[0], BOX_MAX_SIZE, &info, FERRY_NOW));
	if (result >= 0)
		ledger_check(actor->ledger, buffers[0], (size_t)result, info.priority);
	ledger_call_returns(actor->ledger, actor->index);
	return checked(actor, "peek", result);
}

int actor_take(struct actor *actor, ferry_deadline deadline)
{
	struct ferry_message *message = &actor->taken[actor->n_taken];
	int result;

	ledger_call_begins(actor->ledger, actor->index, 1, 0, 0);
	ATTACKED(result = ferry_mailbox_take(actor->box, message, deadline));
	if (result == 0)
		actor->taken_id[actor->n_taken++] =
		    ledger_arrives(actor->ledger, actor->index, EVENT_TAKEN, message->data,
				   message->size, message->priority, message->deliveries);
	ledger_call_returns(actor->ledger, actor->index);
	return (int)checked(actor, "take", result);
}

static void drop_first(struct actor *actor)
{
	actor->n_taken--;
	memmove(actor->taken, actor->taken + 1, actor->n_taken * sizeof(actor->taken[0]));
	memmove(actor->taken_id, actor->taken_id + 1, actor->n_taken * sizeof(actor->taken_id[0]));
}

int actor_done(struct actor *actor)
{
	int result;

	ledger_call_begins(actor->ledger, actor->index, 0, 1, actor->taken_id[0]);
	ATTACKED(result = ferry_mailbox_done(actor->box, &actor->taken[0]));
	if (result == 0) {
		ledger_settles(actor->ledger, actor->index, EVENT_DONE, actor->taken_id[0]);
		drop_first(actor);
	}
	ledger_call_returns(actor->ledger, actor->index);
	return (int)checked(actor, "done", result);
}

int actor_return(struct actor *actor)
{
	int result;

	ledger_call_begins(actor->ledger, actor->index, 0, 0, 0);
	ATTACKED(result = ferry_mailbox_return(actor->box, &actor->taken[0]));
	if (result == 0) {
		ledger_settles(actor->ledger, actor->index, EVENT_RETURNED, actor->taken_id[0]);
		drop_first(actor);
	}
	ledger_call_returns(actor->ledger, actor->index);
	return (int)checked(actor, "return", result);
}

int actor_loan(struct actor *actor, uint32_t size)
{
	int result;

	ATTACKED(result = ferry_mailbox_loan(actor->box, size, &actor->loan, FERRY_NOW));
	return (int)checked(actor, "loan", result);
}

int actor_commit(struct actor *actor)
{
	uint32_t id = ledger_new(actor->ledger, (uint32_t)actor->loan.size, 0, 0);
	int result;

	ledger_write(actor->ledger, id, actor->loan.data);
	ledger_send_begins(actor->ledger, id);
	ATTACKED(result = ferry_mailbox_commit(actor->box, &actor->loan, FERRY_NOW));
	ledger_send_returns(actor->ledger, id, result);
	return (int)checked(actor, "commit", result);
}

int actor_cancel(struct actor *actor)
{
	int result;

	ATTACKED(result = ferry_mailbox_cancel(actor->box, &actor->loan));
	return (int)checked(actor, "cancel", result);
}

int actor_remove(struct actor *actor)
{
	int result;

	ATTACKED(result = actor->subject->remove(BOX_NAME));
	return result == -ENOENT ? result : (int)checked(actor, "remove", result);
}

int actor_repair(struct actor *actor)
{
	int result;

	ATTACKED(result = actor->subject->repair(BOX_NAME));
	return (int)checked(actor, "repair", result);
}

struct ferry_mailbox_stat actor_look(struct actor *actor)
{
	struct ferry_mailbox_stat stat = { 0 };
	int result = actor->subject->stat(actor->box, &stat);

	checked(actor, "stat", result);
	return stat;
}
