/* SPDX-License-Identifier: MIT */
/* action.h - what ferry has laid on each signal, latest on top, and what the kernel was told. */
#ifndef FY_SIGNAL_ACTION_H
#define FY_SIGNAL_ACTION_H

#include <ferry/signal.h>

#define FY_LAYERS 64 /* on one signal */

struct fy_signal_catch {
	ferry_signal_handler handler;
	void *arg;
};

/* The handlers of a signal, latest first; the number of them. Stops at what is not a catch. */
int fy_action_chain(int signo, struct fy_signal_catch ret_chain[FY_LAYERS]);

/* The signals that have a handler function, and wait for a dispatcher. */
uint64_t fy_action_handled(void);

#endif
