/* SPDX-License-Identifier: MIT */
/* sockdiag.h - what the kernel knows of the socket at the other end (sock_diag(7)). */
#ifndef FY_SOCKDIAG_H
#define FY_SOCKDIAG_H

#include <stdint.h>
#include <sys/types.h>

/* The other end of a connection within this machine and network namespace. */
struct fy_sockdiag {
	uint64_t inode; /* what fstat(2) says of the other end's descriptor */
	uid_t uid;      /* internet: who made the socket; unix: not told, (uid_t)-1 */
};

/* Ask about the other end of a connected stream: AF_UNIX, AF_INET or AF_INET6. 0; -ENOENT: it is
 * not within this machine, or gone; or an error: the kernel does not tell. */
int fy_sockdiag_other_end(struct fy_sockdiag *ret_other, int fd);

#endif
