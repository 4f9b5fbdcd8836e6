/* SPDX-License-Identifier: MIT */
/* POSIX read() and readv() as far as they speak of pipes and FIFOs: sentences R. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "driver.h"
#include "peer.h"

static struct ends ends;

static ssize_t read_byte(void)
{
	return driver->read(&ends.reader, &(char){ 0 }, 1);
}

static void r1_end_of_file_when_no_writer_has_it_open(void)
{
	ends = ends_pair();
	ends_close_writer(&ends);
	for (int i = 0; i < 3; i++)
		check_eq(read_byte(), 0);
	driver->set_nonblocking(&ends.reader, true);
	check_eq(read_byte(), 0);
	ends_close(&ends);
}

static void r2_empty_is_eagain_when_it_may_not_wait(void)
{
	ends = ends_pair();
	ends_nonblocking(&ends);
	check_eq(read_byte(), -EAGAIN);
	ends_put(&ends, "x");
	check_eq(read_byte(), 1);
	check_eq(read_byte(), -EAGAIN);
	ends_close(&ends);
}

static void read_hello(struct stage *stage, const void *argument)
{
	char got[16];

	(void)argument;
	ends_close_writer(&ends);
	stage_reach(stage, 1);
	check_eq(driver->read(&ends.reader, got, sizeof got), 5);
	check(!memcmp(got, "hello", 5));
	stage_reach(stage, 2);
	ends_close_reader(&ends);
}

static void r3_empty_waits_until_something_is_written(void)
{
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, read_hello, NULL);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	check_eq(atomic_load(&peer.stage->reached), 1);
	ends_put(&ends, "hello");
	peer_await(&peer, 2);
	peer_join(&peer);
	ends_close(&ends);
}

static void read_end(struct stage *stage, const void *argument)
{
	(void)argument;
	ends_close_writer(&ends);
	stage_reach(stage, 1);
	check_eq(read_byte(), 0);
	stage_reach(stage, 2);
	ends_close_reader(&ends);
}

static void r4_empty_waits_until_the_last_writer_closes(void)
{
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, read_end, NULL);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	check_eq(atomic_load(&peer.stage->reached), 1);
	ends_close_writer(&ends);
	peer_join(&peer);
	ends_close(&ends);
}

static void write_and_wait(struct stage *stage, const void *argument)
{
	(void)argument;
	ends_close_reader(&ends);
	ends_put(&ends, "hello");
	stage_meet(stage, 1);
}

static void r5_empty_waits_until_the_last_writer_dies(void)
{
	struct peer writer;
	struct peer reader;

	ends = ends_pair();
	peer_start(&writer, write_and_wait, NULL);
	peer_await(&writer, 1);
	ends_get(&ends, "hello");
	peer_start(&reader, read_end, NULL);
	peer_await(&reader, 1);
	ends_close_writer(&ends);
	await(process_asleep(reader.pid));
	check_eq(atomic_load(&reader.stage->reached), 1);
	peer_kill(&writer);
	peer_join(&reader);
	ends_close(&ends);
}

static void r6_fewer_bytes_than_asked_for_are_a_success(void)
{
	char got[100];

	ends = ends_pair();
	memset(got, 0x5a, sizeof got);
	ends_put(&ends, "abc");
	check_eq(driver->read(&ends.reader, got, sizeof got), 3);
	check(!memcmp(got, "abc", 3));
	for (size_t i = 3; i < sizeof got; i++)
		check_eq(got[i], 0x5a);
	ends_close(&ends);
}

static void r7_rest_stays_for_the_next_read(void)
{
	ends = ends_pair();
	ends_put(&ends, "abcdef");
	ends_get(&ends, "ab");
	ends_get(&ends, "c");
	ends_get(&ends, "def");
	ends_nonblocking(&ends);
	check_eq(read_byte(), -EAGAIN);
	ends_close(&ends);
}

static void r8_size_0_is_0_and_takes_nothing(void)
{
	char untouched = 0x5a;

	ends = ends_pair();
	check_eq(driver->read(&ends.reader, &untouched, 0), 0); /* would wait otherwise */
	ends_put(&ends, "x");
	check_eq(driver->read(&ends.reader, &untouched, 0), 0);
	check_eq(driver->read(&ends.reader, NULL, 0), 0);
	check_eq(untouched, 0x5a);
	ends_get(&ends, "x");
	ends_close_writer(&ends);
	check_eq(driver->read(&ends.reader, &untouched, 0), 0);
	ends_close(&ends);
}

