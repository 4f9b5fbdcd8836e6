/* SPDX-License-Identifier: MIT */
/* Receiving signals: actions, handlers in ordinary code, waiting, threads, fork. Others beside: see
 * signal_beside_test.c. */
#include <errno.h>
#include <ferry/ferry.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"

#define RT (SIGRTMIN + 2)

/* ---- what handlers saw ---- */

static struct ferry_signal_info seen[64];
static int n_seen;
static char order[64];
static char a[] = "a", b[] = "b", c[] = "c", d[] = "d"; /* to tell handlers apart */

static int note(const struct ferry_signal_info *info, void *arg)
{
	seen[n_seen++ % 64] = *info;
	if (arg)
		strncat(order, arg, sizeof(order) - strlen(order) - 1);
	return 0;
}

static int note_and_stop(const struct ferry_signal_info *info, void *arg)
{
	(void)note(info, arg);
	return 1;
}

static void queue(pid_t pid, int signo, int64_t payload)
{
	union sigval value = { .sival_ptr = (void *)(intptr_t)payload };

	check_eq(sigqueue(pid, signo, value), 0);
}

static void catch_it(int signo, ferry_signal_handler handler, void *arg)
{
	check_eq(ferry_signal_catch(signo, handler, arg, NULL), 0);
}

/* ---- actions ---- */

static void a_caught_signal_runs_its_handler_when_dispatched(void)
{
	catch_it(SIGUSR1, note, NULL);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	kill(getpid(), SIGUSR1);
	check_eq(n_seen, 0);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(n_seen, 1);
	check_eq(seen[0].signo, SIGUSR1);
	check_eq(seen[0].cause, FERRY_SIGNAL_KILL);
	check_eq(seen[0].pid, getpid());
	check_eq(seen[0].uid, getuid());
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
}

static void a_deadline_ends_a_dispatch(void)
{
	const ferry_deadline deadline = ferry_in_ms(20);

	catch_it(SIGUSR1, note, NULL);
	check_eq(ferry_signal_dispatch(deadline), -ETIMEDOUT);
	check(clock_ns() >= deadline);
	check_eq(ferry_signal_dispatch(1), -ETIMEDOUT);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(1), SIGUSR1);
}

static void handlers_chain_latest_first(void)
{
	catch_it(SIGUSR1, note, a);
	catch_it(SIGUSR1, note, b);
	catch_it(SIGUSR1, note, c);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check(strcmp(order, "cba") == 0);
	check_eq(ferry_signal_uncatch(SIGUSR1, note, b, NULL), 0);
	check_eq(ferry_signal_uncatch(SIGUSR1, note, b, NULL), -ENOENT);
	catch_it(SIGUSR1, note_and_stop, d);
	order[0] = '\0';
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check(strcmp(order, "d") == 0);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	order[0] = '\0';
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check(strcmp(order, "ca") == 0);
}

static void what_lies_under_an_ignore_is_silent_until_it_is_restored(void)
{
	catch_it(SIGUSR1, note, a);
	check_eq(ferry_signal_ignore(SIGUSR1, NULL), 0);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	catch_it(SIGUSR1, note, b);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check(strcmp(order, "b") == 0);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check(strcmp(order, "ba") == 0);
}

static void die_by_default(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	catch_it(SIGTERM, note, NULL);
	check_eq(ferry_signal_default(SIGTERM, NULL), 0);
	kill(getpid(), SIGTERM);
}

static void a_default_is_the_kernels(void)
{
	struct peer peer;

	peer_start(&peer, die_by_default, NULL);
	const int status = peer_join_status(&peer);
	check(WIFSIGNALED(status));
	check_eq(WTERMSIG(status), SIGTERM);
}

static void get_the_signal_that_wakes(struct stage *stage, const void *argument)
{
	const int how = *(const int *)argument;

	(void)stage;
	check_eq(ferry_signal_catch(SIGUSR1, note, NULL, NULL), 0);
	if (how == 1)
		check_eq(ferry_signal_ignore(SIGSTKFLT, NULL), 0);
	if (how == 2)
		catch_it(SIGSTKFLT, note, NULL);
	raise(SIGSTKFLT);
	check_eq(ferry_signal_dispatch(FERRY_NOW), how == 2 ? SIGSTKFLT : -EAGAIN);
	if (how == 2)
		check_eq(ferry_signal_restore(SIGSTKFLT, NULL), 0);
	if (how == 2)
		raise(SIGSTKFLT);
	_exit(how);
}

