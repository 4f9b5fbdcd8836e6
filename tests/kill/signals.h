/* SPDX-License-Identifier: MIT */
/*
 * Signals and child processes under attack. What is sent to the victim while it is stopped, and
 * what it had sent when it was killed, is counted in the ledger; a program that the victim starts
 * is cat(1), which shows by an echo that it runs, and by the end of its output that it does not.
 */
#ifndef KILL_SIGNALS_H
#define KILL_SIGNALS_H

#include "harness.h"
#include "scene.h"

enum {
	SIGNAL_KEPT = 64, /* signals that are counted, one after the other */
	SIGNAL_BATCH = 3, /* sent to the victim before its act, and again while it is stopped */
};

#define SIGNAL_RT (SIGRTMIN + 3) /* the victim's */
#define SIGNAL_TO (SIGRTMIN + 4) /* the survivor's */

/* What an operation is about: operation->with. */
struct signal_setup {
	bool catches; /* the victim catches SIGNAL_RT and SIGUSR1 */
	bool blocks;  /* it has SIGNAL_RT blocked, too */
	bool sends;   /* it sends SIGNAL_TO to the survivor */
	bool spawns;  /* it starts cat */
	bool no_program;
	bool tied;      /* cat shall die with its parent */
	bool waits;     /* for the end of the survivor's other child */
	bool no_result; /* whether the spawn succeeds is for others to decide */
};

struct signal_ledger {
	struct faults *faults;
	pid_t scene, victim, target;
	int to_child[2], from_child[2];
	_Atomic uint32_t sent;      /* SIGNAL_RT, with the payloads from 0 up */
	_Atomic uint32_t handled;   /* of these, by the victim */
	_Atomic uint32_t sending;   /* SIGNAL_TO: begun ... */
	_Atomic uint32_t delivered; /* ... and returned with success */
	_Atomic uint32_t came;      /* to the survivor */
	_Atomic bool spawn_begun, spawn_returned;
	int spawn_result;
	enum ferry_spawn_step spawn_step;
	_Atomic bool target_killed, target_seen;
};

struct signal_actor {
	struct signal_ledger *ledger;
	const struct signal_setup *setup;
	uint32_t index;
	ferry_process *process; /* whom it sends to, or waits for */
};

static inline const struct signal_setup *signal_setup(const struct operation *operation)
{
	return operation->with;
}

extern const struct operation signal_operations[];

#endif
