/* SPDX-License-Identifier: MIT */
/* roll.c - see roll.h. */
#include "roll.h"

#include <stddef.h>
#include <sys/mman.h>

struct roll {
	_Atomic uint64_t has[ROLL_THINGS]; /* a bit for each seat */
	_Atomic uint64_t condemned;
	_Atomic uint64_t
	    deaths[ROLL_THINGS]; /* ns: when one who has it was killed; 0 = nobody was */
	struct tally {
		_Atomic uint64_t begun, done;
	} tallies[ROLL_SEATS][ROLL_TALLIES];
};

struct roll *roll_make(void)
{
	void *memory = mmap(NULL, sizeof(struct roll), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void roll_unmake(struct roll *account)
{
	if (account)
		munmap(account, sizeof *account);
}

static uint64_t bit(uint32_t seat)
{
	return UINT64_C(1) << seat;
}

static uint32_t count(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

/* The condemnation goes last: who does not see it any more does not see the dead one's things. */
void roll_seat(struct roll *account, uint32_t seat)
{
	for (uint32_t thing = 0; thing < ROLL_THINGS; thing++)
		atomic_fetch_and(&account->has[thing], ~bit(seat));
	atomic_fetch_and(&account->condemned, ~bit(seat));
}

void roll_condemn(struct roll *account, uint32_t seat)
{
	atomic_fetch_or(&account->condemned, bit(seat));
}

void roll_kill(struct roll *account, uint32_t seat, uint64_t now)
{
	roll_condemn(account, seat);
	for (uint32_t thing = 0; thing < ROLL_THINGS; thing++)
		if (atomic_load(&account->has[thing]) & bit(seat))
			atomic_store(&account->deaths[thing], now);
}

uint64_t roll_death(struct roll *account, uint32_t thing)
{
	return atomic_exchange(&account->deaths[thing], 0);
}

/* The condemned are looked up first: what came to us by a death came after the condemnation. */
uint32_t roll_have(struct roll *account, uint32_t thing, uint32_t seat)
{
	uint64_t condemned = atomic_load(&account->condemned);
	uint64_t others = atomic_fetch_or(&account->has[thing], bit(seat));

	return count(others & ~condemned & ~bit(seat));
}

void roll_give(struct roll *account, uint32_t thing, uint32_t seat)
{
	atomic_fetch_and(&account->has[thing], ~bit(seat));
	/* It was not held by the dead after all. */
	if (atomic_load(&account->deaths[thing]))
		atomic_store(&account->deaths[thing], 0);
}

uint32_t roll_others(const struct roll *account, uint32_t thing, uint32_t seat)
{
	uint64_t condemned = atomic_load(&account->condemned);

	return count(atomic_load(&account->has[thing]) & ~condemned & ~bit(seat));
}

void roll_begin(struct roll *account, uint32_t tally, uint32_t seat)
{
	atomic_fetch_add(&account->tallies[seat][tally].begun, 1);
}

void roll_done(struct roll *account, uint32_t tally, uint32_t seat)
{
	atomic_fetch_add(&account->tallies[seat][tally].done, 1);
}

void roll_undo(struct roll *account, uint32_t tally, uint32_t seat)
{
	atomic_fetch_sub(&account->tallies[seat][tally].begun, 1);
}

struct roll_sum roll_sum(const struct roll *account, uint32_t tally)
{
	struct roll_sum sum = { 0 };

	for (uint32_t seat = 0; seat < ROLL_SEATS; seat++) {
		sum.least += atomic_load(&account->tallies[seat][tally].done);
		sum.most += atomic_load(&account->tallies[seat][tally].begun);
	}
	return sum;
}
