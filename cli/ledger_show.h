/* SPDX-License-Identifier: MIT */
/*
 * ledger_show.h - what `ferry demo` and `ferry torture` have in common on the screen, and the
 * private directory that both work in.
 */
#ifndef FERRY_CLI_LEDGER_SHOW_H
#define FERRY_CLI_LEDGER_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "crew.h"
#include "faults.h"

struct show {
	bool terminal, quiet;
	const char *bold, *good, *bad, *dim, *plain; /* empty where colours are not wanted */
	uint64_t shown;                              /* ns: when progress was shown last */
};

/* Colours only on a terminal, and not if NO_COLOR is set or TERM is "dumb". */
void show_init(struct show *show, bool quiet);

/* One line of progress: in place on a terminal, otherwise once a second; nothing if quiet. */
void show_progress(struct show *show, uint64_t now, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Take the progress line away. */
void show_progress_end(struct show *show);

#define SHOW_NUMBER 28
/* "1,234,567". Gives buffer. */
const char *show_number(char buffer[static SHOW_NUMBER], uint64_t number);

/* "312 k", "1.2 M": for rates. Gives buffer. */
const char *show_short(char buffer[static SHOW_NUMBER], double number);

/* The sentences of all faults that were kept, on standard error. */
void show_faults(const struct faults *faults);

/* Where the killed processes were, in the order of frequency, in one line of at most width. */
void show_kills(const struct crew *crew, char *text, size_t width);

/* Make a directory of our own and let FERRY_DIR name it; remove it with all that is in it. 0, or a
 * negative error. */
int show_place_make(char path[static 32]);
void show_place_remove(const char *path);

#endif
