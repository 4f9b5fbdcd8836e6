/* SPDX-License-Identifier: MIT */
/*
 * desk.h - how the two ends of a connection find out that both are ferry's, without a byte on the
 * connection: a second socket beside the listening one, with an abstract name that follows from the
 * listener's address. Whoever connects with ferry leaves an offer there first. Protocol:
 * docs/formats/connection.md.
 */
#ifndef FY_DESK_H
#define FY_DESK_H

#include <ferry/socket.h>
#include <sys/socket.h>

/* What was offered for a connection that is being made. Zeros: nothing. */
struct fy_offer {
	int made;          /* 1: the rest counts */
	int memory;        /* the memory of the connection; the offer's */
	int visit;         /* the connection to the desk: it ends when ours is made, or we die */
	struct ucred desk; /* who listens at the desk */
};

struct fy_desk;

/* Not wanted: by option or by environment. */
int fy_desk_is_off(const struct ferry_socket_options *options);

/* Open a desk for a listening socket. NULL: it cannot be; connections stay plain. */
struct fy_desk *fy_desk_open(int listening, enum ferry_transport transport, uint32_t backlog);
void fy_desk_close(struct fy_desk *desk);

/* The memory that the other end of an accepted connection has offered for it. A descriptor, the
 * caller's; or an error: there is none. */
int fy_desk_find(struct fy_desk *desk, int accepted);

/* Around accept(2) and fy_desk_find(): between the two nothing is thrown away. */
void fy_desk_enter(struct fy_desk *desk);
void fy_desk_leave(struct fy_desk *desk);

/* Before fd connects to that address: make an offer, if there is a desk. */
void fy_offer_make(struct fy_offer *ret_offer, int fd, const struct ferry_endpoint *endpoint);

/* After it has connected: is it the desk's owner that we are connected to? 1; 0. */
int fy_offer_holds(const struct fy_offer *offer, int fd);

void fy_offer_drop(struct fy_offer *offer);

#endif
