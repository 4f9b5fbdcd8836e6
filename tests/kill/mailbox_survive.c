/* SPDX-License-Identifier: MIT */
/* What the survivors do with a mailbox after a strike, and what they must find. */
#include <errno.h>
#include <unistd.h>

#include "mailbox.h"

int survivor_sends(struct scene *scene, uint32_t id, ferry_deadline deadline)
{
	int64_t since = now_ns();
	int result = actor_send(box_survivor(scene), id, deadline);

	scene_took(scene, since);
	return result;
}

ssize_t survivor_receives(struct scene *scene, ferry_deadline deadline)
{
	int64_t since = now_ns();
	ssize_t result = actor_receive(box_survivor(scene), deadline);

	scene_took(scene, since);
	return result;
}

uint32_t survivor_writes(struct scene *scene, uint32_t size)
{
	return ledger_new(box_ledger(scene), size, 0, 0);
}

/* Messages of priority 0 that take up room, as far as can be known. */
static uint32_t occupied(struct scene *scene)
{
	return ledger_possible(box_ledger(scene), 0) - scene_unfinished(scene, BOX_SENDERS);
}

/* Is there room that a sleeping sender must learn of? */
static bool has_room(struct scene *scene, const struct ferry_mailbox_stat *stat)
{
	if (scene_victim_is_over(scene))
		return stat->messages + stat->taken < box_ledger(scene)->full;
	/* A stopped victim may hold memory: nothing is known but of messages that need none. */
	return box_setup(scene->operation)->size == SIZE_SMALL && occupied(scene) < BOX_CAPACITY;
}

static const char *owed(struct scene *scene)
{
	struct ferry_mailbox_stat stat;

	if (!scene_all_unfinished(scene))
		return NULL;
	stat = actor_look(box_survivor(scene));
	if (scene_unfinished(scene, BOX_RECEIVERS) && stat.messages > 0)
		return "a receiver sleeps, though a message waits";
	if (scene_unfinished(scene, BOX_SENDERS) && has_room(scene, &stat))
		return "a sender sleeps, though there is room";
	return NULL;
}

/* Nobody does anything: those who sleep must learn by themselves of what there is for them. */
static void settle(struct scene *scene)
{
	int64_t since = now_ns();
	const char *what = owed(scene);

	scene_phase(scene, "waking the sleepers");
	if (!what)
		return;
	for (; what; what = owed(scene)) {
		if (scene_out_of_patience(since)) {
			fault(scene->faults, "C6: %s", what);
			break;
		}
		scene_pause();
	}
	scene_recovered(scene);
}

/* Receive one that must be there, then send one for which there must be room. */
static void receive_and_send(struct scene *scene)
{
	scene_phase(scene, "receiving one");
	if (ledger_certain(box_ledger(scene)) && !scene_unfinished(scene, BOX_RECEIVERS) &&
	    !roles_victim_receives(scene) &&
	    survivor_receives(scene, ferry_in_ms(SCENE_PATIENCE)) < 0)
		fault(scene->faults, "C5: a message that was sent does not come");
	scene_phase(scene, "sending one");
	/* A sender that finishes in between must not be overlooked: so look for one first. */
	if (!box_ledger(scene)->drops && !scene_unfinished(scene, BOX_SENDERS) &&
	    !roles_victim_sends(scene) && occupied(scene) < BOX_CAPACITY &&
	    survivor_sends(scene, survivor_writes(scene, SIZE_SMALL), ferry_in_ms(SCENE_PATIENCE)) <
		0)
		fault(scene->faults, "C5: a send into a mailbox with room fails");
}

/* Whether nothing is left of the dead: no message is taken but by the living. */
static bool recovered(struct scene *scene)
{
	if (!scene_victim_is_over(scene))
		return false;
	if (actor_look(box_survivor(scene)).taken > ledger_taken(box_ledger(scene)))
		return false;
	ledger_recovered(box_ledger(scene));
	return true;
}

/* A mailbox that drops its oldest is never full. */
static void fill_dropping(struct scene *scene)
{
	for (int i = 0; i < BOX_CAPACITY + 2; i++)
		if (survivor_sends(scene, survivor_writes(scene, SIZE_SMALL), FERRY_NOW) < 0)
			fault(scene->faults, "C5: a send that may drop fails");
}

/* Send until the mailbox is full. Returns how many fitted. In some runs, until the dead have been
 * recovered too, so that the order of what follows can be held to the letter. */
