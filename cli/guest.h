/* SPDX-License-Identifier: MIT */
/*
 * guest.h - `ferry listen --exec` where a command cannot have the socket itself: over TLS, whose
 * bytes only this process understands, and for datagrams, each of which gets a command of its own.
 * A thread stands between the two, for each command.
 */
#ifndef FERRY_CLI_GUEST_H
#define FERRY_CLI_GUEST_H

#include <stdatomic.h>
#include <stddef.h>

#include "bridge.h"

/* All guests of a listener. */
struct guests {
	const struct bridge *bridge;
	char **command;
	ferry_socket *bound; /* datagrams: where answers go out; NULL: connections */
	_Atomic size_t n;
	int left; /* an eventfd: readable when one has left */
};

int guests_init(struct guests *guests);

/* Take over a connection; the guest closes it. 0 or -errno, and then it is closed already. */
int guest_connect(struct guests *guests, ferry_socket *socket);

/* Take over a datagram, which is copied. */
int guest_datagram(struct guests *guests, const void *data, size_t size,
		   const struct ferry_endpoint *from);

#endif
