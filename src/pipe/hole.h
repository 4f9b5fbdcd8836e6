/* SPDX-License-Identifier: MIT */
/*
 * hole.h - stretches of the stream in which a writer that lost its turn may still write.
 *
 * Readers and writers skip them, lap after lap, until that writer says that it has noticed, or is
 * dead. Protocol: docs/formats/pipe.md, "holes".
 */
#ifndef FY_HOLE_H
#define FY_HOLE_H

#include "pipe.h"

struct fy_skip {
	uint64_t from;
	uint64_t to;
};

static inline uint64_t fy_hole_load(const struct ferry_pipe *pipe, uint32_t i)
{
	/* SYNC(pipe.hole) acquire: pairs with the compare-and-swaps in fy_hole_cas(). */
	return atomic_load_explicit(&pipe->shm->holes[i], memory_order_acquire);
}

static inline int fy_hole_cas(struct ferry_pipe *pipe, uint32_t i, uint64_t from, uint64_t to)
{
	/* SYNC(pipe.hole) acq_rel: pairs with fy_hole_load() and itself. */
	return atomic_compare_exchange_strong_explicit(&pipe->shm->holes[i], &from, to,
						       memory_order_acq_rel, memory_order_acquire);
}

static inline int fy_holes_exist(const struct ferry_pipe *pipe)
{
	/* SYNC(pipe.quarantine) acquire: pairs with the release in raise_quarantine(). */
	return atomic_load_explicit(&pipe->shm->quarantine, memory_order_acquire) & 1;
}

/* Take the turn away from whoever owns it with that word: its region becomes a hole. 1: the turn
 * has moved, by us or others; 0: there is no room for one more hole. */
int fy_hole_pass_over(struct ferry_pipe *pipe, uint64_t word);

/* Finish what fy_hole_pass_over() of anybody began. 0, or -FERRY_ECORRUPT. */
int fy_hole_help(struct ferry_pipe *pipe, uint64_t word);

/* The holes of the member in slot are nobody's any more. If dead is not 0, only while that is its
 * state word. 1: there was one. */
int fy_hole_let_go(struct ferry_pipe *pipe, uint32_t slot, uint64_t dead);

/* Free the holes that nobody needs any more. */
void fy_hole_tidy(struct ferry_pipe *pipe, uint64_t head);

/* The first hole that ends behind from and begins before to, as readers see it. 1 or 0. */
int fy_hole_between(const struct ferry_pipe *pipe, uint64_t from, uint64_t to,
		    struct fy_skip *ret_skip);

/* Bytes between two positions that are in holes. */
uint64_t fy_hole_bytes_between(const struct ferry_pipe *pipe, uint64_t from, uint64_t to);

/* Bytes that all holes together take. */
uint64_t fy_hole_bytes_all(const struct ferry_pipe *pipe);

/* For the owner of the turn at from: the first hole that a write from there on would meet before
 * position to; from now on skipped in this lap. Needs readers to have passed it in the lap before:
 * head. 1 and *ret_skip; 0: none; -EAGAIN: readers have not. */
int fy_hole_meet(struct ferry_pipe *pipe, uint64_t from, uint64_t to, uint64_t head,
		 struct fy_skip *ret_skip);

#endif
