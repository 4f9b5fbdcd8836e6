/* SPDX-License-Identifier: MIT */
/* rhythm.c - see rhythm.h. */
#include "rhythm.h"

#include <stdlib.h>

#define ALIKE  4  /* looks by which two waits may differ ... */
#define STEADY 8u /* ... that often, to make a rhythm */
#define LATE   8u /* parts of a pause by which a look that was too early comes later next time */
#define MOST   (FY_RHYTHM_LOOKS * FY_RHYTHM_UNIT)
#define STRAYS 4u /* messages in a row that did not come at all, and it is over */

static void change(struct fy_rhythm *rhythm, uint32_t rest)
{
	fy_rhythm_set(&rhythm->rest, rest);
	fy_rhythm_set(&rhythm->run, 0);
}

/* Without a rhythm: is this wait like the last one? */
static void listen(struct fy_rhythm *rhythm, uint32_t looks)
{
	int off = abs((int)looks - (int)fy_rhythm_get(&rhythm->looks));
	uint32_t run = fy_rhythm_get(&rhythm->run) + 1;

	fy_rhythm_set(&rhythm->looks, looks);
	if (looks >= FY_RHYTHM_LOOKS || off > ALIKE)
		fy_rhythm_set(&rhythm->run, 0);
	else if (run < STEADY)
		fy_rhythm_set(&rhythm->run, run);
	else
		change(rhythm, (looks + 1) * FY_RHYTHM_UNIT);
}

void fy_rhythm_missed(struct fy_rhythm *rhythm, uint32_t looks)
{
	uint32_t rest = fy_rhythm_get(&rhythm->rest);
	uint32_t strays = fy_rhythm_get(&rhythm->run) + 1;

	if (rest == 0)
		listen(rhythm, looks);
	else if (looks < FY_RHYTHM_LOOKS)
		/* By little, however late the message was: the look itself made it late; and where
		 * the other side has a rhythm too, two that each rest as long as it took last time
		 * drive each other ever further. */
		change(rhythm, rest + LATE < MOST ? rest + LATE : MOST);
	else if (strays < STRAYS)
		fy_rhythm_set(&rhythm->run, strays);
	else
		change(rhythm, 0);
}
