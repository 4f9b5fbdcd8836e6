/* SPDX-License-Identifier: MIT */
/* Makes the runs, several at a time, and reports. */
#ifndef KILL_CREW_H
#define KILL_CREW_H

#include <stdio.h>

#include "plan.h"

enum {
	CREW_JOBS = 64,
	CREW_PROMISE_MS = 50,    /* what the contract says */
	CREW_VIOLATION_MS = 250, /* what a busy machine cannot excuse, seen twice */
};

struct job {
	pid_t pid; /* 0 = idle */
	struct task task;
	int64_t since; /* ns */
	struct outcome *outcome;
	char directory[128];
};

struct crew {
	/* From the command line. */
	bool kills, stops, selftest, verbose, seeded;
	int64_t at; /* -1 = everywhere */
	uint32_t every, seconds, n_jobs, n_chosen;
	uint64_t seed;
	uint32_t families; /* a bit for each that was named */
	/* Of the work. */
	struct entry entries[ENTRIES_MAX];
	uint32_t n_entries;
	struct tally tallies[ENTRIES_MAX];
	struct plan plans[FAMILIES_MAX];
	char directory[96];
	struct job jobs[CREW_JOBS];
	uint32_t printed; /* violations told in full */
};

static inline const struct operation *crew_operation(const struct crew *crew, uint32_t i)
{
	return crew->entries[i].operation;
}

/* All of it. Returns the exit status: 0, 1 (violations), 2 (the harness failed), 77 (skipped). */
int crew_work(struct crew *crew);

/* report.c */
void report_run(struct crew *crew, const struct task *task, const struct outcome *outcome);
void report_violation(struct crew *crew, const struct task *task, const struct outcome *outcome);
void report_head(void);
void report_operation(const struct crew *crew, uint32_t i);
int report_total(const struct crew *crew, int64_t took);

#endif
