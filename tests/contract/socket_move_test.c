/* SPDX-License-Identifier: MIT */
/* Connections whose two ends are ferry's move into shared memory, and nobody can tell but by the
 * clock; plain programs get plain sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ferry/ferry.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"
#include "leftover.h"
#include "peer.h"
#include "plain.h"
#include "scratch.h"
#include "stream.h"
#include "wire.h"

/* ---- who moves ---- */

static void two_ends_of_ferry_move(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		check_eq(wire_moved(wire.client), 0);
		wire_talk(&wire);
		check_eq(wire_moved(wire.client), WIRE_BOTH);
		check_eq(wire_moved(wire.server), WIRE_BOTH);
		wire_close(&wire);
	}
}

static void packets_and_pairs_stay(void)
{
	struct wire wire = wire_make(&wire_kinds[4], NULL);

	wire_talk(&wire);
	check_eq(wire_moved(wire.client), 0);
	wire_close(&wire);
	check_eq(ferry_socket_pair(&wire.client, &wire.server, FERRY_UNIX, NULL), 0);
	wire_talk(&wire);
	check_eq(wire_moved(wire.client), 0);
	wire_close(&wire);
}

static void stays(const struct ferry_socket_options *listening,
		  const struct ferry_socket_options *connecting)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener;
	struct wire wire;

	check_eq(ferry_listen(&listener, "tcp://127.0.0.1:0", listening, box_patience()), 0);
	check(ferry_listener_address(listener, address, sizeof address) > 0);
	check_eq(ferry_connect(&wire.client, address, connecting, box_patience()), 0);
	check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
	wire_talk(&wire);
	check_eq(wire_moved(wire.client), 0);
	check_eq(wire_moved(wire.server), 0);
	wire_close(&wire);
	ferry_listener_close(listener);
}

static void either_end_can_refuse(void)
{
	const struct ferry_socket_options *plain =
	    FERRY_SOCKET_OPTIONS(.flags = FERRY_SOCKET_PLAIN);

	stays(plain, NULL);
	stays(NULL, plain);
	setenv("FERRY_SOCKET_PLAIN", "1", 1);
	stays(NULL, NULL);
	setenv("FERRY_SOCKET_PLAIN", "0", 1);
	struct wire wire = wire_make_moved(&wire_kinds[2]);
	wire_close(&wire);
}

/* ---- plain programs ---- */

static void a_plain_client_gets_a_plain_socket(void)
{
	wire_each_stream(kind)
	{
		char address[FERRY_ADDRESS_MAX], byte;
		ferry_listener *listener = wire_listen(kind, address);
		ferry_socket *server;
		/* Others have left offers, for connections that are not this one. */
		ferry_socket *other;
		check_eq(ferry_connect(&other, address, NULL, box_patience()), 0);
		const int client = plain_connect(address);
		ferry_socket *first;
		check_eq(ferry_accept(&first, listener, box_patience()), 0);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		check_eq(ferry_socket_read(server, &byte, 1, FERRY_NOW), -EAGAIN);
		for (int i = 0; i < 3; i++) {
			check_eq(send(client, "question", 8, 0), 8);
			wire_expect(server, "question");
			wire_write(server, "answer");
			plain_expect(client, "answer");
		}
		check_eq(wire_moved(server), 0);
		struct wire ferrys = { other, first };
		wire_talk(&ferrys);
		check_eq(wire_moved(other), WIRE_BOTH);
		wire_close(&ferrys);
		ferry_socket_close(server);
		check_eq(recv(client, &byte, 1, 0), 0);
		close(client);
		ferry_listener_close(listener);
	}
}

