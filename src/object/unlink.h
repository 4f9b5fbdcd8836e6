/* SPDX-License-Identifier: MIT */
/* unlink.h - taking an object's name away. */
#ifndef FY_UNLINK_H
#define FY_UNLINK_H

#include "location.h"

/* What a name becomes while it is taken away; left over if the remover dies just then. */
#define FY_ASIDE_PREFIX ".ferry-old-"

/* Take the name away if it still is the file behind fd, which is marked as removed. 0 also if it
 * was gone already. */
int fy_unlink(const struct fy_place *place, int fd, struct ferry_why *why);

#endif
