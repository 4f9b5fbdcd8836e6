/* SPDX-License-Identifier: MIT */
/*
 * bench_signal.c - ferry bench signal: its rows, ferry's and the kernel's ways of telling a process
 * something by a signal, and what is promised. Starting programs: bench_spawn.c.
 *
 * A message is its number alone, which is the signal's payload. Each direction has a process that
 * receives; it is told to the other by its pid, in shared memory.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/ferry.h>

#include "bench.h"
#include "bench_run.h"
#include "bench_spawn.h"
#include "bench_transports.h"

#define SIGNO (SIGRTMIN + 1)

/* In the shared memory of a channel. */
struct meeting {
	_Atomic pid_t pid[2];                               /* of the processes 0 and 1 */
	_Atomic uint32_t bell __attribute__((aligned(64))); /* counts what a thread handed over */
};

static struct meeting *meeting_of(const struct bench_channel *c)
{
	return c->shared;
}

static int receives(const struct bench_channel *c)
{
	return c->process != c->direction;
}

/* ---- both ---- */

static int create_meeting(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	return bench_share(c, sizeof(struct meeting));
}

static int attach(struct bench_channel *c)
{
	atomic_store(&meeting_of(c)->pid[c->process], getpid());
	return 0;
}

static int block(const struct bench_channel *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNO);
	return receives(c) && sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static pid_t other(const struct bench_channel *c)
{
	return atomic_load(&meeting_of(c)->pid[c->process ^ 1]);
}

static int give_number(struct bench_channel *c, uint64_t number, void **ret_data)
{
	*(uint64_t *)c->room = number;
	*ret_data = c->room;
	return 0;
}

/* ---- ferry ---- */

static int send_ferry(struct bench_channel *c, const void *data)
{
	int e = c->handle ? 0 : ferry_process_open((ferry_process **)&c->handle, other(c), 0, NULL);

	while (e == 0) {
		e = ferry_signal_send(c->handle, SIGNO, *(const int64_t *)data);
		if (e != -EAGAIN)
			return e;
		sched_yield(); /* as many wait as the user may have */
		e = 0;
	}
	return e;
}

static int attach_waiter(struct bench_channel *c)
{
	int e = attach(c);

	return e == 0 && receives(c) ? ferry_signal_catch(SIGNO, NULL, NULL, NULL) : e;
}

static int attach_blocked_waiter(struct bench_channel *c)
{
	int e = block(c);

	return e < 0 ? e : attach_waiter(c);
}

static int wait_ferry(struct bench_channel *c, void **ret_data)
{
	struct ferry_signal_info info;
	int e = ferry_signal_wait(&info, FERRY_SIGNAL(SIGNO), FERRY_FOREVER);

	return e < 0 ? e : give_number(c, (uint64_t)info.payload, ret_data);
}

static int note(const struct ferry_signal_info *info, void *number)
{
	*(uint64_t *)number = (uint64_t)info->payload;
	return 0;
}

static int attach_dispatcher(struct bench_channel *c)
{
	int e = attach(c);

	return e == 0 && receives(c) ? ferry_signal_catch(SIGNO, note, c->room, NULL) : e;
}

static int dispatch(struct bench_channel *c, void **ret_data)
{
	int e = ferry_signal_dispatch(FERRY_FOREVER);

	*ret_data = c->room;
	return e < 0 ? e : 0;
}

