/* SPDX-License-Identifier: MIT */
/* Bytes between a pipe and a descriptor: drain and fill, and that none is lost when either end
 * fails. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "claim.h"
#include "peer.h"
#include "stream.h"

#define OPTIONS FERRY_PIPE_OPTIONS

static struct stream stream;

static int memory_file(uint64_t at, size_t size)
{
	const int fd = memfd_create("file", MFD_CLOEXEC);
	unsigned char *data = malloc(size ? size : 1);

	check(fd >= 0 && data);
	stream_fill(data, at, size);
	check_eq(write(fd, data, size), size);
	check_eq(lseek(fd, 0, SEEK_SET), 0);
	free(data);
	return fd;
}

static void file_holds(int fd, uint64_t at, size_t size)
{
	unsigned char *data = malloc(size + 1);

	check(data);
	check_eq(pread(fd, data, size + 1, 0), size);
	stream_match(data, at, size);
	free(data);
}

static void drain_moves_all_until_the_end_of_file(void)
{
	const int fd = memory_file(0, 0);
	uint64_t moved = 0;

	stream = stream_pair(NULL);
	stream_write_at(stream.writer, 0, 50000, FERRY_NOW);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	check_eq(ferry_pipe_drain(stream.reader, fd, UINT64_MAX, &moved, FERRY_FOREVER), 0);
	check_eq(moved, 50000);
	file_holds(fd, 0, 50000);
	check_eq(ferry_pipe_drain(stream.reader, fd, UINT64_MAX, NULL, FERRY_NOW), 0);
	close(fd);
	stream_close(&stream);
}

static void drain_stops_at_its_limit(void)
{
	const int fd = memory_file(0, 0);
	uint64_t moved = 99;

	stream = stream_pair(NULL);
	stream_write_at(stream.writer, 0, 5000, FERRY_NOW);
	check_eq(ferry_pipe_drain(stream.reader, fd, 0, &moved, FERRY_FOREVER), 0);
	check_eq(moved, 0);
	check_eq(ferry_pipe_drain(stream.reader, fd, 1234, &moved, FERRY_FOREVER), 0);
	check_eq(moved, 1234);
	file_holds(fd, 0, 1234);
	stream_expect_at(stream.reader, 1234, 5000 - 1234, FERRY_NOW);
	close(fd);
	stream_close(&stream);
}

static void drain_with_nothing_more_tells_what_was_moved(void)
{
	const int fd = memory_file(0, 0);
	uint64_t moved = 0;

	stream = stream_pair(NULL);
	stream_write_at(stream.writer, 0, 100, FERRY_NOW);
	check_eq(ferry_pipe_drain(stream.reader, fd, UINT64_MAX, &moved, FERRY_NOW), -EAGAIN);
	check_eq(moved, 100);
	check_eq(ferry_pipe_drain(stream.reader, fd, UINT64_MAX, &moved, ferry_in_ms(30)),
		 -ETIMEDOUT);
	check_eq(moved, 0);
	close(fd);
	stream_close(&stream);
}

/* What the descriptor did not take is in the pipe still. */
static void drain_into_a_full_descriptor_loses_nothing(void)
{
	static unsigned char data[300000];
	uint64_t moved = 0;
	uint64_t later = 0;
	size_t got = 0;
	int fds[2];
	ssize_t n;

	stream = stream_pair(OPTIONS(.capacity = 300000));
	stream_write_at(stream.writer, 0, 200000, FERRY_NOW);
	check_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	check_eq(ferry_pipe_drain(stream.reader, fds[1], UINT64_MAX, &moved, FERRY_NOW), -EAGAIN);
	check_eq(moved, 65536);
	check_eq(stream_stat(stream.reader).bytes, 200000 - moved);
	check_eq(ferry_pipe_drain(stream.reader, fds[1], UINT64_MAX, &later, ferry_in_ms(30)),
		 -ETIMEDOUT);
	check_eq(later, 0);
	while ((n = read(fds[0], data + got, sizeof data - got)) > 0)
		got += (size_t)n;
	check_eq(got, moved);
	stream_match(data, 0, got);
	stream_expect_at(stream.reader, got, 200000 - got, FERRY_NOW);
	close(fds[0]);
	close(fds[1]);
	stream_close(&stream);
}

