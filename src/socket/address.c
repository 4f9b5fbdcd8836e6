/* SPDX-License-Identifier: MIT */
/* address.c - the text of an address, taken apart. Every failure says at which character. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ferry/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "../base/why.h"

#define PATH_LIMIT (sizeof(((struct sockaddr_un *)0)->sun_path) - 1) /* bytes */
#define PORT_LIMIT 65535
#define ALNUM      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const struct scheme {
	const char *name;
	enum ferry_transport transport;
	int type; /* of socket */
} schemes[] = {
	{ "tcp", FERRY_TCP, SOCK_STREAM },
	{ "tls", FERRY_TLS, SOCK_STREAM },
	{ "udp", FERRY_UDP, SOCK_DGRAM },
	{ "unix", FERRY_UNIX, SOCK_STREAM },
	{ "unix-dgram", FERRY_UNIX_DGRAM, SOCK_DGRAM },
	{ "unix-seqpacket", FERRY_UNIX_SEQPACKET, SOCK_SEQPACKET },
};

static const struct scheme *scheme_of(enum ferry_transport transport)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i].transport == transport)
			return &schemes[i];
	return NULL;
}

const char *ferry_transport_name(enum ferry_transport transport)
{
	const struct scheme *scheme = scheme_of(transport);

	return scheme ? scheme->name : "unknown";
}

int fy_transport_type(enum ferry_transport transport)
{
	const struct scheme *scheme = scheme_of(transport);

	return scheme ? scheme->type : 0;
}

int fy_transport_is_unix(enum ferry_transport transport)
{
	return transport == FERRY_UNIX || transport == FERRY_UNIX_DGRAM ||
	       transport == FERRY_UNIX_SEQPACKET;
}

int fy_transport_is_stream(enum ferry_transport transport)
{
	return fy_transport_type(transport) == SOCK_STREAM;
}

int fy_transport_is_datagram(enum ferry_transport transport)
{
	return fy_transport_type(transport) == SOCK_DGRAM;
}

/* A text that is being read, and where its failure goes. */
struct reading {
	const char *text;
	size_t *ret_at;
	struct ferry_why *why;
};

__attribute__((format(printf, 3, 4))) static int wrong(const struct reading *reading,
						       const char *where, const char *format, ...)
{
	char sentence[160];
	va_list arguments;
	size_t at = (size_t)(where - reading->text);

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
	if (reading->ret_at)
		*reading->ret_at = at;
	return fy_why(reading->why, -FERRY_EADDRESS, "character %zu: %s", at + 1, sentence);
}

/* ---- hosts and ports ---- */

static int read_port(const struct reading *reading, const char *digits, uint16_t *ret_port)
{
	size_t n = strspn(digits, "0123456789");
	unsigned port = 0;

	if (n == 0)
		return wrong(reading, digits,
			     *digits ? "a port is a number" : "the port is missing");
	for (size_t i = 0; i < n; i++) {
		port = port * 10 + (unsigned)(digits[i] - '0');
		if (port > PORT_LIMIT || i >= 5)
			return wrong(reading, digits, "a port is at most %d", PORT_LIMIT);
	}
	if (digits[n] != '\0')
		return wrong(reading, digits + n, "nothing may follow the port");
	*ret_port = (uint16_t)port;
	return 0;
}

static int take_host(const struct reading *reading, const char *host, size_t n,
		     struct ferry_address *address)
{
	if (n > FERRY_HOST_MAX)
		return wrong(reading, host + FERRY_HOST_MAX, "a host's name has at most %d bytes",
			     FERRY_HOST_MAX);
	memcpy(address->host, host, n);
	address->host[n] = '\0';
	return 0;
}

/* [::1] or [fe80::1%eth0]; *ret_end is behind the bracket. */
static int read_bracketed(const struct reading *reading, const char *host,
			  struct ferry_address *address, const char **ret_end)
{
	struct in6_addr parsed;
	char number[INET6_ADDRSTRLEN + 1];
	const char *first = host + 1;
	size_t n = strspn(first, "0123456789abcdefABCDEF:.");
	size_t zone = first[n] == '%' ? 1 + strspn(first + n + 1, ALNUM "._-@") : 0;

	if (first[n + zone] == '\0')
		return wrong(reading, first + n + zone, "the bracket is not closed");
	if (first[n + zone] != ']')
		return wrong(reading, first + n + zone,
			     "this does not belong into an IPv6 address");
	if (zone == 1)
		return wrong(reading, first + n + 1, "the zone is missing");
	if (zone > 16)
		return wrong(reading, first + n + 16, "a zone has at most 15 bytes");
	(void)snprintf(number, sizeof(number), "%.*s", n < sizeof(number) ? (int)n : 0, first);
	if (inet_pton(AF_INET6, number, &parsed) != 1)
		return wrong(reading, first, "this is no IPv6 address");
	*ret_end = first + n + zone + 1;
	return take_host(reading, first, n + zone, address);
}

