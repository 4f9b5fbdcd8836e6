/* SPDX-License-Identifier: MIT */
/* location.h - from a location to a directory that can be trusted and a name in it. */
#ifndef FY_LOCATION_H
#define FY_LOCATION_H

#include <ferry/base.h>
#include <limits.h>

struct fy_place {
	int directory; /* descriptor, O_PATH-like use only; close with fy_place_close() */
	int shared;    /* 1: others may create names in it (sticky, world-writable) */
	char name[NAME_MAX + 1];
	char path[PATH_MAX]; /* for messages */
};

/* Find the place of a location. make: create the caller's own ferry directory if it is missing. */
int fy_place_open(struct fy_place *ret_place, const char *location, int make,
		  struct ferry_why *why);
void fy_place_close(struct fy_place *place);

/* The caller's own ferry directory as text. 0, or -ENAMETOOLONG. */
int fy_own_directory_path(char *path, size_t n);

/* Open the caller's own ferry directory; a descriptor, or -ENOENT, -FERRY_EUNSAFE, ... */
int fy_own_directory(int make, struct ferry_why *why);

/* 1 if name can be a bare name. */
int fy_name_valid(const char *name);

#endif
