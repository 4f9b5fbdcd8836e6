/* SPDX-License-Identifier: MIT */
/* listen.c - listeners, accepting, and sockets that are bound for datagrams. */
#include <errno.h>
#include <ferry/error.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/poll.h"
#include "../os/socket.h"
#include "socket.h"

/* A socket that is bound. */
struct bound_socket {
	int fd;
	struct fy_bound *bound;
};

static int bind_one(struct bound_socket *ret, const struct ferry_endpoint *endpoint,
		    const struct ferry_address *address, const struct fy_settings *settings,
		    int listening, ferry_deadline deadline)
{
	struct ferry_why *why = settings->options.why;
	const int family = fy_endpoint_kernel(endpoint)->sa_family;
	int fd = fy_socket_new(family, fy_transport_type(address->transport));

	if (fd < 0)
		return fy_why(why, fd, "cannot make a socket: %s", ferry_strerror(fd));
	int r = fy_settings_before(settings, fd, address->transport, family, 1);
	if (r == 0)
		r = fy_bind(&ret->bound, fd, endpoint, address, settings, listening, deadline);
	if (r == 0 && listening && listen(fd, (int)settings->options.backlog) != 0) {
		r = fy_why(why, -errno, "cannot listen: %s", ferry_strerror(errno));
		fy_bound_remove(ret->bound);
	}
	if (r < 0)
		(void)close(fd);
	ret->fd = fd;
	return r;
}

/* Bind to the first endpoint that works. */
static int bind_any(struct bound_socket *ret, struct ferry_address *ret_address, const char *text,
		    const struct fy_settings *settings, int listening, ferry_deadline deadline)
{
	struct fy_endpoints endpoints;
	struct ferry_why *why = settings->options.why;
	int saved = errno;
	int r = fy_endpoints_parse(&endpoints, ret_address, text, FY_USE_LOCAL, deadline, why);

	if (r == 0 && fy_transport_is_datagram(ret_address->transport) == listening)
		r = fy_why(why, -EOPNOTSUPP, "%s: %s", ferry_transport_name(ret_address->transport),
			   listening ? "nobody connects to a socket for datagrams; bind one"
				     : "this is for connections; listen, or connect");
	if (r < 0)
		return r;
	r = -EADDRNOTAVAIL;
	for (int i = 0; i < endpoints.n; i++) {
		r = bind_one(ret, &endpoints.list[i], ret_address, settings, listening, deadline);
		if (r == 0)
			break;
	}
	errno = saved;
	return r;
}

/* Certificates are read before anything is bound: a mistake in them is nobody else's business. */
static int load_certificates(struct fy_tls_context **ret_tls, const char *text,
			     const struct fy_settings *settings)
{
	struct ferry_why *why = settings->options.why;
	struct ferry_address address;

	if (ferry_address_parse(&address, text, NULL, NULL) < 0 || address.transport != FERRY_TLS)
		return 0;
	int r = fy_tls_load(why);
	return r < 0 ? r : fy_tls_use()->context_new(ret_tls, &settings->options.tls, 1, why);
}

static int make_listener(void *ret, const char *address, const struct fy_settings *settings,
			 ferry_deadline deadline)
{
	ferry_listener **ret_listener = ret;
	struct bound_socket made = { 0 };
	struct ferry_address parsed = { 0 };
	struct fy_tls_context *tls = NULL;
	struct ferry_listener *listener = calloc(1, sizeof(*listener));
	int r = listener ? load_certificates(&tls, address, settings) : -ENOMEM;

	if (r == 0)
		r = bind_any(&made, &parsed, address, settings, 1, deadline);
	if (r < 0) {
		if (tls)
			fy_tls_use()->context_free(tls);
		free(listener);
		return r;
	}
	listener->fd = made.fd;
	listener->transport = parsed.transport;
	listener->settings = *settings;
	listener->settings.options.why = NULL; /* the caller's, for that call only */
	listener->bound = made.bound;
	listener->tls = tls;
	if (!fy_desk_is_off(&settings->options))
		listener->desk = fy_desk_open(made.fd, parsed.transport, settings->options.backlog);
	*ret_listener = listener;
	return 0;
}

int ferry_listen(ferry_listener **ret_listener, const char *address,
		 const struct ferry_socket_options *options, ferry_deadline deadline)
{
	return fy_open_at(make_listener, ret_listener, address, options, deadline);
}

