/* SPDX-License-Identifier: MIT */
/*
 * What POSIX and signal(7) say of default actions, of fork and exec, and of who may send: sentences
 * D, E and P of docs/conformance/signal.md. Each is tried on a plain child with kill(2), and on a
 * child of ferry_spawn() or with ferry_signal_send().
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"

#define RT (SIGRTMIN + 3)

/* ---- children to send to ---- */

static void idle(struct stage *stage, const void *argument)
{
	(void)argument;
	/* Whoever started the tests may ignore some, as nohup(1) does. */
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	stage_reach(stage, 1);
	for (;;)
		pause();
}

/* Core dumps are not to litter; whether one would be written is the kernel's word elsewhere. */
static void no_cores(void)
{
	const struct rlimit none = { 0, 0 };

	check_eq(setrlimit(RLIMIT_CORE, &none), 0);
}

static ferry_process *process_of(pid_t pid)
{
	ferry_process *process;

	check_eq(ferry_process_open(&process, pid, 0, NULL), 0);
	return process;
}

/* Send as the kernel has it, or as ferry has it. */
static int post(pid_t pid, int signo, int by_ferry)
{
	if (!by_ferry)
		return kill(pid, signo) == 0 ? 0 : -errno;
	ferry_process *process = process_of(pid);
	const int r = ferry_signal_send(process, signo, 0);
	ferry_process_close(process);
	return r;
}

static void expect_death(int signo, int by_ferry)
{
	struct peer peer;

	peer_start(&peer, idle, NULL);
	peer_await(&peer, 1);
	check_eq(post(peer.pid, signo, by_ferry), 0);
	const int status = peer_join_status(&peer);
	check(WIFSIGNALED(status));
	check_eq(WTERMSIG(status), signo);
}

static ferry_process *spawn_sleeper(void)
{
	char program[] = "sleep", time[] = "1000";
	char *arguments[] = { program, time, NULL };
	ferry_process *process;

	check_eq(
	    ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = "sleep", .arguments = arguments)),
	    0);
	return process;
}

static void expect_death_of_spawned(int signo)
{
	struct ferry_process_end end;
	ferry_process *process = spawn_sleeper();

	check_eq(ferry_signal_send(process, signo, 0), 0);
	check_eq(ferry_process_wait(process, &end, box_patience()), 0);
	check_eq(end.exited, 0);
	check_eq(end.signal, signo);
	ferry_process_close(process);
}

static void expect_deaths(const int *signals, size_t n)
{
	no_cores();
	for (size_t i = 0; i < n; i++) {
		expect_death(signals[i], 0);
		expect_death(signals[i], 1);
		expect_death_of_spawned(signals[i]);
	}
}

/* ---- D: default actions ---- */

static void d1_these_end_the_process(void)
{
	static const int signals[] = { SIGHUP,  SIGINT,  SIGKILL, SIGUSR1,   SIGUSR2,
				       SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGVTALRM,
				       SIGPROF, SIGIO,   SIGPWR };

	expect_deaths(signals, sizeof(signals) / sizeof(signals[0]));
}

static void d2_these_end_it_and_may_dump_core(void)
{
	static const int signals[] = { SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
				       SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };

	expect_deaths(signals, sizeof(signals) / sizeof(signals[0]));
}

static void d3_these_are_ignored(void)
{
	static const int signals[] = { SIGCHLD, SIGURG, SIGWINCH };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		for (int by_ferry = 0; by_ferry < 2; by_ferry++) {
			struct peer peer;
			peer_start(&peer, idle, NULL);
			peer_await(&peer, 1);
			check_eq(post(peer.pid, signals[i], by_ferry), 0);
			/* What comes later is delivered later: it was still there for this one. */
			check_eq(post(peer.pid, SIGTERM, by_ferry), 0);
			check_eq(WTERMSIG(peer_join_status(&peer)), SIGTERM);
		}
}

