/* SPDX-License-Identifier: MIT */
/* The kernel's sockets: nothing but system calls. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "kernel.h"
#include "transport.h"
#include "transports.h"

union name {
	struct sockaddr any;
	struct sockaddr_in tcp;
	struct sockaddr_un local;
};

/* "tcp://127.0.0.1:PORT" or "unix:PATH". */
static socklen_t name_of_text(union name *ret_name, const char *text)
{
	memset(ret_name, 0, sizeof *ret_name);
	if (!strncmp(text, "unix:", 5)) {
		ret_name->local.sun_family = AF_UNIX;
		check(strlen(text + 5) < sizeof ret_name->local.sun_path);
		strcpy(ret_name->local.sun_path, text + 5);
		return sizeof ret_name->local;
	}
	ret_name->tcp.sin_family = AF_INET;
	ret_name->tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ret_name->tcp.sin_port = htons((uint16_t)atoi(strrchr(text, ':') + 1));
	return sizeof ret_name->tcp;
}

static int text_of_name(const union name *name, socklen_t size, char *ret_text, size_t n)
{
	if (name->any.sa_family == AF_UNIX)
		return snprintf(ret_text, n, "unix:%s",
				size > offsetof(struct sockaddr_un, sun_path) ? name->local.sun_path
									      : "");
	return snprintf(ret_text, n, "tcp://127.0.0.1:%d", ntohs(name->tcp.sin_port));
}

static int kernel_name(struct end *end, bool peer, char *ret_text, size_t n)
{
	union name name = { 0 };
	socklen_t size = sizeof name;

	const int r =
	    peer ? getpeername(end->fd, &name.any, &size) : getsockname(end->fd, &name.any, &size);

	if (r)
		return -errno;
	return text_of_name(&name, size, ret_text, n);
}

static int new_socket(const union name *name)
{
	return (int)kernel_result(socket(name->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int kernel_listen(struct door *ret_door, const char *address)
{
	union name name;
	const socklen_t size = name_of_text(&name, address);
	const int fd = new_socket(&name);

	if (fd < 0)
		return fd;
	if (bind(fd, &name.any, size) || listen(fd, SOMAXCONN)) {
		const int error = errno;
		close(fd);
		return -error;
	}
	*ret_door = (struct door){ .fd = fd };
	check(kernel_name(&(struct end){ .fd = fd }, false, ret_door->at, sizeof ret_door->at) > 0);
	return 0;
}

static int kernel_accept(struct door *door, struct end *ret_end)
{
	kernel_make_nonblocking(door->fd, door->nonblocking);
	const int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_end = (struct end){ .fd = fd };
	return 0;
}

static int kernel_connect(const char *address, bool nonblocking, struct end *ret_end)
{
	union name name;
	const socklen_t size = name_of_text(&name, address);
	const int fd = new_socket(&name);

	if (fd < 0)
		return fd;
	kernel_make_nonblocking(fd, nonblocking);
	if (connect(fd, &name.any, size)) {
		const int error = errno;
		close(fd);
		return -error;
	}
	kernel_make_nonblocking(fd, false);
	*ret_end = (struct end){ .fd = fd };
	return 0;
}

static int kernel_agree(struct end *end)
{
	(void)end;
	return 0;
}

static void kernel_close_door(struct door *door)
{
	close(door->fd);
	if (!strncmp(door->at, "unix:", 5))
		unlink(door->at + 5);
}

static void kernel_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void kernel_set_nonblocking(struct end *end, bool nonblocking)
{
	end->nonblocking = nonblocking;
	kernel_make_nonblocking(end->fd, nonblocking);
}

static ssize_t kernel_read(struct end *end, void *buffer, size_t size)
{
	return kernel_result(read(end->fd, buffer, size));
}

static ssize_t kernel_write(struct end *end, const void *data, size_t size)
{
	return kernel_result(write(end->fd, data, size));
}

static ssize_t kernel_readv(struct end *end, const struct iovec *buffers, int n)
{
	return kernel_result(readv(end->fd, buffers, n));
}

static ssize_t kernel_writev(struct end *end, const struct iovec *buffers, int n)
{
	return kernel_result(writev(end->fd, buffers, n));
}

static ssize_t kernel_read_all(struct end *end, void *buffer, size_t size)
{
	return kernel_result(recv(end->fd, buffer, size, MSG_WAITALL));
}

static int kernel_shutdown(struct end *end, uint32_t directions)
{
	static const int how[] = { [FERRY_READ] = SHUT_RD,
				   [FERRY_WRITE] = SHUT_WR,
				   [FERRY_READ | FERRY_WRITE] = SHUT_RDWR };

	return (int)kernel_result(shutdown(end->fd, directions ? how[directions] : -1));
}

static int64_t kernel_unread(struct end *end)
{
	return kernel_unread_bytes(end->fd);
}

static int kernel_credentials(struct end *end, struct ferry_socket_credentials *ret_credentials)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	if (getsockopt(end->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	*ret_credentials = (struct ferry_socket_credentials){ peer.pid, peer.uid, peer.gid };
	return 0;
}

static bool kernel_is_moved(struct end *end)
{
	(void)end;
	return false;
}

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static ssize_t kernel_send_descriptor(struct end *end, char byte, int fd)
{
	union control control = { 0 };
	struct iovec one = { &byte, 1 };
	const struct msghdr message = { .msg_iov = &one,
					.msg_iovlen = 1,
					.msg_control = &control,
					.msg_controllen = sizeof control.room };

	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
					   .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
	return kernel_result(sendmsg(end->fd, &message, 0));
}

static ssize_t kernel_receive_descriptor(struct end *end, char *ret_byte, int *ret_fd)
{
	union control control = { 0 };
	struct iovec one = { ret_byte, 1 };
	struct msghdr message = { .msg_iov = &one,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control.room };
	const ssize_t n = kernel_result(recvmsg(end->fd, &message, MSG_CMSG_CLOEXEC));
	const struct cmsghdr *got = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

	*ret_fd = -1;
	if (got && got->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(got), sizeof *ret_fd);
	return n;
}

const struct driver transport_kernel = {
	.listen = kernel_listen,
	.accept = kernel_accept,
	.connect = kernel_connect,
	.agree = kernel_agree,
	.close_door = kernel_close_door,
	.close = kernel_close,
	.set_nonblocking = kernel_set_nonblocking,
	.read = kernel_read,
	.write = kernel_write,
	.readv = kernel_readv,
	.writev = kernel_writev,
	.read_all = kernel_read_all,
	.shutdown = kernel_shutdown,
	.unread = kernel_unread,
	.name = kernel_name,
	.credentials = kernel_credentials,
	.is_moved = kernel_is_moved,
	.send_descriptor = kernel_send_descriptor,
	.receive_descriptor = kernel_receive_descriptor,
};
