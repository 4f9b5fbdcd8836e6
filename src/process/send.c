/* SPDX-License-Identifier: MIT */
/* send.c - signals to a process, to the members of an object, to a process group. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/fork.h"
#include "../os/pidfd.h"
#include "../os/signal.h"
#include "process.h"

/* getpid() is a system call, and this is a hot path. A child's generation is another. */
static pid_t own_pid(void)
{
	static _Atomic uint64_t cached; /* generation << 32 | pid */
	/* RELAXED(one word, nothing belongs to it) */
	uint64_t now = atomic_load_explicit(&cached, memory_order_relaxed);
	uint64_t generation = fy_fork_generation();

	if (now >> 32 != generation) {
		now = generation << 32 | (uint32_t)getpid();
		/* RELAXED(one word, nothing belongs to it) */
		atomic_store_explicit(&cached, now, memory_order_relaxed);
	}
	return (pid_t)(now & UINT32_MAX);
}

int ferry_signal_send(ferry_process *process, int signo, int64_t payload)
{
	siginfo_t info;

	if (!process || (signo != 0 && !fy_signal_valid(signo)))
		return -EINVAL;
	if (signo == 0) {
		/* A zombie takes every signal and acts on none. */
		int r = fy_pidfd_send(process->fd, 0, NULL);
		return r == 0 && fy_pidfd_ended(process->fd) ? -ESRCH : r;
	}
	memset(&info, 0, sizeof(info));
	info.si_signo = signo;
	info.si_code = SI_QUEUE;
	info.si_pid = own_pid();
	info.si_uid = getuid();
	info.si_value.sival_ptr = (void *)(intptr_t)payload;
	return fy_pidfd_send(process->fd, signo, &info);
}

/* ---- several ---- */

/* Those that were sent to already, in the order in which they were found. */
struct sent {
	int signo;
	int64_t payload;
	struct ferry_signal_target *targets; /* all; what fits is copied to the caller */
	size_t n;
	size_t room;
};

static int is_sent(const struct sent *sent, pid_t pid, uint64_t started)
{
	for (size_t i = 0; i < sent->n; i++)
		if (sent->targets[i].pid == pid && sent->targets[i].started == started)
			return 1;
	return 0;
}

static int send_to(struct sent *sent, ferry_process *process)
{
	return ferry_signal_send(process, sent->signo, sent->payload);
}

/* Room for one more. 0 or -ENOMEM. */
static int grow(struct sent *sent)
{
	size_t room = sent->room == 0 ? 64 : 2 * sent->room;

	if (sent->n < sent->room)
		return 0;
	struct ferry_signal_target *more =
	    reallocarray(sent->targets, room, sizeof(*sent->targets));
	if (!more)
		return -ENOMEM;
	sent->targets = more;
	sent->room = room;
	return 0;
}

static void note(struct sent *sent, pid_t pid, uint64_t started, int result)
{
	sent->targets[sent->n++] =
	    (struct ferry_signal_target){ .pid = pid, .started = started, .result = result };
}

/* Hand out what fits; how many there were, or the error that ended it. */
static int deliver(struct sent *sent, int r, struct ferry_signal_target *ret_targets, size_t n)
{
	if (r == 0 && n > 0 && sent->n > 0)
		memcpy(ret_targets, sent->targets,
		       (n < sent->n ? n : sent->n) * sizeof(*ret_targets));
	free(sent->targets);
	return r < 0 ? r : (int)sent->n;
}

/* ---- members of an object ---- */

static int send_to_member(struct sent *sent, const struct ferry_member *member)
{
	ferry_process *process;

	if (!member->alive || is_sent(sent, member->pid, member->started))
		return 0;
	int r = grow(sent);
	if (r < 0)
		return r;
	r = ferry_process_open_member(&process, member, NULL);
	if (r == 0) {
		r = send_to(sent, process);
		ferry_process_close(process);
	}
	note(sent, member->pid, member->started, r);
	return 0;
}

/* All members, in memory of ours. Their number, or an error. */
static int list_members(const char *location, struct ferry_member **ret_members,
			struct ferry_why *why)
{
	struct ferry_member *members = NULL;
	size_t room = 0;

