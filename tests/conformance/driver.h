/* SPDX-License-Identifier: MIT */
/* One table of what can be done with a pipe, and two that fill it: the kernel and ferry. A test is
 * written once and runs on both (docs/conformance/pipe.md). Results are >= 0 or a negative errno;
 * a call waits unless its end was made non-blocking, as O_NONBLOCK has it. */
#ifndef FERRY_TEST_DRIVER_H
#define FERRY_TEST_DRIVER_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <ferry/ferry.h>

/** One end of a pipe. */
struct end {
	int fd;           /* of the kernel's */
	ferry_pipe *pipe; /* of ferry's */
	bool nonblocking;
};

enum end_way { TO_READ, TO_WRITE };

/** What a back end can do. */
struct driver {
	const char *name;
	int (*pair)(struct end *ret_reader, struct end *ret_writer);
	/** Make a named pipe under a path: mkfifo(). */
	int (*make)(const char *path, mode_t mode);
	/** Open one that exists, waiting for the other end or not. */
	int (*open)(struct end *ret_end, const char *path, enum end_way way, bool nonblocking);
	void (*close)(struct end *end);
	void (*set_nonblocking)(struct end *end, bool nonblocking);
	ssize_t (*read)(struct end *end, void *buffer, size_t size);
	ssize_t (*write)(struct end *end, const void *data, size_t size);
	ssize_t (*readv)(struct end *end, const struct iovec *buffers, int n);
	ssize_t (*writev)(struct end *end, const struct iovec *buffers, int n);
	/** Bytes that can wait, and that wait. */
	int64_t (*capacity)(struct end *end);
	int64_t (*unread)(struct end *end);
	/** Make a pipe that holds at least so much. */
	int (*pair_of)(struct end *ret_reader, struct end *ret_writer, int64_t capacity);
	/** Let a program that is started have this end. */
	int (*keep_over_exec)(struct end *end);
};

/** The one under test. */
extern const struct driver *driver;

/** From main: kernel or ferry, as the first argument says. */
void driver_choose(int n_arguments, char **arguments);

/** What the kernel's pipe and ferry's are expected to do where they differ on purpose; the table
 *  of sentences must say why. */
#define differs(kernel, ferry) (driver_is_kernel() ? (kernel) : (ferry))
bool driver_is_kernel(void);

/** Both ends of a fresh pipe. */
struct ends {
	struct end reader;
	struct end writer;
};

struct ends ends_pair(void);
/** Of a named pipe at a name in the private directory, which is made first. */
struct ends ends_meet(const char *name);
void ends_close(struct ends *ends);
void ends_close_reader(struct ends *ends);
void ends_close_writer(struct ends *ends);
void ends_nonblocking(struct ends *ends);

/** Fill it to the brim with bytes that count modulo 251; how many. */
size_t ends_fill(struct ends *ends);

/** Write and read exactly this text. */
void ends_put(struct ends *ends, const char *text);
void ends_get(struct ends *ends, const char *text);

#endif
