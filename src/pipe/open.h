/* SPDX-License-Identifier: MIT */
/* open.h - what opening by location, by pair and by import have in common. */
#ifndef FY_PIPE_OPEN_H
#define FY_PIPE_OPEN_H

#include "layout.h"
#include "pipe.h"

/* The options, copied and checked; allowed: flags. 0, -EINVAL, -E2BIG. */
int fy_pipe_options(struct ferry_pipe_options *ret_options,
		    const struct ferry_pipe_options *options, uint32_t allowed);

/* What to make. layout must live as long. */
void fy_pipe_creation(struct fy_creation *ret_creation, struct fy_pipe_layout *layout,
		      const struct ferry_pipe_options *options, int anonymous);

/* A handle with nothing open yet; NULL: no memory. */
struct ferry_pipe *fy_pipe_new(uint32_t end);

/* The object is open: check the body, map the ring, and (but for an observer) join. */
int fy_pipe_set_up(struct ferry_pipe *pipe, const struct ferry_pipe_options *options);

/* Say that one more has our end open, and wake those who wait for that. */
void fy_pipe_arrive(struct ferry_pipe *pipe);

/* Close what is open of a handle, and free it. */
void fy_pipe_dispose(struct ferry_pipe *pipe);

#endif
