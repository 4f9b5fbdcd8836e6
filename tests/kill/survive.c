/* SPDX-License-Identifier: MIT */
/* What the survivors do after a strike, and what they must find; see scene.h. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"

/* Longer than anybody may have to wait, on the busiest machine; shorter than the alarm. */
#define PATIENCE_NS 1000000000
#define PATIENCE_MS 1000

static void pause_briefly(void)
{
	struct timespec time = { .tv_nsec = 100000 };

	nanosleep(&time, NULL);
}

void survive_took(struct scene *scene, int64_t since)
{
	int64_t took = now_ns() - since;

	if (took > scene->outcome->slowest)
		scene->outcome->slowest = took;
}

/* Note how long it took from the strike until things were as they must be. */
static void recovered_late(struct scene *scene)
{
	survive_took(scene, scene->struck_at);
}

static bool out_of_patience(int64_t since)
{
	return now_ns() - since > PATIENCE_NS;
}

static bool victim_is_over(const struct scene *scene)
{
	return scene->victim.state == VICTIM_OVER || scene->victim.state == VICTIM_BROKEN;
}

static int timed_send(struct scene *scene, uint32_t id, ferry_deadline deadline)
{
	int64_t since = now_ns();
	int result = actor_send(&scene->survivor, id, deadline);

	survive_took(scene, since);
	return result;
}

static ssize_t timed_receive(struct scene *scene, ferry_deadline deadline)
{
	int64_t since = now_ns();
	ssize_t result = actor_receive(&scene->survivor, deadline);

	survive_took(scene, since);
	return result;
}

static uint32_t new_message(struct scene *scene, uint32_t size)
{
	return ledger_new(scene->ledger, size, 0, 0);
}

/* Messages of priority 0 that take up room, as far as can be known. */
static uint32_t occupied(struct scene *scene)
{
	return ledger_possible(scene->ledger, 0) - scene_unfinished(scene, true);
}

/* Is there room that a sleeping sender must learn of? */
static bool has_room(struct scene *scene, const struct ferry_mailbox_stat *stat)
{
	if (victim_is_over(scene))
		return stat->messages + stat->taken < scene->full;
	/* A stopped victim may hold memory: nothing is known but of messages that need none. */
	return scene->operation->size == SIZE_SMALL && occupied(scene) < BOX_CAPACITY;
}

static const char *owed(struct scene *scene)
{
	struct ferry_mailbox_stat stat;

	if (!scene_unfinished(scene, false) && !scene_unfinished(scene, true))
		return NULL;
	stat = actor_look(&scene->survivor);
	if (scene_unfinished(scene, false) && stat.messages > 0)
		return "a receiver sleeps, though a message waits";
	if (scene_unfinished(scene, true) && has_room(scene, &stat))
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
		if (out_of_patience(since)) {
			ledger_fault(scene->ledger, "C6: %s", what);
			break;
		}
		pause_briefly();
	}
	recovered_late(scene);
}

/* Receive one that must be there, then send one for which there must be room. */
static void receive_and_send(struct scene *scene)
{
	scene_phase(scene, "receiving one");
	if (ledger_certain(scene->ledger) && !scene_unfinished(scene, false) &&
	    timed_receive(scene, ferry_in_ms(PATIENCE_MS)) < 0)
		ledger_fault(scene->ledger, "C5: a message that was sent does not come");
	scene_phase(scene, "sending one");
	/* A sender that finishes in between must not be overlooked: so look for one first. */
	if (!scene->ledger->drops && !scene_unfinished(scene, true) &&
	    occupied(scene) < BOX_CAPACITY &&
	    timed_send(scene, new_message(scene, SIZE_SMALL), ferry_in_ms(PATIENCE_MS)) < 0)
		ledger_fault(scene->ledger, "C5: a send into a mailbox with room fails");
}

/* Whether nothing is left of the dead: no message is taken but by the living. */
static bool recovered(struct scene *scene)
{
	if (!victim_is_over(scene))
		return false;
	if (actor_look(&scene->survivor).taken > ledger_taken(scene->ledger))
		return false;
	ledger_recovered(scene->ledger);
	return true;
}

/* A mailbox that drops its oldest is never full. */
static void fill_dropping(struct scene *scene)
{
	for (int i = 0; i < BOX_CAPACITY + 2; i++)
		if (timed_send(scene, new_message(scene, SIZE_SMALL), FERRY_NOW) < 0)
			ledger_fault(scene->ledger, "C5: a send that may drop fails");
}

