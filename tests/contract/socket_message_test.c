/* SPDX-License-Identifier: MIT */
/* Whole messages over connections: their frame, what a deadline leaves behind, hostile peers. */
#include <errno.h>
#include <ferry/ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "enemy.h"
#include "peer.h"
#include "wire.h"

static void expect_message(ferry_socket *socket, const char *text)
{
	char buffer[256];

	check_eq(ferry_socket_receive(socket, buffer, sizeof buffer, box_patience()), strlen(text));
	check(memcmp(buffer, text, strlen(text)) == 0);
}

static void send_text(ferry_socket *socket, const char *text)
{
	check_eq(ferry_socket_send(socket, text, strlen(text), box_patience()), 0);
}

static void messages_stay_whole_and_apart(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		char buffer[8];

		check_eq(ferry_socket_receive(wire.server, buffer, 8, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_receive(wire.server, buffer, 8, ferry_in_ms(5)), -ETIMEDOUT);
		send_text(wire.client, "one");
		send_text(wire.client, "number two");
		expect_message(wire.server, "one");
		check_eq(ferry_socket_next(wire.server, box_patience()), 10);
		/* Too little room loses nothing. */
		check_eq(ferry_socket_receive(wire.server, buffer, 8, box_patience()), -EMSGSIZE);
		check_eq(ferry_socket_next(wire.server, FERRY_NOW), 10);
		expect_message(wire.server, "number two");
		if (kind->transport != FERRY_UNIX_SEQPACKET) {
			send_text(wire.client, "");
			check_eq(ferry_socket_receive(wire.server, NULL, 0, box_patience()), 0);
		} else {
			check_eq(ferry_socket_send(wire.client, "", 0, FERRY_NOW), -EINVAL);
		}
		check_eq(ferry_socket_send(wire.client, NULL, 1, FERRY_NOW), -EINVAL);
		send_text(wire.client, "last");
		ferry_socket_close(wire.client);
		expect_message(wire.server, "last");
		check_eq(ferry_socket_receive(wire.server, buffer, 8, box_patience()), -ENODATA);
		check_eq(ferry_socket_receive(wire.server, buffer, 8, box_patience()), -ENODATA);
		check_eq(ferry_socket_next(wire.server, FERRY_FOREVER), -ENODATA);
		ferry_socket_close(wire.server);
	}
}

static void the_frame_is_a_length_and_the_bytes(void)
{
	struct wire wire = wire_make(&wire_kinds[2], NULL);
	unsigned char raw[16];

	send_text(wire.client, "abc");
	check_eq(ferry_socket_read_all(wire.server, raw, 7, box_patience()), 7);
	check(memcmp(raw, "\0\0\0\3abc", 7) == 0);
	/* And a plain program's, byte by byte. */
	for (int i = 0; i < 7; i++) {
		check_eq(ferry_socket_receive(wire.server, raw, 16, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_write(wire.client, &"\0\0\0\3xyz"[i], 1, box_patience()), 1);
	}
	expect_message(wire.server, "xyz");
	wire_close(&wire);
}

struct sending {
	ferry_socket *socket;
	int n;
};

static void *send_many(void *argument)
{
	const struct sending *sending = argument;
	static const size_t sizes[] = { 8, 9, 100, 4096, 70000, 1 << 20 };
	unsigned char *data = malloc(1 << 20);

	check(data);
	for (int i = 0; i < sending->n; i++) {
		const size_t size = sizes[i % 6];
		box_fill(data, (uint64_t)i, size);
		check_eq(ferry_socket_send(sending->socket, data, size, box_patience()), 0);
	}
	free(data);
	return NULL;
}

static void messages_of_several_threads_are_not_mixed(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		struct sending sending = { wire.client, 30 };
		unsigned char *data = malloc(1 << 20);
		pthread_t threads[3];
		int seen[30] = { 0 };

		check(data);
		for (int i = 0; i < 3; i++)
			check_eq(pthread_create(&threads[i], NULL, send_many, &sending), 0);
		for (int i = 0; i < 90; i++) {
			const ssize_t n =
			    ferry_socket_receive(wire.server, data, 1 << 20, box_patience());
			check(n >= 8);
			seen[box_whole(data, (size_t)n)]++;
		}
		for (int i = 0; i < 30; i++)
			check_eq(seen[i], 3);
		for (int i = 0; i < 3; i++)
			check_eq(pthread_join(threads[i], NULL), 0);
		free(data);
		wire_close(&wire);
	}
}

