/* SPDX-License-Identifier: MIT */
/*
 * A clock that stands still for the victim, so that it goes the same way in each run, however
 * slowly it is stepped.
 */
#ifndef KILL_CLOCK_H
#define KILL_CLOCK_H

#include <stdint.h>

/* From here on CLOCK_MONOTONIC stands still in this process, two seconds ahead, so that the naps of
 * a sleeper last as long; and CLOCK_MONOTONIC_COARSE, which tells when it is time to look after the
 * others, at the present. */
void clock_hold(void);

/* Move the coarse clock on by so many ns. */
void clock_advance(int64_t ns);

/* Time goes on. */
void clock_release(void);

#endif
