/* SPDX-License-Identifier: MIT */
/*
 * bench_segments.h - shared memory and what allocates in it as contestants of the benchmark.
 *
 * A peer has a life (made, opened, closed), or memory that is touched, or it allocates: receive()
 * allocates a block, send() frees the one that the process has had longest. Each process has
 * BENCH_IN_HAND of them, of sizes between a 64th of the largest and the largest.
 */
#ifndef FERRY_CLI_BENCH_SEGMENTS_H
#define FERRY_CLI_BENCH_SEGMENTS_H

#include "bench_peers.h"

#define BENCH_SEGMENT_BYTES (1u << 20)  /* that is made and opened */
#define BENCH_TOUCH_BYTES   (16u << 20) /* that is touched, written and read */
#define BENCH_IN_HAND       64u

/* The blocks of one process. */
struct bench_hand {
	uint64_t dice;
	uint64_t block[BENCH_IN_HAND]; /* address or reference; 0 = none */
};

/* Where the next block goes, and how large it is to be. */
uint64_t *bench_hand_next(struct bench_channel *c, size_t *ret_bytes);
/* The block that is freed next; taken out of the hand. */
uint64_t bench_hand_oldest(struct bench_channel *c);

/* Time touching each page of fresh memory, writing all of it, reading all of it. */
void bench_use_memory(char *memory, size_t bytes, uint64_t ticks[BENCH_STEPS_OF_LIFE]);

extern const struct bench_peer bench_segment_ferry, bench_segment_mmap, bench_segment_sysv;
extern const struct bench_peer bench_touch_ferry, bench_touch_prefault, bench_touch_mmap;
extern const struct bench_peer bench_churn_ferry, bench_churn_mutex, bench_churn_robust;
extern const struct bench_peer bench_churn_mutex_cache, bench_churn_robust_cache;

#endif
