/* SPDX-License-Identifier: MIT */
/* why.c - one sentence about a failure. */
#include "why.h"

#include <stdarg.h>
#include <stdio.h>

int fy_why(struct ferry_why *why, int error, const char *format, ...)
{
	va_list arguments;

	if (!why)
		return error;
	why->error = error;
	va_start(arguments, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, arguments);
	va_end(arguments);
	/* Names come from anywhere; a terminal shall survive them. */
	for (char *c = why->text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return error;
}
