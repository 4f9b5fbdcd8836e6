/* SPDX-License-Identifier: MIT */
/*
 * One run: the stage is set, the victim goes to its point, is killed or left stopped there, and the
 * survivors go on. Each run is a process of its own, with children for the victim and the sleepers.
 */
#ifndef KILL_SCENE_H
#define KILL_SCENE_H

#include "family.h"
#include "harness.h"

enum strike {
	STRIKE_NONE,  /* let the victim finish, and note its path */
	STRIKE_PROBE, /* find where the first victim holds the most */
	STRIKE_KILL,
	STRIKE_STOP,
};

enum {
	SCENE_PATH = 1 << 17, /* points of an operation that are noted */
	SCENE_SLEEPERS = ACTORS - ACTOR_SLEEPER,
	SCENE_ALARM = 5,        /* seconds: whoever takes longer hangs */
	SCENE_PATIENCE = 1000,  /* ms: longer than anybody may have to wait; less than the alarm */
	SCENE_RECORD = 1 << 16, /* bytes that a family may note in a run */
};

struct run {
	const struct family *family;
	const struct operation *operation;
	enum strike strike;
	uint32_t at;        /* the point of the strike */
	uint32_t points;    /* that the operation has when nobody is struck; 0: not known yet */
	struct place place; /* a short cut to it */
	uint32_t first_at;  /* the point where the first victim is killed ... */
	struct place first_place; /* ... and the short cut */
	const char *directory;    /* the FERRY_DIR of this run, empty */
};

/* What a run brings back; in memory shared with whoever started it. */
struct outcome {
	struct faults faults;
	char phase[32];  /* what the scene was doing */
	bool struck;     /* the victim got as far as the point */
	uint32_t points; /* that the victim passed */
	uint32_t first_at;
	int64_t slowest;          /* ns of the slowest call or recovery after the strike */
	pid_t forked;             /* whoever is summoned, where the scene does not know */
	bool not_allowed;         /* ptrace is forbidden here */
	uint64_t address;         /* of the instruction that was struck */
	_Atomic uint32_t calling; /* sleepers that are about to make their call, or inside */
	_Alignas(64) unsigned char record[SCENE_RECORD]; /* the family's own */
	uint64_t path[SCENE_PATH]; /* addresses of the points; 0 = in a system call */
};

/* What the parts of a scene share. */
struct scene {
	const struct run *run;
	const struct family *family;
	const struct operation *operation;
	struct outcome *outcome;
	struct faults *faults;
	void *record;   /* shared by all processes of the run, zero at first */
	void *survivor; /* the scene's own actor */
	struct victim victim, first;
	pid_t bystander; /* the parent of a forked victim */
	struct {
		pid_t pid; /* 0: finished */
		uint32_t kind;
	} sleepers[SCENE_SLEEPERS];
	uint32_t n_sleepers;
	bool sleepers_started;
	int64_t struck_at;
	int gate_open[4], gate_ready[4], gate_act[4]; /* by role: see scene.c */
};

/* The whole run; in a process of its own, which ends with it. */
_Noreturn void scene_run(const struct run *run, struct outcome *outcome);

/* witness.c: for the families' survivors. */

void scene_phase(struct scene *scene, const char *phase);

/* How many sleepers of a kind have not finished their call; or of all kinds. */
uint32_t scene_unfinished(struct scene *scene, uint32_t kind);
uint32_t scene_all_unfinished(struct scene *scene);

/* The victim is dead or has come to its end, so nothing is its own any more. */
bool scene_victim_is_over(const struct scene *scene);

/* Note how long something took that nobody should have had to wait for: since then; or since the
 * strike, until things were as they must be. */
void scene_took(struct scene *scene, int64_t since);
void scene_recovered(struct scene *scene);

/* For loops that wait: a moment, and whether SCENE_PATIENCE has passed. */
void scene_pause(void);
bool scene_out_of_patience(int64_t since);

/* The run's directory must be empty. */
void scene_expect_no_litter(struct scene *scene);

#endif
