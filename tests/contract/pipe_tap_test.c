/* SPDX-License-Identifier: MIT */
/* Taps of pipes: every byte that passes is shown right and in order, or counted as missed. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"

#include <ferry/ferry.h>

enum { CAPACITY = 65536, PIECE = 3000 };

/* The stream: 64-bit numbers, each 8 bytes; so every aligned word shows where it belongs. */
static void fill(unsigned char *data, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint64_t word = (at + i) / 8;
		data[i] = (unsigned char)(word >> (at + i) % 8 * 8);
	}
}

static void check_stream(const unsigned char *data, uint64_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (data[i] != (unsigned char)((at + i) / 8 >> (at + i) % 8 * 8))
			check_failed(__FILE__, __LINE__, "byte %ju is wrong", (uintmax_t)(at + i));
}

static ferry_pipe *pipe_open(uint32_t end)
{
	ferry_pipe *pipe = NULL;

	check_eq(ferry_pipe_open(&pipe, "p", end, FERRY_PIPE_OPTIONS(.capacity = CAPACITY),
				 end == FERRY_WRITE ? ferry_in_ms(30000) : FERRY_NOW),
		 0);
	return pipe;
}

struct witness {
	ferry_pipe *pipe;
	ferry_pipe_tap *tap;
	uint64_t at;
	uint64_t missed;
	uint64_t seen;
};

static void begin(struct witness *w)
{
	memset(w, 0, sizeof *w);
	check_eq(ferry_pipe_open(&w->pipe, "p", FERRY_OBSERVE, NULL, FERRY_NOW), 0);
	check_eq(ferry_pipe_tap_open(&w->tap, w->pipe), 0);
}

static void end(struct witness *w)
{
	ferry_pipe_tap_close(w->tap);
	ferry_pipe_close(w->pipe);
}

static ssize_t look(struct witness *w, ferry_deadline deadline)
{
	static unsigned char data[20000];
	const uint64_t before = w->missed;
	const ssize_t n = ferry_pipe_tap_read(w->tap, data, sizeof data, &w->missed, deadline);

	w->at += w->missed - before;
	if (n > 0) {
		check_stream(data, w->at, (size_t)n);
		w->at += (uint64_t)n;
		w->seen += (uint64_t)n;
	}
	return n;
}

static void pass(ferry_pipe *writer, ferry_pipe *reader, uint64_t *at, size_t n)
{
	static unsigned char data[CAPACITY];

	fill(data, *at, n);
	check_eq(ferry_pipe_write(writer, data, n, FERRY_NOW), n);
	*at += n;
	if (!reader)
		return;
	for (size_t got = 0; got < n;) {
		const ssize_t r = ferry_pipe_read(reader, data, n - got, FERRY_NOW);
		check(r > 0);
		got += (size_t)r;
	}
}

