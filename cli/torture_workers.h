/* SPDX-License-Identifier: MIT */
/*
 * torture_workers.h - what `ferry torture` has in common for kinds of objects whose crew is all of
 * one sort, workers, and of whom a roll says who has what: locks and segments.
 */
#ifndef FERRY_CLI_TORTURE_WORKERS_H
#define FERRY_CLI_TORTURE_WORKERS_H

#include <argp.h>

#include "roll.h"
#include "torture.h"

/* First member of a family's own struct, or all of it. */
struct workers_torture {
	struct torture base;
	uint64_t workers;          /* asked for, or the family's default */
	_Atomic uint64_t *slowest; /* shared: ns from a kill, or from the next owner's call, until
				    * he had it */
};

/* The family's options and their parser, whose input is a struct workers_torture. */
extern const struct argp_option torture_workers_options[];
error_t torture_workers_parse(int key, char *argument, struct argp_state *state);

/* The rest of prepare(), with the object at its place: crew, account, slowest. Gives what
 * prepare() does. */
int torture_workers_hire(struct torture *base, const char *const *call_names,
			 void (*work)(struct crew *crew, uint32_t seat, void *inherited));

/* How often it was done, at least. */
uint64_t torture_workers_done(const struct torture *base, uint32_t tally);

/* The line of the report about dead owners; told is the tally of those who were told of one. */
void torture_workers_report(const struct torture *base, uint32_t told);

/* The family's clean_up(). */
void torture_workers_dismiss(struct torture *base);

#endif