/* A process group without a parent in its session would not stop for those of the terminal. */
static void d4_these_stop_it(void)
{
	static const int signals[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		for (int by_ferry = 0; by_ferry < 2; by_ferry++) {
			struct peer peer;
			int status;
			peer_start(&peer, idle, NULL);
			peer_await(&peer, 1);
			check_eq(post(peer.pid, signals[i], by_ferry), 0);
			check_eq(waitpid(peer.pid, &status, WUNTRACED), peer.pid);
			check(WIFSTOPPED(status));
			check_eq(WSTOPSIG(status), signals[i]);
			ferry_process *process = process_of(peer.pid);
			check_eq(ferry_process_wait(process, NULL, FERRY_NOW), -EAGAIN);
			ferry_process_close(process);
			peer_kill(&peer);
		}
}

static void d5_sigcont_lets_it_go_on(void)
{
	for (int by_ferry = 0; by_ferry < 2; by_ferry++) {
		struct peer peer;
		int status;
		peer_start(&peer, idle, NULL);
		peer_await(&peer, 1);
		peer_stop(&peer);
		check_eq(post(peer.pid, SIGCONT, by_ferry), 0);
		check_eq(waitpid(peer.pid, &status, WCONTINUED), peer.pid);
		check(WIFCONTINUED(status));
		peer_kill(&peer);
	}
}

static void d6_real_time_signals_end_the_process(void)
{
	for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo += 10) {
		expect_death(signo, 0);
		expect_death(signo, 1);
		expect_death_of_spawned(signo);
	}
}

static int ignore_it(const struct ferry_signal_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 0;
}

static void d7_sigkill_and_sigstop_cannot_be_caught_or_ignored(void)
{
	static const int signals[] = { SIGKILL, SIGSTOP };

	for (size_t i = 0; i < 2; i++) {
		struct sigaction ignore = { .sa_handler = SIG_IGN };
		struct ferry_why why;
		errno = 0;
		check_eq(sigaction(signals[i], &ignore, NULL), -1);
		check_eq(errno, EINVAL);
		check_eq(ferry_signal_catch(signals[i], ignore_it, NULL, &why), -EINVAL);
		check(strstr(why.text, ferry_signal_name(signals[i])) != NULL);
		check_eq(ferry_signal_ignore(signals[i], &why), -EINVAL);
	}
}

static void d8_sigkill_and_sigstop_cannot_be_blocked(void)
{
	sigset_t set, now;

	check_eq(sigfillset(&set), 0);
	check_eq(sigprocmask(SIG_SETMASK, &set, NULL), 0);
	check_eq(sigprocmask(SIG_SETMASK, NULL, &now), 0);
	check_eq(sigismember(&now, SIGKILL), 0);
	check_eq(sigismember(&now, SIGSTOP), 0);
	expect_death(SIGKILL, 0);
	expect_death(SIGKILL, 1);
}

/* ---- E: fork and exec ---- */

/* The hexadecimal number behind a word in /proc/self/status of a program that is started now. */
static uint64_t status_after_exec(const char *word, int spawn)
{
	char program[] = "sed", option[] = "-n", script[64], file[] = "/proc/self/status";
	char *arguments[] = { program, option, script, file, NULL };
	int fds[2];
	char line[64] = { 0 };

	/* Not by way of a shell, which may change what it inherits. */
	snprintf(script, sizeof(script), "s/^%s:[ \t]*//p", word);
	check_eq(pipe(fds), 0);
	const struct ferry_spawn_descriptor out = { .from = fds[1], .to = 1 };
	ferry_process *process = NULL;
	pid_t pid = 0;
	if (spawn) {
		check_eq(ferry_spawn(&process,
				     FERRY_SPAWN_OPTIONS(.program = "sed", .arguments = arguments,
							 .descriptors = &out, .n_descriptors = 1)),
			 0);
	} else if ((pid = fork()) == 0) {
		(void)dup2(fds[1], 1);
		execvp("sed", arguments);
		_exit(127);
	}
	check_eq(close(fds[1]), 0);
	check(read(fds[0], line, sizeof(line) - 1) > 0);
	check_eq(close(fds[0]), 0);
	if (spawn) {
		check_eq(ferry_process_wait(process, NULL, box_patience()), 0);
		ferry_process_close(process);
	} else {
		check_eq(waitpid(pid, NULL, 0), pid);
	}
	return strtoull(line, NULL, 16);
}

static int has(uint64_t set, int signo)
{
	return (int)(set >> (signo - 1) & 1);
}

