/* SPDX-License-Identifier: MIT */
/* POSIX write() and writev() as far as they speak of pipes and FIFOs, PIPE_BUF, SIGPIPE: sentences
 * W. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "driver.h"
#include "peer.h"

static struct ends ends;
static unsigned char data[1 << 20];

static ssize_t write_some(size_t size)
{
	return driver->write(&ends.writer, data, size);
}

/* Read and drop n bytes. */
static void drop(size_t n)
{
	static unsigned char got[1 << 16];

	while (n) {
		const ssize_t r = driver->read(&ends.reader, got, n < sizeof got ? n : sizeof got);

		check(r > 0);
		n -= (size_t)r;
	}
}

/* Full but for this many bytes. */
static size_t fill_but(size_t room)
{
	const size_t n = ends_fill(&ends);

	drop(room);
	return n - room;
}

static void w1_bytes_are_appended(void)
{
	ends = ends_pair();
	ends_put(&ends, "one");
	ends_put(&ends, "two");
	ends_get(&ends, "onetwo");
	ends_close(&ends);
}

static void write_one(struct stage *stage, const void *argument)
{
	const size_t *size = argument;

	ends_close_reader(&ends);
	stage_reach(stage, 1);
	check_eq(write_some(*size), *size);
	stage_reach(stage, 2);
	ends_close_writer(&ends);
}

static void waits_for_room(size_t size)
{
	struct peer peer;
	size_t filled;

	ends = ends_pair();
	filled = ends_fill(&ends);
	peer_start(&peer, write_one, &size);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	check_eq(atomic_load(&peer.stage->reached), 1);
	ends_close_writer(&ends);
	drop(filled + size);
	peer_await(&peer, 2);
	peer_join(&peer);
	check_eq(driver->read(&ends.reader, data, 1), 0);
	ends_close(&ends);
}

static void w2_full_waits_until_all_is_written(void)
{
	waits_for_room(1);
	waits_for_room(4096);
	waits_for_room(65537);
	waits_for_room(sizeof data);
}

static void w3_full_is_eagain_when_it_may_not_wait(void)
{
	size_t filled;

	ends = ends_pair();
	filled = ends_fill(&ends);
	ends_nonblocking(&ends);
	check_eq(write_some(1), -EAGAIN);
	check_eq(write_some(4096), -EAGAIN);
	check_eq(write_some(4097), -EAGAIN);
	check_eq(write_some(sizeof data), -EAGAIN);
	check_eq(driver->unread(&ends.reader), filled);
	ends_close(&ends);
}

static void w4_no_more_than_pipe_buf_is_all_or_nothing_when_it_may_not_wait(void)
{
	size_t left;

	ends = ends_pair();
	left = fill_but(4095);
	ends_nonblocking(&ends);
	check_eq(write_some(4096), -EAGAIN);
	check_eq(driver->unread(&ends.reader), left);
	drop(1);
	/* The kernel counts pages: one that is half read is no room yet. */
	check_eq(write_some(4096), 4096);
	check_eq(driver->unread(&ends.reader), left - 1 + 4096);
	check_eq(write_some(1), -EAGAIN);
	ends_close(&ends);
}

static void w5_more_than_pipe_buf_is_written_as_far_as_it_fits_when_it_may_not_wait(void)
{
	size_t left;

	ends = ends_pair();
	left = fill_but(8192);
	ends_nonblocking(&ends);
	check_eq(write_some(20000), 8192);
	check_eq(driver->unread(&ends.reader), left + 8192);
	drop(left + 8192);
	check_eq(write_some(sizeof data), 65536);
	ends_close(&ends);
}

static void w6_room_for_one_byte_takes_part_of_a_long_write(void)
{
	ends = ends_pair();
	fill_but(1);
	ends_nonblocking(&ends);
	check_eq(write_some(4097), differs(-EAGAIN, 1));
	ends_close(&ends);
}

static void w7_no_reader_is_epipe_and_writes_nothing(void)
{
	signal(SIGPIPE, SIG_IGN);
	ends = ends_pair();
	ends_close_reader(&ends);
	check_eq(write_some(1), -EPIPE);
	check_eq(write_some(4096), -EPIPE);
	check_eq(write_some(100000), -EPIPE);
	ends_nonblocking(&(struct ends){ ends.writer, ends.writer });
	check_eq(write_some(1), -EPIPE);
	ends_close(&ends);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	signals += number == SIGPIPE;
}

