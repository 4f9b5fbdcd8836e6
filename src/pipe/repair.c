/* SPDX-License-Identifier: MIT */
/* repair.c - cleaning up after the dead in a pipe that nobody uses just now. */
#include <ferry/object.h>

#include "hole.h"
#include "open.h"

/* A handle that is no member and no end. */
static int open_unjoined(struct ferry_pipe **ret_pipe, const char *location, int only_look,
			 struct ferry_why *why)
{
	const struct ferry_pipe_options options = { .why = why };
	struct ferry_pipe *pipe = fy_pipe_new(FERRY_OBSERVE);

	if (!pipe)
		return -ENOMEM;
	int r = fy_object_open(&pipe->object, location, &fy_pipe_kind,
			       only_look ? FERRY_OBSERVE : FERRY_EXISTING, NULL, why);
	if (r == 0)
		r = fy_pipe_set_up(pipe, &options);
	if (r < 0)
		fy_pipe_dispose(pipe);
	else
		*ret_pipe = pipe;
	return r;
}

/* Dead members, and the memory that is out of use since they could have written there. */
static void preview(const struct ferry_pipe *pipe, struct ferry_repair *result)
{
	for (uint32_t slot = 0; slot < pipe->object.member_slots; slot++) {
		if (!fy_member_looks_dead((struct fy_object *)(uintptr_t)&pipe->object, slot))
			continue;
		result->members++;
		for (uint32_t i = 0; i < FY_HOLES; i++) {
			uint64_t hole = fy_hole_load(pipe, i);
			if (fy_hole_state(hole) == FY_HOLE_ACTIVE &&
			    fy_hole_owner(hole) == slot + 1)
				result->bytes += fy_hole_bytes(hole);
		}
	}
}

int fy_pipe_repair(const char *location, int dry_run, struct ferry_repair *result,
		   struct ferry_why *why)
{
	struct ferry_pipe *pipe;
	int r = open_unjoined(&pipe, location, dry_run, why);

	if (r < 0)
		return r;
	preview(pipe, result);
	if (!dry_run) {
		r = fy_member_recover_all(&pipe->object);
		result->members = r > 0 ? (uint32_t)r : 0;
	}
	ferry_pipe_close(pipe);
	return r < 0 ? r : 0;
}
