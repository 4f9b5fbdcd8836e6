/* SPDX-License-Identifier: MIT */
/* What a pipe costs the kernel: no system call while nobody sleeps, no CPU while blocked (C7). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "scratch.h"
#include "stream.h"
#include "trace.h"

#define OPTIONS FERRY_PIPE_OPTIONS
#define MS      1000000LL

static struct stream stream;

/* What a traced peer does between its marks. */
struct work {
	size_t size;
	int in_place;
};

enum { ROUNDS = 1000 };

static void write_and_read(const struct work *work)
{
	static unsigned char data[65536];
	struct ferry_span span;

	if (work->in_place) {
		check_eq(ferry_pipe_reserve(stream.writer, work->size, &span, FERRY_FOREVER), 0);
		check_eq(ferry_pipe_commit(stream.writer, &span, work->size, FERRY_FOREVER), 0);
		check_eq(ferry_pipe_peek(stream.reader, &span, FERRY_FOREVER), 1);
		check_eq(ferry_pipe_consume(stream.reader, &span, work->size), 0);
	} else {
		check_eq(ferry_pipe_write(stream.writer, data, work->size, FERRY_FOREVER),
			 work->size);
		check_eq(ferry_pipe_read(stream.reader, data, work->size, FERRY_FOREVER),
			 work->size);
	}
}

static void traced(struct stage *stage, const void *argument)
{
	stage_meet(stage, 1);
	write_and_read(argument);
	trace_mark();
	for (int i = 0; i < ROUNDS; i++)
		write_and_read(argument);
	trace_mark();
	stream_close(&stream);
}

/* The system calls of all rounds; those that the clock accounts for are in ret_questions. */
static int calls_of(const struct work *work, int64_t *ret_questions)
{
	struct peer peer;

	stream = stream_meet("p", NULL);
	peer_start(&peer, traced, work);
	peer_await(&peer, 1);
	const int64_t start = clock_ns();
	const int calls = trace_calls_between_marks(&peer);
	*ret_questions = 2 * (1 + (clock_ns() - start) / MS);
	peer_join(&peer);
	stream_end(&stream, "p");
	return calls;
}

/* The header allows a question every few milliseconds, whether there are readers; so a call now
 * and then is none for each byte. On a busy machine the rounds can take so long that these are
 * many; then it is tried again, for a call in each round would be there each time. */
static void makes_hardly_a_system_call(const struct work *work)
{
	int64_t questions;
	int calls;

	for (int i = 0; i < 20; i++) {
		calls = calls_of(work, &questions);
		if (calls <= questions && calls < ROUNDS / 10)
			return;
	}
	check_failed(__FILE__, __LINE__, "%d system calls in %d rounds", calls, ROUNDS);
}

static void c7_reads_and_writes_make_no_system_call_while_nobody_sleeps(void)
{
	makes_hardly_a_system_call(&(const struct work){ .size = 1 });
	makes_hardly_a_system_call(&(const struct work){ .size = 64 });
	makes_hardly_a_system_call(&(const struct work){ .size = 4096 });
	makes_hardly_a_system_call(&(const struct work){ .size = 65536 });
}

static void c7_calls_in_place_make_no_system_call_while_nobody_sleeps(void)
{
	makes_hardly_a_system_call(&(const struct work){ .size = 64, .in_place = 1 });
	makes_hardly_a_system_call(&(const struct work){ .size = 4096, .in_place = 1 });
}

static void hold(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_meet(stage, 1);
}

static void c7_blocked_reader_and_writer_use_no_cpu(void)
{
	struct peer peer;
	struct usage before;

	stream = stream_pair(OPTIONS(.capacity = 4096));
	peer_start(&peer, hold, NULL);
	peer_await(&peer, 1);
	check_eq(ferry_pipe_read(stream.reader, &(char){ 0 }, 1, ferry_in_ms(50)), -ETIMEDOUT);
	before = usage_now();
	check_eq(ferry_pipe_read(stream.reader, &(char){ 0 }, 1, ferry_in_ms(1500)), -ETIMEDOUT);
	usage_check_blocked(&before);
	stream_brim(stream.writer, 0);
	before = usage_now();
	check_eq(ferry_pipe_write(stream.writer, "x", 1, ferry_in_ms(1500)), -ETIMEDOUT);
	usage_check_blocked(&before);
	peer_kill(&peer);
	stream_close(&stream);
}

static void c7_waiting_for_the_other_end_uses_no_cpu(void)
{
	ferry_pipe *pipe;
	struct usage before;

	check_eq(ferry_pipe_open(&pipe, "p", FERRY_READ, NULL, ferry_in_ms(50)), -ETIMEDOUT);
	before = usage_now();
	check_eq(ferry_pipe_open(&pipe, "p", FERRY_READ, NULL, ferry_in_ms(1500)), -ETIMEDOUT);
	usage_check_blocked(&before);
	check_eq(ferry_remove("p", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c7_reads_and_writes_make_no_system_call_while_nobody_sleeps),
		claim(c7_calls_in_place_make_no_system_call_while_nobody_sleeps),
		claim(c7_blocked_reader_and_writer_use_no_cpu),
		claim(c7_waiting_for_the_other_end_uses_no_cpu),
	};

	return claim_run_all(claims);
}
