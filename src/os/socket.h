/* SPDX-License-Identifier: MIT */
/*
 * socket.h - the kernel's socket calls: results instead of errno, which stays as it was; no
 * cancellation points; close-on-exec; never SIGPIPE. Flags are the kernel's.
 */
#ifndef FY_OS_SOCKET_H
#define FY_OS_SOCKET_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* A socket, non-blocking. */
int fy_socket_new(int family, int type);

/* Blocking again, for those who get the descriptor. 0 or -errno. */
int fy_socket_set_blocking(int fd, int blocking);

/* As sendmsg(2) and recvmsg(2); msg_flags is written only where a name, control data or several
 * pieces are asked for. */
ssize_t fy_socket_send_message(int fd, const struct msghdr *message, int flags);
ssize_t fy_socket_receive_message(int fd, struct msghdr *message, int flags);

int fy_socket_accept_one(int fd);
int fy_socket_connect_once(int fd, const void *address, socklen_t size);

/* Connect, blocking, until the absolute time: for unix sockets, which cannot be polled for it. fd
 * is nobody else's yet. 0; -EAGAIN (NOW), -ETIMEDOUT, -EINTR (if interruptible), -errno. */
int fy_socket_connect_until(int fd, const void *address, socklen_t size, int64_t deadline,
			    int interruptible);

int fy_socket_set(int fd, int level, int name, int value);
/* The value of an option, >= 0; or -errno. */
int fy_socket_get(int fd, int level, int name);

/* Bytes that can be read at once from a stream; or -errno. */
int fy_socket_readable(int fd);

/* Who connected, or listened, at the other end of a unix connection. 0 or -errno. */
int fy_socket_credentials(int fd, struct ucred *ret_credentials);

/* Take or leave one of the locks that processes have on a socket, by its number: they keep out
 * other processes, not threads, and die with their holder. 0; -EAGAIN: another process has it. */
int fy_socket_lock(int fd, int which, int take);

#endif
