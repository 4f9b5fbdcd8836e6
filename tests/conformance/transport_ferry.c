/* SPDX-License-Identifier: MIT */
/* ferry's sockets. Signals end a wait, as they do in the kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "certificate.h"
#include "check.h"
#include "scratch.h"
#include "transport.h"
#include "transports.h"

static char certificate[512], key[512];

void transport_make_certificate(void)
{
	snprintf(certificate, sizeof certificate, "%s", scratch_path("certificate"));
	snprintf(key, sizeof key, "%s", scratch_path("key"));
	certificate_needs_tls();
	certificate_make(certificate, key, "localhost");
}

#define AS_POSIX .flags = FERRY_INTERRUPTIBLE

static ferry_deadline wait_of(bool nonblocking)
{
	return nonblocking ? FERRY_NOW : FERRY_FOREVER;
}

static int ours_listen(struct door *ret_door, const char *address)
{
	ferry_listener *listener;
	const int r = ferry_listen(
	    &listener, address,
	    FERRY_SOCKET_OPTIONS(AS_POSIX, .tls.certificate = certificate, .tls.key = key),
	    FERRY_FOREVER);

	if (r < 0)
		return r;
	*ret_door = (struct door){ .listener = listener, .fd = ferry_listener_fd(listener) };
	check(ferry_listener_address(listener, ret_door->at, sizeof ret_door->at) > 0);
	return 0;
}

static struct end end_of(ferry_socket *socket)
{
	return (struct end){ .socket = socket, .fd = -1 };
}

static int ours_accept(struct door *door, struct end *ret_end)
{
	ferry_socket *socket;
	const int r = ferry_accept(&socket, door->listener, wait_of(door->nonblocking));

	if (r == 0)
		*ret_end = end_of(socket);
	return r;
}

static int ours_connect(const char *address, bool nonblocking, struct end *ret_end)
{
	ferry_socket *socket;
	const int r = ferry_connect(&socket, address,
				    FERRY_SOCKET_OPTIONS(AS_POSIX, .tls.authorities = certificate),
				    wait_of(nonblocking));

	if (r == 0)
		*ret_end = end_of(socket);
	return r;
}

static int ours_agree(struct end *end)
{
	return ferry_socket_handshake(end->socket, FERRY_FOREVER, NULL);
}

static void ours_close_door(struct door *door)
{
	ferry_listener_close(door->listener);
}

static void ours_close(struct end *end)
{
	ferry_socket_close(end->socket);
	end->socket = NULL;
}

static void ours_set_nonblocking(struct end *end, bool nonblocking)
{
	end->nonblocking = nonblocking;
}

static ssize_t ours_read(struct end *end, void *buffer, size_t size)
{
	return ferry_socket_read(end->socket, buffer, size, wait_of(end->nonblocking));
}

static ssize_t ours_write(struct end *end, const void *data, size_t size)
{
	return end->nonblocking ? ferry_socket_write(end->socket, data, size, FERRY_NOW)
				: ferry_socket_write_all(end->socket, data, size, FERRY_FOREVER);
}

static ssize_t ours_readv(struct end *end, const struct iovec *buffers, int n)
{
	return ferry_socket_readv(end->socket, buffers, n, wait_of(end->nonblocking));
}

static ssize_t ours_writev(struct end *end, const struct iovec *buffers, int n)
{
	return end->nonblocking ? ferry_socket_writev(end->socket, buffers, n, FERRY_NOW)
				: ferry_socket_writev_all(end->socket, buffers, n, FERRY_FOREVER);
}

static ssize_t ours_read_all(struct end *end, void *buffer, size_t size)
{
	return ferry_socket_read_all(end->socket, buffer, size, wait_of(end->nonblocking));
}

static int ours_shutdown(struct end *end, uint32_t directions)
{
	return ferry_socket_shutdown(end->socket, directions);
}

static int64_t ours_unread(struct end *end)
{
	struct ferry_socket_stat stat;

	check_eq(ferry_socket_stat(end->socket, &stat), 0);
	return (int64_t)stat.readable;
}

static int ours_name(struct end *end, bool peer, char *ret_text, size_t n)
{
	return peer ? ferry_socket_peer(end->socket, ret_text, n)
		    : ferry_socket_local(end->socket, ret_text, n);
}

static int ours_credentials(struct end *end, struct ferry_socket_credentials *ret_credentials)
{
	return ferry_socket_credentials(end->socket, ret_credentials);
}

static bool ours_is_moved(struct end *end)
{
	struct ferry_socket_stat stat;

	check_eq(ferry_socket_stat(end->socket, &stat), 0);
	check(stat.shared_memory == 0 || stat.shared_memory == (FERRY_READ | FERRY_WRITE));
	return stat.shared_memory != 0;
}

static ssize_t ours_send_descriptor(struct end *end, char byte, int fd)
{
	return ferry_socket_send_descriptors(end->socket, &byte, 1, &fd, 1,
					     wait_of(end->nonblocking));
}

static ssize_t ours_receive_descriptor(struct end *end, char *ret_byte, int *ret_fd)
{
	int n = 0;
	const ssize_t r = ferry_socket_receive_descriptors(end->socket, ret_byte, 1, ret_fd, 1, &n,
							   wait_of(end->nonblocking));

	if (n == 0)
		*ret_fd = -1;
	return r;
}

const struct driver transport_ferry = {
	.listen = ours_listen,
	.accept = ours_accept,
	.connect = ours_connect,
	.agree = ours_agree,
	.close_door = ours_close_door,
	.close = ours_close,
	.set_nonblocking = ours_set_nonblocking,
	.read = ours_read,
	.write = ours_write,
	.readv = ours_readv,
	.writev = ours_writev,
	.read_all = ours_read_all,
	.shutdown = ours_shutdown,
	.unread = ours_unread,
	.name = ours_name,
	.credentials = ours_credentials,
	.is_moved = ours_is_moved,
	.send_descriptor = ours_send_descriptor,
	.receive_descriptor = ours_receive_descriptor,
};
