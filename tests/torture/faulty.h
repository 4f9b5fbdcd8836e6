/* SPDX-License-Identifier: MIT */
/* faulty.h - when to break a promise. */
#ifndef FERRY_TESTS_TORTURE_FAULTY_H
#define FERRY_TESTS_TORTURE_FAULTY_H

#include <dlfcn.h>
#include <stdbool.h>

#include <ferry/ferry.h>

/* Is this the fault that is wanted, and this the time for it: once in so many calls of this
 * process? */
bool is_time_for(const char *fault, unsigned seldom);

/* Find the true function behind the one of this name. */
#define FAULTY_REAL(real, name)                                                                    \
	do {                                                                                       \
		if (!(real))                                                                       \
			*(void **)&(real) = dlsym(RTLD_NEXT, name);                                \
	} while (0)

#endif
