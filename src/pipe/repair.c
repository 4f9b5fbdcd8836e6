/* SPDX-License-Identifier: MIT */
/* repair.c - cleaning up after the dead in a pipe that nobody uses just now. */
#include "repair.h"

#include "open.h"

static uint32_t count_dead(struct ferry_pipe *pipe)
{
	uint32_t dead = 0;

	for (uint32_t slot = 0; slot < pipe->object.member_slots; slot++)
		dead += (uint32_t)fy_member_looks_dead(&pipe->object, slot);
	return dead;
}

/* Writable, but no member and no end. */
static int open_unjoined(struct ferry_pipe *pipe, const char *location, int only_look,
			 struct ferry_why *why)
{
	const struct ferry_pipe_options options = { .size = sizeof(options), .why = why };
	uint32_t flags = only_look ? FERRY_OBSERVE : FERRY_EXISTING;
	int r = fy_object_open(&pipe->object, location, &fy_pipe_kind, flags, NULL, why);

	if (r < 0)
		pipe->object.base = NULL;
	return r < 0 ? r : fy_pipe_set_up(pipe, &options);
}

int fy_pipe_repair(const char *location, int dry_run, struct ferry_repair *result,
		   struct ferry_why *why)
{
	struct ferry_pipe *pipe = fy_pipe_new(FERRY_OBSERVE);

	if (!pipe)
		return -ENOMEM;
	int r = open_unjoined(pipe, location, dry_run, why);
	if (r == 0)
		r = dry_run ? (int)count_dead(pipe) : fy_member_recover_all(&pipe->object);
	if (r >= 0)
		result->members = (uint32_t)r;
	fy_pipe_dispose(pipe);
	return r < 0 ? r : 0;
}
