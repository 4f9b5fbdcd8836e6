/* SPDX-License-Identifier: MIT */
/*
 * bench_cut.h - the kernel's byte streams as the benchmark drives them, pipes and sockets: writing
 * a message whole, and cutting messages out of what comes: whoever reads asks for as much as its
 * buffer holds (64 KiB, or one message if that is more).
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

/* One for the channel's handle. */
int bench_cut_attach(struct bench_channel *c);

/* Also on descriptors that do not wait: then they are asked again and again. */
int bench_write_all(int fd, const void *data, size_t bytes);
ssize_t bench_read_some(int fd, void *buffer, size_t room);
void bench_close_both(struct bench_channel *c);

#endif
