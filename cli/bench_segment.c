/* SPDX-License-Identifier: MIT */
/*
 * bench_segment.c - ferry bench segment: its rows, whom segments and their arena are compared with,
 * and what is promised. The contestants themselves: bench_segment_ferry.c, bench_segment_kernel.c.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bench_segments.h"
#include "bench_time.h"

#define TUNABLES "GLIBC_TUNABLES"
#define NO_CACHE "glibc.malloc.tcache_count=0"

uint64_t *bench_hand_next(struct bench_channel *c, size_t *ret_bytes)
{
	struct bench_hand *hand = c->handle;
	uint64_t least = c->bytes / 64;

	hand->dice = hand->dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	*ret_bytes = (size_t)(least + (hand->dice >> 33) % (c->bytes - least));
	return &hand->block[c->position++ % BENCH_IN_HAND];
}

uint64_t bench_hand_oldest(struct bench_channel *c)
{
	struct bench_hand *hand = c->handle;
	uint64_t *slot = &hand->block[c->position % BENCH_IN_HAND], block = *slot;

	*slot = 0;
	return block;
}

void bench_use_memory(char *memory, size_t bytes, uint64_t ticks[BENCH_STEPS_OF_LIFE])
{
	const uint64_t *words = (const uint64_t *)(const void *)memory;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t t = bench_ticks(), sum = 0;

	for (size_t i = 0; i < bytes; i += page)
		((volatile char *)memory)[i] = 1;
	ticks[BENCH_TOUCHING_IT] = bench_ticks() - t;
	t = bench_ticks();
	memset(memory, (int)t & 0xff, bytes);
	ticks[BENCH_WRITING] = bench_ticks() - t;
	t = bench_ticks();
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		sum += words[i];
	__asm__ volatile("" : : "r"(sum)); /* it is wanted */
	ticks[BENCH_READING] = bench_ticks() - t;
}

static const struct bench_peer *const lives[] = {
	&bench_segment_ferry,
	&bench_segment_mmap,
	&bench_segment_sysv,
	NULL,
};

static const struct bench_peer *const memories[] = {
	&bench_touch_ferry,
	&bench_touch_prefault,
	&bench_touch_mmap,
	NULL,
};

static const struct bench_peer *const allocators[] = {
	&bench_churn_ferry,
	&bench_churn_mutex,
	&bench_churn_robust,
	NULL,
};

static const struct bench_peer *const caching_allocators[] = {
	&bench_churn_ferry,
	&bench_churn_mutex_cache,
	&bench_churn_robust_cache,
	NULL,
};

/* dlmalloc, which glibc's malloc comes from, has no cache for each thread. glibc's can be had
 * without only from the beginning of a process: so begin again, unless somebody has chosen. */
static void without_cache(int argc, char **argv)
{
	char **again = calloc((size_t)argc + 2, sizeof *again);

	if (!again || getenv(TUNABLES) || setenv(TUNABLES, NO_CACHE, 1) != 0) {
		free(again);
		return;
	}
	again[0] = (char *)(uintptr_t) "ferry";
	again[1] = (char *)(uintptr_t) "bench";
	for (int i = 1; i < argc; i++)
		again[i + 1] = argv[i];
	execv("/proc/self/exe", again);
	unsetenv(TUNABLES); /* then with the cache, and under that name */
	free(again);
}

static bool has_cache(void)
{
	const char *tunables = getenv(TUNABLES);

	return !tunables || !strstr(tunables, NO_CACHE);
}

static const struct bench_row rows[] = {
	{ "open", "Make, open and close 1 MiB", BENCH_OPENING, 0, 1, 0 },
	{ "memory", "16 MiB, newly opened", BENCH_TOUCHING, 0, 1, 0 },
	{ "allocate", "Allocate and free 16 to 1024 B, 64 blocks in hand", BENCH_CHURNS, 1024, 1,
	  0 },
	{ "allocate-large", "The same with 1 to 64 KiB", BENCH_CHURNS, 65536, 1, 0 },
	{ "allocate-two", "Two processes, 16 to 1024 B", BENCH_CHURNS, 1024, 2, 0 },
	{ "allocate-eight", "Eight processes on two cores", BENCH_CHURNS, 1024, 8, 0 },
	{ 0 },
};

static const struct bench_peer *const *peers_of(const struct bench_row *row)
{
	if (row->kind == BENCH_OPENING)
		return lives;
	if (row->kind == BENCH_TOUCHING)
		return memories;
	return has_cache() ? caching_allocators : allocators;
}

static const struct bench_target targets[] = {
	{ "opening a segment of 1 MiB", "open", "ferry", NULL, NULL, BENCH_OPEN, true, 100e3, 0 },
	{ "first touch of a page, to mmap", "memory", "ferry", "mmap", NULL, BENCH_TOUCH, true, 1.1,
	  1 },
	{ "writing, bytes a second, to mmap", "memory", "ferry", "mmap", NULL, BENCH_WRITE, false,
	  0.95, 1 },
	{ "reading, bytes a second, to mmap", "memory", "ferry", "mmap", NULL, BENCH_READ, false,
	  0.95, 1 },
	{ "allocate and free up to 1 KiB, alone: to mutex + malloc", "allocate", "ferry",
	  "mutex + malloc", NULL, BENCH_P50, true, 1, 0 },
	{ "the same up to 64 KiB", "allocate-large", "ferry", "mutex + malloc", NULL, BENCH_P50,
	  true, 1, 0 },
	{ "two processes, blocks a second: to mutex + malloc", "allocate-two", "ferry",
	  "mutex + malloc", NULL, BENCH_RATE, false, 1, 0 },
	{ "eight processes: to mutex + malloc", "allocate-eight", "ferry", "mutex + malloc", NULL,
	  BENCH_RATE, false, 1, 0 },
	{ 0 },
};

const struct bench_family bench_segment = {
	.name = "segment",
	.what = "beside mmap of a file in /dev/shm, System V, and malloc behind a mutex",
	.rows = rows,
	.peers = lives,
	.peers_of = peers_of,
	.targets = targets,
	.baseline = "mmap",
	.allocator = "mutex + malloc",
	.begin = without_cache,
};
