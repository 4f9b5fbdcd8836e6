/* SPDX-License-Identifier: MIT */
/*
 * crew.h - processes in seats: started, killed, stopped, replaced, and watched.
 *
 * The supervisor forks one process for each seat. At random moments it kills one (and starts
 * another in its seat) or stops one for a while. Everything that the processes tell it lies in
 * shared memory. Used by `ferry demo` and `ferry torture`, whatever the processes do.
 *
 * Every seat has a role: the first n[0] seats the one, the next n[1] the other. What one moves the
 * other waits for, such as senders and receivers; where all do the same, n[1] is 0. With twins,
 * seat i also has the seat i + n[0] + n[1] for a process that it may fork itself (crew_fork).
 */
#ifndef FERRY_CLI_CREW_H
#define FERRY_CLI_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "faults.h"

#define CREW_MAX   64 /* seats of a role */
#define CREW_ROLES 2
#define CREW_CALLS 32 /* that are told apart */

/* Where a process is. */
enum crew_call {
	CREW_OUTSIDE, /* of any call, holding nothing */
	CREW_FORK,
	CREW_HELD_BACK, /* by the account: it cannot keep up */
	CREW_OWN,       /* the caller's own calls are numbered from here on */
};

/* What a process and the supervisor tell each other about one seat. Shared. */
struct crew_seat {
	_Alignas(64) _Atomic pid_t pid; /* 0 = vacant */
	_Atomic pid_t claim;            /* of a twin: who is going to be in it */
	_Atomic uint32_t call;          /* enum crew_call, or the caller's own */
	_Atomic uint32_t lives;         /* processes that have had it */
	_Atomic uint32_t leaving;       /* ended as it should */
	_Atomic uint64_t moved;         /* such as messages, over all who had the seat */
	_Atomic uint64_t resumed;       /* ns: when it went on after its last stop */
	_Atomic uint64_t answers; /* the kill after which it moved something first, and when */
	_Atomic uint64_t answered;
};

struct crew_shared {
	_Atomic uint32_t finish; /* role 0: come to an end */
	_Atomic uint32_t drain;  /* role 1: come to an end when nothing is left */
	_Atomic uint64_t killed; /* ns: when the last kill was */
	_Atomic uint64_t
	    hindered; /* ns: when a stopped one was last seen to have what others want */
	struct crew_seat seats[4 * CREW_MAX];
};

/* What has happened. The supervisor's own. */
struct crew_figures {
	uint64_t kills[CREW_ROLES];
	uint64_t kills_in[CREW_CALLS]; /* by where they were */
	uint64_t stops;
	uint64_t forks;
	uint64_t recoveries; /* kills after which the others were seen to go on, unhindered */
	uint64_t slowest;    /* ns: the slowest of those */
};

struct crew {
	/* To be set by the caller. */
	uint32_t n[CREW_ROLES];
	const char *role[CREW_ROLES];  /* "sender", ... */
	const char *const *call_names; /* of the caller's own calls; NULL at the end */
	bool twins;
	double kills_per_second, stops_per_second;
	uint64_t stop_max; /* ns that a stop lasts at most */
	uint64_t seed;
	struct faults *faults;
	/* The work of a seat, in its process; inherited is NULL, or what a twin got. When it
	 * returns, the process ends. */
	void (*work)(struct crew *crew, uint32_t seat, void *inherited);
	/* In the supervisor, each may be NULL: a new process is about to have the seat (also called
	 * in a twin); it is about to be killed; it is dead: look at what is left. */
	void (*seated)(struct crew *crew, uint32_t seat);
	void (*condemned)(struct crew *crew, uint32_t seat);
	void (*dead)(struct crew *crew, uint32_t seat);
	/* One process a role, and it is stopped all the same: then nothing moves, which is no
	 * fault. */
	bool stops_lone;
	/* Does the stopped process in this seat have what the others wait for? That is no fault of
	 * what is tested, and is not measured. */
	bool (*hinders)(struct crew *crew, uint32_t seat);
	void (*tick)(struct crew *crew, uint64_t now); /* in the supervisor, ten times a second */
	void *account; /* what the processes keep account in, in shared memory; the caller's own */
	void *context; /* the caller's own */

	/* The crew's own. */
	struct crew_shared *shared;
	struct crew_figures figures;
	struct watch watch;
	struct watch unhindered; /* the same, without what stopped ones keep from the others */
	pid_t supervisor;
	uint64_t started, ended; /* ns */
	struct crew_hold {       /* the supervisor's side of a seat */
		int pidfd;
		bool condemned;
		uint64_t resume; /* ns, 0 = not stopped */
	} holds[4 * CREW_MAX];
	uint64_t kill_dice, stop_dice;
	uint64_t next_kill, next_stop, next_tick;
	uint64_t unanswered; /* the kill whose recovery is being waited for, 0 = none */
};

/* 0, or a negative error. */
int crew_init(struct crew *crew);
void crew_fini(struct crew *crew);

/* Start everybody, go on killing for so many seconds, end. Ends early, and kills everybody, when
 * interrupt_seen(). */
void crew_run(struct crew *crew, double seconds);

/* ---- in a seat's process ---- */

/* Says where this process is from now on. */
void crew_at(struct crew *crew, uint32_t seat, uint32_t call);

/* Wait a little for the account. */
void crew_hold_back(struct crew *crew, uint32_t seat);

/* To be called before, and with its result after, a call that moved n things. */
uint64_t crew_before(const struct crew *crew);
void crew_moved(struct crew *crew, uint32_t seat, uint64_t before, uint64_t n);

/* Fork a process into the seat's twin, which goes on with `inherited`. 0, or -EAGAIN if the twin is
 * taken. Returns in the parent only. */
int crew_fork(struct crew *crew, uint32_t seat, void *inherited);

/* A start for crew_random() of this process's own, different in each. */
uint64_t crew_dice(const struct crew *crew, uint32_t seat);

uint32_t crew_role(const struct crew *crew, uint32_t seat);
bool crew_is_twin(const struct crew *crew, uint32_t seat);
uint32_t crew_primaries(const struct crew *crew);
uint32_t crew_seats(const struct crew *crew);                /* twins included */
uint64_t crew_total(const struct crew *crew, uint32_t role); /* moved */

/* The role whose progress counts: the last that has a seat. */
uint32_t crew_last_role(const struct crew *crew);

/* A word or two for where a process is. */
const char *crew_call_name(const struct crew *crew, uint32_t call);

/* ---- a generator of random numbers, the same for the same seed ---- */

uint64_t crew_random(uint64_t *state);
/* From 0 to below. */
uint64_t crew_below(uint64_t *state, uint64_t below);

#endif
