/* SPDX-License-Identifier: MIT */
/* barrier.c - see barrier.h. */
#include "barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static int membarrier(int command)
{
	int saved = errno;
	int r = (int)syscall(SYS_membarrier, command, 0, 0);
	int result = r < 0 ? -errno : 0;

	errno = saved;
	return result;
}

int fy_barrier_register(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

int fy_barrier_all(void)
{
	return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}
