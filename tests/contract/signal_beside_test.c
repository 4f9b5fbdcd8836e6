/* SPDX-License-Identifier: MIT */
/* Receiving signals beside others in the same process: actions that were there before, actions set
 * later, signalfd, interrupted calls. */
#include <errno.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"

#define RT (SIGRTMIN + 2)

static int do_nothing(const struct ferry_signal_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 0;
}

static void queue(pid_t pid, int signo, int payload)
{
	check_eq(sigqueue(pid, signo, (union sigval){ .sival_int = payload }), 0);
}

static void catch_it(int signo, ferry_signal_handler handler)
{
	check_eq(ferry_signal_catch(signo, handler, NULL, NULL), 0);
}

static _Atomic int foreign;
static _Atomic int foreign_payload;

static void foreign_plain(int signo)
{
	(void)signo;
	atomic_fetch_add(&foreign, 1);
}

static void foreign_full(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	check(context != NULL);
	atomic_store(&foreign_payload, info->si_value.sival_int);
	atomic_fetch_add(&foreign, 1);
}

static struct sigaction action_of(int signo)
{
	struct sigaction action;

	check_eq(sigaction(signo, NULL, &action), 0);
	return action;
}

static void restoring_gives_back_what_was_there(void)
{
	struct sigaction mine = { .sa_sigaction = foreign_full,
				  .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigemptyset(&mine.sa_mask);
	sigaddset(&mine.sa_mask, SIGHUP);
	check_eq(sigaction(RT, &mine, NULL), 0);
	const struct sigaction before = action_of(RT);
	catch_it(RT, NULL);
	/* It goes on being called, at once and with everything. */
	queue(getpid(), RT, 42);
	check_eq(atomic_load(&foreign), 1);
	check_eq(atomic_load(&foreign_payload), 42);
	check_eq(ferry_signal_wait(NULL, FERRY_SIGNAL(RT), FERRY_NOW), RT);
	/* Silenced by a default below the catch. */
	check_eq(ferry_signal_restore(RT, NULL), 0);
	check_eq(ferry_signal_default(RT, NULL), 0);
	catch_it(RT, NULL);
	queue(getpid(), RT, 43);
	check_eq(atomic_load(&foreign), 1);
	check_eq(ferry_signal_restore(RT, NULL), 0);
	check_eq(ferry_signal_restore(RT, NULL), 0);
	const struct sigaction after = action_of(RT);
	for (int signo = 1; signo <= 64; signo++)
		check_eq(sigismember(&after.sa_mask, signo), sigismember(&before.sa_mask, signo));
	check_eq(before.sa_flags, after.sa_flags);
	check(after.sa_sigaction == foreign_full);
}

static void who_sets_an_action_later_keeps_it(void)
{
	struct ferry_why why;

	catch_it(SIGUSR1, do_nothing);
	check(signal(SIGUSR1, foreign_plain) != SIG_ERR);
	kill(getpid(), SIGUSR1);
	check_eq(atomic_load(&foreign), 1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_restore(SIGUSR1, &why), -FERRY_EREPLACED);
	check(strstr(why.text, "SIGUSR1") != NULL);
	check(action_of(SIGUSR1).sa_handler == foreign_plain);
	/* A new catch is a new wish, and has what it found to give back. */
	catch_it(SIGUSR1, do_nothing);
	kill(getpid(), SIGUSR1);
	check_eq(atomic_load(&foreign), 2);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(ferry_signal_restore(SIGUSR1, NULL), 0);
	check(action_of(SIGUSR1).sa_handler == foreign_plain);
}

static void a_handler_without_sa_restart_still_ends_system_calls(void)
{
	const struct sigaction interrupting = { .sa_handler = foreign_plain };

	check_eq(sigaction(SIGUSR1, &interrupting, NULL), 0);
	catch_it(SIGUSR1, do_nothing);
	check_eq(action_of(SIGUSR1).sa_flags & SA_RESTART, 0);
	catch_it(SIGUSR2, do_nothing);
	check(action_of(SIGUSR2).sa_flags & SA_RESTART);
}

static void a_signalfd_beside_keeps_its_signals(void)
{
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	check_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	const int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	check(fd >= 0);
	catch_it(SIGUSR1, do_nothing);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), SIGUSR1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(read(fd, &info, sizeof info), sizeof info);
	check_eq(info.ssi_signo, SIGUSR2);
	close(fd);
}

static void interrupt_the_parent(struct stage *stage, const void *argument)
{
	const pid_t parent = getppid();

	(void)argument;
	for (int i = 0; i < 50; i++) {
		await(process_asleep(parent) || atomic_load(&stage->allowed));
		kill(parent, SIGUSR1);
	}
}

/* EINTR is nobody's business: not of waits for signals, not of the mailbox. */
static void no_call_ends_by_an_interruption(void)
{
	const struct sigaction interrupting = { .sa_handler = foreign_plain };
	struct peer peer;
	struct ferry_signal_info info;
	ferry_mailbox *box = box_open("orders", NULL);
	char byte;

	check_eq(sigaction(SIGUSR1, &interrupting, NULL), 0);
	catch_it(RT, NULL);
	peer_start(&peer, interrupt_the_parent, NULL);
	for (int i = 0; i < 5; i++) {
		check_eq(ferry_signal_wait(&info, FERRY_SIGNAL(RT), ferry_in_ms(20)), -ETIMEDOUT);
		check_eq(ferry_mailbox_receive(box, &byte, 1, ferry_in_ms(20)), -ETIMEDOUT);
	}
	peer_allow(&peer, 1);
	peer_join(&peer);
	check(atomic_load(&foreign) > 0);
	box_end(box, "orders");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(restoring_gives_back_what_was_there),
		claim(who_sets_an_action_later_keeps_it),
		claim(a_handler_without_sa_restart_still_ends_system_calls),
		claim(a_signalfd_beside_keeps_its_signals),
		claim(no_call_ends_by_an_interruption),
	};

	return claim_run_all(claims);
}