static void w8_no_reader_raises_sigpipe_in_the_thread(void)
{
	signal(SIGPIPE, count_signal);
	ends = ends_pair();
	ends_close_reader(&ends);
	for (int i = 1; i <= 3; i++) {
		check_eq(write_some(1), -EPIPE);
		check_eq(signals, i);
	}
	ends_close(&ends);
}

static void write_to_nobody(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	signal(SIGPIPE, SIG_DFL);
	ends_close_reader(&ends);
	write_some(1);
}

static void w9_sigpipe_ends_a_process_that_does_not_expect_it(void)
{
	struct peer peer;
	int status;

	ends = ends_pair();
	ends_close_reader(&ends);
	peer_start(&peer, write_to_nobody, NULL);
	status = peer_join_status(&peer);
	check(WIFSIGNALED(status));
	check_eq(WTERMSIG(status), SIGPIPE);
	ends_close(&ends);
}

static void write_until_epipe(struct stage *stage, const void *argument)
{
	const size_t *size = argument;

	signal(SIGPIPE, SIG_IGN);
	ends_close_reader(&ends);
	stage_reach(stage, 1);
	atomic_store(&stage->value[0], write_some(*size));
	stage_meet(stage, 2);
}

/* The reader goes while a writer waits; what its write returned. */
static int64_t write_result_when_the_reader_goes(size_t size, size_t drop_first)
{
	struct peer peer;
	int64_t r;

	ends = ends_pair();
	ends_fill(&ends);
	peer_start(&peer, write_until_epipe, &size);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	if (drop_first) {
		drop(drop_first);
		await(driver->unread(&ends.reader) == 65536);
		await(process_asleep(peer.pid));
	}
	ends_close(&ends);
	peer_await(&peer, 2);
	r = atomic_load(&peer.stage->value[0]);
	peer_allow(&peer, 2);
	peer_join(&peer);
	return r;
}

static void w10_blocked_writer_gets_epipe_when_the_last_reader_closes(void)
{
	check_eq(write_result_when_the_reader_goes(1, 0), -EPIPE);
	check_eq(write_result_when_the_reader_goes(4096, 0), -EPIPE);
	check_eq(write_result_when_the_reader_goes(100000, 0), -EPIPE);
}

static void w11_reader_that_goes_after_a_part_leaves_the_part_as_the_result(void)
{
	check_eq(write_result_when_the_reader_goes(100000, 8192), 8192);
}

static void read_and_wait(struct stage *stage, const void *argument)
{
	(void)argument;
	ends_close_writer(&ends);
	stage_meet(stage, 1);
}

static void w12_blocked_writer_gets_epipe_when_the_last_reader_dies(void)
{
	const size_t size = 4096;
	struct peer reader;
	struct peer writer;

	ends = ends_pair();
	ends_fill(&ends);
	peer_start(&reader, read_and_wait, NULL);
	peer_await(&reader, 1);
	peer_start(&writer, write_until_epipe, &size);
	ends_close(&ends);
	peer_await(&writer, 1);
	await(process_asleep(writer.pid));
	check_eq(atomic_load(&writer.stage->reached), 1);
	peer_kill(&reader);
	peer_await(&writer, 2);
	check_eq(atomic_load(&writer.stage->value[0]), -EPIPE);
	peer_allow(&writer, 2);
	peer_join(&writer);
}

static void w13_size_0_is_0_also_with_no_reader(void)
{
	signal(SIGPIPE, SIG_IGN);
	ends = ends_pair();
	check_eq(write_some(0), 0);
	check_eq(driver->write(&ends.writer, NULL, 0), 0);
	ends_fill(&ends);
	check_eq(write_some(0), 0);
	ends_close_reader(&ends);
	check_eq(write_some(0), 0);
	ends_close(&ends);
}

static void w14_more_than_ssize_max_is_refused(void)
{
	ends = ends_pair();
	check_eq(write_some((size_t)SSIZE_MAX + 1), differs(-EFAULT, -EINVAL));
	check_eq(driver->unread(&ends.reader), 0);
	ends_close(&ends);
}

