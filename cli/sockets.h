/* SPDX-License-Identifier: MIT */
/* sockets.h - ferry's listeners, and its connections through shared memory, as /proc shows them. */
#ifndef FERRY_CLI_SOCKETS_H
#define FERRY_CLI_SOCKETS_H

#include <stdbool.h>

/* List them on standard output, as a table or as JSON. Gives the exit status. */
int list_sockets(bool json);

#endif