static void drain_into_a_failing_descriptor_loses_nothing(void)
{
	uint64_t moved = 99;
	int fds[2];
	int full;

	signal(SIGPIPE, SIG_DFL); /* it must not be raised */
	stream = stream_pair(NULL);
	stream_write_at(stream.writer, 0, 5000, FERRY_NOW);
	check_eq(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	check_eq(ferry_pipe_drain(stream.reader, fds[1], UINT64_MAX, &moved, FERRY_FOREVER),
		 -EPIPE);
	check_eq(moved, 0);
	close(fds[1]);
	check_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[0]);
	check_eq(ferry_pipe_drain(stream.reader, fds[1], UINT64_MAX, &moved, FERRY_FOREVER),
		 -EPIPE);
	close(fds[1]);
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full >= 0)
		check_eq(ferry_pipe_drain(stream.reader, full, 10, &moved, FERRY_FOREVER), -ENOSPC);
	close(full);
	check_eq(moved, 0);
	stream_expect_at(stream.reader, 0, 5000, FERRY_NOW);
	stream_close(&stream);
}

static void fill_moves_all_until_the_end_of_file(void)
{
	const int fd = memory_file(0, 50000);
	uint64_t moved = 0;

	stream = stream_pair(NULL);
	check_eq(ferry_pipe_fill(stream.writer, fd, UINT64_MAX, &moved, ferry_in_ms(5000)), 0);
	check_eq(moved, 50000);
	stream_expect_at(stream.reader, 0, 50000, FERRY_NOW);
	stream_expect_empty(stream.reader);
	close(fd);
	stream_close(&stream);
}

static void fill_stops_at_its_limit_and_reads_no_further(void)
{
	const int fd = memory_file(0, 5000);
	uint64_t moved = 0;

	stream = stream_pair(NULL);
	check_eq(ferry_pipe_fill(stream.writer, fd, 1234, &moved, FERRY_FOREVER), 0);
	check_eq(moved, 1234);
	check_eq(lseek(fd, 0, SEEK_CUR), 1234);
	stream_expect_at(stream.reader, 0, 1234, FERRY_NOW);
	stream_expect_empty(stream.reader);
	close(fd);
	stream_close(&stream);
}

/* What did not fit was not read. */
static void fill_of_a_full_pipe_loses_nothing(void)
{
	const int fd = memory_file(0, 100000);
	uint64_t moved = 0;
	uint64_t later = 0;

	stream = stream_pair(OPTIONS(.capacity = 8192));
	check_eq(ferry_pipe_fill(stream.writer, fd, UINT64_MAX, &moved, FERRY_NOW), -EAGAIN);
	check_eq(moved, 8192);
	check_eq(lseek(fd, 0, SEEK_CUR), 8192);
	check_eq(ferry_pipe_fill(stream.writer, fd, UINT64_MAX, &later, ferry_in_ms(30)),
		 -ETIMEDOUT);
	check_eq(later, 0);
	stream_expect_at(stream.reader, 0, 8192, FERRY_NOW);
	check_eq(ferry_pipe_fill(stream.writer, fd, 8192, &moved, FERRY_NOW), 0);
	stream_expect_at(stream.reader, 8192, 8192, FERRY_NOW);
	check_eq(lseek(fd, 0, SEEK_CUR), 16384);
	close(fd);
	stream_close(&stream);
}