static void r9_more_than_ssize_max_is_refused(void)
{
	static char buffer[16];

	ends = ends_pair();
	ends_put(&ends, "x");
	check_eq(driver->read(&ends.reader, buffer, (size_t)SSIZE_MAX + 1),
		 differs(-EFAULT, -EINVAL));
	ends_get(&ends, "x");
	ends_close(&ends);
}

static void r10_no_buffer_is_refused_and_takes_nothing(void)
{
	ends = ends_pair();
	ends_put(&ends, "x");
	check_eq(driver->read(&ends.reader, NULL, 1), differs(-EFAULT, -EINVAL));
	ends_get(&ends, "x");
	ends_close(&ends);
}

static void read_until_interrupted(struct stage *stage, const void *argument)
{
	(void)argument;
	peer_catch(0);
	ends_close_writer(&ends);
	stage_reach(stage, 1);
	check_eq(read_byte(), -EINTR);
	stage_reach(stage, 2);
	stage_wait(stage, 3);
}

static void r11_caught_signal_before_any_byte_is_eintr(void)
{
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, read_until_interrupted, NULL);
	peer_await(&peer, 1);
	peer_interrupt(&peer, 2);
	ends_put(&ends, "kept");
	peer_allow(&peer, 3);
	peer_join(&peer);
	ends_get(&ends, "kept");
	ends_close(&ends);
}

static void read_with_restart(struct stage *stage, const void *argument)
{
	const ssize_t *want = argument;

	peer_catch(SA_RESTART);
	ends_close_writer(&ends);
	stage_reach(stage, 1);
	check_eq(read_byte(), *want);
	stage_reach(stage, 2);
}

static void r12_restarting_handler_does_not_end_the_wait(void)
{
	const ssize_t want = differs(1, -EINTR);
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, read_with_restart, &want);
	peer_await(&peer, 1);
	await(process_asleep(peer.pid));
	if (driver_is_kernel()) {
		for (int i = 0; i < 20; i++) {
			check_eq(kill(peer.pid, SIGUSR1), 0);
			clock_pause();
		}
		check_eq(atomic_load(&peer.stage->reached), 1);
		ends_put(&ends, "x");
	} else {
		peer_interrupt(&peer, 2);
	}
	peer_join(&peer);
	ends_close(&ends);
}

static void r13_readv_fills_the_buffers_in_order(void)
{
	char a[2];
	char b[3];
	char c[4] = "....";
	const struct iovec buffers[] = { { a, 2 }, { NULL, 0 }, { b, 3 }, { c, 4 } };

	ends = ends_pair();
	ends_put(&ends, "abcdef");
	check_eq(driver->readv(&ends.reader, buffers, 4), 6);
	check(!memcmp(a, "ab", 2) && !memcmp(b, "cde", 3) && !memcmp(c, "f...", 4));
	ends_nonblocking(&ends);
	check_eq(driver->readv(&ends.reader, buffers, 4), -EAGAIN);
	ends_close_writer(&ends);
	check_eq(driver->readv(&ends.reader, buffers, 4), 0);
	ends_close(&ends);
}

