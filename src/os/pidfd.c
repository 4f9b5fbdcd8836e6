/* SPDX-License-Identifier: MIT */
/* pidfd.c - see pidfd.h. */
#include "pidfd.h"

#include <errno.h>
#include <ferry/base.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

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

/* The raw call: libc's is a cancellation point. 1, 0, or -EINTR. */
static int poll_until(int fd, const struct timespec *limit)
{
	struct pollfd exited = { .fd = fd, .events = POLLIN };
	struct timespec left;
	int saved = errno;

	if (limit)
		left = *limit; /* the kernel writes what is left */
	return result_of(syscall(SYS_ppoll, &exited, 1, limit ? &left : NULL, NULL, (size_t)8),
			 saved);
}

int fy_pidfd_ended(int fd)
{
	const struct timespec none = { 0 };

	return poll_until(fd, &none) > 0;
}

int fy_pidfd_wait(int fd, int64_t deadline)
{
	for (;;) {
		struct timespec limit = { 0 };
		int64_t left =
		    deadline == FERRY_NOW || deadline == FERRY_FOREVER ? 0 : deadline - fy_now();
		if (left > 0)
			limit = (struct timespec){ left / FY_S, left % FY_S };
		int r = poll_until(fd, deadline == FERRY_FOREVER ? NULL : &limit);
		if (r > 0)
			return 0;
		if (r == 0 && left <= 0 && deadline != FERRY_FOREVER)
			return deadline == FERRY_NOW ? -EAGAIN : -ETIMEDOUT;
		if (r < 0 && r != -EINTR)
			return r;
	}
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