	for (;;) {
		int n = ferry_object_members(location, members, room, why);
		if (n >= 0 && (size_t)n <= room) {
			*ret_members = members;
			return n;
		}
		free(members);
		if (n < 0)
			return n;
		/* More may join before we have looked again. */
		room = (size_t)n + 16;
		members = calloc(room, sizeof(*members));
		if (!members)
			return -ENOMEM;
	}
}

static int send_members(const char *location, struct sent *sent, struct ferry_why *why)
{
	struct ferry_member *members = NULL;
	int n = list_members(location, &members, why);
	int r = n < 0 ? n : 0;

	for (int i = 0; i < n && r == 0; i++)
		r = send_to_member(sent, &members[i]);
	free(members);
	return r;
}

static int check_several(int signo, const struct ferry_signal_target *ret_targets, size_t n,
			 struct ferry_why *why)
{
	if (signo != 0 && !fy_signal_valid(signo))
		return fy_why(why, -EINVAL, "%d is not a signal: they go from 1 to %d", signo,
			      FY_SIGNALS);
	if (n > 0 && !ret_targets)
		return fy_why(why, -EINVAL, "no room for the results was given");
	return fy_fork_init();
}

int ferry_signal_send_members(const char *location, int signo, int64_t payload,
			      struct ferry_signal_target *ret_targets, size_t n,
			      struct ferry_why *why)
{
	struct sent sent = { .signo = signo, .payload = payload };
	int r = check_several(signo, ret_targets, n, why);

	if (r < 0)
		return r;
	int cancel = fy_cancel_off();
	r = deliver(&sent, send_members(location, &sent, why), ret_targets, n);
	fy_cancel_restore(cancel);
	return r;
}

/* ---- a process group ---- */

#define ROUNDS 64 /* a group that forks faster than we look is not worth an endless loop */

/* A process of the group that was not sent to yet. 1 if there was one. The pidfd is had before its
 * group is asked, so that both are of one process. */
static int send_if_member(struct sent *sent, pid_t pid, pid_t group)
{
	ferry_process *process;

	if (getpgid(pid) != group || ferry_process_open(&process, pid, 0, NULL) < 0)
		return 0;
	uint64_t started = ferry_process_started(process);
	int is_new = getpgid(pid) == group && !is_sent(sent, pid, started);
	int r = is_new ? grow(sent) : 0;
	if (is_new && r == 0) {
		r = send_to(sent, process);
		/* It ended in between: it is no member any more. */
		is_new = r != -ESRCH;
		if (is_new)
			note(sent, pid, started, r);
		r = 0;
	}
	ferry_process_close(process);
	return r < 0 ? r : is_new;
}

/* One look at every process. How many were new, or an error. */
static int send_round(struct sent *sent, pid_t group)
{
	DIR *proc = opendir("/proc");
	int found = 0;

	if (!proc)
		return -ENOENT;
	for (const struct dirent *entry; (entry = readdir(proc));) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);
		if (*end != '\0' || pid < 1)
			continue;
		int r = send_if_member(sent, (pid_t)pid, group);
		if (r < 0) {
			(void)closedir(proc);
			return r;
		}
		found += r;
	}
	(void)closedir(proc);
	return found;
}

int ferry_signal_send_group(pid_t group, int signo, int64_t payload,
			    struct ferry_signal_target *ret_targets, size_t n,
			    struct ferry_why *why)
{
	struct sent sent = { .signo = signo, .payload = payload };
	int r = check_several(signo, ret_targets, n, why);

	if (r == 0 && group < 0)
		r = fy_why(why, -EINVAL, "%d is not the number of a process group", (int)group);
	if (r < 0)
		return r;
	int cancel = fy_cancel_off();
	if (group == 0)
		group = getpgrp();
	int found = 1;
	for (int i = 0; i < ROUNDS && found > 0; i++)
		found = send_round(&sent, group);
	r = deliver(&sent, found < 0 ? found : 0, ret_targets, n);
	fy_cancel_restore(cancel);
	if (r == 0)
		return fy_why(why, -ESRCH, "there is no process group %d", (int)group);
	return r < 0 ? fy_why(why, r, "cannot look for process group %d: %s", (int)group,
			      ferry_strerror(r))
		     : r;
}
