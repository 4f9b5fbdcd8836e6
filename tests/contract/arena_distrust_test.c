/* SPDX-License-Identifier: MIT */
/* Hostile peers of an arena (C9): its tables, its words and its blocks are scribbled over while a
 * victim works in a process of its own. A crash or a hang there fails the claim, an error does not.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#define OPTIONS FERRY_SEGMENT_OPTIONS
#define MIB     (1u << 20)

static ferry_segment *open_arena(uint64_t bytes)
{
	ferry_segment *segment = NULL;

	check_eq(ferry_segment_open(&segment, "s", OPTIONS(.bytes = bytes, .arena = bytes != 0)),
		 0);
	return segment;
}

/* A generator per process, so that a seed gives the same run again. */
static uint64_t state = 1;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void known(int result)
{
	if (result < 0 && !strcmp(ferry_error_name(result), "E?"))
		check_failed(__FILE__, __LINE__, "result %d is no error", result);
}

static void any_call(ferry_segment *segment, ferry_reference *blocks)
{
	ferry_reference *block = &blocks[any() % 16];
	ferry_reference *place = NULL;
	struct ferry_segment_stat stat;
	struct ferry_repair repair;

	switch (any() % 8) {
	case 0:
	case 1:
		known(
		    ferry_segment_allocate(segment, 1 + any() % (any() % 4 ? 200 : 40000), block));
		return;
	case 2:
		known(ferry_segment_free(segment, *block));
		return;
	case 3:
		known(ferry_segment_root(segment, any() % 2 ? "a" : "b", &place));
		if (place && ((uintptr_t)place & 7) == 0)
			known(
			    ferry_segment_publish(segment, *block, place, any() % 2 ? 0 : *place));
		return;
	case 4:
		known(ferry_segment_root(segment, any() % 2 ? "a" : "b", &place));
		if (place && ((uintptr_t)place & 7) == 0)
			known(ferry_segment_take(segment, place, *place, 0));
		return;
	case 5:
		known(ferry_segment_stat(segment, &stat));
		return;
	case 6:
		known(ferry_segment_free(segment, any() % (2 * MIB)));
		return;
	default:
		known(ferry_object_repair("s", any() % 2, &repair, NULL));
	}
}

static void victim(struct stage *stage, const void *argument)
{
	ferry_reference blocks[16] = { 0 };
	ferry_segment *segment = open_arena(0);

	state = *(const uint64_t *)argument;
	alarm(60);
	stage_reach(stage, 1);
	for (int i = 0; i < 3000; i++)
		any_call(segment, blocks);
	ferry_segment_close(segment);
}

/* Write nonsense over what the victim relies on, while it works. */
static void scribble(const struct peer *peer, size_t bytes)
{
	const int fd = open(scratch_path("s"), O_RDWR);

	check(fd >= 0);
	while (process_state(peer->pid) != 'Z' && process_state(peer->pid) != 0) {
		uint64_t word = any();
		/* The header is segment_test.c's; here it is the body and the memory. */
		off_t where = (off_t)(8192 + any() % (bytes - 8192)) & ~7;
		if (any() % 2)
			check_eq(pread(fd, &word, 8, (off_t)(any() % bytes) & ~7), 8);
		if (any() % 4 == 0)
			word = any() % 16 | any() % 4096 << 4;
		check_eq(pwrite(fd, &word, 8, where), 8);
	}
	close(fd);
}

static void c9_whatever_a_peer_writes_calls_return(void)
{
	for (uint64_t seed = 1; seed <= (uint64_t)check_repeat(8, 500); seed++) {
		ferry_segment *segment = open_arena(MIB);
		struct peer peer;

		ferry_segment_close(segment);
		state = seed * 77 + 1;
		peer_start(&peer, victim, &seed);
		peer_await(&peer, 1);
		scribble(&peer, box_look("s").file_bytes);
		peer_join(&peer);
		check_eq(unlink(scratch_path("s")), 0);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c9_whatever_a_peer_writes_calls_return),
	};

	return claim_run_all(claims);
}
