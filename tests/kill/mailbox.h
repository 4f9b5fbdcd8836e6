/* SPDX-License-Identifier: MIT */
/* The mailbox as a family under attack: what its files here share. */
#ifndef KILL_MAILBOX_H
#define KILL_MAILBOX_H

#include "mailbox_actor.h"
#include "scene.h"

extern const struct operation mailbox_operations[];

static inline struct actor *box_survivor(const struct scene *scene)
{
	return scene->survivor;
}

static inline struct ledger *box_ledger(const struct scene *scene)
{
	return scene->record;
}

/* mailbox_roles.c: who may send and receive in a one to one mailbox beside a victim that is
 * stopped, or beside sleepers. In any other mailbox everybody may. */

/* The role is a stopped victim's, and stays its own. */
bool roles_victim_sends(struct scene *scene);
bool roles_victim_receives(struct scene *scene);

/* A call was refused: is the role somebody's who will soon give it up? */
bool roles_busy_for_now(struct scene *scene, ssize_t result);

/* A stopped victim has its role: the call of others is refused at once. It has not: theirs ends at
 * its deadline, if there is nothing to send into, or nothing to receive. */
void roles_expect_send(struct scene *scene);
void roles_expect_receive(struct scene *scene);

/* mailbox_survive.c */
int survivor_sends(struct scene *scene, uint32_t id, ferry_deadline deadline);
ssize_t survivor_receives(struct scene *scene, ferry_deadline deadline);
uint32_t survivor_writes(struct scene *scene, uint32_t size);
void mailbox_survive(struct scene *scene);
void mailbox_end(struct scene *scene);

#endif
