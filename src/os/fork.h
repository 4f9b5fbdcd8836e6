/* SPDX-License-Identifier: MIT */
/*
 * fork.h - noticing that we are in a forked child.
 *
 * One page is wiped by the kernel in every child (MADV_WIPEONFORK), however it was made: fork(),
 * _Fork() or clone(). It holds the process's generation, so a child sees 0 where its copied handles
 * remember another number.
 */
#ifndef FY_FORK_H
#define FY_FORK_H

#include <stdint.h>

/* Never NULL; points at a constant 1 until fy_fork_init() has run. */
extern const volatile uint32_t *fy_fork_page;

/* Make the page; again and again is fine. 0 or -errno. */
int fy_fork_init(void);

/* The generation of this process; gives a child its own first. */
uint32_t fy_fork_generation(void);

/* 1 if the handle that remembers generation was made by another process (an ancestor). */
static inline int fy_fork_is_child(uint32_t generation)
{
	return *fy_fork_page != generation;
}

#endif
