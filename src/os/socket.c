/* SPDX-License-Identifier: MIT */
/* socket.c - see socket.h. */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/base.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"

static ssize_t result_of(long r, int saved)
{
	ssize_t result = r < 0 ? -errno : (ssize_t)r;

	errno = saved;
	return result;
}

int fy_socket_new(int family, int type)
{
	int saved = errno;

	return (int)result_of(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved);
}

int fy_socket_set_blocking(int fd, int blocking)
{
	int saved = errno;
	long r = fcntl(fd, F_GETFL);

	if (r >= 0)
		r = fcntl(fd, F_SETFL, blocking ? r & ~O_NONBLOCK : r | O_NONBLOCK);
	return (int)result_of(r, saved);
}

/* The raw calls: libc's are cancellation points. */

/* Then there are calls for which the kernel has less to fetch. */
static int is_one_piece(const struct msghdr *message)
{
	return message->msg_iovlen == 1 && message->msg_namelen == 0 &&
	       message->msg_controllen == 0;
}

ssize_t fy_socket_send_message(int fd, const struct msghdr *message, int flags)
{
	const struct iovec *only = message->msg_iov;
	int saved = errno;

	if (is_one_piece(message))
		return result_of(syscall(SYS_sendto, fd, only->iov_base, only->iov_len,
					 flags | MSG_NOSIGNAL, NULL, 0),
				 saved);
	return result_of(syscall(SYS_sendmsg, fd, message, flags | MSG_NOSIGNAL), saved);
}

ssize_t fy_socket_receive_message(int fd, struct msghdr *message, int flags)
{
	const struct iovec *only = message->msg_iov;
	int saved = errno;

	if (is_one_piece(message))
		return result_of(
		    syscall(SYS_recvfrom, fd, only->iov_base, only->iov_len, flags, NULL, NULL),
		    saved);
	return result_of(syscall(SYS_recvmsg, fd, message, flags | MSG_CMSG_CLOEXEC), saved);
}

int fy_socket_accept_one(int fd)
{
	int saved = errno;

	return (int)result_of(syscall(SYS_accept4, fd, NULL, NULL, SOCK_CLOEXEC), saved);
}

int fy_socket_connect_once(int fd, const void *address, socklen_t size)
{
	int saved = errno;

	return (int)result_of(syscall(SYS_connect, fd, address, size), saved);
}

static int limit_sending(int fd, int64_t ns)
{
	int saved = errno;
	int64_t us = (ns + 999) / 1000;
	struct timeval limit = { us / 1000000, us % 1000000 };

	return (int)result_of(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
			      saved);
}

int fy_socket_connect_until(int fd, const void *address, socklen_t size, int64_t deadline,
			    int interruptible)
{
	int r = fy_socket_connect_once(fd, address, size);

	if (r != -EAGAIN || deadline == FERRY_NOW)
		return r;
	r = fy_socket_set_blocking(fd, 1);
	while (r == 0 || r == -EINTR) {
		int64_t left = deadline == FERRY_FOREVER ? 0 : deadline - fy_now();
		if (deadline != FERRY_FOREVER && left <= 0)
			return -ETIMEDOUT;
		r = limit_sending(fd, left);
		if (r == 0)
			r = fy_socket_connect_once(fd, address, size);
		if (r == 0)
			return limit_sending(fd, 0);
		if (r == -EAGAIN)
			r = 0; /* the time is over, or nearly so */
		if (r == -EINTR && interruptible)
			return r;
	}
	return r;
}

int fy_socket_set(int fd, int level, int name, int value)
{
	int saved = errno;

	return (int)result_of(setsockopt(fd, level, name, &value, sizeof(value)), saved);
}

int fy_socket_get(int fd, int level, int name)
{
	int saved = errno;
	int value = 0;
	socklen_t size = sizeof(value);
	int r = (int)result_of(getsockopt(fd, level, name, &value, &size), saved);

	return r < 0 ? r : value;
}

int fy_socket_lock(int fd, int which, int take)
{
	struct flock lock = {
		.l_type = take ? F_WRLCK : F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = which,
		.l_len = 1,
	};
	int saved = errno;
	int r = (int)result_of(fcntl(fd, F_SETLK, &lock), saved);

	return r == -EACCES ? -EAGAIN : r;
}

int fy_socket_readable(int fd)
{
	int saved = errno;
	int bytes = 0;
	int r = (int)result_of(ioctl(fd, FIONREAD, &bytes), saved);

	return r < 0 ? r : bytes;
}

int fy_socket_credentials(int fd, struct ucred *ret_credentials)
{
	socklen_t size = sizeof(*ret_credentials);
	int saved = errno;

	return (int)result_of(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_credentials, &size),
			      saved);
}
