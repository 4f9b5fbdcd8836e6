/* SPDX-License-Identifier: MIT */
/*
 * The mechanics: a process under ptrace that goes on one point at a time. A point is a place where
 * the process can be killed or left stopped: before each instruction of the attacked code, before
 * and after each system call that this code makes through libc, and asleep in one.
 */
#ifndef KILL_HARNESS_H
#define KILL_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct range {
	uintptr_t start, end;
};

/* Where the code of a mapped file lies in this process, and in those that fork from it. */
struct range mapped_text(const char *file);

/* Is this an instruction of the library? */
bool libferry_text(uintptr_t address);

/* In the victim: what stands between the two is under attack, once mark_arm() was called. The rest
 * of the victim's code runs at full speed. */
void mark_arm(bool on);
void mark_begin(void);
void mark_end(void);
#define ATTACKED(...)                                                                              \
	do {                                                                                       \
		mark_begin();                                                                      \
		__VA_ARGS__;                                                                       \
		mark_end();                                                                        \
	} while (0)

enum victim_state {
	VICTIM_RUNS,   /* between two marked stretches */
	VICTIM_POINT,  /* stopped at a point */
	VICTIM_ASLEEP, /* at a point, too: asleep in a system call */
	VICTIM_OVER,   /* exited by itself */
	VICTIM_BROKEN, /* ended by a signal that nobody sent */
};

enum { COMPANIONS = 4 };

/* Another thread of the victim's: companions.h. */
struct companion {
	pid_t thread;
	bool runs;  /* else it is held */
	int signal; /* to go on with, when held */
};

struct victim {
	pid_t pid;
	bool (*text)(uintptr_t address);
	enum victim_state state;
	uint32_t points;   /* reached so far */
	uintptr_t address; /* of the instruction at this point */
	bool in_text;      /* that is the attacked code's; else it is in a system call */
	int status;        /* from waitpid, when OVER or BROKEN */
	bool inside;       /* a marked stretch */
	bool sleep_seen;   /* the sleep under way has been a point already */
	bool at_sleep;     /* the next instruction or system call may sleep */
	int event;         /* of ptrace, that the last stop was for; 0 = none */
	bool child_side; /* what is attacked is the child that it makes, before its program runs */
	pid_t parent;    /* of that child, while it is the one that is followed; else 0 */
	struct {
		uintptr_t address; /* 0 = none */
		long word;         /* what was there */
	} breakpoint;              /* where libc returns into the attacked code */
	struct companion companions[COMPANIONS];
	uint32_t n_companions;
};

/* Follow a process that waits for a sign before its first marked stretch; or then the child that it
 * makes with vfork() or its like, until that runs a program, and the process itself again.
 * -errno on failure. */
int victim_seize(struct victim *victim, pid_t pid, bool child_side,
		 bool (*text)(uintptr_t address));

/* Run on to the first point of the first marked stretch. */
void victim_start(struct victim *victim);

/* Go on at full speed to a point that an earlier run showed: to an instruction, when it has been
 * passed so many times since the start. Ends also in VICTIM_OVER, or VICTIM_ASLEEP; then call again
 * to go on waiting. */
struct place {
	uintptr_t address; /* 0 = there is none */
	uint32_t rounds;
	uint32_t point; /* its number */
};
void victim_run_to(struct victim *victim, struct place *place);

/* Go on to the next point, or to the end. From VICTIM_ASLEEP: wait until it wakes. */
void victim_step(struct victim *victim);

/* Kill it where it is, and wait until it is dead. The parent of a child goes on, and is followed
 * from then on. */
void victim_kill(struct victim *victim);

/* Of a child that is followed: kill its parent, which waits for it. */
void victim_kill_parent(struct victim *victim);

/* Hold it where it is: it is stopped there already, unless it sleeps. */
void victim_hold(struct victim *victim);

/* Let it go on from where it is to its end. False: it has fallen asleep on the way; call again. */
bool victim_finish(struct victim *victim);

/* Whether a process sleeps in the kernel, by /proc/PID/stat. */
bool process_sleeps(pid_t pid);

int64_t now_ns(void);

/* It is the harness that failed: tell, and end. */
_Noreturn void harness_broken(const char *what);

#endif
