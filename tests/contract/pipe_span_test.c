/* SPDX-License-Identifier: MIT */
/* Reading and writing a pipe in place: peek, consume, reserve, commit. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS

static struct stream stream;

static struct ferry_span peek(size_t size)
{
	struct ferry_span span;

	check_eq(ferry_pipe_peek(stream.reader, &span, FERRY_NOW), 1);
	check_eq(span.size, size);
	return span;
}

static struct ferry_span reserve(size_t size)
{
	struct ferry_span span;

	check_eq(ferry_pipe_reserve(stream.writer, size, &span, FERRY_NOW), 0);
	check(span.data);
	check_eq(span.size, size);
	return span;
}

static void peek_shows_and_consume_takes(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	span = peek(5);
	check(!memcmp(span.data, "hello", 5));
	span = peek(5);
	check_eq(ferry_pipe_consume(stream.reader, &span, 2), 0);
	check_eq(span.size, 3);
	check(!memcmp(span.data, "llo", 3));
	check_eq(ferry_pipe_consume(stream.reader, &span, 0), 0);
	check_eq(ferry_pipe_consume(stream.reader, &span, 3), 0);
	check_eq(span.size, 0);
	stream_expect_empty(stream.reader);
	stream_close(&stream);
}

static void peek_without_consume_takes_nothing(void)
{
	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	peek(5);
	stream_write(stream.writer, "!");
	peek(6);
	stream_expect(stream.reader, "hello!");
	stream_close(&stream);
}

static void consume_of_more_than_the_span_is_einval(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	span = peek(5);
	stream_write(stream.writer, "world");
	check_eq(ferry_pipe_consume(stream.reader, &span, 6), -EINVAL);
	check_eq(ferry_pipe_consume(stream.reader, &span, SIZE_MAX), -EINVAL);
	stream_expect(stream.reader, "helloworld");
	check_eq(ferry_pipe_peek(stream.reader, NULL, FERRY_NOW), -EINVAL);
	stream_close(&stream);
}

static void span_that_another_read_away_is_estale(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	span = peek(5);
	stream_expect(stream.reader, "h");
	check_eq(ferry_pipe_consume(stream.reader, &span, 1), -FERRY_ESTALE);
	stream_expect(stream.reader, "ello");
	check_eq(ferry_pipe_consume(stream.reader, &span, 5), -FERRY_ESTALE);
	stream_write(stream.writer, "world");
	check_eq(ferry_pipe_consume(stream.reader, &span, 5), -FERRY_ESTALE);
	stream_expect(stream.reader, "world");
	stream_close(&stream);
}

static void peek_at_the_end_of_file_is_0_and_an_empty_span(void)
{
	struct ferry_span span = { .data = &span, .size = 99 };

	stream = stream_pair(NULL);
	stream_write(stream.writer, "x");
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	peek(1);
	stream_expect(stream.reader, "x");
	check_eq(ferry_pipe_peek(stream.reader, &span, FERRY_FOREVER), 0);
	check_eq(span.size, 0);
	stream_close(&stream);
}

static void peek_sees_all_bytes_also_over_the_wrap(void)
{
	uint64_t at = 0;

	stream = stream_pair(OPTIONS(.capacity = 8192));
	for (size_t i = 0; i < 500; i++) {
		const size_t size = 1 + i * 4001 % 8192;
		struct ferry_span span;

		stream_write_at(stream.writer, at, size, FERRY_NOW);
		span = peek(size);
		stream_match(span.data, at, size);
		check_eq(ferry_pipe_consume(stream.reader, &span, size), 0);
		at += size;
	}
	stream_close(&stream);
}

static void write_to_what_was_peeked(struct stage *stage, const void *argument)
{
	struct ferry_span span;

	(void)argument;
	check_eq(ferry_pipe_peek(stream.reader, &span, FERRY_NOW), 1);
	stage_reach(stage, 1);
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)span.data = 'x';
}

static void peeked_memory_cannot_be_written(void)
{
	struct peer peer;
	int status;

	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	peer_start(&peer, write_to_what_was_peeked, NULL);
	peer_await(&peer, 1);
	status = peer_join_status(&peer);
	/* A sanitizer ends it in its own way. */
	check(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status));
	stream_expect(stream.reader, "hello");
	stream_close(&stream);
}

static void reserve_and_commit_write(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	span = reserve(5);
	memcpy(span.data, "hello", 5);
	stream_expect_empty(stream.reader);
	check_eq(ferry_pipe_commit(stream.writer, &span, 5, FERRY_NOW), 0);
	stream_expect(stream.reader, "hello");
	stream_expect_empty(stream.reader);
	stream_close(&stream);
}