/* Send until the mailbox is full. Returns how many fitted. In some runs, until the dead have been
 * recovered too, so that the order of what follows can be held to the letter. */
static uint32_t fill(struct scene *scene)
{
	bool strict = scene->run->at % 4 >= 2 && victim_is_over(scene);
	uint32_t n = 0, id = new_message(scene, SIZE_SMALL);
	int64_t since = now_ns();
	bool late = false;

	scene_phase(scene, "filling");
	while (n < 4 * BOX_CAPACITY) {
		int result = timed_send(scene, id, FERRY_NOW);

		if (result == 0) {
			n++;
			id = new_message(scene, SIZE_SMALL);
			continue;
		}
		if (result != -EAGAIN || out_of_patience(since)) {
			ledger_fault(scene->ledger, "C5: sending ends with %s after %u, of %d",
				     ferry_error_name(result), occupied(scene), BOX_CAPACITY);
			break;
		}
		if (occupied(scene) >= BOX_CAPACITY && (!strict || recovered(scene)))
			break;
		late = true;
		pause_briefly();
	}
	if (late)
		recovered_late(scene);
	return n;
}

/* Receive everything. Returns how many there were. */
static uint32_t drain(struct scene *scene)
{
	int64_t since = now_ns();
	uint32_t n = 0;
	bool late = false;

	scene_phase(scene, "draining");
	for (;;) {
		ssize_t result = timed_receive(scene, FERRY_NOW);

		if (result >= 0 && n++ < LEDGER_MESSAGES)
			continue;
		if (result != -EAGAIN || out_of_patience(since)) {
			ledger_fault(scene->ledger, "C2: receiving ends with %s, %u do not come",
				     ferry_error_name((int)result), ledger_certain(scene->ledger));
			break;
		}
		if (!ledger_certain(scene->ledger) && (!victim_is_over(scene) || recovered(scene)))
			break;
		late = true;
		pause_briefly();
	}
	if (late)
		recovered_late(scene);
	return n;
}

/* A large message fits into the empty mailbox. */
static void send_large(struct scene *scene, uint32_t size)
{
	uint32_t id = new_message(scene, size);
	int64_t since = now_ns();
	bool late = false;
	int result;

	scene_phase(scene, "sending a large one");
	while ((result = timed_send(scene, id, FERRY_NOW)) < 0) {
		if (result != -EAGAIN || out_of_patience(since)) {
			ledger_fault(scene->ledger, "C5: %u bytes find no memory: %s", size,
				     ferry_error_name(result));
			break;
		}
		late = true;
		pause_briefly();
	}
	if (late)
		recovered_late(scene);
	drain(scene);
}

static bool is_removed(struct scene *scene)
{
	struct ferry_object_stat stat;

	return scene->operation->removes &&
	       (ferry_object_stat(BOX_NAME, &stat, NULL) < 0 || stat.removed);
}

/* The mailbox is gone: everybody must be told, and a new one can be made under the name. */
static void survive_removal(struct scene *scene)
{
	int64_t since = now_ns();

	scene_phase(scene, "learning of the removal");
	while (scene_unfinished(scene, false) + scene_unfinished(scene, true)) {
		if (out_of_patience(since)) {
			ledger_fault(scene->ledger, "C6: the removal does not wake a sleeper");
			break;
		}
		pause_briefly();
	}
	recovered_late(scene);
	if (timed_send(scene, new_message(scene, SIZE_SMALL), FERRY_NOW) != -EIDRM ||
	    timed_receive(scene, FERRY_NOW) != -EIDRM)
		ledger_fault(scene->ledger, "C6: a call on a removed mailbox is not told so");
	scene->ledger->erased = ledger_count(&scene->ledger->n_messages);
	actor_close(&scene->survivor);
	scene->ledger->actors[ACTOR_SURVIVOR].dead = false;
	if (actor_open(&scene->survivor, 0) < 0)
		_exit(1);
}

/* Open where nothing was before the victim came. */
static void open_late(struct scene *scene)
{
	int64_t since = now_ns();

	scene_phase(scene, "opening");
	if (actor_open(&scene->survivor, 0) < 0)
		_exit(1);
	survive_took(scene, since);
}

