/* SPDX-License-Identifier: MIT */
/* How an assertion ends its process, and the clocks. */
#include "check.h"

#include <ferry/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../../src/base/sanitizer.h"
#include "claim.h"

static char about[256]; /* what is tested just now; empty: what the claim's name says */

void check_about(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(about, sizeof about, format, arguments);
	va_end(arguments);
}

_Noreturn void check_failed(const char *file, int line, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	dprintf(STDERR_FILENO, "%s:%d: process %d: %s%s%s\n", file, line, (int)getpid(), about,
		*about ? ": " : "", text);
	_exit(CLAIM_FAILED);
}

void check_equal(const char *file, int line, const char *what, intmax_t got, intmax_t want)
{
	if (got == want)
		return;
	check_failed(file, line, "%s is %jd%s%s, not %jd%s%s", what, got, got < 0 ? " " : "",
		     got < 0 ? ferry_error_name((int)got) : "", want, want < 0 ? " " : "",
		     want < 0 ? ferry_error_name((int)want) : "");
}

_Noreturn void check_skip(const char *reason)
{
	dprintf(STDOUT_FILENO, "# %s\n", reason);
	_exit(CLAIM_SKIPPED);
}

static int64_t clock_read(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_ns(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

struct usage usage_now(void)
{
	struct rusage r;

	check_eq(getrusage(RUSAGE_SELF, &r), 0);
	return (struct usage){
		.at = clock_ns(),
		.cpu_ns = clock_read(CLOCK_PROCESS_CPUTIME_ID),
		.sleeps = r.ru_nvcsw,
	};
}

/* A twentieth. */
static bool is_busy(const struct usage *since, const struct usage *now)
{
	return now->cpu_ns - since->cpu_ns > (now->at - since->at) / 20;
}

bool usage_is_doubtful(const struct usage *since)
{
	const struct usage now = usage_now();

	return is_busy(since, &now) && now.at - since->at < CHECK_SOON_NS;
}

void usage_check_blocked(const struct usage *since)
{
	const struct usage now = usage_now();
	const int64_t ms = (now.at - since->at) / 1000000;

	if (is_busy(since, &now))
		check_failed(__FILE__, __LINE__, "%jd us of CPU in %jd ms",
			     (intmax_t)(now.cpu_ns - since->cpu_ns) / 1000, (intmax_t)ms);
	if (now.sleeps - since->sleeps > ms / 5 + 20)
		check_failed(__FILE__, __LINE__, "woke up %jd times in %jd ms",
			     (intmax_t)(now.sleeps - since->sleeps), (intmax_t)ms);
}

static int compare_times(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a;
	const int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void check_median(int64_t *times, int n, int64_t limit)
{
	qsort(times, (size_t)n, sizeof *times, compare_times);
	if (times[n / 2] > limit)
		check_failed(__FILE__, __LINE__, "median %jd us, more than %jd us",
			     (intmax_t)times[n / 2] / 1000, (intmax_t)limit / 1000);
}

void clock_pause(void)
{
	const struct timespec moment = { .tv_nsec = 200000 };

	nanosleep(&moment, NULL);
}

#ifdef FY_ADDRESS_SANITIZER
enum { SHARE = 3 }; /* each fork costs so much more, and chance is the other builds' matter */
#else
enum { SHARE = 1 };
#endif

int check_repeat(int few, int many)
{
	if (check_is_long())
		return many;
	return few / SHARE >= 5 ? few / SHARE : few;
}

bool check_is_long(void)
{
	return getenv("FERRY_LONG");
}
