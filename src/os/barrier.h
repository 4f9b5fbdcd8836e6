/* SPDX-License-Identifier: MIT */
/*
 * barrier.h - a memory barrier that one process makes in all others (membarrier(2)).
 *
 * Who publishes often and looks for sleepers each time would need a fence between the two. Where
 * this works the few who sleep pay for it instead.
 */
#ifndef FY_BARRIER_H
#define FY_BARRIER_H

/* Let others' barriers reach this process. 0; or an error: it must fence itself. A few hundred ns;
 * again and again is fine. A child made by fork() has to ask anew. */
int fy_barrier_register(void);

/* A full barrier in every running thread of every registered process, and here. 0, or an error. */
int fy_barrier_all(void);

#endif
