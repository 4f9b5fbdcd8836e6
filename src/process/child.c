/* SPDX-License-Identifier: MIT */
/* child.c - the ends of processes: waiting for them, and reaping what is ours. */
#include <errno.h>
#include <ferry/error.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../os/cancel.h"
#include "../os/clock.h"
#include "../os/fork.h"
#include "../os/futex.h"
#include "../os/pidfd.h"
#include "../wait/nap.h"
#include "process.h"

#define REAPED_A_CALL 16 /* closed handles that one call looks after */

int fy_process_is_ours(const struct ferry_process *process)
{
	return process->child_of != 0 && !fy_fork_is_child(process->child_of);
}

/* ---- how it ended ---- */

static int64_t ns_of(struct timeval time)
{
	return time.tv_sec * FY_S + time.tv_usec * (FY_MS / 1000);
}

void fy_process_describe(struct ferry_process_end *ret_end, int code, int status,
			 const struct rusage *usage)
{
	struct ferry_process_end end = { .known = 1, .exited = code == CLD_EXITED };

	if (end.exited)
		end.code = status;
	else
		end.signal = status;
	end.core = code == CLD_DUMPED;
	if (usage) {
		end.used = 1;
		end.user = ns_of(usage->ru_utime);
		end.system = ns_of(usage->ru_stime);
		end.memory = (uint64_t)usage->ru_maxrss * 1024;
		end.faults_minor = (uint64_t)usage->ru_minflt;
		end.faults_major = (uint64_t)usage->ru_majflt;
		end.switches_voluntary = (uint64_t)usage->ru_nvcsw;
		end.switches_forced = (uint64_t)usage->ru_nivcsw;
	}
	*ret_end = end;
}

/* What the kernel remembers for a pidfd after somebody else has reaped the process. */
static void describe_reaped(struct ferry_process_end *ret_end, int fd)
{
	struct ferry_process_end end = { 0 };
	int status;

	if (fy_pidfd_status(fd, &status) == 0) {
		end.known = 1;
		end.exited = WIFEXITED(status);
		end.code = end.exited ? WEXITSTATUS(status) : 0;
		end.signal = end.exited ? 0 : WTERMSIG(status);
		end.core = !end.exited && WCOREDUMP(status);
	}
	*ret_end = end;
}

/* Called with the mutex held. A child of ours is reaped; another child is looked at and left; what
 * is no child tells no more than that it has ended. */
static int collect(struct ferry_process *process, int ours)
{
	siginfo_t info;
	struct rusage usage;
	int look = ours ? 0 : WNOWAIT;
	int r =
	    fy_waitid(P_PIDFD, (id_t)process->fd, WEXITED | WNOHANG | __WALL | look, &info, &usage);

	if (r > 0) {
		fy_process_describe(&process->end, info.si_code, info.si_status, &usage);
		return 1;
	}
	/* A child that lives; or no child: of others we see that they ended. */
	if (r == 0 || !fy_pidfd_ended(process->fd))
		return 0;
	describe_reaped(&process->end, process->fd);
	return 1;
}

int fy_process_collect(struct ferry_process *process)
{
	int ours = fy_process_is_ours(process);

	if (ours)
		fy_child_begin();
	(void)pthread_mutex_lock(&process->mutex);
	/* What is a zombie now may tell more when somebody has reaped it. */
	if (!process->ended || !process->end.known)
		process->ended = collect(process, ours);
	int ended = process->ended;
	(void)pthread_mutex_unlock(&process->mutex);
	if (ours)
		fy_child_end();
	return ended;
}

/* The process is a zombie, but not for us to see: somebody traces it, and sees it first. */
static void nap(int64_t deadline)
{
	static _Atomic uint32_t never;
	int64_t end = fy_now() + FY_NAP;

	(void)fy_futex_wait(&never, 0, deadline < end ? deadline : end);
}

/* Asking the pidfd comes first: who waits for a child that lives asks once and reaps once. */
static int wait_for(ferry_process *process, ferry_deadline deadline)
{
	for (;;) {
		int r = fy_pidfd_wait(process->fd, deadline);
		if (r < 0)
			return r;
		if (fy_process_collect(process))
			return 0;
		if (deadline != FERRY_FOREVER && fy_now() >= deadline)
			return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
		nap(deadline);
	}
}

int ferry_process_wait(ferry_process *process, struct ferry_process_end *ret_end,
		       ferry_deadline deadline)
{
	if (!process)
		return -EINVAL;
	int cancel = fy_cancel_off();
	int r = wait_for(process, deadline);
	if (r == 0 && ret_end) {
		(void)pthread_mutex_lock(&process->mutex);
		*ret_end = process->end;
		(void)pthread_mutex_unlock(&process->mutex);
	}
	fy_cancel_restore(cancel);
	return r;
}

/* ---- the registry ---- */

#define BUCKETS 256

