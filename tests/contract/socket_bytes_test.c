/* SPDX-License-Identifier: MIT */
/* Bytes over connections; and what becomes of them when the peer goes: one claim for each cell of
 * the table in ferry-socket(7). */
#include <errno.h>
#include <ferry/ferry.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "stream.h"
#include "wire.h"

/* ---- moving ---- */

static void what_there_is_comes_and_no_more_is_waited_for(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		char buffer[64];

		check_eq(ferry_socket_read(wire.server, buffer, 64, FERRY_NOW), -EAGAIN);
		const int64_t begin = clock_ns();
		check_eq(ferry_socket_read(wire.server, buffer, 64, ferry_in_ms(20)), -ETIMEDOUT);
		check(clock_ns() - begin >= 20000000);
		check_eq(ferry_socket_read(wire.server, buffer, 64, 1), -ETIMEDOUT);
		wire_write(wire.client, "abc");
		check_eq(ferry_socket_read(wire.server, buffer, 64, box_patience()), 3);
		check(memcmp(buffer, "abc", 3) == 0);
		check_eq(ferry_socket_read(wire.server, NULL, 0, FERRY_NOW), 0);
		check_eq(ferry_socket_read(wire.server, NULL, 1, FERRY_NOW), -EINVAL);
		check_eq(ferry_socket_read(wire.server, buffer, (size_t)SSIZE_MAX + 1, FERRY_NOW),
			 -EINVAL);
		check_eq(ferry_socket_write(wire.server, NULL, 1, FERRY_NOW), -EINVAL);
		check_eq(ferry_socket_read(NULL, buffer, 1, FERRY_NOW), -EINVAL);
		wire_close(&wire);
	}
}

static void buffers_are_filled_and_written_in_order(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		char a[2] = "ab", b[3] = "cde", c[1], d[8];
		const struct iovec out[] = { { a, 2 }, { NULL, 0 }, { b, 3 } };
		const struct iovec in[] = { { c, 1 }, { NULL, 0 }, { d, 8 } };

		check_eq(ferry_socket_writev(wire.client, out, 3, FERRY_NOW), 5);
		check_eq(ferry_socket_readv(wire.server, in, 3, box_patience()), 5);
		check(c[0] == 'a' && memcmp(d, "bcde", 4) == 0);
		check_eq(ferry_socket_readv(wire.server, in, IOV_MAX + 1, FERRY_NOW), -EINVAL);
		check_eq(ferry_socket_writev(wire.server, in, -1, FERRY_NOW), -EINVAL);
		check_eq(ferry_socket_writev(wire.server, NULL, 1, FERRY_NOW), -EINVAL);
		wire_close(&wire);
	}
}

#define LONG (8u << 20)

static void *write_long(void *argument)
{
	unsigned char *data = malloc(LONG);
	struct iovec parts[33];

	check(data);
	stream_fill(data, 0, LONG);
	for (size_t i = 0; i < 33; i++)
		parts[i] = (struct iovec){ data + i * (LONG / 33), LONG / 33 };
	parts[32].iov_len = LONG - 32 * (size_t)(LONG / 33);
	check_eq(ferry_socket_writev_all(argument, parts, 33, box_patience()), LONG);
	free(data);
	return NULL;
}

static void full_length_calls_move_it_all(void)
{
	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		unsigned char *data = malloc(LONG);
		pthread_t writer;
		char byte;

		check(data);
		check_eq(pthread_create(&writer, NULL, write_long, wire.client), 0);
		check_eq(ferry_socket_read_all(wire.server, data, LONG, box_patience()), LONG);
		stream_match(data, 0, LONG);
		check_eq(pthread_join(writer, NULL), 0);
		/* Cut short by the deadline, and by the end. */
		wire_write(wire.client, "abc");
		check_eq(ferry_socket_read_all(wire.server, data, 10, ferry_in_ms(20)), 3);
		check_eq(ferry_socket_read_all(wire.server, data, 10, FERRY_NOW), -EAGAIN);
		wire_write(wire.client, "de");
		check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), 0);
		check_eq(ferry_socket_read_all(wire.server, data, 10, box_patience()), 2);
		check_eq(ferry_socket_read_all(wire.server, &byte, 1, box_patience()), 0);
		free(data);
		wire_close(&wire);
	}
	struct wire wire = wire_make(&wire_kinds[4], NULL);
	check_eq(ferry_socket_read_all(wire.server, &wire, 1, FERRY_NOW), -EOPNOTSUPP);
	check_eq(ferry_socket_write_all(wire.server, &wire, 1, FERRY_NOW), -EOPNOTSUPP);
	wire_close(&wire);
}

