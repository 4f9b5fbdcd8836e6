/* SPDX-License-Identifier: MIT */
/* repair.h - ferry_object_repair() of a pipe. */
#ifndef FY_PIPE_REPAIR_H
#define FY_PIPE_REPAIR_H

#include <ferry/object.h>

int fy_pipe_repair(const char *location, int dry_run, struct ferry_repair *result,
		   struct ferry_why *why);

#endif