static void what_a_deadline_cuts_short_goes_on_later(void)
{
	enum { SIZE = 16 << 20 };
	const struct ferry_socket_options *options = FERRY_SOCKET_OPTIONS(.message_max = SIZE);
	unsigned char *sent = malloc(SIZE), *got = malloc(SIZE);

	check(sent && got);
	box_fill(sent, 77, SIZE);
	wire_each_stream(kind)
	{
		struct wire made = wire_make(kind, options);
		struct ferry_socket_stat stat;
		ferry_socket *server;
		/* The accepted end has the listener's maximum: give it another handle. */
		check_eq(ferry_socket_adopt(&server, dup(ferry_socket_fd(made.server)), options),
			 0);
		ferry_socket_close(made.server);
		check_eq(ferry_socket_send(made.client, sent, SIZE, FERRY_NOW), -EINPROGRESS);
		check_eq(ferry_socket_stat(made.client, &stat), 0);
		check(stat.flush > 0);
		check_eq(ferry_socket_send(made.client, "x", 1, FERRY_NOW), -EAGAIN);
		check_eq(ferry_socket_flush(made.client, ferry_in_ms(2)), -ETIMEDOUT);
		/* Each side in small steps. */
		ssize_t n;
		int flushed = -EAGAIN, steps = 0;
		do {
			n = ferry_socket_receive(server, got, SIZE, FERRY_NOW);
			check(n == -EAGAIN || n == SIZE);
			if (flushed != 0)
				flushed = ferry_socket_flush(made.client, FERRY_NOW);
			check(flushed == 0 || flushed == -EAGAIN);
			steps++;
		} while (n != SIZE);
		check(steps > 1); /* the first found what the client's kernel had room for */
		check_eq(box_whole(got, SIZE), 77);
		check_eq(ferry_socket_flush(made.client, FERRY_NOW), 0);
		send_text(made.client, "next");
		expect_message(server, "next");
		made.server = server;
		wire_close(&made);
	}
	free(sent);
	free(got);
}

static void a_message_that_is_too_large_is_refused_on_both_sides(void)
{
	const struct ferry_socket_options *small = FERRY_SOCKET_OPTIONS(.message_max = 10);
	char buffer[64] = "";

	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, small);
		check_eq(ferry_socket_send(wire.client, buffer, 11, FERRY_NOW), -EMSGSIZE);
		check_eq(ferry_socket_send(wire.client, buffer, 10, box_patience()), 0);
		check_eq(ferry_socket_receive(wire.server, buffer, 64, box_patience()), 10);
		check_eq(ferry_socket_send(wire.server, buffer, 11, box_patience()), 0);
		check_eq(ferry_socket_receive(wire.client, buffer, 64, box_patience()), -EBADMSG);
		check_eq(ferry_socket_receive(wire.client, buffer, 64, FERRY_NOW), -EBADMSG);
		check_eq(ferry_socket_next(wire.client, FERRY_NOW), -EBADMSG);
		wire_close(&wire);
	}
}

static void an_end_inside_a_message_is_a_reset(void)
{
	static const char *const parts[] = { "\0", "\0\0\0", "\0\0\0\5", "\0\0\0\5abcd" };
	static const size_t sizes[] = { 1, 3, 4, 8 };
	char buffer[16];

	wire_each_stream(kind) for (size_t i = 0; i < 4; i++)
	{
		struct wire wire = wire_make(kind, NULL);
		check_eq(ferry_socket_write(wire.client, parts[i], sizes[i], FERRY_NOW), sizes[i]);
		ferry_socket_close(wire.client);
		check_eq(ferry_socket_receive(wire.server, buffer, 16, box_patience()),
			 -ECONNRESET);
		check_eq(ferry_socket_receive(wire.server, buffer, 16, FERRY_FOREVER), -ECONNRESET);
		ferry_socket_close(wire.server);
	}
}

