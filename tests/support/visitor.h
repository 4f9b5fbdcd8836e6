/* SPDX-License-Identifier: MIT */
/* Visitors of a listener's desk (docs/formats/connection.md) that are not ferry's. */
#ifndef FERRY_TEST_VISITOR_H
#define FERRY_TEST_VISITOR_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/** The name of the desk of an address: unix:PATH, or an internet one. Its size. */
socklen_t visitor_name(struct sockaddr_un *ret_name, const char *address);

/** Visit the desk of that name, or of an address. */
int visitor_knock(const struct sockaddr_un *name, socklen_t size);
int visitor_come(const char *address);

/** Leave a packet there, with n <= 8 descriptors; or a sound offer for the connection that client
 * is to make, or has made. */
void visitor_leave(int visit, const void *packet, size_t size, const int *descriptors, int n);
void visitor_offer(int visit, int client, int memory);

/** Memory for a connection that is what it has to be. */
int visitor_memory(void);

/** The same, but for its size, its seals, or its version. */
int visitor_memory_of(off_t size, int seals, unsigned version);

#endif
