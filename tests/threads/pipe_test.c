/* SPDX-License-Identifier: MIT */
/* Threads write to and read from a pipe, over one handle an end or over several. Meant to run under
 * the thread sanitizer too. */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "crew.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS

enum { SPIN = 1000000, SLEEP = -1, SIZE = 256, MOST = 4 };

/* One run: records of SIZE bytes, each written and read with one call. */
struct run {
	int writers;
	int readers;
	uint64_t each; /* records a writer writes */
	uint64_t capacity;
	int64_t spin;
	int handles;  /* handles of each end: threads use them in turn */
	int in_place; /* reserve and commit */
	struct stream streams[MOST];
	_Atomic uint64_t writing;  /* writers that have not finished */
	_Atomic uint64_t seen;     /* records read */
	_Atomic uint64_t sum;      /* of their numbers */
	_Atomic uint64_t last[16]; /* by one reader alone: the last of each writer */
};

static void write_one(struct run *run, ferry_pipe *writer, uint32_t me, uint64_t number)
{
	unsigned char data[SIZE];
	struct ferry_span span;

	if (run->in_place) {
		check_eq(ferry_pipe_reserve(writer, SIZE, &span, box_patience()), 0);
		record_make(span.data, SIZE, me, number);
		check_eq(ferry_pipe_commit(writer, &span, SIZE, box_patience()), 0);
	} else {
		record_make(data, SIZE, me, number);
		check_eq(ferry_pipe_write(writer, data, SIZE, box_patience()), SIZE);
	}
}

static void close_writers(struct run *run)
{
	for (int i = 0; i < run->handles; i++) {
		ferry_pipe_close(run->streams[i].writer);
		run->streams[i].writer = NULL;
	}
}

static void write_all(const struct crew_member *member)
{
	struct run *run = member->shared;
	ferry_pipe *writer = run->streams[member->number % run->handles].writer;

	for (uint64_t i = 1; i <= run->each; i++)
		write_one(run, writer, (uint32_t)member->number, i);
	if (atomic_fetch_sub(&run->writing, 1) == 1)
		close_writers(run);
}

/* A record as it was made; in order, if one thread reads all. */
static void note(struct run *run, const unsigned char *data)
{
	unsigned char want[SIZE];
	struct record record;

	memcpy(&record, data, sizeof record);
	check(record.size == SIZE && record.writer < (uint32_t)run->writers);
	record_make(want, SIZE, record.writer, record.number);
	check(!memcmp(data, want, SIZE));
	atomic_fetch_add(&run->seen, 1);
	atomic_fetch_add(&run->sum, record.number);
	if (run->readers == 1)
		check_eq(atomic_exchange(&run->last[record.writer], record.number) + 1,
			 record.number);
}

static void read_all(const struct crew_member *member)
{
	struct run *run = member->shared;
	ferry_pipe *reader = run->streams[member->number % run->handles].reader;
	unsigned char data[SIZE];
	ssize_t n;

	while ((n = ferry_pipe_read(reader, data, SIZE, box_patience())) > 0) {
		check_eq(n, SIZE);
		note(run, data);
	}
	check_eq(n, 0);
}

static void pass(struct run run)
{
	const uint64_t all = (uint64_t)run.writers * run.each;

	run.handles = run.handles ? run.handles : 1;
	for (int i = 0; i < run.handles; i++)
		run.streams[i] =
		    stream_meet("p", OPTIONS(.capacity = run.capacity, .spin = run.spin));
	run.writing = (uint64_t)run.writers;
	crew_run_two(run.writers, write_all, run.readers, read_all, &run);
	check_eq(run.seen, all);
	check_eq(run.sum, (uint64_t)run.writers * (run.each * (run.each + 1) / 2));
	check_eq(stream_stat(run.streams[0].reader).read, all * SIZE);
	for (int i = 0; i < run.handles; i++)
		stream_close(&run.streams[i]);
	check_eq(ferry_remove("p", NULL), 0);
}

static void one_to_one_spinning(void)
{
	pass((struct run){ .writers = 1, .readers = 1, .each = 5000, .spin = SPIN });
}

static void one_to_one_sleeping(void)
{
	pass((struct run){
	    .writers = 1, .readers = 1, .each = 3000, .spin = SLEEP, .capacity = 4096 });
}

static void four_to_one_over_one_handle(void)
{
	pass((struct run){ .writers = 4, .readers = 1, .each = 1500 });
}

static void four_to_one_over_four_handles(void)
{
	pass((struct run){ .writers = 4, .readers = 1, .each = 1500, .handles = 4 });
}

static void one_to_four_over_one_handle(void)
{
	pass((struct run){ .writers = 1, .readers = 4, .each = 4000 });
}

static void four_to_four_sleeping(void)
{
	pass((struct run){
	    .writers = 4, .readers = 4, .each = 800, .spin = SLEEP, .capacity = 4096 });
}

static void four_to_four_over_four_handles(void)
{
	pass((struct run){ .writers = 4,
			   .readers = 4,
			   .each = 800,
			   .spin = SLEEP,
			   .capacity = 4096,
			   .handles = 4 });
}

static void four_in_place_over_one_handle(void)
{
	pass((struct run){ .writers = 4, .readers = 1, .each = 800, .in_place = 1 });
}

static void four_in_place_over_four_handles(void)
{
	pass((struct run){ .writers = 4, .readers = 1, .each = 800, .in_place = 1, .handles = 4 });
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(one_to_one_spinning),
		claim(one_to_one_sleeping),
		claim(four_to_one_over_one_handle),
		claim(four_to_one_over_four_handles),
		claim(one_to_four_over_one_handle),
		claim(four_to_four_sleeping),
		claim(four_to_four_over_four_handles),
		claim(four_in_place_over_one_handle),
		claim(four_in_place_over_four_handles),
	};

	return claim_run_all(claims);
}
