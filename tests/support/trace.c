/* SPDX-License-Identifier: MIT */
/* Counts the system calls of a peer, and steps it, with ptrace. */
#include "trace.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A call that nobody else makes. */
void trace_mark(void)
{
	syscall(SYS_getpriority, 4711, 4711);
}

/* Lets the tracee run to its next system call; which one it is, or -1 at its end. */
static long next_call(pid_t pid, int *entered)
{
	struct __ptrace_syscall_info info;
	int status;

	check_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
	check_eq(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status))
		return -1;
	check_eq(WSTOPSIG(status), SIGTRAP | 0x80);
	check(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof info, &info) > 0);
	*entered = info.op == PTRACE_SYSCALL_INFO_ENTRY;
	return *entered ? (long)info.entry.nr : 0;
}

static int count_between_marks(pid_t pid)
{
	int marks = 0;
	int calls = 0;

	while (marks < 2) {
		int entered = 0;
		const long nr = next_call(pid, &entered);

		check(nr >= 0);
		if (!entered)
			continue;
		marks += nr == SYS_getpriority;
		if (marks == 1 && nr != SYS_getpriority) {
			dprintf(STDERR_FILENO, "system call %ld\n", nr);
			calls++;
		}
	}
	return calls;
}

static void begin(const struct peer *peer)
{
	int status;

	if (ptrace(PTRACE_SEIZE, peer->pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)))
		check_skip("tracing is not allowed");
	check_eq(ptrace(PTRACE_INTERRUPT, peer->pid, NULL, NULL), 0);
	check_eq(waitpid(peer->pid, &status, 0), peer->pid);
	peer_allow(peer, 1);
}

int trace_calls_between_marks(const struct peer *peer)
{
	begin(peer);
	const int calls = count_between_marks(peer->pid);
	check_eq(ptrace(PTRACE_DETACH, peer->pid, NULL, NULL), 0);
	return calls;
}

bool trace_to_call(const struct peer *peer, long number)
{
	int entered;
	long nr;

	do {
		nr = next_call(peer->pid, &entered);
		check(nr >= 0);
	} while (!entered || (nr != number && nr != SYS_getpriority));
	return nr == number;
}

void trace_to_mark(const struct peer *peer)
{
	check(trace_to_call(peer, SYS_getpriority));
}

void trace_to_first_mark(const struct peer *peer)
{
	begin(peer);
	trace_to_mark(peer);
}

bool trace_step(const struct peer *peer, int n, uint32_t point)
{
	int status;

	for (int i = 0; i < n && atomic_load(&peer->stage->reached) < point; i++) {
		check_eq(ptrace(PTRACE_SINGLESTEP, peer->pid, NULL, NULL), 0);
		check_eq(waitpid(peer->pid, &status, 0), peer->pid);
		check(WIFSTOPPED(status));
		check_eq(WSTOPSIG(status), SIGTRAP);
	}
	return atomic_load(&peer->stage->reached) < point;
}