static void e1_caught_becomes_default_at_exec(void)
{
	check_eq(ferry_signal_catch(SIGUSR1, ignore_it, NULL, NULL), 0);
	check_eq(has(status_after_exec("SigCgt", 0), SIGUSR1), 0);
	check_eq(has(status_after_exec("SigIgn", 0), SIGUSR1), 0);
	check_eq(has(status_after_exec("SigCgt", 1), SIGUSR1), 0);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
}

/* differs(kernel, ferry): ferry_spawn() begins with every action default. */
static int differs(int kernel, int ferry)
{
	return kernel != ferry;
}

static void e2_ignored_stays_ignored_at_exec(void)
{
	check_eq(ferry_signal_ignore(SIGUSR1, NULL), 0);
	const int plain = has(status_after_exec("SigIgn", 0), SIGUSR1);
	check_eq(plain, 1);
	check(differs(plain, has(status_after_exec("SigIgn", 1), SIGUSR1)));
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
}

static void e3_blocked_stays_blocked_at_exec(void)
{
	sigset_t set;

	check_eq(sigemptyset(&set), 0);
	check_eq(sigaddset(&set, SIGUSR2), 0);
	check_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	const int plain = has(status_after_exec("SigBlk", 0), SIGUSR2);
	check_eq(plain, 1);
	check(differs(plain, has(status_after_exec("SigBlk", 1), SIGUSR2)));
}

static void dispatch_one(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_reach(stage, 1);
	check_eq(ferry_signal_dispatch(box_patience()), SIGUSR1);
}

static void e4_child_has_the_actions_of_its_parent(void)
{
	struct peer peer;

	check_eq(ferry_signal_catch(SIGUSR1, ignore_it, NULL, NULL), 0);
	peer_start(&peer, dispatch_one, NULL);
	peer_await(&peer, 1);
	check_eq(kill(peer.pid, SIGUSR1), 0);
	peer_join(&peer);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
}

static void find_nothing_pending(struct stage *stage, const void *argument)
{
	sigset_t pending;

	(void)stage;
	(void)argument;
	check_eq(sigpending(&pending), 0);
	check_eq(sigismember(&pending, SIGUSR2), 0);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), -EAGAIN);
}

static void e5_pending_is_not_inherited_by_a_child(void)
{
	sigset_t set;
	struct peer peer;

	check_eq(ferry_signal_catch(SIGUSR1, NULL, NULL, NULL), 0);
	check_eq(sigemptyset(&set), 0);
	check_eq(sigaddset(&set, SIGUSR2), 0);
	check_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	check_eq(raise(SIGUSR1), 0);
	check_eq(raise(SIGUSR2), 0);
	peer_start(&peer, find_nothing_pending, NULL);
	peer_join(&peer);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), SIGUSR1);
	check_eq(sigwaitinfo(&set, NULL), SIGUSR2);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
}

static void e6_pending_stays_pending_at_exec(void)
{
	sigset_t set;

	check_eq(sigemptyset(&set), 0);
	check_eq(sigaddset(&set, SIGUSR2), 0);
	check_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	int fds[2];
	char line[64] = { 0 };
	check_eq(pipe(fds), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)raise(SIGUSR2);
		execlp("sed", "sed", "-n", "s/^ShdPnd:[ \t]*//p; s/^SigPnd:[ \t]*//p",
		       "/proc/self/status", (char *)NULL);
		_exit(127);
	}
	check_eq(close(fds[1]), 0);
	check(read(fds[0], line, sizeof(line) - 1) > 0);
	check_eq(waitpid(pid, NULL, 0), pid);
	check_eq(close(fds[0]), 0);
	char *next;
	uint64_t sets = strtoull(line, &next, 16);
	sets |= strtoull(next, NULL, 16);
	check_eq(has(sets, SIGUSR2), 1);
}

/* ---- P: who may send ---- */

enum { ONE = 65533, OTHER = 65534 };

static void become(uid_t uid)
{
	if (geteuid() != 0)
		check_skip("only root can be two users");
	check_eq(setresuid(uid, uid, uid), 0);
}

static void idle_as_one(struct stage *stage, const void *argument)
{
	become(ONE);
	idle(stage, argument);
}

struct attempt {
	pid_t pid;
	uid_t as;
	int signo;
	int by_ferry;
	int expect;
};

