/* SPDX-License-Identifier: MIT */
/* wire.c - see wire.h. */
#include "wire.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "scratch.h"

const struct wire_kind wire_kinds[] = {
	{ "tcp", FERRY_TCP, "tcp://127.0.0.1:0" },
	{ "tcp over IPv6", FERRY_TCP, "tcp://[::1]:0" },
	{ "unix", FERRY_UNIX, "unix:" },
	{ "abstract unix", FERRY_UNIX, "unix:@" },
	{ "seqpacket", FERRY_UNIX_SEQPACKET, "unix-seqpacket:" },
	{ NULL, FERRY_TCP, NULL },
};

ferry_listener *wire_listen(const struct wire_kind *kind, char *ret_address)
{
	struct ferry_why why = { 0 };
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener;
	const size_t n = strlen(kind->address);

	snprintf(address, sizeof address, "%s%s", kind->address,
		 kind->address[n - 1] == ':' ? scratch_path("socket") : "");
	if (ferry_listen(&listener, address, FERRY_SOCKET_OPTIONS(.why = &why), box_patience()) < 0)
		check_failed(__FILE__, __LINE__, "%s: %s", address, why.text);
	check(ferry_listener_address(listener, ret_address, FERRY_ADDRESS_MAX) > 0);
	return listener;
}

struct wire wire_make(const struct wire_kind *kind, const struct ferry_socket_options *options)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(kind, address);
	struct wire wire;

	check_eq(ferry_connect(&wire.client, address, options, box_patience()), 0);
	check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
	ferry_listener_close(listener);
	return wire;
}

void wire_close(struct wire *wire)
{
	ferry_socket_close(wire->client);
	ferry_socket_close(wire->server);
}

void wire_expect(ferry_socket *socket, const char *text)
{
	char got[256] = "";
	const size_t n = strlen(text);

	check(n < sizeof got);
	for (size_t at = 0; at < n;) {
		const ssize_t r = ferry_socket_read(socket, got + at, n - at, box_patience());
		check(r > 0);
		at += (size_t)r;
	}
	check(strcmp(got, text) == 0);
}

void wire_expect_end(ferry_socket *socket)
{
	char byte;

	check_eq(ferry_socket_read(socket, &byte, 1, box_patience()), 0);
	check_eq(ferry_socket_read(socket, &byte, 1, FERRY_NOW), 0);
}

void wire_write(ferry_socket *socket, const char *text)
{
	check_eq(ferry_socket_write(socket, text, strlen(text), box_patience()), strlen(text));
}

uint64_t wire_brim(ferry_socket *socket)
{
	static const char zeros[4096];
	uint64_t sum = 0;
	ssize_t r;

	/* TCP moves what was written on to the peer by and by. */
	for (int full = 0; full < 3;) {
		r = ferry_socket_write(socket, zeros, sizeof zeros, FERRY_NOW);
		check(r > 0 || r == -EAGAIN);
		full = r > 0 ? 0 : full + 1;
		sum += r > 0 ? (uint64_t)r : 0;
		if (r < 0)
			clock_pause();
	}
	return sum;
}

uint32_t wire_moved(ferry_socket *socket)
{
	struct ferry_socket_stat stat;

	check_eq(ferry_socket_stat(socket, &stat), 0);
	return stat.shared_memory;
}

void wire_talk(struct wire *wire)
{
	for (int i = 0; i < 2; i++) {
		char byte;
		wire_write(wire->client, "question");
		/* Who reads says that it reads, also if nothing is there. */
		check_eq(ferry_socket_read(wire->client, &byte, 1, FERRY_NOW), -EAGAIN);
		wire_expect(wire->server, "question");
		wire_write(wire->server, "answer");
		wire_expect(wire->client, "answer");
	}
}

struct wire wire_make_moved(const struct wire_kind *kind)
{
	struct wire wire = wire_make(kind, NULL);

	wire_talk(&wire);
	check_eq(wire_moved(wire.client), WIRE_BOTH);
	check_eq(wire_moved(wire.server), WIRE_BOTH);
	return wire;
}

void wire_own_network(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET) != 0)
		check_skip("network namespaces need root");
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	check(fd >= 0);
	check_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}
