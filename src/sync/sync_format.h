/* SPDX-License-Identifier: MIT */
/*
 * sync_format.h - the bytes of locks, semaphores and the like, and of the two tables that a segment
 * keeps for them. Layout 1 of segments.
 *
 * Fields, states, and who may change what: docs/formats/lock.md.
 */
#ifndef FY_SYNC_FORMAT_H
#define FY_SYNC_FORMAT_H

#include "../base/format.h"

/* ---- who: a thread of one incarnation of a member ---- */

#define FY_WHO_SLOT        4u  /* slot + 1, 12 bits; 0 = nobody */
#define FY_WHO_THREAD      16u /* thread id, 22 bits; 0 = the member as a whole */
#define FY_WHO_INCARNATION 38u /* the lowest 26 bits of it */
#define FY_WHO_MARKS       UINT64_C(15)

static inline uint64_t fy_who(uint32_t slot, uint64_t incarnation, uint32_t thread)
{
	return incarnation << FY_WHO_INCARNATION | (uint64_t)thread << FY_WHO_THREAD |
	       (uint64_t)(slot + 1) << FY_WHO_SLOT;
}

static inline uint32_t fy_who_owner(uint64_t who)
{
	return (uint32_t)(who >> FY_WHO_SLOT) & 0xfff;
}

static inline uint32_t fy_who_thread(uint64_t who)
{
	return (uint32_t)(who >> FY_WHO_THREAD) & 0x3fffff;
}

static inline uint64_t fy_who_incarnation(uint64_t who)
{
	return who >> FY_WHO_INCARNATION;
}

/* ---- the lock that is in several of them ---- */

/* Marks in the word beside the owner. */
#define FY_CORE_WAITERS UINT64_C(1) /* somebody may be asleep who was not called */
#define FY_CORE_CALLED  UINT64_C(2) /* somebody was called and has not come yet */
#define FY_CORE_DOOR    UINT64_C(4) /* while free: only for one who was called */
#define FY_CORE_DIED    UINT64_C(8) /* an owner died, and nobody has repaired since */
#define FY_CORE_LOST    (UINT64_C(0xfff) << FY_WHO_SLOT) /* the whole word: not recoverable */

struct fy_core_shm {
	_Atomic uint64_t word;      /* owner and marks */
	_Atomic uint32_t tickets;   /* the last waiter's number */
	_Atomic uint32_t called;    /* the last number called */
	_Atomic uint64_t called_at; /* coarse CLOCK_MONOTONIC ns */
	_Atomic uint32_t barged;    /* turns taken by newcomers since a called one had his */
	_Atomic uint32_t cpu;       /* where the owner was when it took it */
	_Atomic uint64_t since;     /* coarse ns: owned for at least that long; 0 = not known */
};

/* ---- what a program places in its segment: 64 bytes each ---- */

enum fy_primitive {
	FY_PRIMITIVE_LOCK = 0x79460001,
	FY_PRIMITIVE_RWLOCK = 0x79460002,
	FY_PRIMITIVE_SEMAPHORE = 0x79460003,
	FY_PRIMITIVE_CONDITION = 0x79460004,
	FY_PRIMITIVE_BARRIER = 0x79460005,
	FY_PRIMITIVE_ONCE = 0x79460006,
};

struct fy_lock_shm {
	alignas(FY_LINE) _Atomic uint32_t magic; /* enum fy_primitive */
	uint32_t unused;
	struct fy_core_shm core;
	_Atomic uint32_t left; /* bell: the lock was left by one who knew that it is wanted ... */
	_Atomic uint32_t mark; /* ... and its mark */
};

struct fy_rwlock_shm {
	alignas(FY_LINE) _Atomic uint32_t magic;
	uint32_t unused;
	struct fy_core_shm core;   /* the writer */
	_Atomic uint64_t gate;     /* the writer that keeps readers out; 0 = open */
	_Atomic uint32_t opened;   /* bell: the gate opened */
	_Atomic uint32_t departed; /* bell: a reader left a closed gate */
};

struct fy_semaphore_shm {
	alignas(FY_LINE) _Atomic uint32_t magic;
	uint32_t give_back;      /* 1: units of the dead come back */
	_Atomic uint64_t word;   /* value, and with give_back the step in progress */
	_Atomic uint32_t posted; /* bell ... */
	_Atomic uint32_t mark;   /* ... and its mark */
};

struct fy_condition_shm {
	alignas(FY_LINE) _Atomic uint32_t magic;
	_Atomic uint32_t tickets; /* order of waiting */
	_Atomic uint64_t waiting; /* generation << 1 | somebody may be waiting */
	_Atomic uint32_t news;    /* bell: signals and broadcasts since somebody watched ... */
	_Atomic uint32_t mark;    /* ... and its mark */
};

struct fy_barrier_shm {
	alignas(FY_LINE) _Atomic uint32_t magic;
	uint32_t parties;
	_Atomic uint64_t word;   /* round, resets, broken, arrived */
	_Atomic uint32_t passed; /* bell */
};

