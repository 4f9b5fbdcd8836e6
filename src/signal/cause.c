/* SPDX-License-Identifier: MIT */
/* cause.c - see cause.h. */
#include "cause.h"

#include <signal.h>
#include <stddef.h>

/* Newer than this libc's headers, or the kernel's only. */
#define CODE_SEGV_BOUNDS 3
#define CODE_SEGV_KEY    4
#define CODE_BUS_ACTION  4
#define CODE_BUS_LATER   5
#define CODE_SYS_SECCOMP 1

struct cause {
	int signo; /* 0: any */
	int code;
	const char *words;
};

static const struct cause causes[] = {
	{ 0, SI_USER, "sent by kill()" },
	{ 0, SI_QUEUE, "sent by sigqueue()" },
	{ SIGABRT, SI_TKILL, "raised by the process itself: abort(), or a failed check" },
	{ 0, SI_TKILL, "sent to this thread by raise() or pthread_kill()" },
	{ 0, SI_TIMER, "sent by a timer" },
	{ SIGSEGV, SEGV_MAPERR, "there is no memory at this address" },
	{ SIGSEGV, SEGV_ACCERR, "the memory at this address may not be used in this way" },
	{ SIGSEGV, CODE_SEGV_BOUNDS, "the address is out of the bounds of its pointer" },
	{ SIGSEGV, CODE_SEGV_KEY, "a protection key forbids access to this address" },
	{ SIGSEGV, SI_KERNEL, "the address is none that the processor can use" },
	{ SIGBUS, BUS_ADRALN, "the address is not aligned" },
	{ SIGBUS, BUS_ADRERR, "the file behind this memory ends before it, or has no room" },
	{ SIGBUS, BUS_OBJERR, "the memory itself failed" },
	{ SIGBUS, CODE_BUS_ACTION, "the memory is broken (machine check)" },
	{ SIGBUS, CODE_BUS_LATER, "broken memory was found (machine check)" },
	{ SIGILL, ILL_ILLOPC, "illegal instruction" },
	{ SIGILL, ILL_ILLOPN, "illegal operand of an instruction" },
	{ SIGILL, ILL_ILLADR, "illegal addressing mode of an instruction" },
	{ SIGILL, ILL_ILLTRP, "illegal trap" },
	{ SIGILL, ILL_PRVOPC, "an instruction that only the kernel may use" },
	{ SIGILL, ILL_PRVREG, "a register that only the kernel may use" },
	{ SIGILL, ILL_COPROC, "coprocessor error" },
	{ SIGILL, ILL_BADSTK, "internal stack error of the processor" },
	{ SIGFPE, FPE_INTDIV, "integer division by zero" },
	{ SIGFPE, FPE_INTOVF, "integer overflow" },
	{ SIGFPE, FPE_FLTDIV, "floating point division by zero" },
	{ SIGFPE, FPE_FLTOVF, "floating point overflow" },
	{ SIGFPE, FPE_FLTUND, "floating point underflow" },
	{ SIGFPE, FPE_FLTRES, "inexact floating point result" },
	{ SIGFPE, FPE_FLTINV, "invalid floating point operation" },
	{ SIGFPE, FPE_FLTSUB, "array index out of range" },
	{ SIGSYS, CODE_SYS_SECCOMP, "a system call that a seccomp filter forbids" },
	{ 0, SI_KERNEL, "sent by the kernel" },
};

const char *fy_cause_words(int signo, int code)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if ((causes[i].signo == 0 || causes[i].signo == signo) && causes[i].code == code)
			return causes[i].words;
	return "for a reason that ferry has no words for";
}
