/* SPDX-License-Identifier: MIT */
/*
 * crash.c - the crash report. What runs in the handler calls nothing that needs the heap, a lock or
 * the crashed thread's stack. Each part of the report may fault itself, in a process whose memory
 * is broken: the handler, entered again by the same thread, jumps to the next part.
 */
#include <errno.h>
#include <fcntl.h>
#include <ferry/crash.h>
#include <ferry/error.h>
#include <ferry/signal.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/clock.h"
#include "../os/futex.h"
#include "../os/signal.h"
#include "backtrace.h"
#include "cause.h"
#include "text.h"

#define STACK_BYTES    ((size_t)64 * 1024) /* besides what the kernel itself puts there */
#define OTHER_REPORTER (5 * FY_S) /* how long a second crash waits for the first's report */
#define STACK_NEAR     65536      /* a fault so near to the stack pointer is an overflow */

static const int reported[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
#define REPORTED (sizeof(reported) / sizeof(reported[0]))

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over installing */
static int installed;
static struct sigaction before[FY_SIGNALS + 1]; /* written before the handler is installed */

/* Where the report goes: a path if there is one, else the descriptor. The path is written before it
 * is published here. */
static char paths[2][PATH_MAX];
static const char *_Atomic path;
static _Atomic int descriptor;

/* The thread that writes a report; 0: none. */
static _Atomic uint32_t reporter;
static sigjmp_buf next_part;

/* ---- the report ---- */

static void put_path(char *to, size_t n, const char *from)
{
	struct fy_text pid;
	size_t at = 0;

	fy_text_begin(&pid, -1);
	fy_text_number(&pid, getpid());
	for (; *from != '\0' && at + pid.used + 1 < n; from++) {
		if (from[0] == '%' && from[1] == 'p') {
			memcpy(to + at, pid.bytes, pid.used);
			at += pid.used;
			from++;
		} else {
			to[at++] = *from;
		}
	}
	to[at] = '\0';
}

/* The descriptor to write to; *ret_opened tells whether it is ours to close. */
static int open_report(int *ret_opened)
{
	char name[PATH_MAX];
	/* SYNC(crash.path) acquire: pairs with the release in report_to(). */
	const char *from = atomic_load_explicit(&path, memory_order_acquire);

	*ret_opened = 0;
	if (!from)
		/* RELAXED(a number, nothing belongs to it) */
		return atomic_load_explicit(&descriptor, memory_order_relaxed);
	put_path(name, sizeof(name), from);
	int fd = open(
	    name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
	    0600);
	if (fd < 0)
		return STDERR_FILENO;
	*ret_opened = 1;
	return fd;
}

static void put_who(struct fy_text *text)
{
	char name[16] = "";

	(void)prctl(PR_GET_NAME, name);
	fy_text_put(text, "ferry: crash of ");
	fy_text_put_name(text, program_invocation_short_name, 128);
	fy_text_put(text, ", pid ");
	fy_text_number(text, getpid());
	fy_text_put(text, ", thread ");
	fy_text_number(text, fy_thread_id());
	fy_text_put(text, " (");
	fy_text_put_name(text, name, sizeof(name));
	fy_text_put(text, "), time ");
	fy_text_number(text, fy_clock(CLOCK_REALTIME) / FY_S);
	fy_text_put(text, "\n");
}

static int is_overflow(const siginfo_t *info, const void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	uintptr_t sp = fy_backtrace_sp(context);
	uintptr_t distance = address > sp ? address - sp : sp - address;

	return info->si_signo == SIGSEGV && sp != 0 && distance < STACK_NEAR &&
	       (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR);
}

static void put_what(struct fy_text *text, const siginfo_t *info, const void *context)
{
	fy_text_put(text, "ferry: ");
	fy_text_put(text, ferry_signal_name(info->si_signo));
	fy_text_put(text, ": ");
	fy_text_put(text, fy_cause_words(info->si_signo, info->si_code));
	if (info->si_code <= 0) {
		fy_text_put(text, ", by pid ");
		fy_text_number(text, info->si_pid);
		fy_text_put(text, ", uid ");
		fy_text_number(text, info->si_uid);
	} else if (info->si_signo == SIGSYS) {
		fy_text_put(text, ", number ");
		fy_text_number(text, info->si_syscall);
	} else {
		fy_text_put(text, ", address ");
		fy_text_hex(text, (uintptr_t)info->si_addr, 1);
		if (is_overflow(info, context))
			fy_text_put(text, ": next to the stack pointer, the stack overflowed");
	}
	fy_text_put(text, "\n");
}

/* Runs a part, which may fault. */
#define PART(part)                                                                                 \
	do {                                                                                       \
		if (sigsetjmp(next_part, 0) == 0) {                                                \
			part;                                                                      \
		} else {                                                                           \
			fy_text_put(text, "\n  (the process is too broken to tell more here)\n");  \
		}                                                                                  \
		fy_text_flush(text);                                                               \
	} while (0)

static void put_frames(struct fy_text *text, void *const frames[], int n)
{
	for (int i = 0; i < n; i++) {
		fy_text_put(text, "  #");
		fy_text_number(text, i);
		fy_text_put(text, i < 10 ? "  " : " ");
		fy_text_hex(text, (uintptr_t)frames[i], 16);
		fy_text_put(text, " ");
		fy_text_flush(text);
		fy_backtrace_name(text, frames[i], i > 0);
		fy_text_put(text, "\n");
	}
}

static void report(struct fy_text *text, const siginfo_t *info, const void *context)
{
	void *frames[FY_FRAMES];
	volatile int n = 0;

	PART(put_who(text));
	PART(put_what(text, info, context));
	fy_text_put(text, "registers:\n");
	PART(fy_backtrace_registers(text, context));
	fy_text_put(text, "backtrace:\n");
	PART(fy_backtrace(context, frames, &n));
	/* A jump to nowhere is code that no unwinder knows. */
	if (n <= 1)
		PART(fy_backtrace_by_frame_pointers(context, frames, &n));
	PART(put_frames(text, frames, n));
}

/* ---- the handler ---- */

/* Give way to what was there before us. */
static void pass_on(int signo, siginfo_t *info, void *context)
{
	const struct sigaction *old = &before[signo];
	int is_function = old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN;

	if (is_function && (old->sa_flags & SA_SIGINFO)) {
		old->sa_sigaction(signo, info, context);
	} else if (is_function) {
		old->sa_handler(signo);
	} else {
		(void)sigaction(signo, old, NULL);
		/* A fault comes again by itself, from the same instruction. What was sent is sent
		 * again, and arrives when this handler has returned: so a core shows what it would
		 * have shown without us. */
		if (info->si_code <= 0 || signo == SIGSYS || signo == SIGABRT) {
			(void)fy_mask_block(fy_signal_bit(signo));
			(void)fy_signal_to_thread(fy_thread_id(), signo, info);
		}
	}
}

/* Another thread crashed first: its report is to be written before anybody ends the process. */
static void await_other(uint32_t other)
{
	(void)fy_futex_wait(&reporter, other, fy_now() + OTHER_REPORTER);
}

static void on_crash(int signo, siginfo_t *info, void *context)
{
	uint32_t self = (uint32_t)fy_thread_id();
	uint32_t other = 0;
	int saved = errno;

	/* SYNC(crash.reporter) acq_rel: pairs with the release below: next_part is ours. */
	if (!atomic_compare_exchange_strong_explicit(&reporter, &other, self, memory_order_acq_rel,
						     memory_order_acquire)) {
		if (other == self)
			siglongjmp(next_part, 1);
		await_other(other);
	} else if (!(before[signo].sa_handler == SIG_IGN && info->si_code <= 0)) {
		struct fy_text text;
		int opened;
		int fd = open_report(&opened);
		fy_text_begin(&text, fd);
		report(&text, info, context);
		if (opened)
			(void)close(fd);
	}
	if (other == 0) {
		/* SYNC(crash.reporter) release: pairs with the compare-and-swap above. */
		atomic_store_explicit(&reporter, 0, memory_order_release);
		(void)fy_futex_wake(&reporter, INT_MAX);
	}
	pass_on(signo, info, context);
	errno = saved;
}

/* ---- a stack for it ---- */

static pthread_key_t stack_key;
static int stack_key_error;

static size_t stack_bytes(void)
{
	return STACK_BYTES + getauxval(AT_MINSIGSTKSZ);
}

static void end_stack(void *base)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	stack_t now;

	/* Somebody may have put another one there; then ours is in nobody's way. */
	if (sigaltstack(NULL, &now) == 0 && now.ss_sp == base)
		(void)sigaltstack(&none, NULL);
	(void)munmap(base, stack_bytes());
}

