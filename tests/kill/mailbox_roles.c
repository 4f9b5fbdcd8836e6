/* SPDX-License-Identifier: MIT */
/*
 * One to one, under attack. A victim that was killed leaves its roles to whoever wants them, as it
 * leaves all else. One that is stopped is not dead: what is its own stays its own,
 * ferry_mailbox_stat() says so, and a call of the others that would need it is refused at once; the
 * other role's calls work, and end at their deadlines.
 */
#include <errno.h>

#include "mailbox.h"

enum { SHORT_WAIT = 5 }; /* ms */

static bool is_pair(const struct scene *scene)
{
	return box_setup(scene->operation)->flags & FERRY_ONE_TO_ONE;
}

/* In a mailbox beside a stopped victim; else there is nothing to say about roles. */
static bool beside_the_stopped(const struct scene *scene)
{
	return is_pair(scene) && !scene_victim_is_over(scene);
}

bool roles_victim_sends(struct scene *scene)
{
	return beside_the_stopped(scene) &&
	       actor_look(box_survivor(scene)).sender == (uint32_t)scene->victim.pid;
}

bool roles_victim_receives(struct scene *scene)
{
	return beside_the_stopped(scene) &&
	       actor_look(box_survivor(scene)).receiver == (uint32_t)scene->victim.pid;
}

bool roles_busy_for_now(struct scene *scene, ssize_t result)
{
	return result == -EBUSY && is_pair(scene) && scene->n_sleepers > 0;
}

/* What a call with a short deadline must have come to. */
static void expect(struct scene *scene, const char *call, ssize_t result, bool refused)
{
	ssize_t expected = refused ? -EBUSY : -ETIMEDOUT;

	if (result != expected && !roles_busy_for_now(scene, result))
		fault(scene->faults, "C5: beside a stopped one, %s gives %s, not %s", call,
		      ferry_error_name((int)result), ferry_error_name((int)expected));
}

void roles_expect_send(struct scene *scene)
{
	if (!beside_the_stopped(scene))
		return;
	bool refused = roles_victim_sends(scene);
	uint32_t id = survivor_writes(scene, SIZE_SMALL);

	expect(scene, "send", survivor_sends(scene, id, ferry_in_ms(SHORT_WAIT)), refused);
}

void roles_expect_receive(struct scene *scene)
{
	if (!beside_the_stopped(scene))
		return;
	bool refused = roles_victim_receives(scene);

	expect(scene, "receive", survivor_receives(scene, ferry_in_ms(SHORT_WAIT)), refused);
}
