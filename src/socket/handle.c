/* SPDX-License-Identifier: MIT */
/* handle.c - handles on sockets: making, adopting, closing, and what they tell. */
#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/clock.h"
#include "../os/socket.h"
#include "socket.h"

static const struct fy_inheritance inheritance = { .in_child = fy_messages_in_child };

struct ferry_socket *fy_socket_handle(int fd, enum ferry_transport transport,
				      const struct fy_settings *settings)
{
	struct ferry_socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL;
	socket->fd = fd;
	socket->transport = transport;
	socket->interruptible = settings->interruptible;
	socket->message_max = settings->options.message_max;
	fy_decoded_init(&socket->decoded);
	(void)pthread_mutex_init(&socket->in.mutex, NULL);
	(void)pthread_mutex_init(&socket->out.mutex, NULL);
	fy_inherit(&socket->inherited, &inheritance, socket);
	return socket;
}

void fy_socket_move(struct ferry_socket *socket, int memory, int side)
{
	(void)fy_moved_begin(&socket->moved, memory, side, socket->fd, socket->transport,
			     socket->interruptible);
}

void ferry_socket_close(ferry_socket *socket)
{
	if (!socket)
		return;
	int cancel = fy_cancel_off();
	fy_disinherit(&socket->inherited);
	fy_bound_remove(socket->bound);
	if (socket->tls) {
		(void)fy_tls_use()->farewell(socket->tls, 1);
		fy_tls_use()->connection_free(socket->tls);
	}
	fy_decoded_end(&socket->decoded);
	fy_moved_close(socket->moved);
	if (socket->fd >= 0)
		(void)close(socket->fd);
	free(socket->in.kept);
	free(socket->out.rest);
	(void)pthread_mutex_destroy(&socket->in.mutex);
	(void)pthread_mutex_destroy(&socket->out.mutex);
	free(socket);
	fy_cancel_restore(cancel);
}

int ferry_socket_fd(const ferry_socket *socket)
{
	if (socket->moved)
		fy_moved_poll(socket->moved);
	return socket->fd;
}

/* ---- made elsewhere ---- */

static int transport_of(int fd, int listening, enum ferry_transport *ret_transport)
{
	int domain = fy_socket_get(fd, SOL_SOCKET, SO_DOMAIN);
	int type = fy_socket_get(fd, SOL_SOCKET, SO_TYPE);
	int listens = fy_socket_get(fd, SOL_SOCKET, SO_ACCEPTCONN);
	int internet = domain == AF_INET || domain == AF_INET6;

	if (domain < 0)
		return domain;
	if (listens != listening || (!internet && domain != AF_UNIX))
		return -EAFNOSUPPORT;
	if (type == SOCK_STREAM)
		*ret_transport = internet ? FERRY_TCP : FERRY_UNIX;
	else if (type == SOCK_DGRAM)
		*ret_transport = internet ? FERRY_UDP : FERRY_UNIX_DGRAM;
	else if (type == SOCK_SEQPACKET && !internet)
		*ret_transport = FERRY_UNIX_SEQPACKET;
	else
		return -EAFNOSUPPORT;
	return 0;
}

static int read_adopted(int fd, const struct ferry_socket_options *options, int listening,
			struct fy_settings *ret_settings, enum ferry_transport *ret_transport)
{
	int r = fy_settings_read(ret_settings, options);

	if (r == 0)
		r = transport_of(fd, listening, ret_transport);
	if (r < 0)
		return fy_why(ret_settings->options.why, r, "cannot use descriptor %d as a %s: %s",
			      fd, listening ? "listener" : "socket", ferry_strerror(r));
	return 0;
}

int ferry_socket_adopt(ferry_socket **ret_socket, int fd,
		       const struct ferry_socket_options *options)
{
	struct fy_settings settings = { 0 };
	enum ferry_transport transport = 0;

	if (!ret_socket)
		return -EINVAL;
	int r = read_adopted(fd, options, 0, &settings, &transport);
	if (r < 0)
		return r;
	struct ferry_socket *socket = fy_socket_handle(fd, transport, &settings);
	if (!socket)
		return -ENOMEM;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret_socket = socket;
	return 0;
}

int ferry_listener_adopt(ferry_listener **ret_listener, int fd,
			 const struct ferry_socket_options *options)
{
	struct fy_settings settings = { 0 };
	enum ferry_transport transport = 0;

	if (!ret_listener)
		return -EINVAL;
	int r = read_adopted(fd, options, 1, &settings, &transport);
	if (r == 0)
		r = fy_socket_set_blocking(fd, 0);
	if (r < 0)
		return r;
	struct ferry_listener *listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	listener->fd = fd;
	listener->transport = transport;
	listener->settings = settings;
	listener->settings.options.why = NULL;
	*ret_listener = listener;
	return 0;
}

static int make_pair(int fds[2], enum ferry_transport transport, const struct fy_settings *settings)
{
	int saved = errno;

	if (!fy_transport_is_unix(transport))
		return -EINVAL;
	if (socketpair(AF_UNIX, fy_transport_type(transport) | SOCK_CLOEXEC, 0, fds) != 0) {
		int r = -errno;
		errno = saved;
		return r;
	}
	for (int i = 0; i < 2; i++) {
		int r = fy_settings_before(settings, fds[i], transport, AF_UNIX, 0);
		if (r < 0) {
			(void)close(fds[0]);
			(void)close(fds[1]);
			return r;
		}
	}
	return 0;
}

