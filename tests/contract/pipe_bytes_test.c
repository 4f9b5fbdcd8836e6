/* SPDX-License-Identifier: MIT */
/* Reading and writing pipes as pipe.h says it: how much, in which order, how long a call waits, and
 * what it refuses (C1, C2, C4). What POSIX says too is tested in tests/conformance. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS
#define MS      1000000LL

static struct stream stream;

/* Every size around what pages, lines and PIPE_BUF make special. */
static const size_t sizes[] = { 1,    2,     7,     8,     9,     63,    64,     65,    127,
				128,  129,   4000,  4095,  4096,  4097,  8191,   8192,  8193,
				9999, 16384, 30001, 65535, 65536, 65537, 100000, 262144 };

#define N_SIZES (sizeof sizes / sizeof *sizes)

static void write_sizes(struct stage *stage, const void *argument)
{
	const ferry_deadline *deadline = argument;
	uint64_t at = 0;

	(void)stage;
	for (int lap = 0; lap < 3; lap++)
		for (size_t i = 0; i < N_SIZES; i++) {
			stream_write_at(stream.writer, at, sizes[(i * 7 + (size_t)lap) % N_SIZES],
					*deadline);
			at += sizes[(i * 7 + (size_t)lap) % N_SIZES];
		}
	stream_close(&stream);
}

/* All sizes through a pipe of this capacity; reads have other sizes than writes. */
static void all_sizes_through(uint64_t capacity, int64_t spin)
{
	const ferry_deadline deadline = FERRY_FOREVER;
	unsigned char *data = malloc(300000);
	struct peer peer;
	uint64_t at = 0;

	stream = stream_pair(OPTIONS(.capacity = capacity, .spin = spin));
	peer_start(&peer, write_sizes, &deadline);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	for (size_t i = 0;; i++) {
		const ssize_t n =
		    ferry_pipe_read(stream.reader, data, sizes[i * 11 % N_SIZES], FERRY_FOREVER);

		check(n >= 0 && n <= (ssize_t)sizes[i * 11 % N_SIZES]);
		if (n == 0)
			break;
		stream_match(data, at, (size_t)n);
		at += (uint64_t)n;
	}
	for (size_t i = 0; i < N_SIZES; i++)
		at -= 3 * sizes[i];
	check_eq(at, 0);
	peer_join(&peer);
	stream_close(&stream);
	free(data);
}

static void c4_all_sizes_pass_in_order_through_one_page(void)
{
	all_sizes_through(4096, 0);
	all_sizes_through(4096, -1);
}

static void c4_all_sizes_pass_in_order_through_pipes_of_other_sizes(void)
{
	all_sizes_through(8192, 0);
	all_sizes_through(12288, 0);
	all_sizes_through(0, 0);
	all_sizes_through(1 << 20, -1);
}

static void capacity_is_rounded_up_to_whole_pages_and_can_be_filled(void)
{
	static const uint64_t asked[] = { 4096, 4097, 8192, 10000, 65536, 65537, 1000000 };

	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		const uint64_t want = (asked[i] + 4095) / 4096 * 4096;

		stream = stream_pair(OPTIONS(.capacity = asked[i]));
		check_eq(stream_stat(stream.reader).capacity, want);
		for (int lap = 0; lap < 3; lap++) {
			check_eq(stream_brim(stream.writer, 0), want);
			check_eq(stream_stat(stream.reader).bytes, want);
			stream_expect_at(stream.reader, 0, want, FERRY_NOW);
			stream_expect_empty(stream.reader);
		}
		stream_close(&stream);
	}
}

static void wrap_is_never_seen(void)
{
	uint64_t at = 0;

	stream = stream_pair(OPTIONS(.capacity = 8192));
	for (size_t i = 0; i < 3000; i++) {
		const size_t size = 1 + i * 37 % 8192;

		stream_write_at(stream.writer, at, size, FERRY_NOW);
		stream_expect_at(stream.reader, at, size, FERRY_NOW);
		at += size;
	}
	check_eq(stream_stat(stream.reader).written, at);
	check_eq(stream_stat(stream.reader).read, at);
	stream_close(&stream);
}