/* Ferry wakes its waiters with SIGSTKFLT; to the program it is a signal like the others. */
static void the_signal_that_wakes_does_what_it_is_told(void)
{
	for (int how = 0; how < 3; how++) {
		struct peer peer;
		peer_start(&peer, get_the_signal_that_wakes, &how);
		const int status = peer_join_status(&peer);
		check_eq(WIFSIGNALED(status) ? WTERMSIG(status) : 0, how == 1 ? 0 : SIGSTKFLT);
	}
}

static void expect_refused(int signo, const char *word)
{
	struct ferry_why why = { 0 };

	check_eq(ferry_signal_catch(signo, note, NULL, &why), -EINVAL);
	check_eq(why.error, -EINVAL);
	if (!strstr(why.text, word))
		check_failed(__FILE__, __LINE__, "no \"%s\" in \"%s\"", word, why.text);
}

static void what_cannot_be_caught_is_refused_with_a_reason(void)
{
	expect_refused(SIGKILL, "SIGKILL");
	expect_refused(SIGSTOP, "SIGSTOP");
	expect_refused(SIGSEGV, "ferry_crash_report");
	expect_refused(SIGBUS, "ferry_crash_report");
	expect_refused(SIGILL, "ferry_crash_report");
	expect_refused(SIGFPE, "ferry_crash_report");
	expect_refused(SIGSYS, "ferry_crash_report");
	expect_refused(0, "not a signal");
	expect_refused(65, "not a signal");
	expect_refused(-1, "not a signal");
	expect_refused(SIGRTMIN - 1, "library");
	check_eq(ferry_signal_ignore(SIGKILL, NULL), -EINVAL);
	check_eq(ferry_signal_default(SIGSTOP, NULL), -EINVAL);
	check_eq(ferry_signal_restore(99, NULL), -EINVAL);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), -ENOENT);
}

static void a_signal_carries_at_most_64_actions(void)
{
	for (int i = 0; i < 64; i++)
		catch_it(SIGUSR1, note, NULL);
	check_eq(ferry_signal_catch(SIGUSR1, note, NULL, NULL), -ENOSPC);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(n_seen, 64);
	for (int i = 0; i < 64; i++)
		check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), -ENOENT);
}

/* ---- merging and queueing ---- */

static void equal_standard_signals_merge(void)
{
	catch_it(SIGUSR1, note, NULL);
	for (int i = 0; i < 5; i++)
		queue(getpid(), SIGUSR1, i);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(seen[0].cause, FERRY_SIGNAL_QUEUE);
	check_eq(seen[0].payload, 0);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
}

static void real_time_signals_queue_in_order_with_their_payload(void)
{
	struct ferry_signal_info info;

	catch_it(RT, NULL, NULL);
	catch_it(RT + 1, NULL, NULL);
	catch_it(SIGUSR2, NULL, NULL);
	for (int64_t i = 0; i < 1000; i++) {
		queue(getpid(), RT + 1, -i);
		queue(getpid(), RT, i << 33);
	}
	kill(getpid(), SIGUSR2);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL_CAUGHT, FERRY_NOW), SIGUSR2);
	for (int64_t i = 0; i < 1000; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL_CAUGHT, FERRY_NOW), RT);
		check_eq(info.payload, i << 33);
		check_eq(info.pid, getpid());
	}
	for (int64_t i = 0; i < 1000; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL_CAUGHT, FERRY_NOW), RT + 1);
		check_eq(info.payload, -i);
	}
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL_CAUGHT, FERRY_NOW), -EAGAIN);
}

/* More than the queue holds: the kernel keeps the rest, in order. */
static void a_full_queue_loses_nothing(void)
{
	enum { MANY = 10000 };
	struct ferry_signal_info info;

	catch_it(RT, NULL, NULL);
	for (int64_t i = 0; i < MANY; i++)
		queue(getpid(), RT, i);
	for (int64_t i = 0; i < MANY; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), FERRY_NOW), RT);
		check_eq(info.payload, i);
	}
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), FERRY_NOW), -EAGAIN);
	/* And the thread takes them in its handler again. */
	sigset_t mask;
	check_eq(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
	check_eq(sigismember(&mask, RT), 0);
}

/* ---- waiting ---- */

static void a_wait_takes_only_what_it_asks_for(void)
{
	struct ferry_signal_info info;

	catch_it(SIGUSR1, note, NULL);
	catch_it(SIGUSR2, note, NULL);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGUSR2), FERRY_FOREVER), SIGUSR2);
	check_eq(info.signo, SIGUSR2);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGUSR2), FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(SIGUSR2), ferry_in_ms(10)), -ETIMEDOUT);
	check_eq(n_seen, 0);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(n_seen, 1);
}

