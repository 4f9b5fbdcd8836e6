/* SPDX-License-Identifier: MIT */
/*
 * ledger_inspect.h - what must be true of a mailbox when all who used it have gone.
 */
#ifndef FERRY_CLI_LEDGER_INSPECT_H
#define FERRY_CLI_LEDGER_INSPECT_H

#include <ferry/ferry.h>

#include "faults.h"

/*
 * Nobody but box has the mailbox open, and all messages were received. See that memory the dead
 * held is there for others (unless the mailbox drops messages: those do not wait for memory), then
 * that nothing is left in it. What is not as it must be is reported as a fault.
 */
void ledger_inspect(struct faults *faults, ferry_mailbox *box, const char *location,
		    struct ferry_mailbox_stat *ret_stat);

#endif
