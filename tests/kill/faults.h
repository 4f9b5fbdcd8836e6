/* SPDX-License-Identifier: MIT */
/* Where a run notes that the contract was broken; in memory that outlives its processes. */
#ifndef KILL_FAULTS_H
#define KILL_FAULTS_H

#include <stdint.h>

enum { FAULTS_KEPT = 4, FAULT_TEXT = 200 };

struct faults {
	_Atomic uint32_t n; /* the first FAULTS_KEPT are kept */
	char text[FAULTS_KEPT][FAULT_TEXT];
};

/* Note one. The text begins with the promise's number, such as "C2". */
void fault(struct faults *faults, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint32_t faults_count(const struct faults *faults);

/* How many of them are kept. */
uint32_t faults_kept(const struct faults *faults);

#endif