/* In ferry's thread: hand it over to the one that measures, as a program would. */
static int hand_over(const struct ferry_signal_info *info, void *channel)
{
	struct bench_channel *c = channel;
	_Atomic uint32_t *bell = &meeting_of(c)->bell;

	*(uint64_t *)c->room = (uint64_t)info->payload;
	atomic_fetch_add(bell, 1);
	syscall(SYS_futex, bell, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

static int attach_thread(struct bench_channel *c)
{
	int e = attach(c);

	if (e < 0 || !receives(c))
		return e;
	e = ferry_signal_catch(SIGNO, hand_over, c, NULL);
	return e < 0 ? e : ferry_signal_thread_start();
}

static int receive_handed(struct bench_channel *c, void **ret_data)
{
	_Atomic uint32_t *bell = &meeting_of(c)->bell;

	while (atomic_load(bell) == (uint32_t)c->position)
		syscall(SYS_futex, bell, FUTEX_WAIT, (uint32_t)c->position, NULL, NULL, 0);
	c->position++;
	*ret_data = c->room;
	return 0;
}

#define MEET .create = create_meeting, .remove = bench_unshare

static const struct bench_peer ferry_wait_peer = {
	.name = "ferry wait",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM,
	MEET,
	.attach = attach_waiter,
	.send = send_ferry,
	.receive = wait_ferry,
};

static const struct bench_peer ferry_blocked = {
	.name = "ferry blocked",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM,
	MEET,
	.attach = attach_blocked_waiter,
	.send = send_ferry,
	.receive = wait_ferry,
};

static const struct bench_peer ferry_dispatch_peer = {
	.name = "ferry dispatch",
	.waits = "sleeps, runs a handler",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM,
	MEET,
	.attach = attach_dispatcher,
	.send = send_ferry,
	.receive = dispatch,
};

static const struct bench_peer ferry_thread_peer = {
	.name = "ferry thread",
	.waits = "handler in a thread, a futex on",
	.abilities = BENCH_ROUNDTRIP,
	MEET,
	.attach = attach_thread,
	.send = send_ferry,
	.receive = receive_handed,
};

/* ---- the kernel's ---- */

static int send_kernel(struct bench_channel *c, const void *data)
{
	const union sigval value = { .sival_ptr = *(void *const *)data };

	while (sigqueue(other(c), SIGNO, value) < 0) {
		if (errno != EAGAIN)
			return -errno;
		sched_yield();
	}
	return 0;
}

static int attach_blocked(struct bench_channel *c)
{
	int e = block(c);

	return e < 0 ? e : attach(c);
}

static int wait_kernel(struct bench_channel *c, void **ret_data)
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNO);
	if (sigwaitinfo(&set, &info) < 0)
		return -errno;
	return give_number(c, (uint64_t)info.si_value.sival_ptr, ret_data);
}

static int attach_signalfd(struct bench_channel *c)
{
	int e = attach_blocked(c);
	sigset_t set;

	if (e < 0 || !receives(c))
		return e;
	sigemptyset(&set);
	sigaddset(&set, SIGNO);
	c->fd[0] = signalfd(-1, &set, SFD_CLOEXEC);
	return c->fd[0] < 0 ? -errno : 0;
}

static int read_signalfd(struct bench_channel *c, void **ret_data)
{
	struct signalfd_siginfo info;

	if (read(c->fd[0], &info, sizeof(info)) != sizeof(info))
		return -errno;
	return give_number(c, info.ssi_ptr, ret_data);
}

/* A counter: what is written is added up, so one number at a time comes out as it went in. */
static int create_eventfd(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	c->fd[0] = eventfd(0, EFD_CLOEXEC);
	return c->fd[0] < 0 ? -errno : 0;
}

static void close_eventfd(struct bench_channel *c)
{
	close(c->fd[0]);
}

static int write_eventfd(struct bench_channel *c, const void *data)
{
	return write(c->fd[0], data, sizeof(uint64_t)) < 0 ? -errno : 0;
}

static int read_eventfd(struct bench_channel *c, void **ret_data)
{
	*ret_data = c->room;
	return read(c->fd[0], c->room, sizeof(uint64_t)) < 0 ? -errno : 0;
}

static const struct bench_peer kernel_wait = {
	.name = "sigwaitinfo",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM,
	MEET,
	.attach = attach_blocked,
	.send = send_kernel,
	.receive = wait_kernel,
};

static const struct bench_peer kernel_signalfd = {
	.name = "signalfd",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP | BENCH_STREAM,
	MEET,
	.attach = attach_signalfd,
	.send = send_kernel,
	.receive = read_signalfd,
};

static const struct bench_peer kernel_eventfd = {
	.name = "eventfd",
	.waits = "sleeps",
	.abilities = BENCH_ROUNDTRIP,
	.create = create_eventfd,
	.remove = close_eventfd,
	.send = write_eventfd,
	.receive = read_eventfd,
};

/* ---- the bare call: to a process that ignores the signal ---- */

static int create_target(struct bench_channel *c, const struct bench_channel *there)
{
	(void)there;
	pid_t pid = bench_fork(2);

	if (pid == 0)
		for (;;)
			pause();
	c->queue = pid;
	return pid < 0 ? pid : 0;
}

static void end_target(struct bench_channel *c)
{
	kill(c->queue, SIGKILL);
	waitpid(c->queue, NULL, 0);
}

static int open_target(struct bench_channel *c)
{
	return ferry_process_open((ferry_process **)&c->handle, c->queue, 0, NULL);
}

