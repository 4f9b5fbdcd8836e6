/* SPDX-License-Identifier: MIT */
/*
 * interrupt.h - ending a command cleanly when a signal asks for it.
 *
 * The command finishes or gives back the message it holds, closes its mailbox, and then dies by the
 * same signal, so that a shell sees what happened.
 */
#ifndef FERRY_CLI_INTERRUPT_H
#define FERRY_CLI_INTERRUPT_H

/* From now on SIGINT, SIGTERM and SIGHUP are noted (unless they were ignored), and make blocking
 * calls end with EINTR. SIGPIPE is ignored: writing gives EPIPE. */
void interrupt_catch(void);

/* The signal that was noted, or 0. */
int interrupt_seen(void);

/* Note a signal that did not come as one: SIGPIPE after EPIPE. */
void interrupt_note(int number);

/* The last thing a command calls: dies by the signal that was noted, or gives status. */
int interrupt_end(int status);

#endif
