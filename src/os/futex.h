/* SPDX-License-Identifier: MIT */
/* futex.h - sleeping on a word that processes share (futex(2)). */
#ifndef FY_FUTEX_H
#define FY_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/* Sleep while *word is value, until the absolute CLOCK_MONOTONIC time. 0 when woken (perhaps for
 * nothing), -EAGAIN if *word was another value, -ETIMEDOUT, -EINTR; other errors mean that the
 * memory is not there any more. */
int fy_futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t until);

/* The same for one of 32 kinds of sleeper, or several: bits. Woken only by a wake that has one of
 * them. */
int fy_futex_wait_bits(_Atomic uint32_t *word, uint32_t value, int64_t until, uint32_t bits);
int fy_futex_wake_bits(_Atomic uint32_t *word, int n, uint32_t bits);

#define FY_FUTEX_ANY UINT32_MAX

/* Sleep while each of n words (1 to FY_FUTEX_MANY) is the value that goes with it. As
 * fy_futex_wait(); -ENOSYS: Linux older than 5.16, or forbidden. */
#define FY_FUTEX_MANY 128
int fy_futex_wait_many(_Atomic uint32_t *const *words, const uint32_t *values, unsigned n,
		       int64_t until);

/* Wake at most n sleepers; returns how many were woken. */
int fy_futex_wake(_Atomic uint32_t *word, int n);

#endif
