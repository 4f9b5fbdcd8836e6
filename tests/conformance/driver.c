/* SPDX-License-Identifier: MIT */
/* The two back ends. */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "kernel.h"
#include "scratch.h"

static int kernel_pair(struct end *ret_reader, struct end *ret_writer)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	*ret_reader = (struct end){ .fd = fds[0] };
	*ret_writer = (struct end){ .fd = fds[1] };
	return 0;
}

static int kernel_pair_of(struct end *ret_reader, struct end *ret_writer, int64_t capacity)
{
	const int r = kernel_pair(ret_reader, ret_writer);

	if (r)
		return r;
	return fcntl(ret_reader->fd, F_SETPIPE_SZ, (int)capacity) < 0 ? -errno : 0;
}

static int kernel_make(const char *path, mode_t mode)
{
	return mkfifo(path, mode) ? -errno : 0;
}

static int kernel_open(struct end *ret_end, const char *path, enum end_way way, bool nonblocking)
{
	const int fd = open(path, (way == TO_READ ? O_RDONLY : O_WRONLY) | O_CLOEXEC |
				      (nonblocking ? O_NONBLOCK : 0));

	if (fd < 0)
		return -errno;
	*ret_end = (struct end){ .fd = fd, .nonblocking = nonblocking };
	return 0;
}

