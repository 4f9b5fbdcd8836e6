/* SPDX-License-Identifier: MIT */
/* bench_spawn.h - ways to start a program, for bench_signal.c. */
#ifndef FERRY_CLI_BENCH_SPAWN_H
#define FERRY_CLI_BENCH_SPAWN_H

#include "bench_peers.h"

/* One call starts /bin/true and waits for its end. NULL at the end. */
extern const struct bench_peer *const bench_spawns[];

#endif
