/* SPDX-License-Identifier: MIT */
/*
 * bench_transports.h - what the transports of the benchmark and the loops that drive them share:
 * the messages' contents, and each file's transports for the families' tables.
 */
#ifndef FERRY_CLI_BENCH_TRANSPORTS_H
#define FERRY_CLI_BENCH_TRANSPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "bench_peers.h"

/* The first word of a message is its number, from 1 on. This one says: no more. */
#define BENCH_END ((uint64_t)INT64_MAX)

/* Bytes in front of bench_channel.source and .room that a transport may use, such as for a type. */
#define BENCH_PREFIX 64

/* Make a message: the word i is number + i. */
void bench_fill(void *data, size_t bytes, uint64_t number);

/* Where bench_begin() lets ferry's objects be made. */
const char *bench_directory(void);

/* Fresh shared memory, already there, for processes forked from now on. 0 or -errno. */
int bench_share(struct bench_channel *c, size_t bytes);
void bench_unshare(struct bench_channel *c);

extern const struct bench_peer bench_line, bench_line_pause, bench_futex, bench_buffers;
extern const struct bench_peer bench_ferry, bench_ferry_spin, bench_ferry_sleep, bench_ferry_many,
    bench_ferry_take, bench_ferry_produce, bench_ferry_loan, bench_ferry_in_place, bench_ferry_pair,
    bench_ferry_pair_spin, bench_ferry_pair_sleep;
extern const struct bench_peer bench_mq, bench_mq_poll, bench_sysv, bench_sysv_poll, bench_pipe,
    bench_pipe_poll, bench_socket, bench_socket_poll;

#endif
