/* SPDX-License-Identifier: MIT */
/* prefetch.h - ask for a cache line before it is needed. */
#ifndef FY_PREFETCH_H
#define FY_PREFETCH_H

/* To read. */
static inline void fy_prefetch(const void *line)
{
	__builtin_prefetch(line, 0);
}

/* To write. The builtin makes a read of it unless the compiler may assume prefetchw, which every
 * x86-64 processor since 2014 has and older ones ignore. */
static inline void fy_prefetch_write(const void *line)
{
#ifdef __x86_64__
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

#endif
