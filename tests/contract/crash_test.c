/* SPDX-License-Identifier: MIT */
/* Crash reports: for each fault a report, and then the end that there would have been without. */
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/sanitizer.h"
#include "check.h"
#include "claim.h"
#include "scratch.h"

/* The sanitizer's own handlers would end the process in their way. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0";
}

static volatile int zero;
static volatile int volatile_seven = 7;
static volatile uintptr_t somewhere = 0x10;

static int overflow(volatile char *above);
static int (*volatile again)(volatile char *) = overflow;

static int overflow(volatile char *above)
{
	volatile char here[4096];

	here[0] = above ? above[0] : 0;
	return again(here) + here[0];
}

static void fault_segv(void)
{
	*(volatile int *)somewhere = 1;
}

static void fault_stack(void)
{
	(void)overflow(NULL);
}

#define UNSANITIZED __attribute__((no_sanitize("address", "undefined")))

static UNSANITIZED void fault_fpe(void)
{
	zero = volatile_seven / zero;
}

static void fault_ill(void)
{
	__builtin_trap();
}

static void fault_abort(void)
{
	abort();
}

static void fault_jump(void)
{
	void (*volatile nowhere)(void) = (void (*)(void))(somewhere - 0x10);

	nowhere();
}

static void fault_bus(void)
{
	const int fd = open(scratch_path("empty"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	unlink(scratch_path("empty"));
	check(p != MAP_FAILED);
	zero = p[0];
}

static void fault_sent(void)
{
	kill(getpid(), SIGSEGV);
}

static void fault_sys(void)
{
	raise(SIGSYS);
}

/* A heap that no longer works: every malloc would abort or hang. */
static void fault_heap(void)
{
	char *volatile p = malloc(40);

	for (int i = -16; i < 4000; i++)
		((volatile char *)p)[i] = 'A';
	free(p);
}

/* Runs fault in a child that reports to a pipe. The report; its wait status. */
static int crash(void (*fault)(void), char *report, size_t room)
{
	int ends[2];

	check_eq(pipe2(ends, O_CLOEXEC), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		check_eq(ferry_crash_report(ends[1], NULL), 0);
		fault();
		_exit(99);
	}
	close(ends[1]);
	size_t used = 0;
	for (ssize_t n; used < room - 1 && (n = read(ends[0], report + used, room - 1 - used)) > 0;)
		used += (size_t)n;
	report[used] = '\0';
	close(ends[0]);
	int status;
	check_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect(const char *report, const char *words)
{
	if (!strstr(report, words))
		check_failed(__FILE__, __LINE__, "no \"%s\" in:\n%s", words, report);
}

static void expect_crash(void (*fault)(void), int signo, const char *words)
{
	static char report[65536];
	const int status = crash(fault, report, sizeof report);

	expect(report, "ferry: crash of ");
	expect(report, ferry_signal_name(signo));
	expect(report, words);
	expect(report, "registers:");
	expect(report, "backtrace:\n  #0 ");
	check(strstr(report, "too broken") == NULL);
	check(WIFSIGNALED(status));
	check_eq(WTERMSIG(status), signo);
}

static void each_fault_is_reported_and_ends_as_it_would(void)
{
	expect_crash(fault_segv, SIGSEGV, "there is no memory at this address, address 0x10");
	expect_crash(fault_fpe, SIGFPE, "integer division by zero");
	expect_crash(fault_ill, SIGILL, "illegal");
	expect_crash(fault_abort, SIGABRT, "abort()");
	expect_crash(fault_bus, SIGBUS, "the file behind this memory ends before it");
	expect_crash(fault_sent, SIGSEGV, "sent by kill(), by pid ");
	expect_crash(fault_sys, SIGSYS, "raise()");
}

static void a_stack_overflow_is_reported(void)
{
	expect_crash(fault_stack, SIGSEGV, "the stack overflowed");
}

static void a_jump_to_nowhere_is_reported_with_its_caller(void)
{
	static char report[65536];

	(void)crash(fault_jump, report, sizeof report);
	expect(report, "#0  0x0000000000000000 (no code is loaded there)");
	expect(report, "\n  #1 ");
}

static void a_broken_heap_does_not_matter(void)
{
#ifdef FY_ADDRESS_SANITIZER
	check_skip("the sanitizer has a heap of its own");
#endif
	static char report[65536];
	const int status = crash(fault_heap, report, sizeof report);

	/* Libc finds it out and aborts, or stumbles over it. */
	check(WIFSIGNALED(status));
	check(WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGSEGV);
	expect(report, ferry_signal_name(WTERMSIG(status)));
	expect(report, "backtrace:\n  #0 ");
	check(strstr(report, "too broken") == NULL);
}

/* ---- threads ---- */

static void *overflow_here(void *unused)
{
	check_eq(ferry_crash_thread(), 0);
	check_eq(ferry_crash_thread(), 0);
	(void)overflow(NULL);
	return unused;
}

static void fault_in_thread(void)
{
	pthread_t thread;

	check_eq(pthread_create(&thread, NULL, overflow_here, NULL), 0);
	(void)pthread_join(thread, NULL);
}

static void a_threads_stack_overflow_is_reported(void)
{
	expect_crash(fault_in_thread, SIGSEGV, "the stack overflowed");
}

static void *give_and_end(void *unused)
{
	check_eq(ferry_crash_thread(), 0);
	return unused;
}

static int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int n = 0;

	check(maps != NULL);
	for (int c; (c = fgetc(maps)) != EOF;)
		n += c == '\n';
	fclose(maps);
	return n;
}

