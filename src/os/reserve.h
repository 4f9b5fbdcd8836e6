/* SPDX-License-Identifier: MIT */
/* reserve.h - making sure that a file's bytes are there before anybody touches them. */
#ifndef FY_RESERVE_H
#define FY_RESERVE_H

#include <stdint.h>

/* Reserve [from, from + bytes) of a file, which becomes that long if it was shorter. 0, or -ENOSPC
 * and others: then nothing has changed. */
int fy_reserve(int fd, uint64_t from, uint64_t bytes);

#endif
