/* SPDX-License-Identifier: MIT */
/*
 * why.h - what `ferry why` knows: who holds and who waits, in all segments that were looked at, and
 * which of them wait for each other; and who waits in mailboxes and pipes.
 */
#ifndef FERRY_CLI_WHY_H
#define FERRY_CLI_WHY_H

#include <stdbool.h>
#include <stddef.h>

#include <ferry/ferry.h>

#include "objects.h"

#define WHY_NONE SIZE_MAX /* no such index */

/*
 * A thread that holds or waits; thread 0 is a process as a whole. It is the same one in all
 * segments if its number means the same to us. Numbers of another PID namespace cannot be compared:
 * then it is one for each object.
 */
struct why_actor {
	pid_t pid, thread;
	uint64_t started; /* of the process, proc(5) */
	bool same_namespace;
	size_t object; /* if not same_namespace */
	char program[32];
	struct process_command command; /* that the process runs */
	char state;                     /* as in /proc/PID/stat; 0 = not known */
	bool awaits_child;              /* it sleeps until a child of its process has ended */
	bool stuck;                     /* waits, and nobody can end that */
	size_t deadlock;                /* the cycle that it is in or waits for; or WHY_NONE */
};

/* What somebody has to do with one lock or the like; or, without an actor, how that is. */
struct why_entry {
	size_t object; /* index of the location */
	struct ferry_sync_entry sync;
	size_t actor; /* or WHY_NONE */
	bool steady;  /* a wait that had begun already at the first of two looks */
};

/* A step of a cycle: its actor waits in entry for the actor of the next step, which holds; or whose
 * parent, or parent's parent, holds and waits for the end of its child. */
struct why_step {
	size_t waits; /* entries */
	size_t holds;
	size_t through; /* the actor of the next step, if it is such a child; or WHY_NONE */
	size_t deadlock;
};

/* A mailbox or pipe in which somebody waits. */
struct why_queue {
	const char *location;
	struct description description;
	struct members members;
};

struct why {
	const char **location;
	size_t n_locations;
	struct why_entry *entry; /* those of one place follow each other */
	size_t n_entries;
	struct why_actor *actor;
	size_t n_actors;
	struct why_step *step; /* those of one deadlock follow each other */
	size_t n_steps, n_deadlocks;
	struct why_queue *queue;
	size_t n_queues;
	struct process_entry *process; /* all there are; only if somebody awaits a child */
	size_t n_processes;
};

/*
 * Look at the object at a location. At a segment twice: waits that are the same both times lasted
 * all the while between, so what is seen of them at the second look was true at one time. named:
 * another file there is a failure. STATUS_DONE, or the exit status after the failure was reported.
 */
int why_look(struct why *why, const char *location, bool named);

/* After the last look: put the entries in order and find out who is stuck. */
void why_work_out(struct why *why);

/* Do both entries speak of the same lock or the like? */
bool why_same_place(const struct why_entry *a, const struct why_entry *b);

/* Does the actor of holds keep that of waits from going on? */
bool why_blocks(const struct why_entry *waits, const struct why_entry *holds);

/* Look at a mailbox or pipe, and keep what was seen if somebody waits in it. 0, or a negative
 * result of ferry. */
int why_look_at_queue(struct why *why, const char *location, struct ferry_why *cause);

/* Show those; give a list of them. */
void why_print_queues(const struct why *why);
json_t *why_queues_json(const struct why *why);

void why_free(struct why *why);

#endif
