/* SPDX-License-Identifier: MIT */
/* In a program that runs libuv's loop: each sees its own signals and its own children. */
#include <errno.h>
#include <ferry/ferry.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "box.h"
#include "check.h"
#include "claim.h"

#define CHILDREN 20

/* Run the loop until a condition holds. */
#define run_until(loop, condition)                                                                 \
	do {                                                                                       \
		const int64_t give_up = clock_ns() + CHECK_AWAIT_NS;                               \
		while (!(condition)) {                                                             \
			check(clock_ns() < give_up);                                               \
			(void)uv_run(loop, UV_RUN_NOWAIT);                                         \
			clock_pause();                                                             \
		}                                                                                  \
	} while (0)

static void close_it(uv_handle_t *handle, void *unused)
{
	(void)unused;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Everything that libuv has open, so that the claim's leftovers are ferry's. */
static void end_loop(uv_loop_t *loop)
{
	uv_walk(loop, close_it, NULL);
	check_eq(uv_run(loop, UV_RUN_DEFAULT), 0);
	check_eq(uv_loop_close(loop), 0);
	uv_library_shutdown();
}

/* ---- signals ---- */

static int seen_by_uv[65], seen_by_ferry[65];

static void uv_saw(uv_signal_t *watcher, int signo)
{
	(void)watcher;
	seen_by_uv[signo]++;
}

static int ferry_saw(const struct ferry_signal_info *info, void *unused)
{
	(void)unused;
	seen_by_ferry[info->signo]++;
	return 0;
}

static void dispatch_all(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	(void)events;
	check_eq(status, 0);
	while (ferry_signal_dispatch(FERRY_NOW) > 0)
		;
}

static void watch(uv_loop_t *loop, uv_signal_t *watcher, int signo)
{
	check_eq(uv_signal_init(loop, watcher), 0);
	check_eq(uv_signal_start(watcher, uv_saw, signo), 0);
}

static void dispatch_in_loop(uv_loop_t *loop, uv_poll_t *poll)
{
	check_eq(uv_poll_init(loop, poll, ferry_signal_fd()), 0);
	check_eq(uv_poll_start(poll, UV_READABLE, dispatch_all), 0);
}

static void each_sees_its_own_signals(void)
{
	uv_loop_t loop;
	uv_signal_t usr1;
	uv_poll_t poll;

	check_eq(uv_loop_init(&loop), 0);
	watch(&loop, &usr1, SIGUSR1);
	check_eq(ferry_signal_catch(SIGUSR2, ferry_saw, NULL, NULL), 0);
	dispatch_in_loop(&loop, &poll);
	for (int i = 1; i <= 50; i++) {
		check_eq(raise(SIGUSR1), 0);
		check_eq(raise(SIGUSR2), 0);
		run_until(&loop, seen_by_uv[SIGUSR1] == i && seen_by_ferry[SIGUSR2] == i);
	}
	check_eq(seen_by_uv[SIGUSR2], 0);
	check_eq(seen_by_ferry[SIGUSR1], 0);
	end_loop(&loop);
	check_eq(ferry_signal_restore(SIGUSR2, NULL), 0);
	close(ferry_signal_fd()); /* for the claim's own books: nothing comes any more */
}

/* Who came first goes on being called by who came later, if that one is ferry. */
static void a_signal_that_both_want_reaches_both(void)
{
	uv_loop_t loop;
	uv_signal_t hup;
	uv_poll_t poll;

	check_eq(uv_loop_init(&loop), 0);
	watch(&loop, &hup, SIGHUP);
	check_eq(ferry_signal_catch(SIGHUP, ferry_saw, NULL, NULL), 0);
	dispatch_in_loop(&loop, &poll);
	check_eq(raise(SIGHUP), 0);
	run_until(&loop, seen_by_uv[SIGHUP] == 1 && seen_by_ferry[SIGHUP] == 1);
	check_eq(ferry_signal_restore(SIGHUP, NULL), 0);
	check_eq(raise(SIGHUP), 0);
	run_until(&loop, seen_by_uv[SIGHUP] == 2);
	check_eq(seen_by_ferry[SIGHUP], 1);
	end_loop(&loop);
	close(ferry_signal_fd());
}

static void a_signal_that_libuv_takes_later_is_its_own(void)
{
	uv_loop_t loop;
	uv_signal_t hup;

	check_eq(uv_loop_init(&loop), 0);
	check_eq(ferry_signal_catch(SIGHUP, ferry_saw, NULL, NULL), 0);
	watch(&loop, &hup, SIGHUP);
	check_eq(raise(SIGHUP), 0);
	run_until(&loop, seen_by_uv[SIGHUP] == 1);
	check_eq(ferry_signal_dispatch(FERRY_NOW), -EAGAIN);
	check_eq(ferry_signal_restore(SIGHUP, NULL), -FERRY_EREPLACED);
	check_eq(raise(SIGHUP), 0);
	run_until(&loop, seen_by_uv[SIGHUP] == 2);
	end_loop(&loop);
}

/* ---- children ---- */

static int ended_by_uv;

static void uv_child_ended(uv_process_t *process, int64_t status, int signo)
{
	check_eq(status, 11);
	check_eq(signo, 0);
	ended_by_uv++;
	uv_close((uv_handle_t *)process, NULL);
}

static char sh[] = "sh", dash_c[] = "-c", exit_11[] = "exit 11", exit_22[] = "exit 22";

static void spawn_by_uv(uv_loop_t *loop, uv_process_t *process)
{
	char *arguments[] = { sh, dash_c, exit_11, NULL };
	uv_process_options_t options = {
		.file = sh,
		.args = arguments,
		.exit_cb = uv_child_ended,
	};

	check_eq(uv_spawn(loop, process, &options), 0);
}

static ferry_process *spawn_by_ferry(void)
{
	char *const arguments[] = { sh, dash_c, exit_22, NULL };
	ferry_process *process;

	check_eq(ferry_spawn(&process, FERRY_SPAWN_OPTIONS(.program = sh, .arguments = arguments)),
		 0);
	return process;
}

static int collect(ferry_process *process[CHILDREN])
{
	struct ferry_process_end end;
	int left = 0;

	for (int i = 0; i < CHILDREN; i++) {
		if (process[i] && ferry_process_wait(process[i], &end, FERRY_NOW) == 0) {
			check_eq(end.known, 1);
			check_eq(end.code, 22);
			ferry_process_close(process[i]);
			process[i] = NULL;
		}
		left += process[i] != NULL;
	}
	return left;
}

/* libuv's SIGCHLD handler and ferry's pidfds: nobody takes the other's. */
static void each_collects_its_own_children(void)
{
	uv_loop_t loop;
	uv_process_t theirs[CHILDREN];
	ferry_process *ours[CHILDREN];

	check_eq(uv_loop_init(&loop), 0);
	for (int i = 0; i < CHILDREN; i++) {
		spawn_by_uv(&loop, &theirs[i]);
		ours[i] = spawn_by_ferry();
	}
	run_until(&loop, (collect(ours) == 0) & (ended_by_uv == CHILDREN));
	end_loop(&loop);
}

static int ended_by_ferry;

static void ferry_child_ended(uv_poll_t *poll, int status, int events)
{
	ferry_process *process = poll->data;
	struct ferry_process_end end;

	(void)events;
	check_eq(status, 0);
	check_eq(ferry_process_wait(process, &end, FERRY_NOW), 0);
	check_eq(end.code, 22);
	ended_by_ferry++;
	uv_close((uv_handle_t *)poll, NULL);
}

static void the_loop_is_told_of_the_end_of_ferrys_child(void)
{
	uv_loop_t loop;
	uv_process_t theirs;
	uv_poll_t poll;
	ferry_process *process = spawn_by_ferry();

	check_eq(uv_loop_init(&loop), 0);
	spawn_by_uv(&loop, &theirs);
	check_eq(uv_poll_init(&loop, &poll, ferry_process_fd(process)), 0);
	poll.data = process;
	check_eq(uv_poll_start(&poll, UV_READABLE, ferry_child_ended), 0);
	run_until(&loop, ended_by_ferry == 1 && ended_by_uv == 1);
	ferry_process_close(process);
	end_loop(&loop);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(each_sees_its_own_signals),
		claim(a_signal_that_both_want_reaches_both),
		claim(a_signal_that_libuv_takes_later_is_its_own),
		claim(each_collects_its_own_children),
		claim(the_loop_is_told_of_the_end_of_ferrys_child),
	};

	return claim_run_all(claims);
}