static void commit_may_be_shorter_than_the_reservation(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	span = reserve(1000);
	memcpy(span.data, "hello", 5);
	check_eq(ferry_pipe_commit(stream.writer, &span, 5, FERRY_NOW), 0);
	stream_write(stream.writer, "world");
	stream_expect(stream.reader, "helloworld");
	stream_expect_empty(stream.reader);
	stream_close(&stream);
}

static void commit_of_0_gives_the_reservation_up(void)
{
	struct ferry_span span;

	stream = stream_pair(OPTIONS(.capacity = 4096));
	for (int i = 0; i < 100; i++) {
		span = reserve(4096);
		check_eq(ferry_pipe_commit(stream.writer, &span, 0, FERRY_NOW), 0);
		check_eq(ferry_pipe_commit(stream.writer, &span, 0, FERRY_NOW), -FERRY_ESTALE);
	}
	stream_expect_empty(stream.reader);
	check_eq(stream_brim(stream.writer, 0), 4096);
	stream_close(&stream);
}

static void commit_of_more_than_the_span_is_einval_and_the_reservation_stands(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	span = reserve(5);
	check_eq(ferry_pipe_commit(stream.writer, &span, 6, FERRY_NOW), -EINVAL);
	memcpy(span.data, "hello", 5);
	check_eq(ferry_pipe_commit(stream.writer, &span, 5, FERRY_NOW), 0);
	stream_expect(stream.reader, "hello");
	stream_close(&stream);
}

static void commit_twice_is_estale(void)
{
	struct ferry_span span;
	struct ferry_span copy;

	stream = stream_pair(NULL);
	span = reserve(5);
	copy = span;
	memcpy(span.data, "hello", 5);
	check_eq(ferry_pipe_commit(stream.writer, &span, 5, FERRY_NOW), 0);
	check_eq(ferry_pipe_commit(stream.writer, &copy, 5, FERRY_NOW), -FERRY_ESTALE);
	stream_expect(stream.reader, "hello");
	stream_expect_empty(stream.reader);
	memset(&span, 0, sizeof span);
	check_eq(ferry_pipe_commit(stream.writer, &span, 0, FERRY_NOW), -FERRY_ESTALE);
	stream_close(&stream);
}

