/* SPDX-License-Identifier: MIT */
/*
 * bench_mailbox.c - ferry bench mailbox: its rows, whom the mailbox is compared with, and what is
 * promised. The mailbox itself as a transport: bench_ferry.c.
 */
#include "bench.h"
#include "bench_transports.h"

#define MIB 1048576.0

static const struct bench_row rows[] = {
	{ "roundtrip-8", "Round trip of 8 B", BENCH_ROUNDTRIPS, 8, 1, 1 },
	{ "roundtrip-48", "Round trip of 48 B", BENCH_ROUNDTRIPS, 48, 1, 1 },
	{ "roundtrip-64", "Round trip of 64 B", BENCH_ROUNDTRIPS, 64, 1, 1 },
	{ "roundtrip-1K", "Round trip of 1 KiB", BENCH_ROUNDTRIPS, 1024, 1, 1 },
	{ "roundtrip-64K", "Round trip of 64 KiB", BENCH_ROUNDTRIPS, 65536, 1, 1 },
	{ "stream-8", "8 B one to one, every byte read", BENCH_STREAMS, 8, 1, 1 },
	{ "stream-64", "64 B one to one, every byte read", BENCH_STREAMS, 64, 1, 1 },
	{ "stream-1K", "1 KiB one to one, every byte read", BENCH_STREAMS, 1024, 1, 1 },
	{ "stream-64K", "64 KiB one to one, every byte read", BENCH_STREAMS, 65536, 1, 1 },
	{ "stream-1M", "1 MiB one to one, every byte read", BENCH_STREAMS, 1 << 20, 1, 1 },
	{ "four-to-one", "64 B, four senders to one receiver", BENCH_STREAMS, 64, 4, 1 },
	{ "four-to-four", "64 B, four senders to four receivers, each send timed", BENCH_SENDS, 64,
	  4, 4 },
	{ "open", "Creating, opening and closing", BENCH_OPENING, 0, 0, 0 },
	{ 0 },
};

static const struct bench_peer *const peers[] = {
	&bench_line,
	&bench_line_pause,
	&bench_buffers,
	&bench_ferry_spin,
	&bench_ferry,
	&bench_futex,
	&bench_ferry_sleep,
	&bench_ferry_many,
	&bench_ferry_take,
	&bench_ferry_in_place,
	&bench_ferry_pair,
	&bench_ferry_pair_spin,
	&bench_ferry_pair_sleep,
	&bench_ferry_produce,
	&bench_ferry_loan,
	&bench_mq,
	&bench_sysv,
	&bench_pipe,
	&bench_socket,
	&bench_mq_poll,
	&bench_sysv_poll,
	&bench_pipe_poll,
	&bench_socket_poll,
	NULL,
};

static const struct bench_target targets[] = {
	{ "round trip of 8 B, both spin, p50: to the cache line", "roundtrip-8", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.3, 1.1 },
	{ "round trip of 48 B, both spin, p50: to the cache line", "roundtrip-48", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.5, 1.15 },
	{ "round trip of 64 B, both spin, p50: to the cache line", "roundtrip-64", "ferry spin",
	  "cache line", "cache line pause", BENCH_P50, true, 2, 1.4 },
	{ "round trip of 8 B, both sleep at once, p50: to the futex", "roundtrip-8", "ferry sleep",
	  "futex", NULL, BENCH_P50, true, 1.15, 1.05 },
	{ "round trip of 8 B, default waiting, p50: to spinning", "roundtrip-8", "ferry",
	  "ferry spin", NULL, BENCH_P50, true, 1.1, 0 },
	{ "64 B one to one, one message a call: to POSIX mq", "stream-64", "ferry", "POSIX mq",
	  NULL, BENCH_RATE, false, 15, 30 },
	{ "declared one to one: round trip of 8 B, both spin", "roundtrip-8",
	  "ferry one-to-one spin", "cache line", "cache line pause", BENCH_P50, true, 1.3, 1.1 },
	{ "declared one to one: round trip of 48 B", "roundtrip-48", "ferry one-to-one spin",
	  "cache line", "cache line pause", BENCH_P50, true, 1.5, 1.15 },
	{ "declared one to one: round trip of 64 B", "roundtrip-64", "ferry one-to-one spin",
	  "cache line", "cache line pause", BENCH_P50, true, 2, 1.4 },
	{ "declared one to one: 8 B, both sleep at once", "roundtrip-8", "ferry one-to-one sleep",
	  "futex", NULL, BENCH_P50, true, 1.15, 1.05 },
	{ "declared one to one: 8 B, default waiting, to spinning", "roundtrip-8",
	  "ferry one-to-one", "ferry one-to-one spin", NULL, BENCH_P50, true, 1.1, 0 },
	{ "declared one to one: 64 B stream, to POSIX mq", "stream-64", "ferry one-to-one",
	  "POSIX mq", NULL, BENCH_RATE, false, 15, 30 },
	{ "64 B four to one: to POSIX mq", "four-to-one", "ferry", "POSIX mq", NULL, BENCH_RATE,
	  false, 12, 30 },
	{ "64 KiB one to one, every byte read: to two buffers", "stream-64K", "ferry take",
	  "two buffers", NULL, BENCH_RATE, false, 0.9, 1 },
	{ "1 MiB one to one, every byte read: to two buffers", "stream-1M", "ferry take",
	  "two buffers", NULL, BENCH_RATE, false, 0.9, 1 },
	{ "64 KiB without the sender's copy: to two buffers", "stream-64K", "ferry in place",
	  "two buffers", NULL, BENCH_RATE, false, 1, 0 },
	{ "1 MiB without the sender's copy: to two buffers", "stream-1M", "ferry in place",
	  "two buffers", NULL, BENCH_RATE, false, 1, 0 },
	{ "p99.9 of a send, 4 senders, 4 receivers: to POSIX mq", "four-to-four", "ferry",
	  "POSIX mq", NULL, BENCH_P999, true, 1, 0.5 },
	{ "default mailbox, empty: MiB reserved", "open", "ferry", NULL, NULL, BENCH_RESERVED, true,
	  MIB, 0 },
	{ "creating it", "open", "ferry", NULL, NULL, BENCH_CREATE, true, 100000, 0 },
	{ "opening it", "open", "ferry", NULL, NULL, BENCH_OPEN, true, 100000, 0 },
	{ 0 },
};

const struct bench_family bench_mailbox = {
	.name = "mailbox",
	.what = "beside POSIX and System V message queues, a pipe and a Unix socket",
	.rows = rows,
	.peers = peers,
	.targets = targets,
	.baseline = "POSIX mq",
};
