/* SPDX-License-Identifier: MIT */
/*
 * faults.h - what goes wrong while processes are killed: counted and told in shared memory, so that
 * any of them can report it; and the watch that sees when nothing moves any more.
 */
#ifndef FERRY_CLI_FAULTS_H
#define FERRY_CLI_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum fault {
	FAULT_LOST,      /* was there, and never came */
	FAULT_DUPLICATE, /* came again without a reason, or without being marked */
	FAULT_TORN,      /* other bytes than were written, or half of a change */
	FAULT_REORDERED, /* came after one that was sent after it */
	FAULT_STRAY,     /* was never sent, or its send failed, or it had expired */
	FAULT_SHARED,    /* two had what only one may have */
	FAULT_JAMMED,    /* nothing moved although somebody could have moved it */
	FAULT_BROKEN,    /* a call failed that had to work, a process crashed, something leaked */
	FAULTS
};

/* One word for each: "lost", "duplicate", ... */
extern const char *const fault_names[FAULTS];

struct faults; /* in shared memory; children made by fork() use their parent's pointer */

/* None yet; NULL without memory. */
struct faults *faults_make(void);
void faults_unmake(struct faults *faults);

/* Count a fault and keep its sentence (the first few). */
void faults_report(struct faults *faults, enum fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint64_t faults_of(const struct faults *faults, enum fault fault);
uint64_t faults_all(const struct faults *faults);

/* The sentence of fault number i, or NULL if there is none (yet, or kept). */
const char *faults_sentence(const struct faults *faults, uint32_t i);

/* CLOCK_MONOTONIC in ns. */
uint64_t now_ns(void);

#define WATCH_JAM UINT64_C(2000000000) /* ns without any progress that are a jam */

/* Watches that things go on. Zero to begin with. */
struct watch {
	uint64_t progress; /* as last told */
	uint64_t looked;   /* ns of the last look */
	uint64_t still;    /* ns since the last progress, while somebody was able */
	uint64_t longest;  /* the most of those */
	bool told;
};

/* progress: any figure that rises when something moves. able: somebody could move something. */
void watch_measure(struct watch *watch, uint64_t progress, bool able, uint64_t now);

/* The same, and a jam is a fault. */
void watch_look(struct watch *watch, struct faults *faults, uint64_t progress, bool able,
		uint64_t now);

#endif