static void try_to_send(struct stage *stage, const void *argument)
{
	const struct attempt *attempt = argument;

	(void)stage;
	if (attempt->as)
		become(attempt->as);
	check_eq(post(attempt->pid, attempt->signo, attempt->by_ferry), attempt->expect);
}

/* Try with kill() and with ferry, at a process of user ONE. */
static void expect_sending(uid_t as, int signo, int expect)
{
	if (geteuid() != 0)
		check_skip("only root can be two users");
	for (int by_ferry = 0; by_ferry < 2; by_ferry++) {
		struct peer target, sender;
		peer_start(&target, idle_as_one, NULL);
		peer_await(&target, 1);
		const struct attempt attempt = { target.pid, as, signo, by_ferry, expect };
		peer_start(&sender, try_to_send, &attempt);
		peer_join(&sender);
		peer_kill(&target);
	}
}

static void p1_another_user_may_not_send(void)
{
	expect_sending(OTHER, SIGUSR1, -EPERM);
}

static void p2_same_user_may_send(void)
{
	expect_sending(ONE, SIGUSR1, 0);
}

static void p3_root_may_send_to_all(void)
{
	expect_sending(0, SIGUSR1, 0);
}

static void p4_sigcont_may_be_sent_within_the_session(void)
{
	expect_sending(OTHER, SIGCONT, 0);
}

static void p5_signal_0_tests_existence_and_permission(void)
{
	expect_sending(ONE, 0, 0);
	expect_sending(OTHER, 0, -EPERM);
}

static void p6_nobody_there_is_esrch(void)
{
	struct peer peer;

	peer_start(&peer, idle, NULL);
	peer_await(&peer, 1);
	const pid_t pid = peer.pid;
	ferry_process *process = process_of(pid);
	peer_kill(&peer);
	check_eq(post(pid, SIGUSR1, 0), -ESRCH);
	check_eq(ferry_signal_send(process, SIGUSR1, 0), -ESRCH);
	ferry_process_close(process);
}

static void p7_zombie_takes_signals_without_effect(void)
{
	struct peer peer;

	peer_start(&peer, idle, NULL);
	peer_await(&peer, 1);
	ferry_process *process = process_of(peer.pid);
	peer_kill_to_zombie(&peer);
	check_eq(post(peer.pid, SIGUSR1, 0), 0);
	check_eq(ferry_signal_send(process, SIGUSR1, 0), 0);
	const int kernel = post(peer.pid, 0, 0);
	check(differs(kernel, ferry_signal_send(process, 0, 0)));
	ferry_process_close(process);
	peer_kill(&peer);
}

static void p8_numbers_that_are_no_signal_are_einval(void)
{
	struct peer peer;

	peer_start(&peer, idle, NULL);
	peer_await(&peer, 1);
	for (int by_ferry = 0; by_ferry < 2; by_ferry++) {
		check_eq(post(peer.pid, 65, by_ferry), -EINVAL);
		check_eq(post(peer.pid, -1, by_ferry), -EINVAL);
	}
	peer_kill(&peer);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(d1_these_end_the_process),
		claim(d2_these_end_it_and_may_dump_core),
		claim(d3_these_are_ignored),
		claim(d4_these_stop_it),
		claim(d5_sigcont_lets_it_go_on),
		claim(d6_real_time_signals_end_the_process),
		claim(d7_sigkill_and_sigstop_cannot_be_caught_or_ignored),
		claim(d8_sigkill_and_sigstop_cannot_be_blocked),
		claim(e1_caught_becomes_default_at_exec),
		claim(e2_ignored_stays_ignored_at_exec),
		claim(e3_blocked_stays_blocked_at_exec),
		claim(e4_child_has_the_actions_of_its_parent),
		claim(e5_pending_is_not_inherited_by_a_child),
		claim(e6_pending_stays_pending_at_exec),
		claim(p1_another_user_may_not_send),
		claim(p2_same_user_may_send),
		claim(p3_root_may_send_to_all),
		claim(p4_sigcont_may_be_sent_within_the_session),
		claim(p5_signal_0_tests_existence_and_permission),
		claim(p6_nobody_there_is_esrch),
		claim(p7_zombie_takes_signals_without_effect),
		claim(p8_numbers_that_are_no_signal_are_einval),
	};

	return claim_run_all(claims);
}
