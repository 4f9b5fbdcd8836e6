/* SPDX-License-Identifier: MIT */
/* pause.h - tell the processor that we spin. */
#ifndef FY_PAUSE_H
#define FY_PAUSE_H

static inline void fy_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

#endif