static void kernel_close(struct end *end)
{
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void kernel_set_nonblocking(struct end *end, bool nonblocking)
{
	end->nonblocking = nonblocking;
	kernel_make_nonblocking(end->fd, nonblocking);
}

static ssize_t kernel_read(struct end *end, void *buffer, size_t size)
{
	return kernel_result(read(end->fd, buffer, size));
}

static ssize_t kernel_write(struct end *end, const void *data, size_t size)
{
	return kernel_result(write(end->fd, data, size));
}

static ssize_t kernel_readv(struct end *end, const struct iovec *buffers, int n)
{
	return kernel_result(readv(end->fd, buffers, n));
}

static ssize_t kernel_writev(struct end *end, const struct iovec *buffers, int n)
{
	return kernel_result(writev(end->fd, buffers, n));
}

static int64_t kernel_capacity(struct end *end)
{
	return fcntl(end->fd, F_GETPIPE_SZ);
}

static int64_t kernel_unread(struct end *end)
{
	return kernel_unread_bytes(end->fd);
}

static int kernel_keep_over_exec(struct end *end)
{
	return fcntl(end->fd, F_SETFD, 0) ? -errno : 0;
}

static const struct driver kernel = {
	.name = "kernel",
	.pair = kernel_pair,
	.make = kernel_make,
	.open = kernel_open,
	.close = kernel_close,
	.set_nonblocking = kernel_set_nonblocking,
	.read = kernel_read,
	.write = kernel_write,
	.readv = kernel_readv,
	.writev = kernel_writev,
	.capacity = kernel_capacity,
	.unread = kernel_unread,
	.pair_of = kernel_pair_of,
	.keep_over_exec = kernel_keep_over_exec,
};

/* Signals end a wait, as they do in the kernel. */
#define AS_POSIX .flags = FERRY_INTERRUPTIBLE | FERRY_SIGPIPE

static int ours_pair_of(struct end *ret_reader, struct end *ret_writer, int64_t capacity)
{
	*ret_reader = (struct end){ .fd = -1 };
	*ret_writer = (struct end){ .fd = -1 };
	return ferry_pipe_pair(&ret_reader->pipe, &ret_writer->pipe,
			       FERRY_PIPE_OPTIONS(.capacity = (uint64_t)capacity, AS_POSIX));
}

static int ours_pair(struct end *ret_reader, struct end *ret_writer)
{
	return ours_pair_of(ret_reader, ret_writer, 0);
}

/* A pipe is made by whoever opens it first. */
static int ours_make(const char *path, mode_t mode)
{
	ferry_pipe *pipe;
	const int r =
	    ferry_pipe_open(&pipe, path, FERRY_READ,
			    FERRY_PIPE_OPTIONS(.mode = mode, .flags = FERRY_EXCLUSIVE), FERRY_NOW);

	if (r == 0)
		ferry_pipe_close(pipe);
	return r;
}

static int ours_open(struct end *ret_end, const char *path, enum end_way way, bool nonblocking)
{
	ferry_pipe *pipe;
	const int r = ferry_pipe_open(
	    &pipe, path, way == TO_READ ? FERRY_READ : FERRY_WRITE,
	    FERRY_PIPE_OPTIONS(.flags = FERRY_EXISTING | FERRY_INTERRUPTIBLE | FERRY_SIGPIPE),
	    nonblocking ? FERRY_NOW : FERRY_FOREVER);

	if (r == 0)
		*ret_end = (struct end){ .fd = -1, .pipe = pipe, .nonblocking = nonblocking };
	return r;
}

static void ours_close(struct end *end)
{
	ferry_pipe_close(end->pipe);
	end->pipe = NULL;
}

static void ours_set_nonblocking(struct end *end, bool nonblocking)
{
	end->nonblocking = nonblocking;
}

static ferry_deadline wait_of(const struct end *end)
{
	return end->nonblocking ? FERRY_NOW : FERRY_FOREVER;
}

static ssize_t ours_read(struct end *end, void *buffer, size_t size)
{
	return ferry_pipe_read(end->pipe, buffer, size, wait_of(end));
}

static ssize_t ours_write(struct end *end, const void *data, size_t size)
{
	return ferry_pipe_write(end->pipe, data, size, wait_of(end));
}

static ssize_t ours_readv(struct end *end, const struct iovec *buffers, int n)
{
	return ferry_pipe_readv(end->pipe, buffers, n, wait_of(end));
}

static ssize_t ours_writev(struct end *end, const struct iovec *buffers, int n)
{
	return ferry_pipe_writev(end->pipe, buffers, n, wait_of(end));
}

static struct ferry_pipe_stat stat_of(struct end *end)
{
	struct ferry_pipe_stat stat;

	check_eq(ferry_pipe_stat(end->pipe, &stat), 0);
	return stat;
}

static int64_t ours_capacity(struct end *end)
{
	return (int64_t)stat_of(end).capacity;
}

static int64_t ours_unread(struct end *end)
{
	return (int64_t)stat_of(end).bytes;
}

static int ours_keep_over_exec(struct end *end)
{
	char text[FERRY_PIPE_EXPORT_BYTES];
	const int r = ferry_pipe_export(end->pipe, text, sizeof text);

	return r < 0 ? r : 0;
}

static const struct driver ours = {
	.name = "ferry",
	.pair = ours_pair,
	.make = ours_make,
	.open = ours_open,
	.close = ours_close,
	.set_nonblocking = ours_set_nonblocking,
	.read = ours_read,
	.write = ours_write,
	.readv = ours_readv,
	.writev = ours_writev,
	.capacity = ours_capacity,
	.unread = ours_unread,
	.pair_of = ours_pair_of,
	.keep_over_exec = ours_keep_over_exec,
};

const struct driver *driver = &kernel;

void driver_choose(int n_arguments, char **arguments)
{
	if (n_arguments == 2 && !strcmp(arguments[1], ours.name))
		driver = &ours;
	else if (n_arguments != 2 || strcmp(arguments[1], kernel.name))
		exit((fprintf(stderr, "usage: %s kernel|ferry\n", arguments[0]), 2));
}

bool driver_is_kernel(void)
{
	return driver == &kernel;
}

struct ends ends_pair(void)
{
	struct ends ends;

	check_eq(driver->pair(&ends.reader, &ends.writer), 0);
	return ends;
}

struct ends ends_meet(const char *name)
{
	struct ends ends;
	const int r = driver->make(scratch_path(name), 0600);

	check(r == 0 || r == -EEXIST);
	check_eq(driver->open(&ends.reader, scratch_path(name), TO_READ, true), 0);
	check_eq(driver->open(&ends.writer, scratch_path(name), TO_WRITE, true), 0);
	driver->set_nonblocking(&ends.reader, false);
	driver->set_nonblocking(&ends.writer, false);
	return ends;
}

void ends_close_reader(struct ends *ends)
{
	driver->close(&ends->reader);
}

void ends_close_writer(struct ends *ends)
{
	driver->close(&ends->writer);
}

void ends_close(struct ends *ends)
{
	ends_close_reader(ends);
	ends_close_writer(ends);
}

void ends_nonblocking(struct ends *ends)
{
	driver->set_nonblocking(&ends->reader, true);
	driver->set_nonblocking(&ends->writer, true);
}

size_t ends_fill(struct ends *ends)
{
	static unsigned char data[4096];
	const bool before = ends->writer.nonblocking;
	size_t total = 0;
	ssize_t n;

	driver->set_nonblocking(&ends->writer, true);
	do {
		for (size_t i = 0; i < sizeof data; i++)
			data[i] = (unsigned char)((total + i) % 251);
		n = driver->write(&ends->writer, data, sizeof data);
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	check_eq(n, -EAGAIN);
	driver->set_nonblocking(&ends->writer, before);
	return total;
}

void ends_put(struct ends *ends, const char *text)
{
	check_eq(driver->write(&ends->writer, text, strlen(text)), strlen(text));
}

void ends_get(struct ends *ends, const char *text)
{
	char got[256];

	check(strlen(text) <= sizeof got);
	check_eq(driver->read(&ends->reader, got, strlen(text)), strlen(text));
	check(!memcmp(got, text, strlen(text)));
}