static void w15_no_data_is_refused(void)
{
	ends = ends_pair();
	check_eq(driver->write(&ends.writer, NULL, 1), differs(-EFAULT, -EINVAL));
	check_eq(driver->unread(&ends.reader), 0);
	ends_close(&ends);
}

enum { WRITERS = 4, WRITES = 400 };

/* Writes of one size, all bytes alike. */
static void write_blocks(struct stage *stage, const void *argument)
{
	const size_t *size = argument;
	unsigned char block[4096];

	ends_close_reader(&ends);
	stage_meet(stage, 1);
	memset(block, 'a' + (int)atomic_load(&stage->value[0]), sizeof block);
	for (int i = 0; i < WRITES; i++)
		check_eq(driver->write(&ends.writer, block, *size), *size);
	ends_close_writer(&ends);
}

/* Several write blocks of this size at once; every block must be of one writer. */
static void not_interleaved(size_t size)
{
	struct peer peers[WRITERS];
	unsigned char block[4096];

	ends = ends_pair();
	for (int i = 0; i < WRITERS; i++) {
		peer_start(&peers[i], write_blocks, &size);
		peer_await(&peers[i], 1);
		atomic_store(&peers[i].stage->value[0], i);
	}
	ends_close_writer(&ends);
	for (int i = 0; i < WRITERS; i++)
		peer_allow(&peers[i], 1);
	for (int i = 0; i < WRITERS * WRITES; i++) {
		for (size_t n = 0; n < size;) {
			const ssize_t r = driver->read(&ends.reader, block + n, size - n);

			check(r > 0);
			n += (size_t)r;
		}
		for (size_t n = 1; n < size; n++)
			check_eq(block[n], block[0]);
	}
	check_eq(driver->read(&ends.reader, block, 1), 0);
	for (int i = 0; i < WRITERS; i++)
		peer_join(&peers[i]);
	ends_close(&ends);
}

static void w16_no_more_than_pipe_buf_is_not_interleaved(void)
{
	not_interleaved(1);
	not_interleaved(100);
	not_interleaved(3001);
	not_interleaved(4096);
}

static void write_vector(struct stage *stage, const void *argument)
{
	unsigned char block[4096];
	const struct iovec parts[] = {
		{ block, 1 }, { block, 1500 }, { block, 0 }, { block, 2595 }
	};

	(void)argument;
	ends_close_reader(&ends);
	stage_meet(stage, 1);
	memset(block, 'a' + (int)atomic_load(&stage->value[0]), sizeof block);
	for (int i = 0; i < WRITES; i++)
		check_eq(driver->writev(&ends.writer, parts, 4), 4096);
	ends_close_writer(&ends);
}

static void w17_writev_of_no_more_than_pipe_buf_is_not_interleaved(void)
{
	struct peer peers[2];
	unsigned char block[4096];

	ends = ends_pair();
	for (int i = 0; i < 2; i++) {
		peer_start(&peers[i], write_vector, NULL);
		peer_await(&peers[i], 1);
		atomic_store(&peers[i].stage->value[0], i);
	}
	for (int i = 0; i < 2; i++)
		peer_allow(&peers[i], 1);
	for (int i = 0; i < 2 * WRITES; i++) {
		for (size_t n = 0; n < sizeof block;) {
			const ssize_t r = driver->read(&ends.reader, block + n, sizeof block - n);

			check(r > 0);
			n += (size_t)r;
		}
		for (size_t n = 1; n < sizeof block; n++)
			check_eq(block[n], block[0]);
	}
	for (int i = 0; i < 2; i++)
		peer_join(&peers[i]);
	ends_close(&ends);
}

static void w18_writev_gathers_the_buffers_in_order(void)
{
	const struct iovec parts[] = { { (char[]){ "ab" }, 2 },
				       { NULL, 0 },
				       { (char[]){ "c" }, 1 },
				       { (char[]){ "def" }, 3 } };

	ends = ends_pair();
	check_eq(driver->writev(&ends.writer, parts, 4), 6);
	ends_get(&ends, "abcdef");
	check_eq(driver->writev(&ends.writer, parts, 0), 0);
	check_eq(driver->unread(&ends.reader), 0);
	ends_close(&ends);
}