static void reserve_keeps_to_its_limits(void)
{
	struct ferry_span span;
	uint64_t most;

	stream = stream_pair(NULL);
	most = stream_stat(stream.writer).reserve_max;
	check(most >= FERRY_PIPE_BUF && most <= stream_stat(stream.writer).capacity);
	check_eq(ferry_pipe_reserve(stream.writer, most + 1, &span, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_pipe_reserve(stream.writer, SIZE_MAX, &span, FERRY_NOW), -EMSGSIZE);
	check_eq(ferry_pipe_reserve(stream.writer, 0, &span, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_reserve(stream.writer, 1, NULL, FERRY_NOW), -EINVAL);
	span = reserve(most);
	stream_fill(span.data, 0, most);
	check_eq(ferry_pipe_commit(stream.writer, &span, most, FERRY_NOW), 0);
	stream_expect_at(stream.reader, 0, most, FERRY_NOW);
	stream_close(&stream);
	stream = stream_pair(OPTIONS(.capacity = 4096));
	check(stream_stat(stream.writer).reserve_max >= FERRY_PIPE_BUF);
	stream_close(&stream);
}

static void reservations_of_all_sizes_over_the_wrap(void)
{
	uint64_t at = 0;

	stream = stream_pair(OPTIONS(.capacity = 8192));
	for (size_t i = 0; i < 500; i++) {
		const size_t size = 1 + i * 4001 % stream_stat(stream.writer).reserve_max;
		struct ferry_span span = reserve(size);

		stream_fill(span.data, at, size);
		check_eq(ferry_pipe_commit(stream.writer, &span, size, FERRY_NOW), 0);
		stream_expect_at(stream.reader, at, size, FERRY_NOW);
		at += size;
	}
	stream_close(&stream);
}

static void reserve_with_no_reader_is_epipe(void)
{
	struct ferry_span span;

	stream = stream_pair(NULL);
	ferry_pipe_close(stream.reader);
	stream.reader = NULL;
	check_eq(ferry_pipe_reserve(stream.writer, 5, &span, FERRY_FOREVER), -EPIPE);
	stream_close(&stream);
}

static void close_gives_a_reservation_up(void)
{
	ferry_pipe *second;

	stream = stream_meet("p", OPTIONS(.capacity = 4096));
	second = stream_open("p", FERRY_WRITE, NULL);
	for (int i = 0; i < 50; i++) {
		reserve(4096);
		ferry_pipe_close(stream.writer);
		stream.writer = stream_open("p", FERRY_WRITE, NULL);
		stream_write(second, "hello");
		stream_expect(stream.reader, "hello");
	}
	check_eq(stream_stat(second).quarantined, 0);
	ferry_pipe_close(second);
	stream_end(&stream, "p");
}

/* A second writer comes while a reservation is held for longer than its turn lasts. */
static void reservation_that_was_passed_over_is_committed_all_the_same(void)
{
	ferry_pipe *second;
	struct ferry_span span;

	stream = stream_meet("p", NULL);
	second = stream_open("p", FERRY_WRITE, NULL);
	span = reserve(5);
	check_eq(ferry_pipe_write(second, "second", 6, box_patience()), 6);
	check_eq(stream_stat(second).passed_over, 1);
	stream_expect(stream.reader, "second");
	memcpy(span.data, "first", 5);
	check_eq(ferry_pipe_commit(stream.writer, &span, 5, box_patience()), 0);
	stream_expect(stream.reader, "first");
	stream_expect_empty(stream.reader);
	await(stream_stat(second).quarantined == 0);
	ferry_pipe_close(second);
	stream_end(&stream, "p");
}

static void passed_over_with_no_room_stands_until_there_is_some(void)
{
	ferry_pipe *second;
	struct ferry_span span;
	uint64_t filled;

	stream = stream_meet("p", OPTIONS(.capacity = 8192));
	second = stream_open("p", FERRY_WRITE, NULL);
	span = reserve(4096);
	stream_fill(span.data, 77, 4096);
	check_eq(ferry_pipe_write(second, "x", 1, box_patience()), 1);
	stream_expect(stream.reader, "x");
	filled = stream_brim(second, 0);
	check_eq(ferry_pipe_commit(stream.writer, &span, 4096, FERRY_NOW), -EAGAIN);
	check_eq(ferry_pipe_commit(stream.writer, &span, 4096, ferry_in_ms(20)), -ETIMEDOUT);
	stream_expect_at(stream.reader, 0, filled, FERRY_NOW);
	stream_match(span.data, 77, span.size);
	check_eq(ferry_pipe_commit(stream.writer, &span, span.size, box_patience()), 0);
	stream_expect_at(stream.reader, 77, 4096, FERRY_NOW);
	stream_expect_empty(stream.reader);
	ferry_pipe_close(second);
	stream_end(&stream, "p");
}

/* Write and read on, until so many bytes have passed. */
static void let_pass(ferry_pipe *writer, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += 1024) {
		char block[1024];

		stream_fill(block, at, sizeof block);
		check_eq(ferry_pipe_write(writer, block, sizeof block, box_patience()), 1024);
		stream_expect_at(stream.reader, at, 1024, FERRY_NOW);
	}
}

/* Two writers lose their turns, the second one's stretch with the first one's in it. The first
 * keeps what it has reserved, also when the second has let go and the stream has come round many
 * times. */
static void c5_reservation_within_another_that_was_passed_over_stays_untouched(void)
{
	/* RING: of a pipe of that capacity (docs/formats/pipe.md). */
	enum { CAPACITY = 8192, RING = CAPACITY + 4 * 4096 + 65536, SMALL = 64, LARGE = 2048 };
	ferry_pipe *second, *third;
	struct ferry_span inner, outer;

	stream = stream_meet("p", OPTIONS(.capacity = CAPACITY));
	second = stream_open("p", FERRY_WRITE, NULL);
	third = stream_open("p", FERRY_WRITE, NULL);
	inner = reserve(SMALL); /* at the ring's beginning */
	stream_fill(inner.data, 7, SMALL);
	/* What the second one loses is rounded up to 4096 bytes, and so reaches over the first. */
	let_pass(third, RING - 3072);
	check_eq(stream_stat(third).passed_over, 1);
	check_eq(ferry_pipe_reserve(second, LARGE, &outer, box_patience()), 0);
	let_pass(third, 1024);
	check_eq(stream_stat(third).passed_over, 2);
	check_eq(ferry_pipe_commit(second, &outer, 0, FERRY_NOW), 0);
	let_pass(third, 8 * RING);
	stream_match(inner.data, 7, SMALL);
	check_eq(ferry_pipe_commit(stream.writer, &inner, SMALL, box_patience()), 0);
	stream_expect_at(stream.reader, 7, SMALL, FERRY_NOW);
	ferry_pipe_close(third);
	ferry_pipe_close(second);
	stream_end(&stream, "p");
}

static void reserve_for_good(struct stage *stage, const void *argument)
{
	struct ferry_span span;

	(void)argument;
	check_eq(ferry_pipe_reserve(stream.writer, 1024, &span, box_patience()), 0);
	stage_meet(stage, 1);
}

static int is_all_in_use_after_a_while(ferry_pipe *writer)
{
	let_pass(writer, 8192);
	return stream_stat(writer).quarantined == 0;
}

/* Nobody cleans up, and still nothing of the pipe stays out of use. */
static void c5_holes_of_dead_writers_are_given_back(void)
{
	ferry_pipe *second;

	stream = stream_meet("p", OPTIONS(.capacity = 8192));
	second = stream_open("p", FERRY_WRITE, NULL);
	for (int i = 0; i < 40; i++) {
		struct peer peer;

		peer_start(&peer, reserve_for_good, NULL);
		peer_await(&peer, 1);
		let_pass(second, 1024);
		peer_kill(&peer);
		let_pass(second, 1024);
	}
	check(stream_stat(second).passed_over > 30);
	await(is_all_in_use_after_a_while(second));
	ferry_pipe_close(second);
	stream_end(&stream, "p");
}

static void reserve_and_wait(struct stage *stage, const void *argument)
{
	struct ferry_span span;

	(void)argument;
	check_eq(ferry_pipe_reserve(stream.writer, 4096, &span, box_patience()), 0);
	stream_fill(span.data, 1000, 4096);
	stage_meet(stage, 1);
	check_eq(ferry_pipe_commit(stream.writer, &span, 4096, box_patience()), 0);
	stream_close(&stream);
}

static void c1_nothing_of_a_dead_writers_reservation_arrives(void)
{
	stream = stream_pair(OPTIONS(.capacity = 8192));
	for (int i = 0; i < 50; i++) {
		struct peer peer;

		peer_start(&peer, reserve_and_wait, NULL);
		peer_await(&peer, 1);
		if (i % 2)
			peer_stop(&peer);
		peer_kill(&peer);
		stream_write_at(stream.writer, 0, 8192, box_patience());
		stream_expect_at(stream.reader, 0, 8192, FERRY_NOW);
		stream_expect_empty(stream.reader);
	}
	stream_close(&stream);
}

static void c5_stopped_writers_reservation_delays_nobody_and_arrives_later(void)
{
	struct peer peer;
	int64_t start;

	stream = stream_pair(NULL);
	peer_start(&peer, reserve_and_wait, NULL);
	peer_await(&peer, 1);
	peer_stop(&peer);
	start = clock_ns();
	for (int i = 0; i < 100; i++) {
		check_eq(ferry_pipe_write(stream.writer, "hello", 5, box_patience()), 5);
		stream_expect(stream.reader, "hello");
	}
	check(clock_ns() - start < CHECK_SOON_NS);
	peer_allow(&peer, 1);
	peer_resume(&peer);
	peer_join(&peer);
	stream_expect_at(stream.reader, 1000, 4096, FERRY_NOW);
	stream_expect_empty(stream.reader);
	stream_close(&stream);
}

static struct ferry_span parents;

static void try_parents_reservation(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	check_eq(ferry_pipe_commit(stream.writer, &parents, 5, FERRY_NOW), -FERRY_ESTALE);
	stream_close(&stream);
}

static void c11_parents_reservation_is_estale_in_the_child(void)
{
	struct peer peer;

	stream = stream_pair(NULL);
	parents = reserve(5);
	memcpy(parents.data, "hello", 5);
	peer_start(&peer, try_parents_reservation, NULL);
	peer_join(&peer);
	stream_expect_empty(stream.reader);
	check_eq(ferry_pipe_commit(stream.writer, &parents, 5, box_patience()), 0);
	stream_expect(stream.reader, "hello");
	stream_close(&stream);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(peek_shows_and_consume_takes),
		claim(peek_without_consume_takes_nothing),
		claim(consume_of_more_than_the_span_is_einval),
		claim(span_that_another_read_away_is_estale),
		claim(peek_at_the_end_of_file_is_0_and_an_empty_span),
		claim(peek_sees_all_bytes_also_over_the_wrap),
		claim(peeked_memory_cannot_be_written),
		claim(reserve_and_commit_write),
		claim(commit_may_be_shorter_than_the_reservation),
		claim(commit_of_0_gives_the_reservation_up),
		claim(commit_of_more_than_the_span_is_einval_and_the_reservation_stands),
		claim(commit_twice_is_estale),
		claim(reserve_keeps_to_its_limits),
		claim(reservations_of_all_sizes_over_the_wrap),
		claim(reserve_with_no_reader_is_epipe),
		claim(close_gives_a_reservation_up),
		claim(reservation_that_was_passed_over_is_committed_all_the_same),
		claim(passed_over_with_no_room_stands_until_there_is_some),
		claim(c1_nothing_of_a_dead_writers_reservation_arrives),
		claim(c5_reservation_within_another_that_was_passed_over_stays_untouched),
		claim(c5_holes_of_dead_writers_are_given_back),
		claim(c5_stopped_writers_reservation_delays_nobody_and_arrives_later),
		claim(c11_parents_reservation_is_estale_in_the_child),
	};

	return claim_run_all(claims);
}
