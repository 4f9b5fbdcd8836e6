/* SPDX-License-Identifier: MIT */
/* remove.c - ferry_remove(), for whichever kind of object it is. */
#include <ferry/object.h>

#include "../object/look.h"
#include "../os/cancel.h"
#include "../segment/segment.h"

/* The bells of the other kinds are all in the object's table, and are rung already. */
static void wake(const struct fy_object *object, const struct fy_found *found)
{
	if (found->kind == FERRY_KIND_SEGMENT)
		fy_segment_wake_all(object);
}

int ferry_remove(const char *location, struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = fy_look_remove(location, wake, why);

	fy_cancel_restore(cancel);
	return r;
}
