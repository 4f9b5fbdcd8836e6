/* SPDX-License-Identifier: MIT */
/* Plain programs at the other end: sockets without ferry. */
#ifndef FERRY_TEST_PLAIN_H
#define FERRY_TEST_PLAIN_H

/** Connect to an address of a byte stream. */
int plain_connect(const char *address);

/** Exactly these bytes are there, and no more. */
void plain_expect(int fd, const char *text);

/** A listener: AF_UNIX, at the file "plain" of the scratch directory, or AF_INET; its address, of
 * FERRY_ADDRESS_MAX bytes. */
int plain_listen(int family, char *ret_address);

#endif
