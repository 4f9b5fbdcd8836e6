/* SPDX-License-Identifier: MIT */
/* How a mailbox's actors play their parts; see family.h. */
#include "mailbox.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct ledger) <= SCENE_RECORD, "the ledger does not fit");

static void *hire(struct scene *scene, uint32_t index)
{
	const struct box_setup *setup = box_setup(scene->operation);
	struct actor *actor = calloc(1, sizeof(*actor));

	if (!actor || setenv("FERRY_SOUND_MS", setup->sound ? "0" : "-1", 1))
		abort();
	*actor = (struct actor){
		.subject = setup->subject ? setup->subject : &subject_ferry,
		.ledger = box_ledger(scene),
		.index = index,
		.box_flags = setup->flags,
		.sends_only = setup->flags & FERRY_ONE_TO_ONE &&
			      scene->operation->sleepers[BOX_RECEIVERS] > 0,
		.spin = index == ACTOR_SURVIVOR ? 0 : -1,
	};
	return actor;
}

static void enter(void *actor)
{
	actor_open(actor, FERRY_EXISTING);
}

static void leave(void *actor)
{
	actor_close(actor);
}

static void look_after(void *it)
{
	struct actor *actor = it;

	if (actor->box && actor->subject == &subject_ferry && !actor->sends_only)
		ferry_mailbox_receive(actor->box, NULL, 0, FERRY_NOW);
}

static void sleep_in_it(void *actor, const struct operation *operation, uint32_t kind,
			ferry_deadline deadline)
{
	if (kind == BOX_SENDERS)
		actor_send_new(actor, box_setup(operation)->size, deadline);
	else
		actor_receive(actor, deadline);
}

static void forked(void *it)
{
	struct actor *actor = it;

	actor->index = ACTOR_VICTIM;
	actor->n_taken = 0;
}

static void finish(void *it)
{
	struct actor *actor = it;

	if (actor->n_taken)
		actor_done(actor);
	if (actor->loan.data)
		actor_cancel(actor);
}

static void prefill(struct scene *scene, uint32_t n, uint32_t priority, int64_t ttl)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id =
		    ledger_new(box_ledger(scene), box_setup(scene->operation)->size, priority, ttl);

		if (actor_send(box_survivor(scene), id, FERRY_NOW) < 0)
			break;
	}
}

static void set_stage(struct scene *scene)
{
	const struct box_setup *setup = box_setup(scene->operation);
	struct ledger *ledger = box_ledger(scene);

	ledger->faults = scene->faults;
	ledger->drops = setup->flags & FERRY_DROP_OLDEST;
	ledger->may_remove = setup->removes;
	if (setup->absent)
		return;
	actor_open(box_survivor(scene), FERRY_EXCLUSIVE);
	prefill(scene, setup->prefill_expiring, 0, 1);
	prefill(scene, setup->prefill, 0, 0);
	prefill(scene, setup->prefill_priority, 1, 0);
	/* The roles shall be the victim's. */
	if (setup->flags & FERRY_ONE_TO_ONE) {
		actor_close(box_survivor(scene));
		actor_open(box_survivor(scene), FERRY_EXISTING);
	}
}

static void complete_stage(struct scene *scene)
{
	prefill(scene, box_setup(scene->operation)->prefill_after, 0, 0);
}

static uint64_t visible(struct scene *scene)
{
	struct ferry_mailbox_stat stat = actor_look(box_survivor(scene));

	return stat.messages << 32 | stat.taken;
}

static void before_sleep(struct scene *scene)
{
	struct ferry_mailbox_stat stat = actor_look(box_survivor(scene));

	box_ledger(scene)->full =
	    (uint32_t)(stat.messages + stat.taken) + box_setup(scene->operation)->loans;
}

static bool asleep(struct scene *scene)
{
	struct ferry_mailbox_stat stat = actor_look(box_survivor(scene));

	return stat.waiting_receivers >= scene->operation->sleepers[BOX_RECEIVERS] &&
	       stat.waiting_senders >= scene->operation->sleepers[BOX_SENDERS];
}

static void died(struct scene *scene, uint32_t actor, bool dead)
{
	box_ledger(scene)->actors[actor].dead = dead;
}

static void feed(struct scene *scene)
{
	if (scene->operation->rouse && !ledger_certain(box_ledger(scene)))
		scene->operation->rouse(scene->survivor, scene->operation);
}

const struct family family_mailbox = {
	.name = "mailbox",
	.operations = mailbox_operations,
	.hire = hire,
	.enter = enter,
	.leave = leave,
	.look_after = look_after,
	.sleep = sleep_in_it,
	.forked = forked,
	.finish = finish,
	.set_stage = set_stage,
	.complete_stage = complete_stage,
	.visible = visible,
	.before_sleep = before_sleep,
	.asleep = asleep,
	.died = died,
	.feed = feed,
	.survive = mailbox_survive,
	.end = mailbox_end,
};
