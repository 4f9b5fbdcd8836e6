/* SPDX-License-Identifier: MIT */
/* relay.h - a thread that passes on all that comes, between an end of a pipe and a kernel pipe. */
#ifndef FY_PIPE_RELAY_H
#define FY_PIPE_RELAY_H

#include "pipe.h"

/* Can this end be relayed? 0 or an error: an observer's, removed, broken. */
int fy_relay_check(struct ferry_pipe *pipe);

/*
 * Pass on until the end of file, or until nobody wants what comes: of the pipe's bytes to fd if it
 * is a reading end, of fd's bytes to the pipe if it is a writing end. fd is our end of a kernel
 * pipe and in non-blocking mode. 0, or why it ended before the end of file (-EPIPE, -EIDRM ...).
 * The caller closes both.
 */
int fy_relay(struct ferry_pipe *pipe, int fd);

/* In a forked child, whose parent relays this end: have it open no more. Nothing else may be done
 * with the handle in the child. */
void fy_relay_forsake(const struct ferry_pipe *pipe);

#endif
