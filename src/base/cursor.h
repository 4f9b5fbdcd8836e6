/* SPDX-License-Identifier: MIT */
/* cursor.h - a place in a caller's buffers, which bytes are copied from or to. */
#ifndef FY_CURSOR_H
#define FY_CURSOR_H

#include <sys/uio.h>

#include "copy.h"

struct fy_cursor {
	uint8_t *at;
	size_t here; /* bytes left at `at` */
	const struct iovec *next;
	int n; /* of them */
};

/* Copy n bytes, of which the cursor has as many; the cursor moves on. Of none there may be no
 * buffer. */
static inline void fy_cursor_get(struct fy_cursor *c, uint8_t *to, size_t n)
{
	if (n == 0)
		return;
	while (__builtin_expect(n > c->here, 0)) {
		fy_copy(to, c->at, c->here);
		to += c->here;
		n -= c->here;
		c->at = c->next->iov_base;
		c->here = c->next->iov_len;
		c->next++;
		c->n--;
	}
	fy_copy(to, c->at, n);
	c->at += n;
	c->here -= n;
}

/* The same the other way; from is memory that others may be writing. */
static inline void fy_cursor_put(struct fy_cursor *c, const uint8_t *from, size_t n)
{
	if (n == 0)
		return;
	while (__builtin_expect(n > c->here, 0)) {
		fy_copy_racy(c->at, from, c->here);
		from += c->here;
		n -= c->here;
		c->at = c->next->iov_base;
		c->here = c->next->iov_len;
		c->next++;
		c->n--;
	}
	fy_copy_racy(c->at, from, n);
	c->at += n;
	c->here -= n;
}

/* A cursor over n buffers. The bytes they have, or -EINVAL. */
ssize_t fy_cursor_over(struct fy_cursor *ret_cursor, const struct iovec *buffers, int n);

#endif
