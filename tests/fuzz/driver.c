/* SPDX-License-Identifier: MIT */
/* driver.c - the short form of a fuzz run: each line of a file of seeds, as it is and changed by
 * chance, always by the same one. "driver SEEDS ROUNDS"; \x.. in a seed is a byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint64_t state = 88172645463325252u;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t read_seed(const char *line, unsigned char *bytes)
{
	size_t n = 0;

	while (*line && *line != '\n') {
		unsigned value;
		if (sscanf(line, "\\x%2x", &value) == 1) {
			bytes[n++] = (unsigned char)value;
			line += 4;
		} else {
			bytes[n++] = (unsigned char)*line++;
		}
	}
	return n;
}

/* Change, drop, double or insert some bytes. */
static size_t mutate(unsigned char *bytes, size_t n, size_t room)
{
	static const char special[] = ":/[]%@.*-0123456789\0\xff";

	for (uint64_t i = 1 + any() % 4; i > 0; i--) {
		const size_t at = n > 0 ? any() % n : 0;
		const unsigned char byte =
		    any() % 2 ? (unsigned char)special[any() % 21] : (unsigned char)any();
		const uint64_t what = any() % 3;
		if (what == 0 && n > 0) {
			bytes[at] = byte;
		} else if (what == 1 && n > 0) {
			memmove(bytes + at, bytes + at + 1, n - at - 1);
			n--;
		} else if (n < room) {
			memmove(bytes + at + 1, bytes + at, n - at);
			bytes[at] = byte;
			n++;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	char line[1024];
	unsigned char seed[1024], bytes[1100];
	long runs = 0;
	FILE *seeds = argc == 3 ? fopen(argv[1], "re") : NULL;

	if (!seeds)
		return fprintf(stderr, "usage: driver SEEDS ROUNDS\n"), 2;
	while (fgets(line, sizeof(line), seeds)) {
		const size_t n = read_seed(line, seed);
		(void)LLVMFuzzerTestOneInput(seed, n);
		for (long i = atol(argv[2]); i > 0; i--, runs++) {
			memcpy(bytes, seed, n);
			const size_t changed = mutate(bytes, n, sizeof(bytes));
			(void)LLVMFuzzerTestOneInput(bytes, changed);
		}
	}
	(void)fclose(seeds);
	printf("%ld inputs\n", runs);
	return runs == 0;
}