static void w19_writev_of_an_impossible_number_of_buffers_is_einval(void)
{
	static struct iovec parts[IOV_MAX + 1];

	ends = ends_pair();
	for (int i = 0; i <= IOV_MAX; i++)
		parts[i] = (struct iovec){ data, 1 };
	check_eq(driver->writev(&ends.writer, parts, IOV_MAX + 1), -EINVAL);
	check_eq(driver->writev(&ends.writer, parts, -1), -EINVAL);
	check_eq(driver->unread(&ends.reader), 0);
	check_eq(driver->writev(&ends.writer, parts, IOV_MAX), IOV_MAX);
	ends_close(&ends);
}

static void write_interrupted(struct stage *stage, const void *argument)
{
	const size_t *size = argument;

	peer_catch(0);
	ends_close_reader(&ends);
	stage_reach(stage, 1);
	atomic_store(&stage->value[0], write_some(*size));
	stage_reach(stage, 2);
	stage_wait(stage, 3);
}

/* A signal ends a write that waits; what it returned. */
static int64_t write_result_when_interrupted(size_t size, size_t drop_first)
{
	struct peer peer;
	int64_t r;

	ends = ends_pair();
	ends_fill(&ends);
	peer_start(&peer, write_interrupted, &size);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	if (drop_first) {
		drop(drop_first);
		await(driver->unread(&ends.reader) == 65536);
		await(process_asleep(peer.pid));
	}
	peer_interrupt(&peer, 2);
	r = atomic_load(&peer.stage->value[0]);
	check_eq(driver->unread(&ends.reader), 65536);
	peer_allow(&peer, 3);
	peer_join(&peer);
	ends_close(&ends);
	return r;
}

static void w20_caught_signal_before_any_byte_is_eintr(void)
{
	check_eq(write_result_when_interrupted(4096, 0), -EINTR);
	check_eq(write_result_when_interrupted(100000, 0), -EINTR);
}

static void w21_caught_signal_after_a_part_leaves_the_part_as_the_result(void)
{
	check_eq(write_result_when_interrupted(100000, 8192), 8192);
}

static void w22_written_bytes_can_be_read_at_once(void)
{
	ends = ends_pair();
	ends_nonblocking(&ends);
	for (int i = 0; i < 1000; i++) {
		ends_put(&ends, "x");
		ends_get(&ends, "x");
	}
	ends_close(&ends);
}

int main(int n_arguments, char **arguments)
{
	const struct CMUnitTest claims[] = {
		claim(w1_bytes_are_appended),
		claim(w2_full_waits_until_all_is_written),
		claim(w3_full_is_eagain_when_it_may_not_wait),
		claim(w4_no_more_than_pipe_buf_is_all_or_nothing_when_it_may_not_wait),
		claim(w5_more_than_pipe_buf_is_written_as_far_as_it_fits_when_it_may_not_wait),
		claim(w6_room_for_one_byte_takes_part_of_a_long_write),
		claim(w7_no_reader_is_epipe_and_writes_nothing),
		claim(w8_no_reader_raises_sigpipe_in_the_thread),
		claim(w9_sigpipe_ends_a_process_that_does_not_expect_it),
		claim(w10_blocked_writer_gets_epipe_when_the_last_reader_closes),
		claim(w11_reader_that_goes_after_a_part_leaves_the_part_as_the_result),
		claim(w12_blocked_writer_gets_epipe_when_the_last_reader_dies),
		claim(w13_size_0_is_0_also_with_no_reader),
		claim(w14_more_than_ssize_max_is_refused),
		claim(w15_no_data_is_refused),
		claim(w16_no_more_than_pipe_buf_is_not_interleaved),
		claim(w17_writev_of_no_more_than_pipe_buf_is_not_interleaved),
		claim(w18_writev_gathers_the_buffers_in_order),
		claim(w19_writev_of_an_impossible_number_of_buffers_is_einval),
		claim(w20_caught_signal_before_any_byte_is_eintr),
		claim(w21_caught_signal_after_a_part_leaves_the_part_as_the_result),
		claim(w22_written_bytes_can_be_read_at_once),
	};

	driver_choose(n_arguments, arguments);
	return claim_run_all(claims);
}
