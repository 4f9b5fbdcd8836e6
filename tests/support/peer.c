/* SPDX-License-Identifier: MIT */
/* Forked peers and the shared page over which a test leads them. */
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/sanitizer.h"
#include "check.h"

struct stage *stage_new(void)
{
	struct stage *stage =
	    mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(stage != MAP_FAILED);
	return stage;
}

void stage_free(struct stage *stage)
{
	munmap(stage, sizeof *stage);
}

#ifdef FY_ADDRESS_SANITIZER
static bool others_asleep(void)
{
	DIR *tasks = opendir("/proc/self/task");
	bool asleep = true;

	check(tasks);
	for (const struct dirent *task; asleep && (task = readdir(tasks));) {
		const pid_t tid = (pid_t)strtol(task->d_name, NULL, 10);
		asleep = tid == 0 || tid == gettid() || process_state(tid) == 'S';
	}
	closedir(tasks);
	return asleep;
}

/* AddressSanitizer's allocator keeps a lock over fork that another thread holds, one that is just
 * starting for example: the child would wait for it for ever. Threads with work of their own do not
 * come to rest; nobody waits long for them. */
static void settle(void)
{
	const int64_t until = clock_ns() + 1000000000;

	while (!others_asleep() && clock_ns() < until)
		clock_pause();
}
#else
static void settle(void)
{
}
#endif

void peer_start(struct peer *ret_peer, void (*body)(struct stage *stage, const void *argument),
		const void *argument)
{
	const pid_t parent = getpid();

	ret_peer->stage = stage_new();
	settle();
	ret_peer->pid = fork();
	check(ret_peer->pid >= 0);
	if (ret_peer->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	body(ret_peer->stage, argument);
	_exit(0);
}

void stage_reach(struct stage *stage, uint32_t point)
{
	atomic_store(&stage->reached, point);
}

void stage_wait(struct stage *stage, uint32_t point)
{
	while (atomic_load(&stage->allowed) < point)
		clock_pause();
}

void stage_meet(struct stage *stage, uint32_t point)
{
	stage_reach(stage, point);
	stage_wait(stage, point);
}

static bool ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

void peer_await(const struct peer *peer, uint32_t point)
{
	await(atomic_load(&peer->stage->reached) >= point || ended(peer->pid));
	if (atomic_load(&peer->stage->reached) < point)
		check_failed(__FILE__, __LINE__, "peer %d ended before point %u", (int)peer->pid,
			     point);
}

void peer_allow(const struct peer *peer, uint32_t point)
{
	atomic_store(&peer->stage->allowed, point);
}

void peer_become_nobody(void)
{
	const uid_t nobody = 65534;

	check_eq(setgroups(0, NULL), 0);
	check_eq(setresgid(nobody, nobody, nobody), 0);
	check_eq(setresuid(nobody, nobody, nobody), 0);
}

void peer_forget(struct peer *peer)
{
	stage_free(peer->stage);
	peer->pid = 0;
}

void peer_kill_to_zombie(const struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	await(process_state(peer->pid) == 'Z');
}

void peer_kill(struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	check_eq(waitpid(peer->pid, NULL, 0), peer->pid);
	peer_forget(peer);
}

void peer_stop(const struct peer *peer)
{
	int status;

	kill(peer->pid, SIGSTOP);
	check_eq(waitpid(peer->pid, &status, WUNTRACED), peer->pid);
	check(WIFSTOPPED(status));
}

void peer_resume(const struct peer *peer)
{
	check_eq(kill(peer->pid, SIGCONT), 0);
}

static void caught(int signal_number)
{
	(void)signal_number;
}

void peer_catch(int flags)
{
	const struct sigaction action = { .sa_handler = caught, .sa_flags = flags };

	check_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

/* A signal that arrives between two naps ends no wait; so they are sent until one does. */
void peer_interrupt(const struct peer *peer, uint32_t point)
{
	await(process_asleep(peer->pid));
	await((kill(peer->pid, SIGUSR1), atomic_load(&peer->stage->reached) >= point));
}

int peer_join_status(struct peer *peer)
{
	int status;
	pid_t pid = 0;

	await((pid = waitpid(peer->pid, &status, WNOHANG)) != 0);
	check_eq(pid, peer->pid);
	peer_forget(peer);
	return status;
}

void peer_join(struct peer *peer)
{
	const int status = peer_join_status(peer);

	if (WIFSIGNALED(status))
		check_failed(__FILE__, __LINE__, "a peer was killed by signal %d",
			     WTERMSIG(status));
	check_eq(WEXITSTATUS(status), 0);
}

char process_state(pid_t pid)
{
	char path[64];
	char text[512];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

int process_asleep(pid_t pid)
{
	return process_state(pid) == 'S';
}