static void a_full_connection_ends_by_the_deadline(void)
{
	static const char zeros[1 << 16];
	static char drain[1 << 16];

	wire_each_stream(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		uint64_t written = wire_brim(wire.client), drained = 0;

		const int64_t begin = clock_ns();
		ssize_t r = ferry_socket_write(wire.client, zeros, sizeof zeros, ferry_in_ms(30));
		if (r == -ETIMEDOUT)
			check(clock_ns() - begin >= 30000000);
		else
			written += (uint64_t)r; /* TCP found room after all */
		check(written > 0);
		while (drained < written) {
			r = ferry_socket_read(wire.server, drain, sizeof drain, box_patience());
			check(r > 0);
			drained += (uint64_t)r;
		}
		check_eq(drained, written);
		check_eq(ferry_socket_write(wire.client, "x", 1, box_patience()), 1);
		wire_close(&wire);
	}
}

static void packets_stay_apart(void)
{
	struct wire wire = wire_make(&wire_kinds[4], NULL);
	char buffer[8];

	wire_write(wire.client, "first");
	wire_write(wire.client, "second");
	check_eq(ferry_socket_read(wire.server, buffer, 3, box_patience()),
		 3); /* the rest is lost */
	check_eq(ferry_socket_read(wire.server, buffer, 8, box_patience()), 6);
	wire_close(&wire);
}

static void *read_for_ever(void *argument)
{
	char byte;

	return (void *)(intptr_t)ferry_socket_read(argument, &byte, 1, FERRY_FOREVER);
}

static void shutting_down_wakes_those_who_wait(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		pthread_t reader;
		void *result;

		check_eq(pthread_create(&reader, NULL, read_for_ever, wire.server), 0);
		check_eq(ferry_socket_shutdown(wire.server, 0), -EINVAL);
		check_eq(ferry_socket_shutdown(wire.server, FERRY_READ | FERRY_OBSERVE), -EINVAL);
		check_eq(ferry_socket_shutdown(wire.server, FERRY_READ), 0);
		check_eq(pthread_join(reader, &result), 0);
		check_eq((intptr_t)result, 0);
		wire_close(&wire);
	}
}

static void stat_counts_what_waits(void)
{
	struct ferry_socket_stat stat;
	struct wire wire = wire_make(&wire_kinds[2], NULL);

	wire_write(wire.client, "12345");
	check_eq(ferry_socket_stat(wire.server, &stat), 0);
	check_eq(stat.transport, FERRY_UNIX);
	check_eq(stat.readable, 5);
	check_eq(stat.flush, 0);
	check_eq(stat.message_max, 1 << 20);
	check_eq(ferry_socket_stat(wire.client, &stat), 0);
	check(stat.unsent > 0);
	wire_close(&wire);
	wire = wire_make(&wire_kinds[0], NULL);
	wire_write(wire.client, "12345");
	wire_expect(wire.server, "12345");
	check_eq(ferry_socket_stat(wire.client, &stat), 0);
	check(stat.round_trip > 0);
	check(stat.security[0] == '\0');
	check_eq(ferry_socket_handshake(wire.client, FERRY_NOW, NULL), 0);
	wire_close(&wire);
}

/* ---- the table: how it ended x what is seen ---- */

/* Write until it fails; TCP learns of the peer's end from its answer to the first bytes. */
static int writes_end_with(ferry_socket *socket)
{
	const ferry_deadline patience = box_patience();

	for (;;) {
		const ssize_t r = ferry_socket_write(socket, "x", 1, patience);
		if (r < 0)
			return (int)r;
		clock_pause();
	}
}