static void make_stack_key(void)
{
	stack_key_error = -pthread_key_create(&stack_key, end_stack);
}

static int give_stack(void)
{
	void *base = mmap(NULL, stack_bytes(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	stack_t stack = { .ss_sp = base, .ss_size = stack_bytes() };

	if (base == MAP_FAILED)
		return -ENOMEM;
	int r = -pthread_setspecific(stack_key, base);
	if (r == 0 && sigaltstack(&stack, NULL) != 0)
		r = -errno;
	if (r < 0) {
		(void)pthread_setspecific(stack_key, NULL);
		(void)munmap(base, stack_bytes());
	}
	return r;
}

int ferry_crash_thread(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	stack_t now;

	(void)pthread_once(&once, make_stack_key);
	if (stack_key_error < 0)
		return -ENOMEM;
	if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
		return 0;
	return give_stack();
}

/* ---- installing ---- */

static int is_ours(int signo)
{
	struct sigaction now;

	return fy_action(signo, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
	       now.sa_sigaction == on_crash;
}

static void put_back(size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_ours(reported[i]))
			(void)fy_action(reported[i], &before[reported[i]], NULL);
}

static int install(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_crash;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	(void)sigfillset(&action.sa_mask);
	for (size_t i = 0; i < REPORTED; i++)
		(void)sigdelset(&action.sa_mask, reported[i]);
	for (size_t i = 0; i < REPORTED; i++) {
		int signo = reported[i];
		int r = fy_action(signo, NULL, &before[signo]);
		if (r == 0)
			r = fy_action(signo, &action, NULL);
		if (r < 0) {
			put_back(i);
			return r;
		}
	}
	installed = 1;
	return 0;
}

/* new_path: NULL for the descriptor. */
static int report_to(int fd, const char *new_path, struct ferry_why *why)
{
	int cancel = fy_cancel_off();
	int r = ferry_crash_thread();

	(void)pthread_mutex_lock(&mutex);
	if (r == 0 && !installed)
		fy_backtrace_prepare();
	if (r == 0 && new_path) {
		/* RELAXED(changes only under the mutex) */
		const char *now = atomic_load_explicit(&path, memory_order_relaxed);
		char *other = paths[now == paths[0]];
		memcpy(other, new_path, strlen(new_path) + 1);
		new_path = other;
	}
	if (r == 0) {
		/* RELAXED(a number, nothing belongs to it) */
		atomic_store_explicit(&descriptor, fd, memory_order_relaxed);
		/* SYNC(crash.path) release: pairs with the acquire in open_report(). */
		atomic_store_explicit(&path, new_path, memory_order_release);
		if (!installed)
			r = install();
	}
	(void)pthread_mutex_unlock(&mutex);
	fy_cancel_restore(cancel);
	return r < 0 ? fy_why(why, r, "cannot report crashes: %s", ferry_strerror(r)) : 0;
}

int ferry_crash_report(int fd, struct ferry_why *why)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return fy_why(why, -EBADF, "descriptor %d is not open", fd);
	if ((flags & O_ACCMODE) == O_RDONLY)
		return fy_why(why, -EBADF, "descriptor %d is not open for writing", fd);
	return report_to(fd, NULL, why);
}

/* The directory is asked now, while somebody listens. */
static int check_directory(char *absolute, struct ferry_why *why)
{
	char *slash = strrchr(absolute, '/');
	int r = 0;

	*slash = '\0';
	if (faccessat(AT_FDCWD, slash == absolute ? "/" : absolute, W_OK | X_OK, AT_EACCESS) != 0)
		r = fy_why(why, -errno, "cannot write into %.150s: %s",
			   slash == absolute ? "/" : absolute, strerror(errno));
	*slash = '/';
	return r;
}

int ferry_crash_report_file(const char *file, struct ferry_why *why)
{
	char absolute[PATH_MAX];
	size_t used = 0;

	if (!file || *file == '\0')
		return fy_why(why, -EINVAL, "the path is empty");
	if (*file != '/') {
		if (!getcwd(absolute, sizeof(absolute) - 1))
			return fy_why(why, -errno, "no current directory: %s", strerror(errno));
		used = strlen(absolute);
		absolute[used++] = '/';
	}
	/* The pid may become longer than its %p: never more than ten digits. */
	if (used + strlen(file) + 10 >= sizeof(absolute))
		return fy_why(why, -ENAMETOOLONG, "the path is too long");
	memcpy(absolute + used, file, strlen(file) + 1);
	int r = check_directory(absolute, why);
	return r < 0 ? r : report_to(-1, absolute, why);
}

int ferry_crash_report_stop(void)
{
	int r = 0;

	(void)pthread_mutex_lock(&mutex);
	if (installed)
		put_back(REPORTED);
	else
		r = -ENOENT;
	installed = 0;
	(void)pthread_mutex_unlock(&mutex);
	return r;
}
