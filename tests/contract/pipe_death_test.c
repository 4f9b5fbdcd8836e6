/* SPDX-License-Identifier: MIT */
/* Writers and readers that are killed or stopped: what arrives, who is woken, who is delayed (C1
 * to C6). Death at each instruction is the kill harness's matter. */
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
enum { WRITERS = 4 };

static struct stream stream;

/* Records of all sizes for ever; how many were written, before each next begins. */
static void write_records(struct stage *stage, const void *argument)
{
	const uint32_t me = *(const uint32_t *)argument;
	const uint64_t most = (uint64_t)atomic_load(&stage->value[1]);

	ferry_pipe_close(stream.reader);
	stage_meet(stage, 1);
	for (uint64_t i = 1; most == 0 || i <= most; i++) {
		const uint32_t size = (uint32_t)(sizeof(struct record) +
						 (i * 2654435761u + me * 977) %
						     (RECORD_MOST + 1 - sizeof(struct record)));

		check_eq(record_write(stream.writer, size, me, i, FERRY_FOREVER), size);
		atomic_store(&stage->value[0], (int64_t)i);
	}
	ferry_pipe_close(stream.writer);
}

/* What a reader has seen of each writer. */
struct ledger {
	uint64_t last[WRITERS];
};

/* The next record of its writer, none lost, doubled or out of order. */
static void note(struct ledger *ledger, const struct record *record)
{
	check(record->writer < WRITERS);
	check_eq(record->number, ledger->last[record->writer] + 1);
	ledger->last[record->writer] = record->number;
}

static void start_writers(struct peer *peers)
{
	for (uint32_t i = 0; i < WRITERS; i++) {
		peer_start(&peers[i], write_records, &i);
		peer_await(&peers[i], 1);
	}
	for (int i = 0; i < WRITERS; i++)
		peer_allow(&peers[i], 1);
}

static void c1_records_of_many_writers_are_whole_and_in_order(void)
{
	const int records = check_repeat(20000, 2000000);
	struct peer peers[WRITERS];
	struct ledger ledger = { { 0 } };
	struct record record;

	stream = stream_pair(OPTIONS(.capacity = 16384));
	start_writers(peers);
	for (int i = 0; i < records; i++) {
		check_eq(record_read(stream.reader, &record, box_patience()), 1);
		note(&ledger, &record);
	}
	for (int i = 0; i < WRITERS; i++) {
		check(ledger.last[i]);
		peer_kill(&peers[i]);
	}
	stream_close(&stream);
}

static void c2_writers_killed_at_random_lose_nothing_completed_and_tear_nothing(void)
{
	const int rounds = check_repeat(40, 4000);

	for (int round = 0; round < rounds; round++) {
		struct peer peers[WRITERS];
		struct ledger ledger = { { 0 } };
		struct record record;
		int64_t written[WRITERS];
		int r;

		stream = stream_pair(OPTIONS(.capacity = round % 2 ? 0 : 4096));
		start_writers(peers);
		ferry_pipe_close(stream.writer);
		stream.writer = NULL;
		for (int i = 0; i < 100 + round * 13 % 300; i++) {
			check_eq(record_read(stream.reader, &record, box_patience()), 1);
			note(&ledger, &record);
		}
		for (int i = 0; i < WRITERS; i++) {
			struct stage *stage = peers[i].stage;

			kill(peers[i].pid, SIGKILL);
			check_eq(waitpid(peers[i].pid, NULL, 0), peers[i].pid);
			written[i] = atomic_load(&stage->value[0]);
			stage_free(stage);
		}
		while ((r = record_read(stream.reader, &record, box_patience())) == 1)
			note(&ledger, &record);
		check_eq(r, 0);
		for (int i = 0; i < WRITERS; i++) {
			check((int64_t)ledger.last[i] >= written[i]);
			check((int64_t)ledger.last[i] <= written[i] + 1);
		}
		stream_close(&stream);
	}
}

