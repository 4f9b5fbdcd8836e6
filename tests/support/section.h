/* SPDX-License-Identifier: MIT */
/* A segment with one of each to synchronize with, and data behind a lock, as the tests of locks use
 * it. */
#ifndef FERRY_TEST_SECTION_H
#define FERRY_TEST_SECTION_H

#include <ferry/ferry.h>

#include "peer.h"

struct section {
	ferry_lock lock;
	ferry_lock other;
	ferry_rwlock rwlock;
	ferry_semaphore semaphore;
	ferry_condition condition;
	ferry_barrier barrier;
	ferry_once once;
	_Atomic uint64_t data[64];
};

/** The segment "section", made and everything in it initialized if it is not there: a semaphore of
 *  value that gives back (if give_back), a barrier for parties. */
ferry_segment *section_make(uint32_t value, int give_back, uint32_t parties);

/** A handle of its own on what is there already. */
ferry_segment *section_open(void);

struct section *section_of(ferry_segment *segment);

/** Close and remove. */
void section_end(ferry_segment *segment);

/** How many entries there are for what lies at place, in this role. */
int section_count(ferry_segment *segment, const void *place, enum ferry_sync_role role);

/** The one entry there is for what lies at place, in this role; fails if there is not one. */
struct ferry_sync_entry section_entry(ferry_segment *segment, const void *place,
				      enum ferry_sync_role role);

#endif
