/* SPDX-License-Identifier: MIT */
/* options.c - the option struct: checked, and told to the kernel. */
#include <errno.h>
#include <ferry/error.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "../base/options.h"
#include "../base/why.h"
#include "../os/cancel.h"
#include "../os/clock.h"
#include "../os/socket.h"
#include "socket.h"

#define FLAGS                                                                                      \
	(FERRY_INTERRUPTIBLE | FERRY_SOCKET_DELAY | FERRY_SOCKET_NO_REUSE |                        \
	 FERRY_SOCKET_SHARE_PORT | FERRY_SOCKET_IPV6_ONLY | FERRY_SOCKET_BROADCAST |               \
	 FERRY_SOCKET_SET_OWNER | FERRY_SOCKET_SET_GROUP | FERRY_SOCKET_NO_LOOP |                  \
	 FERRY_SOCKET_PLAIN)
#define BACKLOG 4096

/* What is wrong with them, or NULL. */
static const char *complaint(const struct ferry_socket_options *options)
{
	if (options->flags & ~(uint32_t)FLAGS)
		return "unknown flags";
	if (options->mode & ~0777U)
		return "mode is more than 0777";
	if (options->message_max > INT32_MAX)
		return "message_max is more than 2^31 - 1";
	if (options->backlog > INT_MAX || options->send_buffer > INT_MAX ||
	    options->receive_buffer > INT_MAX)
		return "backlog or a buffer is more than 2^31 - 1";
	if (options->keepalive < 0 || options->keepalive > 32767 * FY_S)
		return "keepalive is not from 0 to 32767 s";
	if (options->user_timeout < 0 || options->user_timeout / FY_MS > INT_MAX)
		return "user_timeout is out of range";
	if (options->hops > 255 || options->traffic_class > 255)
		return "hops or traffic_class is more than 255";
	if (options->interface && strlen(options->interface) >= IF_NAMESIZE)
		return "the name of the interface is too long";
	if (options->tls.verify < FERRY_TLS_UNVERIFIED || options->tls.verify > 1)
		return "tls.verify is none of -1, 0 and 1";
	if (options->tls.version_min != 0 && options->tls.version_min != 12 &&
	    options->tls.version_min != 13)
		return "tls.version_min is none of 0, 12 and 13";
	return NULL;
}

int fy_settings_read(struct fy_settings *ret_settings, const struct ferry_socket_options *options)
{
	struct ferry_socket_options known = { 0 };
	int r = fy_options_copy(&known, sizeof(known), options);

	if (r < 0)
		return r;
	const char *text = complaint(&known);
	if (text)
		return fy_why(known.why, -EINVAL, "%s", text);
	if (known.backlog == 0)
		known.backlog = BACKLOG;
	if (known.mode == 0)
		known.mode = 0600;
	if (known.message_max == 0)
		known.message_max = FY_MESSAGE_MAX;
	ret_settings->options = known;
	ret_settings->interruptible = (known.flags & FERRY_INTERRUPTIBLE) != 0;
	return 0;
}

/* One option of the kernel, if it is wanted. */
struct wish {
	int wanted;
	int level;
	int name;
	int value;
	const char *what;
};

static int set_all(int fd, const struct wish *wishes, size_t n, struct ferry_why *why)
{
	for (size_t i = 0; i < n; i++) {
		int r = wishes[i].wanted
			    ? fy_socket_set(fd, wishes[i].level, wishes[i].name, wishes[i].value)
			    : 0;
		if (r < 0)
			return fy_why(why, r, "cannot set %s: %s", wishes[i].what,
				      ferry_strerror(r));
	}
	return 0;
}
#define SET_ALL(fd, wishes, why) set_all(fd, wishes, sizeof(wishes) / sizeof((wishes)[0]), why)

static int set_interface(int fd, const char *interface, struct ferry_why *why)
{
	int saved = errno, r = 0;

	if (interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				    (socklen_t)strlen(interface)) != 0) {
		r = fy_why(why, -errno, "cannot use the interface %s: %s", interface,
			   ferry_strerror(errno));
		errno = saved;
	}
	return r;
}

