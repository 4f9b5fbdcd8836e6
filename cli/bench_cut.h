/* SPDX-License-Identifier: MIT */
/*
 * bench_cut.h - cutting messages out of a byte stream, as the benchmark does with pipes and
 * sockets: whoever reads asks for as much as its buffer holds (64 KiB, or one message if that is
 * more).
 */
#ifndef FERRY_CLI_BENCH_CUT_H
#define FERRY_CLI_BENCH_CUT_H

#include <sys/types.h>

#include "bench_peers.h"

/* What was read and not given out yet: [from, to) of buffer. */
struct bench_cut {
	char *buffer;
	size_t room, from, to;
};

/* Read some bytes; 0 is the end, which nobody expects here. */
typedef ssize_t bench_read(struct bench_channel *c, void *buffer, size_t room);

int bench_cut_init(struct bench_cut *cut, const struct bench_channel *c);
int bench_cut_next(struct bench_channel *c, struct bench_cut *cut, bench_read *read_some,
		   void **ret_data);

#endif
