/* SPDX-License-Identifier: MIT */
/* Assertions of the tests. They end the process that makes them, so that they may be used in the
 * test itself, in its threads and in its forked peers alike. */
#ifndef FERRY_TEST_CHECK_H
#define FERRY_TEST_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK_AWAIT_NS 30000000000 /* how long a condition may take before it counts as a hang */

/** What counts as at once, though the contract says 50 ms (C5): the kill harness measures that with
 *  margins of its own, and a machine that has other things to do may take longer. */
#define CHECK_SOON_NS 2000000000LL

/** True, or the process ends and the test fails. */
#define check(condition)                                                                           \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, "%s", #condition))

/** Two integers are equal; both are shown if not, results by their name. */
#define check_eq(got, want) check_equal(__FILE__, __LINE__, #got, (intmax_t)(got), (intmax_t)(want))

/** A condition becomes true, looked at again and again for CHECK_AWAIT_NS. */
#define await(condition)                                                                           \
	do {                                                                                       \
		const int64_t await_until = clock_ns() + CHECK_AWAIT_NS;                           \
		while (!(condition)) {                                                             \
			if (clock_ns() > await_until)                                              \
				check_failed(__FILE__, __LINE__, "never came true: %s",            \
					     #condition);                                          \
			clock_pause();                                                             \
		}                                                                                  \
	} while (0)

_Noreturn void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_equal(const char *file, int line, const char *what, intmax_t got, intmax_t want);

/** What the assertions from here on are about; a failure says it. */
void check_about(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The test cannot be run here; says why. Only in the test's own process. */
_Noreturn void check_skip(const char *reason);

/** CLOCK_MONOTONIC. */
int64_t clock_ns(void);

/** A pause between two looks at something. */
void clock_pause(void);

/** What a process has used up to a moment. */
struct usage {
	int64_t at; /* CLOCK_MONOTONIC */
	int64_t cpu_ns;
	int64_t sleeps;
};

struct usage usage_now(void);

/** Since then the process has been blocked: it looked up from its sleep no more often than naps
 * make one do, and used next to no CPU. A busy machine makes both no larger. */
void usage_check_blocked(const struct usage *since);

/** It has used too much for that, in a time that is too short to be sure of it: in a virtual
 * machine the time of CPU goes on while the host runs something else, ten milliseconds and more
 * in one piece. As long as this is true, be blocked again; what is used is summed up. */
bool usage_is_doubtful(const struct usage *since);

/** Half of these times, in ns, lie below a limit: of what a wake-up brings soon, and a nap or a
 *  second later if it was lost, on a machine that has other things to do, too. Sorts them. */
void check_median(int64_t *times, int n, int64_t limit);

/** Repetitions: few in the short form (under AddressSanitizer a third of them, but 5 at least),
 * many in the long one. */
int check_repeat(int few, int many);

/** The long form is wanted: FERRY_LONG is set in the environment. */
bool check_is_long(void);

#endif
