/* SPDX-License-Identifier: MIT */
/* trap.c - the page cannot be accessed; who does is stopped, announced, and makes this one step. */
#include "trap.h"

#if defined(__x86_64__)

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, STEP = 0x100 }; /* the processor's trap flag */

static unsigned char *page;
static void (*announce)(void);
static int armed;
static struct sigaction others; /* who reports other faults */

static void protect(int protection)
{
	if (mprotect(page, PAGE, protection) != 0)
		abort();
}

static void accessed(int signo, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	unsigned char *address = info->si_addr;

	if (!armed || address < page || address >= page + PAGE) {
		/* It comes again, and then to them. */
		(void)sigaction(signo, &others, NULL);
		return;
	}
	const int saved = errno;
	announce();
	protect(PROT_READ | PROT_WRITE);
	errno = saved;
	at->uc_mcontext.gregs[REG_EFL] |= STEP;
}

static void stepped(int signo, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	(void)signo;
	(void)info;
	const int saved = errno;
	at->uc_mcontext.gregs[REG_EFL] &= ~STEP;
	protect(PROT_NONE);
	errno = saved;
}

void trap_set(void *of_page, void (*before)(void))
{
	static int handled;
	struct sigaction fault = { .sa_sigaction = accessed, .sa_flags = SA_SIGINFO };
	struct sigaction step = { .sa_sigaction = stepped, .sa_flags = SA_SIGINFO };

	page = of_page;
	announce = before;
	if (handled++)
		return;
	if (sigaction(SIGSEGV, &fault, &others) != 0 || sigaction(SIGTRAP, &step, NULL) != 0)
		abort();
}

void trap_arm(void)
{
	armed = 1;
	protect(PROT_NONE);
}

void trap_disarm(void)
{
	armed = 0;
	protect(PROT_READ | PROT_WRITE);
}

#else

void trap_set(void *page, void (*before)(void))
{
	(void)page;
	(void)before;
}

void trap_arm(void)
{
}

void trap_disarm(void)
{
}

#endif
