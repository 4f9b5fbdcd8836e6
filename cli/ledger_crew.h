/* SPDX-License-Identifier: MIT */
/*
 * ledger_crew.h - processes in seats: started, killed, stopped, replaced, and watched.
 *
 * The supervisor forks one process for each seat. At random moments it kills one (and starts
 * another in its seat) or stops one for a while. Everything that the processes tell it lies in
 * shared memory. Used by `ferry demo` and `ferry torture`.
 *
 * Seats 0 to senders - 1 are senders, then come the receivers. With twins, seat i also has the seat
 * i + senders + receivers for a process that it may fork itself (crew_fork).
 */
#ifndef FERRY_CLI_LEDGER_CREW_H
#define FERRY_CLI_LEDGER_CREW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ledger.h"

#define CREW_MAX 64 /* senders, and receivers */

/* Where a process is. */
enum crew_call {
	CREW_OUTSIDE, /* of any call, holding nothing */
	CREW_OPEN,
	CREW_CLOSE,
	CREW_SEND,
	CREW_LOAN,
	CREW_WRITE, /* outside, with a loan */
	CREW_COMMIT,
	CREW_RECEIVE,
	CREW_TAKE,
	CREW_HOLD, /* outside, with a taken message */
	CREW_DONE,
	CREW_RETURN,
	CREW_PEEK,
	CREW_STAT,
	CREW_FORK,
	CREW_HELD_BACK, /* by the ledger: too many messages are not settled */
	CREW_CALLS
};
extern const char *const crew_call_names[CREW_CALLS];

/* What a process and the supervisor tell each other about one seat. Shared. */
struct crew_seat {
	_Alignas(64) _Atomic pid_t pid; /* 0 = vacant */
	_Atomic pid_t claim;            /* of a twin: who is going to be in it */
	_Atomic uint32_t call;          /* enum crew_call */
	_Atomic uint32_t lives;         /* processes that have had it */
	_Atomic uint32_t leaving;       /* ended as it should */
	_Atomic uint64_t moved;         /* messages sent or received, over all who had the seat */
	_Atomic uint64_t answers;       /* the kill after which it moved one first, and when */
	_Atomic uint64_t answered;
};

struct crew_shared {
	_Atomic uint32_t finish; /* senders: come to an end */
	_Atomic uint32_t drain;  /* receivers: come to an end when nothing is left */
	_Atomic uint64_t killed; /* ns: when the last kill was */
	struct crew_seat seats[4 * CREW_MAX];
};

/* What has happened. The supervisor's own. */
struct crew_figures {
	uint64_t kills[2];             /* of senders, of receivers */
	uint64_t kills_in[CREW_CALLS]; /* by where they were */
	uint64_t stops;
	uint64_t forks;
	uint64_t recoveries; /* kills after which the others were seen to go on */
	uint64_t slowest;    /* ns: the slowest of those */
	uint64_t doubts;     /* messages whose sender died in mid-send */
};

struct crew {
	/* To be set by the caller. */
	uint32_t senders, receivers;
	bool twins;
	double kills_per_second, stops_per_second;
	uint64_t stop_max; /* ns that a stop lasts at most */
	uint64_t seed;
	struct ledger *ledger;
	/* The work of a seat, in its process; box is NULL, or inherited by a twin. When it returns,
	 * the process ends. */
	void (*work)(struct crew *crew, uint32_t seat, void *inherited);
	void (*dead)(struct crew *crew,
		     uint32_t seat);                   /* in the supervisor: look at what is left */
	void (*tick)(struct crew *crew, uint64_t now); /* in the supervisor, ten times a second */
	void *context;

	/* The crew's own. */
	struct crew_shared *shared;
	struct crew_figures figures;
	struct ledger_watch watch;
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
void crew_at(struct crew *crew, uint32_t seat, enum crew_call call);

/* Wait a little for the ledger. */
void crew_hold_back(struct crew *crew, uint32_t seat);

/* To be called before, and with its result after, a call that moved n messages. */
uint64_t crew_before(const struct crew *crew);
void crew_moved(struct crew *crew, uint32_t seat, uint64_t before, uint64_t n);

/* Fork a process into the seat's twin, which goes on with `inherited`. 0, or -EAGAIN if the twin is
 * taken. Returns in the parent only. */
int crew_fork(struct crew *crew, uint32_t seat, void *inherited);

/* A start for crew_random() of this process's own, different in each. */
uint64_t crew_dice(const struct crew *crew, uint32_t seat);

/* The stream of a sender's seat. */
uint32_t crew_stream(const struct crew *crew, uint32_t seat);
uint32_t crew_streams(const struct crew *crew);

bool crew_is_sender(const struct crew *crew, uint32_t seat);
bool crew_is_twin(const struct crew *crew, uint32_t seat);
uint32_t crew_seats(const struct crew *crew);               /* twins included */
uint64_t crew_total(const struct crew *crew, bool senders); /* messages moved */

/* ---- a generator of random numbers, the same for the same seed ---- */

uint64_t crew_random(uint64_t *state);
/* From 0 to below. */
uint64_t crew_below(uint64_t *state, uint64_t below);

#endif
