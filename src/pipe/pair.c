/* SPDX-License-Identifier: MIT */
/*
 * pair.c - anonymous pipes, and passing an end on by exec.
 *
 * Both ends of a kernel pipe that no byte ever passes travel with the two ends of an anonymous
 * pipe: the kernel counts who has which, whatever fork, exec and death do.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../object/create.h"
#include "../os/cancel.h"
#include "open.h"
#include "presence.h"

#define PREFIX "ferry-pipe:"

/* ---- a pair ---- */

/* Open one end over a descriptor of the memory, which is the handle's from now on, or closed. */
static int open_end(struct ferry_pipe *pipe, int memory, const struct ferry_pipe_options *o)
{
	int r = fy_object_open_descriptor(&pipe->object, memory, &fy_pipe_kind, o->why);

	if (r < 0) {
		pipe->object.base = NULL;
		return r;
	}
	return fy_pipe_set_up(pipe, o);
}

static int open_ends(struct ferry_pipe *reader, struct ferry_pipe *writer,
		     const struct ferry_pipe_options *o)
{
	struct fy_pipe_layout layout;
	struct fy_creation creation;

	fy_pipe_creation(&creation, &layout, o, 1);
	int memory = fy_create_unnamed(&fy_pipe_kind, &creation, o->why);
	if (memory < 0)
		return memory;
	int r = open_end(reader, memory, o);
	if (r < 0)
		return r;
	int again = fy_object_describe(&reader->object);
	if (again < 0)
		return fy_why(o->why, again, "cannot open the pipe's memory again: %s",
			      strerror(-again));
	return open_end(writer, again, o);
}

static int connect_ends(struct ferry_pipe *reader, struct ferry_pipe *writer)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	reader->presence.fd = ends[0];
	writer->presence.fd = ends[1];
	fy_pipe_arrive(reader);
	fy_pipe_arrive(writer);
	return 0;
}

static int make_pair(ferry_pipe **ret_reader, ferry_pipe **ret_writer,
		     const struct ferry_pipe_options *o)
{
	struct ferry_pipe *reader = fy_pipe_new(FERRY_READ);
	struct ferry_pipe *writer = fy_pipe_new(FERRY_WRITE);
	int r = reader && writer ? open_ends(reader, writer, o) : -ENOMEM;

	if (r == 0)
		r = connect_ends(reader, writer);
	if (r == 0) {
		*ret_reader = reader;
		*ret_writer = writer;
		return 0;
	}
	if (reader)
		fy_pipe_dispose(reader);
	if (writer)
		fy_pipe_dispose(writer);
	return r;
}

int ferry_pipe_pair(ferry_pipe **ret_reader, ferry_pipe **ret_writer,
		    const struct ferry_pipe_options *options)
{
	struct ferry_pipe_options o;

	if (!ret_reader || !ret_writer)
		return -EINVAL;
	int r = fy_pipe_options(&o, options, FERRY_INTERRUPTIBLE | FERRY_SIGPIPE);
	if (r < 0)
		return r;
	int cancel = fy_cancel_off();
	r = make_pair(ret_reader, ret_writer, &o);
	fy_cancel_restore(cancel);
	return r;
}

/* ---- export ---- */

static int keep_across_exec(int fd, int keep)
{
	return fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC) == 0 ? 0 : -errno;
}

/* The memory, through a description of its own: our membership must not live on in the program. */
static int describe_for_export(struct ferry_pipe *pipe)
{
	if (pipe->export_fd >= 0)
		return 0;
	int fd = fy_object_describe(&pipe->object);
	if (fd < 0)
		return fd;
	pipe->export_fd = fd;
	return 0;
}

static int export_end(struct ferry_pipe *pipe, char *text, size_t n)
{
	char full[FERRY_PIPE_EXPORT_BYTES];
	int r = describe_for_export(pipe);

	if (r < 0)
		return r;
	int length =
	    snprintf(full, sizeof(full), PREFIX "%c:%d,%d", pipe->end == FERRY_WRITE ? 'w' : 'r',
		     pipe->export_fd, pipe->presence.fd);
	if (length < 0 || (size_t)length >= n)
		return -ERANGE;
	r = keep_across_exec(pipe->export_fd, 1);
	if (r == 0)
		r = keep_across_exec(pipe->presence.fd, 1);
	if (r < 0)
		return r;
	memcpy(text, full, (size_t)length + 1);
	return length;
}

