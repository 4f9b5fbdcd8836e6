/* SPDX-License-Identifier: MIT */
/*
 * connect.c - connecting to the first of a host's addresses that answers.
 *
 * An address that swallows packets must not use up the time of the others. So a further attempt
 * begins whenever one has failed, or when 250 ms have passed, and all go on side by side.
 */
#include <errno.h>
#include <ferry/error.h>
#include <string.h>
#include <unistd.h>

#include "../base/why.h"
#include "../os/clock.h"
#include "../os/poll.h"
#include "../os/socket.h"
#include "socket.h"

#define HEAD_START (250 * FY_MS)

/* Attempts at the endpoints of one host. */
struct race {
	const struct fy_endpoints *endpoints;
	const struct ferry_address *address;
	const struct fy_settings *settings;
	ferry_deadline deadline;
	int64_t next_at; /* when the next attempt begins */
	int next;        /* which one that is */
	int n;           /* under way */
	struct pollfd fds[FY_ENDPOINTS];
	struct fy_offer offers[FY_ENDPOINTS]; /* of those under way, in the same order */
	struct fy_offer offer;                /* of the one that has succeeded */
	int plain;                            /* offer nothing */
	int error;                            /* of the last attempt that failed */
	struct fy_bound *bound;
};

/* The address that we connect from, of the same family as the other. */
static int bind_local(struct race *race, int fd, int family)
{
	struct fy_endpoints endpoints;
	struct ferry_address local;
	const char *text = race->settings->options.local;
	struct ferry_why *why = race->settings->options.why;
	int r = fy_endpoints_parse(&endpoints, &local, text, FY_USE_LOCAL, race->deadline, why);

	if (r < 0)
		return r;
	if (local.transport != race->address->transport)
		return fy_why(why, -EINVAL, "the local address is of another kind: %s", text);
	for (int i = 0; i < endpoints.n; i++)
		if (fy_endpoint_kernel(&endpoints.list[i])->sa_family == family)
			return fy_bind(&race->bound, fd, &endpoints.list[i], &local, race->settings,
				       0, race->deadline);
	return fy_why(why, -EADDRNOTAVAIL,
		      "%s is of no use to reach an address of the other family", text);
}

static int prepare(struct race *race, int family)
{
	const struct fy_settings *settings = race->settings;
	const enum ferry_transport transport = race->address->transport;
	int fd = fy_socket_new(family, fy_transport_type(transport));
	int r = fd;

	if (r >= 0)
		r = fy_settings_before(settings, fd, transport, family, 0);
	if (r == 0)
		r = fy_settings_connected(settings, fd, transport);
	if (r == 0 && settings->options.local)
		r = bind_local(race, fd, family);
	if (r < 0 && fd >= 0)
		(void)close(fd);
	return r < 0 ? r : fd;
}

/* Begin the next attempt. The descriptor if it has succeeded; -EINPROGRESS; or why it failed. */
static int begin(struct race *race)
{
	const struct ferry_endpoint *endpoint = &race->endpoints->list[race->next++];
	const struct sockaddr *kernel = fy_endpoint_kernel(endpoint);
	int fd = prepare(race, kernel->sa_family);

	race->next_at = fy_now() + HEAD_START;
	if (fd < 0)
		return fd;
	struct fy_offer offer = { 0 };
	if (!race->plain)
		fy_offer_make(&offer, fd, endpoint);
	int r = kernel->sa_family == AF_UNIX
		    ? fy_socket_connect_until(fd, kernel, endpoint->size, race->deadline,
					      race->settings->interruptible)
		    : fy_socket_connect_once(fd, kernel, endpoint->size);
	if (r == 0) {
		race->offer = offer;
		return fd;
	}
	if (r == -EINPROGRESS) {
		race->offers[race->n] = offer;
		race->fds[race->n++] = (struct pollfd){ .fd = fd, .events = POLLOUT };
		return r;
	}
	fy_offer_drop(&offer);
	(void)close(fd);
	return r;
}

