/* SPDX-License-Identifier: MIT */
/* datagram.c - datagrams to and from anybody, and multicast. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "../os/socket.h"
#include "../wait/pace.h"
#include "socket.h"

/* The kernel calls a unix socket writable while there is no room at the other end, if it is not
 * connected there: so unless the kernel itself may wait, for ever, we look again and again. */
static ssize_t send_when_there_is_room(ferry_socket *socket, const struct msghdr *message,
				       ferry_deadline deadline)
{
	struct fy_pace pace = { 0 };
	ssize_t r;

	if (socket->transport != FERRY_UNIX_DGRAM ||
	    (deadline == FERRY_FOREVER && !socket->interruptible))
		return fy_socket_message_out(socket, message, 1, deadline);
	while ((r = fy_socket_message_out(socket, message, 1, FERRY_NOW)) == -EAGAIN) {
		r = fy_pace_wait(&pace, deadline);
		if (r < 0 && (r != -EINTR || socket->interruptible))
			return r;
	}
	return r;
}

int ferry_socket_send_to(ferry_socket *socket, const struct ferry_endpoint *endpoint,
			 const void *data, size_t size, ferry_deadline deadline)
{
	struct iovec one = { (void *)(uintptr_t)data, size };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };

	if (!socket || !endpoint || fy_buffers_size(&one, 1) < 0)
		return -EINVAL;
	if (!fy_transport_is_datagram(socket->transport))
		return -EOPNOTSUPP;
	if (endpoint->size > sizeof(endpoint->bytes) || endpoint->size < sizeof(sa_family_t))
		return -EINVAL;
	message.msg_name = (void *)(uintptr_t)endpoint->bytes;
	message.msg_namelen = endpoint->size;
	ssize_t r = send_when_there_is_room(socket, &message, deadline);
	return r < 0 ? (int)r : 0;
}

ssize_t ferry_socket_receive_from(ferry_socket *socket, void *buffer, size_t size,
				  struct ferry_endpoint *ret_from, ferry_deadline deadline)
{
	struct ferry_endpoint from = { 0 };
	struct iovec one = { buffer, size };
	struct msghdr message = { .msg_iov = &one,
				  .msg_iovlen = 1,
				  .msg_name = from.bytes,
				  .msg_namelen = sizeof(from.bytes) };

	if (!socket || fy_buffers_size(&one, 1) < 0)
		return -EINVAL;
	if (!fy_transport_is_datagram(socket->transport))
		return -EOPNOTSUPP;
	/* MSG_TRUNC: the size that it had, whatever the room. */
	ssize_t r = fy_socket_message_in(socket, &message, MSG_TRUNC, deadline);
	if (r < 0)
		return r;
	from.transport = (uint32_t)socket->transport;
	from.size = message.msg_namelen;
	if (ret_from)
		*ret_from = from;
	return r;
}

/* ---- multicast ---- */

static int set_group(int fd, int level, int name, const void *request, size_t size)
{
	int saved = errno;
	int r = setsockopt(fd, level, name, request, (socklen_t)size) == 0 ? 0 : -errno;

	errno = saved;
	return r;
}

static int change_v4(int fd, const char *group, unsigned interface, int join)
{
	struct ip_mreqn request = { .imr_ifindex = (int)interface };

	if (inet_pton(AF_INET, group, &request.imr_multiaddr) != 1 ||
	    !IN_MULTICAST(ntohl(request.imr_multiaddr.s_addr)))
		return -EINVAL;
	return set_group(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
			 sizeof(request));
}

static int change_v6(int fd, const char *group, unsigned interface, int join)
{
	struct ipv6_mreq request = { .ipv6mr_interface = interface };

	if (inet_pton(AF_INET6, group, &request.ipv6mr_multiaddr) != 1 ||
	    !IN6_IS_ADDR_MULTICAST(&request.ipv6mr_multiaddr))
		return -EINVAL;
	return set_group(fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &request,
			 sizeof(request));
}

static int change_group(ferry_socket *socket, const char *group, const char *interface, int join)
{
	unsigned index = 0;

	if (!socket || !group)
		return -EINVAL;
	if (socket->transport != FERRY_UDP)
		return -EOPNOTSUPP;
	if (interface && (index = if_nametoindex(interface)) == 0)
		return -ENODEV;
	return fy_socket_get(socket->fd, SOL_SOCKET, SO_DOMAIN) == AF_INET6
		   ? change_v6(socket->fd, group, index, join)
		   : change_v4(socket->fd, group, index, join);
}

int ferry_socket_join(ferry_socket *socket, const char *group, const char *interface)
{
	return change_group(socket, group, interface, 1);
}

int ferry_socket_leave(ferry_socket *socket, const char *group, const char *interface)
{
	return change_group(socket, group, interface, 0);
}
