/* SPDX-License-Identifier: MIT */
/* plain.c - see plain.h. */
#include "plain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"
#include "scratch.h"

int plain_connect(const char *address)
{
	struct ferry_endpoint endpoint;

	check_eq(ferry_endpoint_resolve(&endpoint, address, FERRY_NOW, NULL), 0);
	const struct sockaddr *kernel = (const struct sockaddr *)endpoint.bytes;
	const int fd = socket(kernel->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(fd >= 0);
	check_eq(connect(fd, kernel, endpoint.size), 0);
	return fd;
}

void plain_expect(int fd, const char *text)
{
	const size_t n = strlen(text);
	char got[64];

	check_eq(recv(fd, got, n, MSG_WAITALL), n);
	check(memcmp(got, text, n) == 0);
	check(recv(fd, got, sizeof got, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

int plain_listen(int family, char *ret_address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof in;
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	if (family == AF_UNIX) {
		snprintf(un.sun_path, sizeof un.sun_path, "%s", scratch_path("plain"));
		snprintf(ret_address, FERRY_ADDRESS_MAX, "unix:%s", un.sun_path);
		check_eq(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	} else {
		check_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
		check_eq(getsockname(fd, (struct sockaddr *)&in, &size), 0);
		snprintf(ret_address, FERRY_ADDRESS_MAX, "tcp://127.0.0.1:%u", ntohs(in.sin_port));
	}
	check_eq(listen(fd, 10), 0);
	return fd;
}
