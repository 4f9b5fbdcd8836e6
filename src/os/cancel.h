/* SPDX-License-Identifier: MIT */
/* cancel.h - cold functions call what POSIX makes cancellation points; ferry's are none, since a
 * thread that ended inside would leave descriptors and locks behind. */
#ifndef FY_CANCEL_H
#define FY_CANCEL_H

#include <pthread.h>

static inline int fy_cancel_off(void)
{
	int before;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void fy_cancel_restore(int before)
{
	(void)pthread_setcancelstate(before, &before);
}

#endif