static void c5_writers_stopped_at_random_delay_nobody_and_tear_nothing(void)
{
	const int rounds = check_repeat(60, 3000);
	struct peer peers[WRITERS];
	struct ledger ledger = { { 0 } };
	struct record record;

	stream = stream_pair(OPTIONS(.capacity = 16384));
	start_writers(peers);
	for (int round = 0; round < rounds; round++) {
		const int victim = round % WRITERS;
		int64_t start;

		peer_stop(&peers[victim]);
		start = clock_ns();
		for (int i = 0; i < 50; i++) {
			check_eq(record_read(stream.reader, &record, box_patience()), 1);
			note(&ledger, &record);
		}
		check(clock_ns() - start < CHECK_SOON_NS);
		peer_resume(&peers[victim]);
	}
	for (int i = 0; i < WRITERS; i++)
		peer_kill(&peers[i]);
	while (record_read(stream.reader, &record, FERRY_NOW) == 1)
		note(&ledger, &record);
	stream_close(&stream);
}

/* All are stopped but one, which must go on. */
static void c5_all_but_one_writer_stopped(void)
{
	struct peer peers[WRITERS];
	struct ledger ledger = { { 0 } };
	struct record record;

	stream = stream_pair(OPTIONS(.capacity = 8192));
	start_writers(peers);
	for (int round = 0; round < check_repeat(30, 1000); round++) {
		const int left = round % WRITERS;
		uint64_t before;

		for (int i = 0; i < WRITERS; i++)
			if (i != left)
				peer_stop(&peers[i]);
		before = ledger.last[left];
		while (ledger.last[left] < before + 30) {
			check_eq(record_read(stream.reader, &record, box_patience()), 1);
			note(&ledger, &record);
		}
		for (int i = 0; i < WRITERS; i++)
			if (i != left)
				peer_resume(&peers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		peer_kill(&peers[i]);
	stream_close(&stream);
}

/* Reads records and publishes the sum of the numbers that it is about to have read. */
static void read_records(struct stage *stage, const void *argument)
{
	struct record record;
	unsigned char data[256];

	(void)argument;
	ferry_pipe_close(stream.writer);
	stage_meet(stage, 1);
	while (ferry_pipe_read(stream.reader, data, sizeof data, FERRY_FOREVER) ==
	       (ssize_t)sizeof data) {
		memcpy(&record, data, sizeof record);
		stream_match(data + sizeof record, record.number, sizeof data - sizeof record);
		atomic_store(&stage->value[0], (int64_t)record.number);
		atomic_fetch_add(&stage->value[1], 1);
	}
	ferry_pipe_close(stream.reader);
}

/* Readers are killed at random; of the records of a fixed size at most one a death is lost. */
static void c5_readers_killed_at_random_jam_nobody_and_take_no_more_than_they_read(void)
{
	const int rounds = check_repeat(60, 3000);
	uint64_t n = 0;
	int64_t seen = 0;
	struct peer peers[2];

	stream = stream_pair(OPTIONS(.capacity = 8192));
	for (int i = 0; i < 2; i++) {
		peer_start(&peers[i], read_records, NULL);
		peer_await(&peers[i], 1);
		peer_allow(&peers[i], 1);
	}
	for (int round = 0; round < rounds; round++) {
		struct peer *victim = &peers[round % 2];
		struct stage *stage = victim->stage;

		for (int i = 0; i < 200; i++, n++) {
			unsigned char data[256];
			const struct record record = { .number = n };

			memcpy(data, &record, sizeof record);
			stream_fill(data + sizeof record, n, sizeof data - sizeof record);
			check_eq(ferry_pipe_write(stream.writer, data, sizeof data, box_patience()),
				 sizeof data);
		}
		kill(victim->pid, SIGKILL);
		check_eq(waitpid(victim->pid, NULL, 0), victim->pid);
		seen += atomic_load(&stage->value[1]);
		stage_free(stage);
		peer_start(victim, read_records, NULL);
		peer_await(victim, 1);
		peer_allow(victim, 1);
	}
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	for (int i = 0; i < 2; i++) {
		struct stage *stage = peers[i].stage;
		int status;

		check_eq(waitpid(peers[i].pid, &status, 0), peers[i].pid);
		check_eq(status, 0);
		seen += atomic_load(&stage->value[1]);
		stage_free(stage);
	}
	check(seen <= (int64_t)n);
	check(seen >= (int64_t)n - rounds);
	stream_close(&stream);
}

static void hold_writer(struct stage *stage, const void *argument)
{
	(void)argument;
	ferry_pipe_close(stream.reader);
	check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), 1);
	stage_meet(stage, 1);
}

