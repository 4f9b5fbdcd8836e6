/* SPDX-License-Identifier: MIT */
/* Short words for what most tests do with a pipe, and bytes that show where they belong. Each fails
 * the test if it does not succeed. */
#ifndef FERRY_TEST_STREAM_H
#define FERRY_TEST_STREAM_H

#include <ferry/ferry.h>

/** Both ends of a pipe in one process. */
struct stream {
	ferry_pipe *reader;
	ferry_pipe *writer;
};

/** An anonymous pipe; the named one at a location, made if need be. */
struct stream stream_pair(const struct ferry_pipe_options *options);
struct stream stream_meet(const char *location, const struct ferry_pipe_options *options);

/** One end of the pipe at a location, without waiting for the other if that can be. */
ferry_pipe *stream_open(const char *location, uint32_t end,
			const struct ferry_pipe_options *options);

/** Close what is open of it; and remove the pipe. */
void stream_close(struct stream *stream);
void stream_end(struct stream *stream, const char *location);

struct ferry_pipe_stat stream_stat(ferry_pipe *pipe);

/** Write a text at once; read exactly this text at once. */
void stream_write(ferry_pipe *writer, const char *text);
void stream_expect(ferry_pipe *reader, const char *text);

/** Nothing is there, but a writer is; the end of file is reached. */
void stream_expect_empty(ferry_pipe *reader);
void stream_expect_end(ferry_pipe *reader);

/** The bytes of a long stream: those from position at on, written at once or waiting; read and
 *  compared. */
void stream_fill(void *data, uint64_t at, size_t size);
void stream_match(const void *data, uint64_t at, size_t size);
void stream_write_at(ferry_pipe *writer, uint64_t at, size_t size, ferry_deadline deadline);
void stream_expect_at(ferry_pipe *reader, uint64_t at, size_t size, ferry_deadline deadline);

/** Write bytes of the stream from position at on until nothing fits; how many did. */
uint64_t stream_brim(ferry_pipe *writer, uint64_t at);

/** Read and drop all that is there at once; how many bytes that was. */
uint64_t stream_empty(ferry_pipe *reader);

/** A record: what one writer writes with one call. */
struct record {
	uint32_t size; /**< of all of it, this header included */
	uint32_t writer;
	uint64_t number; /**< counts the records of a writer, from 1 */
	uint64_t sum;    /**< of the other fields */
};

enum { RECORD_MOST = FERRY_PIPE_BUF };

/** Build a record of size bytes at data. */
void record_make(void *data, uint32_t size, uint32_t writer, uint64_t number);

/** Write one, waiting; the result of ferry_pipe_write(). */
ssize_t record_write(ferry_pipe *pipe, uint32_t size, uint32_t writer, uint64_t number,
		     ferry_deadline deadline);

/** Read one record: 1; 0 at the end of file, which must be between records; or an error. Fails the
 *  test when a byte of it is another's. */
int record_read(ferry_pipe *reader, struct record *ret_record, ferry_deadline deadline);

#endif