static void read_returns_all_that_is_there_up_to_its_size(void)
{
	unsigned char data[65536];

	stream = stream_pair(NULL);
	for (size_t i = 0; i < 60; i++)
		stream_write_at(stream.writer, i * 1000, 1000, FERRY_NOW);
	check_eq(ferry_pipe_read(stream.reader, data, 500, FERRY_NOW), 500);
	check_eq(ferry_pipe_read(stream.reader, data, 50000, FERRY_NOW), 50000);
	check_eq(ferry_pipe_read(stream.reader, data, sizeof data, FERRY_NOW), 9500);
	stream_match(data, 50500, 9500);
	stream_close(&stream);
}

static void read_writes_no_further_than_it_says(void)
{
	unsigned char data[300];

	stream = stream_pair(NULL);
	memset(data, 0x5a, sizeof data);
	stream_write(stream.writer, "hello");
	check_eq(ferry_pipe_read(stream.reader, data + 100, 100, FERRY_NOW), 5);
	for (size_t i = 0; i < sizeof data; i++)
		check(i >= 100 && i < 105 ? data[i] == "hello"[i - 100] : data[i] == 0x5a);
	stream_close(&stream);
}

static void size_0_reads_nothing_and_writes_nothing_whatever_the_state(void)
{
	stream = stream_pair(OPTIONS(.capacity = 4096));
	check_eq(ferry_pipe_read(stream.reader, NULL, 0, FERRY_FOREVER), 0);
	check_eq(ferry_pipe_write(stream.writer, NULL, 0, FERRY_FOREVER), 0);
	check_eq(ferry_pipe_readv(stream.reader, NULL, 0, FERRY_FOREVER), 0);
	check_eq(ferry_pipe_writev(stream.writer, NULL, 0, FERRY_FOREVER), 0);
	stream_brim(stream.writer, 0);
	check_eq(ferry_pipe_write(stream.writer, NULL, 0, FERRY_FOREVER), 0);
	check_eq(ferry_pipe_read(stream.reader, NULL, 0, FERRY_FOREVER), 0);
	check_eq(stream_stat(stream.reader).bytes, 4096);
	ferry_pipe_close(stream.reader);
	stream.reader = NULL;
	check_eq(ferry_pipe_write(stream.writer, NULL, 0, FERRY_NOW), 0);
	stream_close(&stream);
}

static void now_is_eagain_on_empty_and_on_full(void)
{
	struct ferry_span span;

	stream = stream_pair(OPTIONS(.capacity = 4096));
	stream_expect_empty(stream.reader);
	check_eq(ferry_pipe_peek(stream.reader, &span, FERRY_NOW), -EAGAIN);
	check_eq(stream_brim(stream.writer, 0), 4096);
	check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), -EAGAIN);
	check_eq(ferry_pipe_write(stream.writer, &(char[5000]){ 0 }, 5000, FERRY_NOW), -EAGAIN);
	check_eq(ferry_pipe_reserve(stream.writer, 1, &span, FERRY_NOW), -EAGAIN);
	stream_close(&stream);
}

static void past_deadline_makes_one_attempt_then_is_etimedout(void)
{
	const ferry_deadline past[] = { 1, -1, INT64_MIN, ferry_in_ms(-5), ferry_in_ms(0) };
	struct ferry_span span;
	char got[5000];

	stream = stream_pair(OPTIONS(.capacity = 4096));
	for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
		check_eq(ferry_pipe_read(stream.reader, got, 1, past[i]), -ETIMEDOUT);
		check_eq(ferry_pipe_peek(stream.reader, &span, past[i]), -ETIMEDOUT);
		check_eq(ferry_pipe_write(stream.writer, got, 4096, past[i]), 4096);
		check_eq(ferry_pipe_write(stream.writer, got, 1, past[i]), -ETIMEDOUT);
		check_eq(ferry_pipe_write(stream.writer, got, 5000, past[i]), -ETIMEDOUT);
		check_eq(ferry_pipe_reserve(stream.writer, 1, &span, past[i]), -ETIMEDOUT);
		check_eq(ferry_pipe_read(stream.reader, got, 5000, past[i]), 4096);
		check_eq(ferry_pipe_write(stream.writer, got, 5000, past[i]), 4096);
		check_eq(ferry_pipe_read(stream.reader, got, 5000, past[i]), 4096);
	}
	stream_close(&stream);
}

