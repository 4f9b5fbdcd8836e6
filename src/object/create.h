/* SPDX-License-Identifier: MIT */
/* create.h - making an object's file. */
#ifndef FY_CREATE_H
#define FY_CREATE_H

#include "location.h"
#include "object.h"

/* Make the file whole, then give it its name. A descriptor, or -EEXIST, -ENOSPC, ... */
int fy_create(const struct fy_place *place, const struct fy_kind *kind,
	      const struct fy_creation *creation, struct ferry_why *why);

/* Make one without a name or place, in memory: whoever has a descriptor has it. It can never be
 * cut short (memfd_create(2), sealed). A descriptor, or -ENOSPC, ... */
int fy_create_unnamed(const struct fy_kind *kind, const struct fy_creation *creation,
		      struct ferry_why *why);

#endif
