/* SPDX-License-Identifier: MIT */
/* layout.c - see layout.h; docs/formats/mailbox.md, "Memory". */
#include "layout.h"

#include <errno.h>
#include <string.h>

#include "../base/why.h"

#define UNITS_A_MESSAGE 16u /* at most, in the lowest tier that suits it */
#define UNIT_LEAST      128u
#define UNITS_MOST      (1u << 26)
#define LOWER_SHARE     4u                   /* a lower tier has a quarter of the one above ... */
#define LOWER_MOST      (UINT64_C(16) << 20) /* ... and this at most */

static uint64_t align(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

static uint64_t power_of_two(uint64_t n)
{
	uint64_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static uint64_t units_of(uint64_t bytes, uint64_t unit)
{
	return (bytes + unit - 1) / unit;
}

/* The tiers' sizes, largest units first. Returns how many; 0: too many units. */
static uint32_t size_tiers(struct fy_layout_tier *tiers, uint64_t max_size, uint64_t memory)
{
	uint64_t unit = power_of_two(max_size) / UNITS_A_MESSAGE;
	uint64_t bytes = memory;
	uint32_t n = 0;

	if (unit < UNIT_LEAST)
		unit = UNIT_LEAST;
	do {
		uint64_t units = units_of(bytes, unit);
		uint64_t largest = units_of(
		    max_size < UNITS_A_MESSAGE * unit ? max_size : UNITS_A_MESSAGE * unit, unit);
		/* As many of the largest messages as were asked for, though each fills whole units.
		 */
		if (n == 0 && units < memory / max_size * largest)
			units = memory / max_size * largest;
		if (units < largest)
			units = largest;
		if (units > UNITS_MOST)
			return 0;
		tiers[n++] = (struct fy_layout_tier){ .unit_bytes = unit, .n = (uint32_t)units };
		bytes = bytes / LOWER_SHARE < LOWER_MOST ? bytes / LOWER_SHARE : LOWER_MOST;
		unit /= UNITS_A_MESSAGE;
	} while (unit >= UNIT_LEAST && n < FY_TIERS_MAX);
	return n;
}

static uint64_t place_tiers(struct fy_layout *layout, const struct fy_layout_tier *sized,
			    uint64_t at)
{
	for (uint32_t i = 0; i < layout->n_tiers; i++) {
		struct fy_layout_tier *tier = &layout->tiers[i];
		*tier = sized[layout->n_tiers - 1 - i];
		tier->words = align(at, FY_LINE);
		tier->units = align(tier->words + tier->n * sizeof(uint64_t),
				    tier->unit_bytes < 4096 ? 2 * FY_LINE : 4096);
		at = tier->units + tier->n * tier->unit_bytes;
	}
	return at;
}

int fy_layout_compute(struct fy_layout *ret_layout, uint64_t max_size, uint64_t memory,
		      uint32_t capacity, uint32_t levels, struct ferry_why *why)
{
	struct fy_layout_tier sized[FY_TIERS_MAX];
	struct fy_layout *l = ret_layout;

	memset(l, 0, sizeof(*l));
	if (max_size == 0 || max_size > FY_MAX_SIZE_LIMIT)
		return fy_why(why, -EINVAL, "max_size must be from 1 to 2^40 bytes, not %llu",
			      (unsigned long long)max_size);
	if (memory < max_size || memory > FY_MAX_SIZE_LIMIT * 16)
		return fy_why(why, -EINVAL,
			      "memory must be from max_size (%llu) to 2^44 bytes, not %llu",
			      (unsigned long long)max_size, (unsigned long long)memory);
	if (capacity == 0 || capacity > FY_CAPACITY_LIMIT)
		return fy_why(why, -EINVAL, "messages must be from 1 to %u, not %u",
			      FY_CAPACITY_LIMIT, capacity);
	if (levels == 0 || levels > FY_LEVELS_MAX)
		return fy_why(why, -EINVAL, "priorities must be from 1 to %u, not %u",
			      FY_LEVELS_MAX, levels);
	l->n_tiers = size_tiers(sized, max_size, memory);
	if (l->n_tiers == 0)
		return fy_why(why, -EINVAL,
			      "memory of %llu bytes is too much for messages of at most %llu",
			      (unsigned long long)memory, (unsigned long long)max_size);
	l->max_size = max_size;
	l->memory = memory;
	l->capacity = capacity;
	l->levels = levels;
	while ((UINT64_C(1) << l->cells_log2) < (uint64_t)capacity + FY_CELLS_SPARE)
		l->cells_log2++;
	uint64_t cells = (uint64_t)levels << l->cells_log2;
	l->origin = align(sizeof(struct fy_mailbox_shm), FY_LINE);
	l->cells = align(l->origin + cells * sizeof(uint64_t), sizeof(struct fy_cell_shm));
	l->bytes =
	    align(place_tiers(l, sized, l->cells + cells * sizeof(struct fy_cell_shm)), 4096);
	return 0;
}
