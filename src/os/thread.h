/* SPDX-License-Identifier: MIT */
/* thread.h - starting threads of the library's own. */
#ifndef FY_OS_THREAD_H
#define FY_OS_THREAD_H

#include <pthread.h>

/* One with a small stack and every signal blocked but SIGBUS. 0 or -errno. */
int fy_thread_start(pthread_t *ret_thread, void *(*run)(void *argument), void *argument);

#endif