static void announcing_costs_the_receiver_nothing(void)
{
	enum { N = 200 };
	static struct wire wires[N];
	const struct ferry_socket_options *large = FERRY_SOCKET_OPTIONS(.message_max = INT32_MAX);
	struct rusage before, after;
	/* A caller that has room for what may come, but never touches it. */
	char *buffer = malloc(INT32_MAX);

	check(buffer);
	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < N; i++) {
		check_eq(ferry_socket_pair(&wires[i].client, &wires[i].server, FERRY_UNIX, large),
			 0);
		check_eq(ferry_socket_write(wires[i].client,
					    "\x7f\xff\xff\xff"
					    "abc",
					    7, FERRY_NOW),
			 7);
		check_eq(ferry_socket_receive(wires[i].server, buffer, INT32_MAX, FERRY_NOW),
			 -EAGAIN);
		check_eq(ferry_socket_next(wires[i].server, FERRY_NOW), INT32_MAX);
	}
	getrusage(RUSAGE_SELF, &after);
	check(after.ru_maxrss - before.ru_maxrss < 64 * 1024); /* KiB */
	for (int i = 0; i < N; i++)
		wire_close(&wires[i]);
	free(buffer);
}

static char enemy_address[FERRY_ADDRESS_MAX];

static void scribble(struct stage *stage, const void *argument)
{
	ferry_socket *socket;
	const uint64_t seed = *(const uint64_t *)argument;

	enemy_seed(seed);
	check_eq(ferry_connect(&socket, enemy_address, NULL, box_patience()), 0);
	for (int i = 0; i < 50; i++) {
		unsigned char bytes[64];
		const size_t n = 1 + enemy_any() % sizeof bytes;
		for (size_t j = 0; j < n; j++)
			bytes[j] = (unsigned char)(enemy_any() % 4 ? 0 : enemy_any());
		if (ferry_socket_write(socket, bytes, n, FERRY_NOW) < 0)
			break;
	}
	stage_reach(stage, 1);
	ferry_socket_close(socket);
}

static void bytes_of_chance_are_messages_or_errors(void)
{
	const int rounds = check_repeat(60, 5000);
	ferry_listener *listener;

	check_eq(
	    ferry_listen(&listener, "unix:@", FERRY_SOCKET_OPTIONS(.message_max = 300), FERRY_NOW),
	    0);
	check(ferry_listener_address(listener, enemy_address, sizeof enemy_address) > 0);
	for (uint64_t seed = 1; seed <= (uint64_t)rounds; seed++) {
		struct peer peer;
		ferry_socket *socket;
		char buffer[128];
		ssize_t r;
		int n = 0; /* messages: the enemy sends no more than 50 times 64 bytes */

		peer_start(&peer, scribble, &seed);
		check_eq(ferry_accept(&socket, listener, box_patience()), 0);
		do {
			r = ferry_socket_receive(socket, buffer, sizeof buffer, enemy_deadline());
			check(r <= 300);
			n += r >= 0;
			check(n <= 50 * 64 / 4);
			if (r == -EMSGSIZE) {
				r = ferry_socket_next(socket, FERRY_NOW);
				check(r > 128 && r <= 300);
				break;
			}
		} while (r >= 0 || r == -EAGAIN || r == -ETIMEDOUT);
		check(r > 0 || r == -EBADMSG || r == -ECONNRESET || r == -ENODATA);
		ferry_socket_close(socket);
		peer_join(&peer);
	}
	ferry_listener_close(listener);
}

static void requests_and_replies_cross(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		for (int i = 0; i < 200; i++) {
			char text[16];
			snprintf(text, sizeof text, "%d", i);
			send_text(wire.client, text);
			expect_message(wire.server, text);
			send_text(wire.server, text);
			expect_message(wire.client, text);
		}
		wire_close(&wire);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(messages_stay_whole_and_apart),
		claim(the_frame_is_a_length_and_the_bytes),
		claim(messages_of_several_threads_are_not_mixed),
		claim(what_a_deadline_cuts_short_goes_on_later),
		claim(a_message_that_is_too_large_is_refused_on_both_sides),
		claim(an_end_inside_a_message_is_a_reset),
		claim(announcing_costs_the_receiver_nothing),
		claim(bytes_of_chance_are_messages_or_errors),
		claim(requests_and_replies_cross),
	};

	return claim_run_all(claims);
}
