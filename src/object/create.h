/* SPDX-License-Identifier: MIT */
/* create.h - making an object's file. */
#ifndef FY_CREATE_H
#define FY_CREATE_H

#include "location.h"
#include "object.h"
#include "open.h"

/* Make the file whole, then give it its name. 0: what fy_open_found() would find there (but for its
 * status), and the mapping in which it was filled, through ret_found->fd; or -EEXIST, -ENOSPC, ...
 */
int fy_create(struct fy_found *ret_found, void **ret_base, const struct fy_place *place,
	      const struct fy_kind *kind, const struct fy_creation *creation,
	      struct ferry_why *why);

/* Make one without a name or place, in memory: whoever has a descriptor has it. It can never be
 * cut short (memfd_create(2), sealed). A descriptor, or -ENOSPC, ... */
int fy_create_unnamed(const struct fy_kind *kind, const struct fy_creation *creation,
		      struct ferry_why *why);

#endif
