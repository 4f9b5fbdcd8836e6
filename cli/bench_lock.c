/* SPDX-License-Identifier: MIT */
/*
 * bench_lock.c - ferry bench lock: its rows, whom ferry's locks are compared with, and what is
 * promised. The contestants themselves: bench_lock_ferry.c, bench_lock_pthread.c,
 * bench_lock_kernel.c.
 */
#include "bench.h"
#include "bench_locks.h"
#include "bench_transports.h"

static const struct bench_peer *const sections[] = {
	&bench_section_ferry,
	&bench_section_robust,
	&bench_section_mutex,
	&bench_section_posix,
	&bench_section_sysv,
	&bench_section_flock,
	NULL,
};

static const struct bench_peer *const hand_overs[] = {
	&bench_futex,        &bench_baton_ferry_sleep, &bench_baton_ferry,
	&bench_baton_robust, &bench_baton_mutex,       &bench_baton_posix,
	&bench_baton_sysv,   &bench_baton_flock,       NULL,
};

static const struct bench_peer *const semaphores[] = {
	&bench_line,
	&bench_line_pause,
	&bench_post_ferry,
	&bench_futex,
	&bench_post_ferry_sleep,
	&bench_post_posix,
	&bench_post_sysv,
	NULL,
};

static const struct bench_peer *const conditions[] = {
	&bench_line,  &bench_line_pause,         &bench_signal_ferry,
	&bench_futex, &bench_signal_ferry_sleep, &bench_signal_pthread,
	NULL,
};

static const struct bench_row rows[] = {
	{ "uncontended", "Acquire and release, nobody else wants it", BENCH_SECTIONS, 8, 1, 0 },
	{ "two", "Two contenders, each on its own core", BENCH_SECTIONS, 8, 2, 0 },
	{ "eight", "Eight contenders on two cores", BENCH_SECTIONS, 8, 8, 0 },
	{ "hand-over", "Two hand-overs, there and back", BENCH_ROUNDTRIPS, 8, 1, 1 },
	{ "semaphore", "Semaphores, there and back", BENCH_ROUNDTRIPS, 8, 1, 1 },
	{ "condition", "Conditions, there and back", BENCH_ROUNDTRIPS, 8, 1, 1 },
	{ 0 },
};

static const struct bench_peer *const *peers_of(const struct bench_row *row)
{
	static const struct bench_peer *const *const of[] = { sections,   sections,   sections,
							      hand_overs, semaphores, conditions };

	return of[row - rows];
}

static const struct bench_target targets[] = {
	{ "acquire and release, uncontended: to the robust mutex", "uncontended", "ferry",
	  "robust mutex", NULL, BENCH_P50, true, 1, 0.5 },
	{ "two contenders, sections a second: to the robust mutex", "two", "ferry", "robust mutex",
	  NULL, BENCH_RATE, false, 1.5, 0 },
	{ "eight contenders: to the robust mutex", "eight", "ferry", "robust mutex", NULL,
	  BENCH_RATE, false, 1.5, 0 },
	{ "hand-over between sleepers, p50: to the futex", "hand-over", "ferry sleep", "futex",
	  NULL, BENCH_P50, true, 1.15, 1.05 },
	{ "semaphores there and back, p50: to the POSIX semaphore", "semaphore", "ferry",
	  "POSIX semaphore", NULL, BENCH_P50, true, 1, 0 },
	{ "the same, both sleep at once", "semaphore", "ferry sleep", "POSIX semaphore", NULL,
	  BENCH_P50, true, 1, 0 },
	{ "conditions there and back, p50: to pthread's", "condition", "ferry", "pthread", NULL,
	  BENCH_P50, true, 1, 0 },
	{ "the same, both sleep at once", "condition", "ferry sleep", "pthread", NULL, BENCH_P50,
	  true, 1, 0 },
	{ 0 },
};

const struct bench_family bench_lock = {
	.name = "lock",
	.what = "beside pthread's mutexes and conditions, semaphores, and flock",
	.rows = rows,
	.peers = sections,
	.peers_of = peers_of,
	.targets = targets,
	.baseline = "robust mutex",
};
