/* SPDX-License-Identifier: MIT */
/* cursor.c - see cursor.h. */
#include "cursor.h"

#include <errno.h>
#include <limits.h>

ssize_t fy_cursor_over(struct fy_cursor *ret_cursor, const struct iovec *buffers, int n)
{
	size_t sum = 0;

	if (n < 0 || n > IOV_MAX || (!buffers && n > 0))
		return -EINVAL;
	for (int i = 0; i < n; i++)
		if ((!buffers[i].iov_base && buffers[i].iov_len > 0) ||
		    __builtin_add_overflow(sum, buffers[i].iov_len, &sum) || sum > SSIZE_MAX)
			return -EINVAL;
	*ret_cursor = (struct fy_cursor){ .next = buffers, .n = n };
	return (ssize_t)sum;
}
