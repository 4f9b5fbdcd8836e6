/* SPDX-License-Identifier: MIT */
/* The list of runs; see plan.h. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

enum { ALL_ROUNDS = 16 };

void plan_add(struct plan *plan, struct task task)
{
	if (plan->n == plan->room) {
		plan->room = plan->room ? 2 * plan->room : 1024;
		plan->tasks = reallocarray(plan->tasks, plan->room, sizeof(task));
		if (!plan->tasks)
			abort();
	}
	plan->tasks[plan->n++] = task;
}

/* A point of the path: how often its address was passed before, and the short cut. */
struct visit {
	uint64_t address; /* 0 = in a system call */
	uint32_t point, round;
	struct place place;
};

static int by_address(const void *a, const void *b)
{
	const struct visit *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->point < y->point ? -1 : x->point > y->point;
}

static int by_point(const void *a, const void *b)
{
	const struct visit *x = a, *y = b;

	return x->point < y->point ? -1 : x->point > y->point;
}

static bool power_of_two(uint32_t n)
{
	return (n & (n - 1)) == 0;
}

static void number_rounds(struct visit *visits, uint32_t n)
{
	qsort(visits, n, sizeof(*visits), by_address);
	for (uint32_t i = 1; i < n; i++)
		if (visits[i].address && visits[i].address == visits[i - 1].address)
			visits[i].round = visits[i - 1].round + 1;
	qsort(visits, n, sizeof(*visits), by_point);
}

/* A breakpoint's round costs about as much as STEPS steps: for each point, the cheapest of "run
 * there" and "run where the point before it is reached from, and step on". */
static void find_places(struct visit *visits, uint32_t n)
{
	enum { STEPS = 3 };
	struct place best = { 0 };
	uint64_t cost = 0;

	for (uint32_t i = 0; i < n; i++, cost++) {
		if (visits[i].address && STEPS * (uint64_t)visits[i].round < cost) {
			best = (struct place){
				.address = visits[i].address,
				.rounds = visits[i].round,
				.point = i,
			};
			cost = STEPS * (uint64_t)visits[i].round;
		}
		visits[i].place = best;
	}
}

static struct visit *read_path(const struct outcome *outcome, uint32_t *ret_n)
{
	uint32_t n = outcome->points < SCENE_PATH ? outcome->points : SCENE_PATH;
	struct visit *visits = calloc(n + 1, sizeof(*visits));

	if (!visits)
		abort();
	for (uint32_t i = 0; i < n; i++)
		visits[i] = (struct visit){ .address = outcome->path[i], .point = i };
	number_rounds(visits, n);
	find_places(visits, n);
	*ret_n = n;
	return visits;
}

void plan_path(struct plan *plan, struct task task, const struct outcome *outcome, uint32_t every,
	       uint64_t seed)
{
	uint32_t n, turn = (uint32_t)(seed % every);
	struct visit *visits = read_path(outcome, &n);

	for (uint32_t i = 0; i < n; i++) {
		/* Of a long loop: its first rounds, and those whose number is a power of two. */
		if (visits[i].round >= ALL_ROUNDS && !power_of_two(visits[i].round))
			continue;
		if (turn++ % every)
			continue;
		task.at = visits[i].point;
		task.address = visits[i].address;
		task.place = visits[i].place;
		plan_add(plan, task);
	}
	free(visits);
}

struct place plan_place(const struct outcome *outcome, uint32_t point)
{
	uint32_t n;
	struct visit *visits = read_path(outcome, &n);
	struct place place = point < n ? visits[point].place : (struct place){ 0 };

	free(visits);
	return place;
}

/* All bits of the seed count, also in the first number; 0 would stay 0. */
uint64_t plan_seed(uint64_t seed)
{
	uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15u;

	return state ^ state >> 32 ? state ^ state >> 32 : 1;
}

uint64_t plan_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void plan_shuffle(struct plan *plan, uint64_t seed)
{
	uint64_t state = plan_seed(seed);

	for (size_t i = plan->n; i > 1; i--) {
		size_t j = plan_random(&state) % i;
		struct task other = plan->tasks[j];

		plan->tasks[j] = plan->tasks[i - 1];
		plan->tasks[i - 1] = other;
	}
}