static void fill_without_a_reader_reads_nothing(void)
{
	const int fd = memory_file(0, 5000);
	uint64_t moved = 99;

	stream = stream_pair(NULL);
	ferry_pipe_close(stream.reader);
	stream.reader = NULL;
	check_eq(ferry_pipe_fill(stream.writer, fd, UINT64_MAX, &moved, FERRY_FOREVER), -EPIPE);
	check_eq(moved, 0);
	check_eq(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	stream_close(&stream);
}

static void fill_from_an_empty_or_broken_descriptor(void)
{
	uint64_t moved = 99;
	int fds[2];

	stream = stream_pair(NULL);
	check_eq(pipe2(fds, O_CLOEXEC), 0);
	check_eq(ferry_pipe_fill(stream.writer, fds[0], 10, &moved, FERRY_NOW), -EAGAIN);
	check_eq(moved, 0);
	check_eq(ferry_pipe_fill(stream.writer, fds[0], 10, &moved, ferry_in_ms(30)), -ETIMEDOUT);
	check_eq(write(fds[1], "abc", 3), 3);
	check_eq(ferry_pipe_fill(stream.writer, fds[0], 10, &moved, FERRY_NOW), -EAGAIN);
	check_eq(moved, 3);
	stream_expect(stream.reader, "abc");
	close(fds[1]);
	check_eq(ferry_pipe_fill(stream.writer, fds[0], 10, &moved, FERRY_FOREVER), 0);
	check_eq(moved, 0);
	close(fds[0]);
	stream_write(stream.writer, "after"); /* no reservation is left over */
	stream_expect(stream.reader, "after");
	stream_close(&stream);
}

/* Nothing was read, and no reservation is left over. */
static void fill_from_what_cannot_be_read_changes_nothing(void)
{
	const int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int write_only = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint64_t moved = 99;

	stream = stream_pair(NULL);
	check_eq(ferry_pipe_fill(stream.writer, directory, 10, &moved, FERRY_FOREVER), -EISDIR);
	check_eq(moved, 0);
	check_eq(ferry_pipe_fill(stream.writer, write_only, 10, &moved, FERRY_FOREVER), -EBADF);
	check_eq(moved, 0);
	stream_expect_empty(stream.reader);
	stream_write(stream.writer, "after");
	stream_expect(stream.reader, "after");
	close(directory);
	close(write_only);
	stream_close(&stream);
}

/* A descriptor that blocks: no call of ours may hang in it beyond the deadline. */
static void drain_into_a_full_descriptor_that_blocks_ends_in_time(void)
{
	static unsigned char data[100000];
	uint64_t moved = 0;
	size_t got = 0;
	int fds[2];

	stream = stream_pair(OPTIONS(.capacity = 200000));
	stream_write_at(stream.writer, 0, 100000, FERRY_NOW);
	check_eq(pipe2(fds, O_CLOEXEC), 0);
	check_eq(ferry_pipe_drain(stream.reader, fds[1], UINT64_MAX, &moved, ferry_in_ms(30)),
		 -ETIMEDOUT);
	check(moved > 0 && moved < 100000);
	while (got < moved) {
		const ssize_t n = read(fds[0], data + got, moved - got);
		check(n > 0);
		got += (size_t)n;
	}
	stream_match(data, 0, got);
	stream_expect_at(stream.reader, got, 100000 - got, FERRY_NOW);
	close(fds[0]);
	close(fds[1]);
	stream_close(&stream);
}

static void removed_pipe_takes_nothing_from_a_descriptor(void)
{
	const int file = memory_file(0, 5000);
	const int out = memory_file(0, 0);
	uint64_t moved = 99;

	stream = stream_meet("p", NULL);
	stream_write(stream.writer, "gone");
	check_eq(ferry_remove("p", NULL), 0);
	check_eq(ferry_pipe_fill(stream.writer, file, UINT64_MAX, &moved, FERRY_FOREVER), -EIDRM);
	check_eq(moved, 0);
	check_eq(lseek(file, 0, SEEK_CUR), 0);
	check_eq(ferry_pipe_drain(stream.reader, out, UINT64_MAX, &moved, FERRY_FOREVER), -EIDRM);
	check_eq(moved, 0);
	file_holds(out, 0, 0);
	close(file);
	close(out);
	stream_close(&stream);
}

static void fill_until_nobody_reads(struct stage *stage, const void *argument)
{
	const int fd = *(const int *)argument;
	uint64_t moved = 0;

	ferry_pipe_close(stream.reader);
	check_eq(ferry_pipe_fill(stream.writer, fd, UINT64_MAX, &moved, FERRY_FOREVER), -EPIPE);
	check_eq(lseek(fd, 0, SEEK_CUR), moved);
	atomic_store(&stage->value[0], (int64_t)moved);
	stage_reach(stage, 1);
}

/* What was read from the descriptor is in the pipe, whenever the reader leaves. */
static void fill_loses_nothing_when_the_last_reader_leaves(void)
{
	const int n = check_repeat(20, 1000);

	for (int i = 0; i < n; i++) {
		const int fd = memory_file(0, 300000);
		struct ferry_pipe_stat stat;
		struct peer peer;
		ferry_pipe *observer;

		stream = stream_meet("p", OPTIONS(.capacity = 8192));
		check_eq(ferry_pipe_open(&observer, "p", FERRY_OBSERVE, NULL, FERRY_NOW), 0);
		peer_start(&peer, fill_until_nobody_reads, &fd);
		ferry_pipe_close(stream.writer);
		stream.writer = NULL;
		if (i % 2)
			stream_expect_at(stream.reader, 0, (size_t)i * 997, FERRY_FOREVER);
		else
			await(stream_stat(stream.reader).bytes == 8192);
		ferry_pipe_close(stream.reader);
		stream.reader = NULL;
		peer_await(&peer, 1);
		check_eq(ferry_pipe_stat(observer, &stat), 0);
		check_eq(stat.written, atomic_load(&peer.stage->value[0]));
		peer_join(&peer);
		ferry_pipe_close(observer);
		close(fd);
		stream_end(&stream, "p");
	}
}

static void drain_until_nobody_reads(struct stage *stage, const void *argument)
{
	const int *fds = argument;
	uint64_t moved = 0;

	close(fds[0]);
	ferry_pipe_close(stream.writer);
	check_eq(ferry_pipe_drain(stream.reader, fds[1], UINT64_MAX, &moved, FERRY_FOREVER),
		 -EPIPE);
	atomic_store(&stage->value[0], (int64_t)moved);
	stage_reach(stage, 1);
}

/* What the descriptor took was taken from the pipe, and nothing else. */
static void drain_loses_nothing_when_its_descriptor_breaks(void)
{
	static unsigned char data[70000];
	struct peer peer;
	uint64_t moved;
	int fds[2];

	stream = stream_pair(OPTIONS(.capacity = 300000));
	stream_write_at(stream.writer, 0, 200000, FERRY_NOW);
	check_eq(pipe2(fds, O_CLOEXEC), 0);
	peer_start(&peer, drain_until_nobody_reads, fds);
	close(fds[1]);
	await(stream_stat(stream.reader).bytes <= 200000 - 65536);
	const ssize_t n = read(fds[0], data, 5000);
	check_eq(n, 5000);
	stream_match(data, 0, 5000);
	close(fds[0]);
	peer_await(&peer, 1);
	moved = (uint64_t)atomic_load(&peer.stage->value[0]);
	check(moved >= 65536 && moved < 200000);
	stream_expect_at(stream.reader, moved, 200000 - moved, FERRY_NOW);
	peer_join(&peer);
	stream_close(&stream);
}

static void no_descriptor_is_ebadf(void)
{
	uint64_t moved = 99;

	stream = stream_pair(NULL);
	stream_write(stream.writer, "hello");
	check_eq(ferry_pipe_drain(stream.reader, -1, 10, &moved, ferry_in_ms(2000)), -EBADF);
	check_eq(ferry_pipe_fill(stream.writer, -1, 10, &moved, ferry_in_ms(2000)), -EBADF);
	check_eq(moved, 0);
	stream_expect(stream.reader, "hello");
	stream_close(&stream);
}

static void fill_from_a_pipe(struct stage *stage, const void *argument)
{
	const int *fds = argument;

	(void)stage;
	close(fds[1]);
	ferry_pipe_close(stream.reader);
	check_eq(ferry_pipe_fill(stream.writer, fds[0], UINT64_MAX, NULL, FERRY_FOREVER), 0);
	ferry_pipe_close(stream.writer);
}

/* Kernel pipe, ferry pipe, file: a megabyte comes through in order. */
static void chain_of_pipes_keeps_all_bytes(void)
{
	enum { ALL = 1 << 20 };
	static unsigned char data[ALL];
	const int file = memory_file(0, 0);
	struct peer filler;
	struct peer drainer;
	int fds[2];

	stream = stream_pair(OPTIONS(.capacity = 8192));
	check_eq(pipe2(fds, O_CLOEXEC), 0);
	peer_start(&filler, fill_from_a_pipe, fds);
	close(fds[0]);
	ferry_pipe_close(stream.writer);
	stream.writer = NULL;
	drainer.pid = fork();
	if (drainer.pid == 0) {
		close(fds[1]);
		check_eq(ferry_pipe_drain(stream.reader, file, UINT64_MAX, NULL, FERRY_FOREVER), 0);
		_exit(0);
	}
	drainer.stage = stage_new();
	stream_fill(data, 0, ALL);
	check_eq(write(fds[1], data, ALL), ALL);
	close(fds[1]);
	peer_join(&filler);
	peer_join(&drainer);
	file_holds(file, 0, ALL);
	close(file);
	stream_close(&stream);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		claim(drain_moves_all_until_the_end_of_file),
		claim(drain_stops_at_its_limit),
		claim(drain_with_nothing_more_tells_what_was_moved),
		claim(drain_into_a_full_descriptor_loses_nothing),
		claim(drain_into_a_failing_descriptor_loses_nothing),
		claim(fill_moves_all_until_the_end_of_file),
		claim(fill_stops_at_its_limit_and_reads_no_further),
		claim(fill_of_a_full_pipe_loses_nothing),
		claim(fill_without_a_reader_reads_nothing),
		claim(fill_from_an_empty_or_broken_descriptor),
		claim(fill_from_what_cannot_be_read_changes_nothing),
		claim(drain_into_a_full_descriptor_that_blocks_ends_in_time),
		claim(removed_pipe_takes_nothing_from_a_descriptor),
		claim(fill_loses_nothing_when_the_last_reader_leaves),
		claim(drain_loses_nothing_when_its_descriptor_breaks),
		claim(no_descriptor_is_ebadf),
		claim(chain_of_pipes_keeps_all_bytes),
	};

	return claim_run_all(claims);
}