static int read_one(ferry_socket *socket)
{
	char byte;

	return (int)ferry_socket_read(socket, &byte, 1, box_patience());
}

static int is_tcp(const struct wire_kind *kind)
{
	return kind->transport == FERRY_TCP;
}

static void closed_having_read_all__what_it_wrote_is_read_then_the_end(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		wire_write(wire.server, "farewell");
		ferry_socket_close(wire.server);
		wire_expect(wire.client, "farewell");
		wire_expect_end(wire.client);
		ferry_socket_close(wire.client);
	}
}

static void closed_having_read_all__writing_is_epipe(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		ferry_socket_close(wire.server);
		const int r = writes_end_with(wire.client);
		/* The first answer to TCP's bytes is a reset, those that follow are EPIPE. */
		check(r == -EPIPE || (is_tcp(kind) && r == -ECONNRESET));
		check_eq(writes_end_with(wire.client), -EPIPE);
		ferry_socket_close(wire.client);
	}
}

static void closed_with_bytes_unread__reading_is_a_reset(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		struct ferry_socket_stat stat;
		wire_write(wire.client, "unread");
		do
			check_eq(ferry_socket_stat(wire.server, &stat), 0);
		while (stat.readable == 0);
		ferry_socket_close(wire.server);
		check_eq(read_one(wire.client), -ECONNRESET);
		check_eq(read_one(wire.client), 0);
		ferry_socket_close(wire.client);
	}
}

static void closed_with_bytes_unread__writing_is_epipe(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		struct ferry_socket_stat stat;
		wire_write(wire.client, "unread");
		do
			check_eq(ferry_socket_stat(wire.server, &stat), 0);
		while (stat.readable == 0);
		ferry_socket_close(wire.server);
		const int r = writes_end_with(wire.client);
		check(r == -EPIPE || r == -ECONNRESET);
		check_eq(writes_end_with(wire.client), -EPIPE);
		ferry_socket_close(wire.client);
	}
}

static void be_a_client(struct stage *stage, const void *argument)
{
	ferry_socket *socket;

	check_eq(ferry_connect(&socket, argument, NULL, box_patience()), 0);
	wire_write(socket, "alive");
	stage_reach(stage, 1);
	for (;;)
		pause();
}

/* A connection to a process of its own. */
static ferry_socket *with_peer(const struct wire_kind *kind, struct peer *peer)
{
	char address[FERRY_ADDRESS_MAX];
	ferry_listener *listener = wire_listen(kind, address);
	ferry_socket *server;

	peer_start(peer, be_a_client, address);
	check_eq(ferry_accept(&server, listener, box_patience()), 0);
	ferry_listener_close(listener);
	peer_await(peer, 1);
	return server;
}

static void killed__what_it_wrote_is_read_then_the_end(void)
{
	wire_each(kind)
	{
		struct peer peer;
		ferry_socket *server = with_peer(kind, &peer);
		peer_kill(&peer);
		wire_expect(server, "alive");
		wire_expect_end(server);
		ferry_socket_close(server);
	}
}

static void killed__writing_is_epipe(void)
{
	wire_each(kind)
	{
		struct peer peer;
		ferry_socket *server = with_peer(kind, &peer);
		peer_kill(&peer);
		const int r = writes_end_with(server);
		check(r == -EPIPE || (is_tcp(kind) && r == -ECONNRESET));
		check_eq(writes_end_with(server), -EPIPE);
		ferry_socket_close(server);
	}
}

static void killed_with_bytes_unread__reading_is_a_reset(void)
{
	wire_each(kind)
	{
		struct peer peer;
		ferry_socket *server = with_peer(kind, &peer);
		struct ferry_socket_stat stat;
		wire_write(server, "unread");
		do
			check_eq(ferry_socket_stat(server, &stat), 0);
		while (is_tcp(kind) && stat.unsent > 0);
		peer_kill(&peer);
		char buffer[8];
		const ssize_t r = ferry_socket_read(server, buffer, 8, box_patience());
		if (kind->transport == FERRY_UNIX_SEQPACKET) {
			check_eq(r, -ECONNRESET); /* it overtakes what was written before */
			wire_expect(server, "alive");
		} else {
			check_eq(r, 5);
			check_eq(read_one(server), -ECONNRESET);
		}
		check_eq(read_one(server), 0);
		ferry_socket_close(server);
	}
}

