/* SPDX-License-Identifier: MIT */
/* wait.c - see wait.h. */
#include "wait.h"

static int host_state(void *object)
{
	const struct fy_sync *sync = object;

	return fy_object_state(sync->object);
}

static int host_may_look(void *object)
{
	return fy_sync_may_look(object);
}

static const struct fy_waiter_host host = { .state = host_state, .may_look = host_may_look };

struct fy_waiter fy_sync_waiter(struct fy_sync *sync, _Atomic uint32_t *bell,
				ferry_deadline deadline)
{
	return (struct fy_waiter){
		.host = &host,
		.object = sync,
		.deadline = deadline,
		.bell = bell,
		.fd = FY_BELL_UNWATCHED,
		.spin = &sync->spin,
		.interruptible = sync->interruptible,
	};
}
