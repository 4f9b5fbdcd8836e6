/* SPDX-License-Identifier: MIT */
/* POSIX pipe(), close() of its ends and fork(), and what pipe(7) says about both kinds of pipe:
 * sentences M. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "claim.h"
#include "driver.h"
#include "peer.h"
#include "scratch.h"

static struct ends ends; /* what a forked peer finds */

static void m1_pipe_gives_one_end_to_read_and_one_to_write(void)
{
	ends = ends_pair();
	ends_put(&ends, "hello");
	ends_get(&ends, "hello");
	ends_close(&ends);
}

static void m2_bytes_come_in_the_order_in_which_they_were_written(void)
{
	unsigned char out;
	unsigned char in;

	ends = ends_pair();
	for (int lap = 0; lap < 300; lap++) {
		for (int i = 0; i < 1000; i++) {
			out = (unsigned char)(lap + i);
			check_eq(driver->write(&ends.writer, &out, 1), 1);
		}
		for (int i = 0; i < 1000; i++) {
			check_eq(driver->read(&ends.reader, &in, 1), 1);
			check_eq(in, (unsigned char)(lap + i));
		}
	}
	ends_close(&ends);
}

static void m3_reading_the_writing_end_is_ebadf(void)
{
	char byte = 0;

	ends = ends_pair();
	check_eq(driver->read(&ends.writer, &byte, 1), -EBADF);
	check_eq(driver->write(&ends.reader, &byte, 1), -EBADF);
	check_eq(driver->read(&ends.writer, &byte, 0), -EBADF);
	check_eq(driver->write(&ends.reader, &byte, 0), -EBADF);
	ends_close(&ends);
}

static void m4_fresh_ends_wait(void)
{
	ends = ends_pair();
	check(!ends.reader.nonblocking && !ends.writer.nonblocking);
	if (driver_is_kernel())
		check(!(fcntl(ends.reader.fd, F_GETFL) & O_NONBLOCK));
	ends_close(&ends);
}

static void m5_no_descriptor_left_is_emfile(void)
{
	struct rlimit limit;
	struct rlimit low;
	const int next = dup(0);

	close(next);
	check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)next + 1; /* room for one, and two are needed */
	check_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	check_eq(driver->pair(&ends.reader, &ends.writer), -EMFILE);
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_eq(dup(0), next);
	close(next);
}

static void m6_failing_pipe_leaves_what_the_caller_gave_it(void)
{
	struct rlimit limit;
	struct rlimit none;
	ferry_pipe *reader = (ferry_pipe *)&limit;
	ferry_pipe *writer = (ferry_pipe *)&none;
	int fds[2] = { 4711, 4712 };
	int r;

	check_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	check_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = driver_is_kernel() ? (pipe(fds) ? -errno : 0) : ferry_pipe_pair(&reader, &writer, NULL);
	check_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	check_eq(r, -EMFILE);
	check(fds[0] == 4711 && fds[1] == 4712);
	check(reader == (void *)&limit && writer == (void *)&none);
}

static void read_hello(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	ends_close_writer(&ends);
	ends_get(&ends, "hello");
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	ends_close_reader(&ends);
}

static void m7_parent_writes_and_child_reads(void)
{
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, read_hello, NULL);
	ends_close_reader(&ends);
	ends_put(&ends, "hello");
	ends_close_writer(&ends);
	peer_join(&peer);
}

static void write_hello(struct stage *stage, const void *argument)
{
	(void)stage;
	(void)argument;
	ends_close_reader(&ends);
	ends_put(&ends, "hello");
	ends_close_writer(&ends);
}

static void m8_child_writes_and_parent_reads(void)
{
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, write_hello, NULL);
	ends_close_writer(&ends);
	ends_get(&ends, "hello");
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	peer_join(&peer);
	ends_close_reader(&ends);
}

static void hold(struct stage *stage, const void *argument)
{
	(void)argument;
	stage_meet(stage, 1);
}

static void m9_end_held_by_a_child_counts(void)
{
	struct peer peer;

	signal(SIGPIPE, SIG_IGN);
	ends = ends_pair();
	peer_start(&peer, hold, NULL);
	peer_await(&peer, 1);
	ends_close_writer(&ends);
	driver->set_nonblocking(&ends.reader, true);
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), -EAGAIN);
	peer_kill(&peer);
	driver->set_nonblocking(&ends.reader, false);
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	ends_close_reader(&ends);
}

static void m10_unread_bytes_outlive_the_writer(void)
{
	struct peer peer;

	ends = ends_pair();
	peer_start(&peer, write_hello, NULL);
	ends_close_writer(&ends);
	peer_join(&peer);
	ends_get(&ends, "hel");
	ends_get(&ends, "lo");
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	ends_close_reader(&ends);
}

/* All ends are closed with bytes inside, then it is opened again: are they there? */
static void m11_bytes_are_gone_when_everybody_closed(void)
{
	struct ends again;

	ends = ends_meet("p");
	ends_put(&ends, "stay");
	ends_close(&ends);
	again = ends_meet("p");
	driver->set_nonblocking(&again.reader, true);
	check_eq(driver->read(&again.reader, &(char[8]){ 0 }, 8), differs(-EAGAIN, 4));
	ends_close(&again);
	unlink(scratch_path("p"));
}