static int make_bound(void *ret, const char *address, const struct fy_settings *settings,
		      ferry_deadline deadline)
{
	struct bound_socket made = { 0 };
	struct ferry_address parsed;
	int r = bind_any(&made, &parsed, address, settings, 0, deadline);

	if (r < 0)
		return r;
	struct ferry_socket *socket = fy_socket_handle(made.fd, parsed.transport, settings);
	if (!socket) {
		fy_bound_remove(made.bound);
		(void)close(made.fd);
		return -ENOMEM;
	}
	(void)fy_socket_set_blocking(made.fd, 1);
	socket->bound = made.bound;
	*(ferry_socket **)ret = socket;
	return 0;
}

int ferry_socket_bind(ferry_socket **ret_socket, const char *address,
		      const struct ferry_socket_options *options, ferry_deadline deadline)
{
	return fy_open_at(make_bound, ret_socket, address, options, deadline);
}

void ferry_listener_close(ferry_listener *listener)
{
	if (!listener)
		return;
	int cancel = fy_cancel_off();
	fy_bound_remove(listener->bound);
	if (listener->tls)
		fy_tls_use()->context_free(listener->tls);
	fy_desk_close(listener->desk);
	(void)close(listener->fd);
	free(listener);
	fy_cancel_restore(cancel);
}

int ferry_listener_fd(const ferry_listener *listener)
{
	return listener->fd;
}

int ferry_listener_address(const ferry_listener *listener, char *ret_text, size_t n)
{
	struct ferry_endpoint endpoint;

	if (!listener)
		return -EINVAL;
	int r = fy_endpoint_of(&endpoint, listener->fd, listener->transport, 0);
	return r < 0 ? r : ferry_endpoint_text(&endpoint, ret_text, n);
}

/* ---- accepting ---- */

/* What is about this one connection and not about the listener (accept(2), "Error handling"). EPERM
 * is not: it is said before a connection is taken, by a filter of this process's. */
static int concerns_connection(int error)
{
	switch (-error) {
	case ECONNABORTED:
	case EPROTO:
	case ENOPROTOOPT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case EOPNOTSUPP:
		return 1;
	default:
		return 0;
	}
}

static int accept_next(const ferry_listener *listener, ferry_deadline deadline)
{
	struct pollfd waiting = { .fd = listener->fd, .events = POLLIN };

	for (;;) {
		int r = fy_socket_accept_one(listener->fd);
		if (r >= 0)
			return r;
		if (r == -EAGAIN)
			r = fy_poll(&waiting, 1, deadline, listener->settings.interruptible);
		else if (r == -EINTR || concerns_connection(r))
			r = 0;
		if (r < 0)
			return r;
	}
}

/* The handle gets its connection. */
static int welcome(ferry_socket *socket, const ferry_listener *listener, int fd)
{
	socket->fd = fd;
	/* A connection that is broken already cannot be given options; reading tells. */
	(void)fy_settings_connected(&listener->settings, fd, listener->transport);
	return listener->tls
		   ? fy_tls_use()->connection_new(&socket->tls, listener->tls, fd, NULL, NULL)
		   : 0;
}

/* Has the one that connected offered to move? */
static void consider_moving(ferry_socket *socket, const ferry_listener *listener)
{
	int memory = listener->desk ? fy_desk_find(listener->desk, socket->fd) : -ENOENT;

	if (memory < 0)
		return;
	fy_socket_move(socket, memory, 1);
	(void)close(memory);
}

static int take(ferry_socket *socket, ferry_listener *listener, ferry_deadline deadline)
{
	if (listener->desk)
		fy_desk_enter(listener->desk);
	int fd = accept_next(listener, deadline);
	int r = fd < 0 ? fd : welcome(socket, listener, fd);
	if (r == 0)
		consider_moving(socket, listener);
	if (listener->desk)
		fy_desk_leave(listener->desk);
	return r;
}

int ferry_accept(ferry_socket **ret_socket, ferry_listener *listener, ferry_deadline deadline)
{
	if (!ret_socket || !listener)
		return -EINVAL;
	int cancel = fy_cancel_off();
	/* Before there is a connection that could be lost. */
	ferry_socket *socket = fy_socket_handle(-1, listener->transport, &listener->settings);
	int r = socket ? take(socket, listener, deadline) : -ENOMEM;
	if (r < 0)
		ferry_socket_close(socket);
	else
		*ret_socket = socket;
	fy_cancel_restore(cancel);
	return r;
}
