/* SPDX-License-Identifier: MIT */
/*
 * torture.h - what `ferry torture` has in common for all kinds of objects: what can be asked, the
 * crew that is killed and stopped, the progress line, the report. What the processes do, and what
 * must be true of it, is each family's own.
 */
#ifndef FERRY_CLI_TORTURE_H
#define FERRY_CLI_TORTURE_H

#include <argp.h>
#include <ferry/ferry.h>
#include <stdbool.h>
#include <stdint.h>

#include "crew.h"
#include "faults.h"
#include "ledger_show.h"

struct torture_family;

/* First member of a family's own struct, which holds its options and what its processes share. */
struct torture {
	/* What is asked. */
	const char *location; /* NULL while parsing: one of our own */
	uint64_t seed;
	bool seeded, quiet;
	int64_t duration; /* ns */
	double kills, stops;

	const struct torture_family *family;

	/* Filled in before prepare(); that adds what is the family's in the crew. */
	struct crew crew;
	struct faults *faults;
	struct show show;

	/* The family's: by prepare(), by inspect(). */
	bool made; /* the object is new, and goes in the end */
	ferry_segment
	    *look;          /* where it is seen who holds what, or NULL: nobody can hold anything */
	uint64_t recovered; /* dead members that were cleaned up after */

	uint64_t before, before_at; /* moved at the last progress line, and when */
};

/* Those marked * may be NULL. */
struct torture_family {
	const char *name;
	const char *thing, *things; /* what is moved: "message", "messages" */
	uint32_t may_find;          /* bits 1 << FAULT_* that its checks can report */
	/* Its options. Its input is torture; torture_argp is its first child. */
	const struct argp *argp;
	struct torture *torture; /* with the family's defaults */

	/* Make the object at location, or use it as it is; make the account; set the crew's seats,
	 * roles and functions. STATUS_DONE, or the exit status after the failure was reported. */
	int (*prepare)(struct torture *t);
	void (*introduce)(const struct torture *t); /* * a second line about what is going to be */
	/* When everybody has gone: see that all is as it must be. */
	void (*inspect)(struct torture *t);
	void (*report)(const struct torture *t); /* * lines with the account's figures */
	void (*clean_up)(struct torture *t);     /* free what prepare() made, but for the object */
};

extern const struct torture_family torture_lock;
extern const struct torture_family torture_mailbox;
extern const struct torture_family torture_pipe;
extern const struct torture_family torture_segment;

/*
 * The options of all families, a child of the family's own argp, whose parser says at
 * ARGP_KEY_INIT: state->child_inputs[0] = state->input.
 */
extern const struct argp torture_argp;

/* For prepare() of what has locks in a segment at location: see who holds them. STATUS_DONE, or the
 * exit status after the failure was reported. */
int torture_look(struct torture *t);

/* The help_filter of the family's argp. */
char *torture_help(int key, const char *text, void *input);

#endif