static void m12_boundaries_between_writes_are_not_seen(void)
{
	ends = ends_pair();
	ends_put(&ends, "ab");
	ends_put(&ends, "cde");
	ends_put(&ends, "f");
	ends_get(&ends, "a");
	ends_get(&ends, "bcd");
	ends_get(&ends, "ef");
	ends_close(&ends);
}

static void m13_default_capacity_is_16_pages(void)
{
	ends = ends_pair();
	check_eq(driver->capacity(&ends.writer), 65536);
	check_eq(ends_fill(&ends), 65536);
	ends_close(&ends);
}

static void m14_larger_capacity_can_be_had(void)
{
	check_eq(driver->pair_of(&ends.reader, &ends.writer, 1000000), 0);
	check_eq(driver->capacity(&ends.reader), differs(1 << 20, 1003520));
	check_eq(ends_fill(&ends), driver->capacity(&ends.writer));
	ends_close(&ends);
}

static void m15_unread_bytes_can_be_counted(void)
{
	ends = ends_pair();
	check_eq(driver->unread(&ends.reader), 0);
	ends_put(&ends, "hello");
	check_eq(driver->unread(&ends.reader), 5);
	check_eq(driver->unread(&ends.writer), 5);
	ends_get(&ends, "he");
	check_eq(driver->unread(&ends.reader), 3);
	ends_close(&ends);
}

/* Becomes another program, which reads nothing and lives on. */
static void become_sleep(struct stage *stage, const void *argument)
{
	const bool *keep = argument;

	ends_close_reader(&ends);
	if (*keep)
		check_eq(driver->keep_over_exec(&ends.writer), 0);
	stage_reach(stage, 1);
	execl("/bin/sleep", "sleep", "1000", (char *)NULL);
}

static void after_exec(bool keep, ssize_t want)
{
	struct peer peer;
	char name[32] = "";

	ends = ends_pair();
	peer_start(&peer, become_sleep, &keep);
	ends_close_writer(&ends);
	peer_await(&peer, 1);
	for (int fd; strncmp(name, "sleep", 5); close(fd)) {
		char path[64];

		snprintf(path, sizeof path, "/proc/%d/comm", (int)peer.pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		check(fd >= 0 && read(fd, name, sizeof name) > 0);
	}
	driver->set_nonblocking(&ends.reader, true);
	await(driver->read(&ends.reader, &(char){ 0 }, 1) == want);
	peer_kill(&peer);
	driver->set_nonblocking(&ends.reader, false);
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	ends_close_reader(&ends);
}

static void m16_close_on_exec_end_is_gone_after_exec(void)
{
	after_exec(false, 0);
}

static void m17_end_that_is_kept_over_exec_counts(void)
{
	after_exec(true, -EAGAIN);
}

static void m18_named_and_anonymous_pipes_work_alike(void)
{
	ends = ends_meet("p");
	check_eq(driver->capacity(&ends.writer), 65536);
	check_eq(ends_fill(&ends), 65536);
	ends_close_writer(&ends);
	for (size_t n = 0; n < 65536;) {
		unsigned char data[5000];
		const ssize_t r = driver->read(&ends.reader, data, sizeof data);

		check(r > 0);
		for (ssize_t i = 0; i < r; i++)
			check_eq(data[i], (n + (size_t)i) % 251);
		n += (size_t)r;
	}
	check_eq(driver->read(&ends.reader, &(char){ 0 }, 1), 0);
	ends_close_reader(&ends);
	unlink(scratch_path("p"));
}

int main(int n_arguments, char **arguments)
{
	const struct CMUnitTest claims[] = {
		claim(m1_pipe_gives_one_end_to_read_and_one_to_write),
		claim(m2_bytes_come_in_the_order_in_which_they_were_written),
		claim(m3_reading_the_writing_end_is_ebadf),
		claim(m4_fresh_ends_wait),
		claim(m5_no_descriptor_left_is_emfile),
		claim(m6_failing_pipe_leaves_what_the_caller_gave_it),
		claim(m7_parent_writes_and_child_reads),
		claim(m8_child_writes_and_parent_reads),
		claim(m9_end_held_by_a_child_counts),
		claim(m10_unread_bytes_outlive_the_writer),
		claim(m11_bytes_are_gone_when_everybody_closed),
		claim(m12_boundaries_between_writes_are_not_seen),
		claim(m13_default_capacity_is_16_pages),
		claim(m14_larger_capacity_can_be_had),
		claim(m15_unread_bytes_can_be_counted),
		claim(m16_close_on_exec_end_is_gone_after_exec),
		claim(m17_end_that_is_kept_over_exec_counts),
		claim(m18_named_and_anonymous_pipes_work_alike),
	};

	driver_choose(n_arguments, arguments);
	return claim_run_all(claims);
}
