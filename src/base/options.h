/* SPDX-License-Identifier: MIT */
/*
 * options.h - option structs that may grow. Each begins with its own size, so a program may be
 * older or newer than the library (as the kernel does with copy_struct_from_user()).
 */
#ifndef FY_OPTIONS_H
#define FY_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Copy *options (NULL: all defaults) into the zeroed struct that we know. 0; -EINVAL: its size is
 * impossible; -E2BIG: it says something that we do not know. */
static inline int fy_options_copy(void *to, size_t known, const void *options)
{
	const unsigned char *bytes = options;
	size_t size;

	if (!options)
		return 0;
	memcpy(&size, options, sizeof(size));
	if (size <= sizeof(size) || size > 65536)
		return -EINVAL;
	for (size_t i = known; i < size; i++)
		if (bytes[i] != 0)
			return -E2BIG;
	memcpy(to, options, size < known ? size : known);
	return 0;
}

#endif
