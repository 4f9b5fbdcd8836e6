/* SPDX-License-Identifier: MIT */
/*
 * What the harness must know of a family of objects (mailboxes, locks, ...) to attack it: a table
 * of operations, and functions that play the parts. All else is the same for all: scene.h.
 *
 * An actor is one process of a run, with what it has open; each family has its own type for it.
 * What its processes tell each other lies in scene->record, memory of the run that outlives them
 * and is zero at first.
 */
#ifndef KILL_FAMILY_H
#define KILL_FAMILY_H

#include <ferry/ferry.h>
#include <stdbool.h>
#include <stdint.h>

#include "faults.h"

struct scene;

/* Who acts. Sleepers are numbered from ACTOR_SLEEPER up. */
enum { ACTOR_SURVIVOR, ACTOR_VICTIM, ACTOR_FIRST, ACTOR_SLEEPER, ACTORS = 8 };

enum { SLEEPER_KINDS = 4 };

struct operation {
	const char *name;                /* unique in the whole harness */
	const char *what;                /* one line for --list */
	const void *with;                /* the family's own details */
	bool (*text)(uintptr_t address); /* what is attacked; NULL = libferry */
	const char *expect;              /* a self-test: the promise whose violations are found */

	int wait_ms; /* the victim's patience; 0 = FERRY_NOW */
	uint32_t
	    sleepers[SLEEPER_KINDS]; /* so many are asleep; the family says what each kind does */

	bool unopened; /* the victim has not opened it before */
	bool due;      /* it is time for the victim to look after the others */
	bool kills;    /* a stopped victim keeps what the others would need to go on: kill only */
	bool forks;    /* the act runs in a child of the victim, which lives on */
	bool child;    /* struck is the child that the act makes, before it runs its program */
	bool orphan;   /* the same, but killed is its parent */

	/* Of a first victim, which is killed in its act where it holds the most. */
	void (*first)(void *actor, const struct operation *operation);
	void (*first_act)(void *actor, const struct operation *operation);
	uint32_t first_times; /* so many of them; 0 = one */
	uint32_t rarely;      /* strike at each so many points only: its runs are slow */
	void (*prepare)(void *actor, const struct operation *operation);
	void (*act)(void *actor, const struct operation *operation);
	/* What the survivor does when the victim has fallen asleep. */
	void (*rouse)(void *survivor, const struct operation *operation);
};

/* Those marked * may be NULL: nothing is to be done. */
struct family {
	const char *name;
	const struct operation *operations; /* the last has no name */

	/* In any process of a run. */
	void *(*hire)(struct scene *scene, uint32_t index); /* a new actor, with nothing open */
	void (*enter)(void *actor);                         /* open what is there */
	void (*leave)(void *actor);                         /* close it, if it is open */
	void (*look_after)(void *actor);                    /* * look after the others now */
	/* * One call that sleeps until the survivors wake it or the deadline comes; for operations
	 * with sleepers. */
	void (*sleep)(void *actor, const struct operation *operation, uint32_t kind,
		      ferry_deadline deadline);
	/* * An operation that forks: in the child, which is the victim; and in the parent, when all
	 * is over: what it holds must still be its own. */
	void (*forked)(void *actor);
	void (*finish)(void *actor);

	/* In the scene's own process, whose actor is scene->survivor. */
	void (*set_stage)(struct scene *scene);      /* before anybody else acts */
	void (*complete_stage)(struct scene *scene); /* * when the victim has prepared */
	/* * A number that changes when what the first victim does becomes visible to others. */
	uint64_t (*visible)(struct scene *scene);
	void (*before_sleep)(struct scene *scene); /* * the sleepers are about to fall asleep */
	bool (*asleep)(struct scene *scene);       /* * do those who sleep count as waiting? */
	/* * The actor is about to be killed: others may learn of its death before died() is called.
	 */
	void (*doom)(struct scene *scene, uint32_t actor);
	void (*died)(struct scene *scene, uint32_t actor, bool dead); /* * */
	/* * A stopped victim went on and fell asleep: give it what it waits for. NULL: rouse it
	 * again. */
	void (*feed)(struct scene *scene);
	/* The victim is dead, stopped or done: the others must have what is theirs, and go on. */
	void (*survive)(struct scene *scene);
	/* Everybody is done: repair, see that all is as good as new, remove it, judge. */
	void (*end)(struct scene *scene);
};

extern const struct family family_mailbox;
extern const struct family family_pipe;
extern const struct family family_sync;
extern const struct family family_segment;
extern const struct family family_signal;
extern const struct family family_socket;

/* NULL at the end. */
extern const struct family *const families[];

/* All operations of all families, one after the other. */
struct entry {
	const struct family *family;
	uint32_t family_index;
	const struct operation *operation;
};

enum { FAMILIES_MAX = 16, ENTRIES_MAX = 512 };

/* ret_entries has room for ENTRIES_MAX. Returns how many there are. */
uint32_t family_entries(struct entry *ret_entries);

#endif
