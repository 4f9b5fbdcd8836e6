/* SPDX-License-Identifier: MIT */
/* The test's own handle of the section (section.h), made anew by each claim. Peers open theirs. */
#ifndef FERRY_TEST_OWN_H
#define FERRY_TEST_OWN_H

#include "section.h"

extern ferry_segment *segment;
extern struct section *s;

/** Make the section; what the semaphore and the barrier are like is as in section_make(). */
void begin_with(uint32_t value, int give_back, uint32_t parties);
void begin(void);

/** Close and remove it. */
void end(void);

/** Close it and open it again, perhaps where it was mapped before. */
void open_again(void);

/** The section's lock. */
int acquire(ferry_deadline deadline);
int release(void);

#endif
