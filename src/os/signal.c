/* SPDX-License-Identifier: MIT */
/* signal.c - see signal.h. */
#include "signal.h"

#include <errno.h>
#include <ferry/base.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "clock.h"
#include "sigbus.h"

#define KERNEL_SET_BYTES sizeof(uint64_t)

int fy_action(int signo, const struct sigaction *action, struct sigaction *ret_before)
{
	int saved = errno;
	int r = signo == SIGBUS ? fy_sigbus_action(action, ret_before)
				: sigaction(signo, action, ret_before);
	int result = r < 0 ? -errno : 0;

	errno = saved;
	return result;
}

int fy_signal_take(uint64_t set, siginfo_t *ret_info, int64_t until)
{
	struct timespec limit = { 0 };
	int saved = errno;

	if (until != FERRY_NOW && until != FERRY_FOREVER) {
		int64_t left = until - fy_now();
		if (left > 0) {
			limit.tv_sec = left / FY_S;
			limit.tv_nsec = left % FY_S;
		}
	}
	long r = syscall(SYS_rt_sigtimedwait, &set, ret_info,
			 until == FERRY_FOREVER ? NULL : &limit, KERNEL_SET_BYTES);
	int result = r < 0 ? -errno : (int)r;
	errno = saved;
	return result;
}

uint64_t fy_signal_pending(void)
{
	uint64_t set = 0;
	int saved = errno;

	(void)syscall(SYS_rt_sigpending, &set, KERNEL_SET_BYTES);
	errno = saved;
	return set;
}

int fy_signal_to_thread(pid_t tid, int signo, siginfo_t *info)
{
	int saved = errno;
	long r = syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signo, info);
	int result = r < 0 ? -errno : 0;

	errno = saved;
	return result;
}

/* The raw call: libc's own leaves its internal signals out of every set. */
static uint64_t change_mask(int how, const uint64_t *set)
{
	uint64_t before = 0;
	int saved = errno;

	(void)syscall(SYS_rt_sigprocmask, how, set, &before, KERNEL_SET_BYTES);
	errno = saved;
	return before;
}

uint64_t fy_mask_set(uint64_t set)
{
	return change_mask(SIG_SETMASK, &set);
}

uint64_t fy_mask_block(uint64_t set)
{
	return change_mask(SIG_BLOCK, &set);
}

uint64_t fy_mask_unblock(uint64_t set)
{
	return change_mask(SIG_UNBLOCK, &set);
}

uint64_t fy_mask_now(void)
{
	return change_mask(SIG_BLOCK, NULL);
}

int fy_mask_in_context(void *context, int signo)
{
	ucontext_t *interrupted = context;

	if (sigismember(&interrupted->uc_sigmask, signo) == 1)
		return 0;
	return sigaddset(&interrupted->uc_sigmask, signo) == 0;
}

pid_t fy_thread_id(void)
{
	return (pid_t)syscall(SYS_gettid);
}
