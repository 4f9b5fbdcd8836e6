/* SPDX-License-Identifier: MIT */
/*
 * The victim's other threads: one of ferry's may look after a descriptor. The harness follows the
 * thread that makes the calls, and its breakpoints are there for all. So the others are traced,
 * too: they are held where they are, as by SIGSTOP, whenever that thread is stopped or on its way,
 * and run only while it sleeps, when they pass over what is not theirs.
 */
#ifndef KILL_COMPANIONS_H
#define KILL_COMPANIONS_H

#include "harness.h"

/* A thread that the victim has just made, which stops at its first instruction. */
void companions_add(struct victim *victim, pid_t thread);

/* The victim sleeps, perhaps until one of them has done something: let them run. */
void companions_let_go(struct victim *victim);

/* See to those that have stopped or ended. */
void companions_tend(struct victim *victim);

/* Do all of them sleep in the kernel? */
bool companions_sleep(const struct victim *victim);

void companions_hold(struct victim *victim);

/* Nothing is attacked any more: leave them to themselves. */
void companions_dismiss(struct victim *victim);

/* The victim has been killed: wait until they are dead. It is dead only then. */
void companions_bury(struct victim *victim);

#endif