static pthread_rwlock_t making = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over the lists */
static struct ferry_process *children[BUCKETS];           /* by pid */
static struct ferry_process *closed;                      /* a queue of those without a handle */
static struct ferry_process **closed_end = &closed;
static uint32_t lists_of; /* the process (os/fork.h) whose children they are */

static void before_fork(void)
{
	(void)pthread_rwlock_wrlock(&making);
	(void)pthread_mutex_lock(&mutex);
}

static void after_fork_parent(void)
{
	(void)pthread_mutex_unlock(&mutex);
	(void)pthread_rwlock_unlock(&making);
}

/* The lock remembers by number which thread wrote, and the child's has another. */
static void after_fork_child(void)
{
	(void)pthread_mutex_unlock(&mutex);
	(void)pthread_rwlock_init(&making, NULL);
}

static void watch_forks(void)
{
	(void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* A forked child has none of its parent's children. */
static void lock_lists(void)
{
	(void)pthread_mutex_lock(&mutex);
	if (lists_of == fy_fork_generation())
		return;
	memset(children, 0, sizeof(children));
	closed = NULL;
	closed_end = &closed;
	lists_of = fy_fork_generation();
}

static void unlock_lists(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

static struct ferry_process **bucket(pid_t pid)
{
	return &children[(uint32_t)pid % BUCKETS];
}

static void enlist(struct ferry_process *process)
{
	struct ferry_process **list = bucket(process->pid);

	process->previous = NULL;
	process->next = *list;
	if (*list)
		(*list)->previous = process;
	*list = process;
}

static void delist(struct ferry_process *process)
{
	if (process->previous)
		process->previous->next = process->next;
	else
		*bucket(process->pid) = process->next;
	if (process->next)
		process->next->previous = process->previous;
}

static void queue_closed(struct ferry_process *process)
{
	process->next_closed = NULL;
	*closed_end = process;
	closed_end = &process->next_closed;
}

static struct ferry_process *next_closed(void)
{
	struct ferry_process *process = closed;

	if (process) {
		closed = process->next_closed;
		if (!closed)
			closed_end = &closed;
	}
	return process;
}

void fy_child_begin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, watch_forks);
	(void)pthread_rwlock_rdlock(&making);
}

void fy_child_add(struct ferry_process *process)
{
	process->child_of = fy_fork_generation();
	lock_lists();
	enlist(process);
	unlock_lists();
}

void fy_child_end(void)
{
	(void)pthread_rwlock_unlock(&making);
}

void fy_child_close(struct ferry_process *process)
{
	/* A parent's child is in the parent's lists. */
	if (!fy_process_is_ours(process)) {
		fy_process_free(process);
		return;
	}
	lock_lists();
	queue_closed(process);
	unlock_lists();
}

void fy_child_reap_closed(void)
{
	struct ferry_process *process = NULL;

	for (int i = 0; i < REAPED_A_CALL; i++) {
		lock_lists();
		if (process)
			queue_closed(process);
		process = next_closed();
		unlock_lists();
		if (!process)
			return;
		if (!fy_process_collect(process))
			continue;
		lock_lists();
		delist(process);
		unlock_lists();
		fy_process_free(process);
		process = NULL;
	}
	if (!process)
		return;
	lock_lists();
	queue_closed(process);
	unlock_lists();
}

/* ---- orphans ---- */

/* 1 if it was a child of a handle, which now knows its end. */
static int store_end(pid_t pid, const struct ferry_process_end *end)
{
	lock_lists();
	struct ferry_process *process = *bucket(pid);
	while (process && (process->pid != pid || process->ended))
		process = process->next;
	if (process) {
		process->end = *end;
		process->ended = 1;
	}
	unlock_lists();
	return process != NULL;
}

static int reap_orphans(int (*ended)(pid_t pid, const struct ferry_process_end *end, void *context),
			void *context)
{
	struct ferry_process_end end;
	siginfo_t info;
	struct rusage usage;
	int reaped = 0;

	for (;;) {
		(void)pthread_rwlock_wrlock(&making);
		int r = fy_waitid(P_ALL, 0, WEXITED | WNOHANG | __WALL, &info, &usage);
		int known = 0;
		if (r > 0) {
			fy_process_describe(&end, info.si_code, info.si_status, &usage);
			known = store_end(info.si_pid, &end);
		}
		(void)pthread_rwlock_unlock(&making);
		if (r <= 0)
			return r == 0 || r == -ECHILD ? reaped : r;
		if (known)
			continue;
		reaped++;
		int stop = ended ? ended(info.si_pid, &end, context) : 0;
		if (stop != 0)
			return stop;
	}
}

int ferry_reap_orphans(int (*ended)(pid_t pid, const struct ferry_process_end *end, void *context),
		       void *context)
{
	int cancel = fy_cancel_off();
	int r = fy_fork_init();

	if (r == 0)
		r = reap_orphans(ended, context);
	fy_child_reap_closed();
	fy_cancel_restore(cancel);
	return r;
}

int ferry_adopt_orphans(int on)
{
	return prctl(PR_SET_CHILD_SUBREAPER, on != 0) == 0 ? 0 : -errno;
}
