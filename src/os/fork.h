/* SPDX-License-Identifier: MIT */
/*
 * fork.h - noticing that we are in a forked child.
 *
 * One page is wiped by the kernel in every child (MADV_WIPEONFORK), however it was made: fork(),
 * _Fork() or clone(). It holds the process's generation, so a child sees 0 where its copied handles
 * remember another number.
 *
 * And what is to be done about handles that a child inherits, where fork() lets us do it: for
 * _Fork() and clone() nobody does.
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

/* What one kind of handle does when fork() doubles the process; NULL: nothing. before runs in the
 * parent, then one of the others in each process; all with the list of handles locked, and other
 * threads going on. */
struct fy_inheritance {
	void (*before)(void *handle);
	void (*in_parent)(void *handle);
	void (*in_child)(void *handle);
};

/* A handle's place in that list. */
struct fy_inherited {
	struct fy_inherited *next, *previous;
	const struct fy_inheritance *how;
	void *handle;
};

/* From here on; and before the handle is freed. Not with a mutex that `before` takes. */
void fy_inherit(struct fy_inherited *place, const struct fy_inheritance *how, void *handle);
void fy_disinherit(struct fy_inherited *place);

#endif