int ferry_pipe_export(ferry_pipe *pipe, char *text, size_t n)
{
	if (!pipe || !text)
		return -EINVAL;
	if (pipe->end == FERRY_OBSERVE)
		return -EBADF;
	int cancel = fy_cancel_off();
	int r = export_end(pipe, text, n);
	fy_cancel_restore(cancel);
	return r;
}

/* ---- import ---- */

struct described {
	uint32_t end;
	int memory;
	int presence;
};

/* A descriptor's number; NULL if there is none. */
static const char *parse_number(const char *text, int *ret_number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno != 0 || number > INT32_MAX)
		return NULL;
	*ret_number = (int)number;
	return end;
}

static int parse(const char *text, struct described *ret_described)
{
	size_t n = strlen(PREFIX);

	if (strncmp(text, PREFIX, n) != 0 || (text[n] != 'r' && text[n] != 'w') ||
	    text[n + 1] != ':')
		return -EINVAL;
	ret_described->end = text[n] == 'w' ? FERRY_WRITE : FERRY_READ;
	const char *rest = parse_number(text + n + 2, &ret_described->memory);
	if (!rest || *rest != ',')
		return -EINVAL;
	rest = parse_number(rest + 1, &ret_described->presence);
	return rest && *rest == '\0' && ret_described->memory != ret_described->presence ? 0
											 : -EINVAL;
}

/* Is the second descriptor what keeps that end open? */
static int check_presence(const struct ferry_pipe *pipe, int fd)
{
	struct stat memory;
	struct stat presence;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &presence) != 0 || fstat(pipe->object.fd, &memory) != 0)
		return -EBADF;
	if (pipe->anonymous) {
		int wanted = pipe->end == FERRY_WRITE ? O_WRONLY : O_RDONLY;
		return S_ISFIFO(presence.st_mode) && (flags & O_ACCMODE) == wanted
			   ? 0
			   : -FERRY_EFOREIGN;
	}
	return presence.st_dev == memory.st_dev && presence.st_ino == memory.st_ino
		   ? 0
		   : -FERRY_EFOREIGN;
}

/* The memory through an open file description of our own: that of the text may have been inherited
 * by several programs, and what is locked through it would be locked for all of them. */
static int describe_anew(int memory)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* On failure the descriptors of the text stay as they are. */
static int import_end(struct ferry_pipe *pipe, const struct described *d,
		      const struct ferry_pipe_options *o)
{
	struct stat memory;

	/* Opening a device or a FIFO anew could do things. */
	if (fstat(d->memory, &memory) != 0 || !S_ISREG(memory.st_mode))
		return -FERRY_EFOREIGN;
	int fd = describe_anew(d->memory);
	if (fd < 0)
		return fd;
	int r = open_end(pipe, fd, o);
	if (r == 0)
		r = check_presence(pipe, d->presence);
	if (r == 0)
		r = keep_across_exec(d->presence, 0);
	if (r < 0)
		return r;
	(void)close(d->memory);
	pipe->presence.fd = d->presence;
	fy_pipe_arrive(pipe);
	return 0;
}

int ferry_pipe_import(ferry_pipe **ret_pipe, const char *text,
		      const struct ferry_pipe_options *options)
{
	struct ferry_pipe_options o;
	struct described d;

	if (!ret_pipe || !text)
		return -EINVAL;
	int r = fy_pipe_options(&o, options, FERRY_INTERRUPTIBLE | FERRY_SIGPIPE);
	if (r < 0)
		return r;
	r = parse(text, &d);
	if (r < 0)
		return fy_why(o.why, r, "\"%.100s\" does not describe a pipe's end", text);
	if (fcntl(d.memory, F_GETFD) < 0 || fcntl(d.presence, F_GETFD) < 0)
		return fy_why(o.why, -EBADF, "the descriptors of \"%.100s\" are not open", text);
	struct ferry_pipe *pipe = fy_pipe_new(d.end);
	if (!pipe)
		return -ENOMEM;
	int cancel = fy_cancel_off();
	r = import_end(pipe, &d, &o);
	if (r < 0)
		fy_pipe_dispose(pipe);
	else
		*ret_pipe = pipe;
	fy_cancel_restore(cancel);
	return r;
}
