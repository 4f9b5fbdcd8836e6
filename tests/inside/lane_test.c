/* SPDX-License-Identifier: MIT */
/* Connections in shared memory, from inside: where writers tell how far they are, and sleepers for
 * room where membarrier(2) is refused (docs/formats/connection.md, "News" and "Waiting"). */
#include <errno.h>
#include <stdlib.h>

#include "../../src/socket/socket.h"
#include "barriers.h"
#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "wire.h"

static void neighbours_are_told_in_different_lines(void)
{
	const uint64_t sizes[] = { 1, 4, 8, 16, 24, 32, 48, 64, 68, 100, 128, 512, 1000, 4096 };

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		int same = 0;
		for (uint64_t n = 0; n < 1000; n++)
			same +=
			    fy_lane_news_of(n * sizes[i]) == fy_lane_news_of((n + 1) * sizes[i]);
		check(same <= 1000 / 5);
	}
}

/* A reader is told of writes that begin where it has read to; it stops within them. */
static void what_was_written_is_read_wherever_the_reader_stops(void)
{
	static unsigned char in[1 << 16], out[1 << 16];
	size_t written = 0, read = 0;

	for (size_t i = 0; i < sizeof in; i++)
		in[i] = (unsigned char)(i * 7 + i / 251);
	struct wire wire = wire_make_moved(&wire_kinds[0]);
	for (size_t step = 1; read < sizeof in; step = step * 31 % 257) {
		for (int k = 0; k < 3 && written < sizeof in; k++) {
			size_t n = step % (size_t)(40 + 60 * k) + 1;
			n = n < sizeof in - written ? n : sizeof in - written;
			check_eq(ferry_socket_write_all(wire.client, in + written, n, FERRY_NOW),
				 n);
			written += n;
		}
		const ssize_t n =
		    ferry_socket_read(wire.server, out + read, 1 + step % 190, FERRY_NOW);
		check(n > 0 && (size_t)n <= written - read);
		read += (size_t)n;
	}
	for (size_t i = 0; i < sizeof in; i++)
		check_eq(out[i], in[i]);
	check_eq(ferry_socket_read(wire.server, out, 1, FERRY_NOW), -EAGAIN);
	wire_close(&wire);
}

/* ---- sleeping for room ---- */

#define CHUNKS 4000
#define CHUNK  4096

struct refusal {
	char address[FERRY_ADDRESS_MAX];
	int reader, writer;
};

static void read_slowly(struct stage *stage, const void *argument)
{
	const struct refusal *refusal = argument;
	static char chunk[CHUNK];
	ferry_socket *socket;

	if (refusal->reader)
		refuse_membarrier();
	check_eq(ferry_connect(&socket, refusal->address, NULL, box_patience()), 0);
	check_eq(socket->moved->in.lane.fences, refusal->reader);
	wire_write(socket, "question");
	wire_expect(socket, "answer");
	wire_expect(socket, "answer");
	stage_meet(stage, 1);
	for (int i = 0; i < CHUNKS; i++) {
		check_eq(ferry_socket_read_all(socket, chunk, CHUNK, box_patience()), CHUNK);
		check_eq(*(int *)(void *)chunk, i);
	}
	wire_expect_end(socket);
	ferry_socket_close(socket);
}

/* The reader begins when the ring is full and its writer has slept. */
static void write_chunks(ferry_socket *socket, const struct peer *peer)
{
	static char chunk[CHUNK];

	for (int i = 0; i < CHUNKS; i++) {
		const ferry_deadline deadline = i < 40 ? ferry_in_ms(3) : box_patience();
		*(int *)(void *)chunk = i;
		ssize_t n = ferry_socket_write_all(socket, chunk, CHUNK, deadline);
		check(n > 0 || n == -ETIMEDOUT);
		if (n == CHUNK)
			continue;
		const size_t done = n > 0 ? (size_t)n : 0;
		peer_allow(peer, 1);
		check_eq(ferry_socket_write_all(socket, chunk + done, CHUNK - done, box_patience()),
			 CHUNK - done);
	}
}

static void stream_past_sleepers(int reader, int writer)
{
	struct refusal refusal = { .reader = reader, .writer = writer };
	ferry_listener *listener;
	ferry_socket *socket;
	struct peer peer;

	check_eq(setenv("FERRY_SPIN_NS", "0", 1), 0);
	listener = wire_listen(&wire_kinds[0], refusal.address);
	peer_start(&peer, read_slowly, &refusal);
	if (writer)
		refuse_membarrier();
	check_eq(ferry_accept(&socket, listener, box_patience()), 0);
	wire_expect(socket, "question");
	wire_write(socket, "answer");
	wire_write(socket, "answer");
	peer_await(&peer, 1);
	write_chunks(socket, &peer);
	/* RELAXED(nobody writes it any more) */
	check_eq(atomic_load_explicit(&socket->moved->out.lane.shm->fenced, memory_order_relaxed),
		 writer);
	check_eq(ferry_socket_shutdown(socket, FERRY_WRITE), 0);
	peer_join(&peer);
	ferry_socket_close(socket);
	ferry_listener_close(listener);
}

static void c6_sleepers_for_room_are_woken_by_readers_that_do_not_fence(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	stream_past_sleepers(0, 0);
}

static void c6_reader_that_barriers_do_not_reach_fences(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	stream_past_sleepers(1, 0);
}

static void c6_writer_that_may_make_no_barrier_asks_for_fences(void)
{
	if (!may_membarrier())
		check_skip("membarrier(2) is not to be had here");
	stream_past_sleepers(0, 1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(neighbours_are_told_in_different_lines),
		claim(what_was_written_is_read_wherever_the_reader_stops),
		claim(c6_sleepers_for_room_are_woken_by_readers_that_do_not_fence),
		claim(c6_reader_that_barriers_do_not_reach_fences),
		claim(c6_writer_that_may_make_no_barrier_asks_for_fences),
	};

	return claim_run_all(claims);
}