static void hold_reader(struct stage *stage, const void *argument)
{
	(void)argument;
	ferry_pipe_close(stream.writer);
	check_eq(ferry_pipe_stat(stream.reader, &(struct ferry_pipe_stat){ 0 }), 0);
	stage_meet(stage, 1);
}

static void read_end_of_file(struct stage *stage, const void *argument)
{
	(void)argument;
	ferry_pipe_close(stream.writer);
	stage_reach(stage, 1);
	check_eq(ferry_pipe_read(stream.reader, &(char){ 0 }, 1, FERRY_FOREVER), 0);
	atomic_store(&stage->value[0], clock_ns());
	stage_reach(stage, 2);
	ferry_pipe_close(stream.reader);
}

enum { ROUNDS = 21 };

/* Not by a timer: most are woken far sooner than any timer of the library would. */
static void mostly_at_once(int64_t *took)
{
	check_median(took, ROUNDS, 10000000);
}

static void c6_reader_sees_the_end_at_once_when_the_last_writer_is_killed(void)
{
	int64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct peer writer;
		struct peer reader;
		int64_t start;

		stream = stream_pair(OPTIONS(.spin = -1));
		peer_start(&writer, hold_writer, NULL);
		peer_await(&writer, 1);
		stream_expect(stream.reader, "x");
		peer_start(&reader, read_end_of_file, NULL);
		stream_close(&stream);
		peer_await(&reader, 1);
		await(process_asleep(reader.pid));
		if (i % 3 == 0)
			peer_stop(&writer);
		start = clock_ns();
		peer_kill(&writer);
		peer_await(&reader, 2);
		took[i] = atomic_load(&reader.stage->value[0]) - start;
		peer_join(&reader);
	}
	mostly_at_once(took);
}

static void write_until_epipe(struct stage *stage, const void *argument)
{
	static const char data[4096];

	(void)argument;
	ferry_pipe_close(stream.reader);
	stage_reach(stage, 1);
	check_eq(ferry_pipe_write(stream.writer, data, sizeof data, FERRY_FOREVER), -EPIPE);
	atomic_store(&stage->value[0], clock_ns());
	stage_reach(stage, 2);
	ferry_pipe_close(stream.writer);
}

static void c6_blocked_writer_gets_epipe_at_once_when_the_last_reader_is_killed(void)
{
	int64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		struct peer writer;
		struct peer reader;
		int64_t start;

		stream = stream_pair(OPTIONS(.spin = -1));
		stream_brim(stream.writer, 0);
		peer_start(&reader, hold_reader, NULL);
		peer_await(&reader, 1);
		peer_start(&writer, write_until_epipe, NULL);
		stream_close(&stream);
		peer_await(&writer, 1);
		await(process_asleep(writer.pid));
		if (i % 3 == 0)
			peer_stop(&reader);
		start = clock_ns();
		peer_kill(&reader);
		peer_await(&writer, 2);
		took[i] = atomic_load(&writer.stage->value[0]) - start;
		peer_join(&writer);
	}
	mostly_at_once(took);
}

static void c6_writer_that_does_not_wait_learns_of_a_killed_reader_soon(void)
{
	struct peer reader;
	int64_t start;
	ssize_t n;

	stream = stream_pair(OPTIONS(.capacity = 64 << 20));
	peer_start(&reader, hold_reader, NULL);
	peer_await(&reader, 1);
	ferry_pipe_close(stream.reader);
	stream.reader = NULL;
	check_eq(ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW), 1);
	peer_kill(&reader);
	start = clock_ns();
	while ((n = ferry_pipe_write(stream.writer, "x", 1, FERRY_NOW)) == 1)
		check(clock_ns() - start < CHECK_SOON_NS);
	check_eq(n, -EPIPE);
	stream_close(&stream);
}

static void c6_end_of_file_wakes_all_readers_that_sleep(void)
{
	struct peer readers[3];
	struct peer writer;

	stream = stream_pair(NULL);
	peer_start(&writer, hold_writer, NULL);
	peer_await(&writer, 1);
	stream_expect(stream.reader, "x");
	for (int i = 0; i < 3; i++) {
		peer_start(&readers[i], read_end_of_file, NULL);
		peer_await(&readers[i], 1);
	}
	await(stream_stat(stream.reader).waiting_readers == 3);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	check_eq(atomic_load(&readers[0].stage->reached), 1);
	peer_kill(&writer);
	for (int i = 0; i < 3; i++)
		peer_join(&readers[i]);
	stream_close(&stream);
}

