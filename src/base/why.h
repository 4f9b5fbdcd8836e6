/* SPDX-License-Identifier: MIT */
/* why.h - one sentence about a failure, for the caller of a cold function. */
#ifndef FY_WHY_H
#define FY_WHY_H

#include <ferry/base.h>

#define FY_COLD        __attribute__((cold, noinline))
#define FY_LIKELY(x)   __builtin_expect(!!(x), 1)
#define FY_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Store error and the formatted sentence in why (which may be NULL); returns error. */
FY_COLD __attribute__((format(printf, 3, 4))) int fy_why(struct ferry_why *why, int error,
							 const char *format, ...);

#endif
