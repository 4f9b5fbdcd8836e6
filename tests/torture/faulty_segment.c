/* SPDX-License-Identifier: MIT */
/* faulty_segment.c - segments that break their promises; see faulty.c. */
#include "faulty.h"

/* A block is given out twice. */
int ferry_segment_allocate(ferry_segment *segment, size_t size, ferry_reference *ret_reference)
{
	static int (*real)(ferry_segment *, size_t, ferry_reference *);
	static ferry_reference last;
	static size_t last_size;

	FAULTY_REAL(real, "ferry_segment_allocate");
	if (last && last_size >= size && is_time_for("lend", 500)) {
		*ret_reference = last;
		return 0;
	}
	int r = real(segment, size, ret_reference);
	if (r == 0) {
		last = *ret_reference;
		last_size = size;
	}
	return r;
}

/* What was published is not there. */
int ferry_segment_publish(ferry_segment *segment, ferry_reference reference, ferry_reference *place,
			  ferry_reference expected)
{
	static int (*real)(ferry_segment *, ferry_reference, ferry_reference *, ferry_reference);

	FAULTY_REAL(real, "ferry_segment_publish");
	return is_time_for("vanish", 100) ? 0 : real(segment, reference, place, expected);
}

/* A mistake goes through. */
int ferry_segment_free(ferry_segment *segment, ferry_reference reference)
{
	static int (*real)(ferry_segment *, ferry_reference);

	FAULTY_REAL(real, "ferry_segment_free");
	int r = real(segment, reference);
	return r == -FERRY_EBLOCK && is_time_for("accept", 1) ? 0 : r;
}
