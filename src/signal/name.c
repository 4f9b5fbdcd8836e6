/* SPDX-License-Identifier: MIT */
/* name.c - words for signals and causes. */
#include <errno.h>
#include <ferry/signal.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define SIGNALS 64

static const char *const names[SIGNALS + 1] = {
	[SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",       [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",       [SIGFPE] = "SIGFPE",       [SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",     [SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",       [SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",     [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",         [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

/* Counted from libc's SIGRTMIN, which is known only when the program runs: 34 for glibc, 35 for
 * musl. The texts are for every offset. */
static const char *const real_time[] = {
	"SIGRTMIN",    "SIGRTMIN+1",  "SIGRTMIN+2",  "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",
	"SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",  "SIGRTMIN+10", "SIGRTMIN+11",
	"SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMIN+16", "SIGRTMIN+17",
	"SIGRTMIN+18", "SIGRTMIN+19", "SIGRTMIN+20", "SIGRTMIN+21", "SIGRTMIN+22", "SIGRTMIN+23",
	"SIGRTMIN+24", "SIGRTMIN+25", "SIGRTMIN+26", "SIGRTMIN+27", "SIGRTMIN+28", "SIGRTMIN+29",
	"SIGRTMIN+30", "SIGRTMIN+31", "SIGRTMIN+32",
};

const char *ferry_signal_name(int signo)
{
	if (signo < 1 || signo > SIGNALS)
		return "unknown";
	if (names[signo])
		return names[signo];
	if (signo >= SIGRTMIN)
		return real_time[signo - SIGRTMIN];
	return "unknown"; /* libc's own */
}

/* A number of at most three digits that goes to the end of the text; or -1. */
static int number(const char *text)
{
	int n = 0;

	for (int i = 0; text[i] != '\0'; i++) {
		if (text[i] < '0' || text[i] > '9' || i == 3)
			return -1;
		n = 10 * n + (text[i] - '0');
	}
	return text[0] == '\0' ? -1 : n;
}

/* "RTMIN", "RTMIN+3", "RTMAX-1"; 0: none of them. */
static int real_time_number(const char *name)
{
	int from_below = strncasecmp(name, "RTMIN", 5) == 0;

	if (!from_below && strncasecmp(name, "RTMAX", 5) != 0)
		return 0;
	int base = from_below ? SIGRTMIN : SIGRTMAX;
	if (name[5] == '\0')
		return base;
	int offset = name[5] == (from_below ? '+' : '-') ? number(name + 6) : -1;
	int signo = from_below ? base + offset : base - offset;
	return offset >= 0 && signo >= SIGRTMIN && signo <= SIGRTMAX ? signo : 0;
}

static int other_name(const char *name)
{
	static const struct {
		const char *name;
		int signo;
	} others[] = { { "IOT", SIGABRT }, { "CLD", SIGCHLD }, { "POLL", SIGIO } };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(name, others[i].name) == 0)
			return others[i].signo;
	return 0;
}

int ferry_signal_number(const char *name)
{
	if (!name)
		return -EINVAL;
	int signo = number(name);
	if (signo >= 0)
		return signo >= 1 && signo <= SIGNALS ? signo : -EINVAL;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (signo = 1; signo <= SIGNALS; signo++)
		if (names[signo] && strcasecmp(names[signo] + 3, name) == 0)
			return signo;
	signo = real_time_number(name);
	if (signo == 0)
		signo = other_name(name);
	return signo > 0 ? signo : -EINVAL;
}

const char *ferry_signal_cause_name(enum ferry_signal_cause cause)
{
	switch (cause) {
	case FERRY_SIGNAL_KERNEL:
		return "kernel";
	case FERRY_SIGNAL_KILL:
		return "kill";
	case FERRY_SIGNAL_QUEUE:
		return "queue";
	case FERRY_SIGNAL_CHILD:
		return "child";
	case FERRY_SIGNAL_FAULT:
		return "fault";
	case FERRY_SIGNAL_TIMER:
		return "timer";
	case FERRY_SIGNAL_EVENT:
		return "event";
	default:
		return "unknown";
	}
}
