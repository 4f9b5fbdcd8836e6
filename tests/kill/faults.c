/* SPDX-License-Identifier: MIT */
/* Broken promises of one run; see faults.h. */
#include "faults.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

void fault(struct faults *faults, const char *format, ...)
{
	va_list args;
	uint32_t n = atomic_fetch_add(&faults->n, 1);

	if (n >= FAULTS_KEPT)
		return;
	va_start(args, format);
	vsnprintf(faults->text[n], FAULT_TEXT, format, args);
	va_end(args);
}

uint32_t faults_count(const struct faults *faults)
{
	return atomic_load(&faults->n);
}

uint32_t faults_kept(const struct faults *faults)
{
	uint32_t n = faults_count(faults);

	return n < FAULTS_KEPT ? n : FAULTS_KEPT;
}
