/* SPDX-License-Identifier: MIT */
/* Filters of seccomp(2) that make a kernel look older, or a container stricter, than it is. */
#include "limits.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

#define REFUSE(error)                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define LOAD_CALL                    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define IF_CALL(number, skip_if_not) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (skip_if_not))

enum { LAST_OF_5_16 = 449 }; /* futex_waitv(2); numbers from here on are the same everywhere */

static struct sock_filter no_io_uring[] = {
	LOAD_CALL,     IF_CALL(SYS_io_uring_setup, 1),
	REFUSE(EPERM), IF_CALL(SYS_io_uring_enter, 1),
	REFUSE(EPERM), IF_CALL(SYS_io_uring_register, 1),
	REFUSE(EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static struct sock_filter oldest[] = {
	LOAD_CALL,      IF_CALL(SYS_io_uring_setup, 1),
	REFUSE(ENOSYS), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, LAST_OF_5_16, 0, 1),
	REFUSE(ENOSYS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void install(struct sock_filter *filter, size_t n)
{
	const struct sock_fprog program = { (unsigned short)n, filter };

	check_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		check_skip("seccomp(2) is not to be had here");
}

void limits_apply(void)
{
	const char *limits = getenv("FERRY_TEST_LIMITS");

	if (!limits)
		return;
	if (!strcmp(limits, "no-io-uring"))
		install(no_io_uring, sizeof no_io_uring / sizeof *no_io_uring);
	else if (!strcmp(limits, "oldest"))
		install(oldest, sizeof oldest / sizeof *oldest);
	else
		check_failed(__FILE__, __LINE__, "FERRY_TEST_LIMITS=%s is unknown", limits);
	check_eq(syscall(SYS_io_uring_setup, 0, NULL), -1);
	check(errno == EPERM || errno == ENOSYS);
}
