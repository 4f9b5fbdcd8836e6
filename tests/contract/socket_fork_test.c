/* SPDX-License-Identifier: MIT */
/* Sockets and fork() while other threads are in the middle of something (C11). */
#include <errno.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "leftover.h"
#include "peer.h"
#include "plain.h"
#include "visitor.h"
#include "wire.h"

enum { LARGE = 1 << 20 };

/* ---- a thread inside a call ---- */

/* A thread and what it works with. */
struct busy {
	pthread_t thread;
	_Atomic pid_t tid;
	ferry_socket *socket;
	ferry_listener *listener;
};

static void busy_start(struct busy *busy, void *(*body)(void *busy))
{
	atomic_store(&busy->tid, 0);
	check_eq(pthread_create(&busy->thread, NULL, body, busy), 0);
	await(atomic_load(&busy->tid) != 0 && process_asleep(atomic_load(&busy->tid)));
}

static void *receive_one(void *argument)
{
	struct busy *busy = argument;
	char text[16] = "";

	atomic_store(&busy->tid, gettid());
	check_eq(ferry_socket_receive(busy->socket, text, sizeof text, FERRY_FOREVER), 6);
	check(memcmp(text, "answer", 6) == 0);
	return NULL;
}

static void *send_one(void *argument)
{
	static char large[LARGE];
	struct busy *busy = argument;

	atomic_store(&busy->tid, gettid());
	box_fill(large, 1, sizeof large);
	check_eq(ferry_socket_send(busy->socket, large, sizeof large, FERRY_FOREVER), 0);
	return NULL;
}

/* ---- messages ---- */

static void receiving_is_over(struct stage *stage, const void *argument)
{
	ferry_socket *socket = (ferry_socket *)(uintptr_t)argument;
	char text[16];

	(void)stage;
	check_eq(ferry_socket_receive(socket, text, sizeof text, FERRY_NOW), -EBADF);
	check_eq(ferry_socket_receive(socket, text, sizeof text, FERRY_FOREVER), -EBADF);
	check_eq(ferry_socket_next(socket, FERRY_FOREVER), -EBADF);
	check_eq(ferry_socket_send(socket, "question", 8, box_patience()), 0);
	ferry_socket_close(socket);
}

static void who_receives_a_message_goes_on_and_a_child_made_meanwhile_does_not(void)
{
	for (int plain = 0; plain < 2; plain++)
		wire_each_stream(kind)
		{
			const uint32_t flags = plain ? FERRY_SOCKET_PLAIN : 0;
			struct wire wire = wire_make(kind, FERRY_SOCKET_OPTIONS(.flags = flags));
			struct busy busy = { .socket = wire.client };
			struct peer child;
			char text[16];

			busy_start(&busy, receive_one);
			peer_start(&child, receiving_is_over, wire.client);
			peer_join(&child);
			check_eq(ferry_socket_receive(wire.server, text, sizeof text, FERRY_NOW),
				 8);
			check_eq(ferry_socket_send(wire.server, "answer", 6, FERRY_NOW), 0);
			check_eq(pthread_join(busy.thread, NULL), 0);
			check_eq(ferry_socket_receive(wire.client, text, sizeof text, FERRY_NOW),
				 -EAGAIN);
			wire_close(&wire);
		}
}

static void sending_is_over(struct stage *stage, const void *argument)
{
	ferry_socket *socket = (ferry_socket *)(uintptr_t)argument;
	struct ferry_socket_stat stat;
	char text[16];

	(void)stage;
	check_eq(ferry_socket_send(socket, "more", 4, FERRY_NOW), -EBADF);
	check_eq(ferry_socket_send(socket, "more", 4, FERRY_FOREVER), -EBADF);
	check_eq(ferry_socket_flush(socket, FERRY_FOREVER), -EBADF);
	check_eq(ferry_socket_stat(socket, &stat), 0);
	check_eq(stat.flush, 0);
	check_eq(ferry_socket_receive(socket, text, sizeof text, box_patience()), 6);
	ferry_socket_close(socket);
}