/* Look at those under way. The descriptor of one that has succeeded, or -EINPROGRESS. */
static int look(struct race *race)
{
	for (int i = 0; i < race->n; i++) {
		if (race->fds[i].revents == 0)
			continue;
		int fd = race->fds[i].fd;
		struct fy_offer offer = race->offers[i];
		int error = fy_socket_get(fd, SOL_SOCKET, SO_ERROR);
		race->offers[i] = race->offers[--race->n];
		race->fds[i--] = race->fds[race->n];
		if (error == 0) {
			race->offer = offer;
			return fd;
		}
		fy_offer_drop(&offer);
		race->error = error < 0 ? error : -error;
		race->next_at = 0;
		(void)close(fd);
	}
	return -EINPROGRESS;
}

/* Wait until something happens. 0, or why there is no more waiting. */
static int wait_for_one(struct race *race)
{
	int more = race->next < race->endpoints->n;
	int sooner = more && race->next_at < race->deadline && race->deadline != FERRY_NOW;
	int r = fy_poll(race->fds, (unsigned)race->n, sooner ? race->next_at : race->deadline,
			race->settings->interruptible);

	return r > 0 || (r == -ETIMEDOUT && sooner) ? 0 : r;
}

static int run(struct race *race)
{
	for (;;) {
		int more = race->next < race->endpoints->n;
		int r = -EINPROGRESS;
		if (more && (race->n == 0 || fy_now() >= race->next_at)) {
			r = begin(race);
			if (r < 0 && r != -EINPROGRESS)
				race->error = r;
		} else if (race->n == 0) {
			return race->error;
		} else {
			r = wait_for_one(race);
			if (r < 0)
				return r;
			r = look(race);
		}
		if (r >= 0)
			return r;
	}
}

static int reach(struct race *race, const char *text)
{
	struct ferry_why *why = race->settings->options.why;
	struct ferry_why before = { 0 };

	if (why)
		why->text[0] = '\0';
	int r = run(race);
	for (int i = 0; i < race->n; i++) {
		fy_offer_drop(&race->offers[i]);
		(void)close(race->fds[i].fd);
	}
	if (r >= 0)
		return r;
	if (why)
		before = *why;
	if (before.text[0] == '\0' || before.error != r)
		(void)fy_why(why, r, "cannot connect to %s: %s", text, ferry_strerror(r));
	return r;
}

/* ---- TLS ---- */

static int secure(ferry_socket *socket, const struct ferry_address *address,
		  const struct fy_settings *settings, ferry_deadline deadline)
{
	struct ferry_why *why = settings->options.why;
	const char *name = settings->options.tls.name;
	struct fy_tls_context *context = NULL;
	int r = fy_tls_load(why);

	if (r == 0)
		r = fy_tls_use()->context_new(&context, &settings->options.tls, 0, why);
	if (r < 0)
		return r;
	r = fy_tls_use()->connection_new(&socket->tls, context, socket->fd,
					 name ? name : address->host, why);
	fy_tls_use()->context_free(context); /* the connection keeps what it needs */
	return r < 0 ? r : ferry_socket_handshake(socket, deadline, why);
}

static int connect_to(void *ret, const char *text, const struct fy_settings *settings,
		      ferry_deadline deadline)
{
	ferry_socket **ret_socket = ret;
	struct fy_endpoints endpoints;
	struct ferry_address address;
	int r = fy_endpoints_parse(&endpoints, &address, text, FY_USE_PEER, deadline,
				   settings->options.why);

	if (r < 0)
		return r;
	struct race race = { .endpoints = &endpoints,
			     .address = &address,
			     .settings = settings,
			     .deadline = deadline,
			     .plain = fy_desk_is_off(&settings->options),
			     .error = -FERRY_EHOST };
	int fd = reach(&race, text);
	struct ferry_socket *socket =
	    fd < 0 ? NULL : fy_socket_handle(fd, address.transport, settings);
	if (socket && fy_offer_holds(&race.offer, fd))
		fy_socket_move(socket, race.offer.memory, 0);
	fy_offer_drop(&race.offer);
	if (!socket) {
		fy_bound_remove(race.bound);
		if (fd >= 0)
			(void)close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	socket->bound = race.bound;
	(void)fy_socket_set_blocking(fd, 1);
	r = address.transport == FERRY_TLS ? secure(socket, &address, settings, deadline) : 0;
	if (r < 0)
		ferry_socket_close(socket);
	else
		*ret_socket = socket;
	return r;
}

int ferry_connect(ferry_socket **ret_socket, const char *address,
		  const struct ferry_socket_options *options, ferry_deadline deadline)
{
	return fy_open_at(connect_to, ret_socket, address, options, deadline);
}
