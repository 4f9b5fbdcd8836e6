/* SPDX-License-Identifier: MIT */
/*
 * What POSIX and signal(7) say of signals that wait: what merges, what queues, in which order.
 * Sentences Q of docs/conformance/signal.md. Each is tried with sigwaitinfo(2) on blocked signals,
 * and with ferry_signal_wait() on signals that ferry caught.
 */
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"

#define RT (SIGRTMIN + 3)

/* One side: how signals are held back, and how the next one is taken. */
struct side {
	void (*hold)(int signo);
	int (*take)(siginfo_t *info); /* the number, or -EAGAIN */
};

static sigset_t held;

static void block(int signo)
{
	check_eq(sigaddset(&held, signo), 0);
	check_eq(sigprocmask(SIG_BLOCK, &held, NULL), 0);
}

static int take_from_kernel(siginfo_t *info)
{
	const struct timespec now = { 0, 0 };
	const int signo = sigtimedwait(&held, info, &now);

	return signo < 0 ? -errno : signo;
}

static void catch_it(int signo)
{
	check_eq(ferry_signal_catch(signo, NULL, NULL, NULL), 0);
}

static int take_from_ferry(siginfo_t *info)
{
	struct ferry_signal_info got = { 0 };
	const int signo = ferry_signal_wait(&got, FERRY_SIGNAL_CAUGHT, FERRY_NOW);

	memset(info, 0, sizeof(*info));
	info->si_signo = got.signo;
	info->si_code = got.code;
	info->si_pid = got.pid;
	info->si_uid = got.uid;
	info->si_value.sival_ptr = (void *)(intptr_t)got.payload;
	return signo;
}

static const struct side sides[] = {
	{ block, take_from_kernel },
	{ catch_it, take_from_ferry },
};

/* Each side has a process of its own, which begins with nothing held. */
static void on_both(void (*body)(struct stage *stage, const void *side))
{
	for (size_t i = 0; i < 2; i++) {
		struct peer peer;
		check_eq(sigemptyset(&held), 0);
		peer_start(&peer, body, &sides[i]);
		peer_join(&peer);
	}
}

static int queue(int signo, int value)
{
	const union sigval payload = { .sival_ptr = (void *)(intptr_t)value };

	return sigqueue(getpid(), signo, payload) == 0 ? 0 : -errno;
}

static void expect(const struct side *side, int signo, int value)
{
	siginfo_t info;

	check_eq(side->take(&info), signo);
	check_eq((intptr_t)info.si_value.sival_ptr, value);
	check_eq(info.si_code, SI_QUEUE);
	check_eq(info.si_pid, getpid());
	check_eq(info.si_uid, getuid());
}

static void expect_none(const struct side *side)
{
	siginfo_t info;

	check_eq(side->take(&info), -EAGAIN);
}

static void merge(struct stage *stage, const void *argument)
{
	const struct side *side = argument;

	(void)stage;
	side->hold(SIGUSR1);
	for (int i = 1; i <= 5; i++)
		check_eq(queue(SIGUSR1, i), 0);
	expect(side, SIGUSR1, 1);
	expect_none(side);
}

static void q1_equal_standard_signals_merge_and_the_first_one_stays(void)
{
	on_both(merge);
}

static void keep(struct stage *stage, const void *argument)
{
	const struct side *side = argument;

	(void)stage;
	side->hold(RT);
	for (int i = 1; i <= 1000; i++)
		check_eq(queue(RT, i), 0);
	for (int i = 1; i <= 1000; i++)
		expect(side, RT, i);
	expect_none(side);
}

static void q2_equal_real_time_signals_queue_in_order_with_their_payload(void)
{
	on_both(keep);
}

static void order(struct stage *stage, const void *argument)
{
	const struct side *side = argument;

	(void)stage;
	for (int i = 3; i >= 0; i--)
		side->hold(RT + i);
	for (int i = 3; i >= 0; i--) {
		check_eq(queue(RT + i, 10 * i), 0);
		check_eq(queue(RT + i, 10 * i + 1), 0);
	}
	for (int i = 0; i <= 3; i++) {
		expect(side, RT + i, 10 * i);
		expect(side, RT + i, 10 * i + 1);
	}
	expect_none(side);
}

static void q3_lower_real_time_number_comes_first(void)
{
	on_both(order);
}

static void standard_first(struct stage *stage, const void *argument)
{
	const struct side *side = argument;

	(void)stage;
	side->hold(RT);
	side->hold(SIGUSR2);
	check_eq(queue(RT, 1), 0);
	check_eq(queue(SIGUSR2, 2), 0);
	expect(side, SIGUSR2, 2);
	expect(side, RT, 1);
	expect_none(side);
}

static void q4_standard_signals_come_before_real_time_ones(void)
{
	on_both(standard_first);
}

static void plain_kill(struct stage *stage, const void *argument)
{
	const struct side *side = argument;
	siginfo_t info;

	(void)stage;
	side->hold(RT);
	check_eq(kill(getpid(), RT), 0);
	check_eq(kill(getpid(), RT), 0);
	for (int i = 0; i < 2; i++) {
		check_eq(side->take(&info), RT);
		check_eq(info.si_code, SI_USER);
		check_eq(info.si_pid, getpid());
	}
	expect_none(side);
}

static void q5_kill_queues_real_time_signals_too(void)
{
	on_both(plain_kill);
}

/* ferry's own queue lies before the kernel's, so more fit; the limit is met in the end. */
static void overflow(struct stage *stage, const void *argument)
{
	const struct side *side = argument;
	const struct rlimit few = { 100, 100 };
	int sent = 0;
	int r;

	(void)stage;
	side->hold(RT);
	check_eq(setrlimit(RLIMIT_SIGPENDING, &few), 0);
	while ((r = queue(RT, sent)) == 0)
		check(++sent < 100000);
	check_eq(r, -EAGAIN);
	check(sent > 0);
	for (int i = 0; i < sent; i++)
		expect(side, RT, i);
	expect_none(side);
}

static void q6_beyond_the_limit_sending_is_eagain_and_nothing_is_lost(void)
{
	on_both(overflow);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(q1_equal_standard_signals_merge_and_the_first_one_stays),
		claim(q2_equal_real_time_signals_queue_in_order_with_their_payload),
		claim(q3_lower_real_time_number_comes_first),
		claim(q4_standard_signals_come_before_real_time_ones),
		claim(q5_kill_queues_real_time_signals_too),
		claim(q6_beyond_the_limit_sending_is_eagain_and_nothing_is_lost),
	};

	return claim_run_all(claims);
}