static void r14_readv_of_an_impossible_number_of_buffers_is_einval(void)
{
	static char byte;
	static struct iovec buffers[IOV_MAX + 1];

	ends = ends_pair();
	for (int i = 0; i <= IOV_MAX; i++)
		buffers[i] = (struct iovec){ &byte, 1 };
	ends_put(&ends, "xy");
	check_eq(driver->readv(&ends.reader, buffers, IOV_MAX + 1), -EINVAL);
	check_eq(driver->readv(&ends.reader, buffers, -1), -EINVAL);
	check_eq(driver->readv(&ends.reader, buffers, IOV_MAX), 2);
	check_eq(byte, 'y');
	ends_close(&ends);
}

static void r15_readv_of_sizes_above_ssize_max_is_einval(void)
{
	static char buffer[16];
	const struct iovec buffers[] = { { buffer, 8 }, { buffer + 8, SSIZE_MAX } };

	ends = ends_pair();
	ends_put(&ends, "x");
	check_eq(driver->readv(&ends.reader, buffers, 2), differs(-EFAULT, -EINVAL));
	ends_get(&ends, "x");
	ends_close(&ends);
}

static void read_share(struct stage *stage, const void *argument)
{
	int64_t sum = 0;
	int64_t n = 0;
	unsigned char byte;

	(void)argument;
	ends_close_writer(&ends);
	stage_meet(stage, 1);
	while (driver->read(&ends.reader, &byte, 1) == 1) {
		sum += byte;
		n++;
	}
	atomic_store(&stage->value[0], sum);
	atomic_store(&stage->value[1], n);
	ends_close_reader(&ends);
	stage_meet(stage, 2);
}

static void r16_each_byte_goes_to_one_of_several_readers(void)
{
	enum { READERS = 3, BYTES = 20000 };
	struct peer peers[READERS];
	int64_t sum = 0;
	int64_t n = 0;

	ends = ends_pair();
	for (int i = 0; i < READERS; i++)
		peer_start(&peers[i], read_share, NULL);
	for (int i = 0; i < READERS; i++) {
		peer_await(&peers[i], 1);
		peer_allow(&peers[i], 1);
	}
	for (int i = 0; i < BYTES; i++)
		check_eq(driver->write(&ends.writer, &(unsigned char){ (unsigned char)i }, 1), 1);
	ends_close_writer(&ends);
	for (int i = 0; i < READERS; i++) {
		peer_await(&peers[i], 2);
		sum += atomic_load(&peers[i].stage->value[0]);
		n += atomic_load(&peers[i].stage->value[1]);
		peer_allow(&peers[i], 2);
		peer_join(&peers[i]);
	}
	for (int i = 0; i < BYTES; i++)
		sum -= (unsigned char)i;
	check_eq(n, BYTES);
	check_eq(sum, 0);
	ends_close(&ends);
}

int main(int n_arguments, char **arguments)
{
	const struct CMUnitTest claims[] = {
		claim(r1_end_of_file_when_no_writer_has_it_open),
		claim(r2_empty_is_eagain_when_it_may_not_wait),
		claim(r3_empty_waits_until_something_is_written),
		claim(r4_empty_waits_until_the_last_writer_closes),
		claim(r5_empty_waits_until_the_last_writer_dies),
		claim(r6_fewer_bytes_than_asked_for_are_a_success),
		claim(r7_rest_stays_for_the_next_read),
		claim(r8_size_0_is_0_and_takes_nothing),
		claim(r9_more_than_ssize_max_is_refused),
		claim(r10_no_buffer_is_refused_and_takes_nothing),
		claim(r11_caught_signal_before_any_byte_is_eintr),
		claim(r12_restarting_handler_does_not_end_the_wait),
		claim(r13_readv_fills_the_buffers_in_order),
		claim(r14_readv_of_an_impossible_number_of_buffers_is_einval),
		claim(r15_readv_of_sizes_above_ssize_max_is_einval),
		claim(r16_each_byte_goes_to_one_of_several_readers),
	};

	driver_choose(n_arguments, arguments);
	return claim_run_all(claims);
}
