/* SPDX-License-Identifier: MIT */
/* See own.h. */
#include "own.h"

ferry_segment *segment;
struct section *s;

void begin_with(uint32_t value, int give_back, uint32_t parties)
{
	segment = section_make(value, give_back, parties);
	s = section_of(segment);
}

void begin(void)
{
	begin_with(0, 0, 1);
}

void end(void)
{
	section_end(segment);
}

void open_again(void)
{
	ferry_segment_close(segment);
	segment = section_open();
	s = section_of(segment);
}

int acquire(ferry_deadline deadline)
{
	return ferry_lock_acquire(segment, &s->lock, deadline);
}

int release(void)
{
	return ferry_lock_release(segment, &s->lock);
}
