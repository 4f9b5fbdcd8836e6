/* SPDX-License-Identifier: MIT */
/* descriptor.h - descriptors that came with bytes. */
#ifndef FY_SOCKET_DESCRIPTOR_H
#define FY_SOCKET_DESCRIPTOR_H

#include <sys/socket.h>

/* Nobody gets what came with a message that recvmsg(2) has filled in. */
void fy_descriptors_drop(struct msghdr *message);

#endif
