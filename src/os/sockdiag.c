/* SPDX-License-Identifier: MIT */
/* sockdiag.c - see sockdiag.h. */
#include "sockdiag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM 1024 /* bytes of an answer; one socket's takes a tenth */

union answer {
	struct nlmsghdr header;
	char room[ROOM];
};

/* Send one request (header and body), receive one answer. Its bytes, or -errno. */
static ssize_t exchange(void *request, size_t size, union answer *ret_answer)
{
	struct nlmsghdr *header = request;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	*header = (struct nlmsghdr){ .nlmsg_len = (uint32_t)size,
				     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				     .nlmsg_flags = NLM_F_REQUEST };
	/* The kernel answers within the call that asks: there is no waiting. */
	ssize_t n = send(fd, request, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0)
		n = recv(fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT);
	int r = n < 0 ? -errno : 0;
	(void)close(fd);
	return r < 0 ? r : n;
}

/* The body of the answer, of at least `least` bytes; *ret_size: how many it has. NULL: an error,
 * *ret_error. */
static const void *body_of(const union answer *answer, ssize_t n, size_t least, size_t *ret_size,
			   int *ret_error)
{
	const struct nlmsghdr *h = &answer->header;
	const void *body = (const char *)h + NLMSG_HDRLEN;

	*ret_error = n < 0 ? (int)n : -EPROTO;
	if (n < (ssize_t)NLMSG_HDRLEN || h->nlmsg_len > (size_t)n || h->nlmsg_len < NLMSG_HDRLEN)
		return NULL;
	*ret_size = h->nlmsg_len - NLMSG_HDRLEN;
	if (h->nlmsg_type == NLMSG_ERROR && *ret_size >= sizeof(int)) {
		int error;
		memcpy(&error, body, sizeof(error));
		*ret_error = error < 0 ? error : -EPROTO;
		return NULL;
	}
	return h->nlmsg_type == SOCK_DIAG_BY_FAMILY && *ret_size >= least ? body : NULL;
}

/* ---- unix ---- */

/* The number in the attribute UNIX_DIAG_PEER, among size bytes of attributes. 0: there is none. */
static uint32_t find_peer(const char *at, size_t size)
{
	struct nlattr attribute;
	uint32_t inode = 0;

	while (size >= sizeof(attribute)) {
		memcpy(&attribute, at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > size)
			return 0;
		if (attribute.nla_type == UNIX_DIAG_PEER &&
		    attribute.nla_len >= sizeof(attribute) + sizeof(inode)) {
			memcpy(&inode, at + sizeof(attribute), sizeof(inode));
			return inode;
		}
		const size_t whole = ((size_t)attribute.nla_len + 3) / 4 * 4;
		if (whole >= size)
			return 0;
		at += whole;
		size -= whole;
	}
	return 0;
}

static int other_end_unix(struct fy_sockdiag *ret_other, int fd)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req body;
	} request = { 0 };
	union answer answer;
	struct stat own;
	size_t size;
	int error;

	if (fstat(fd, &own) != 0)
		return -errno;
	request.body = (struct unix_diag_req){ .sdiag_family = AF_UNIX,
					       .udiag_states = UINT32_MAX,
					       .udiag_ino = (uint32_t)own.st_ino,
					       .udiag_show = UDIAG_SHOW_PEER,
					       .udiag_cookie = { UINT32_MAX, UINT32_MAX } };
	ssize_t n = exchange(&request, sizeof(request), &answer);
	const struct unix_diag_msg *body =
	    body_of(&answer, n, sizeof(struct unix_diag_msg), &size, &error);
	if (!body)
		return error;
	const size_t fixed = NLMSG_ALIGN(sizeof(*body));
	uint32_t inode = size > fixed ? find_peer((const char *)body + fixed, size - fixed) : 0;
	*ret_other = (struct fy_sockdiag){ .inode = inode, .uid = (uid_t)-1 };
	return inode != 0 ? 0 : -ENOENT;
}

/* ---- internet ---- */

/* An address as the request wants it. IPv4 within IPv6 is IPv4: so the other end sees it. Its
 * family. */
static uint8_t put_address(const struct sockaddr_storage *address, uint32_t to[4], uint16_t *port)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	memset(to, 0, 16);
	if (address->ss_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		to[0] = v4.sin_addr.s_addr;
		*port = v4.sin_port;
		return AF_INET;
	}
	memcpy(&v6, address, sizeof(v6));
	*port = v6.sin6_port;
	if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
		memcpy(to, (const char *)&v6.sin6_addr + 12, 4);
		return AF_INET;
	}
	memcpy(to, &v6.sin6_addr, 16);
	return AF_INET6;
}

static int other_end_internet(struct fy_sockdiag *ret_other, const struct sockaddr_storage *ours,
			      const struct sockaddr_storage *theirs)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} request = { 0 };
	struct inet_diag_sockid *id = &request.body.id;
	union answer answer;
	size_t size;
	int error;

	request.body.sdiag_family = put_address(theirs, id->idiag_src, &id->idiag_sport);
	(void)put_address(ours, id->idiag_dst, &id->idiag_dport);
	request.body.sdiag_protocol = IPPROTO_TCP;
	request.body.idiag_states = UINT32_MAX;
	id->idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	ssize_t n = exchange(&request, sizeof(request), &answer);
	const struct inet_diag_msg *body =
	    body_of(&answer, n, sizeof(struct inet_diag_msg), &size, &error);
	if (!body)
		return error;
	*ret_other = (struct fy_sockdiag){ .inode = body->idiag_inode, .uid = body->idiag_uid };
	return body->idiag_inode != 0 ? 0 : -ENOENT;
}

int fy_sockdiag_other_end(struct fy_sockdiag *ret_other, int fd)
{
	struct sockaddr_storage ours, theirs;
	socklen_t n_ours = sizeof(ours), n_theirs = sizeof(theirs);
	int saved = errno;
	int r = -ENOENT;

	if (getsockname(fd, (struct sockaddr *)&ours, &n_ours) != 0)
		r = -errno;
	else if (ours.ss_family == AF_UNIX)
		r = other_end_unix(ret_other, fd);
	else if ((ours.ss_family == AF_INET || ours.ss_family == AF_INET6) &&
		 getpeername(fd, (struct sockaddr *)&theirs, &n_theirs) == 0)
		r = other_end_internet(ret_other, &ours, &theirs);
	errno = saved;
	return r;
}
