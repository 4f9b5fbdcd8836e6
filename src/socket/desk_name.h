/* SPDX-License-Identifier: MIT */
/* desk_name.h - the name of the desk that belongs to a listener's address. */
#ifndef FY_DESK_NAME_H
#define FY_DESK_NAME_H

#include <ferry/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct fy_desk_name {
	struct sockaddr_un address;
	socklen_t size;
};

/* For the address that somebody listens at, or connects to. 0; or an error: such an address has no
 * desk. */
int fy_desk_name(struct fy_desk_name *ret_name, const struct ferry_endpoint *endpoint);

/* The socket file of a unix endpoint. 0; 1: it has an abstract name; or an error. */
int fy_endpoint_file(struct stat *ret_file, const struct ferry_endpoint *endpoint);

/* For the address of the desk of whoever listens at all addresses of the machine. */
int fy_desk_name_any(struct fy_desk_name *ret_name, const struct ferry_endpoint *endpoint);

#endif