static void a_wait_for_what_would_kill_is_refused(void)
{
	struct ferry_signal_info info;
	sigset_t set;

	check_eq(ferry_signal_wait(&info, 0, FERRY_NOW), -EINVAL);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), -EINVAL);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGKILL), FERRY_NOW), -EINVAL);
	/* The old way, blocked everywhere, works too. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	check_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), -EAGAIN);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGUSR1), FERRY_FOREVER), SIGUSR1);
}

static void a_dispatch_leaves_what_has_no_handler(void)
{
	catch_it(SIGUSR1, NULL, NULL);
	catch_it(SIGUSR2, note, NULL);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(SIGUSR1), FERRY_NOW), SIGUSR1);
}

/* ---- who sent it ---- */

static void causes_are_told(void)
{
	struct ferry_signal_info info;
	const struct itimerspec soon = { .it_value.tv_nsec = 1 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = RT };
	timer_t timer;

	catch_it(SIGCHLD, NULL, NULL);
	catch_it(RT, NULL, NULL);
	const pid_t child = fork();
	if (child == 0)
		_exit(5);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGCHLD), box_patience()), SIGCHLD);
	check_eq(info.cause, FERRY_SIGNAL_CHILD);
	check_eq(info.code, CLD_EXITED);
	check_eq(info.pid, child);
	check_eq(info.status, 5);
	check_eq(waitpid(child, NULL, 0), child);

	event.sigev_value.sival_ptr = &info;
	check_eq(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	check_eq(timer_settime(timer, 0, &soon, NULL), 0);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), box_patience()), RT);
	check_eq(info.cause, FERRY_SIGNAL_TIMER);
	check_eq(info.payload, (intptr_t)&info);
	check_eq(timer_delete(timer), 0);

	catch_it(SIGPIPE, NULL, NULL);
	int ends[2];
	check_eq(pipe(ends), 0);
	close(ends[0]);
	check_eq(write(ends[1], "x", 1), -1);
	close(ends[1]);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGPIPE), FERRY_NOW), SIGPIPE);
	check_eq(info.cause, FERRY_SIGNAL_KILL); /* as the kernel says of it */
	raise(SIGPIPE);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(SIGPIPE), FERRY_NOW), SIGPIPE);
	check_eq(info.pid, getpid());
	check(strcmp(ferry_signal_cause_name(FERRY_SIGNAL_TIMER), "timer") == 0);
	check(strcmp(ferry_signal_cause_name((enum ferry_signal_cause)99), "unknown") == 0);
}

static void names_and_numbers_agree(void)
{
	char name[32];

	for (int signo = 1; signo <= 64; signo++) {
		if (signo < 32 || signo >= SIGRTMIN) {
			check_eq(ferry_signal_number(ferry_signal_name(signo)), signo);
			check_eq(ferry_signal_number(ferry_signal_name(signo) + 3), signo);
		}
		snprintf(name, sizeof name, "%d", signo);
		check_eq(ferry_signal_number(name), signo);
	}
	check_eq(ferry_signal_number("rtmax-1"), SIGRTMAX - 1);
	check_eq(ferry_signal_number("SIGRTMIN+3"), SIGRTMIN + 3);
	check_eq(ferry_signal_number("term"), SIGTERM);
	const char *const wrong[] = { "",        "SIG",        "FOO",   "RTMIN+99", "RTMAX+1",
				      "RTMIN-1", "RTMIN+",     "0",     "65",       "-1",
				      "1x",      "4294967297", "RTMIN3" };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		check_eq(ferry_signal_number(wrong[i]), -EINVAL);
	check_eq(ferry_signal_number(NULL), -EINVAL);
	check(strcmp(ferry_signal_name(0), "unknown") == 0);
	check(strcmp(ferry_signal_name(1000), "unknown") == 0);
}

/* ---- threads ---- */

static _Atomic int stop_thread;
static _Atomic int handled;
static _Atomic pid_t handled_in;

static int count(const struct ferry_signal_info *info, void *arg)
{
	(void)info;
	(void)arg;
	/* What only ordinary code may do. */
	free(malloc(100));
	atomic_store(&handled_in, (pid_t)syscall(SYS_gettid));
	atomic_fetch_add(&handled, 1);
	return 0;
}