static void shows_every_byte_that_was_written_or_read(void)
{
	ferry_pipe *reader = pipe_open(FERRY_READ), *writer = pipe_open(FERRY_WRITE);
	struct witness w;
	uint64_t at = 0;

	begin(&w);
	check_eq(look(&w, FERRY_NOW), -EAGAIN);
	check_eq(look(&w, ferry_in_ms(20)), -ETIMEDOUT);
	for (int i = 0; i < 500; i++) {
		pass(writer, reader, &at, (size_t)(1 + i * 7 % 4096));
		while (look(&w, FERRY_NOW) > 0)
			;
		check_eq(w.at, at);
	}
	pass(writer, NULL, &at, 100);
	check_eq(look(&w, FERRY_NOW), 100);
	check_eq(w.missed, 0);
	check_eq(ferry_pipe_tap_read(w.tap, NULL, 1, NULL, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_tap_open(NULL, w.pipe), -EINVAL);
	check_eq(ferry_remove("p", NULL), 0);
	check_eq(look(&w, FERRY_NOW), -EIDRM);
	end(&w);
	ferry_pipe_close(writer);
	ferry_pipe_close(reader);
}

static void counts_exactly_what_it_missed(void)
{
	ferry_pipe *reader = pipe_open(FERRY_READ), *writer = pipe_open(FERRY_WRITE);
	struct witness w;
	uint64_t at = 0;

	begin(&w);
	for (int round = 0; round < 30; round++) {
		for (int i = 0; i < round * 10; i++)
			pass(writer, reader, &at, PIECE);
		while (look(&w, FERRY_NOW) > 0)
			;
		check_eq(w.at, at);
		check_eq(w.seen + w.missed, at);
	}
	check(w.missed > 0 && w.seen > CAPACITY);
	end(&w);
	ferry_pipe_close(writer);
	ferry_pipe_close(reader);
	check_eq(ferry_remove("p", NULL), 0);
}

/* A reservation that is given up has changed memory beyond the writers' position. */
static void a_reservation_that_was_given_up_spoils_nothing(void)
{
	ferry_pipe *reader = pipe_open(FERRY_READ), *writer = pipe_open(FERRY_WRITE);
	struct ferry_pipe_stat stat;
	struct witness w;
	uint64_t at = 0;

	begin(&w);
	check_eq(ferry_pipe_stat(w.pipe, &stat), 0);
	for (int i = 0; i < 300; i++) {
		struct ferry_span span;
		pass(writer, reader, &at, PIECE);
		check_eq(ferry_pipe_reserve(writer, stat.reserve_max, &span, FERRY_NOW), 0);
		memset(span.data, 0xee, span.size);
		check_eq(ferry_pipe_commit(writer, &span, 0, FERRY_NOW), 0);
		if (i % 97 == 0)
			while (look(&w, FERRY_NOW) > 0)
				;
	}
	while (look(&w, FERRY_NOW) > 0)
		;
	check_eq(w.seen + w.missed, at);
	end(&w);
	ferry_pipe_close(writer);
	ferry_pipe_close(reader);
	check_eq(ferry_remove("p", NULL), 0);
}

/* Writes the stream until it may pass point 2; a write that was passed over is simply later. */
static void writer_peer(struct stage *stage, const void *argument)
{
	ferry_pipe *writer = pipe_open(FERRY_WRITE);
	unsigned char data[PIECE];
	uint64_t at = 0;

	(void)argument;
	stage_reach(stage, 1);
	while (atomic_load(&stage->allowed) < 2) {
		fill(data, at, sizeof data);
		const ssize_t n = ferry_pipe_write(writer, data, sizeof data, ferry_in_ms(5));
		check(n > 0 || n == -ETIMEDOUT);
		at += n > 0 ? (uint64_t)n : 0;
	}
	ferry_pipe_close(writer);
}

static void reader_peer(struct stage *stage, const void *argument)
{
	ferry_pipe *reader = pipe_open(FERRY_READ);
	unsigned char data[10000];
	uint64_t at = 0;

	(void)argument;
	stage_reach(stage, 1);
	for (;;) {
		const ssize_t n = ferry_pipe_read(reader, data, sizeof data, ferry_in_ms(5));
		if (n <= 0 && atomic_load(&stage->allowed) >= 2)
			break;
		if (n > 0) {
			check_stream(data, at, (size_t)n);
			at += (uint64_t)n;
		}
	}
	ferry_pipe_close(reader);
}

static void watch_a_stream(int stops)
{
	struct ferry_pipe_stat stat;
	struct peer reader, writer;
	struct witness w;

	ferry_pipe_close(pipe_open(FERRY_READ));
	begin(&w);
	peer_start(&reader, reader_peer, NULL);
	peer_await(&reader, 1);
	peer_start(&writer, writer_peer, NULL);
	peer_await(&writer, 1);
	const int64_t until = clock_ns() + (int64_t)check_repeat(1, 20) * 1000000000;
	for (int64_t i = 0; clock_ns() < until; i++) {
		(void)look(&w, ferry_in_ms(1));
		if (stops && i % 40 == 0) {
			peer_stop(&writer);
			for (int k = 0; k < 15; k++)
				(void)look(&w, ferry_in_ms(1));
			peer_resume(&writer);
		}
	}
	peer_allow(&writer, 2);
	peer_join(&writer);
	peer_allow(&reader, 2);
	peer_join(&reader);
	while (look(&w, ferry_in_ms(1)) > 0)
		;
	check(w.seen > 0);
	check_eq(ferry_pipe_stat(w.pipe, &stat), 0);
	check_eq(w.seen + w.missed, stat.written);
	end(&w);
	check_eq(ferry_remove("p", NULL), 0);
}

static void under_load_every_byte_is_right_and_counted(void)
{
	watch_a_stream(0);
}

static void with_a_writer_that_stops_too(void)
{
	watch_a_stream(1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(shows_every_byte_that_was_written_or_read),
		claim(counts_exactly_what_it_missed),
		claim(a_reservation_that_was_given_up_spoils_nothing),
		claim(under_load_every_byte_is_right_and_counted),
		claim(with_a_writer_that_stops_too),
	};

	return claim_run_all(claims);
}
