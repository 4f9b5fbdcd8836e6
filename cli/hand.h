/* SPDX-License-Identifier: MIT */
/*
 * hand.h - one of the crew of `ferry torture`, in its own process: its seat, its dice, and what
 * every kind of work needs.
 */
#ifndef FERRY_CLI_HAND_H
#define FERRY_CLI_HAND_H

#include <ferry/ferry.h>

#include "crew.h"
#include "roll.h"

struct hand {
	struct crew *crew;
	struct roll *account; /* the crew's */
	uint32_t seat;
	uint64_t dice;
	uint64_t wanted; /* ns: since when it wants what it takes next; 0 = not to be measured */
	uint64_t death;  /* ns: when one was killed who had what it has taken last; 0 = nobody */
	bool broken;     /* a call failed that had to work: this process gives up */
};

void hand_init(struct hand *hand, struct crew *crew, uint32_t seat);

/* From 0 to below. */
uint64_t hand_roll(struct hand *hand, uint64_t below);

/* Says where this process is from now on. */
void hand_at(struct hand *hand, uint32_t call);

/* A call failed that had to work. */
void hand_broken(struct hand *hand, const char *call, int error);

/* The result of a call that may only work, or say "not now". Gives it back. */
int hand_expect(struct hand *hand, const char *call, int result);

/* How long a call may wait: not at all, a little, long. At the end nobody waits for what does not
 * come any more. */
ferry_deadline hand_patience(struct hand *hand);

/* Results that mean no more than "not now". */
bool hand_is_no(int result);

/* A call that has to succeed did, or not. */
void hand_must(struct hand *hand, const char *call, int result);

/* A call that has to be refused, with the error right, was refused, or not. */
void hand_must_refuse(struct hand *hand, const char *call, int result, int right);

/* Something is wrong that no call said. */
void hand_fault(struct hand *hand, enum fault fault, const char *sentence);

/* It was done once more. */
void hand_count(struct hand *hand, uint32_t tally);

/* From now on this process has the thing, as `most` may at a time; otherwise that is the fault
 * that the sentence tells. */
void hand_have(struct hand *hand, uint32_t thing, uint32_t most, const char *sentence);
void hand_give(struct hand *hand, uint32_t thing);

/* From now on it wants something, and waits for it. */
void hand_wants(struct hand *hand);

/* What it has taken last had an owner who is said to have died: raise *slowest to the time that it
 * took to get it, from the kill on or from when it was wanted. Not if this process was stopped
 * meanwhile, nor, where readers may be inside too, if a stopped one was. */
void hand_told(struct hand *hand, bool had_readers, _Atomic uint64_t *slowest);

/* Several words that belong together: who changes them can be caught in the middle. */
#define VAULT_WORDS 7
struct vault {
	volatile uint64_t words[VAULT_WORDS];
};

/* How often they were changed. */
uint64_t vault_changes(const struct vault *vault);

/* Change them, one after the other, and let others run in between at times. */
void vault_change(struct vault *vault, struct hand *hand);

bool vault_is_whole(const struct vault *vault);

/* Finish what somebody did not. */
void vault_repair(struct vault *vault);

/* One comes to the vault, and is told whether an owner died: then it is repaired, else it must be
 * whole. behind: what, for the sentence. */
void vault_enter(struct vault *vault, struct hand *hand, bool told, const char *behind);

#endif