static uint32_t fill(struct scene *scene)
{
	bool strict = scene->run->at % 4 >= 2 && scene_victim_is_over(scene);
	uint32_t n = 0, id = survivor_writes(scene, SIZE_SMALL);
	int64_t since = now_ns();
	bool late = false;

	scene_phase(scene, "filling");
	if (roles_victim_sends(scene)) {
		roles_expect_send(scene);
		return 0;
	}
	while (n < 4 * BOX_CAPACITY) {
		int result = survivor_sends(scene, id, FERRY_NOW);

		if (result == 0) {
			n++;
			id = survivor_writes(scene, SIZE_SMALL);
			continue;
		}
		if ((result != -EAGAIN && !roles_busy_for_now(scene, result)) ||
		    scene_out_of_patience(since)) {
			fault(scene->faults, "C5: sending ends with %s after %u, of %d",
			      ferry_error_name(result), occupied(scene), BOX_CAPACITY);
			break;
		}
		/* Who slept takes one of them yet. */
		if (occupied(scene) >= BOX_CAPACITY && !scene_unfinished(scene, BOX_RECEIVERS) &&
		    (!strict || recovered(scene)))
			break;
		late = true;
		scene_pause();
	}
	if (late)
		scene_recovered(scene);
	roles_expect_send(scene);
	return n;
}

/* Receive everything. Returns how many there were. */
static uint32_t drain(struct scene *scene)
{
	int64_t since = now_ns();
	uint32_t n = 0;
	bool late = false;

	scene_phase(scene, "draining");
	if (roles_victim_receives(scene)) {
		roles_expect_receive(scene);
		return 0;
	}
	for (;;) {
		ssize_t result = survivor_receives(scene, FERRY_NOW);

		if (result >= 0 && n++ < LEDGER_MESSAGES)
			continue;
		if ((result != -EAGAIN && !roles_busy_for_now(scene, result)) ||
		    scene_out_of_patience(since)) {
			fault(scene->faults, "C2: receiving ends with %s, %u do not come",
			      ferry_error_name((int)result), ledger_certain(box_ledger(scene)));
			break;
		}
		if (!ledger_certain(box_ledger(scene)) &&
		    (!scene_victim_is_over(scene) || recovered(scene)))
			break;
		late = true;
		scene_pause();
	}
	if (late)
		scene_recovered(scene);
	roles_expect_receive(scene);
	return n;
}

/* A large message fits into the empty mailbox. */
static void send_large(struct scene *scene, uint32_t size)
{
	uint32_t id = survivor_writes(scene, size);
	int64_t since = now_ns();
	bool late = false;
	int result;

	scene_phase(scene, "sending a large one");
	while ((result = survivor_sends(scene, id, FERRY_NOW)) < 0) {
		if ((result != -EAGAIN && !roles_busy_for_now(scene, result)) ||
		    scene_out_of_patience(since)) {
			fault(scene->faults, "C5: %u bytes find no memory: %s", size,
			      ferry_error_name(result));
			break;
		}
		late = true;
		scene_pause();
	}
	if (late)
		scene_recovered(scene);
	drain(scene);
}

static bool is_removed(struct scene *scene)
{
	struct ferry_object_stat stat;

	return box_setup(scene->operation)->removes &&
	       (ferry_object_stat(BOX_NAME, &stat, NULL) < 0 || stat.removed);
}

/* The mailbox is gone: everybody must be told, and a new one can be made under the name. */
static void survive_removal(struct scene *scene)
{
	int64_t since = now_ns();

	scene_phase(scene, "learning of the removal");
	while (scene_all_unfinished(scene)) {
		if (scene_out_of_patience(since)) {
			fault(scene->faults, "C6: the removal does not wake a sleeper");
			break;
		}
		scene_pause();
	}
	scene_recovered(scene);
	if (survivor_sends(scene, survivor_writes(scene, SIZE_SMALL), FERRY_NOW) != -EIDRM ||
	    survivor_receives(scene, FERRY_NOW) != -EIDRM)
		fault(scene->faults, "C6: a call on a removed mailbox is not told so");
	box_ledger(scene)->erased = ledger_count(&box_ledger(scene)->n_messages);
	actor_close(box_survivor(scene));
	box_ledger(scene)->actors[ACTOR_SURVIVOR].dead = false;
	if (actor_open(box_survivor(scene), 0) < 0)
		_exit(1);
}