static void deadline_is_waited_for_and_not_passed_over(void)
{
	static const int64_t spins[] = { -1, 1000, 500 * MS };
	static char data[10000];

	for (size_t i = 0; i < sizeof spins / sizeof *spins; i++) {
		ferry_deadline deadline = ferry_in_ms(60);
		struct ferry_span span;

		stream = stream_pair(OPTIONS(.capacity = 4096, .spin = spins[i]));
		check_eq(ferry_pipe_read(stream.reader, data, 1, deadline), -ETIMEDOUT);
		check(clock_ns() >= deadline);
		deadline = ferry_in_ms(60);
		check_eq(ferry_pipe_write(stream.writer, data, 10000, deadline), 4096);
		check(clock_ns() >= deadline);
		deadline = ferry_in_ms(60);
		check_eq(ferry_pipe_write(stream.writer, data, 1, deadline), -ETIMEDOUT);
		check(clock_ns() >= deadline);
		deadline = ferry_in_ms(30);
		check_eq(ferry_pipe_reserve(stream.writer, 4096, &span, deadline), -ETIMEDOUT);
		check(clock_ns() >= deadline);
		stream_empty(stream.reader);
		deadline = ferry_in_ms(30);
		check_eq(ferry_pipe_peek(stream.reader, &span, deadline), -ETIMEDOUT);
		check(clock_ns() >= deadline);
		stream_close(&stream);
	}
}

static void call_that_can_succeed_ignores_the_deadline(void)
{
	char got[4];

	stream = stream_pair(NULL);
	check_eq(ferry_pipe_write(stream.writer, "abcd", 4, FERRY_FOREVER), 4);
	check_eq(ferry_pipe_read(stream.reader, got, 4, FERRY_FOREVER), 4);
	stream_close(&stream);
}

