/* SPDX-License-Identifier: MIT */
/* Datagrams: to anybody, from anybody, to a group; what becomes of those that do not fit or find
 * nobody. */
#include <errno.h>
#include <ferry/ferry.h>
#include <stdio.h>
#include <string.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "scratch.h"
#include "wire.h"

static ferry_socket *bound(const char *address, struct ferry_endpoint *ret_endpoint)
{
	struct ferry_why why = { 0 };
	char text[FERRY_ADDRESS_MAX];
	ferry_socket *socket;

	if (ferry_socket_bind(&socket, address, FERRY_SOCKET_OPTIONS(.why = &why), FERRY_NOW) < 0)
		check_failed(__FILE__, __LINE__, "%s: %s", address, why.text);
	check(ferry_socket_local(socket, text, sizeof text) > 0);
	check_eq(ferry_endpoint_resolve(ret_endpoint, text, FERRY_NOW, NULL), 0);
	return socket;
}

static const char *const places[] = { "udp://127.0.0.1:0", "udp://[::1]:0", "unix-dgram:@" };
#define N_PLACES (sizeof places / sizeof *places)

static void a_datagram_says_where_it_is_from(void)
{
	for (size_t i = 0; i < N_PLACES; i++) {
		struct ferry_endpoint one, other, from;
		ferry_socket *a = bound(places[i], &one), *b = bound(places[i], &other);
		char buffer[16], text[FERRY_ADDRESS_MAX], want[FERRY_ADDRESS_MAX];

		check_eq(ferry_socket_receive_from(b, buffer, 16, &from, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_receive_from(b, buffer, 16, &from, ferry_in_ms(5)),
			 -ETIMEDOUT);
		check_eq(ferry_socket_send_to(a, &other, "question", 8, box_patience()), 0);
		check_eq(ferry_socket_receive_from(b, buffer, 16, &from, box_patience()), 8);
		check(ferry_endpoint_text(&from, text, sizeof text) > 0);
		check(ferry_endpoint_text(&one, want, sizeof want) > 0);
		check(strcmp(text, want) == 0);
		check_eq(ferry_socket_send_to(b, &from, "answer", 6, box_patience()), 0);
		check_eq(ferry_socket_receive(a, buffer, 16, box_patience()), 6);
		check_eq(ferry_socket_send_to(a, &other, "", 0, box_patience()), 0);
		check_eq(ferry_socket_receive_from(b, buffer, 16, NULL, box_patience()), 0);
		check_eq(ferry_socket_write(a, "x", 1, FERRY_NOW),
			 i == 2 ? -ENOTCONN : -EDESTADDRREQ);
		ferry_socket_close(a);
		ferry_socket_close(b);
	}
}

static void what_does_not_fit_is_told(void)
{
	for (size_t i = 0; i < N_PLACES; i++) {
		struct ferry_endpoint one, other;
		ferry_socket *a = bound(places[i], &one), *b = bound(places[i], &other);
		char buffer[4];

		check_eq(ferry_socket_send_to(a, &other, "12345678", 8, FERRY_NOW), 0);
		check_eq(ferry_socket_receive_from(b, buffer, 4, NULL, box_patience()), 8);
		check(memcmp(buffer, "1234", 4) == 0);
		check_eq(ferry_socket_send_to(a, &other, "12345678", 8, FERRY_NOW), 0);
		check_eq(ferry_socket_next(b, box_patience()), 8);
		check_eq(ferry_socket_receive(b, buffer, 4, box_patience()), -EMSGSIZE);
		check_eq(ferry_socket_receive(b, buffer, 4, FERRY_NOW), -EAGAIN);
		ferry_socket_close(a);
		ferry_socket_close(b);
	}
}

static void too_large_a_datagram_is_an_error(void)
{
	static char large[70000];
	struct ferry_endpoint one, other;
	ferry_socket *a = bound(places[0], &one), *b = bound(places[0], &other);

	check_eq(ferry_socket_send_to(a, &other, large, 65508, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_socket_send_to(a, &other, large, 65507, FERRY_NOW), 0);
	check_eq(ferry_socket_receive_from(b, large, sizeof large, NULL, box_patience()), 65507);
	ferry_socket_close(a);
	ferry_socket_close(b);
}

static void connected_ones_hear_only_their_peer(void)
{
	struct ferry_endpoint here;
	char buffer[16];

	for (size_t i = 0; i < N_PLACES; i++) {
		char address[FERRY_ADDRESS_MAX];
		ferry_socket *server = bound(places[i], &here), *client;
		struct ferry_endpoint from;
		check(ferry_socket_local(server, address, sizeof address) > 0);
		check_eq(ferry_connect(&client, address,
				       FERRY_SOCKET_OPTIONS(.local = i == 2 ? places[2] : NULL),
				       box_patience()),
			 0);
		check_eq(ferry_socket_send(client, "hello", 5, box_patience()), 0);
		check_eq(ferry_socket_receive_from(server, buffer, 16, &from, box_patience()), 5);
		struct ferry_endpoint mine;
		ferry_socket *stranger = bound(places[i], &mine);
		const int r = ferry_socket_send_to(stranger, &from, "noise", 5, FERRY_NOW);
		check(r == (i == 2 ? -EPERM : 0));
		check_eq(ferry_socket_send_to(server, &from, "reply", 5, box_patience()), 0);
		check_eq(ferry_socket_read(client, buffer, 16, box_patience()), 5);
		check(memcmp(buffer, "reply", 5) == 0);
		check_eq(ferry_socket_read(client, buffer, 16, FERRY_NOW), -EAGAIN);
		ferry_socket_close(stranger);
		ferry_socket_close(client);
		ferry_socket_close(server);
	}
}

/* ---- the table: the peer has closed ---- */

static void closed__udp_is_refused_by_the_next_call_but_one(void)
{
	struct ferry_endpoint here;
	char address[FERRY_ADDRESS_MAX], byte;

	for (size_t i = 0; i < 2; i++) {
		ferry_socket *server = bound(places[i], &here), *client;
		check(ferry_socket_local(server, address, sizeof address) > 0);
		check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
		ferry_socket_close(server);
		check_eq(ferry_socket_write(client, "x", 1, FERRY_NOW), 1);
		check_eq(ferry_socket_read(client, &byte, 1, box_patience()), -ECONNREFUSED);
		check_eq(ferry_socket_write(client, "x", 1, FERRY_NOW), 1);
		check_eq(ferry_socket_write(client, "x", 1, FERRY_NOW), -ECONNREFUSED);
		ferry_socket_close(client);
	}
}

static void closed__udp_without_connection_notices_nothing(void)
{
	struct ferry_endpoint here, there;
	char byte;
	ferry_socket *a = bound(places[0], &here), *b = bound(places[0], &there);

	ferry_socket_close(b);
	for (int i = 0; i < 3; i++)
		check_eq(ferry_socket_send_to(a, &there, "x", 1, FERRY_NOW), 0);
	check_eq(ferry_socket_receive_from(a, &byte, 1, NULL, FERRY_NOW), -EAGAIN);
	ferry_socket_close(a);
}

static void closed__unix_dgram_is_refused_and_reading_waits(void)
{
	struct ferry_endpoint here;
	char address[FERRY_ADDRESS_MAX], byte;
	ferry_socket *server = bound(places[2], &here), *client;

	check(ferry_socket_local(server, address, sizeof address) > 0);
	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	ferry_socket_close(server);
	check_eq(ferry_socket_read(client, &byte, 1, ferry_in_ms(5)), -ETIMEDOUT);
	check_eq(ferry_socket_write(client, "x", 1, FERRY_NOW), -ECONNREFUSED);
	/* From then on the kernel has forgotten the peer. */
	check_eq(ferry_socket_write(client, "x", 1, FERRY_NOW), -ENOTCONN);
	ferry_socket_close(client);
}

static void a_full_receiver_makes_unix_wait_and_udp_lose(void)
{
	char address[FERRY_ADDRESS_MAX];
	struct ferry_endpoint here;
	ferry_socket *server = bound(places[2], &here), *client;
	int n = 0, r;

	check(ferry_socket_local(server, address, sizeof address) > 0);
	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	while ((r = ferry_socket_send(client, "x", 1, FERRY_NOW)) == 0)
		check(++n < 1000000);
	check_eq(r, -EAGAIN);
	check_eq(ferry_socket_send(client, "x", 1, ferry_in_ms(20)), -ETIMEDOUT);
	for (; n > 0; n--) {
		char byte;
		check_eq(ferry_socket_receive(server, &byte, 1, FERRY_NOW), 1);
	}
	check_eq(ferry_socket_send(client, "x", 1, box_patience()), 0);
	ferry_socket_close(client);
	ferry_socket_close(server);
	static char block[60000];
	server = bound(places[0], &here);
	check(ferry_socket_local(server, address, sizeof address) > 0);
	check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
	for (int i = 0; i < 100; i++)
		check_eq(ferry_socket_send(client, block, sizeof block, box_patience()), 0);
	for (n = 0; ferry_socket_receive(server, block, sizeof block, FERRY_NOW) > 0; n++)
		;
	check(n > 0 && n < 100);
	ferry_socket_close(client);
	ferry_socket_close(server);
}

/* ---- groups ---- */

static void a_group_hears_what_is_sent_to_it(void)
{
	static const struct {
		const char *bind, *group;
	} rows[] = {
		{ "udp://0.0.0.0:0", "239.1.2.3" },
		{ "udp://[::]:0", "ff01::1234" },
	};
	char text[FERRY_ADDRESS_MAX], to[FERRY_ADDRESS_MAX], buffer[8];
	struct ferry_endpoint group;

	for (size_t i = 0; i < 2; i++) {
		ferry_socket *socket, *sender;
		check_eq(ferry_socket_bind(&socket, rows[i].bind, NULL, FERRY_NOW), 0);
		check(ferry_socket_local(socket, text, sizeof text) > 0);
		const char *port = strrchr(text, ':') + 1;
		if (i == 0)
			snprintf(to, sizeof to, "udp://239.1.2.3:%s", port);
		else
			snprintf(to, sizeof to, "udp://[ff01::1234%%lo]:%s", port);
		check_eq(ferry_endpoint_resolve(&group, to, FERRY_NOW, NULL), 0);
		check_eq(ferry_socket_join(socket, "127.0.0.1", "lo"), -EINVAL);
		check_eq(ferry_socket_join(socket, "nonsense", "lo"), -EINVAL);
		check_eq(ferry_socket_join(socket, rows[i].group, "nothing"), -ENODEV);
		check_eq(ferry_socket_leave(socket, rows[i].group, "lo"), -EADDRNOTAVAIL);
		check_eq(ferry_socket_join(socket, rows[i].group, "lo"), 0);
		check_eq(ferry_socket_join(socket, rows[i].group, "lo"), -EADDRINUSE);
		check_eq(ferry_socket_bind(&sender, i ? "udp://[::1]:0" : "udp://127.0.0.1:0", NULL,
					   FERRY_NOW),
			 0);
		if (ferry_socket_send_to(sender, &group, "all", 3, box_patience()) == 0) {
			check_eq(ferry_socket_receive(socket, buffer, 8, box_patience()), 3);
			check_eq(ferry_socket_leave(socket, rows[i].group, "lo"), 0);
		}
		ferry_socket_close(sender);
		ferry_socket_close(socket);
	}
	ferry_socket *one, *other;
	check_eq(ferry_socket_pair(&one, &other, FERRY_UNIX_DGRAM, NULL), 0);
	check_eq(ferry_socket_join(one, "239.1.2.3", NULL), -EOPNOTSUPP);
	ferry_socket_close(one);
	ferry_socket_close(other);
}

static void wrong_kinds_are_refused(void)
{
	struct ferry_endpoint endpoint;
	struct ferry_why why = { 0 };
	ferry_listener *listener;
	ferry_socket *socket, *one, *other;

	check_eq(ferry_listen(&listener, "udp://127.0.0.1:0", FERRY_SOCKET_OPTIONS(.why = &why),
			      FERRY_NOW),
		 -EOPNOTSUPP);
	check(strstr(why.text, "bind") != NULL);
	check_eq(ferry_socket_bind(&socket, "tcp://127.0.0.1:0", NULL, FERRY_NOW), -EOPNOTSUPP);
	check_eq(ferry_socket_pair(&one, &other, FERRY_TCP, NULL), -EINVAL);
	check_eq(ferry_socket_pair(&one, &other, FERRY_UNIX, NULL), 0);
	check_eq(ferry_endpoint_resolve(&endpoint, "unix:@x", FERRY_NOW, NULL), 0);
	check_eq(ferry_socket_send_to(one, &endpoint, "x", 1, FERRY_NOW), -EOPNOTSUPP);
	check_eq(ferry_socket_receive_from(one, &endpoint, 1, NULL, FERRY_NOW), -EOPNOTSUPP);
	ferry_socket_close(one);
	ferry_socket_close(other);
	socket = bound(places[0], &endpoint);
	endpoint.size = 4096;
	check_eq(ferry_socket_send_to(socket, &endpoint, "x", 1, FERRY_NOW), -EINVAL);
	ferry_socket_close(socket);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(a_datagram_says_where_it_is_from),
		claim(what_does_not_fit_is_told),
		claim(too_large_a_datagram_is_an_error),
		claim(connected_ones_hear_only_their_peer),
		claim(closed__udp_is_refused_by_the_next_call_but_one),
		claim(closed__udp_without_connection_notices_nothing),
		claim(closed__unix_dgram_is_refused_and_reading_waits),
		claim(a_full_receiver_makes_unix_wait_and_udp_lose),
		claim(a_group_hears_what_is_sent_to_it),
		claim(wrong_kinds_are_refused),
	};

	return claim_run_all(claims);
}
