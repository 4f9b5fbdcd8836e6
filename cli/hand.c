/* SPDX-License-Identifier: MIT */
/* hand.c - see hand.h. */
#include "hand.h"

#include <errno.h>
#include <sched.h>

#define LONG_WAIT_MS 1000
#define YIELDS       16 /* one step in so many lets others run */

void hand_init(struct hand *hand, struct crew *crew, uint32_t seat)
{
	*hand = (struct hand){ .crew = crew, .account = crew->account, .seat = seat };
	hand->dice = crew_dice(crew, seat);
}

uint64_t hand_roll(struct hand *hand, uint64_t below)
{
	return crew_below(&hand->dice, below);
}

void hand_at(struct hand *hand, uint32_t call)
{
	crew_at(hand->crew, hand->seat, call);
}

void hand_broken(struct hand *hand, const char *call, int error)
{
	hand->broken = true;
	faults_report(hand->crew->faults, FAULT_BROKEN, "seat %u, %s: %s", hand->seat, call,
		      ferry_error_name(error));
}

bool hand_is_no(int result)
{
	return result == -EAGAIN || result == -ETIMEDOUT;
}

int hand_expect(struct hand *hand, const char *call, int result)
{
	if (result < 0 && !hand_is_no(result))
		hand_broken(hand, call, result);
	return result;
}

void hand_must(struct hand *hand, const char *call, int result)
{
	if (result < 0)
		hand_broken(hand, call, result);
}

void hand_must_refuse(struct hand *hand, const char *call, int result, int right)
{
	if (result == right)
		return;
	faults_report(hand->crew->faults, FAULT_STRAY, "seat %u: %s said %s, not %s", hand->seat,
		      call, result < 0 ? ferry_error_name(result) : "yes", ferry_error_name(right));
	hand->broken = true;
}

void hand_fault(struct hand *hand, enum fault fault, const char *sentence)
{
	faults_report(hand->crew->faults, fault, "seat %u: %s", hand->seat, sentence);
}

void hand_count(struct hand *hand, uint32_t tally)
{
	roll_begin(hand->account, tally, hand->seat);
	roll_done(hand->account, tally, hand->seat);
}

void hand_have(struct hand *hand, uint32_t thing, uint32_t most, const char *sentence)
{
	if (roll_have(hand->account, thing, hand->seat) >= most)
		hand_fault(hand, FAULT_SHARED, sentence);
	hand->death = roll_death(hand->account, thing);
}

void hand_give(struct hand *hand, uint32_t thing)
{
	roll_give(hand->account, thing, hand->seat);
}

void hand_wants(struct hand *hand)
{
	hand->wanted = now_ns();
}

void hand_told(struct hand *hand, bool had_readers, _Atomic uint64_t *slowest)
{
	const struct crew_shared *shared = hand->crew->shared;
	uint64_t since = hand->death > hand->wanted ? hand->death : hand->wanted;
	uint64_t took = now_ns() - since, most = atomic_load(slowest);

	if (!hand->death || !hand->wanted ||
	    atomic_load(&shared->seats[hand->seat].resumed) > since)
		return;
	if (had_readers && atomic_load(&shared->hindered) > since)
		return;
	while (took > most && !atomic_compare_exchange_weak(slowest, &most, took))
		;
}

ferry_deadline hand_patience(struct hand *hand)
{
	bool drain = atomic_load(&hand->crew->shared->drain);

	switch (drain ? 0 : hand_roll(hand, 4)) {
	case 0:
		return FERRY_NOW;
	case 1:
		return ferry_in_ms((int64_t)hand_roll(hand, 20));
	default:
		return ferry_in_ms(LONG_WAIT_MS);
	}
}

/* New memory, all zero, is whole. */
static uint64_t word(uint32_t i, uint64_t changes)
{
	return changes * (2 * i + 1);
}

uint64_t vault_changes(const struct vault *vault)
{
	return vault->words[0];
}

void vault_change(struct vault *vault, struct hand *hand)
{
	uint64_t changes = vault->words[0] + 1;

	for (uint32_t i = 0; i < VAULT_WORDS; i++) {
		vault->words[i] = word(i, changes);
		if (!hand_roll(hand, YIELDS))
			sched_yield();
	}
}

bool vault_is_whole(const struct vault *vault)
{
	for (uint32_t i = 0; i < VAULT_WORDS; i++)
		if (vault->words[i] != word(i, vault->words[0]))
			return false;
	return true;
}

void vault_repair(struct vault *vault)
{
	for (uint32_t i = 0; i < VAULT_WORDS; i++)
		vault->words[i] = word(i, vault->words[0]);
}

void vault_enter(struct vault *vault, struct hand *hand, bool told, const char *behind)
{
	if (told)
		vault_repair(vault);
	else if (!vault_is_whole(vault))
		faults_report(hand->crew->faults, FAULT_TORN,
			      "seat %u: half a change behind the %s, and nobody was told",
			      hand->seat, behind);
}
