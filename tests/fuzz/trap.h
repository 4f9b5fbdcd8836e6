/* SPDX-License-Identifier: MIT */
/* trap.h - a page of which each access of this thread is announced before it is made. The kernel
 * cannot read or write such a page. x86-64; elsewhere nothing is announced. */
#ifndef FERRY_TRAP_H
#define FERRY_TRAP_H

/* Once for a page; before() may not access it. */
void trap_set(void *page, void (*before)(void));

/* Announce accesses from now on, or no more. */
void trap_arm(void);
void trap_disarm(void);

#endif
