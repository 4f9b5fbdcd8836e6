/* SPDX-License-Identifier: MIT */
/* create.h - making and unmaking an object's file. */
#ifndef FY_CREATE_H
#define FY_CREATE_H

#include "location.h"
#include "object.h"

/* Make the file whole, then give it its name. A descriptor, or -EEXIST, -ENOSPC, ... */
int fy_create(const struct fy_place *place, const struct fy_kind *kind,
	      const struct fy_creation *creation, struct ferry_why *why);

/* What a name becomes while it is taken away; left over if the remover dies just then. */
#define FY_ASIDE_PREFIX ".ferry-old-"

/* Take the name away if it still is the file behind fd. 0 also if it was gone already. */
int fy_unlink(const struct fy_place *place, int fd, struct ferry_why *why);

#endif
