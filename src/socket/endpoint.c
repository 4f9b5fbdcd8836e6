/* SPDX-License-Identifier: MIT */
/* endpoint.c - addresses as the kernel has them, from text and to text. */
#include <arpa/inet.h>
#include <errno.h>
#include <ferry/error.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "../base/why.h"
#include "../os/cancel.h"
#include "address.h"

_Static_assert(sizeof(struct sockaddr_storage) <= sizeof(((struct ferry_endpoint *)0)->bytes),
	       "an endpoint has no room for an address");

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static void add(struct fy_endpoints *endpoints, enum ferry_transport transport, const void *bytes,
		size_t size)
{
	struct ferry_endpoint *endpoint = &endpoints->list[endpoints->n++];

	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->transport = (uint32_t)transport;
	endpoint->size = (uint32_t)size;
	memcpy(endpoint->bytes, bytes, size);
}

static void add_unix(struct fy_endpoints *endpoints, const struct ferry_address *address)
{
	struct sockaddr_un unix_address = { .sun_family = AF_UNIX };
	size_t n = strlen(address->path);
	int abstract = address->path[0] == '@';

	/* The 0 at the end of a path belongs to it; an abstract name begins with one. */
	memcpy(unix_address.sun_path + abstract, address->path + abstract, n - (size_t)abstract);
	size_t size = PATH_AT + n + (abstract ? 0 : 1);
	if (abstract && n == 1)
		size = PATH_AT; /* the kernel finds a name */
	add(endpoints, address->transport, &unix_address, size);
}

static int add_ipv4(struct fy_endpoints *endpoints, const struct ferry_address *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(address->port) };

	if (inet_pton(AF_INET, address->host, &v4.sin_addr) != 1)
		return 0;
	add(endpoints, address->transport, &v4, sizeof(v4));
	return 1;
}

/* 1: it was one; 0: it is none; -ENODEV: its zone is no interface. */
static int add_ipv6(struct fy_endpoints *endpoints, const struct ferry_address *address)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };
	char number[FERRY_HOST_MAX + 1];
	const char *zone = strchr(address->host, '%');

	memcpy(number, address->host, sizeof(number));
	if (zone)
		number[zone - address->host] = '\0';
	if (inet_pton(AF_INET6, number, &v6.sin6_addr) != 1)
		return 0;
	if (zone && (v6.sin6_scope_id = if_nametoindex(zone + 1)) == 0)
		return -ENODEV;
	add(endpoints, address->transport, &v6, sizeof(v6));
	return 1;
}

static void add_all_addresses(struct fy_endpoints *endpoints, const struct ferry_address *address)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(address->port) };

	add(endpoints, address->transport, &v6, sizeof(v6)); /* takes IPv4 as well */
	add(endpoints, address->transport, &v4, sizeof(v4)); /* where there is no IPv6 */
}

static int for_listeners_only(const struct ferry_address *address, struct ferry_why *why)
{
	const char *what = NULL;

	if (strcmp(address->path, "@") == 0)
		what = "the abstract name is missing";
	else if (strcmp(address->host, "*") == 0)
		what = "\"*\" is for listening; name one host";
	else if (!fy_transport_is_unix(address->transport) && address->port == 0)
		what = "port 0 is for listening; name a port";
	return what ? fy_why(why, -FERRY_EADDRESS, "%s", what) : 0;
}

static int find(struct fy_endpoints *endpoints, const struct ferry_address *address,
		ferry_deadline deadline, struct ferry_why *why)
{
	endpoints->n = 0;
	if (fy_transport_is_unix(address->transport)) {
		add_unix(endpoints, address);
		return 0;
	}
	if (strcmp(address->host, "*") == 0) {
		add_all_addresses(endpoints, address);
		return 0;
	}
	if (add_ipv4(endpoints, address))
		return 0;
	int r = add_ipv6(endpoints, address);
	if (r < 0)
		return fy_why(why, r, "\"%s\": there is no such network interface", address->host);
	return r > 0 ? 0 : fy_resolve(endpoints, address, deadline, why);
}

int fy_endpoints_find(struct fy_endpoints *ret_endpoints, const struct ferry_address *address,
		      enum fy_use use, ferry_deadline deadline, struct ferry_why *why)
{
	int r = use == FY_USE_PEER ? for_listeners_only(address, why) : 0;

	return r < 0 ? r : find(ret_endpoints, address, deadline, why);
}

