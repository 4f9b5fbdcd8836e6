/* SPDX-License-Identifier: MIT */
/*
 * text.h - writing text with nothing but write(2): no heap, no lock, no libc but memcpy.
 *
 * For the moment when a process crashes. What is put is gathered in a buffer on the caller's stack
 * and written when a line is full or done.
 */
#ifndef FY_SIGNAL_TEXT_H
#define FY_SIGNAL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define FY_TEXT_BYTES 512

struct fy_text {
	int fd;
	size_t used;
	char bytes[FY_TEXT_BYTES];
};

void fy_text_begin(struct fy_text *ret_text, int fd);
void fy_text_put(struct fy_text *text, const char *string);                   /* NULL: nothing */
void fy_text_put_name(struct fy_text *text, const char *string, size_t most); /* no control bytes */
void fy_text_number(struct fy_text *text, int64_t number);
void fy_text_hex(struct fy_text *text, uint64_t number, int digits); /* at least so many; "0x" */

/* What was gathered goes out. */
void fy_text_flush(struct fy_text *text);

#endif
