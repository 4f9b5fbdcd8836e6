/* SPDX-License-Identifier: MIT */
/* descriptor.h - descriptors that came with bytes. */
#ifndef FY_SOCKET_DESCRIPTOR_H
#define FY_SOCKET_DESCRIPTOR_H

#include <sys/socket.h>

/* Hand out the descriptors of a message that recvmsg(2) has filled in: the first n, the rest is
 * closed. How many came; -EMFILE: some did not get in, and all are closed. */
int fy_descriptors_collect(struct msghdr *message, int *ret_descriptors, int n);

#endif