static void stopped__waits_until_the_deadline(void)
{
	wire_each(kind)
	{
		struct peer peer;
		char byte[16];
		ferry_socket *server = with_peer(kind, &peer);
		wire_expect(server, "alive");
		peer_stop(&peer);
		check_eq(ferry_socket_read(server, byte, 1, ferry_in_ms(20)), -ETIMEDOUT);
		if (kind->transport != FERRY_UNIX_SEQPACKET)
			wire_brim(server);
		peer_resume(&peer);
		peer_kill(&peer);
		ferry_socket_close(server);
	}
}

static void sending_shut_down__the_end_is_read_and_writing_goes_on(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		wire_write(wire.server, "last");
		check_eq(ferry_socket_shutdown(wire.server, FERRY_WRITE), 0);
		wire_expect(wire.client, "last");
		wire_expect_end(wire.client);
		wire_write(wire.client, "more");
		wire_expect(wire.server, "more");
		check_eq(ferry_socket_write(wire.server, "x", 1, FERRY_NOW), -EPIPE);
		wire_close(&wire);
	}
}

static void reading_shut_down__unix_says_epipe_and_tcp_nothing(void)
{
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		check_eq(ferry_socket_shutdown(wire.server, FERRY_READ), 0);
		if (is_tcp(kind))
			wire_write(wire.client, "unnoticed");
		else
			check_eq(writes_end_with(wire.client), -EPIPE);
		wire_write(wire.server, "other way");
		wire_expect(wire.client, "other way");
		wire_close(&wire);
	}
}

static void broken_off__reading_is_a_reset_and_writing_epipe(void)
{
	/* A peer that closes with SO_LINGER of 0 breaks the connection off. */
	for (size_t k = 0; k < 2; k++) {
		const struct linger at_once = { 1, 0 };
		struct wire wire = wire_make(&wire_kinds[k], NULL);
		check_eq(setsockopt(ferry_socket_fd(wire.server), SOL_SOCKET, SO_LINGER, &at_once,
				    sizeof at_once),
			 0);
		ferry_socket_close(wire.server);
		check_eq(read_one(wire.client), -ECONNRESET);
		check_eq(writes_end_with(wire.client), -EPIPE);
		check_eq(ferry_socket_shutdown(wire.client, FERRY_WRITE), -ENOTCONN);
		ferry_socket_close(wire.client);
	}
}

static void no_call_raises_sigpipe(void)
{
	check(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	wire_each(kind)
	{
		struct wire wire = wire_make(kind, NULL);
		ferry_socket_close(wire.server);
		check(writes_end_with(wire.client) < 0);
		check_eq(writes_end_with(wire.client), -EPIPE);
		check(ferry_socket_send(wire.client, "x", 1, FERRY_NOW) < 0);
		ferry_socket_close(wire.client);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(what_there_is_comes_and_no_more_is_waited_for),
		claim(buffers_are_filled_and_written_in_order),
		claim(full_length_calls_move_it_all),
		claim(a_full_connection_ends_by_the_deadline),
		claim(packets_stay_apart),
		claim(shutting_down_wakes_those_who_wait),
		claim(stat_counts_what_waits),
		claim(closed_having_read_all__what_it_wrote_is_read_then_the_end),
		claim(closed_having_read_all__writing_is_epipe),
		claim(closed_with_bytes_unread__reading_is_a_reset),
		claim(closed_with_bytes_unread__writing_is_epipe),
		claim(killed__what_it_wrote_is_read_then_the_end),
		claim(killed__writing_is_epipe),
		claim(killed_with_bytes_unread__reading_is_a_reset),
		claim(stopped__waits_until_the_deadline),
		claim(sending_shut_down__the_end_is_read_and_writing_goes_on),
		claim(reading_shut_down__unix_says_epipe_and_tcp_nothing),
		claim(broken_off__reading_is_a_reset_and_writing_epipe),
		claim(no_call_raises_sigpipe),
	};

	return claim_run_all(claims);
}
