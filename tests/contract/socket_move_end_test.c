/* SPDX-License-Identifier: MIT */
/* Connections in shared memory: what becomes of them when an end is shut down, closed, killed, or
 * shared with a forked child. */
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

/* ---- ends ---- */

struct visit {
	char address[FERRY_ADDRESS_MAX];
	int unread; /* die with bytes of the other end unread */
	int waits;  /* while the other end waits in a read */
};

static void move_and_wait_to_be_killed(struct stage *stage, const void *argument)
{
	const struct visit *visit = argument;
	ferry_socket *socket;
	char byte;

	check_eq(ferry_connect(&socket, visit->address, NULL, box_patience()), 0);
	check_eq(ferry_socket_read(socket, &byte, 1, FERRY_NOW), -EAGAIN);
	wire_write(socket, "question");
	wire_expect(socket, "answer");
	wire_write(socket, "question");
	if (!visit->waits)
		wire_write(socket, " and last words");
	check_eq(wire_moved(socket), WIRE_BOTH);
	stage_meet(stage, 1);
	for (;;)
		pause();
}

static void killed_in_memory(int unread, int waits)
{
	wire_each_stream(kind)
	{
		struct visit visit = { .unread = unread, .waits = waits };
		ferry_listener *listener = wire_listen(kind, visit.address);
		struct peer peer;
		ferry_socket *server;
		char byte;
		peer_start(&peer, move_and_wait_to_be_killed, &visit);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		wire_expect(server, "question");
		wire_write(server, "answer");
		peer_await(&peer, 1);
		if (unread)
			wire_write(server, "never read");
		check_eq(wire_moved(server), WIRE_BOTH);
		peer_kill(&peer);
		wire_expect(server, waits ? "question" : "question and last words");
		if (unread)
			check_eq(ferry_socket_read(server, &byte, 1, box_patience()), -ECONNRESET);
		wire_expect_end(server);
		await(ferry_socket_write(server, "x", 1, FERRY_NOW) == -EPIPE);
		ferry_socket_close(server);
		ferry_listener_close(listener);
	}
}

static void killed__the_ring_is_read_then_the_end(void)
{
	killed_in_memory(0, 0);
}

static void killed_with_the_ring_unread__reading_is_a_reset(void)
{
	killed_in_memory(1, 0);
}

static void *read_end(void *argument)
{
	char byte;

	check_eq(ferry_socket_read(argument, &byte, 1, box_patience()), 0);
	return NULL;
}

static void killed_while_the_other_waits_ends_the_wait(void)
{
	wire_each_stream(kind)
	{
		struct visit visit = { .waits = 1 };
		ferry_listener *listener = wire_listen(kind, visit.address);
		struct peer peer;
		pthread_t reader;
		ferry_socket *server;
		peer_start(&peer, move_and_wait_to_be_killed, &visit);
		check_eq(ferry_accept(&server, listener, box_patience()), 0);
		wire_expect(server, "question");
		wire_write(server, "answer");
		peer_await(&peer, 1);
		wire_expect(server, "question");
		check_eq(pthread_create(&reader, NULL, read_end, server), 0);
		for (int i = 0; i < 20; i++)
			clock_pause();
		peer_kill(&peer);
		check_eq(pthread_join(reader, NULL), 0);
		ferry_socket_close(server);
		ferry_listener_close(listener);
	}
}

static void ends_are_told_as_the_kernel_tells_them(void)
{
	wire_each_stream(kind)
	{
		char byte;
		/* Half an end. */
		struct wire wire = wire_make_moved(kind);
		wire_write(wire.client, "last");
		check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), 0);
		check_eq(ferry_socket_write(wire.client, "x", 1, FERRY_NOW), -EPIPE);
		wire_expect(wire.server, "last");
		wire_expect_end(wire.server);
		wire_write(wire.server, "goes on");
		wire_expect(wire.client, "goes on");
		wire_close(&wire);
		/* Closed, all read. */
		wire = wire_make_moved(kind);
		wire_write(wire.client, "last");
		ferry_socket_close(wire.client);
		check_eq(ferry_socket_write(wire.server, "x", 1, FERRY_NOW), -EPIPE);
		wire_expect(wire.server, "last");
		wire_expect_end(wire.server);
		ferry_socket_close(wire.server);
		/* Closed, not all read. */
		wire = wire_make_moved(kind);
		wire_write(wire.server, "never read");
		wire_write(wire.client, "last");
		ferry_socket_close(wire.client);
		wire_expect(wire.server, "last");
		check_eq(ferry_socket_read(wire.server, &byte, 1, box_patience()), -ECONNRESET);
		wire_expect_end(wire.server);
		ferry_socket_close(wire.server);
	}
}

