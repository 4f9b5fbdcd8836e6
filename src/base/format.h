/* SPDX-License-Identifier: MIT */
/* format.h - how bytes in shared memory are declared. */
#ifndef FY_FORMAT_H
#define FY_FORMAT_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define FY_LINE 64u /* bytes of a cache line; part of every layout, not a tuning knob */

/* Pin one field. If it fails, the layout has changed: raise its version. */
#define FY_AT(type, field, offset, bytes)                                                          \
	static_assert(offsetof(struct type, field) == (offset), #type "." #field " moved");        \
	static_assert(sizeof(((struct type *)0)->field) == (bytes), #type "." #field " resized")

/* Between processes an atomic must be lock-free (C17 7.17.5: then it is address-free too). */
static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "no shared atomics");
static_assert(sizeof(_Atomic uint32_t) == 4 && sizeof(_Atomic uint64_t) == 8, "padded atomics");

#endif