static void who_sends_a_message_goes_on_and_a_child_made_meanwhile_does_not(void)
{
	static char large[LARGE];

	for (int plain = 0; plain < 2; plain++)
		wire_each_stream(kind)
		{
			const struct ferry_socket_options options = {
				.size = sizeof options,
				.flags = plain ? FERRY_SOCKET_PLAIN : 0,
				.send_buffer = 65536,
				.receive_buffer = 65536,
			};
			struct wire wire = wire_make(kind, &options);
			struct busy busy = { .socket = wire.client };
			struct peer child;

			wire_brim(wire.client);
			busy_start(&busy, send_one);
			check_eq(ferry_socket_send(wire.server, "answer", 6, box_patience()), 0);
			peer_start(&child, sending_is_over, wire.client);
			peer_join(&child);
			/* What stood before it is no message: past it. */
			for (;;) {
				check_eq(
				    ferry_socket_read_all(wire.server, large, 4, box_patience()),
				    4);
				if (large[1] != 0)
					break;
			}
			check_eq(
			    ferry_socket_read_all(wire.server, large, sizeof large, box_patience()),
			    sizeof large);
			check_eq(box_whole(large, sizeof large), 1);
			check_eq(pthread_join(busy.thread, NULL), 0);
			wire_close(&wire);
		}
}

static void receive_as_child(struct stage *stage, const void *argument)
{
	ferry_socket *socket = (ferry_socket *)(uintptr_t)argument;
	char text[16];

	check_eq(ferry_socket_receive(socket, text, sizeof text, FERRY_NOW), -EAGAIN);
	stage_reach(stage, 1);
	check_eq(ferry_socket_receive(socket, text, sizeof text, box_patience()), 6);
	check_eq(ferry_socket_send(socket, "question", 8, box_patience()), 0);
}

/* A packet is whole, whoever takes it. */
static void packets_are_received_by_both(void)
{
	struct wire wire = wire_make(&wire_kinds[4], NULL);
	struct busy busy = { .socket = wire.client };
	struct peer child;

	busy_start(&busy, receive_one);
	peer_start(&child, receive_as_child, wire.client);
	peer_await(&child, 1);
	for (int i = 0; i < 2; i++)
		check_eq(ferry_socket_send(wire.server, "answer", 6, box_patience()), 0);
	peer_join(&child);
	check_eq(pthread_join(busy.thread, NULL), 0);
	wire_close(&wire);
}

/* ---- the desk ---- */

static void *accept_one(void *argument)
{
	struct busy *busy = argument;
	ferry_socket *server;

	atomic_store(&busy->tid, gettid());
	check_eq(ferry_accept(&server, busy->listener, FERRY_FOREVER), 0);
	ferry_socket_close(server);
	return NULL;
}

/* A listener and its address, and what the child of a peer is led by. */
struct place {
	ferry_listener *listener;
	char address[FERRY_ADDRESS_MAX];
	struct stage *stage;
};

/* A visitor left an offer and went away, while no connection of it waits: that is of no use. */
static void accept_as_child(struct stage *stage, const void *argument)
{
	const struct place *place = argument;
	const int before = leftover_descriptors();
	const int memory = visitor_memory();
	ferry_socket *server;

	(void)stage;
	stage_meet(place->stage, 1);
	const int client = plain_connect(place->address);
	const int visit = visitor_come(place->address);
	visitor_offer(visit, visit, memory);
	close(visit);
	close(memory);
	check_eq(ferry_accept(&server, place->listener, box_patience()), 0);
	ferry_socket_close(server);
	close(client);
	check_eq(leftover_descriptors(), before);
	stage_reach(place->stage, 2);
}

static void fork_while_accepting(struct stage *stage, const void *argument)
{
	const struct place *place = argument;
	struct busy busy = { .listener = place->listener };
	struct peer child;

	(void)stage;
	busy_start(&busy, accept_one);
	peer_start(&child, accept_as_child, place);
	peer_join(&child);
	check_eq(pthread_join(busy.thread, NULL), 0);
}

static void a_child_made_while_somebody_accepts_keeps_no_offers_for_them(void)
{
	struct place place = { .listener = wire_listen(&wire_kinds[0], place.address),
			       .stage = stage_new() };
	struct peer parent;

	peer_start(&parent, fork_while_accepting, &place);
	await(atomic_load(&place.stage->reached) == 1);
	peer_stop(&parent); /* so that it is the child who accepts */
	atomic_store(&place.stage->allowed, 1);
	await(atomic_load(&place.stage->reached) == 2);
	close(plain_connect(place.address));
	peer_resume(&parent);
	peer_join(&parent);
	stage_free(place.stage);
	ferry_listener_close(place.listener);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(who_receives_a_message_goes_on_and_a_child_made_meanwhile_does_not),
		claim(who_sends_a_message_goes_on_and_a_child_made_meanwhile_does_not),
		claim(packets_are_received_by_both),
		claim(a_child_made_while_somebody_accepts_keeps_no_offers_for_them),
	};

	return claim_run_all(claims);
}
