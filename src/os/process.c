/* SPDX-License-Identifier: MIT */
/* process.c - see process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fork.h"

/* Field 22 of /proc/PID/stat. The second field, the program's name, may hold anything, so count
 * from its last parenthesis. 0 = not known. */
static uint64_t start_time(const char *path)
{
	char text[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	const char *at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

static void copy_program(char program[FY_PROGRAM_BYTES])
{
	const char *name = program_invocation_short_name;
	size_t n = strnlen(name, FY_PROGRAM_BYTES);

	memset(program, 0, FY_PROGRAM_BYTES);
	memcpy(program, name, n);
}

static void look_up_self(struct fy_process *self)
{
	struct stat status;

	self->pid = getpid();
	self->started = start_time("/proc/self/stat");
	self->pid_namespace = stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
	copy_program(self->program);
}

void fy_process_self(struct fy_process *ret_process)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static struct fy_process cached;
	static uint32_t cached_in; /* the fork generation that cached belongs to */

	/* A fork in another thread may leave the mutex locked in the child for ever: there the
	 * cache is worthless anyway, so a look-up without it is right. */
	if (pthread_mutex_trylock(&mutex) != 0) {
		look_up_self(ret_process);
		return;
	}
	if (cached_in != fy_fork_generation()) {
		look_up_self(&cached);
		cached_in = fy_fork_generation();
	}
	*ret_process = cached;
	(void)pthread_mutex_unlock(&mutex);
}

/* /proc may be that of another PID namespace, where the same number is another process. */
static int proc_is_ours(void)
{
	char link[16];
	char own[16];
	ssize_t n = readlink("/proc/self", link, sizeof(link) - 1);

	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	return n > 0 && (size_t)n == strlen(own) && memcmp(link, own, (size_t)n) == 0;
}

uint64_t fy_process_started(pid_t pid)
{
	char path[32];

	if (!proc_is_ours())
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return start_time(path);
}

int fy_process_gone(pid_t pid, uint64_t started)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return errno == ESRCH;
	struct pollfd exited = { .fd = fd, .events = POLLIN };
	int gone = poll(&exited, 1, 0) > 0 && (exited.revents & POLLIN);
	if (!gone && started != 0) {
		uint64_t now = fy_process_started(pid);
		/* Another start time: the number was given to a new process. */
		gone = now != 0 && now != started;
	}
	(void)close(fd);
	return gone;
}