static void *idle(void *unused)
{
	while (!atomic_load(&stop_thread))
		clock_pause();
	return unused;
}

/* Threads of the program, made before and after, with their masks as they are. */
static void ferrys_thread_handles_what_arrives_in_any_thread(void)
{
	pthread_t before, after;

	check_eq(pthread_create(&before, NULL, idle, NULL), 0);
	catch_it(SIGUSR1, count, NULL);
	check_eq(ferry_signal_thread_start(), 0);
	check_eq(ferry_signal_thread_start(), -EALREADY);
	check_eq(pthread_create(&after, NULL, idle, NULL), 0);
	int sent = 0;
	for (int i = 0; i < 100; i++) {
		check_eq(i % 3 == 0   ? pthread_kill(before, SIGUSR1)
			 : i % 3 == 1 ? pthread_kill(after, SIGUSR1)
				      : kill(getpid(), SIGUSR1),
			 0);
		sent++;
		await(atomic_load(&handled) == sent);
		check(atomic_load(&handled_in) != getpid());
	}
	check_eq(ferry_signal_thread_stop(), 0);
	check_eq(ferry_signal_thread_stop(), -ESRCH);
	atomic_store(&stop_thread, 1);
	check_eq(pthread_join(before, NULL), 0);
	check_eq(pthread_join(after, NULL), 0);
}

static void a_catch_made_while_the_thread_sleeps_counts(void)
{
	check_eq(ferry_signal_thread_start(), 0);
	clock_pause();
	catch_it(SIGUSR2, count, NULL);
	kill(getpid(), SIGUSR2);
	await(atomic_load(&handled) == 1);
	catch_it(SIGUSR1, count, NULL);
	kill(getpid(), SIGUSR1);
	await(atomic_load(&handled) == 2);
	check_eq(ferry_signal_thread_stop(), 0);
	check_eq(ferry_signal_thread_start(), 0);
	kill(getpid(), SIGUSR1);
	await(atomic_load(&handled) == 3);
	check_eq(ferry_signal_thread_stop(), 0);
}

static _Atomic int stop_result;

static int stop_from_inside(const struct ferry_signal_info *info, void *arg)
{
	(void)info;
	(void)arg;
	atomic_store(&stop_result, ferry_signal_thread_stop());
	return 0;
}

static void the_thread_cannot_end_itself(void)
{
	catch_it(SIGUSR1, stop_from_inside, NULL);
	check_eq(ferry_signal_thread_start(), 0);
	kill(getpid(), SIGUSR1);
	await(atomic_load(&stop_result) != 0);
	check_eq(atomic_load(&stop_result), -EDEADLK);
	check_eq(ferry_signal_thread_stop(), 0);
}

/* A program that blocks the signal everywhere keeps its order over any number of threads. */
static void blocked_in_all_threads_the_kernel_keeps_the_order(void)
{
	struct ferry_signal_info info;
	pthread_t thread;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, RT);
	check_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	check_eq(pthread_create(&thread, NULL, idle, NULL), 0);
	catch_it(RT, NULL, NULL);
	for (int64_t i = 0; i < 5000; i++)
		queue(getpid(), RT, i);
	for (int64_t i = 0; i < 5000; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), FERRY_FOREVER), RT);
		check_eq(info.payload, i);
	}
	atomic_store(&stop_thread, 1);
	check_eq(pthread_join(thread, NULL), 0);
}

/* ---- an event loop ---- */