static void read_one(struct stage *stage, const void *argument)
{
	(void)argument;
	ferry_pipe_close(stream.writer);
	stage_reach(stage, 1);
	check_eq(ferry_pipe_read(stream.reader, &(char){ 0 }, 1, FERRY_FOREVER), 1);
	stage_reach(stage, 2);
	ferry_pipe_close(stream.reader);
}

/* Two sleep; the one that is woken may be the one that is killed or stopped. */
static void c6_wake_survives_death_and_stop_of_the_one_woken(void)
{
	stream = stream_pair(OPTIONS(.spin = -1));
	for (int i = 0; i < check_repeat(60, 3000); i++) {
		struct peer doomed;
		struct peer other;

		peer_start(&doomed, read_one, NULL);
		await(stream_stat(stream.reader).waiting_readers == 1);
		peer_start(&other, read_one, NULL);
		await(stream_stat(stream.reader).waiting_readers == 2);
		if (i % 3 == 0)
			peer_stop(&doomed);
		if (i % 3 == 1)
			kill(doomed.pid, SIGKILL);
		check_eq(ferry_pipe_write(stream.writer, "ab", 2, FERRY_NOW), 2);
		peer_await(&other, 2);
		peer_join(&other);
		peer_kill(&doomed);
		stream_empty(stream.reader);
		await(stream_stat(stream.reader).waiting_readers == 0);
	}
	stream_close(&stream);
}

static void write_long(struct stage *stage, const void *argument)
{
	(void)argument;
	ferry_pipe_close(stream.reader);
	stage_reach(stage, 1);
	stream_write_at(stream.writer, 0, 1 << 20, FERRY_FOREVER);
}

static void c1_killed_long_write_leaves_a_part_from_its_beginning(void)
{
	for (int i = 0; i < check_repeat(40, 2000); i++) {
		static unsigned char data[1 << 20];
		struct peer peer;
		uint64_t at = 0;
		ssize_t n;

		stream = stream_pair(NULL);
		peer_start(&peer, write_long, NULL);
		ferry_pipe_close(stream.writer);
		stream.writer = NULL;
		stream_expect_at(stream.reader, 0, (size_t)(1 + i * 20011 % 800000), FERRY_FOREVER);
		at = (uint64_t)(1 + i * 20011 % 800000);
		peer_kill(&peer);
		while ((n = ferry_pipe_read(stream.reader, data, sizeof data, box_patience())) >
		       0) {
			stream_match(data, at, (size_t)n);
			at += (uint64_t)n;
		}
		check_eq(n, 0);
		stream_close(&stream);
	}
}

static void c2_bytes_of_a_killed_writer_are_kept_in_a_named_pipe(void)
{
	struct peer peer;

	stream = stream_meet("p", NULL);
	peer_start(&peer, hold_writer, NULL);
	peer_await(&peer, 1);
	stream_close(&stream);
	peer_kill(&peer);
	stream.reader = stream_open("p", FERRY_READ, NULL);
	stream_expect(stream.reader, "x");
	stream_expect_end(stream.reader);
	stream_end(&stream, "p");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(c1_records_of_many_writers_are_whole_and_in_order),
		claim(c2_writers_killed_at_random_lose_nothing_completed_and_tear_nothing),
		claim(c5_writers_stopped_at_random_delay_nobody_and_tear_nothing),
		claim(c5_all_but_one_writer_stopped),
		claim(c5_readers_killed_at_random_jam_nobody_and_take_no_more_than_they_read),
		claim(c6_reader_sees_the_end_at_once_when_the_last_writer_is_killed),
		claim(c6_blocked_writer_gets_epipe_at_once_when_the_last_reader_is_killed),
		claim(c6_writer_that_does_not_wait_learns_of_a_killed_reader_soon),
		claim(c6_end_of_file_wakes_all_readers_that_sleep),
		claim(c6_wake_survives_death_and_stop_of_the_one_woken),
		claim(c1_killed_long_write_leaves_a_part_from_its_beginning),
		claim(c2_bytes_of_a_killed_writer_are_kept_in_a_named_pipe),
	};

	return claim_run_all(claims);
}