static int call_ferry(struct bench_channel *c, const void *data)
{
	return ferry_signal_send(c->handle, SIGURG, *(const int64_t *)data);
}

static int call_sigqueue(struct bench_channel *c, const void *data)
{
	const union sigval value = { .sival_ptr = *(void *const *)data };

	return sigqueue(c->queue, SIGURG, value) < 0 ? -errno : 0;
}

static int call_kill(struct bench_channel *c, const void *data)
{
	(void)data;
	return kill(c->queue, SIGURG) < 0 ? -errno : 0;
}

static int call_pidfd(struct bench_channel *c, const void *data)
{
	int fd = ferry_process_fd(c->handle);

	(void)data;
	return syscall(SYS_pidfd_send_signal, fd, SIGURG, NULL, 0) < 0 ? -errno : 0;
}

#define TARGET                                                                                     \
	.abilities = BENCH_CALL, .create = create_target, .remove = end_target,                    \
	.attach = open_target

static const struct bench_peer send_by_ferry = {
	.name = "ferry",
	TARGET,
	.send = call_ferry,
};
static const struct bench_peer send_by_sigqueue = {
	.name = "sigqueue",
	TARGET,
	.send = call_sigqueue,
};
static const struct bench_peer send_by_kill = {
	.name = "kill",
	TARGET,
	.send = call_kill,
};
static const struct bench_peer send_by_pidfd = {
	.name = "pidfd_send_signal",
	TARGET,
	.send = call_pidfd,
};

/* ---- what is measured ---- */

static const struct bench_peer *const deliveries[] = {
	&bench_futex,         &ferry_wait_peer,   &ferry_blocked,
	&ferry_dispatch_peer, &ferry_thread_peer, &kernel_wait,
	&kernel_signalfd,     &kernel_eventfd,    NULL,
};

static const struct bench_peer *const sends[] = {
	&send_by_ferry, &send_by_sigqueue, &send_by_pidfd, &send_by_kill, NULL,
};

enum { ROUNDTRIP, STREAM, SEND, SPAWN };

static const struct bench_row rows[] = {
	[ROUNDTRIP] = { "roundtrip", "A signal there and one back", BENCH_ROUNDTRIPS, 8, 1, 1 },
	[STREAM] = { "stream", "Real-time signals, each with a number", BENCH_STREAMS, 8, 1, 1 },
	[SEND] = { "send", "Sending to one that ignores it", BENCH_CALLS, 8, 1, 0 },
	[SPAWN] = { "spawn", "Starting /bin/true and waiting for its end", BENCH_CALLS, 8, 1, 0 },
	{ 0 },
};

static const struct bench_peer *const *peers_of(const struct bench_row *row)
{
	static const struct bench_peer *const *const of[] = {
		[ROUNDTRIP] = deliveries,
		[STREAM] = deliveries,
		[SEND] = sends,
		[SPAWN] = bench_spawns,
	};

	return of[row - rows];
}

static const char *baseline_of(const struct bench_row *row)
{
	static const char *const of[] = {
		[ROUNDTRIP] = "sigwaitinfo",
		[STREAM] = "sigwaitinfo",
		[SEND] = "sigqueue",
		[SPAWN] = "posix_spawn",
	};

	return of[row - rows];
}

static const struct bench_target targets[] = {
	{ "there and back, waited for, p50: to sigwaitinfo", "roundtrip", "ferry wait",
	  "sigwaitinfo", NULL, BENCH_P50, true, 1.1, 1 },
	{ "the same, dispatched: to sigwaitinfo", "roundtrip", "ferry dispatch", "sigwaitinfo",
	  NULL, BENCH_P50, true, 1.1, 1 },
	{ "the same, waited for: to signalfd", "roundtrip", "ferry wait", "signalfd", NULL,
	  BENCH_P50, true, 1.1, 0 },
	{ "sending, p50: to sigqueue", "send", "ferry", "sigqueue", NULL, BENCH_P50, true, 1, 0 },
	{ "programs started a second: to posix_spawn", "spawn", "ferry", "posix_spawn", NULL,
	  BENCH_RATE, false, 0.95, 1 },
	{ 0 },
};

const struct bench_family bench_signals = {
	.name = "signal",
	.what = "beside sigwaitinfo, signalfd and eventfd; sigqueue; posix_spawn",
	.rows = rows,
	.peers = deliveries,
	.peers_of = peers_of,
	.targets = targets,
	.baseline = "sigwaitinfo",
	.baseline_of = baseline_of,
};
