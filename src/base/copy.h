/* SPDX-License-Identifier: MIT */
/* copy.h - copying few bytes without calling a function: most messages are small. */
#ifndef FY_COPY_H
#define FY_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sanitizer.h"

/* Two overlapping copies of half the length cover every length between. */
static inline void fy_copy(void *to, const void *from, size_t n)
{
	uint8_t *t = to;
	const uint8_t *f = from;

	if (n > 128) {
		memcpy(to, from, n);
	} else if (n > 64) {
		memcpy(t, f, 64);
		memcpy(t + n - 64, f + n - 64, 64);
	} else if (n > 32) {
		memcpy(t, f, 32);
		memcpy(t + n - 32, f + n - 32, 32);
	} else if (n >= 16) {
		memcpy(t, f, 16);
		memcpy(t + n - 16, f + n - 16, 16);
	} else if (n >= 8) {
		memcpy(t, f, 8);
		memcpy(t + n - 8, f + n - 8, 8);
	} else if (n >= 4) {
		memcpy(t, f, 4);
		memcpy(t + n - 4, f + n - 4, 4);
	} else {
		for (size_t i = 0; i < n; i++)
			t[i] = f[i];
	}
}

/*
 * Copy bytes that a peer may be writing at the same time. The caller finds out afterwards whether
 * that was so (the word has changed), and then throws the copy away.
 */
#ifdef FY_THREAD_SANITIZER
__attribute__((no_sanitize("thread"), noinline, unused)) static void
fy_copy_racy(void *to, const void *from, size_t n)
{
	const volatile uint8_t *f = from;
	volatile uint8_t *t = to;

	for (size_t i = 0; i < n; i++)
		t[i] = f[i];
}
#else
static inline void fy_copy_racy(void *to, const void *from, size_t n)
{
	fy_copy(to, from, n);
}
#endif

#endif
