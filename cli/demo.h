/* SPDX-License-Identifier: MIT */
/*
 * demo.h - the parts of `ferry demo`: the text, the processes that carry it, the table beside the
 * kernel's own ways.
 */
#ifndef FERRY_CLI_DEMO_H
#define FERRY_CLI_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crew_mailbox.h"
#include "ledger_show.h"

#define DEMO_LOCATION "lines"
#define DEMO_LINE_MAX 65536 /* longer lines travel in pieces */

/* The text, as lines without their newlines. */
struct demo_text {
	char *bytes;
	size_t size;
	struct demo_line {
		const char *text;
		size_t size;
	} * lines;
	size_t n_lines;
	size_t longest;
};

/* Read a file, or with NULL the regular files of a Debian's folder of licences. STATUS_DONE, or the
 * exit status after the failure was reported. */
int demo_text_read(struct demo_text *text, const char *file);
void demo_text_free(struct demo_text *text);

/* A message: this, then the line. */
struct demo_head {
	uint64_t id;   /* stream << 48 | number of the message in the stream */
	uint64_t turn; /* which of the stream's lines this is */
};

/* What a process needs to know; context of the crew. */
struct demo {
	struct demo_text text;
	struct show show;
	double seconds;
	uint64_t doubts; /* messages whose sender died in mid-send */
	uint64_t before; /* lines received at the last progress line, and when */
	uint64_t before_at;
};

/* The line that is a stream's number `turn`: the streams take turns, and begin anew at the end. */
const struct demo_line *demo_line(const struct demo_text *text, uint32_t streams, uint32_t stream,
				  uint64_t turn);

/* The work of one seat, for the crew. */
void demo_work(struct crew *crew, uint32_t seat, void *inherited);

/* Measure and print the table. seconds: for each figure in each round. STATUS_DONE, or an exit
 * status after the failure was reported. */
int demo_table(const struct show *show, double seconds, unsigned rounds);

#endif
