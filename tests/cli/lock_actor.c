/* SPDX-License-Identifier: MIT */
/*
 * lock_actor.c - a process that does with locks and the like what a test tells it.
 *
 *     lock_actor LOCATION...
 *
 * Opens or makes a segment at each location. Each line of standard input is a deed: a verb, the
 * number of the segment, the number of a line of 64 bytes in its memory, and a number if need be:
 *
 *     make-lock 0 3       acquire 0 3     make-semaphore 1 0 2     take 1 0
 *
 * Its result goes to standard output as a number on a line, when it is over. A deed behind a & is
 * done by a new thread, which then stays. Without input it sleeps on: it ends when it is killed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/ferry.h>

#define MOST 8

static ferry_segment *segments[MOST];
static int n_segments;

struct deed {
	char verb[32];
	unsigned segment, line, number;
};

static int make(const char *kind, ferry_segment *s, void *it, unsigned number)
{
	if (!strcmp(kind, "lock"))
		return ferry_lock_init(s, it);
	if (!strcmp(kind, "rwlock"))
		return ferry_rwlock_init(s, it);
	if (!strcmp(kind, "semaphore"))
		return ferry_semaphore_init(s, it, number, 0);
	if (!strcmp(kind, "pool"))
		return ferry_semaphore_init(s, it, number, FERRY_GIVE_BACK);
	if (!strcmp(kind, "condition"))
		return ferry_condition_init(s, it);
	if (!strcmp(kind, "barrier"))
		return ferry_barrier_init(s, it, number);
	if (!strcmp(kind, "once"))
		return ferry_once_init(s, it);
	return -ENOSYS;
}

static int act(const char *verb, ferry_segment *s, void *it, void *other)
{
	if (!strcmp(verb, "acquire"))
		return ferry_lock_acquire(s, it, FERRY_FOREVER);
	if (!strcmp(verb, "release"))
		return ferry_lock_release(s, it);
	if (!strcmp(verb, "read"))
		return ferry_rwlock_read(s, it, FERRY_FOREVER);
	if (!strcmp(verb, "write"))
		return ferry_rwlock_write(s, it, FERRY_FOREVER);
	if (!strcmp(verb, "take"))
		return ferry_semaphore_wait(s, it, FERRY_FOREVER);
	if (!strcmp(verb, "join"))
		return ferry_barrier_join(s, it);
	if (!strcmp(verb, "arrive"))
		return ferry_barrier_wait(s, it, FERRY_FOREVER);
	if (!strcmp(verb, "begin"))
		return ferry_once_begin(s, it, FERRY_FOREVER);
	if (!strcmp(verb, "await")) /* a condition; number is the line of its lock */
		return ferry_condition_wait(s, it, other, FERRY_FOREVER);
	return -ENOSYS;
}

static int perform(const struct deed *deed)
{
	ferry_segment *s = deed->segment < (unsigned)n_segments ? segments[deed->segment] : NULL;

	if (!s || deed->line >= 64 || deed->number >= 64)
		return -EINVAL;
	char *memory = ferry_segment_address(s);
	void *it = memory + 64 * (size_t)deed->line;
	if (!strncmp(deed->verb, "make-", 5))
		return make(deed->verb + 5, s, it, deed->number);
	return act(deed->verb, s, it, memory + 64 * (size_t)deed->number);
}

static void *in_a_thread(void *argument)
{
	struct deed deed = *(struct deed *)argument;

	free(argument);
	printf("%d\n", perform(&deed));
	for (;;)
		pause();
	return NULL;
}

static void start_thread(const struct deed *deed)
{
	struct deed *copy = malloc(sizeof *copy);
	pthread_t thread;

	if (!copy)
		exit(1);
	*copy = *deed;
	if (pthread_create(&thread, NULL, in_a_thread, copy) != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	char text[128];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (; n_segments + 1 < argc && n_segments < MOST; n_segments++) {
		int r = ferry_segment_open(&segments[n_segments], argv[n_segments + 1],
					   FERRY_SEGMENT_OPTIONS(.bytes = 4096));
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", argv[n_segments + 1], ferry_strerror(r));
			return 1;
		}
	}
	while (fgets(text, sizeof text, stdin)) {
		struct deed deed = { .number = 0 };
		int apart = text[0] == '&';

		if (sscanf(text + apart, "%31s %u %u %u", deed.verb, &deed.segment, &deed.line,
			   &deed.number) < 3)
			printf("%d\n", -EINVAL);
		else if (apart)
			start_thread(&deed);
		else
			printf("%d\n", perform(&deed));
	}
	for (;;)
		pause();
}