static void *shut_down_reading(void *argument)
{
	check_eq(ferry_socket_shutdown(argument, FERRY_READ), 0);
	return NULL;
}

static void shutting_down_reading_wakes_the_reader(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make_moved(kind);
		pthread_t reader, other;
		check_eq(pthread_create(&reader, NULL, read_end, wire.server), 0);
		check_eq(pthread_create(&other, NULL, shut_down_reading, wire.server), 0);
		check_eq(pthread_join(reader, NULL), 0);
		check_eq(pthread_join(other, NULL), 0);
		wire_write(wire.server, "other way");
		wire_expect(wire.client, "other way");
		wire_close(&wire);
	}
}

/* ---- forked children ---- */

enum { RECORDS = 3000 };

static void write_records(ferry_socket *socket, char byte)
{
	for (int i = 0; i < RECORDS; i++)
		check_eq(ferry_socket_write(socket, &byte, 1, box_patience()), 1);
}

static void write_as_child(struct stage *stage, const void *argument)
{
	(void)stage;
	write_records((ferry_socket *)(uintptr_t)argument, 'c');
}

static void *count_records(void *argument)
{
	int parents = 0, childs = 0;
	char data[100];

	while (parents + childs < 2 * RECORDS) {
		const ssize_t r = ferry_socket_read(argument, data, sizeof data, box_patience());
		check(r > 0);
		for (ssize_t i = 0; i < r; i++) {
			check(data[i] == 'p' || data[i] == 'c');
			*(data[i] == 'p' ? &parents : &childs) += 1;
		}
	}
	check_eq(parents, RECORDS);
	return NULL;
}

static void parent_and_child_write_at_once(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make_moved(kind);
		struct peer child;
		pthread_t reader;
		peer_start(&child, write_as_child, wire.client);
		check_eq(pthread_create(&reader, NULL, count_records, wire.server), 0);
		write_records(wire.client, 'p');
		peer_join(&child);
		check_eq(pthread_join(reader, NULL), 0);
		/* It ends when both have closed it. */
		ferry_socket_close(wire.client);
		wire_expect_end(wire.server);
		ferry_socket_close(wire.server);
	}
}

static void serve_as_child(struct stage *stage, const void *argument)
{
	ferry_socket *server = (ferry_socket *)(uintptr_t)argument;

	stage_meet(stage, 1);
	for (int i = 0; i < 2; i++) {
		wire_expect(server, "question");
		wire_write(server, "answer");
	}
	ferry_socket_close(server);
}

static void a_child_serves_what_its_parent_accepted(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		struct peer child;
		peer_start(&child, serve_as_child, wire.server);
		peer_await(&child, 1);
		ferry_socket_close(wire.server);
		peer_allow(&child, 1);
		for (int i = 0; i < 2; i++) {
			wire_write(wire.client, "question");
			wire_expect(wire.client, "answer");
		}
		check_eq(wire_moved(wire.client), WIRE_BOTH);
		wire_expect_end(wire.client);
		peer_join(&child);
		ferry_socket_close(wire.client);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(killed__the_ring_is_read_then_the_end),
		claim(killed_with_the_ring_unread__reading_is_a_reset),
		claim(killed_while_the_other_waits_ends_the_wait),
		claim(ends_are_told_as_the_kernel_tells_them),
		claim(shutting_down_reading_wakes_the_reader),
		claim(parent_and_child_write_at_once),
		claim(a_child_serves_what_its_parent_accepted),
	};

	return claim_run_all(claims);
}