static void a_plain_server_gets_a_plain_socket(void)
{
	const int families[] = { AF_UNIX, AF_INET };

	for (int i = 0; i < 2; i++) {
		char address[FERRY_ADDRESS_MAX], byte;
		struct sockaddr_storage name;
		socklen_t size = sizeof name;
		const int listening = plain_listen(families[i], address);
		ferry_socket *client;
		check_eq(ferry_connect(&client, address, NULL, box_patience()), 0);
		const int server =
		    accept4(listening, (struct sockaddr *)&name, &size, SOCK_CLOEXEC);
		check(server >= 0);
		/* No name that was not asked for. */
		check(families[i] != AF_UNIX || size == offsetof(struct sockaddr_un, sun_path));
		check_eq(ferry_socket_read(client, &byte, 1, FERRY_NOW), -EAGAIN);
		for (int k = 0; k < 3; k++) {
			wire_write(client, "question");
			plain_expect(server, "question");
			check_eq(send(server, "answer", 6, 0), 6);
			wire_expect(client, "answer");
		}
		check_eq(wire_moved(client), 0);
		ferry_socket_close(client);
		check_eq(recv(server, &byte, 1, 0), 0);
		close(server);
		close(listening);
		(void)unlink(scratch_path("plain"));
	}
}

/* An offer was made and found, and then another program gets the descriptor. */
static void a_descriptor_that_was_not_read_can_be_passed_on(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		char byte;
		const int server = dup(ferry_socket_fd(wire.server));
		ferry_socket_close(wire.server);
		check_eq(ferry_socket_read(wire.client, &byte, 1, FERRY_NOW), -EAGAIN);
		for (int i = 0; i < 3; i++) {
			wire_write(wire.client, "question");
			plain_expect(server, "question");
			check_eq(send(server, "answer", 6, 0), 6);
			wire_expect(wire.client, "answer");
		}
		close(server);
		wire_expect_end(wire.client);
		ferry_socket_close(wire.client);
	}
}

/* ---- the stream is one ---- */

#define LONG (4u << 20)

struct half {
	ferry_socket *socket;
	uint64_t seed;
	ferry_deadline deadline; /* of each write; or patience */
};

/* All bytes of the stream in pieces of chance. */
static void *write_in_pieces(void *argument)
{
	const struct half *half = argument;
	unsigned char data[20000];
	uint64_t at = 0, chance = half->seed;

	while (at < LONG) {
		chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
		size_t n = 1 + (chance >> 33) % (chance >> 60 ? 300 : sizeof data);
		n = n < LONG - at ? n : LONG - at;
		stream_fill(data, at, n);
		const ssize_t r = ferry_socket_write(half->socket, data, n,
						     chance >> 62 ? box_patience() : FERRY_NOW);
		check(r > 0 || r == -EAGAIN);
		at += r > 0 ? (uint64_t)r : 0;
		if (r == -EAGAIN)
			clock_pause();
	}
	check_eq(ferry_socket_shutdown(half->socket, FERRY_WRITE), 0);
	return NULL;
}

static void *read_in_pieces(void *argument)
{
	const struct half *half = argument;
	unsigned char data[30000];
	uint64_t at = 0, chance = half->seed;
	ssize_t r;

	do {
		chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
		r = ferry_socket_read(half->socket, data, 1 + (chance >> 33) % sizeof data,
				      chance >> 62 ? box_patience() : FERRY_NOW);
		check(r >= 0 || r == -EAGAIN);
		if (r == -EAGAIN)
			clock_pause();
		stream_match(data, at, r > 0 ? (size_t)r : 0);
		at += r > 0 ? (uint64_t)r : 0;
	} while (r != 0);
	check_eq(at, LONG);
	return NULL;
}

/* Both directions at once, the two ends of each starting when they will; some of it over the
 * socket, some through the ring, and back when it is full. */
static void bytes_stay_in_order_while_lanes_change_over(void)
{
	const int rounds = check_repeat(3, 100);

	for (int i = 0; i < rounds; i++)
		wire_each_stream(kind)
		{
			struct wire wire = wire_make(kind, NULL);
			struct half halves[4];
			pthread_t threads[4];
			for (int k = 0; k < 4; k++) {
				halves[k] = (struct half){ k % 2 ? wire.client : wire.server,
							   (uint64_t)(i * 4 + k), 0 };
				check_eq(pthread_create(&threads[k], NULL,
							k < 2 ? write_in_pieces : read_in_pieces,
							&halves[k]),
					 0);
			}
			for (int k = 0; k < 4; k++)
				check_eq(pthread_join(threads[k], NULL), 0);
			wire_close(&wire);
		}
}

