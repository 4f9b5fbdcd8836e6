/* SPDX-License-Identifier: MIT */
/*
 * interrupt.c - ending a command cleanly when a signal asks for it.
 */
#include <signal.h>
#include <unistd.h>

#include "interrupt.h"

static volatile sig_atomic_t seen;

/*
 * A signal that lands after the command looked at `seen` and before it goes to sleep interrupts
 * nothing. So the alarm knocks once a second until somebody has looked.
 */
static void note(int number)
{
	if (number != SIGALRM)
		seen = number;
	alarm(1);
}

void interrupt_note(int number)
{
	seen = number;
}

int interrupt_seen(void)
{
	return seen;
}

static void catch (int number)
{
	struct sigaction old, action = { .sa_handler = note };

	sigaction(number, NULL, &old);
	if (old.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

void interrupt_catch(void)
{
	struct sigaction on_alarm = { .sa_handler = note };

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGALRM, &on_alarm, NULL);
	catch (SIGINT);
	catch (SIGTERM);
	catch (SIGHUP);
}

int interrupt_end(int status)
{
	int number = seen;

	if (!number)
		return status;
	alarm(0);
	signal(number, SIG_DFL);
	raise(number);
	return status;
}
