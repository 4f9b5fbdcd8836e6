/* SPDX-License-Identifier: MIT */
/* faults.c - faults in shared memory, and the watch for jams. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "faults.h"

#define SENTENCES     24
#define SENTENCE_SIZE 160
#define LOOK_MAX      UINT64_C(100000000) /* ns: who looks less often may have been held up too */

struct faults {
	_Atomic uint64_t count[FAULTS];
	_Atomic uint32_t sentences;
	_Atomic uint32_t written[SENTENCES];
	char sentence[SENTENCES][SENTENCE_SIZE];
};

const char *const fault_names[FAULTS] = {
	[FAULT_LOST] = "lost",           [FAULT_DUPLICATE] = "duplicate", [FAULT_TORN] = "torn",
	[FAULT_REORDERED] = "reordered", [FAULT_STRAY] = "stray",         [FAULT_SHARED] = "shared",
	[FAULT_JAMMED] = "jammed",       [FAULT_BROKEN] = "broken",
};

struct faults *faults_make(void)
{
	void *memory = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void faults_unmake(struct faults *faults)
{
	if (faults)
		munmap(faults, sizeof *faults);
}

void faults_report(struct faults *faults, enum fault fault, const char *format, ...)
{
	char *to;
	va_list arguments;

	atomic_fetch_add(&faults->count[fault], 1);
	uint32_t i = atomic_fetch_add(&faults->sentences, 1);
	if (i >= SENTENCES)
		return;
	to = faults->sentence[i];
	int n = snprintf(to, SENTENCE_SIZE, "%s: ", fault_names[fault]);
	va_start(arguments, format);
	vsnprintf(to + n, SENTENCE_SIZE - (size_t)n, format, arguments);
	va_end(arguments);
	atomic_store(&faults->written[i], 1);
}

uint64_t faults_of(const struct faults *faults, enum fault fault)
{
	return atomic_load(&faults->count[fault]);
}

uint64_t faults_all(const struct faults *faults)
{
	uint64_t sum = 0;

	for (int i = 0; i < FAULTS; i++)
		sum += atomic_load(&faults->count[i]);
	return sum;
}

const char *faults_sentence(const struct faults *faults, uint32_t i)
{
	return i < SENTENCES && atomic_load(&faults->written[i]) ? faults->sentence[i] : NULL;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void watch_measure(struct watch *watch, uint64_t progress, bool able, uint64_t now)
{
	uint64_t passed = now - watch->looked;

	watch->looked = now;
	if (!able || progress != watch->progress) {
		watch->progress = progress;
		watch->still = 0;
		watch->told = false;
		return;
	}
	/* Who looks was perhaps held up itself, and with it everybody: count only what it saw. */
	watch->still += passed < LOOK_MAX ? passed : LOOK_MAX;
	if (watch->still > watch->longest)
		watch->longest = watch->still;
}

void watch_look(struct watch *watch, struct faults *faults, uint64_t progress, bool able,
		uint64_t now)
{
	watch_measure(watch, progress, able, now);
	if (watch->still > WATCH_JAM && !watch->told) {
		watch->told = true;
		faults_report(faults, FAULT_JAMMED,
			      "nothing moved for %" PRIu64
			      " ms, though enough processes were running",
			      watch->still / 1000000);
	}
}
