/* SPDX-License-Identifier: MIT */
/* launch.h - what the child does between its making and the program (spawn.c). */
#ifndef FY_PROCESS_LAUNCH_H
#define FY_PROCESS_LAUNCH_H

#include <ferry/process.h>

#define FY_LAUNCH_DESCRIPTORS 65536

/* Read and written by the child in the caller's memory, while the caller's thread waits. */
struct fy_launch {
	const struct ferry_spawn_options *options;
	const char *program;
	const char *search; /* the path to look along; NULL: program is a path */
	char *found;        /* room for what is tried */
	char *const *arguments;
	char *const *environment;
	char *alone[2];
	struct ferry_spawn_descriptor *descriptors; /* those of the options, then the streams' */
	size_t n_descriptors;
	int *keep;  /* the descriptors that are passed, in order */
	int *moved; /* where each is while its place is being freed */
	int above;  /* the first number that none of them has, 3 or more */
	pid_t parent;
	enum ferry_spawn_step step; /* what failed, if error is not 0 */
	int error;
};

/* For clone(2); argument is the launch. Returns only when it failed. */
int fy_launch(void *argument);

#endif
