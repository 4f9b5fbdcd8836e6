/* SPDX-License-Identifier: MIT */
/* bench_run.h - processes that measure: how the parent waits for them without using a core. */
#ifndef FERRY_CLI_BENCH_RUN_H
#define FERRY_CLI_BENCH_RUN_H

#include <signal.h>
#include <sys/types.h>

/*
 * Fork a child that dies with this process, runs on core number core of bench_cpus() (2: on both),
 * and has the usual signal dispositions. As fork(), but a failure is -errno.
 */
pid_t bench_fork(unsigned core);

/* Block SIGCHLD and the signals that end a program; bench_await() watches for them. */
void bench_block_signals(sigset_t *ret_before);

/*
 * Wait until all n children (at most BENCH_PROCESSES) have ended well. If one ends otherwise, or
 * it takes much longer than seconds, or SIGINT, SIGTERM or SIGHUP comes, all are killed:
 * -ECHILD, -ETIMEDOUT, or -EINTR with the signal pending again. Signals must be blocked.
 */
int bench_await(const pid_t *pids, unsigned n, double seconds);

#endif