static void wrong_end_is_ebadf(void)
{
	struct ferry_span span = { 0 };
	const struct iovec vector = { &(char){ 0 }, 1 };
	uint64_t moved;

	stream = stream_pair(NULL);
	check_eq(ferry_pipe_read(stream.writer, &(char){ 0 }, 1, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_readv(stream.writer, &vector, 1, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_peek(stream.writer, &span, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_consume(stream.writer, &span, 0), -EBADF);
	check_eq(ferry_pipe_drain(stream.writer, 1, 1, &moved, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_write(stream.reader, "x", 1, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_writev(stream.reader, &vector, 1, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_reserve(stream.reader, 1, &span, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_commit(stream.reader, &span, 0, FERRY_FOREVER), -EBADF);
	check_eq(ferry_pipe_fill(stream.reader, 0, 1, &moved, FERRY_FOREVER), -EBADF);
	stream_close(&stream);
}

static void observer_can_neither_read_nor_write(void)
{
	ferry_pipe *observer = NULL;
	char text[FERRY_PIPE_EXPORT_BYTES];

	stream = stream_meet("p", NULL);
	stream_write(stream.writer, "hello");
	check_eq(ferry_pipe_open(&observer, "p", FERRY_OBSERVE, NULL, FERRY_FOREVER), 0);
	check_eq(ferry_pipe_read(observer, &(char){ 0 }, 1, FERRY_NOW), -EBADF);
	check_eq(ferry_pipe_write(observer, "x", 1, FERRY_NOW), -EBADF);
	check_eq(ferry_pipe_export(observer, text, sizeof text), -EBADF);
	check_eq(stream_stat(observer).bytes, 5);
	check_eq(stream_stat(observer).readers, 1);
	check_eq(stream_stat(observer).writers, 1);
	ferry_pipe_close(observer);
	stream_expect(stream.reader, "hello");
	stream_end(&stream, "p");
}

static void impossible_buffers_are_einval_and_move_nothing(void)
{
	char byte;
	const struct iovec null_part[] = { { &byte, 1 }, { NULL, 1 } };
	const struct iovec too_much[] = { { &byte, 1 }, { &byte, SSIZE_MAX } };
	const struct iovec wraps[] = { { &byte, SIZE_MAX }, { &byte, SIZE_MAX }, { &byte, 3 } };

	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	check_eq(ferry_pipe_read(stream.reader, NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_read(stream.reader, &byte, (size_t)SSIZE_MAX + 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_read(stream.reader, &byte, SIZE_MAX, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_write(stream.writer, NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_write(stream.writer, &byte, SIZE_MAX, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_readv(stream.reader, null_part, 2, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_readv(stream.reader, too_much, 2, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_readv(stream.reader, wraps, 3, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_readv(stream.reader, NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_writev(stream.writer, null_part, 2, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_writev(stream.writer, too_much, 2, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_writev(stream.writer, wraps, 3, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_writev(stream.writer, NULL, 1, FERRY_NOW), -EINVAL);
	check_eq(ferry_pipe_stat(stream.writer, NULL), -EINVAL);
	stream_expect(stream.reader, "hello");
	stream_expect_empty(stream.reader);
	stream_close(&stream);
}

static void vectors_of_a_thousand_parts_pass_whole(void)
{
	static unsigned char data[IOV_MAX * 60];
	static unsigned char got[IOV_MAX * 60];
	struct iovec out[IOV_MAX];
	struct iovec in[IOV_MAX];

	stream_fill(data, 0, sizeof data);
	for (size_t i = 0; i < IOV_MAX; i++) {
		out[i] = (struct iovec){ data + i * 60, 60 };
		in[i] = (struct iovec){ got + i * 59, 59 };
	}
	stream = stream_pair(NULL);
	check_eq(ferry_pipe_writev(stream.writer, out, IOV_MAX, FERRY_NOW), sizeof data);
	check_eq(ferry_pipe_readv(stream.reader, in, IOV_MAX, FERRY_NOW), IOV_MAX * 59);
	stream_match(got, 0, IOV_MAX * 59);
	stream_expect_at(stream.reader, IOV_MAX * 59, IOV_MAX, FERRY_NOW);
	stream_close(&stream);
}

static void write_vector(struct stage *stage, const void *argument)
{
	static unsigned char data[200000];
	const struct iovec parts[] = {
		{ data, 1 }, { data + 1, 99999 }, { NULL, 0 }, { data + 100000, 100000 }
	};

	(void)stage;
	(void)argument;
	stream_fill(data, 0, sizeof data);
	check_eq(ferry_pipe_writev(stream.writer, parts, 4, FERRY_FOREVER), sizeof data);
	stream_close(&stream);
}

static void vector_longer_than_the_pipe_is_written_whole(void)
{
	struct peer peer;

	stream = stream_pair(OPTIONS(.capacity = 8192));
	peer_start(&peer, write_vector, NULL);
	stream_expect_at(stream.reader, 0, 200000, FERRY_FOREVER);
	peer_join(&peer);
	stream_close(&stream);
}

static void atomic_write_that_is_larger_than_the_room_is_all_or_nothing(void)
{
	char got[4096] = { 0 };

	stream = stream_pair(OPTIONS(.capacity = 4096));
	stream_write(stream.writer, "x");
	check_eq(ferry_pipe_write(stream.writer, got, 4096, FERRY_NOW), -EAGAIN);
	check_eq(ferry_pipe_write(stream.writer, got, 4096, ferry_in_ms(20)), -ETIMEDOUT);
	check_eq(stream_stat(stream.reader).bytes, 1);
	check_eq(ferry_pipe_write(stream.writer, got, 4097, FERRY_NOW), 4095);
	check_eq(stream_stat(stream.reader).bytes, 4096);
	stream_close(&stream);
}

static void sigpipe_comes_only_when_asked_for(void)
{
	sigset_t set;
	sigset_t pending;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	signal(SIGPIPE, SIG_DFL);
	check_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	for (int asked = 0; asked < 2; asked++) {
		stream = stream_pair(OPTIONS(.flags = asked ? FERRY_SIGPIPE : 0));
		ferry_pipe_close(stream.reader);
		stream.reader = NULL;
		check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), -EPIPE);
		check_eq(sigpending(&pending), 0);
		check_eq(sigismember(&pending, SIGPIPE), asked);
		stream_close(&stream);
	}
	check_eq(sigtimedwait(&set, NULL, &(struct timespec){ 0 }), SIGPIPE);
}

static volatile sig_atomic_t alarms;

static void count_alarm(int number)
{
	(void)number;
	alarms++;
}

static void read_in_a_storm(struct stage *stage, const void *argument)
{
	const struct sigaction action = { .sa_handler = count_alarm };

	(void)argument;
	check_eq(sigaction(SIGUSR1, &action, NULL), 0);
	stage_reach(stage, 1);
	stream_expect_at(stream.reader, 0, 30, FERRY_FOREVER);
	atomic_store(&stage->value[0], alarms);
	stream_close(&stream);
}

static void eintr_never_escapes_from_a_storm_of_signals(void)
{
	struct peer peer;

	stream = stream_pair(OPTIONS(.spin = -1));
	peer_start(&peer, read_in_a_storm, NULL);
	peer_await(&peer, 1);
	for (uint64_t i = 0; i < 30; i++) {
		await(process_asleep(peer.pid));
		for (int j = 0; j < 20; j++) {
			check_eq(kill(peer.pid, SIGUSR1), 0);
			clock_pause();
		}
		stream_write_at(stream.writer, i, 1, FERRY_NOW);
	}
	peer_join(&peer);
	stream_close(&stream);
}

static void c2_what_was_written_stays_when_nobody_has_it_open(void)
{
	stream = stream_meet("p", NULL);
	stream_write(stream.writer, "hello");
	stream_close(&stream);
	stream = stream_meet("p", NULL);
	stream_write(stream.writer, "world");
	stream_expect(stream.reader, "helloworld");
	stream_end(&stream, "p");
}

static void huge_pipe_holds_what_it_says(void)
{
	const uint64_t capacity = 256 << 20;
	uint64_t at = 0;

	stream = stream_pair(OPTIONS(.capacity = capacity));
	check_eq(stream_stat(stream.writer).capacity, capacity);
	for (int i = 0; i < 3; i++) {
		stream_write_at(stream.writer, at, 50 << 20, FERRY_NOW);
		stream_expect_at(stream.reader, at, 50 << 20, FERRY_NOW);
		at += 50 << 20;
	}
	stream_close(&stream);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c4_all_sizes_pass_in_order_through_one_page),
		claim(c4_all_sizes_pass_in_order_through_pipes_of_other_sizes),
		claim(capacity_is_rounded_up_to_whole_pages_and_can_be_filled),
		claim(wrap_is_never_seen),
		claim(read_returns_all_that_is_there_up_to_its_size),
		claim(read_writes_no_further_than_it_says),
		claim(size_0_reads_nothing_and_writes_nothing_whatever_the_state),
		claim(now_is_eagain_on_empty_and_on_full),
		claim(past_deadline_makes_one_attempt_then_is_etimedout),
		claim(deadline_is_waited_for_and_not_passed_over),
		claim(call_that_can_succeed_ignores_the_deadline),
		claim(wrong_end_is_ebadf),
		claim(observer_can_neither_read_nor_write),
		claim(impossible_buffers_are_einval_and_move_nothing),
		claim(vectors_of_a_thousand_parts_pass_whole),
		claim(vector_longer_than_the_pipe_is_written_whole),
		claim(atomic_write_that_is_larger_than_the_room_is_all_or_nothing),
		claim(sigpipe_comes_only_when_asked_for),
		claim(eintr_never_escapes_from_a_storm_of_signals),
		claim(c2_what_was_written_stays_when_nobody_has_it_open),
		claim(huge_pipe_holds_what_it_says),
	};

	return claim_run_all(claims);
}
