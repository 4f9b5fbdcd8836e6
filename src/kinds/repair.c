/* SPDX-License-Identifier: MIT */
/* repair.c - ferry_object_repair(), for whichever kind of object it is. */
#include <ferry/error.h>
#include <ferry/object.h>

#include "../base/why.h"
#include "../mailbox/mailbox.h"
#include "../pipe/pipe.h"
#include "../segment/segment.h"

static const struct {
	enum ferry_kind kind;
	int (*repair)(const char *location, int dry_run, struct ferry_repair *result,
		      struct ferry_why *why);
} kinds[] = {
	{ FERRY_KIND_MAILBOX, fy_mailbox_repair },
	{ FERRY_KIND_SEGMENT, fy_segment_repair },
	{ FERRY_KIND_PIPE, fy_pipe_repair },
};

static int repair_kind(enum ferry_kind kind, const char *location, int dry_run,
		       struct ferry_repair *result, struct ferry_why *why)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return kinds[i].repair(location, dry_run, result, why);
	return fy_why(why, -FERRY_EKIND, "objects of kind %u cannot be repaired by this library",
		      (unsigned)kind);
}

int ferry_object_repair(const char *location, int dry_run, struct ferry_repair *ret_repair,
			struct ferry_why *why)
{
	struct ferry_repair result = { 0 };
	struct ferry_object_stat stat;

	if (!ret_repair)
		return -EINVAL;
	int r = ferry_object_stat(location, &stat, why);
	if (r < 0)
		return r;
	if (stat.removed) {
		/* Its memory is nobody's business any more; only the name is left. */
		r = dry_run ? 0 : ferry_remove(location, why);
		result.unlinked = 1;
	} else {
		r = repair_kind(stat.kind, location, dry_run, &result, why);
	}
	if (r == 0)
		*ret_repair = result;
	return r;
}