void survive(struct scene *scene)
{
	if (!scene->survivor.box)
		open_late(scene);
	if (is_removed(scene)) {
		if (scene->ledger->erased)
			ledger_fault(scene->ledger,
				     "C5: one removal took the next mailbox of that name too");
		survive_removal(scene);
	}
	settle(scene);
	if (scene->run->at % 2)
		receive_and_send(scene);
	if (scene->ledger->drops)
		fill_dropping(scene);
	else
		fill(scene);
	drain(scene);
	if (victim_is_over(scene) || scene->operation->size == SIZE_SMALL)
		send_large(scene, SIZE_LARGE);
}

/* Whoever sleeps still gets what it waits for. */
static void dismiss_sleepers(struct scene *scene)
{
	scene_phase(scene, "dismissing the sleepers");
	for (uint32_t n = scene_unfinished(scene, false); n > 0; n--)
		actor_send_new(&scene->survivor, SIZE_SMALL, FERRY_NOW);
	while (scene_unfinished(scene, false) + scene_unfinished(scene, true))
		pause_briefly();
	drain(scene);
}

static void expect_as_new(struct scene *scene)
{
	struct ferry_mailbox_stat stat = actor_look(&scene->survivor);

	if (stat.messages || stat.taken)
		ledger_fault(scene->ledger, "C2: %lu messages wait and %lu are taken, at the end",
			     stat.messages, stat.taken);
	if (stat.memory_free != stat.memory)
		ledger_fault(scene->ledger, "C5: %lu bytes of payload memory are lost",
			     stat.memory - stat.memory_free);
	if (stat.members_dead || stat.members_alive != 1)
		ledger_fault(scene->ledger, "C5: %u dead and %u live members, at the end",
			     stat.members_dead, stat.members_alive);
	if (stat.waiting_receivers || stat.waiting_senders)
		ledger_fault(scene->ledger, "C5: %u receivers and %u senders wait, at the end",
			     stat.waiting_receivers, stat.waiting_senders);
}

static void expect_capacity(struct scene *scene)
{
	uint32_t n;

	if (scene->ledger->drops)
		fill_dropping(scene);
	else
		fill(scene);
	n = drain(scene);
	if (n != BOX_CAPACITY)
		ledger_fault(scene->ledger, "C5: the mailbox holds %u messages, not %d", n,
			     BOX_CAPACITY);
	send_large(scene, BOX_MAX_SIZE);
}

/* Every slot of the member table can be used again. */
static void expect_members(struct scene *scene)
{
	const struct subject *subject = scene->survivor.subject;
	void *boxes[BOX_MEMBERS - 1];
	const struct ferry_mailbox_options *options =
	    FERRY_MAILBOX_OPTIONS(.flags = FERRY_EXISTING);
	int n = 0;

	scene_phase(scene, "opening it often");
	while (n < BOX_MEMBERS - 1 && subject->open(&boxes[n], BOX_NAME, options) == 0)
		n++;
	if (n < BOX_MEMBERS - 1)
		ledger_fault(scene->ledger, "C5: only %d of %d members fit", n + 1, BOX_MEMBERS);
	while (n > 0)
		subject->close(boxes[--n]);
}

static void expect_no_litter(struct scene *scene)
{
	DIR *directory = opendir(scene->run->directory);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ledger_fault(scene->ledger, "C8: '%s' is left behind", entry->d_name);
	if (directory)
		closedir(directory);
}

void survive_end(struct scene *scene)
{
	struct actor *survivor = &scene->survivor;
	int64_t slowest = scene->outcome->slowest;

	dismiss_sleepers(scene);
	scene_phase(scene, "repairing");
	actor_close(survivor);
	actor_repair(survivor);
	scene->ledger->actors[ACTOR_SURVIVOR].dead = false;
	if (actor_open(survivor, FERRY_EXISTING) < 0)
		_exit(1);
	expect_as_new(scene);
	expect_capacity(scene);
	expect_members(scene);
	scene->ledger->dropped = (uint32_t)actor_look(survivor).dropped;
	if (scene->ledger->drops && scene->run->strike == STRIKE_KILL)
		scene->ledger->dropped++;
	actor_close(survivor);
	if (actor_remove(survivor) < 0)
		ledger_fault(scene->ledger, "C5: the mailbox cannot be removed");
	expect_no_litter(scene);
	ledger_judge(scene->ledger);
	/* Only what came before the end counts as recovery. */
	scene->outcome->slowest = slowest;
}