int fy_settings_before(const struct fy_settings *settings, int fd, enum ferry_transport transport,
		       int family, int listens)
{
	const struct ferry_socket_options *o = &settings->options;
	const uint32_t flags = o->flags;
	const int udp = transport == FERRY_UDP;
	const int v6 = family == AF_INET6;
	const int ip = family != AF_UNIX;
	const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	const struct wish wishes[] = {
		{ o->send_buffer != 0, SOL_SOCKET, SO_SNDBUF, (int)o->send_buffer, "send_buffer" },
		{ o->receive_buffer != 0, SOL_SOCKET, SO_RCVBUF, (int)o->receive_buffer,
		  "receive_buffer" },
		{ ip && listens && !udp && !(flags & FERRY_SOCKET_NO_REUSE), SOL_SOCKET,
		  SO_REUSEADDR, 1, "the reuse of addresses" },
		{ ip && listens && (flags & FERRY_SOCKET_SHARE_PORT), SOL_SOCKET, SO_REUSEPORT, 1,
		  "the sharing of ports" },
		{ v6 && listens, IPPROTO_IPV6, IPV6_V6ONLY, (flags & FERRY_SOCKET_IPV6_ONLY) != 0,
		  "IPv6 only" },
		{ udp && (flags & FERRY_SOCKET_BROADCAST), SOL_SOCKET, SO_BROADCAST, 1,
		  "broadcast" },
		{ udp && (flags & FERRY_SOCKET_NO_LOOP), level,
		  v6 ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP, 0, "the multicast loop" },
		{ ip && o->hops != 0, level, v6 ? IPV6_UNICAST_HOPS : IP_TTL, (int)o->hops,
		  "hops" },
		{ udp && o->hops != 0, level, v6 ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL,
		  (int)o->hops, "hops" },
		{ ip && o->traffic_class != 0, level, v6 ? IPV6_TCLASS : IP_TOS,
		  (int)o->traffic_class, "traffic_class" },
	};
	int r = SET_ALL(fd, wishes, o->why);

	return r < 0 || !ip ? r : set_interface(fd, o->interface, o->why);
}

int fy_settings_connected(const struct fy_settings *settings, int fd,
			  enum ferry_transport transport)
{
	const struct ferry_socket_options *o = &settings->options;
	const int third = (int)((o->keepalive + 3 * FY_S - 1) / (3 * FY_S));
	const int alive = o->keepalive != 0;
	const struct wish wishes[] = {
		{ !(o->flags & FERRY_SOCKET_DELAY), IPPROTO_TCP, TCP_NODELAY, 1, "no delay" },
		{ alive, SOL_SOCKET, SO_KEEPALIVE, 1, "keepalive" },
		{ alive, IPPROTO_TCP, TCP_KEEPIDLE, (int)((o->keepalive + FY_S - 1) / FY_S),
		  "keepalive" },
		{ alive, IPPROTO_TCP, TCP_KEEPINTVL, third, "keepalive" },
		{ alive, IPPROTO_TCP, TCP_KEEPCNT, 3, "keepalive" },
		{ o->user_timeout != 0, IPPROTO_TCP, TCP_USER_TIMEOUT,
		  (int)((o->user_timeout + FY_MS - 1) / FY_MS), "user_timeout" },
	};

	if (transport != FERRY_TCP && transport != FERRY_TLS)
		return 0;
	return SET_ALL(fd, wishes, o->why);
}

int fy_open_at(fy_opener *opener, void *ret, const char *address,
	       const struct ferry_socket_options *options, ferry_deadline deadline)
{
	struct fy_settings settings;

	if (!ret || !address)
		return -EINVAL;
	int r = fy_settings_read(&settings, options);
	if (r < 0)
		return r;
	int cancel = fy_cancel_off();
	r = opener(ret, address, &settings, deadline);
	fy_cancel_restore(cancel);
	return r;
}
