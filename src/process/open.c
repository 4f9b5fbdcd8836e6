/* SPDX-License-Identifier: MIT */
/* open.c - handles on processes. */
#include <errno.h>
#include <ferry/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/pidfd.h"
#include "../os/process.h"
#include "process.h"

/* Another thread of the parent may have held it, to look whether the process has ended; what it
 * found counts when it was done. */
static void after_fork_child(void *handle)
{
	struct ferry_process *process = handle;

	(void)pthread_mutex_init(&process->mutex, NULL);
}

static const struct fy_inheritance inheritance = { .in_child = after_fork_child };

struct ferry_process *fy_process_new(pid_t pid, int pidfd)
{
	struct ferry_process *process = calloc(1, sizeof(*process));

	if (!process)
		return NULL;
	process->pid = pid;
	process->fd = pidfd;
	(void)pthread_mutex_init(&process->mutex, NULL);
	fy_inherit(&process->inherited, &inheritance, process);
	return process;
}

void fy_process_free(struct ferry_process *process)
{
	fy_disinherit(&process->inherited);
	(void)close(process->fd);
	(void)pthread_mutex_destroy(&process->mutex);
	free(process);
}

static int open_process(ferry_process **ret_process, pid_t pid, uint64_t started,
			struct ferry_why *why)
{
	int r = fy_fork_init();
	int fd = r < 0 ? r : fy_pidfd_open(pid);

	if (fd < 0)
		return fy_why(why, fd, "cannot open process %d: %s", (int)pid, ferry_strerror(fd));
	uint64_t now = started != 0 ? fy_process_started(pid) : 0;
	/* What /proc told was of this very process if the number is still its own. */
	r = started != 0 ? fy_pidfd_send(fd, 0, NULL) : 0;
	if (r == -ESRCH || (now != 0 && now != started))
		r = fy_why(why, -ESRCH,
			   "process %d that started at tick %llu is gone; its number is another's",
			   (int)pid, (unsigned long long)started);
	else if (started != 0 && now == 0)
		r = fy_why(why, -EACCES, "/proc does not tell when process %d started", (int)pid);
	else
		r = 0; /* that we may not send to it is no reason not to wait for it */
	struct ferry_process *process = r == 0 ? fy_process_new(pid, fd) : NULL;
	if (!process) {
		(void)close(fd);
		return r < 0 ? r : -ENOMEM;
	}
	/* RELAXED(nobody else has the handle yet) */
	atomic_init(&process->started, started);
	*ret_process = process;
	return 0;
}

int ferry_process_open(ferry_process **ret_process, pid_t pid, uint64_t started,
		       struct ferry_why *why)
{
	if (!ret_process || pid < 1)
		return fy_why(why, -EINVAL, "%d is not the number of a process", (int)pid);
	int cancel = fy_cancel_off();
	int r = open_process(ret_process, pid, started, why);
	fy_cancel_restore(cancel);
	return r;
}

int ferry_process_open_member(ferry_process **ret_process, const struct ferry_member *member,
			      struct ferry_why *why)
{
	if (!member)
		return fy_why(why, -EINVAL, "no member was given");
	if (!member->same_namespace)
		return fy_why(why, -FERRY_ENAMESPACE,
			      "member %u (%s) lives in another PID namespace, where it is pid %d",
			      member->number, member->program, (int)member->pid);
	if (!member->alive)
		return fy_why(why, -ESRCH, "member %u (%s) is dead", member->number,
			      member->program);
	return ferry_process_open(ret_process, member->pid, member->started, why);
}

void ferry_process_close(ferry_process *process)
{
	if (!process)
		return;
	int cancel = fy_cancel_off();
	if (process->child_of != 0)
		fy_child_close(process);
	else
		fy_process_free(process);
	fy_child_reap_closed();
	fy_cancel_restore(cancel);
}

pid_t ferry_process_pid(const ferry_process *process)
{
	return process ? process->pid : -EINVAL;
}

uint64_t ferry_process_started(const ferry_process *process)
{
	if (!process)
		return 0;
	/* RELAXED(a number that is always the same once it is there) */
	uint64_t started = atomic_load_explicit(&process->started, memory_order_relaxed);

	if (started != 0)
		return started;
	int cancel = fy_cancel_off();
	started = fy_process_started(process->pid);
	fy_cancel_restore(cancel);
	/* Still its own number? Then what we read was of it. */
	return fy_pidfd_send(process->fd, 0, NULL) == -ESRCH ? 0 : started;
}

int ferry_process_fd(const ferry_process *process)
{
	return process->fd;
}
