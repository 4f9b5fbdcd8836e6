/* SPDX-License-Identifier: MIT */
/* look.h - an object of any kind, mapped without joining it. */
#ifndef FY_LOOK_H
#define FY_LOOK_H

#include "object.h"
#include "open.h"

/* Map what is at place: its common part, or all of it if writable. 0, or an error as from
 * fy_open_found(). End with fy_look_away(). */
int fy_look(struct fy_object *object, struct fy_found *found, const struct fy_place *place,
	    int writable, struct ferry_why *why);
void fy_look_away(struct fy_object *object);

/* Mark it as removed and wake all who sleep on its bells. */
void fy_look_mark_removed(struct fy_object *object);

/* Remove what is at location. wake: those who sleep elsewhere in it, once it is marked. */
int fy_look_remove(const char *location,
		   void (*wake)(const struct fy_object *object, const struct fy_found *found),
		   struct ferry_why *why);

#endif
