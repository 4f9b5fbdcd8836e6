/* SPDX-License-Identifier: MIT */
/* address.h - from the text of an address to what the kernel calls one, and back. */
#ifndef FY_ADDRESS_H
#define FY_ADDRESS_H

#include <ferry/socket.h>
#include <sys/socket.h>

#define FY_ENDPOINTS 16 /* addresses of one host that are tried */

struct fy_endpoints {
	int n;
	struct ferry_endpoint list[FY_ENDPOINTS];
};

/* What listeners may say and others may not: "*", port 0, "unix:@". */
enum fy_use { FY_USE_PEER, FY_USE_LOCAL };

/* All endpoints of an address; looks a name up (resolve.c). As ferry_endpoint_resolve(). */
int fy_endpoints_find(struct fy_endpoints *ret_endpoints, const struct ferry_address *address,
		      enum fy_use use, ferry_deadline deadline, struct ferry_why *why);

/* The same from text. */
int fy_endpoints_parse(struct fy_endpoints *ret_endpoints, struct ferry_address *ret_address,
		       const char *text, enum fy_use use, ferry_deadline deadline,
		       struct ferry_why *why);

/* Addresses of a host's name, in a thread that is left alone at the deadline (resolve.c). */
int fy_resolve(struct fy_endpoints *ret_endpoints, const struct ferry_address *address,
	       ferry_deadline deadline, struct ferry_why *why);

int fy_transport_is_unix(enum ferry_transport transport);
/* Bytes without bounds: messages need a length before them. */
int fy_transport_is_stream(enum ferry_transport transport);
int fy_transport_is_datagram(enum ferry_transport transport);

/* SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. */
int fy_transport_type(enum ferry_transport transport);

static inline const struct sockaddr *fy_endpoint_kernel(const struct ferry_endpoint *endpoint)
{
	return (const struct sockaddr *)endpoint->bytes;
}

/* From the kernel: getsockname(2), getpeername(2). 0 or -errno. */
int fy_endpoint_of(struct ferry_endpoint *ret_endpoint, int fd, enum ferry_transport transport,
		   int peer);

#endif
