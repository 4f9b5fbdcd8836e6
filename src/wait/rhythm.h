/* SPDX-License-Identifier: MIT */
/*
 * rhythm.h - when messages come in a steady rhythm, look when the next is due and not before.
 *
 * A look at a cache line takes it from whoever is about to write it, who must then fetch it back: a
 * look that comes too early makes the message come later. So whoever waits, and is answered after
 * about the same short time again and again, rests for that time before its first look. Why, and
 * what it brings: docs/decisions/0019-rhythm.md.
 *
 * Time is counted in looks with a pause between; no clock is read. All of it is guessing: a wrong
 * guess costs at most FY_RHYTHM_LOOKS pauses, and soon is guessed no more.
 */
#ifndef FY_RHYTHM_H
#define FY_RHYTHM_H

#include <stdatomic.h>
#include <stdint.h>

#include "../os/pause.h"

#define FY_RHYTHM_LOOKS 64u /* what comes later than that, about 1.5 us, is in no rhythm */
#define FY_RHYTHM_UNIT  16u /* parts of a pause in which the time to rest is kept */
#define FY_RHYTHM_EARLY 2u  /* parts by which it shrinks when the message was there */
#define FY_RHYTHM_LEAST (3u * FY_RHYTHM_UNIT) /* a rest this short is none: streams are quicker */

/* Shared by the threads of a handle; a lost update is harmless. Zeros are a good beginning. */
struct fy_rhythm {
	_Atomic uint32_t rest;  /* before the first look, in parts of a pause; 0 = no rhythm */
	_Atomic uint32_t looks; /* that the last wait took; while there is no rhythm */
	_Atomic uint32_t run;   /* no rhythm: waits alike, lately; else: strays in a row */
};

static inline uint32_t fy_rhythm_get(const _Atomic uint32_t *guess)
{
	/* RELAXED(a guess) */
	return atomic_load_explicit(guess, memory_order_relaxed);
}

static inline void fy_rhythm_set(_Atomic uint32_t *guess, uint32_t to)
{
	/* RELAXED(a guess) */
	atomic_store_explicit(guess, to, memory_order_relaxed);
}

/* Rest until the next message is due. */
static inline void fy_rhythm_rest(const struct fy_rhythm *rhythm)
{
	uint32_t rest = fy_rhythm_get(&rhythm->rest);

	for (uint32_t i = 0; i < rest / FY_RHYTHM_UNIT; i++)
		fy_pause();
}

/* The message was there at the first look. Nobody can say since when: so rest a little less, and
 * believe less in a rhythm if there is none yet. */
static inline void fy_rhythm_found(struct fy_rhythm *rhythm)
{
	uint32_t rest = fy_rhythm_get(&rhythm->rest);

	if (rest > 0) {
		fy_rhythm_set(&rhythm->rest, rest > FY_RHYTHM_LEAST ? rest - FY_RHYTHM_EARLY : 0);
	} else {
		uint32_t run = fy_rhythm_get(&rhythm->run);
		if (run > 0)
			fy_rhythm_set(&rhythm->run, run - 1);
	}
}

/* The first look was too early: the message came so many looks later, or, FY_RHYTHM_LOOKS, had not
 * come by then. */
__attribute__((cold, noinline)) void fy_rhythm_missed(struct fy_rhythm *rhythm, uint32_t looks);

#endif
