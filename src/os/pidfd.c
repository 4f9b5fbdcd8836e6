/* SPDX-License-Identifier: MIT */
/* pidfd.c - see pidfd.h. */
#include "pidfd.h"

#include <errno.h>
#include <ferry/base.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "poll.h"

static int result_of(long r, int saved)
{
	int result = r < 0 ? -errno : (int)r;

	errno = saved;
	return result;
}

int fy_pidfd_open(pid_t pid)
{
	int saved = errno;

	return result_of(syscall(SYS_pidfd_open, pid, 0), saved);
}

int fy_pidfd_send(int fd, int signo, siginfo_t *info)
{
	int saved = errno;

	return result_of(syscall(SYS_pidfd_send_signal, fd, signo, info, 0), saved);
}

int fy_pidfd_ended(int fd)
{
	struct pollfd exited = { .fd = fd, .events = POLLIN };

	return fy_poll(&exited, 1, FERRY_NOW, 0) > 0;
}

int fy_pidfd_wait(int fd, int64_t deadline)
{
	struct pollfd exited = { .fd = fd, .events = POLLIN };
	int r = fy_poll(&exited, 1, deadline, 0);

	return r > 0 ? 0 : r;
}

/* struct pidfd_info of linux/pidfd.h, of which this libc knows nothing. */
struct info_request {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11]; /* pid, tgid, ppid, uids and gids */
	int32_t exit_status;
};
_Static_assert(sizeof(struct info_request) == 64, "not what the kernel was told");
#define INFO_EXIT (UINT64_C(1) << 3)
#define GET_INFO  _IOWR(0xff, 11, struct info_request)

int fy_pidfd_status(int fd, int *ret_status)
{
	struct info_request info = { .mask = INFO_EXIT };
	int saved = errno;
	int r = ioctl(fd, GET_INFO, &info);

	errno = saved;
	if (r != 0 || !(info.mask & INFO_EXIT))
		return -ENODATA;
	*ret_status = info.exit_status;
	return 0;
}

int fy_waitid(idtype_t which, id_t id, int flags, siginfo_t *ret_info, struct rusage *ret_usage)
{
	int saved = errno;
	long r;

	ret_info->si_pid = 0;
	do {
		r = syscall(SYS_waitid, which, id, ret_info, flags, ret_usage);
	} while (r < 0 && errno == EINTR);
	int result = result_of(r, saved);
	return result < 0 ? result : ret_info->si_pid != 0;
}
