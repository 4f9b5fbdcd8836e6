/* SPDX-License-Identifier: MIT */
/*
 * bench.h - the results of `ferry bench`: rows (one question each), entries (one transport's
 * answers, one a round), and what is worked out from them.
 */
#ifndef FERRY_CLI_BENCH_H
#define FERRY_CLI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench_peers.h"

/* Times are ns, rates a second, sizes bytes. */
enum bench_metric {
	BENCH_P50,
	BENCH_P99,
	BENCH_P999,
	BENCH_RATE,
	BENCH_BYTES_RATE,
	BENCH_DEPTH,
	BENCH_PREEMPTED,
	BENCH_CREATE,
	BENCH_OPEN,
	BENCH_CLOSE,
	BENCH_RESERVED,
	BENCH_LONGEST,
	BENCH_TOUCH, /* of a page */
	BENCH_WRITE,
	BENCH_READ,
	BENCH_IDLE, /* percent of a core, while nothing happens */
	BENCH_METRICS,
};

enum bench_kind {
	BENCH_ROUNDTRIPS,
	BENCH_STREAMS,
	BENCH_SENDS,
	BENCH_OPENING,
	BENCH_SECTIONS,
	BENCH_CHURNS,
	BENCH_TOUCHING,
	BENCH_CALLS,
	BENCH_IDLING,
};

struct bench_row {
	const char *name, *title; /* name is NULL at the end of a list */
	enum bench_kind kind;
	size_t bytes;
	unsigned senders, receivers; /* sections: contenders, and 0; calls: 1 and 0 */
};

struct bench_entry {
	const struct bench_peer *peer;
	unsigned valid;               /* rounds that went well, the first so many of the values */
	char why[160];                /* why the others did not */
	double *value[BENCH_METRICS]; /* a number for each round */
};

struct bench_table {
	const struct bench_row *row;
	struct bench_entry *entry;
	unsigned n;
};

/* A promise of speed: mine / theirs (or mine alone if theirs is NULL) has to be at most, or at
 * least, so much. */
struct bench_target {
	const char *what, *row, *mine, *theirs, *others; /* what is NULL at the end of a list */
	enum bench_metric metric;
	bool at_most;
	double least, aim; /* aim 0: there is none; least 0: only an aim */
};

/* What `ferry bench NAME` measures: each row, of all peers that can answer it. */
struct bench_family {
	const char *name, *what; /* what: for the help text */
	const struct bench_row *rows;
	const struct bench_peer *const *peers; /* as measured and shown; NULL at the end */
	/* Or those of a row, where each has its own; NULL: peers. */
	const struct bench_peer *const *(*peers_of)(const struct bench_row *row);
	const struct bench_target *targets;
	const char *baseline;  /* the peer that streams are compared with */
	const char *allocator; /* the same of those that allocate */
	/* Before anything is measured, with the command's arguments; NULL: nothing to do. */
	void (*begin)(int argc, char **argv);
	/* Or the baseline of a row; NULL: the family's. */
	const char *(*baseline_of)(const struct bench_row *row);
};

extern const struct bench_family bench_mailbox, bench_pipes;
extern const struct bench_family bench_lock;
extern const struct bench_family bench_segment;
extern const struct bench_family bench_signals;
extern const struct bench_family bench_sockets;
extern const struct bench_family bench_wait;

struct bench_report {
	const struct bench_family *family;
	unsigned rounds;
	double seconds; /* of one measurement */
	double load;    /* of the machine before */
	struct bench_table *table;
	unsigned n;
};

/* Over the rounds. */
struct bench_spread {
	double median, low, high;
	unsigned n; /* 0: nothing was measured, the rest is 0 */
};

struct bench_spread bench_spread(const struct bench_entry *entry, enum bench_metric metric);

/*
 * mine / theirs, worked out within each round. With two of theirs it is the lesser of both
 * that counts. Entries may be NULL: not measured.
 */
struct bench_spread bench_ratio(const struct bench_entry *mine, const struct bench_entry *theirs,
				const struct bench_entry *others, enum bench_metric metric);

/* NULL if the report has no such thing. */
const struct bench_entry *bench_find(const struct bench_report *report, const char *row,
				     const char *peer);

/* Time creating, opening and closing: CREATE, OPEN, CLOSE, RESERVED of ret. As bench_roundtrip().
 */
int bench_opening(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		  struct bench_result *ret_result);

/* Time touching, writing and reading memory: TOUCH, WRITE, READ of ret. As bench_roundtrip(). */
int bench_touching(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		   struct bench_result *ret_result);

/* Let one process wait for what does not come, for so long: IDLE of ret. As bench_roundtrip(). */
int bench_idling(const struct bench_peer *peer, double seconds, double ret[BENCH_METRICS],
		 struct bench_result *ret_result);

struct bench_spread bench_target_value(const struct bench_report *report,
				       const struct bench_target *target);
/* "aim", "yes", "no", or "not measured". */
const char *bench_target_verdict(const struct bench_target *target,
				 const struct bench_spread *value);

void bench_print(const struct bench_report *report);
void bench_print_json(const struct bench_report *report);

#endif