/* Open where nothing was before the victim came. */
static void open_late(struct scene *scene)
{
	int64_t since = now_ns();

	scene_phase(scene, "opening");
	if (actor_open(box_survivor(scene), 0) < 0)
		_exit(1);
	scene_took(scene, since);
}

void mailbox_survive(struct scene *scene)
{
	if (!box_survivor(scene)->box)
		open_late(scene);
	if (is_removed(scene)) {
		if (box_ledger(scene)->erased)
			fault(scene->faults,
			      "C5: one removal took the next mailbox of that name too");
		survive_removal(scene);
	}
	settle(scene);
	if (scene->run->at % 2)
		receive_and_send(scene);
	if (box_ledger(scene)->drops)
		fill_dropping(scene);
	else
		fill(scene);
	drain(scene);
	if ((scene_victim_is_over(scene) || box_setup(scene->operation)->size == SIZE_SMALL) &&
	    !roles_victim_sends(scene) && !roles_victim_receives(scene))
		send_large(scene, SIZE_LARGE);
}

/* Whoever sleeps still gets what it waits for. */
static void dismiss_sleepers(struct scene *scene)
{
	scene_phase(scene, "dismissing the sleepers");
	for (uint32_t n = scene_unfinished(scene, BOX_RECEIVERS); n > 0; n--)
		actor_send_new(box_survivor(scene), SIZE_SMALL, FERRY_NOW);
	while (scene_all_unfinished(scene))
		scene_pause();
	drain(scene);
}

static void expect_as_new(struct scene *scene)
{
	struct ferry_mailbox_stat stat = actor_look(box_survivor(scene));

	if (stat.messages || stat.taken)
		fault(scene->faults, "C2: %lu messages wait and %lu are taken, at the end",
		      stat.messages, stat.taken);
	if (stat.memory_free != stat.memory)
		fault(scene->faults, "C5: %lu bytes of payload memory are lost",
		      stat.memory - stat.memory_free);
	if (stat.members_dead || stat.members_alive != 1)
		fault(scene->faults, "C5: %u dead and %u live members, at the end",
		      stat.members_dead, stat.members_alive);
	if (stat.waiting_receivers || stat.waiting_senders)
		fault(scene->faults, "C5: %u receivers and %u senders wait, at the end",
		      stat.waiting_receivers, stat.waiting_senders);
}

static void expect_capacity(struct scene *scene)
{
	uint32_t n;

	if (box_ledger(scene)->drops)
		fill_dropping(scene);
	else
		fill(scene);
	n = drain(scene);
	if (n != BOX_CAPACITY)
		fault(scene->faults, "C5: the mailbox holds %u messages, not %d", n, BOX_CAPACITY);
	send_large(scene, BOX_MAX_SIZE);
}

/* Every slot of the member table can be used again. */
static void expect_members(struct scene *scene)
{
	const struct subject *subject = box_survivor(scene)->subject;
	void *boxes[BOX_MEMBERS - 1];
	const struct ferry_mailbox_options *options =
	    FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING);
	int n = 0;

	scene_phase(scene, "opening it often");
	while (n < BOX_MEMBERS - 1 && subject->open(&boxes[n], BOX_NAME, options) == 0)
		n++;
	if (n < BOX_MEMBERS - 1)
		fault(scene->faults, "C5: only %d of %d members fit", n + 1, BOX_MEMBERS);
	while (n > 0)
		subject->close(boxes[--n]);
}

void mailbox_end(struct scene *scene)
{
	struct actor *survivor = box_survivor(scene);

	dismiss_sleepers(scene);
	scene_phase(scene, "repairing");
	actor_close(survivor);
	actor_repair(survivor);
	box_ledger(scene)->actors[ACTOR_SURVIVOR].dead = false;
	if (actor_open(survivor, FERRY_EXISTING) < 0)
		_exit(1);
	expect_as_new(scene);
	expect_capacity(scene);
	expect_members(scene);
	box_ledger(scene)->dropped = (uint32_t)actor_look(survivor).dropped;
	if (box_ledger(scene)->drops && scene->run->strike == STRIKE_KILL)
		box_ledger(scene)->dropped++;
	actor_close(survivor);
	if (actor_remove(survivor) < 0)
		fault(scene->faults, "C5: the mailbox cannot be removed");
	ledger_judge(box_ledger(scene));
}
