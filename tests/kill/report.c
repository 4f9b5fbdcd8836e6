/* SPDX-License-Identifier: MIT */
/* What ferry-kill prints; see crew.h. */
#include <dlfcn.h>
#include <stdio.h>

#include "crew.h"

enum { TOLD_IN_FULL = 40 };

/* The first violations come once more at the end: often only that is read, or kept. */
enum { TOLD_AGAIN = 5 };
static char told[TOLD_AGAIN][256];

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

static const char *strike_name(enum strike strike)
{
	return strike == STRIKE_KILL ? "kill" : strike == STRIKE_STOP ? "stop" : "none";
}

void report_run(struct crew *crew, const struct task *task, const struct outcome *outcome)
{
	if (crew->verbose)
		printf("%s --at %u --%s: %s, %.3f ms, %u faults\n",
		       crew_operation(crew, task->operation)->name, task->at,
		       strike_name(task->strike), outcome->struck ? "struck" : "not reached",
		       ms(outcome->slowest), faults_count(&outcome->faults));
}

/* The instruction that was struck, in a form that addr2line takes. */
static void print_place(const struct outcome *outcome)
{
	Dl_info info;
	const void *address = (const void *)outcome->address;

	if (outcome->struck && dladdr(address, &info))
		printf("  (%s+%#lx)\n", info.dli_fname,
		       outcome->address - (unsigned long)info.dli_fbase);
	else
		puts("");
}

void report_violation(struct crew *crew, const struct task *task, const struct outcome *outcome)
{
	const struct operation *operation = crew_operation(crew, task->operation);
	char strike[64];

	if (operation->expect || crew->printed++ >= TOLD_IN_FULL)
		return;
	if (task->strike == STRIKE_NONE)
		snprintf(strike, sizeof(strike), "  (without any strike)");
	else
		snprintf(strike, sizeof(strike), " --at %u --%s", task->at,
			 strike_name(task->strike));
	if (crew->printed <= TOLD_AGAIN)
		snprintf(told[crew->printed - 1], sizeof(told[0]), "--operation %.60s%s: %.100s",
			 operation->name, strike, outcome->faults.text[0]);
	printf("VIOLATION: --operation %s%s", operation->name, strike);
	print_place(outcome);
	for (uint32_t i = 0; i < faults_kept(&outcome->faults); i++)
		printf("    %s\n", outcome->faults.text[i]);
	fflush(stdout);
}

void report_head(void)
{
	printf("%-26s %8s %7s %7s %7s %11s %7s %10s\n", "operation", "points", "kills", "stops",
	       "missed", "slowest ms", "> 50 ms", "violations");
}

void report_operation(const struct crew *crew, uint32_t i)
{
	const struct tally *tally = &crew->tallies[i];

	printf("%-26s %8u %7u %7u %7u %11.2f %7u %10u\n", crew_operation(crew, i)->name,
	       tally->points, tally->kills, tally->stops, tally->missed, ms(tally->slowest),
	       tally->slow, tally->violations);
	fflush(stdout);
}

static bool selftest_passes(const struct crew *crew)
{
	bool passes = true;

	for (uint32_t i = 0; i < crew->n_entries; i++) {
		const struct tally *tally = &crew->tallies[i];

		if (!tally->chosen || tally->expected)
			continue;
		printf("%s: no violation of %s was found, though there are some\n",
		       crew_operation(crew, i)->name, crew_operation(crew, i)->expect);
		passes = false;
	}
	if (passes)
		puts("self-test: each unsafe queue was found out");
	return passes;
}

int report_total(const struct crew *crew, int64_t took)
{
	struct tally sum = { 0 };

	for (uint32_t i = 0; i < crew->n_entries; i++) {
		const struct tally *tally = &crew->tallies[i];

		sum.points += tally->points;
		sum.kills += tally->kills;
		sum.stops += tally->stops;
		sum.missed += tally->missed;
		sum.slow += tally->slow;
		sum.violations += tally->violations;
		if (tally->slowest > sum.slowest)
			sum.slowest = tally->slowest;
	}
	printf("%-26s %8u %7u %7u %7u %11.2f %7u %10u   in %.0f s\n", "total", sum.points,
	       sum.kills, sum.stops, sum.missed, ms(sum.slowest), sum.slow, sum.violations,
	       ms(took) / 1e3);
	for (uint32_t i = 0; i < crew->printed && i < TOLD_AGAIN; i++)
		printf("VIOLATION: %s\n", told[i]);
	if (crew->selftest)
		return !selftest_passes(crew);
	return sum.violations > 0;
}
