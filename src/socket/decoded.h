/* SPDX-License-Identifier: MIT */
/*
 * decoded.h - telling waiters of bytes that a read of TLS has decoded and left.
 *
 * The kernel has given them away, so the socket's descriptor does not tell of them. Whoever reads a
 * part of what was decoded looks here whether a waiter (src/waiting) wants to know. Nothing is made
 * before one does.
 */
#ifndef FY_DECODED_H
#define FY_DECODED_H

#include <stdatomic.h>

#include "tls.h"

struct fy_decoded {
	_Atomic int fd;        /* eventfd, written to when something was left; -1: nobody asked */
	_Atomic uint32_t told; /* since the last look */
};

void fy_decoded_init(struct fy_decoded *decoded);
void fy_decoded_end(struct fy_decoded *decoded);

/* A descriptor for epoll(7) with EPOLLET: each time that it tells, something may be left. Nobody
 * reads it. -errno. */
int fy_decoded_fd(struct fy_decoded *decoded);

/* Bytes that are left; from here on it will be told of others. */
size_t fy_decoded_look(struct fy_decoded *decoded, struct fy_tls *tls);

/* After a read. */
void fy_decoded_tell(struct fy_decoded *decoded, struct fy_tls *tls);

#endif