static void the_descriptor_tells_an_event_loop(void)
{
	struct pollfd ready = { .events = POLLIN };

	catch_it(SIGUSR1, note, NULL);
	kill(getpid(), SIGUSR1);
	ready.fd = ferry_signal_fd();
	check(ready.fd >= 0);
	check_eq(ferry_signal_fd(), ready.fd);
	check_eq(poll(&ready, 1, 0), 1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(poll(&ready, 1, 0), 0);
	kill(getpid(), SIGUSR1);
	check_eq(poll(&ready, 1, 0), 1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	close(
	    ready.fd); /* ferry keeps it as long as the process lives; the claim looks for leaks */
}

/* Else the loop would run round and round (C7). */
static void the_descriptor_is_silent_of_what_has_no_handler(void)
{
	struct pollfd ready = { .events = POLLIN };

	catch_it(SIGUSR1, NULL, NULL);
	ready.fd = ferry_signal_fd();
	check(ready.fd >= 0);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(poll(&ready, 1, 0), 0);
	/* With a handler it is a matter for the loop. */
	catch_it(SIGUSR1, note, NULL);
	check_eq(poll(&ready, 1, 0), 1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(poll(&ready, 1, 0), 0);
	close(ready.fd);
}

static void *put_in_while_cancelled(void *unused)
{
	check_eq(pthread_cancel(pthread_self()), 0);
	check_eq(pthread_kill(pthread_self(), SIGUSR1), 0);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	return unused;
}

/* With a descriptor to write to, the handler must not be where the thread ends. */
static void a_cancelled_thread_does_not_end_in_the_handler(void)
{
	pthread_t thread;
	void *result = &thread;
	int fd = ferry_signal_fd();

	check(fd >= 0);
	catch_it(SIGUSR1, note, NULL);
	check_eq(pthread_create(&thread, NULL, put_in_while_cancelled, NULL), 0);
	check_eq(pthread_join(thread, &result), 0);
	check(result == NULL);
	check_eq(n_seen, 1);
	close(fd);
}

/* ---- fork and exec ---- */

static void handle_in_child(struct stage *stage, const void *argument)
{
	struct ferry_signal_info info;

	(void)argument;
	/* The parent's signal stays the parent's. */
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), FERRY_NOW), -EAGAIN);
	stage_reach(stage, 1);
	check_eq(ferry_signal_dispatch(box_patience()), SIGUSR1);
	check_eq(n_seen, 1);
	check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), box_patience()), RT);
	check_eq(info.payload, 17);
	/* A thread of the child's own. */
	check_eq(ferry_signal_thread_stop(), -ESRCH);
	check_eq(ferry_signal_thread_start(), 0);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_thread_stop(), 0);
}

static void a_child_has_the_actions_and_an_empty_queue(void)
{
	struct peer peer;

	catch_it(SIGUSR1, note, NULL);
	catch_it(RT, NULL, NULL);
	check_eq(ferry_signal_thread_start(), 0);
	check_eq(ferry_signal_thread_stop(), 0);
	kill(getpid(), SIGUSR1);
	for (int64_t i = 0; i < 3000; i++)
		queue(getpid(), RT, i);
	peer_start(&peer, handle_in_child, NULL);
	peer_await(&peer, 1);
	kill(peer.pid, SIGUSR1);
	queue(peer.pid, RT, 17);
	peer_join(&peer);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	for (int64_t i = 0; i < 3000; i++)
		check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(RT), FERRY_NOW), RT);
}

static void after_exec_the_caught_are_default_and_the_ignored_ignored(void)
{
	const pid_t child = fork();

	if (child == 0) {
		catch_it(SIGUSR1, note, NULL);
		check_eq(ferry_signal_ignore(SIGUSR2, NULL), 0);
		execl("/bin/sh", "sh", "-c", "kill -USR2 $$; kill -USR1 $$; exit 3", (char *)NULL);
		_exit(4);
	}
	int status;
	check_eq(waitpid(child, &status, 0), child);
	check(WIFSIGNALED(status));
	check_eq(WTERMSIG(status), SIGUSR1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(a_caught_signal_runs_its_handler_when_dispatched),
		claim(a_deadline_ends_a_dispatch),
		claim(handlers_chain_latest_first),
		claim(what_lies_under_an_ignore_is_silent_until_it_is_restored),
		claim(a_default_is_the_kernels),
		claim(the_signal_that_wakes_does_what_it_is_told),
		claim(what_cannot_be_caught_is_refused_with_a_reason),
		claim(a_signal_carries_at_most_64_actions),
		claim(equal_standard_signals_merge),
		claim(real_time_signals_queue_in_order_with_their_payload),
		claim(a_full_queue_loses_nothing),
		claim(a_wait_takes_only_what_it_asks_for),
		claim(a_wait_for_what_would_kill_is_refused),
		claim(a_dispatch_leaves_what_has_no_handler),
		claim(causes_are_told),
		claim(names_and_numbers_agree),
		claim(ferrys_thread_handles_what_arrives_in_any_thread),
		claim(a_catch_made_while_the_thread_sleeps_counts),
		claim(the_thread_cannot_end_itself),
		claim(blocked_in_all_threads_the_kernel_keeps_the_order),
		claim(the_descriptor_tells_an_event_loop),
		claim(the_descriptor_is_silent_of_what_has_no_handler),
		claim(a_cancelled_thread_does_not_end_in_the_handler),
		claim(a_child_has_the_actions_and_an_empty_queue),
		claim(after_exec_the_caught_are_default_and_the_ignored_ignored),
	};

	return claim_run_all(claims);
}
