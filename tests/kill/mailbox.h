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

/* mailbox_survive.c */
void mailbox_survive(struct scene *scene);
void mailbox_end(struct scene *scene);

#endif