int fy_endpoints_parse(struct fy_endpoints *ret_endpoints, struct ferry_address *ret_address,
		       const char *text, enum fy_use use, ferry_deadline deadline,
		       struct ferry_why *why)
{
	int r = ferry_address_parse(ret_address, text, NULL, why);

	return r < 0 ? r : fy_endpoints_find(ret_endpoints, ret_address, use, deadline, why);
}

int ferry_endpoint_resolve(struct ferry_endpoint *ret_endpoint, const char *address,
			   ferry_deadline deadline, struct ferry_why *why)
{
	struct fy_endpoints endpoints;
	struct ferry_address parsed;

	if (!ret_endpoint)
		return fy_why(why, -EINVAL, "no room for the endpoint was given");
	int cancel = fy_cancel_off();
	int r = fy_endpoints_parse(&endpoints, &parsed, address, FY_USE_PEER, deadline, why);
	fy_cancel_restore(cancel);
	if (r == 0)
		*ret_endpoint = endpoints.list[0];
	return r;
}

/* ---- to text ---- */

static int text_v4(const struct in_addr *address, uint16_t port, const char *scheme, char *text,
		   size_t n)
{
	char number[INET_ADDRSTRLEN];

	(void)inet_ntop(AF_INET, address, number, sizeof(number));
	return snprintf(text, n, "%s://%s:%u", scheme, number, (unsigned)ntohs(port));
}

static int text_v6(const struct sockaddr_in6 *v6, const char *scheme, char *text, size_t n)
{
	char number[INET6_ADDRSTRLEN], zone[IF_NAMESIZE] = "";
	struct in_addr v4;

	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(&v4, (const char *)&v6->sin6_addr + 12, sizeof(v4));
		return text_v4(&v4, v6->sin6_port, scheme, text, n);
	}
	(void)inet_ntop(AF_INET6, &v6->sin6_addr, number, sizeof(number));
	if (v6->sin6_scope_id != 0)
		(void)if_indextoname(v6->sin6_scope_id, zone);
	return snprintf(text, n, "%s://[%s%s%s]:%u", scheme, number, *zone ? "%" : "", zone,
			(unsigned)ntohs(v6->sin6_port));
}

static int text_unix(const struct sockaddr_un *un, size_t size, const char *scheme, char *text,
		     size_t n)
{
	char name[sizeof(un->sun_path) + 1] = "";
	size_t length = size > PATH_AT ? size - PATH_AT : 0;

	if (length > sizeof(un->sun_path))
		return -EINVAL;
	memcpy(name, un->sun_path, length);
	if (length > 0 && name[0] == '\0') {
		name[0] = '@';
		for (size_t i = 1; i < length; i++)
			if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
				name[i] = '?';
	}
	return snprintf(text, n, "%s:%s", scheme, name);
}

int ferry_endpoint_text(const struct ferry_endpoint *endpoint, char *ret_text, size_t n)
{
	char text[FERRY_ADDRESS_MAX];
	struct sockaddr_storage copy = { 0 };
	int length = -EINVAL;

	if (!endpoint || !ret_text || endpoint->size < sizeof(sa_family_t) ||
	    endpoint->size > sizeof(copy))
		return -EINVAL;
	const char *scheme = ferry_transport_name((enum ferry_transport)endpoint->transport);
	memcpy(&copy, endpoint->bytes, endpoint->size);
	if (copy.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)&copy;
		length = text_v4(&v4->sin_addr, v4->sin_port, scheme, text, sizeof(text));
	} else if (copy.ss_family == AF_INET6) {
		length = text_v6((const void *)&copy, scheme, text, sizeof(text));
	} else if (copy.ss_family == AF_UNIX) {
		length = text_unix((const void *)&copy, endpoint->size, scheme, text, sizeof(text));
	}
	if (length < 0)
		return -EINVAL;
	if ((size_t)length >= n)
		return -ERANGE;
	memcpy(ret_text, text, (size_t)length + 1);
	return length;
}

int fy_endpoint_of(struct ferry_endpoint *ret_endpoint, int fd, enum ferry_transport transport,
		   int peer)
{
	struct ferry_endpoint endpoint = { .transport = (uint32_t)transport };
	struct sockaddr *kernel = (struct sockaddr *)endpoint.bytes;
	socklen_t size = sizeof(endpoint.bytes);
	int saved = errno;
	int r = peer ? getpeername(fd, kernel, &size) : getsockname(fd, kernel, &size);

	if (r != 0) {
		r = -errno;
		errno = saved;
		return r;
	}
	endpoint.size = size;
	*ret_endpoint = endpoint;
	return 0;
}
