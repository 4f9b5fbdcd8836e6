/* SPDX-License-Identifier: MIT */
/* offer.c - see desk.h: the part of the one that connects; and the names of desks. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/socket.h"
#include "address.h"
#include "desk.h"
#include "desk_name.h"
#include "lane_format.h"
#include "moved.h"

#define PREFIX "ferry-desk-1:"

/* ---- names ---- */

/* An abstract name: PREFIX and the text. */
static int set_name(struct fy_desk_name *name, const char *text)
{
	char *at = name->address.sun_path;
	int n = snprintf(at + 1, sizeof(name->address.sun_path) - 1, PREFIX "%s", text);

	if (n < 0 || (size_t)n >= sizeof(name->address.sun_path) - 1)
		return -ENAMETOOLONG;
	at[0] = '\0';
	name->address.sun_family = AF_UNIX;
	name->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

int fy_endpoint_file(struct stat *ret_file, const struct ferry_endpoint *endpoint)
{
	struct sockaddr_un address = { 0 };
	char path[sizeof(address.sun_path) + 1] = "";
	int saved = errno;

	if (endpoint->size <= PATH_AT || endpoint->size > sizeof(address))
		return -ENOENT;
	memcpy(&address, endpoint->bytes, endpoint->size);
	if (address.sun_path[0] == '\0')
		return 1;
	memcpy(path, address.sun_path, sizeof(address.sun_path));
	int r = stat(path, ret_file) == 0 ? 0 : -errno;
	errno = saved;
	return r;
}

/* A path may be said in several ways, so the file counts; an abstract name may be long, and have
 * bytes of any value, so its digest does. */
static int unix_name(struct fy_desk_name *name, const struct ferry_endpoint *endpoint)
{
	const unsigned char *bytes = (const unsigned char *)endpoint->bytes + PATH_AT;
	const size_t n = endpoint->size - PATH_AT;
	char text[64];
	struct stat file;
	int r = fy_endpoint_file(&file, endpoint);

	if (r < 0)
		return r;
	if (r == 0) {
		(void)snprintf(text, sizeof(text), "file:%llx:%llx",
			       (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
		return set_name(name, text);
	}
	uint64_t digest = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (size_t i = 1; i < n; i++)
		digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
	(void)snprintf(text, sizeof(text), "name:%016llx:%zu", (unsigned long long)digest, n);
	return set_name(name, text);
}

/* any: of whoever listens at all addresses. */
static int internet_name(struct fy_desk_name *name, const struct ferry_endpoint *endpoint, int any)
{
	char text[FERRY_ADDRESS_MAX];
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	uint16_t port;

	if (fy_endpoint_kernel(endpoint)->sa_family == AF_INET) {
		memcpy(&v4, endpoint->bytes, sizeof(v4));
		port = ntohs(v4.sin_port);
		any = any || v4.sin_addr.s_addr == htonl(INADDR_ANY);
	} else {
		memcpy(&v6, endpoint->bytes, sizeof(v6));
		port = ntohs(v6.sin6_port);
		any = any || IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
	}
	if (any)
		(void)snprintf(text, sizeof(text), "tcp://*:%u", port);
	else if (ferry_endpoint_text(endpoint, text, sizeof(text)) < 0)
		return -EINVAL;
	return set_name(name, text);
}

static int name_of(struct fy_desk_name *name, const struct ferry_endpoint *endpoint, int any)
{
	switch (fy_endpoint_kernel(endpoint)->sa_family) {
	case AF_UNIX:
		return any ? -ENOENT : unix_name(name, endpoint);
	case AF_INET:
	case AF_INET6:
		return internet_name(name, endpoint, any);
	default:
		return -ENOENT;
	}
}

int fy_desk_name(struct fy_desk_name *ret_name, const struct ferry_endpoint *endpoint)
{
	return name_of(ret_name, endpoint, 0);
}

int fy_desk_name_any(struct fy_desk_name *ret_name, const struct ferry_endpoint *endpoint)
{
	return name_of(ret_name, endpoint, 1);
}

/* ---- offering ---- */

/* A connection to the desk, and who keeps it. The descriptor, or an error. */
static int visit(const struct ferry_endpoint *endpoint, struct ucred *ret_desk)
{
	struct fy_desk_name name;
	int r = fy_desk_name(&name, endpoint);
	int fd = r < 0 ? r : fy_socket_new(AF_UNIX, SOCK_SEQPACKET);

	if (fd < 0)
		return fd;
	r = fy_socket_connect_once(fd, &name.address, name.size);
	if (r == -ECONNREFUSED && fy_desk_name_any(&name, endpoint) == 0)
		r = fy_socket_connect_once(fd, &name.address, name.size);
	if (r == 0)
		r = fy_socket_credentials(fd, ret_desk);
	/* An internet connection is moved within one user only; of a unix connection the kernel
	 * says who is at its other end, once it is made. */
	if (r == 0 && endpoint->transport == FERRY_TCP && ret_desk->uid != geteuid())
		r = -EPERM;
	if (r < 0)
		(void)close(fd);
	return r < 0 ? r : fd;
}

static int leave(int desk, int fd, int memory)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct fy_offer_wire offer = { FY_LANES_MAGIC, FY_LANES_VERSION, 0 };
	struct iovec one = { &offer, sizeof(offer) };
	struct msghdr message = { .msg_iov = &one,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	struct stat own;

	if (fstat(fd, &own) != 0)
		return -EBADF;
	offer.inode = own.st_ino;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &memory, sizeof(memory));
	return fy_socket_send_message(desk, &message, MSG_DONTWAIT) < 0 ? -EAGAIN : 0;
}

void fy_offer_make(struct fy_offer *ret_offer, int fd, const struct ferry_endpoint *endpoint)
{
	struct fy_offer offer = { 0 };
	char text[FERRY_ADDRESS_MAX] = "";
	int saved = errno;

	*ret_offer = offer;
	if (endpoint->transport != FERRY_UNIX && endpoint->transport != FERRY_TCP)
		return;
	int desk = visit(endpoint, &offer.desk);
	if (desk >= 0) {
		(void)ferry_endpoint_text(endpoint, text, sizeof(text));
		offer.memory = fy_moved_memory(text);
		offer.made = offer.memory >= 0 && leave(desk, fd, offer.memory) == 0;
		offer.visit = desk;
		if (!offer.made && offer.memory >= 0)
			(void)close(offer.memory);
		if (!offer.made)
			(void)close(desk);
	}
	errno = saved;
	if (offer.made)
		*ret_offer = offer;
}

int fy_offer_holds(const struct fy_offer *offer, int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	struct ucred who;

	if (!offer->made || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return 0;
	if (address.ss_family != AF_UNIX)
		return 1;
	return fy_socket_credentials(fd, &who) == 0 && who.pid == offer->desk.pid &&
	       who.uid == offer->desk.uid;
}

void fy_offer_drop(struct fy_offer *offer)
{
	if (offer->made) {
		(void)close(offer->memory);
		(void)close(offer->visit);
	}
	offer->made = 0;
}
