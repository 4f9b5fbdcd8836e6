/* SPDX-License-Identifier: MIT */
/* open.h - opening and checking an object's file, before anything is mapped. */
#ifndef FY_OPEN_H
#define FY_OPEN_H

#include <sys/stat.h>

#include "location.h"
#include "object_format.h"

/* What the first line of the file says, checked. */
struct fy_found {
	int fd;
	uint32_t kind;
	uint32_t layout;
	uint64_t bytes;
	uint64_t map_bytes; /* address space of a member; more than bytes if the file can grow */
	uint64_t body;
	uint64_t bells;
	uint32_t n_bells;
	uint32_t member_slots;
	struct stat status;
};

/* The layout of a kind that this library knows; 0: it does not know the kind. */
uint32_t fy_known_layout(uint32_t kind);

/* Open the ferry object at place. writable: 0 to look only. -ENOENT, -EACCES, -ELOOP,
 * -FERRY_EFOREIGN, -FERRY_EVERSION, -FERRY_ETRUNCATED, -FERRY_ECORRUPT, -FERRY_EUNSAFE. The kind
 * and its layout are the caller's to check. */
int fy_open_found(struct fy_found *ret_found, const struct fy_place *place, int writable,
		  struct ferry_why *why);

/* The same for what is behind a descriptor that we have already, which is the caller's no more:
 * it is in ret_found, or closed. */
int fy_open_descriptor(struct fy_found *ret_found, int fd, struct ferry_why *why);

/* Map an object's file. MAP_FAILED and errno as mmap(2). */
void *fy_open_map(int fd, uint64_t bytes, int writable);

#endif
