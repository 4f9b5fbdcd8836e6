/* SPDX-License-Identifier: MIT */
/* text.c - see text.h. */
#include "text.h"

#include <errno.h>
#include <unistd.h>

void fy_text_begin(struct fy_text *ret_text, int fd)
{
	ret_text->fd = fd;
	ret_text->used = 0;
}

void fy_text_flush(struct fy_text *text)
{
	size_t done = 0;

	while (done < text->used) {
		ssize_t n = write(text->fd, text->bytes + done, text->used - done);
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break; /* a report that nobody takes is no reason not to die */
	}
	text->used = 0;
}

static void put_byte(struct fy_text *text, char byte)
{
	if (text->used == FY_TEXT_BYTES)
		fy_text_flush(text);
	text->bytes[text->used++] = byte;
}

void fy_text_put(struct fy_text *text, const char *string)
{
	for (; string && *string != '\0'; string++)
		put_byte(text, *string);
}

void fy_text_put_name(struct fy_text *text, const char *string, size_t most)
{
	for (size_t i = 0; i < most && string[i] != '\0'; i++) {
		unsigned char c = (unsigned char)string[i];
		put_byte(text, c < 0x20 || c == 0x7f ? '?' : string[i]);
	}
}

static void put_digits(struct fy_text *text, uint64_t number, unsigned base, int least)
{
	char digits[20]; /* of 2^64 - 1 */
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number != 0);
	for (int i = n; i < least; i++)
		put_byte(text, '0');
	while (n > 0)
		put_byte(text, digits[--n]);
}

void fy_text_number(struct fy_text *text, int64_t number)
{
	if (number < 0)
		put_byte(text, '-');
	put_digits(text, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10, 1);
}

void fy_text_hex(struct fy_text *text, uint64_t number, int digits)
{
	fy_text_put(text, "0x");
	put_digits(text, number, 16, digits);
}