static void what_was_written_before_accepting_comes_first(void)
{
	wire_each_stream(kind)
	{
		char address[FERRY_ADDRESS_MAX];
		ferry_listener *listener = wire_listen(kind, address);
		struct wire wire;
		check_eq(ferry_connect(&wire.client, address, NULL, box_patience()), 0);
		wire_write(wire.client, "early ");
		check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
		wire_write(wire.client, "late ");
		wire_expect(wire.server, "early");
		/* The reader has said that it reads; a space and "late " still lie in the socket.
		 */
		wire_write(wire.client, "moved");
		check_eq(wire_moved(wire.client), FERRY_WRITE);
		wire_expect(wire.server, " late moved");
		wire_close(&wire);
		ferry_listener_close(listener);
	}
}

static void closed_before_it_is_accepted_the_rest_is_read(void)
{
	wire_each_stream(kind)
	{
		char address[FERRY_ADDRESS_MAX];
		ferry_listener *listener = wire_listen(kind, address);
		struct wire wire;
		check_eq(ferry_connect(&wire.client, address, NULL, box_patience()), 0);
		wire_write(wire.client, "last words");
		ferry_socket_close(wire.client);
		check_eq(ferry_accept(&wire.server, listener, box_patience()), 0);
		wire_expect(wire.server, "last words");
		wire_expect_end(wire.server);
		ferry_socket_close(wire.server);
		ferry_listener_close(listener);
	}
}

static void a_full_ring_goes_on_over_the_socket_and_back(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make_moved(kind);
		static char drain[1 << 16];
		struct pollfd room = { .fd = ferry_socket_fd(wire.client), .events = POLLOUT };
		uint64_t sent = wire_brim(wire.client);
		/* Nothing fits: the descriptor says so. */
		check(sent > 131072);
		check_eq(poll(&room, 1, 0), 0);
		check_eq(wire_moved(wire.client), FERRY_READ);
		while (sent > 0) {
			const ssize_t r =
			    ferry_socket_read(wire.server, drain, sizeof drain, box_patience());
			check(r > 0 && (uint64_t)r <= sent);
			sent -= (uint64_t)r;
		}
		check_eq(poll(&room, 1, 1000), 1);
		wire_talk(&wire);
		check_eq(wire_moved(wire.client), WIRE_BOTH);
		wire_close(&wire);
	}
}

static void descriptors_come_where_they_were_sent(void)
{
	struct wire wire = wire_make_moved(&wire_kinds[2]);

	for (int i = 0; i < 5; i++) {
		int ends[2], got[2], n = 0;
		char buffer[64];
		check_eq(pipe(ends), 0);
		wire_write(wire.client, "before");
		check_eq(
		    ferry_socket_send_descriptors(wire.client, "with", 4, ends, 2, box_patience()),
		    4);
		wire_write(wire.client, "after");
		check_eq(ferry_socket_receive_descriptors(wire.server, buffer, 64, got, 2, &n,
							  box_patience()),
			 6);
		check_eq(n, 0);
		check_eq(ferry_socket_receive_descriptors(wire.server, buffer, 4, got, 2, &n,
							  box_patience()),
			 4);
		check(memcmp(buffer, "with", 4) == 0);
		check_eq(n, 2);
		wire_expect(wire.server, "after");
		check_eq(write(got[1], "x", 1), 1);
		check_eq(read(ends[0], buffer, 1), 1);
		for (int k = 0; k < 2; k++) {
			close(ends[k]);
			close(got[k]);
		}
		wire_talk(&wire);
		check_eq(wire_moved(wire.client), WIRE_BOTH);
	}
	wire_close(&wire);
}

/* ---- waiting ---- */

static int is_readable(int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	return poll(&ready, 1, 0) == 1;
}

