/* SPDX-License-Identifier: MIT */
/* descriptor.c - descriptors that go along with bytes over unix sockets. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../os/socket.h"
#include "descriptor.h"
#include "socket.h"

/* Room for the kernel's header and the most descriptors that it passes at once. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(FERRY_DESCRIPTORS_MAX * sizeof(int))];
};

ssize_t ferry_socket_send_descriptors(ferry_socket *socket, const void *data, size_t size,
				      const int *descriptors, int n, ferry_deadline deadline)
{
	union control control;
	struct iovec one = { (void *)(uintptr_t)data, size };
	struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1 };

	if (!socket || size == 0 || fy_buffers_size(&one, 1) < 0 || n < 0 ||
	    n > FERRY_DESCRIPTORS_MAX || (n > 0 && !descriptors))
		return -EINVAL;
	if (!fy_transport_is_unix(socket->transport))
		return -EOPNOTSUPP;
	if (n > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(header), descriptors, (size_t)n * sizeof(int));
	}
	return fy_socket_message_out(socket, &message, 0, deadline);
}

int fy_descriptors_collect(struct msghdr *message, int *ret_descriptors, int n)
{
	const int all_in = !(message->msg_flags & MSG_CTRUNC);
	int came = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++, came++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (all_in && came < n)
				ret_descriptors[came] = fd;
			else
				(void)close(fd);
		}
	}
	return all_in ? came : -EMFILE;
}

ssize_t ferry_socket_receive_descriptors(ferry_socket *socket, void *buffer, size_t size,
					 int *ret_descriptors, int n, int *ret_n,
					 ferry_deadline deadline)
{
	union control control;
	struct iovec one = { buffer, size };
	struct msghdr message = { .msg_iov = &one,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int saved = errno;

	if (!socket || fy_buffers_size(&one, 1) < 0 || n < 0 || (n > 0 && !ret_descriptors) ||
	    !ret_n)
		return -EINVAL;
	if (!fy_transport_is_unix(socket->transport))
		return -EOPNOTSUPP;
	if (size == 0 && fy_transport_is_stream(socket->transport))
		return *ret_n = 0;
	ssize_t r = fy_socket_message_in(socket, &message, 0, deadline);
	if (r < 0)
		return r;
	int came = fy_descriptors_collect(&message, ret_descriptors, n);
	errno = saved;
	if (came < 0)
		return came;
	*ret_n = came;
	return r;
}
