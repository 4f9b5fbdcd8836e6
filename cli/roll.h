/* SPDX-License-Identifier: MIT */
/*
 * roll.h - who has what, and how often, while processes are killed: what `ferry torture` keeps
 * of locks and segments. In shared memory; one process at a time in each seat of the crew.
 *
 * Of the dead nothing can be asked. So a process that is going to be killed is condemned before:
 * from then on what it has does not count, for it may have lost it.
 */
#ifndef FERRY_CLI_ROLL_H
#define FERRY_CLI_ROLL_H

#include <stdatomic.h>
#include <stdint.h>

#define ROLL_SEATS   64 /* each a bit in a word, so that all are seen at one moment */
#define ROLL_THINGS  32 /* that one can have */
#define ROLL_TALLIES 16 /* sorts of deeds that are counted */

struct roll; /* children made by fork() use their parent's pointer */

/* Nobody has anything, nothing was done; NULL without memory. */
struct roll *roll_make(void);
void roll_unmake(struct roll *account);

/* ---- who has what ---- */

/* A new process is going to have the seat. Nobody of this seat is alive, or has anything. */
void roll_seat(struct roll *account, uint32_t seat);

/* The process in the seat is going to be killed, or to leave without giving back what it has. */
void roll_condemn(struct roll *account, uint32_t seat);

/* The process in the seat is going to be killed, now (ns): a death for what it has alone. */
void roll_kill(struct roll *account, uint32_t seat, uint64_t now);

/* When one who had the thing was killed; 0: nobody, or it is known already. */
uint64_t roll_death(struct roll *account, uint32_t thing);

/* The seat has the thing from now on. How many others have it. */
uint32_t roll_have(struct roll *account, uint32_t thing, uint32_t seat);

/* It does not any more: to be said just before it is given back. */
void roll_give(struct roll *account, uint32_t thing, uint32_t seat);

/* How many others than the seat have the thing. */
uint32_t roll_others(const struct roll *account, uint32_t thing, uint32_t seat);

/* ---- how often ---- */

/* A deed is about to be done; it is done; it was not done after all. What a death cuts short was
 * begun and not done, and may have happened or not. */
void roll_begin(struct roll *account, uint32_t tally, uint32_t seat);
void roll_done(struct roll *account, uint32_t tally, uint32_t seat);
void roll_undo(struct roll *account, uint32_t tally, uint32_t seat);

/* How often that was, over all seats, for certain and at most. */
struct roll_sum {
	uint64_t least, most;
};
struct roll_sum roll_sum(const struct roll *account, uint32_t tally);

#endif