static void the_descriptor_tells_what_can_be_read(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		const int fd = ferry_socket_fd(wire.server);
		char byte;
		wire_talk(&wire);
		check_eq(wire_moved(wire.client), WIRE_BOTH);
		for (int i = 0; i < 20; i++) {
			await(!is_readable(fd) ||
			      ferry_socket_read(wire.server, &byte, 1, FERRY_NOW) != -EAGAIN);
			check(!is_readable(fd));
			wire_write(wire.client, "abc");
			await(is_readable(fd));
			check_eq(ferry_socket_read(wire.server, &byte, 1, FERRY_NOW), 1);
			check(is_readable(fd)); /* there is more */
			check_eq(ferry_socket_read(wire.server, &byte, 1, FERRY_NOW), 1);
			check(is_readable(fd));
			check_eq(ferry_socket_read(wire.server, &byte, 1, FERRY_NOW), 1);
			check(byte == 'c');
		}
		check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), 0);
		await(is_readable(fd));
		check_eq(ferry_socket_read(wire.server, &byte, 1, FERRY_NOW), 0);
		wire_close(&wire);
	}
}

/* An event loop that never misses anything: poll without limit, read a little without waiting. */
static void *poll_and_read(void *argument)
{
	const struct half *half = argument;
	const int fd = ferry_socket_fd(half->socket);
	unsigned char data[5000];
	uint64_t at = 0, chance = 1;
	ssize_t r;

	do {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		check_eq(poll(&ready, 1, 30000), 1);
		chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
		r = ferry_socket_read(half->socket, data, 1 + (chance >> 33) % sizeof data,
				      FERRY_NOW);
		check(r >= 0 || r == -EAGAIN);
		stream_match(data, at, r > 0 ? (size_t)r : 0);
		at += r > 0 ? (uint64_t)r : 0;
	} while (r != 0);
	check_eq(at, LONG);
	return NULL;
}

static void an_event_loop_misses_nothing(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		struct half from = { wire.client, 7, 0 }, to = { wire.server, 0, 0 };
		pthread_t writer, reader;
		check_eq(pthread_create(&reader, NULL, poll_and_read, &to), 0);
		check_eq(pthread_create(&writer, NULL, write_in_pieces, &from), 0);
		check_eq(pthread_join(writer, NULL), 0);
		check_eq(pthread_join(reader, NULL), 0);
		wire_close(&wire);
	}
}

static void *read_one(void *argument)
{
	char byte;

	check_eq(ferry_socket_read(argument, &byte, 1, box_patience()), 1);
	return NULL;
}

static void who_waits_uses_no_time_and_is_woken(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make_moved(kind);
		pthread_t reader;
		check_eq(pthread_create(&reader, NULL, read_one, wire.server), 0);
		for (int i = 0; i < 50; i++)
			clock_pause();
		const struct usage before = usage_now();
		while (clock_ns() < before.at + 200000000 || usage_is_doubtful(&before))
			usleep(10000);
		usage_check_blocked(&before);
		wire_write(wire.client, "x");
		check_eq(pthread_join(reader, NULL), 0);
		wire_close(&wire);
	}
}

static void *write_long(void *argument)
{
	static const char zeros[1 << 20];

	check_eq(ferry_socket_write_all(argument, zeros, sizeof zeros, box_patience()),
		 sizeof zeros);
	return NULL;
}

static void who_waits_for_room_is_woken(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make_moved(kind);
		static char drain[4096];
		pthread_t writer;
		check_eq(pthread_create(&writer, NULL, write_long, wire.client), 0);
		for (size_t left = 1 << 20; left > 0;) {
			const ssize_t r =
			    ferry_socket_read(wire.server, drain, sizeof drain, box_patience());
			check(r > 0);
			left -= (size_t)r;
		}
		check_eq(pthread_join(writer, NULL), 0);
		wire_close(&wire);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(two_ends_of_ferry_move),
		claim(packets_and_pairs_stay),
		claim(either_end_can_refuse),
		claim(a_plain_client_gets_a_plain_socket),
		claim(a_plain_server_gets_a_plain_socket),
		claim(a_descriptor_that_was_not_read_can_be_passed_on),
		claim(bytes_stay_in_order_while_lanes_change_over),
		claim(what_was_written_before_accepting_comes_first),
		claim(closed_before_it_is_accepted_the_rest_is_read),
		claim(a_full_ring_goes_on_over_the_socket_and_back),
		claim(descriptors_come_where_they_were_sent),
		claim(the_descriptor_tells_what_can_be_read),
		claim(an_event_loop_misses_nothing),
		claim(who_waits_uses_no_time_and_is_woken),
		claim(who_waits_for_room_is_woken),
	};

	return claim_run_all(claims);
}
