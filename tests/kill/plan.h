/* SPDX-License-Identifier: MIT */
/* The list of runs that are to be made, and what came of them, by operation. */
#ifndef KILL_PLAN_H
#define KILL_PLAN_H

#include <stddef.h>

#include "scene.h"

struct task {
	uint32_t operation; /* its number among all families' */
	enum strike strike;
	uint32_t at;
	uint64_t address;   /* of its instruction; 0 = in a system call, or unknown */
	struct place place; /* the short cut to it */
	bool again;         /* repeats a run whose slowness could be the machine's fault */
};

/* The runs of one family. */
struct plan {
	struct task *tasks;
	size_t n, room, next; /* up to next they have been started */
	int64_t spent;        /* ns that its runs have taken */
};

/* What is known of an operation. */
struct tally {
	bool chosen, planned;
	uint32_t first_at;
	struct place first_place;
	uint32_t points, kills, stops, missed, slow, violations, expected;
	int64_t slowest;
};

void plan_add(struct plan *plan, struct task task);

/* Each nth point of the noted path, beginning at one that the seed chooses; of long loops only some
 * rounds. */
void plan_path(struct plan *plan, struct task task, const struct outcome *outcome, uint32_t every,
	       uint64_t seed);

/* The shortest way to a point of the noted path. */
struct place plan_place(const struct outcome *outcome, uint32_t point);

/* A sequence of random numbers. */
uint64_t plan_seed(uint64_t seed);
uint64_t plan_random(uint64_t *state);

/* Bring the tasks into an order that the seed chooses, so that any part of them is a sample. */
void plan_shuffle(struct plan *plan, uint64_t seed);

#endif
