/* SPDX-License-Identifier: MIT */
/*
 * One run: the stage is set, the victim goes to its point, is killed or left stopped there, and the
 * survivors go on. Each run is a process of its own, with children for the victim and the sleepers.
 */
#ifndef KILL_SCENE_H
#define KILL_SCENE_H

#include "harness.h"
#include "ledger.h"
#include "operations.h"

enum strike {
	STRIKE_NONE,  /* let the victim finish, and note its path */
	STRIKE_PROBE, /* find where the first victim holds the most */
	STRIKE_KILL,
	STRIKE_STOP,
};

enum {
	SCENE_PATH = 1 << 17, /* points of an operation that are noted */
	SCENE_SLEEPERS = 2,
	SCENE_ALARM = 5, /* seconds: whoever takes longer hangs */

};

struct run {
	const struct operation *operation;
	enum strike strike;
	uint32_t at;              /* the point of the strike */
	struct place place;       /* a short cut to it */
	uint32_t first_at;        /* the point where the first victim is killed ... */
	struct place first_place; /* ... and the short cut */
	const char *directory;    /* the FERRY_DIR of this run, empty */
};

/* What a run brings back; in memory shared with whoever started it. */
struct outcome {
	struct ledger ledger;
	char phase[32];  /* what the scene was doing */
	bool struck;     /* the victim got as far as the point */
	uint32_t points; /* that the victim passed */
	uint32_t first_at;
	int64_t slowest;           /* ns of the slowest call or recovery after the strike */
	pid_t forked;              /* whoever is summoned, where the scene does not know */
	bool not_allowed;          /* ptrace is forbidden here */
	uint64_t address;          /* of the instruction that was struck */
	uint64_t path[SCENE_PATH]; /* addresses of the points; 0 = in a system call */
};

/* What the parts of a scene share. */
struct scene {
	const struct run *run;
	const struct operation *operation;
	struct outcome *outcome;
	struct ledger *ledger;
	struct actor survivor;
	struct victim victim, first;
	pid_t bystander; /* the parent of a forked victim */
	struct {
		pid_t pid; /* 0: finished */
		bool sends;
	} sleepers[SCENE_SLEEPERS];
	uint32_t n_sleepers;
	bool sleepers_started;
	uint32_t full; /* messages and loans in the mailbox when its senders fell asleep */
	int64_t struck_at;
	int gate_open[4], gate_ready[4], gate_act[4]; /* by role: see scene.c */
};

/* The whole run; in a process of its own, which ends with it. */
_Noreturn void scene_run(const struct run *run, struct outcome *outcome);

void scene_phase(struct scene *scene, const char *phase);

/* How many sleepers of a kind have not finished their call. */
uint32_t scene_unfinished(struct scene *scene, bool senders);

/* survive.c: the survivors send, receive and drain, while the victim is dead, stopped or done. */
void survive(struct scene *scene);

/* survive.c: everybody is done; repair, and see that the mailbox is as good as new. */
void survive_end(struct scene *scene);

/* Note how long something took that nobody should have had to wait for. */
void survive_took(struct scene *scene, int64_t since);

#endif