static void a_threads_stack_is_given_back(void)
{
	pthread_t thread;
	int before = 0;

	for (int i = 0; i < 50; i++) {
		check_eq(pthread_create(&thread, NULL, give_and_end, NULL), 0);
		check_eq(pthread_join(thread, NULL), 0);
		if (i == 5)
			before = mappings();
	}
	check(mappings() <= before + 5);
}

/* ---- others beside ---- */

static int foreign_pipe;

static void foreign(int signo)
{
	(void)!write(foreign_pipe, signo == SIGSEGV ? "S" : "?", 1);
	_exit(42);
}

static void a_handler_from_before_is_called_after_the_report(void)
{
	static char report[65536];
	int ends[2];

	check_eq(pipe2(ends, O_CLOEXEC), 0);
	foreign_pipe = ends[1];
	check(signal(SIGSEGV, foreign) != SIG_ERR);
	const int status = crash(fault_segv, report, sizeof report);
	check(WIFEXITED(status));
	check_eq(WEXITSTATUS(status), 42);
	expect(report, "SIGSEGV");
	char byte;
	check_eq(read(ends[0], &byte, 1), 1);
	check_eq(byte, 'S');
	close(ends[0]);
	close(ends[1]);
}

static void stopping_puts_back_what_was_there(void)
{
	struct sigaction action;

	check_eq(ferry_crash_report_stop(), -ENOENT);
	check(signal(SIGFPE, foreign) != SIG_ERR);
	check_eq(ferry_crash_report(2, NULL), 0);
	check_eq(ferry_crash_report(2, NULL), 0);
	check_eq(sigaction(SIGFPE, NULL, &action), 0);
	check(action.sa_handler != foreign);
	check(signal(SIGILL, foreign) != SIG_ERR);
	check_eq(ferry_crash_report_stop(), 0);
	check_eq(sigaction(SIGFPE, NULL, &action), 0);
	check(action.sa_handler == foreign);
	check_eq(sigaction(SIGILL, NULL, &action), 0);
	check(action.sa_handler == foreign); /* set later, by somebody else */
	check_eq(sigaction(SIGSEGV, NULL, &action), 0);
	check(action.sa_handler == SIG_DFL);
}

/* ---- where to ---- */

static void report_to_file(void)
{
	char path[256];

	snprintf(path, sizeof path, "%s", scratch_path("crash-%p"));
	check_eq(ferry_crash_report_file(path, NULL), 0);
	fault_segv();
}

static void a_file_is_made_when_it_is_needed(void)
{
	char report[8192];
	char name[64];
	const pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
		report_to_file();
		_exit(99);
	}
	int status;
	check_eq(waitpid(pid, &status, 0), pid);
	check_eq(WTERMSIG(status), SIGSEGV);
	snprintf(name, sizeof name, "crash-%d", (int)pid);
	const int fd = open(scratch_path(name), O_RDONLY | O_CLOEXEC);
	check(fd >= 0);
	const ssize_t n = read(fd, report, sizeof report - 1);
	close(fd);
	check(n > 0);
	report[n] = '\0';
	expect(report, "SIGSEGV");
	unlink(scratch_path(name));
	check_eq(scratch_count(), 0);
}

static void a_wrong_place_is_refused(void)
{
	static char longer[8192];
	struct ferry_why why;

	check_eq(ferry_crash_report(999, &why), -EBADF);
	check(strstr(why.text, "999") != NULL);
	const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	check_eq(ferry_crash_report(fd, NULL), -EBADF);
	close(fd);
	check_eq(ferry_crash_report_file("", NULL), -EINVAL);
	check_eq(ferry_crash_report_file(NULL, NULL), -EINVAL);
	check_eq(ferry_crash_report_file("/nowhere/at/all", &why), -ENOENT);
	memset(longer, 'x', sizeof longer - 1);
	check_eq(ferry_crash_report_file(longer, NULL), -ENAMETOOLONG);
	check_eq(ferry_crash_report_stop(), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(each_fault_is_reported_and_ends_as_it_would),
		claim(a_stack_overflow_is_reported),
		claim(a_jump_to_nowhere_is_reported_with_its_caller),
		claim(a_broken_heap_does_not_matter),
		claim(a_threads_stack_overflow_is_reported),
		claim(a_threads_stack_is_given_back),
		claim(a_handler_from_before_is_called_after_the_report),
		claim(stopping_puts_back_what_was_there),
		claim(a_file_is_made_when_it_is_needed),
		claim(a_wrong_place_is_refused),
	};

	return claim_run_all(claims);
}