struct fy_once_shm {
	alignas(FY_LINE) _Atomic uint32_t magic;
	_Atomic uint32_t done;
	struct fy_core_shm core;
};

FY_AT(fy_core_shm, word, 0, 8);
FY_AT(fy_core_shm, tickets, 8, 4);
FY_AT(fy_core_shm, called, 12, 4);
FY_AT(fy_core_shm, called_at, 16, 8);
FY_AT(fy_core_shm, barged, 24, 4);
FY_AT(fy_core_shm, cpu, 28, 4);
FY_AT(fy_core_shm, since, 32, 8);
FY_AT(fy_lock_shm, magic, 0, 4);
FY_AT(fy_lock_shm, core, 8, 40);
FY_AT(fy_lock_shm, left, 48, 4);
FY_AT(fy_lock_shm, mark, 52, 4);
FY_AT(fy_rwlock_shm, core, 8, 40);
FY_AT(fy_rwlock_shm, gate, 48, 8);
FY_AT(fy_rwlock_shm, opened, 56, 4);
FY_AT(fy_rwlock_shm, departed, 60, 4);
FY_AT(fy_semaphore_shm, give_back, 4, 4);
FY_AT(fy_semaphore_shm, word, 8, 8);
FY_AT(fy_semaphore_shm, posted, 16, 4);
FY_AT(fy_semaphore_shm, mark, 20, 4);
FY_AT(fy_condition_shm, tickets, 4, 4);
FY_AT(fy_condition_shm, waiting, 8, 8);
FY_AT(fy_condition_shm, news, 16, 4);
FY_AT(fy_condition_shm, mark, 20, 4);
FY_AT(fy_barrier_shm, parties, 4, 4);
FY_AT(fy_barrier_shm, word, 8, 8);
FY_AT(fy_barrier_shm, passed, 16, 4);
FY_AT(fy_once_shm, done, 4, 4);
FY_AT(fy_once_shm, core, 8, 40);
static_assert(sizeof(struct fy_lock_shm) == FY_LINE && sizeof(struct fy_rwlock_shm) == FY_LINE &&
		  sizeof(struct fy_semaphore_shm) == FY_LINE &&
		  sizeof(struct fy_condition_shm) == FY_LINE &&
		  sizeof(struct fy_barrier_shm) == FY_LINE && sizeof(struct fy_once_shm) == FY_LINE,
	      "each is one line");

/* ---- seats: who waits for, or shares, what ---- */

enum fy_seat_role {
	FY_SEAT_NONE = 0,
	FY_SEAT_LOCK_WAITS = 1,
	FY_SEAT_READER_WAITS = 2,
	FY_SEAT_READER_GRANTED = 3, /* may come in, and has not said yet that it did */
	FY_SEAT_READER_HOLDS = 4,
	FY_SEAT_WRITER_WAITS = 5, /* for the readers to leave */
	FY_SEAT_UNITS_WAITS = 6,
	FY_SEAT_UNITS_HELD = 7, /* by a member, to be given back */
	FY_SEAT_CONDITION_WAITS = 8,
	FY_SEAT_CONDITION_SIGNALLED = 9,
	FY_SEAT_CONDITION_ARRIVED = 10, /* woke up, and is on its way to the lock */
	FY_SEAT_BARRIER_AWAY = 11,      /* takes part, and is not waiting */
	FY_SEAT_BARRIER_WAITS = 12,
	FY_SEAT_LAST = 12,
};

struct fy_seat_shm {
	alignas(FY_LINE) _Atomic uint64_t who; /* 0 = free */
	_Atomic uint64_t what;  /* line << 26 | fold of who << 6 | role; 0 = nothing */
	_Atomic uint64_t since; /* CLOCK_MONOTONIC ns */
	_Atomic uint64_t units; /* steps << 32 | units held (give_back) */
	_Atomic uint32_t ticket;
	_Atomic uint32_t bell;
};

FY_AT(fy_seat_shm, who, 0, 8);
FY_AT(fy_seat_shm, what, 8, 8);
FY_AT(fy_seat_shm, since, 16, 8);
FY_AT(fy_seat_shm, units, 24, 8);
FY_AT(fy_seat_shm, ticket, 32, 4);
FY_AT(fy_seat_shm, bell, 36, 4);
static_assert(sizeof(struct fy_seat_shm) == FY_LINE, "a seat is one line");

#define FY_SEATS   1024u
#define FY_KNOWN   1024u
#define FY_NO_SEAT UINT32_MAX

struct fy_sync_shm {
	alignas(FY_LINE) _Atomic uint32_t seats_used; /* seats from here on never had anybody */
	alignas(FY_LINE) _Atomic uint64_t known[FY_KNOWN]; /* offsets of primitives; 0 = none */
	struct fy_seat_shm seats[FY_SEATS];
};

FY_AT(fy_sync_shm, seats_used, 0, 4);
FY_AT(fy_sync_shm, known, 64, 8192);
FY_AT(fy_sync_shm, seats, 8256, 65536);

#endif