/* A host whose last part is a number can only be an IPv4 address: four numbers up to 255. */
static int check_ipv4(const struct reading *reading, const char *host, size_t n)
{
	const char *part = host, *end = host + n;
	int parts = 0;

	for (;; part++) {
		size_t digits = strspn(part, "0123456789");
		unsigned value = 0;
		for (size_t i = 0; i < digits && i < 4; i++)
			value = value * 10 + (unsigned)(part[i] - '0');
		if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && *part == '0'))
			return wrong(reading, part,
				     "a part of an IPv4 address is a number from 0 to 255");
		part += digits;
		if (++parts == 4 && part != end)
			return wrong(reading, part, "an IPv4 address has four numbers");
		if (part == end)
			break;
		if (*part != '.')
			return wrong(reading, part, "this does not belong into an IPv4 address");
	}
	return parts == 4 ? 0 : wrong(reading, end, "an IPv4 address has four numbers");
}

static int ends_in_number(const char *host, size_t n)
{
	size_t i = n;

	while (i > 0 && host[i - 1] >= '0' && host[i - 1] <= '9')
		i--;
	return i < n && (i == 0 || host[i - 1] == '.');
}

static int read_name(const struct reading *reading, const char *host, struct ferry_address *address,
		     const char **ret_end)
{
	size_t n = *host == '*' ? 1 : strspn(host, ALNUM ".-_");
	const char *colon = strchr(host, ':');

	/* 2001:db8::1: what comes before the first colon may look like a name. */
	if (colon && strchr(colon + 1, ':') && strspn(host, "0123456789abcdefABCDEF:.") > n)
		return wrong(reading, host, "an IPv6 address stands in brackets");
	if (n == 0)
		return wrong(reading, host, "the host is missing");
	if (host[n] != ':' && host[n] != '\0')
		return wrong(reading, host + n, "this does not belong into a host's name");
	if (*host == '.' || *host == '-')
		return wrong(reading, host, "a host's name begins with a letter or a digit");
	*ret_end = host + n;
	int r = ends_in_number(host, n) ? check_ipv4(reading, host, n) : 0;
	return r < 0 ? r : take_host(reading, host, n, address);
}

static int read_internet(const struct reading *reading, const char *rest,
			 struct ferry_address *address)
{
	const char *host = rest, *end = rest;

	for (int i = 0; i < 2; i++)
		if (*host++ != '/')
			return wrong(reading, host - 1, "\"//\" and a host follow the colon");
	int r = *host == '[' ? read_bracketed(reading, host, address, &end)
			     : read_name(reading, host, address, &end);
	if (r < 0)
		return r;
	if (*end != ':')
		return wrong(reading, end, "a colon and a port follow the host");
	return read_port(reading, end + 1, &address->port);
}

/* ---- unix ---- */

static int read_path(const struct reading *reading, const char *path, struct ferry_address *address)
{
	size_t n = strlen(path);
	size_t most = *path == '@' ? PATH_LIMIT + 1 : PATH_LIMIT;

	if (n == 0)
		return wrong(reading, path, "the path is missing");
	if (*path != '@' && *path != '/' && strncmp(path, "./", 2) != 0 &&
	    strncmp(path, "../", 3) != 0)
		return wrong(reading, path,
			     "a path begins with /, ./ or ../, an abstract name with @");
	if (n > most)
		return wrong(reading, path + most, "%s has at most %zu bytes",
			     *path == '@' ? "an abstract name" : "a socket's path", PATH_LIMIT);
	if (*path != '@' && path[n - 1] == '/')
		return wrong(reading, path + n, "the name of the socket is missing");
	memcpy(address->path, path, n + 1);
	return 0;
}

/* ---- all ---- */

static const struct scheme *read_scheme(const char *text, size_t *ret_length)
{
	size_t n = strcspn(text, ":");

	*ret_length = n;
	if (text[n] != ':')
		return NULL;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strlen(schemes[i].name) == n && memcmp(schemes[i].name, text, n) == 0)
			return &schemes[i];
	return NULL;
}

int ferry_address_parse(struct ferry_address *ret_address, const char *text, size_t *ret_at,
			struct ferry_why *why)
{
	struct reading reading = { text, ret_at, why };
	struct ferry_address address = { 0 };
	size_t n = 0;

	if (!ret_address || !text)
		return fy_why(why, -EINVAL, "no address was given");
	const struct scheme *scheme = read_scheme(text, &n);
	if (!scheme)
		return wrong(&reading, text,
			     "an address begins with tcp://, tls://, udp://, unix:, unix-dgram: or "
			     "unix-seqpacket:");
	address.transport = scheme->transport;
	int r = fy_transport_is_unix(scheme->transport)
		    ? read_path(&reading, text + n + 1, &address)
		    : read_internet(&reading, text + n + 1, &address);
	if (r == 0)
		*ret_address = address;
	return r;
}