int ferry_socket_pair(ferry_socket **ret_one, ferry_socket **ret_other,
		      enum ferry_transport transport, const struct ferry_socket_options *options)
{
	struct fy_settings settings;
	int fds[2] = { -1, -1 };

	if (!ret_one || !ret_other)
		return -EINVAL;
	int r = fy_settings_read(&settings, options);
	if (r == 0)
		r = make_pair(fds, transport, &settings);
	if (r < 0)
		return r;
	struct ferry_socket *one = fy_socket_handle(fds[0], transport, &settings);
	struct ferry_socket *other = fy_socket_handle(fds[1], transport, &settings);
	if (one && other) {
		*ret_one = one;
		*ret_other = other;
		return 0;
	}
	one ? ferry_socket_close(one) : (void)close(fds[0]);
	other ? ferry_socket_close(other) : (void)close(fds[1]);
	return -ENOMEM;
}

/* ---- ending one direction ---- */

int ferry_socket_shutdown(ferry_socket *socket, uint32_t directions)
{
	const int how[] = { 0, SHUT_RD, SHUT_WR, SHUT_RDWR };
	const uint32_t both = FERRY_READ | FERRY_WRITE;
	int saved = errno;

	if (!socket || (directions & ~both) || directions == 0)
		return -EINVAL;
	if (socket->tls && directions == FERRY_READ)
		return -EOPNOTSUPP;
	int r = 0;
	if (socket->tls)
		r = fy_tls_use()->farewell(socket->tls, directions == both);
	int index = ((directions & FERRY_READ) ? 1 : 0) + ((directions & FERRY_WRITE) ? 2 : 0);
	if (socket->moved)
		fy_moved_shutdown(socket->moved, directions);
	if (r == 0 && shutdown(socket->fd, how[index]) != 0)
		r = -errno;
	errno = saved;
	return r;
}

/* ---- who ---- */

static int name_of(const ferry_socket *socket, int peer, char *ret_text, size_t n)
{
	struct ferry_endpoint endpoint;

	if (!socket)
		return -EINVAL;
	int r = fy_endpoint_of(&endpoint, socket->fd, socket->transport, peer);
	return r < 0 ? r : ferry_endpoint_text(&endpoint, ret_text, n);
}

int ferry_socket_local(const ferry_socket *socket, char *ret_text, size_t n)
{
	return name_of(socket, 0, ret_text, n);
}

int ferry_socket_peer(const ferry_socket *socket, char *ret_text, size_t n)
{
	return name_of(socket, 1, ret_text, n);
}

int ferry_socket_credentials(const ferry_socket *socket,
			     struct ferry_socket_credentials *ret_credentials)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int saved = errno, r = 0;

	if (!socket || !ret_credentials)
		return -EINVAL;
	if (!fy_transport_is_unix(socket->transport))
		return -EOPNOTSUPP;
	if (getsockopt(socket->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		r = -errno;
	errno = saved;
	/* Nobody: the overflow uid, which the kernel gives where there is no connection. */
	if (r == 0 && peer.uid == (uid_t)-1)
		r = -EOPNOTSUPP;
	if (r == 0)
		*ret_credentials = (struct ferry_socket_credentials){ .pid = peer.pid,
								      .uid = peer.uid,
								      .gid = peer.gid };
	return r;
}

static uint64_t ask(int fd, unsigned long what)
{
	int value = 0;

	return ioctl(fd, what, &value) == 0 && value > 0 ? (uint64_t)value : 0;
}

int ferry_socket_stat(ferry_socket *socket, struct ferry_socket_stat *ret_stat)
{
	struct ferry_socket_stat stat = { 0 };
	struct tcp_info tcp = { 0 };
	socklen_t size = sizeof(tcp);
	int saved = errno;

	if (!socket || !ret_stat)
		return -EINVAL;
	int cancel = fy_cancel_off();
	stat.transport = socket->transport;
	stat.message_max = socket->message_max;
	stat.readable = ask(socket->fd, FIONREAD);
	stat.unsent = ask(socket->fd, SIOCOUTQ);
	if ((socket->transport == FERRY_TCP || socket->transport == FERRY_TLS) &&
	    getsockopt(socket->fd, IPPROTO_TCP, TCP_INFO, &tcp, &size) == 0)
		stat.round_trip = (int64_t)tcp.tcpi_rtt * 1000;
	if (socket->tls) {
		stat.readable = fy_tls_use()->pending(socket->tls);
		fy_tls_use()->describe(socket->tls, stat.security, sizeof(stat.security));
	}
	if (socket->moved) {
		stat.shared_memory = fy_moved_directions(socket->moved);
		stat.readable += fy_moved_readable(socket->moved);
		stat.unsent += fy_moved_unsent(socket->moved);
	}
	if (pthread_mutex_trylock(&socket->out.mutex) == 0) {
		stat.flush = socket->out.size - socket->out.at;
		(void)pthread_mutex_unlock(&socket->out.mutex);
	}
	errno = saved;
	fy_cancel_restore(cancel);
	*ret_stat = stat;
	return 0;
}
